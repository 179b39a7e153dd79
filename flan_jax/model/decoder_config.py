"""The configuration of a decoder."""

from collections.abc import Iterator
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
  """

  vocab_size: int  # Rows of the embedding, in tokens [V].
  num_layers: int  # Layers [N].
  d_model: int  # Width of the residual stream [D].
  d_ff: int  # Width of each branch of the feed-forward layer [F].
  num_heads: int  # Query heads [H].
  num_kv_heads: int  # Key and value heads [K]; each serves H / K query heads.
  head_dim: int  # Width of one head [h].
  # 'relative_bias', a bias per head and bucket of distances that all layers
  # share (T5, LaMDA), or 'rope', rotated queries and keys (Llama).
  position: str = 'relative_bias'
  relative_buckets: int = 32  # See `position.distance_buckets`.
  relative_max_distance: int = 128  # First distance of the last bucket, tokens.
  rope_base: float = 10_000.0  # Base of RoPE's series of wavelengths.
  activation: str = 'gelu'  # Of the gate: 'gelu' (tanh form) or 'silu'.
  norm_eps: float = 1e-6  # Added to the mean square in RMS normalization.
  tie_embeddings: bool = False  # Whether the embedding computes the logits.
  # Fraction of values set to zero, in [0, 1), in the embedded tokens and in
  # what attention and feed-forward add to the residual stream.
  dropout_rate: float = 0.0
  # 'float32' or 'bfloat16', the type of activations and matrix products.
  # Parameters, normalization, softmax and logits are float32. 'float32'
  # products are full on every platform (no TF32).
  compute_dtype: str = 'float32'
  # Whether layers run in `jax.lax.scan`, which compiles one layer instead of N.
  # The numbers are the same.
  scan_layers: bool = True
  # What the backward pass recomputes to save memory: 'none'; 'dots', all but
  # matrix products with parameters; 'full', everything. Attention weights are
  # never kept.
  remat: str = 'none'
  qkv_bias: bool = False  # Whether queries, keys, values have biases (Qwen2).
  qk_norm: bool = False  # Whether queries and keys are normalized (Qwen3).
  # 'auto', the fastest that platform and model allow; 'reference', all pairs at
  # once; 'blocks', or 'pieces' on a CPU, see `block_attention`; 'splash' or
  # 'cudnn', kernels for TPU and GPU, see `kernel_attention`.
  attention: str = 'auto'
  attention_block: int = 256  # Queries per block of 'blocks' and 'pieces'.
  # Vocabulary entries whose logits are in memory at a time; None for all of up
  # to 65,536, else 16,384.
  vocab_block: int | None = None
  # Vectors of a soft prompt [P], which have the ids -1, -2, …: `soft_prompt`.
  prompt_vectors: int = 0

  def __post_init__(self):
    for problem in self._problems():
      raise ConfigError(problem)

  def _problems(self) -> Iterator[str]:
    for field in dataclasses.fields(self):
      size = getattr(self, field.name)
      # All fields without a default are sizes.
      if field.default is dataclasses.MISSING:
        if not isinstance(size, int) or size < 1:
          yield f'{field.name} must be a positive integer, not {size!r}.'
    if self.num_heads % self.num_kv_heads:
      yield (
        f'num_heads={self.num_heads} is not a multiple of '
        f'num_kv_heads={self.num_kv_heads}.'
      )
    for name, choices in _CHOICES.items():
      value = getattr(self, name)
      if value not in choices:
        yield f'{name} must be one of {choices}, not {value!r}.'
    if self.position == 'rope':
      yield from self._rope_problems()
    else:
      yield from self._relative_bias_problems()
    if not 0.0 <= self.dropout_rate < 1.0:
      yield f'dropout_rate must be in [0, 1), not {self.dropout_rate!r}.'
    if self.norm_eps <= 0:
      yield f'norm_eps must be positive, not {self.norm_eps!r}.'
    if self.prompt_vectors < 0:
      yield f'prompt_vectors must not be negative, not {self.prompt_vectors!r}.'
    for name in ('attention_block', 'vocab_block'):
      size = getattr(self, name)
      if size is not None and size < 1:
        yield f'{name} must be positive, not {size!r}.'

  def _rope_problems(self):
    if self.head_dim % 2:
      yield (
        f"position='rope' rotates pairs, so head_dim={self.head_dim} must be "
        'even.'
      )
    if self.rope_base <= 1:
      yield f'rope_base must exceed 1, not {self.rope_base!r}.'

  def _relative_bias_problems(self):
    buckets = self.relative_buckets
    if buckets < 2 or buckets % 2:
      yield f'relative_buckets must be even and at least 2, not {buckets!r}.'
    if self.relative_max_distance <= buckets // 2:
      yield (
        f'relative_max_distance={self.relative_max_distance} must exceed half '
        f'of relative_buckets={buckets}.'
      )

  def logits_block(self) -> int:
    """Returns how many vocabulary entries have logits in memory at a time."""
    if self.vocab_block is not None:
      return min(self.vocab_block, self.vocab_size)
    whole = self.vocab_size <= _LARGE_VOCABULARY
    return self.vocab_size if whole else _VOCAB_BLOCK

  def param_count(self) -> int:
    """Returns the number of parameters."""
    heads, kv_heads = self.num_heads, self.num_kv_heads
    attention = 2 * self.d_model * self.head_dim * (heads + kv_heads)
    feed_forward = 3 * self.d_model * self.d_ff
    if self.qkv_bias:
      attention += self.head_dim * (heads + 2 * kv_heads)
    norms = 2 * self.d_model + 2 * self.head_dim * self.qk_norm
    tables = 1 if self.tie_embeddings else 2
    total = self.num_layers * (attention + feed_forward + norms)
    rows = tables * self.vocab_size + self.prompt_vectors + 1
    total += rows * self.d_model
    if self.position == 'relative_bias':
      total += self.relative_buckets * self.num_heads
    return total
