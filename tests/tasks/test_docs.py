"""docs/datasets.md agrees with the registry."""

import pathlib

import pytest

from flan_jax.definitions import registry

registry.load()

_PAGE = pathlib.Path(__file__).resolve().parents[2] / 'docs/datasets.md'
_PARTS = [
  pytest.param(dataset, part, id=part.name)
  for dataset, part in registry.parts().values()
  if dataset.cluster != 'testing'
]


@pytest.mark.parametrize('dataset, part', _PARTS)
def test_every_part_has_a_correct_line(dataset, part):
  name = part.name
  if name != dataset.name:
    name = f'{dataset.name}:{name}'
  lines = _PAGE.read_text(encoding='utf-8').split('\n')
  (line,) = (line for line in lines if line.startswith(f'| `{name}` |'))
  cells = [cell.strip() for cell in line.strip('|').split('|')]
  assert cells[1] == f'`{part.source}`'
  assert cells[3].split(',')[0] == str(len(part.templates))
  assert cells[4] == ', '.join(f'`{metric}`' for metric in part.metrics)
  for cell, split in zip(
    cells[5:], ('train', 'validation', 'test'), strict=True
  ):
    rows = f'{part.rows[split]:,}' if split in part.splits else '-'
    assert cell == rows


def test_the_page_has_every_note():
  text = ' '.join(_PAGE.read_text(encoding='utf-8').split())
  for dataset, part in registry.parts().values():
    if dataset.cluster not in ('testing', 'extras'):
      assert part.note in text, part.name


def test_the_page_has_every_licence():
  lines = _PAGE.read_text(encoding='utf-8').split('\n')
  for dataset in registry.datasets():
    if dataset.cluster != 'testing':
      assert dataset.homepage.startswith('http'), dataset.name
      assert dataset.licence, dataset.name
      about = f'{dataset.licence}, {dataset.homepage}'
      assert f'- `{dataset.name}`: {about}' in lines
