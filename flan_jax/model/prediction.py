"""Log-probabilities of target tokens."""

import functools
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from flan_jax.model import attention, decoder, layers
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.model.parameters import Params
from flan_jax.model.transposed import Transposed
from flan_jax.sharding import rules


class TargetOutputs(NamedTuple):
  """Predictions of the target tokens, all [B, T]."""

  log_probs: Float[Array, 'B T']  # Log-probability of the label, in nats.
  correct: Bool[Array, 'B T']  # Whether no token is more probable.
  log_normalizers: Float[Array, 'B T']  # Logarithm of the softmax denominator.


def target_outputs(
  config: DecoderConfig,
  params: Params,
  batch: decoder.Batch,
  dropout_key: Array | None = None,
) -> TargetOutputs:
  """Predicts the target tokens; logits exist at target positions only.

  Takes the arguments of `decoder.hidden_states`. The batch needs
  target_positions and target_labels.
  """
  hidden_BxLxD = decoder.hidden_states(config, params, batch, dropout_key)
  hidden_BxTxD = jnp.take_along_axis(
    hidden_BxLxD, batch['target_positions'][:, :, None], axis=1
  )
  hidden_BxTxD = rules.constrain(hidden_BxTxD, 'batch', 'length', 'residual')
  labels_BxT = jnp.asarray(batch['target_labels'])
  with layers.matmul_precision(config):
    if config.logits_in_blocks:
      return _outputs_in_blocks(config, params, hidden_BxTxD, labels_BxT)
    table, product = _table(config, params)
    return TargetOutputs(*_predict(product, hidden_BxTxD, table, labels_BxT))


def target_log_probs(
  config: DecoderConfig,
  params: Params,
  batch: decoder.Batch,
  dropout_key: Array | None = None,
) -> Float[Array, 'B T']:
  """Returns the log-probability of each target label in nats, float32."""
  return target_outputs(config, params, batch, dropout_key).log_probs


def target_logits(
  config: DecoderConfig,
  params: Params,
  hidden_BxTxD: Float[Array, 'B T D'],
) -> Float[Array, 'B T V']:
  """Returns float32 logits for hidden states at selected positions."""
  table = params.get('unembedding')
  with layers.matmul_precision(config):
    if isinstance(table, Transposed):
      logits_BxTxV = table.times(hidden_BxTxD, jnp.float32)
    else:
      table, product = _table(config, params)
      logits_BxTxV = _logits(product, hidden_BxTxD, table)
  return attention.capped(logits_BxTxV, config.logits_softcap)


def _logits(product, hidden_BxTxD, table):
  logits_BxTxV = jnp.einsum(
    product,
    hidden_BxTxD,
    table.astype(hidden_BxTxD.dtype),
    preferred_element_type=jnp.float32,
  )
  return rules.constrain(logits_BxTxV, 'batch', 'length', 'vocab')


def _table(config, params):
  if config.tie_embeddings:
    return params['embedding'], 'BTD,VD->BTV'
  return params['unembedding'], 'BTD,DV->BTV'


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _predict(product, hidden_BxTxD, table, labels_BxT):
  """Returns the fields of `TargetOutputs`.

  For the gradient, the exponentials are kept instead of the logits: for a large
  vocabulary, computing them takes as long as a matrix product. The table's
  gradient has the table's type, unrounded.
  """
  return _predict_forward(product, hidden_BxTxD, table, labels_BxT)[0]


def _predict_forward(product, hidden_BxTxD, table, labels_BxT):
  logits_BxTxV = _logits(product, hidden_BxTxD, table)
  most_BxT = jnp.max(logits_BxTxV, axis=-1)
  raised_BxTxV = jnp.exp(logits_BxTxV - most_BxT[:, :, None])
  total_BxT = jnp.sum(raised_BxTxV, axis=-1)
  own_BxTxV = _own(logits_BxTxV.shape[-1], labels_BxT)
  label_BxT = jnp.sum(jnp.where(own_BxTxV, logits_BxTxV, 0), axis=-1)
  outputs = _Sums(most_BxT, total_BxT, label_BxT).outputs()
  raised_BxTxV = raised_BxTxV.astype(hidden_BxTxD.dtype)
  kept = (hidden_BxTxD, table, labels_BxT, raised_BxTxV, total_BxT)
  return tuple(outputs), kept


def _predict_backward(product, kept, gradients):
  hidden_BxTxD, table, labels_BxT, raised_BxTxV, total_BxT = kept
  grad_log_prob_BxT, _, grad_normalizer_BxT = gradients
  spread_BxT = (grad_normalizer_BxT - grad_log_prob_BxT) / total_BxT
  own_BxTxV = _own(raised_BxTxV.shape[-1], labels_BxT)
  grad_BxTxV = raised_BxTxV * spread_BxT[:, :, None]
  grad_BxTxV += jnp.where(own_BxTxV, grad_log_prob_BxT[:, :, None], 0)
  grad_BxTxV = grad_BxTxV.astype(hidden_BxTxD.dtype)
  inputs, weights, logits = re.split(',|->', product)
  times = functools.partial(
    jnp.einsum, precision=layers.precision_of(hidden_BxTxD.dtype)
  )
  for_table = functools.partial(times, preferred_element_type=table.dtype)
  grad_table = for_table(
    f'{inputs},{logits}->{weights}', hidden_BxTxD, grad_BxTxV
  )
  narrow = table.astype(hidden_BxTxD.dtype)
  grad_hidden_BxTxD = times(f'{logits},{weights}->{inputs}', grad_BxTxV, narrow)
  return grad_hidden_BxTxD, grad_table, None


_predict.defvjp(_predict_forward, _predict_backward)


def _own(vocab_size, labels_BxT):
  """Returns which token is the label [B, T, V].

  Labels are compared because the gradient of a look-up is a scatter, which is
  slow and moves logits between devices.
  """
  return jnp.arange(vocab_size)[None, None] == labels_BxT[:, :, None]


class _Sums(NamedTuple):
  """Sums over the logits of the tokens seen so far, all [B, T]."""

  most: Float[Array, 'B T']  # The largest logit, a constant to the gradient.
  total: Float[Array, 'B T']  # Sum of exp(logit - most).
  label: Float[Array, 'B T']  # The label's logit; 0 before it is seen.

  def outputs(self) -> TargetOutputs:
    normalizers = self.most + jnp.log(self.total)
    return TargetOutputs(
      log_probs=self.label - normalizers,
      correct=self.label >= self.most,
      log_normalizers=normalizers,
    )


def _outputs_in_blocks(config, params, hidden_BxTxD, labels_BxT):
  """Computes the outputs with one block of logits in memory at a time.

  If devices divide the vocabulary, each works on blocks of its own share. The
  backward pass recomputes the logits. The last block is moved back to fit into
  the vocabulary, and the entries it repeats are masked.
  """
  shares = _vocabulary_shares(config)
  width = config.vocab_size // shares
  block = min(config.logits_block(), width)
  if config.tie_embeddings:
    table = params['embedding'].reshape(shares, width, config.d_model)
    axes, product = ('vocab', 'block', 'residual'), 'BTD,SWD->BTSW'
  else:
    table = params['unembedding'].reshape(config.d_model, shares, width)
    axes, product = ('residual', 'vocab', 'block'), 'BTD,DSW->BTSW'
  table = rules.constrain(table.astype(hidden_BxTxD.dtype), *axes)

  @jax.checkpoint
  def add(sums, start):
    first = jnp.minimum(start, width - block)
    part = jax.lax.dynamic_slice_in_dim(
      table, first, block, axis=axes.index('block')
    )
    logits = jnp.einsum(
      product, hidden_BxTxD, part, preferred_element_type=jnp.float32
    )
    logits = rules.constrain(logits, 'batch', 'length', 'vocab', 'block')
    logits = attention.capped(logits, config.logits_softcap)
    place_W = first + jnp.arange(block)
    new_1xW = (place_W >= start)[None]
    logits = jnp.where(new_1xW[None, None], logits, -jnp.inf)
    ids_SxW = jnp.arange(shares)[:, None] * width + place_W[None]
    ids_SxW = jnp.where(new_1xW, ids_SxW, -1)
    own = ids_SxW[None, None] == labels_BxT[:, :, None, None]
    label = jnp.sum(jnp.where(own, logits, 0), axis=(2, 3))
    most = jax.lax.stop_gradient(jnp.max(logits, axis=(2, 3)))
    total = jnp.sum(jnp.exp(logits - most[:, :, None, None]), axis=(2, 3))
    highest = jnp.maximum(sums.most, most)
    total = total * jnp.exp(most - highest)
    total += sums.total * jnp.exp(sums.most - highest)
    return _Sums(highest, total, sums.label + label), None

  nothing = jnp.zeros(labels_BxT.shape, jnp.float32)
  sums = _Sums(nothing - jnp.inf, nothing, nothing)
  starts = jnp.arange(0, width, block)
  return jax.lax.scan(add, sums, starts)[0].outputs()


def _vocabulary_shares(config):
  """Returns the number of devices that divide the vocabulary."""
  mesh = jax.sharding.get_abstract_mesh()
  shares = 1 if mesh.empty else mesh.shape['model']
  return 1 if config.vocab_size % shares else shares
