"""`flan-jax render`: writes the examples of a mixture as text."""

import argparse
import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
import itertools

from flan_jax.batches.sampler import Sampler
from flan_jax.batches.training_splits import training_splits, with_exemplars
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.identity import SplitKey
from flan_jax.cache.store import CacheStore, split_key, split_keys
from flan_jax.command_flags.render_flags import make_parser
from flan_jax.definitions import names, registry, template_set
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.errors import ConfigError
from flan_jax.flags import Arguments
from flan_jax.interop import base_model
from flan_jax.interop.rendered_rows import (
  FORMATS,
  Joints,
  RenderedRows,
  check_lossless,
)
from flan_jax.interop.row_output import check_row_file, row_file
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.blocks import Block, Paragraph, counted
from flan_jax.terminal.screen import show
from flan_jax.vocabulary.load import load_vocabulary

# Rows of a part that are named; the column `fits` marks all of them.
_NAMED = 3


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags; writes `--out`.

  Returns:
    The exit code 0.

  Raises:
    UserError: a flag or a name is wrong, rows are not prepared, or `--out`
      cannot be written.
  """
  flags = make_parser().parse_args(argv)
  check_row_file(flags.out)
  registry.load(flags.task_module)
  if flags.template_set:
    template_set.apply(flags.template_set)
  plan = names.resolve(flags.name)
  _check_split(plan, flags.split)
  store = _store(flags)
  splits = _splits(store, plan, flags)
  # Evaluation is not mixed: an epoch has each row once.
  rates = None if flags.split == 'train' else [s.num_rows for s in splits]
  sampler = Sampler(splits, store.framing, flags.seed, rates)
  count = flags.rows or (flags.epochs or 1) * sum(sampler.rates)
  rows = RenderedRows(sampler, store.vocabulary, flags.max_length)
  to_columns, joints = FORMATS[flags.format], Joints.of(store.config)
  unfit = collections.Counter()
  named: dict[str, dict[str, None]] = collections.defaultdict(dict)
  with row_file(flags.out) as write, Bar('rendering', count, 'row') as bar:
    for example in itertools.islice(rows, count):
      write({**to_columns(example, joints), **example.about})
      if not example.about['fits']:
        part, row_id = example.about['part'], example.about['row_id']
        unfit[part] += 1
        if len(named[part]) < _NAMED:
          named[part][row_id] = None
      bar.update()
  subsets = counted(len(splits), 'subset')
  show([f'wrote {counted(count, "row")} of {subsets} to {flags.out}'])
  show(_unfit_lines(unfit, named, flags))
  if store.left_out:
    show([Paragraph(f'left out: {", ".join(store.left_out)}')])
  return 0


def _check_split(plan: MixturePlan, split: str) -> None:
  """Raises ConfigError if a mixture does not have a split under all templates.

  The cache has evaluated rows under every template.
  """
  known = plan.splits_needed()
  if split not in known:
    raise ConfigError(
      f'{plan.name} reads {" and ".join(known)} rows, no {split}'
    )
  limited = [member.part.name for member in plan.members if member.templates]
  if split != 'train' and limited:
    raise ConfigError(
      f'{plan.name} limits {limited[0]} to some templates, which only training '
      'rows are rendered under alone: leave out .tK'
    )


def _store(flags: argparse.Namespace) -> CacheStore:
  """Returns where cached splits are, and the flags of the child that makes."""
  lengths = {'inputs': flags.inputs, 'targets': flags.targets}
  macros = {
    'MIXTURE_OR_TASK_NAME': flags.name,
    'VOCABULARY': flags.vocabulary,
    'DATA_DIR': flags.data_dir,
    'CACHE_DIR': flags.cache_dir,
    'TASK_FEATURE_LENGTHS': lengths,
    'PROMPT_FORMAT': flags.prompt_format,
    'EXEMPLAR_SEPARATOR': flags.exemplar_separator,
    'ALLOW_MISSING': flags.allow_missing,
  }
  arguments = Arguments(
    gin_files=('runs/cache.gin',),
    bindings=(
      *(f'{name} = {value!r}' for name, value in macros.items()),
      f'cache.only = {flags.split!r}',
    ),
    task_modules=tuple(flags.task_module),
    template_set=flags.template_set,
  )
  config = CacheConfig(
    cache_dir=flags.cache_dir,
    data_dir=flags.data_dir,
    lengths=lengths,
    prompt_format=flags.prompt_format,
    exemplar_separator=flags.exemplar_separator,
  )
  path = base_model.locate(flags.vocabulary, flags.cache_dir)
  vocabulary = load_vocabulary(path)
  check_lossless(vocabulary)
  return CacheStore(config, vocabulary, arguments.flags(), flags.allow_missing)


def _splits(
  store: CacheStore, plan: MixturePlan, flags: argparse.Namespace
) -> list[CachedSplit]:
  """Opens the splits to draw from; has missing ones made."""
  store.ensure(split_keys([plan], only=flags.split))
  if flags.split == 'train':
    return training_splits(store, plan, flags.seed)
  found = []
  members = [m for m in plan.members if flags.split in m.part.splits]
  for member in store.available(members, flags.split):
    pool = None
    if member.shots and member.exemplar_part:
      pool = store.find(SplitKey(member.exemplar_part, 'train'))
    split = store.find(split_key(member, flags.split))
    shots = member.shots if pool else 0
    found.append(with_exemplars(split, pool, shots, flags.seed, store.framing))
  return found


def _unfit_lines(
  unfit: collections.Counter[str],
  named: Mapping[str, Iterable[str]],
  flags: argparse.Namespace,
) -> Iterator[Block]:
  """Yields which rows teach nothing to a trainer that cuts them."""
  if not unfit:
    return
  yield Paragraph(
    f'{unfit.total():,} of them have no token of their target within '
    f'{flags.max_length:,} tokens of {flags.vocabulary} (--max_length). A '
    'trainer that cuts there learns nothing from them; their column `fits` is '
    'false:'
  )
  for part, count in sorted(unfit.items()):
    yield Paragraph(f'{part}: {count:,}, as of {", ".join(named[part])}', '  ')
