"""What is in a token cache, and what of it a run takes (no TensorFlow)."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from flan_jax.batches.loader import PackingConfig
from flan_jax.cache import cached_split, identity
from flan_jax.cache.cached_split import CacheConfig, Framing, SplitKey
from flan_jax.cache.store import split_keys
from flan_jax.definitions import names, registry
from flan_jax.definitions.dataset import FORMATS, SPLITS
from flan_jax.errors import ConfigError
from flan_jax.inspection import cached_splits
from flan_jax.inspection.cached_splits import BUCKETS, Found
from flan_jax.inspection.draws import describe_draws
from flan_jax.vocabulary.base import Vocabulary, load_vocabulary


@dataclasses.dataclass(frozen=True)
class Wanted:
  """What is to be shown.

  Attributes:
    cache: Folder of the token cache.
    name: A mixture or task, whose units are shown; None for every unit.
    vocabulary: As VOCABULARY.
    data_dir: TFDS data directory, which tells copies of a dataset apart; None
      where the cache has one copy of each.
    lengths: Most (input, target) tokens, as TASK_FEATURE_LENGTHS; None where
      the cache has one choice of them.
    packing: Shape of the batches that the fill is of.
    steps: Length of the run that passes are counted over.
  """

  cache: str
  name: str | None
  vocabulary: str
  data_dir: str | None
  lengths: tuple[int, int] | None
  packing: PackingConfig
  steps: int


def describe(wanted: Wanted) -> dict[str, Any]:
  """Describes a cache, or what of it belongs to a mixture or task.

  Args:
    wanted: What is to be shown.

  Returns:
    {'cache', 'vocabulary', 'name',
     'units': the finished ones, see
       `inspect_units.look`,
     'unusable': {'folder', 'part', 'split', 'format', 'state', 'reason'}, and
       'counts' where the manifest has them, of each that a run does not take,
     'others': folders of finished units of the same parts that have other
       templates or lengths, or are of another copy; empty without a name,
     'clusters': tokens of each, see `_clusters`,
     'histograms': see `_histograms`,
     'draws': of a training mixture or a task that trains, see
       `inspect_draws.describe_draws`; else None}.

  Raises:
    ConfigError: no cache there, or lengths have to be chosen.
    UnknownNameError: no such task or mixture; names the three nearest.
  """
  root = cached_split.expanded(wanted.cache).rstrip('/')
  vocabulary = load_vocabulary(wanted.vocabulary)
  keys = None if wanted.name is None else _keys(wanted.name)
  folders = list(cached_splits.folders(root))
  if not folders:
    raise ConfigError(f'{root} holds no token cache')
  if keys is not None:
    # A folder whose name says nothing may be any unit.
    kinds = {(None,) * 3, *map(cached_splits.kind_of_key, keys)}
    folders = [f for f in folders if cached_splits.kind_of_folder(f) in kinds]
  found = [cached_splits.look(root, f, vocabulary) for f in folders]
  chosen, others = found, []
  if keys is not None:
    chosen, others = _choose(found, keys, wanted)
  finished = sorted(
    (item for item in chosen if item.unit is not None), key=_order
  )
  units = [item.about for item in finished]
  return {
    'cache': root,
    'vocabulary': {'digest': vocabulary.digest, 'size': vocabulary.size},
    'name': wanted.name,
    'units': units,
    'unusable': [item.about for item in chosen if item.unit is None],
    'others': [item.about['folder'] for item in others],
    'clusters': _clusters(units),
    'histograms': _histograms(units),
    'draws': _draws(finished, wanted, vocabulary),
  }


def _keys(name: str) -> list[SplitKey]:
  """Returns the units of a mixture or task; training ones where it trains."""
  mixture = names.find_mixture(name)
  keys = split_keys([name])
  if mixture is not None and mixture.purpose == 'train':
    keys = [key for key in keys if key.split == 'train']
  return keys


def _order(item: Found) -> tuple:
  """Sorts units as datasets are registered, then by split and format."""
  part, split, form = item.kind
  place = list(registry.parts()).index(part)
  return place, FORMATS.index(form), SPLITS.index(split), item.about['folder']


def _choose(
  found: Sequence[Found], keys: Sequence[SplitKey], wanted: Wanted
) -> tuple[list[Found], list[Found]]:
  """Returns (what there is of some units, finished units that are not meant).

  Raises:
    ConfigError: the units are there with several lengths.
  """
  meant = [item for item in found if item.key in keys]
  if wanted.lengths is not None:
    meant = [item for item in meant if item.settings[:2] == wanted.lengths]
  settings = dict.fromkeys(item.settings for item in meant)
  if len(settings) > 1:
    listed = ' and '.join(
      f'{inputs},{target}' for inputs, target, _ in settings
    )
    raise ConfigError(
      f'{wanted.name} is cached with the lengths {listed}: choose with '
      '--lengths, in a cache of one PROMPT_FORMAT'
    )
  chosen = [item for item in found if item.unit is None]
  refused = {item.kind for item in chosen}
  for key in keys:
    same = _of_copy([item for item in meant if item.key == key], wanted)
    if len(same) > 1:
      source = same[0].about['source']
      reason = f'{len(same)} copies of {source}: choose with --data_dir'
      same = [
        cached_splits.refused(item.about, cached_splits.AMBIGUOUS, reason)
        for item in same
      ]
    chosen += same
    if not same and cached_splits.kind_of_key(key) not in refused:
      about = {'folder': None, **dataclasses.asdict(key)}
      reason = 'make it with `flan-jax cache` and the gin files of the run'
      chosen.append(cached_splits.refused(about, cached_splits.MISSING, reason))
  folders = {item.about['folder'] for item in chosen}
  return chosen, [item for item in found if item.about['folder'] not in folders]


def _of_copy(same: Sequence[Found], wanted: Wanted) -> list[Found]:
  """Returns the units of the copy that DATA_DIR holds, if it has to decide."""
  if not same or (wanted.data_dir is None and len(same) == 1):
    return list(same)
  copy = identity.copy_digest(same[0].about['source'], wanted.data_dir)
  return [item for item in same if copy in (None, item.about['copy'])]


def _clusters(units: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns the tokens of each cluster as they are stored.

  `train_share` is in percent of the training tokens; None without any.
  """
  found: dict[str, dict[str, Any]] = {}
  for unit in units:
    cluster = found.setdefault(
      unit['cluster'],
      {'units': 0, 'train_tokens': 0, 'evaluation_tokens': 0},
    )
    trains = unit['split'] == 'train'
    cluster['units'] += 1
    cluster['train_tokens' if trains else 'evaluation_tokens'] += unit['tokens']
  total = sum(cluster['train_tokens'] for cluster in found.values())
  return [
    {
      'cluster': name,
      **cluster,
      'train_share': 100 * cluster['train_tokens'] / total if total else None,
    }
    for name, cluster in found.items()
  ]


def _histograms(units: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the sums of the units' histograms.

  Returns:
    {'up_to': longest of each bucket, None for the last, 'training' and
    'evaluation': name of a size -> counts; empty where there is no unit}.
  """
  found: dict[str, Any] = {'up_to': [*BUCKETS, None]}
  for purpose, trains in (('training', True), ('evaluation', False)):
    found[purpose] = {}
    for unit in units:
      if (unit['split'] == 'train') != trains:
        continue
      for name, size in unit['sizes'].items():
        so_far = found[purpose].get(name, [0] * (len(BUCKETS) + 1))
        both = zip(so_far, size['histogram'], strict=True)
        found[purpose][name] = [a + b for a, b in both]
  return found


def _draws(
  finished: Sequence[Found], wanted: Wanted, vocabulary: Vocabulary
) -> dict[str, Any] | None:
  """Describes the draws of what trains; None where nothing does."""
  if wanted.name is None:
    return None
  mixture = names.find_mixture(wanted.name)
  if mixture is not None and mixture.purpose != 'train':
    return None
  units = {item.key: item.unit for item in finished}
  members = []
  for member in names.members(wanted.name):
    _, part = registry.find_part(member.part)
    if part.trains:
      key = SplitKey(part.name, 'train', member.templates, member.format)
      members.append((member, units.get(key)))
  if not members:
    return None
  prompt_format = finished[0].about['prompt_format'] if finished else None
  framing = Framing.of(
    CacheConfig(wanted.cache, prompt_format=prompt_format), vocabulary
  )
  return describe_draws(members, framing, wanted.packing, wanted.steps)
