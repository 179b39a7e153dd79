"""The decoder: configuration, parameters and computation."""

from flan_jax.model.decoder import hidden_states, read_trunk
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.model.multihead import computing_in, resolve_attention
from flan_jax.model.parameters import (
  abstract_params,
  cast_matrices,
  init_params,
  param_shardings,
)
from flan_jax.model.prediction import (
  TargetOutputs,
  target_log_probs,
  target_logits,
  target_outputs,
)
