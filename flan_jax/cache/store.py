"""Opens the cached units of a run, having a child process make missing ones."""

from collections.abc import Sequence
import dataclasses

from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.cache.cached_split import (
  CacheConfig,
  CachedSplit,
  CacheError,
  Framing,
  SplitKey,
  find_cached_split,
)
from flan_jax.config import Arguments
from flan_jax.definitions import names, registry
from flan_jax.errors import ConfigError
from flan_jax.evaluation.requests import EvalPart
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.runtime import child
from flan_jax.sources.mini import resolve_data_dir
from flan_jax.training import Checkpointer
from flan_jax.vocabulary.base import Vocabulary


class CacheStore:
  """Finds units; what is missing is made by `flan-jax cache` in a child.

  The child needs TensorFlow, this process never does.
  """

  def __init__(
    self,
    config: CacheConfig,
    vocabulary: Vocabulary,
    arguments: Arguments | None,
    seed: int = 0,
    allow_missing: bool = False,
  ):
    """Initializes the store.

    Args:
      config: Directories and lengths.
      vocabulary: What the units are tokenized with.
      arguments: What the child is started with; None: nothing is made.
      seed: Chooses exemplars.
      allow_missing: Leaves members out whose units cannot be made.
    """
    self._allow_missing = allow_missing
    self.left_out: list[str] = []
    self._seed = seed
    data_dir = resolve_data_dir(config.data_dir, config.cache_dir)
    self._config = dataclasses.replace(config, data_dir=data_dir)
    self._vocabulary = vocabulary
    self._arguments = arguments

  def missing(self, keys: Sequence[SplitKey]) -> list[SplitKey]:
    """Returns the units that are not there."""
    found = []
    for key in keys:
      try:
        find_cached_split(key, self._config, self._vocabulary)
      except CacheError:
        found.append(key)
    return found

  def ensure(self, keys: Sequence[SplitKey]) -> None:
    """Has missing units made.

    Raises:
      CacheError: they could not be made; the child has said why.
    """
    missing = self.missing(keys)
    if not missing:
      return
    if self._arguments is None:
      self.find(missing[0])
    print(f'caching {len(missing)} units first', flush=True)
    if not child.succeeds('cache', self._arguments.flags()):
      raise CacheError('the cache could not be made, see above')

  def find(self, key: SplitKey) -> CachedSplit:
    """Opens a unit; raises CacheError where it is missing or damaged."""
    unit = find_cached_split(key, self._config, self._vocabulary)
    unit.verify()
    return unit

  def training(self, mixture: str) -> list[CachedSplit]:
    """Opens the training units of a mixture or task.

    Raises:
      ConfigError: a member has no training rows.
    """
    units = []
    for member in self._members(mixture, 'train'):
      _, part = registry.find_part(member.part)
      if not part.trains:
        raise ConfigError(f'{mixture}: {part.name} has no training split')
      unit = self.find(
        SplitKey(part.name, 'train', member.templates, member.format)
      )
      units.append(self._with_exemplars(unit, unit, member))
    return units

  def evaluation(self, mixture: str) -> list[EvalPart]:
    """Opens the test and development units of a mixture or task.

    Raises:
      ConfigError: a member has no test rows.
    """
    parts = []
    for member in self._members(mixture, 'test'):
      _, part = registry.find_part(member.part)
      if not part.evaluates:
        raise ConfigError(f'{mixture}: {part.name} has no test split')
      test = self.find(SplitKey(part.name, 'test', None, member.format))
      if not test.num_rows:
        raise ConfigError(f'{mixture}: {part.name} has no test rows left')
      parts.append(self._eval_part(member, part, test))
    return parts

  def _members(self, mixture: str, split: str) -> list[registry.Member]:
    """Returns the members that are there, and notes those left out."""
    found = []
    for member in names.members(mixture):
      _, part = registry.find_part(member.part)
      templates = member.templates if split == 'train' else None
      key = SplitKey(part.name, split, templates, member.format)
      if self._allow_missing and split in part.splits and self.missing([key]):
        self.left_out.append(str(key))
      else:
        found.append(member)
    return found

  def _eval_part(self, member, part, test: CachedSplit) -> EvalPart:
    exemplars = registry.exemplar_part(part.name)
    if member.shots and exemplars is None:
      reason = 'no training rows to take exemplars from'
      return EvalPart(test=test, shots=member.shots, null=reason)
    validation, pool = self.development(part.name, member.format), None
    if member.shots:
      key = SplitKey(exemplars.name, 'train', None, member.format)
      pool = self.find(key)
    return EvalPart(
      test=self._with_exemplars(test, pool, member),
      validation=None
      if validation is None
      else self._with_exemplars(validation, pool, member),
      templates=member.templates,
      shots=member.shots,
    )

  def _with_exemplars(
    self, unit: CachedSplit, pool: CachedSplit | None, member
  ) -> CachedSplit:
    if not member.shots:
      return unit
    framing = Framing.of(self._config, self._vocabulary)
    return FewShotSplit(unit, pool, member.shots, self._seed, framing)

  def development(
    self, part_name: str, form: str = 'instructions'
  ) -> CachedSplit | None:
    """Opens the development unit of a part, None where it has none."""
    _, part = registry.find_part(part_name)
    if 'validation' not in part.splits:
      return None
    return self.find(SplitKey(part_name, 'validation', None, form))


def check_vocabulary(
  vocabulary: Vocabulary, model: DecoderConfig, checkpoint: str | None = None
) -> None:
  """Makes sure that a vocabulary is the model's.

  Args:
    vocabulary: It may have fewer ids than the embedding has rows.
    model: Shape of the decoder.
    checkpoint: What its parameters are read from, if anything.

  Raises:
    ConfigError: it has more ids than the embedding has rows, or is not the one
      that the checkpoint was made with.
    FileNotFoundError: there is no such checkpoint.
  """
  if vocabulary.size > model.vocab_size:
    raise ConfigError(
      f'the vocabulary has {vocabulary.size} spans, the embedding '
      f'{model.vocab_size} rows: raise DecoderConfig.vocab_size or choose '
      'another VOCABULARY'
    )
  rendering = {} if checkpoint is None else Checkpointer.read_record(checkpoint)
  known = rendering.get('vocabulary', {'digest': vocabulary.digest})
  if known['digest'] != vocabulary.digest:
    raise ConfigError(
      f'{checkpoint} was made with the vocabulary {known["path"]}, and '
      f'VOCABULARY is {vocabulary.path} (the gin file given last decides)'
    )
