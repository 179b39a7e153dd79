"""The configuration of a decoder."""

import dataclasses

from flan_jax.errors import ConfigError

# From keeping most to keeping least.
REMATS = ('none', 'dots', 'full')
_CHOICES = {
  'position': ('relative_bias', 'rope'),
  'activation': ('gelu', 'silu'),
  'compute_dtype': ('float32', 'bfloat16'),
  'remat': REMATS,
  'attention': ('auto', 'reference', 'blocks', 'pieces', 'splash', 'cudnn'),
}

_LARGE_VOCABULARY = 65_536
_VOCAB_BLOCK = 16_384


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
  """A decoder-only transformer with a gated feed-forward layer.

  Brackets give the letter of a size in array names.

  Attributes:
    vocab_size: Rows of the embedding, in tokens [V].
    num_layers: Layers [N].
    d_model: Width of the residual stream [D].
    d_ff: Width of each of the two branches of the feed-forward layer [F].
    num_heads: Query heads [H].
    num_kv_heads: Key and value heads [K]; each serves H / K query heads.
    head_dim: Width of one head [h].
    position: 'relative_bias', a bias per head and bucket of distances that all
      layers share (T5, LaMDA), or 'rope', rotated queries and keys (Llama).
    relative_buckets: Buckets of the relative bias, an even number. Buckets of
      the first half hold one distance each; the others grow geometrically.
    relative_max_distance: Distance in tokens from which on all distances share
      the last bucket.
    rope_base: Base of the geometric series of RoPE's wavelengths.
    activation: Activation of the gate, 'gelu' (tanh approximation) or 'silu'.
    norm_eps: Added to the mean square in RMS normalization.
    tie_embeddings: Whether the embedding also computes the logits.
    dropout_rate: Fraction of values set to zero, in [0, 1), in the embedded
      tokens and in what attention and feed-forward add to the residual stream.
    compute_dtype: 'float32' or 'bfloat16', the type of activations and matrix
      products. Parameters, normalization, softmax and logits are float32.
      'float32' means full float32 products on every platform (no TF32 and no
      bfloat16 passes).
    scan_layers: Whether layers run in `jax.lax.scan`, which compiles one layer
      instead of N. The numbers are the same.
    remat: What the backward pass recomputes to save memory: 'none'; 'dots', all
      but matrix products with parameters; 'full', everything. Attention weights
      are never kept.
    qkv_bias: Whether queries, keys and values each have a bias (Qwen2).
    qk_norm: Whether each query and key is normalized over its head (Qwen3).
    attention: 'auto', the fastest that platform and model allow; 'reference',
      all pairs at once; 'blocks', or 'pieces' on a CPU, see `block_attention`;
      'splash' or 'cudnn', kernels for TPU and GPU, see `kernel_attention`.
    attention_block: Queries per block of 'blocks' and 'pieces'.
    vocab_block: Vocabulary entries whose logits are in memory at a time. None:
      all of up to 65,536, else 16,384.
  """

  vocab_size: int
  num_layers: int
  d_model: int
  d_ff: int
  num_heads: int
  num_kv_heads: int
  head_dim: int
  position: str = 'relative_bias'
  relative_buckets: int = 32
  relative_max_distance: int = 128
  rope_base: float = 10_000.0
  activation: str = 'gelu'
  norm_eps: float = 1e-6
  tie_embeddings: bool = False
  dropout_rate: float = 0.0
  compute_dtype: str = 'float32'
  scan_layers: bool = True
  remat: str = 'none'
  qkv_bias: bool = False
  qk_norm: bool = False
  attention: str = 'auto'
  attention_block: int = 256
  vocab_block: int | None = None

  def __post_init__(self):
    for field in dataclasses.fields(self):
      size = getattr(self, field.name)
      # All fields without a default are sizes.
      if field.default is dataclasses.MISSING:
        if not isinstance(size, int) or size < 1:
          raise ConfigError(
            f'{field.name} must be a positive integer, not {size!r}.'
          )
    if self.num_heads % self.num_kv_heads:
      raise ConfigError(
        f'num_heads={self.num_heads} is not a multiple of '
        f'num_kv_heads={self.num_kv_heads}.'
      )
    for name, choices in _CHOICES.items():
      value = getattr(self, name)
      if value not in choices:
        raise ConfigError(f'{name} must be one of {choices}, not {value!r}.')
    if self.position == 'rope':
      self._check_rope()
    else:
      self._check_relative_bias()
    if not 0.0 <= self.dropout_rate < 1.0:
      raise ConfigError(
        f'dropout_rate must be in [0, 1), not {self.dropout_rate!r}.'
      )
    if self.norm_eps <= 0:
      raise ConfigError(f'norm_eps must be positive, not {self.norm_eps!r}.')
    for name in ('attention_block', 'vocab_block'):
      size = getattr(self, name)
      if size is not None and size < 1:
        raise ConfigError(f'{name} must be positive, not {size!r}.')

  def _check_rope(self):
    if self.head_dim % 2:
      raise ConfigError(
        f"position='rope' rotates pairs, so head_dim={self.head_dim} must be "
        'even.'
      )
    if self.rope_base <= 1:
      raise ConfigError(f'rope_base must exceed 1, not {self.rope_base!r}.')

  def _check_relative_bias(self):
    if self.relative_buckets < 2 or self.relative_buckets % 2:
      raise ConfigError(
        'relative_buckets must be even and at least 2, not '
        f'{self.relative_buckets!r}.'
      )
    if self.relative_max_distance <= self.relative_buckets // 2:
      raise ConfigError(
        f'relative_max_distance={self.relative_max_distance} must exceed half '
        f'of relative_buckets={self.relative_buckets}.'
      )

  def logits_block(self) -> int:
    """Returns how many vocabulary entries have logits in memory at a time."""
    if self.vocab_block is not None:
      return min(self.vocab_block, self.vocab_size)
    whole = self.vocab_size <= _LARGE_VOCABULARY
    return self.vocab_size if whole else _VOCAB_BLOCK

  def param_count(self) -> int:
    """Returns the number of parameters."""
    attention = self.d_model * self.head_dim
    attention *= 2 * self.num_heads + 2 * self.num_kv_heads
    feed_forward = 3 * self.d_model * self.d_ff
    if self.qkv_bias:
      attention += self.head_dim * (self.num_heads + 2 * self.num_kv_heads)
    norms = 2 * self.d_model
    if self.qk_norm:
      norms += 2 * self.head_dim
    tables = 1 if self.tie_embeddings else 2
    total = self.num_layers * (attention + feed_forward + norms)
    total += tables * self.vocab_size * self.d_model + self.d_model
    if self.position == 'relative_bias':
      total += self.relative_buckets * self.num_heads
    return total
