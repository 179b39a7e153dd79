"""Finds the cached splits of a run; a child process makes missing ones."""

from collections.abc import Iterable, Sequence
import dataclasses

from flan_jax.cache.cached_split import CachedSplit, find_cached_split
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.identity import SplitKey
from flan_jax.cache.storage import CacheError, MissingCacheError
from flan_jax.definitions.mixture_plan import MixturePlan, PlanMember
from flan_jax.rendering.missing_data import missing_data, missing_parts
from flan_jax.runtime import child
from flan_jax.sources.mini import MINI, resolve_data_dir
from flan_jax.sources.row_checks import check_files
from flan_jax.terminal.blocks import counted
from flan_jax.terminal.screen import show
from flan_jax.vocabulary.base import Vocabulary


def split_keys(
  plans: Iterable[MixturePlan | None],
  training: bool = True,
  scored: bool = True,
  only: str | None = None,
) -> list[SplitKey]:
  """Returns the splits needed to train on mixtures, or to evaluate them.

  Args:
    plans: The mixtures; None is skipped.
    training: Whether datasets and tasks are trained on as well.
    scored: Whether validation rows are scored while a mixture is trained on.
    only: The split to read; None for all that are needed.
  """
  keys = []
  for plan in filter(None, plans):
    needed = plan.splits_needed(training, scored)
    # Rows that are trained on are exemplars of each other.
    with_pool = 'test' in needed if only is None else only != 'train'
    needed = needed if only is None else (only,)
    for member in plan.members:
      declared = [split for split in needed if split in member.part.splits]
      keys += [split_key(member, split) for split in declared]
      if member.shots and member.exemplar_part and with_pool:
        keys.append(SplitKey(member.exemplar_part, 'train'))
  return list(dict.fromkeys(keys))


def split_key(member: PlanMember, split: str) -> SplitKey:
  """Returns the split of a member; only training is limited to templates."""
  templates = member.templates if split == 'train' else None
  return SplitKey(member.part, split, templates)


@dataclasses.dataclass
class CacheStore:
  """Finds cached splits, and has `flan-jax cache` make missing ones.

  The child process needs TensorFlow; this process never does.

  Attributes:
    config: Directories and lengths.
    vocabulary: The vocabulary of the tokens.
    flags: Flags of the child process; None: nothing is made.
    allow_missing: Leaves out members whose splits cannot be made.
    left_out: Splits that are missing and were left out, by name.
  """

  config: CacheConfig
  vocabulary: Vocabulary
  flags: Sequence[str] | None = None
  allow_missing: bool = False
  left_out: list[str] = dataclasses.field(default_factory=list)
  _digests: dict[tuple, tuple[SplitKey, str]] = dataclasses.field(
    default_factory=dict, repr=False
  )

  def __post_init__(self):
    # The child imports the shipped corpus on first use.
    self._imports = self.config.data_dir == MINI
    data_dir = resolve_data_dir(self.config.data_dir, self.config.cache_dir)
    self.config = dataclasses.replace(self.config, data_dir=data_dir)

  @property
  def framing(self) -> Framing:
    return Framing.of(self.config, self.vocabulary)

  def missing(self, keys: Sequence[SplitKey]) -> list[SplitKey]:
    """Returns the splits that are not cached yet.

    Raises:
      CacheError: A cached one is damaged.
    """
    found = []
    for key in keys:
      try:
        find_cached_split(key, self.config, self.vocabulary)
      except MissingCacheError:
        found.append(key)
    return found

  def ensure(self, keys: Sequence[SplitKey]) -> None:
    """Has missing splits made; raises CacheError if that fails."""
    missing = self.missing(keys)
    if not missing:
      return
    if self.flags is None:
      self.find(missing[0])
    self.check_data(missing)
    splits = counted(len(missing), 'split')
    show([f'starting `flan-jax cache` for {splits}'])
    if not child.succeeds('cache', self.flags):
      raise CacheError('the cache could not be made, see above')

  def check_data(self, missing: Sequence[SplitKey]) -> None:
    """Checks that splits that are not cached can be made.

    Raises:
      MissingDataError: Data of theirs is not prepared, and may not be left
        out; names all of it.
      DatasetError: Files of theirs do not hold what is declared.
    """
    if self.allow_missing or self._imports:
      return
    data_dir = self.config.data_dir
    parts = missing_parts((key.part for key in missing), data_dir)
    if parts:
      raise missing_data(parts, data_dir, '--allow_missing')
    for part in dict.fromkeys(key.part for key in missing):
      check_files(part, data_dir)

  def digest(self, key: SplitKey) -> str:
    """Returns the digest of a split; raises CacheError if it is missing.

    It is read once, because a cached split does not change.
    """
    known = key.split, key.templates, id(key.part)
    if known not in self._digests:
      split = find_cached_split(key, self.config, self.vocabulary)
      # The key is kept as well, so that its part keeps its id.
      self._digests[known] = key, split.digest
    return self._digests[known][1]

  def find(self, key: SplitKey) -> CachedSplit:
    """Opens a split; raises CacheError if it is missing or damaged."""
    split = find_cached_split(key, self.config, self.vocabulary)
    split.verify()
    return split

  def available(
    self, members: Sequence[PlanMember], split: str
  ) -> list[PlanMember]:
    """Returns the members whose split is cached and has rows.

    These are all members, unless missing ones may be left out. Those left out
    are added to `left_out`.
    """
    found = []
    for member in members:
      key = split_key(member, split)
      if not self.allow_missing or split not in member.part.splits:
        found.append(member)
      elif self.missing([key]):
        self.left_out.append(str(key))
      elif not find_cached_split(key, self.config, self.vocabulary).num_rows:
        # A small copy whose rows serve other splits, or are filtered out.
        self.left_out.append(f'{key} (no rows)')
      else:
        found.append(member)
    return found
