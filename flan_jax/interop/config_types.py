"""Types and ranges of what config.json and GGUF metadata state.

Every value that the importer reads is listed here, and is checked where the
file is read.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from flan_jax.interop.model_source import InteropError
from flan_jax.runtime.json_text import shown
from flan_jax.setting_types import Only, refusal

# Larger ones fit neither an array's shape nor any model.
_LARGEST = 2**31 - 1

# In the words of JSON.
_SIZE = Annotated[
  int,
  Only(f'an integer from 1 to {_LARGEST:,}', lambda n: 1 <= n <= _LARGEST),
]
_SIZE_OR_ZERO = Annotated[
  int,
  Only(f'an integer from 0 to {_LARGEST:,}', lambda n: 0 <= n <= _LARGEST),
]
_TEXTS = Annotated[
  list,
  Only('a list of texts', lambda found: all(type(x) is str for x in found)),
]
_NUMBER = Annotated[float, Only('a positive number', lambda x: x > 0)]
_FLAG = Annotated[bool, Only('true or false', lambda flag: True)]
_TEXT = Annotated[str, Only('text', lambda text: True)]
_OBJECT = Annotated[dict, Only('an object', lambda found: True)]

_KINDS: dict[str, Any] = {
  'model_type': _TEXT,
  'vocab_size': _SIZE,
  'num_hidden_layers': _SIZE,
  'hidden_size': _SIZE,
  'intermediate_size': _SIZE,
  'num_attention_heads': _SIZE,
  'num_key_value_heads': _SIZE,
  'head_dim': _SIZE,
  'max_position_embeddings': _SIZE,
  'sliding_window': _SIZE,
  'use_sliding_window': _FLAG,
  'hidden_act': _TEXT,
  'rms_norm_eps': _NUMBER,
  'layer_norm_eps': _NUMBER,
  'rotary_emb_base': _NUMBER,
  'rotary_pct': _NUMBER,
  'use_parallel_residual': _FLAG,
  'hidden_activation': _TEXT,
  'query_pre_attn_scalar': _NUMBER,
  'attn_logit_softcapping': _NUMBER,
  'final_logit_softcapping': _NUMBER,
  'rope_local_base_freq': _NUMBER,
  'sliding_window_pattern': _SIZE,
  'max_window_layers': _SIZE_OR_ZERO,
  'layer_types': _TEXTS,
  'use_bidirectional_attention': _FLAG,
  'tie_word_embeddings': _FLAG,
  'attention_bias': _FLAG,
  'mlp_bias': _FLAG,
  'quantization_config': _OBJECT,
  'rope_scaling': _OBJECT,
  'rope_parameters': _OBJECT,
  'rope_theta': _NUMBER,
  'rope_type': _TEXT,
  'type': _TEXT,
  'partial_rotary_factor': _NUMBER,
  'factor': _NUMBER,
  'original_max_position_embeddings': _SIZE,
  'low_freq_factor': _NUMBER,
  'high_freq_factor': _NUMBER,
  'beta_slow': _NUMBER,
  'beta_fast': _NUMBER,
  'attention_factor': _NUMBER,
  'mscale': _NUMBER,
  'mscale_all_dim': _NUMBER,
  'truncate': _FLAG,
}
_NESTED = ('rope_scaling', 'rope_parameters')


def check_types(
  config: Mapping[str, Any],
  where: str,
  names: Mapping[str, str] | None = None,
) -> None:
  """Checks the values that the importer reads; null stands for a default.

  Args:
    config: Contents of config.json, or their equivalent.
    where: The file that states them.
    names: What the file calls the keys that it calls differently.

  Raises:
    InteropError: a value is of another type, or out of range.
  """
  for key, kind in _KINDS.items():
    value = config.get(key)
    wanted = None if value is None else refusal(kind, value)
    if wanted is not None:
      name = (names or {}).get(key, key)
      raise InteropError(
        f'{where}: {name} is {shown(value)}; it must be {wanted}: correct the '
        'file, or get it again'
      )
  for key in _NESTED:
    inner = config.get(key) or {}
    # Some models have an object for each kind of layer.
    objects = {k: v for k, v in inner.items() if isinstance(v, dict)}
    for name, stated in {key: inner, **objects}.items():
      values = {k: v for k, v in stated.items() if not isinstance(v, dict)}
      if values:
        check_types(values, f'{where}, {name}', names)
