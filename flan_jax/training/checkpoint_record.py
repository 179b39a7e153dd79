"""The record of a checkpoint: what it holds, and what it was made with.

`record/metadata` is JSON:

  digests   `params_digest` of each item
  trees     `tree_digest` of each item
  score     the validation score, if the run scores checkpoints
  record    what the saver recorded: model, vocabulary, prompt format, …
  digest    a digest of all of these, which notices a damaged record

Older checkpoints have `digests` and `record` alone.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import json
from typing import Any

from etils import epath
import jax
import jax.numpy as jnp

from flan_jax.definitions.digests import digest
from flan_jax.errors import ConfigError
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.training.checkpoint_errors import (
  CheckpointDamagedError,
  CheckpointError,
)
from flan_jax.vocabulary.base import Vocabulary

RECORD = 'record'
# Orbax's name of the file in this folder.
_FILE = 'metadata'
_OLD = {'digests', 'record'}
_KEYS = {*_OLD, 'trees', 'score', 'digest'}
# Keys of a record that hold objects, if they are there.
_OBJECTS = ('model', 'vocabulary', 'window', 'optimizer', 'base', 'prompt')
# Fields of a model that change its speed or its training, but no score beyond
# rounding; and those of soft prompts and adapters, which have checkpoints of
# their own.
_FREE = (
  'attention',
  'attention_block',
  'compute_dtype',
  'dropout_rate',
  'lora_alpha',
  'lora_rank',
  'lora_targets',
  'prompt_vectors',
  'remat',
  'scan_layers',
  'vocab_block',
)
# Beginnings of fields that only one kind of position has.
_OF_POSITION = {'rope_': 'rope', 'relative_': 'relative_bias'}


def make_contents(
  digests: Mapping[str, int],
  trees: Mapping[str, str],
  record: Mapping[str, Any],
  score: float | None = None,
) -> dict[str, Any]:
  """Returns the contents of `record/metadata`."""
  contents = {
    'digests': dict(digests),
    'trees': dict(trees),
    'score': score,
    'record': dict(record),
  }
  return {**contents, 'digest': digest(contents)}


def read_contents(checkpoint: epath.Path) -> dict[str, Any]:
  """Returns the contents of `record/metadata`; {} if there is no record.

  Raises:
    CheckpointDamagedError: They are not as they were written, or the record of
      a run's checkpoint is missing.
  """
  path = checkpoint / RECORD / _FILE
  if not path.exists():
    if (checkpoint / RECORD).exists() or (checkpoint / 'training').exists():
      raise CheckpointDamagedError(f'{path} is missing')
    return {}
  try:
    contents = json.loads(path.read_text())
    keys = set(contents)
    rest = {k: contents[k] for k in keys - {'digest'}}
    intact = keys == _OLD or (
      keys == _KEYS and contents['digest'] == digest(rest)
    )
    intact = intact and isinstance(contents['record'], dict)
    intact = intact and all(
      isinstance(contents['record'].get(key, {}), dict) for key in _OBJECTS
    )
  except (ValueError, TypeError, RecursionError, OSError):
    intact = False
  if not intact:
    raise CheckpointDamagedError(f'{path} is damaged')
  return contents


def tree_digest(tree: Any) -> str:
  """Returns a digest of the names, shapes and types of arrays."""
  return digest(
    {
      jax.tree_util.keystr(path, simple=True, separator='/'): [
        list(leaf.shape),
        jnp.dtype(leaf.dtype).name,
      ]
      for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
  )


def is_prompt(record: Mapping[str, Any]) -> bool:
  """Returns whether a record is that of a soft prompt."""
  return 'prompt' in record


def has_adapters(record: Mapping[str, Any]) -> bool:
  """Returns whether a record is that of adapters."""
  return 'base' in record and not is_prompt(record)


def recorded_base(record: Mapping[str, Any], path: Any) -> str:
  """Returns where the base model of adapters was.

  Raises:
    CheckpointError: The record does not say; names the path.
  """
  base = record['base'].get('checkpoint')
  if not isinstance(base, str):
    raise CheckpointError(f'{path} does not record the base of its adapters')
  return base


def check_no_prompt(record: Mapping[str, Any], path: Any) -> None:
  """Raises ConfigError if a checkpoint holds a soft prompt, not a model."""
  if is_prompt(record):
    raise ConfigError(
      f'{path} holds a soft prompt for {record["base"].get("checkpoint")}, not '
      'a model: use PROMPTS_FROM of `flan-jax eval`, or --prompt of '
      '`flan-jax export`'
    )


def recorded_model(record: Mapping[str, Any], path: Any) -> DecoderConfig:
  """Returns the model that a record describes.

  Raises:
    CheckpointError: It describes none, or one that cannot be; names the path.
  """
  if 'model' not in record:
    raise CheckpointError(f'{path} does not record the shape of its model')
  try:
    return DecoderConfig(**record['model'])
  except (TypeError, ConfigError) as error:
    raise CheckpointError(
      f'{path} records a model that this version cannot make: {error}'
    ) from error


def check_adapters(
  record: Mapping[str, Any], model: DecoderConfig, path: Any
) -> None:
  """Checks that the adapters of a checkpoint are those of a model.

  Raises:
    ConfigError: They are not, or one has adapters and the other has none.
  """
  for field in ('lora_rank', 'lora_alpha', 'lora_targets'):
    now = _as_json(getattr(model, field))
    # Older checkpoints have no adapters.
    was = record.get('model', {}).get(field, 0 if field == 'lora_rank' else now)
    if was != now:
      macro = field.upper()
      raise ConfigError(
        f'{path} was trained with {macro} {was!r}, and it is {now!r} now: set '
        f'{macro} as it was, or start in another MODEL_DIR'
      )
    if not model.lora_rank:
      return


def _as_json(value: Any) -> Any:
  return list(value) if isinstance(value, tuple) else value


@dataclasses.dataclass(frozen=True)
class Expected:
  """What a checkpoint must have been made with.

  Attributes:
    model: Shape of the decoder.
    vocabulary: The vocabulary.
    prompt_format: Text around an input; None for the end token after it.
  """

  model: DecoderConfig
  vocabulary: Vocabulary
  prompt_format: str | None

  def check(self, record: Mapping[str, Any], path: Any) -> None:
    """Compares the record of a checkpoint; what it lacks is accepted.

    Args:
      record: The record.
      path: The checkpoint, for the error.

    Raises:
      ConfigError: Model, vocabulary or prompt format differ; names what does.
    """
    self.check_model(record, path)
    stored = record.get('prompt_format', self.prompt_format)
    if stored != self.prompt_format:
      raise ConfigError(
        f'{path} was trained with PROMPT_FORMAT {stored!r}, and it is '
        f'{self.prompt_format!r} now: set PROMPT_FORMAT to the former'
      )

  def check_model(self, record: Mapping[str, Any], path: Any) -> None:
    """As `check`, but the prompt format may differ."""
    changed = ', '.join(differing(record.get('model'), self.model))
    if changed:
      raise ConfigError(
        f'{path} was made with another model ({changed}): set these fields '
        'of DecoderConfig as they were, or use another checkpoint'
      )
    known = record.get('vocabulary')
    if known and known.get('digest') != self.vocabulary.digest:
      raise ConfigError(
        f'{path} was made with the vocabulary {known.get("path")}, and '
        f'VOCABULARY is {self.vocabulary.path} (the gin file given last '
        'decides)'
      )


def check_size(vocabulary: Vocabulary, model: DecoderConfig) -> None:
  """Raises ConfigError if a vocabulary has more ids than the embedding rows."""
  if vocabulary.size > model.vocab_size:
    raise ConfigError(
      f'the vocabulary has {vocabulary.size} pieces, the embedding '
      f'{model.vocab_size} rows: raise DecoderConfig.vocab_size or choose '
      'another VOCABULARY'
    )


def differing(
  stored: Mapping[str, Any] | None, model: DecoderConfig
) -> Iterator[str]:
  """Yields `field: stored -> now` of fields that change scores.

  Args:
    stored: The fields of a model as a record has them; None for no record.
    model: The model now.
  """
  for field in dataclasses.fields(model):
    name, now = field.name, getattr(model, field.name)
    of_other = any(
      name.startswith(start) and position != model.position
      for start, position in _OF_POSITION.items()
    )
    if not stored or name in _FREE or of_other:
      continue
    # A field that is younger than the checkpoint had its default.
    was = stored.get(name, field.default)
    if was != now:
      yield f'{name}: {was} -> {now}'
