"""The configuration of a decoder."""

from collections.abc import Iterator
import dataclasses
import re
from typing import Annotated, Literal, get_args

from flan_jax.errors import ConfigError
from flan_jax.setting_types import (
  Count,
  CountOrZero,
  Only,
  Patterns,
  Positive,
  check_fields,
)

# From keeping most to keeping least.
Remat = Literal['none', 'dots', 'full']
REMATS = get_args(Remat)
_Attention = Literal['auto', 'reference', 'blocks', 'pieces', 'splash', 'cudnn']
_Share = Annotated[
  float, Only('a number of at least 0 and below 1', lambda x: 0 <= x < 1)
]

# Matrices of a layer, which adapters may stand beside.
_PROJECTIONS = ('query', 'key', 'value', 'output', 'gate', 'up', 'down')
_LARGE_VOCABULARY = 65_536
_VOCAB_BLOCK = 16_384


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
  """A decoder-only transformer.

  Brackets give the letter of a size in array names.
  """

  vocab_size: Count  # Rows of the embedding, in tokens [V].
  num_layers: Count  # Layers [N].
  d_model: Count  # Width of the residual stream [D].
  d_ff: Count  # Width of the feed-forward layer, of each branch if gated [F].
  num_heads: Count  # Query heads [H].
  num_kv_heads: Count  # Key and value heads [K]; each serves H / K query heads.
  head_dim: Count  # Width of one head [h].
  # 'relative_bias', a bias per head and bucket of distances that all layers
  # share (T5, LaMDA), or 'rope', rotated queries and keys (Llama).
  position: Literal['relative_bias', 'rope'] = 'relative_bias'
  relative_buckets: Count = 32  # See `position.distance_buckets`.
  relative_max_distance: Count = (
    128  # First distance of the last bucket, tokens.
  )
  rope_base: Positive = 10_000.0  # Base of RoPE's series of wavelengths.
  # Values of a head that are rotated, from the first; None for all (GPT-NeoX).
  rope_width: Count | None = None
  # How RoPE was changed for a longer context, see `rope.frequencies`.
  rope_scaling: Literal['none', 'linear', 'llama3', 'yarn'] = 'none'
  rope_factor: Positive = 1.0  # What slow pairs are slowed by.
  rope_original_context: Count = 8192  # Context before the change, in tokens.
  # Pairs that turn less often within it are slow, by 'llama3' and 'yarn';
  rope_slow: Positive = 1.0
  rope_fast: Positive = 4.0  # and those that turn more often keep their speed.
  rope_magnitude: Positive = 1.0  # Multiplies rotated queries and keys (YaRN).
  # 'gelu' is its tanh form.
  activation: Literal['gelu', 'gelu_exact', 'silu'] = 'gelu'
  # Whether the activation gates a second branch of the feed-forward layer.
  gated: bool = True
  scale_embedding: bool = False  # Multiply by the square root of D (Gemma).
  # 'layer' subtracts the mean, and has biases (GPT-NeoX).
  norm: Literal['rms', 'layer'] = 'rms'
  # Whether the blocks of a layer normalize what they read, what they add (OLMo
  # 2), or both (Gemma 2).
  norm_place: Literal['before', 'after', 'both'] = 'before'
  norm_eps: Positive = 1e-6  # Added to the mean square in normalization.
  # Whether attention and feed-forward layer read the same values (GPT-NeoX), so
  # that neither sees what the other adds.
  parallel_block: bool = False
  # Whether norms multiply by 1 + their parameter (Gemma).
  norm_from_one: bool = False
  tie_embeddings: bool = False  # Whether the embedding computes the logits.
  # Fraction of values set to zero, in [0, 1), in the embedded tokens and in
  # what attention and feed-forward add to the residual stream.
  dropout_rate: _Share = 0.0
  # 'float32' or 'bfloat16', the type of activations and matrix products.
  # Parameters, normalization, softmax and logits are float32. 'float32'
  # products are full on every platform (no TF32).
  compute_dtype: Literal['float32', 'bfloat16'] = 'float32'
  # Whether layers run in `jax.lax.scan`, which compiles one layer instead of N.
  # The numbers are the same.
  scan_layers: bool = True
  # What the backward pass recomputes to save memory: 'none'; 'dots', all but
  # matrix products with parameters; 'full', everything. Attention weights are
  # never kept.
  remat: Remat = 'none'
  qkv_bias: bool = False  # Whether queries, keys, values have biases (Qwen2).
  output_bias: bool = False  # Whether the output of attention has a bias.
  feed_forward_bias: bool = False  # Whether the feed-forward layer has biases.
  qk_norm: bool = False  # Whether queries and keys are normalized (Qwen3),
  qk_norm_heads: Literal['each', 'all'] = 'each'  # all heads at once (OLMo 2).
  # Tokens that a query sees, itself among them; None for all of its example.
  window: Count | None = None
  # Every so many layers, one sees the whole example in spite of the window
  # (Gemma 2: 2, Gemma 3: 6); None for none.
  global_every: Count | None = None
  # Base of RoPE, without scaling, in layers with the window; None for the same
  # rotations in all layers.
  rope_local_base: Positive | None = None
  # Attention logits are divided by its square root; None for head_dim.
  query_scalar: Positive | None = None
  # Logits x become c tanh(x / c), those of attention and of tokens (Gemma 2).
  attention_softcap: Positive | None = None
  logits_softcap: Positive | None = None
  # 'auto', the fastest that platform and model allow; 'reference', all pairs at
  # once; 'blocks', or 'pieces' on a CPU, see `block_attention`; 'splash' or
  # 'cudnn', kernels for TPU and GPU, see `kernel_attention`.
  attention: _Attention = 'auto'
  attention_block: Count = 256  # Queries per block of 'blocks' and 'pieces'.
  # Vocabulary entries whose logits are in memory at a time; None for all of up
  # to 65,536, else 16,384.
  vocab_block: Count | None = None
  # Vectors of a soft prompt [P], which have the ids -1, -2, …: `soft_prompt`.
  prompt_vectors: CountOrZero = 0
  lora_rank: CountOrZero = 0  # Of LoRA `adapters` [r]; 0 for none.
  lora_alpha: Positive = 32.0  # Over the rank, it multiplies what they add.
  # Regular expressions of the projections ('layers/query') with an adapter.
  lora_targets: Patterns = ('layers/.*',)

  def __post_init__(self):
    check_fields(self)
    # Gin and JSON make lists.
    object.__setattr__(self, 'lora_targets', tuple(self.lora_targets))
    for problem in self._problems():
      raise ConfigError(problem)

  def _problems(self) -> Iterator[str]:
    if self.num_heads % self.num_kv_heads:
      yield (
        f'num_heads={self.num_heads} is not a multiple of '
        f'num_kv_heads={self.num_kv_heads}.'
      )
    if self.window is None and self.global_every is not None:
      yield f'global_every={self.global_every} needs window.'
    if self.position == 'rope':
      yield from self._rope_problems()
    else:
      yield from self._relative_bias_problems()
    if self.lora_rank:
      yield from self._lora_problems()

  def _rope_problems(self):
    name = 'head_dim' if self.rope_width is None else 'rope_width'
    width = getattr(self, name)
    if width % 2:
      yield f"position='rope' rotates pairs, so {name}={width} must be even."
    if width > self.head_dim:
      yield f'rope_width={width} exceeds head_dim={self.head_dim}.'
    if self.rope_base <= 1:
      yield f'rope_base must exceed 1, not {self.rope_base!r}.'
    if self.rope_local_base is not None:
      if self.rope_local_base <= 1:
        yield f'rope_local_base must exceed 1, not {self.rope_local_base!r}.'
      if self.window is None:
        yield f'rope_local_base={self.rope_local_base} needs window.'
    if self.rope_fast <= self.rope_slow:
      yield (
        f'rope_fast={self.rope_fast} must exceed rope_slow={self.rope_slow}.'
      )
    if self.rope_scaling == 'none' and self.rope_factor != 1:
      yield (
        f'rope_factor={self.rope_factor} needs rope_scaling: '
        "'linear', 'llama3' or 'yarn'."
      )

  def _relative_bias_problems(self):
    buckets = self.relative_buckets
    if buckets < 2 or buckets % 2:
      yield f'relative_buckets must be even and at least 2, not {buckets!r}.'
    if self.relative_max_distance <= buckets // 2:
      yield (
        f'relative_max_distance={self.relative_max_distance} must exceed half '
        f'of relative_buckets={buckets}.'
      )

  @property
  def _projections(self) -> tuple[str, ...]:
    return tuple(n for n in _PROJECTIONS if self.gated or n != 'gate')

  def _lora_problems(self):
    names = [f'layers/{name}' for name in self._projections]
    for pattern in self.lora_targets:
      if not any(re.fullmatch(pattern, name) for name in names):
        yield (
          f'LORA_TARGETS: {pattern!r} matches no projection; the projections '
          f'are {", ".join(names)}'
        )
    if not self.lora_targets:
      yield f'LORA_TARGETS is empty: name some of {", ".join(names)}'

  @property
  def lora_projections(self) -> tuple[str, ...]:
    """The projections that have an adapter."""
    return tuple(
      name
      for name in self._projections
      if self.lora_rank
      and any(re.fullmatch(p, f'layers/{name}') for p in self.lora_targets)
    )

  @property
  def lora_scale(self) -> float:
    """What the product of an adapter is multiplied by."""
    return self.lora_alpha / self.lora_rank

  def lora_count(self) -> int:
    """Returns the number of parameters of the adapters."""
    width, heads = self.d_model, self.num_heads * self.head_dim
    sides = {
      **dict.fromkeys(('query', 'output'), width + heads),
      **dict.fromkeys(
        ('key', 'value'), width + self.num_kv_heads * self.head_dim
      ),
      **dict.fromkeys(('gate', 'up', 'down'), width + self.d_ff),
    }
    both = sum(sides[name] for name in self.lora_projections)
    return self.num_layers * self.lora_rank * both

  @property
  def windowed_layers(self) -> int:
    """The number of layers with the window."""
    if self.window is None:
      return 0
    every = self.global_every
    return self.num_layers - (self.num_layers // every if every else 0)

  @property
  def logits_in_blocks(self) -> bool:
    """Whether logits are computed in blocks, and again in a backward pass."""
    capped = self.logits_softcap is not None
    return capped or self.logits_block() < self.vocab_size

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
    attention += self.output_bias * self.d_model
    if self.qkv_bias:
      attention += self.head_dim * (heads + 2 * kv_heads)
    inner = 2 if self.gated else 1  # Matrices to the inner width.
    feed_forward = (inner + 1) * self.d_model * self.d_ff
    if self.feed_forward_bias:
      feed_forward += inner * self.d_ff + self.d_model
    norm = (2 if self.norm == 'layer' else 1) * self.d_model
    norms = (4 if self.norm_place == 'both' else 2) * norm
    if self.qk_norm:
      both = heads + kv_heads if self.qk_norm_heads == 'all' else 2
      norms += both * self.head_dim
    tables = 1 if self.tie_embeddings else 2
    total = self.num_layers * (attention + feed_forward + norms) + norm
    rows = tables * self.vocab_size + self.prompt_vectors
    total += rows * self.d_model
    if self.position == 'relative_bias':
      total += self.relative_buckets * self.num_heads
    return total + self.lora_count()
