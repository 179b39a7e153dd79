"""`flan-jax contamination`: which test rows a pretraining corpus contains."""

import argparse
from collections.abc import Mapping, Sequence
import functools
import shlex
import sys

from flan_jax import __version__
from flan_jax.command_flags.contamination_flags import make_parser
from flan_jax.definitions import registry, template_set
from flan_jax.definitions.dataset import Dataset
from flan_jax.errors import ConfigError
from flan_jax.evaluation import contamination_report
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.recorded import read_recorded
from flan_jax.inspection import prepared
from flan_jax.overlap import corpus_search
from flan_jax.overlap.corpus_files import corpus_files, corpus_ranges
from flan_jax.overlap.corpus_search import Hit, Runner
from flan_jax.overlap.gram_index import GramIndex
from flan_jax.rendering.splits import MissingDataError
from flan_jax.runtime.paths import user_path
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.sources.mini import open_data_dir
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.blocks import Line, Paragraph
from flan_jax.terminal.screen import show


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags; writes to `--out`.

  An interrupted search continues with the same flags.

  Raises:
    UserError: a flag is wrong, a file cannot be read, or rows are not prepared.
  """
  flags = make_parser().parse_args(argv)
  registry.load(flags.task_module)
  if flags.template_set:
    template_set.apply(flags.template_set)
  parts = _parts(flags.name)
  files = corpus_files(flags.corpus)
  recorded = []
  if flags.results:
    recorded = read_recorded(flags.results, flags.cache_dir, set(parts))
  run = _runner(flags)
  index, ids, left_out = _indexed(parts, flags)
  show(
    [
      f'searching for {len(index.counts):,} test rows, which take '
      f'{index.nbytes / 1e6:,.1f} MB of memory'
    ]
  )
  folder = user_path(flags.out)
  folder.mkdir(parents=True, exist_ok=True)
  hits, size = _search(index, corpus_ranges(files), folder, run, flags)
  searched = contamination_report.by_part(
    [parts[name] for name in ids], ids, index.counts < flags.n, hits
  )
  contaminated = Contaminated(
    str(folder), {p.name: frozenset(p.contaminated_ids) for p in searched}
  )
  about = {
    'flan_jax': __version__,
    'mixture': flags.name,
    'n': flags.n,
    'corpus': flags.corpus,
    'files': len(files),
    'bytes': size,
    'left_out': left_out,
  }
  results = [r for part in recorded for r in part.results(contaminated)]
  tables = contamination_report.write(folder, searched, about, results)
  count = f'{len(files)} file{"" if len(files) == 1 else "s"}'
  title = f'{flags.name} in {count}, {size / 1e6:,.1f} MB of text:'
  show([Line(title, 'bold'), *tables])
  if left_out:
    show([Paragraph(f'left out: {", ".join(left_out)}')])
  show([f'results: {folder}'])
  return 0


def _parts(name: str) -> dict[str, Dataset]:
  """Returns the parts that have test rows, by name."""
  parts = {p.name: p for p in prepared.parts_of(name) if p.evaluates}
  if not parts:
    raise ConfigError(f'{name} has no test rows')
  return parts


def _indexed(
  parts: Mapping[str, Dataset], flags: argparse.Namespace
) -> tuple[GramIndex, dict[str, list[str]], list[str]]:
  """Returns all test rows, their ids by part, and the parts left out."""
  log = functools.partial(print, 'contamination:', file=sys.stderr)
  data_dir = open_data_dir(flags.data_dir, flags.cache_dir, log)
  start_tensorflow()
  from flan_jax.overlap.row_texts import row_texts

  texts, ids, left_out = [], {}, []
  with Bar('reading test rows', len(parts), 'subset') as bar:
    for part in parts.values():
      bar.update()
      try:
        rows = list(row_texts(part, 'test', data_dir))
      except MissingDataError:
        if not flags.allow_missing:
          raise
        left_out.append(part.name)
        continue
      ids[part.name] = [row.id for row in rows]
      texts += [row.text for row in rows]
  if not texts:
    raise ConfigError(f'nothing of {flags.name} is prepared')
  return GramIndex.of(texts, flags.n), ids, left_out


def _runner(flags: argparse.Namespace) -> Runner:
  if flags.pipeline_options is None:
    return corpus_search.in_processes(flags.processes)
  # Imports TensorFlow.
  start_tensorflow()
  from flan_jax.cache import beam

  options = shlex.split(flags.pipeline_options)
  try:
    return beam.make_runner(options, corpus_search.run_task)
  except ImportError as error:
    raise ConfigError(
      '--pipeline_options needs Apache Beam, which is not installed: pip '
      "install '.[cache]'"
    ) from error


def _search(index, shares, folder, run, flags) -> tuple[dict[int, Hit], int]:
  """Searches the corpus and shows how far it is."""
  size = sum(one.size for share in shares for one in share)
  with Bar('searching', size, 'byte') as bar:
    return corpus_search.search(
      index,
      shares,
      folder,
      run,
      flags.n,
      flags.text_key,
      lambda task: bar.update(task.size),
    )
