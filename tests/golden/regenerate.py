"""Renders mini rows of every dataset under all templates and formats.

Run `python -m tests.golden.regenerate` after changing a template or a field,
and review the diff: it shows which prompts change.
"""

from collections.abc import Iterator
import pathlib
import tempfile

import numpy as np

from flan_jax.definitions import names, registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.names import TaskName
from flan_jax.rendering.seqio_tasks import ExemplarPool
from flan_jax.rendering.source import SplitSource
from flan_jax.rendering.templates import admissible, compile_templates
from flan_jax.sources import tfds_import

FOLDER = pathlib.Path(__file__).parent
SHOTS = 2
_SEED = 0


def golden_text(dataset: Dataset, data_dir: str) -> str:
  """Returns the content of the golden file of a dataset.

  Args:
    dataset: The dataset; all its parts are rendered.
    data_dir: The mini corpus as a TFDS directory.
  """
  sections = []
  for part in dataset.resolve_parts():
    # Inverted templates render only rows of training splits.
    split = 'train' if part.trains else 'test'
    rows = _Rows(part, split, data_dir)
    sections += [
      *rows.sections(''),
      *(rows.sections(f'.{SHOTS}shot') if part.trains else ()),
      *rows.sections('.plain'),
      *rows.sections('.named'),
    ]
  return '\n'.join(sections)


class _Rows:
  """Rows of one part, mapped once for all formats."""

  def __init__(self, part, split, data_dir):
    self._part = part
    self._source = SplitSource(part, data_dir)
    rows = self._source.get_dataset(split, shuffle=False)
    self._rows = list(rows)

  def sections(self, suffix: str) -> Iterator[str]:
    """Yields every template, rendered on the first row that admits it."""
    task = names.parse_task(self._part.name + suffix)
    table = compile_templates(task.part)
    todo = set(range(len(table.indices)))
    pool = ExemplarPool(self._source, task.shots) if task.shots else None
    found = {}
    for row in self._rows:
      allowed = admissible(task.part, row).numpy()
      for k in sorted(todo & set(np.flatnonzero(allowed).tolist())):
        texts = table.render(table.pool(row), k).numpy()
        found[k] = self._section(task, k, row, texts, pool)
        todo.discard(k)
      if not todo:
        break
    yield from (found[k] for k in sorted(found))

  def _section(self, task: TaskName, k, row, texts, pool) -> str:
    template = task.part.templates[k]
    remarks = ['inverted'] if template.inverted else []
    remarks += [template.group] if template.group else []
    suffix = task.name.removeprefix(self._part.name)
    name = f'{self._part.name}.t{k}{suffix}'
    title = ' '.join([f'=== {name}', *(f'({r})' for r in remarks)])
    pairs = []
    if pool:
      row_id, group = row['id'].numpy(), int(row['group'])
      pairs = pool.exemplars(k, row_id, group, _SEED)
    pairs = [*pairs, tuple(text.decode() for text in texts)]
    lines = [f'{inputs}\n--->\n{targets}' for inputs, targets in pairs]
    return '\n'.join([title, *lines, ''])


def main() -> None:
  """Writes the golden file of every dataset; removes all other golden files."""
  registry.load()
  with tempfile.TemporaryDirectory() as folder:
    data_dir = f'{folder}/tfds'
    tfds_import.import_rows(
      tfds_import.mini_corpus(), data_dir, log=lambda line: None
    )
    texts = {d.name: golden_text(d, data_dir) for d in registry.datasets()}
  for path in FOLDER.glob('*.txt'):
    if path.stem not in texts:
      path.unlink()
  for name, text in texts.items():
    (FOLDER / f'{name}.txt').write_text(text, encoding='utf-8')


if __name__ == '__main__':
  main()
