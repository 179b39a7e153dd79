"""The shipped set has a continuation prompt for every dataset.

What breaks this: a dataset whose base model is still asked in instructions, a
field that was renamed, a prompt that shows the options or its answer, a set
that is found in a checkout only.
"""

import dataclasses
import json
import pathlib
import shutil

from flan_jax.tasks import DATASETS
import pytest

from flan_jax.definitions import registry, template_set
from flan_jax.definitions.dataset import OPTIONS, Dataset
from flan_jax.definitions.template_set import TemplateSetError
from flan_jax.rendering.templates import OPTIONS_HEADER
from flan_jax.sources import tfds_import
from flan_jax.testing.declarations import render_row

registry.load()

pytestmark = pytest.mark.usefixtures('own_registry')

_NAME = 'continuation'
_PARTS = {
  name: part
  for name, (dataset, part) in registry.parts().items()
  if dataset.cluster != 'testing'
}


@pytest.fixture
def in_force() -> template_set.TemplateSet:
  return template_set.apply(_NAME)


def _part(name: str) -> Dataset:
  return registry.find_part(name)[1]


# Parts that share the rows of another.
_ROWS_OF = {
  'mnli_matched': 'mnli',
  'mnli_mismatched': 'mnli',
  'true_case': 'fix_punct',
  'word_segment': 'fix_punct',
}


def _mini_row(part: Dataset) -> dict:
  file = f'{_ROWS_OF.get(part.name, part.name)}.jsonl'
  with (tfds_import.mini_corpus() / file).open(encoding='utf-8') as lines:
    return json.loads(next(lines))


def test_a_bare_name_is_a_shipped_set_wherever_one_is(tmp_path, monkeypatch):
  (tmp_path / _NAME).write_text('{}')
  monkeypatch.chdir(tmp_path)
  found = template_set.load(_NAME)
  assert pathlib.Path(found.path).parts[-2:] == ('tasks', f'{_NAME}.json')
  with pytest.raises(
    TemplateSetError, match='must be a dictionary of datasets'
  ):
    template_set.load(f'./{_NAME}')


def test_an_unknown_name_tells_which_are_shipped():
  with pytest.raises(TemplateSetError) as error:
    template_set.load('continuations')
  assert str(error.value) == (
    "no template set named 'continuations' is shipped, only continuation; for "
    'a file of your own without a suffix, pass ./continuations'
  )


def test_the_hash_does_not_depend_on_the_place(tmp_path):
  shipped = template_set.load(_NAME)
  copy = template_set.load(str(shutil.copy(shipped.path, tmp_path / 'a.json')))
  assert copy.digest == shipped.digest


def test_only_the_templates_of_all_datasets_are_replaced(in_force):
  assert len(DATASETS) == 62
  assert {p.name for d in DATASETS for p in d.resolve_parts()} <= set(_PARTS)
  for name, before in _PARTS.items():
    now = _part(name)
    assert now.template_set == in_force.digest, name
    assert len(now.templates) in (1, 2), name
    # Metrics among them.
    again = dataclasses.replace(
      now, templates=before.templates, template_set=None
    )
    assert again == before, name


@pytest.mark.parametrize('name', _PARTS)
def test_prompts_end_where_the_answer_belongs(in_force, name):
  part, declared = _part(name), _PARTS[name]
  groups = {t.group for t in declared.templates if not t.inverted}
  assert {template.group for template in part.templates} == groups
  needed = set(part.fields) - set(part.optional)
  for template in part.templates:
    shown = {*template.input_fields(), *template.target_fields()}
    assert not template.inverted and OPTIONS not in shown
    assert needed <= shown
  # The names of the classes in some order: which is right does not matter.
  classes = tuple(part.choices) if isinstance(part.label, str) else None
  rendered = render_row(part, _mini_row(part), classes)
  assert len(rendered) == len(part.templates)
  for prompt, answer in rendered.values():
    assert OPTIONS_HEADER not in prompt
    assert prompt == prompt.strip() and answer
    assert not prompt.lower().endswith(answer.lower())
    for word in (part.choices or {}).values():
      assert not prompt.endswith(f' {word}')
