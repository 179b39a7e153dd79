"""The rows that the page shows are those that training reads."""

import pytest

from flan_jax.definitions import registry
from flan_jax.explorer.row_reader import RowReader, RowSettings
from flan_jax.inspection import rows
from flan_jax.vocabulary.load import MINI, load_vocabulary
from tests.inspection.rte_rows import import_rte

registry.load()

_VOCABULARY = load_vocabulary(MINI)


@pytest.fixture(scope='module')
def rte(tmp_path_factory) -> str:
  return import_rte(tmp_path_factory.mktemp('rte'))


def _show(part: str, data_dir: str, count: int = 2, shots: int = 2):
  settings = RowSettings(data_dir, _VOCABULARY, count, shots)
  return RowReader(settings).show(registry.find_part(part)[1])


def _text(pieces) -> str:
  return ''.join(text for _, text in pieces)


def _assert_as_inspected(part: str, data_dir: str, count: int) -> None:
  """`inspect` renders in TensorFlow, from the row to the tokens."""
  shown = _show(part, data_dir, count)
  suffix = '.2shot' if registry.find_part(part)[1].exemplar_part else ''
  for task, form in (
    (part + suffix, 'instructions'),
    (f'{part}.plain', 'plain'),
    (f'{part}.named', 'named'),
  ):
    (inspected,) = rows.describe(task, data_dir, count)['parts']
    assert len(inspected['templates']) == len(shown[form])
    for template in inspected['templates']:
      found = shown[form][template['template']]
      assert [row.row_id for row in found] == [
        example['id'] for example in template['examples']
      ]
      for row, example in zip(found, template['examples'], strict=True):
        assert _text(row.pieces) == example['inputs']
        assert row.target == example['targets']
        assert [[_text(p), t] for p, t in row.exemplars] == example['exemplars']
        assert set(row.remarks) <= set(example['remarks'])


@pytest.mark.slow
def test_rows_are_as_inspected_also_if_they_are_shortened(rte):
  _assert_as_inspected('rte', rte, 5)


@pytest.mark.slow
@pytest.mark.parametrize('part', ('mnli_matched', 'wsc273', 'drop'))
def test_rows_of_every_kind_are_as_inspected(part, mini_data):
  _assert_as_inspected(part, mini_data, 2)


def test_pieces_name_the_fields_and_the_options(rte):
  shown = _show('rte', rte, 4)['instructions']
  templates = registry.find_part('rte')[1].templates
  shortened = 0
  for k, template in enumerate(templates):
    for row in shown[k]:
      named = [name for name, _ in row.pieces if name]
      assert named == list(template.input_fields())
      if not template.inverted:
        assert row.pieces[-1][1].startswith('Options:\n- ')
        assert row.correct == (row.target,)
      if row.remarks:
        shortened += 1
        premise = dict(row.pieces)['premise']
        assert 40 < premise.count('is on the list.') < 400
  assert shortened


def test_without_exemplars_fewer_rows_are_read(rte, monkeypatch):
  monkeypatch.setattr('flan_jax.explorer.row_reader.MOST_ROWS', 1)
  shown = _show('rte', rte, shots=0)
  (row,) = shown['instructions'][0]
  assert not row.exemplars
  assert len(shown['plain'][0]) == 1
