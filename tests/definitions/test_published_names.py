"""The published keys and fields stand for ours, dataset by dataset."""

import pytest

from flan_jax.definitions import published_names, registry, template_set
from flan_jax.definitions.dataset import evaluated, placeholders

registry.load()

pytestmark = pytest.mark.usefixtures('own_registry')

_KEYS = published_names.keys()


def _published(key: str) -> list[tuple[str, str]]:
  """Returns templates in the published manner, of our own wording."""
  name = published_names.datasets_of(key)[0]
  table = published_names.fields_of(name)
  if 'lang1' in table:
    return [
      ('This is {lang1}: {sent1}\nHere it is in {lang2}:', '{sent2}'),
      ('Read {sent2} aloud, but in {lang1}', '{sent1}'),
      ('Anything will do, as long as it is {lang2}', '{sent2}'),
      ('{sent2}\n\nName the tongue.', '{lang2}'),
    ]
  part = template_set._first_part(name)
  answer = next(
    (field for field, ours in table.items() if ours == '{answer}'), 'answer'
  )
  shown = [
    field
    for field, ours in table.items()
    if ours not in ('{answer}', '{options}')
  ]
  asks = ' / '.join(f'{{{field}}}' for field in shown)
  choices = '' if part.answers is not None else '\n{options_}'
  if 'options_str' in table:
    choices = '\n{options_str}'
  return [
    (f'Take a look.\n\n{asks}\n\nWell?{choices}', f'{{{answer}}}'),
    (f' {asks} - and now? \n', f'{{{answer}}}'),
    ('Think one up for a colleague.', f'{{{shown[0]}}}'),
    (f'Go back from {{{answer}}}.', f'Was it {{{shown[0]}}}?'),
  ]


def _python_file(write_set, keys) -> str:
  patterns = {key: _published(key) for key in keys}
  return write_set(
    f'"""A file of that shape."""\nPATTERNS = {patterns!r}\n', 'p.py'
  )


@pytest.mark.parametrize('key', _KEYS)
def test_published_names_stand_for_ours(write_set, key):
  template_set.apply(_python_file(write_set, [key]))
  for name in published_names.datasets_of(key):
    part = template_set._first_part(name)
    assert part.template_set is not None
    assert evaluated(part.templates) == (0, 1)
    used = {f for t in part.templates for f in t.input_fields()}
    known = {*part.fields, 'options', 'answer'}
    assert used <= known
    # Every field is reached but those that have no published name.
    assert used >= set(part.fields) - _OURS_ALONE
    for template in part.templates:
      assert template.input == template.input.strip()
    if part.answers is None:
      assert part.templates[0].input.endswith('{options}')


# Fields that the published templates do not have.
_OURS_ALONE = {
  'activity',
  'asked',
  'attribute_lines',
  'lead',
  'section',
  'triple_lines',
}


def test_a_published_file_serves_every_dataset_of_the_project(write_set):
  from flan_jax.tasks import DATASETS

  template_set.apply(_python_file(write_set, _KEYS))
  ours = {dataset.name for dataset in DATASETS}
  for dataset in registry.datasets():
    if dataset.name in ours:
      for part in dataset.resolve_parts():
        assert part.template_set == registry.template_set(), part.name


def test_published_names_that_are_also_ours_mean_the_same():
  for key in _KEYS:
    for name in published_names.datasets_of(key):
      fields = template_set._first_part(name).fields
      for published, ours in published_names.fields_of(name).items():
        if published in fields:
          assert ours == f'{{{published}}}', (name, published)


def test_no_two_published_keys_serve_one_dataset():
  # 61 keys as published, of which WMT'16 stands for six datasets.
  served = [
    name
    for key in published_names.keys()
    for name in published_names.datasets_of(key)
  ]
  assert len(published_names.keys()) == 61
  assert len(served) == len(set(served)) == 66


@pytest.mark.parametrize(
  'name',
  sorted(
    name
    for key in _KEYS
    for name in published_names.datasets_of(key)
    if 'lang1' in published_names.fields_of(name)
  ),
)
def test_published_translations_keep_language_and_direction(write_set, name):
  (key,) = (key for key in _KEYS if name in published_names.datasets_of(key))
  own = registry.find_part(name)[1]
  template_set.apply(_python_file(write_set, [key]))
  away, back, unasked, named = registry.find_part(name)[1].templates
  (code,) = placeholders(away.target)
  assert away.group == f'en_{code}' and back.group == f'{code}_en'
  assert {away.group, back.group} == {t.group for t in own.templates}
  assert back.target == '{en}' and f'{{{code}}}' in back.input
  assert own.group_titles[away.group] == f'to {named.target}'
  assert unasked.inverted and named.inverted
