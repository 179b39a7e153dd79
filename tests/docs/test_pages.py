"""Every fence of the pages runs, or says why it does not."""

import pathlib
import re
import shutil

import pytest

from flan_jax.testing import tiny_models
from tests.command_line import ROOT
from tests.interop.tiny_config import CONFIG

pytest.importorskip('sybil')

from tests.docs.fences import Page

_PAGES = [
  *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md')),
  ROOT / 'benchmarks/README.md',
  *sorted((ROOT / 'docs').glob('*.md')),
  *sorted((ROOT / 'examples').glob('*/README.md')),
]


# Their commands train, or start processes.
_SLOW = (
  ROOT / 'docs/adding_a_task.md',
  ROOT / 'docs/contamination.md',
  ROOT / 'examples/tickets/README.md',
)


@pytest.mark.parametrize(
  'page',
  [
    pytest.param(
      page,
      marks=[pytest.mark.slow] if page in _SLOW else [],
      id=str(page.relative_to(ROOT)),
    )
    for page in _PAGES
  ],
)
def test_fences_run(page, own_folder, cli):
  # What a reader has, where the page does not make it.
  (own_folder / 'base').mkdir()
  (own_folder / 'base/model.gin').write_text("include 'models/tiny.gin'\n")
  _write_pretrained(own_folder / 'SmolLM2-360M')
  (own_folder / 'flan_jax').symlink_to(ROOT / 'flan_jax')
  tickets = ROOT / 'examples/tickets'
  pattern = 'tickets.*' if page.parent == tickets else 'tickets.csv'
  for file in tickets.glob(pattern):
    shutil.copy(file, own_folder)
  Page(page, cli).run()


def _write_pretrained(folder: pathlib.Path) -> None:
  """Writes a small model in the place of a downloaded one."""
  folder.mkdir()
  tiny_models.write_tokenizer(folder)
  config = {**CONFIG, 'model_type': 'llama', 'max_position_embeddings': 2048}
  tiny_models.write_model(folder, config)


def test_the_site_has_every_page():
  index = (ROOT / 'docs/index.md').read_text(encoding='utf-8')
  listed = re.findall(r'^(\S+\.(?:md|ipynb))$', index, re.MULTILINE)
  found = {(ROOT / 'docs' / name).resolve() for name in listed}
  examples = set((ROOT / 'examples').rglob('*.ipynb'))
  assert found == {*_PAGES, *examples} - {ROOT / 'docs/index.md'}
