"""Prompts in both directions of translation, and how texts are cleaned."""

import re

from flan_jax.tasks import translation
import pytest

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.testing.declarations import assert_dataset, render_row

_NAMES = sorted(
  value.name
  for value in vars(translation).values()
  if isinstance(value, Dataset)
)
_ENGLISH = 'The water is cold.'
_LANGUAGES = (
  *('English', 'Czech', 'Finnish', 'French', 'German'),
  *('Romanian', 'Russian', 'Spanish', 'Turkish'),
)
# Name, text in the other language, template from English and its prompt,
# template to English and its prompt.
_CASES = [
  (
    'para_crawl_enes',
    'El agua está fría.',
    (3, '"The water is cold." - what is this in Spanish?'),
    (
      9,
      'Put the line between the rules into English.\n---\nEl agua está fría.'
      '\n---',
    ),
  ),
  (
    'wmt14_enfr',
    "L'eau est froide.",
    (4, 'Comment dit-on « The water is cold. » en français ?'),
    (6, "Translate from French into English: L'eau est froide."),
  ),
  (
    'wmt16_translate_csen',
    'Voda je studená.',
    (
      2,
      'Example in an English textbook for Czech learners: The water is cold.\n'
      'The same example in Czech:',
    ),
    (6, 'Voda je studená.\nEnglish meaning:'),
  ),
  (
    'wmt16_translate_deen',
    'Das Wasser ist kalt.',
    (3, 'Auf Deutsch bitte: The water is cold.'),
    (7, 'Please translate from German to English.\nDas Wasser ist kalt.'),
  ),
  (
    'wmt16_translate_fien',
    'Vesi on kylmää.',
    (0, 'The water is cold.\n\nThe same text in Finnish:'),
    (
      8,
      "For the translator's desk, from Finnish into English.\nVesi on kylmää.",
    ),
  ),
  (
    'wmt16_translate_roen',
    'Apa este rece.',
    (2, 'The water is cold.\n(in Romanian)'),
    (6, 'Apa este rece.\n\nThis is Romanian. What is it in English?'),
  ),
  (
    'wmt16_translate_ruen',
    'Вода холодная.',
    (0, 'Как это будет по-русски?\nThe water is cold.'),
    (
      5,
      'What is this person saying? I only know English.\n\n[speaking '
      'Russian] Вода холодная.',
    ),
  ),
  (
    'wmt16_translate_tren',
    'Su soğuk.',
    (
      1,
      'The water is cold.\n\nCould you translate this into Turkish for me?',
    ),
    (5, 'İngilizcesi ne?\nSu soğuk.'),
  ),
]


def _code(name):
  """Returns the code of the language other than English."""
  (code,) = set(registry.find_part(name)[1].fields) - {'en'}
  return code


@pytest.mark.parametrize(
  'name, other, away, back', _CASES, ids=[case[0] for case in _CASES]
)
def test_row_in_both_directions(name, other, away, back):
  row = {'en': _ENGLISH, _code(name): other}
  assert_dataset(name, row, *away, target=other)
  assert_dataset(name, row, *back, target=_ENGLISH)


def test_every_dataset_has_a_case():
  assert _NAMES == [case[0] for case in _CASES]


@pytest.mark.parametrize('name', _NAMES)
def test_a_prompt_shows_only_the_source_and_names_the_target_language(name):
  part, code = registry.find_part(name)[1], _code(name)
  groups = {f'en_{code}': ('en', code), f'{code}_en': (code, 'en')}
  for template in (*part.templates, *part.plain):
    source, target = groups[template.group]
    assert template.input_fields() == (source,)
    assert template.target_fields() == (target,)
    assert not template.inverted
  for templates, count in ((part.templates, 5), (part.plain, 1)):
    for group in groups:
      assert sum(t.group == group for t in templates) == count


def _words(text: str) -> list[str]:
  return re.findall(r'[^\W\d_]+', re.sub(r'{\w+}', ' ', text).lower())


def _templates():
  return [t for name in _NAMES for t in registry.find_part(name)[1].templates]


def _is_foreign(sentence: str, english: set[str]) -> bool:
  words = _words(sentence)
  return sum(word not in english for word in words) > max(1, len(words) / 2)


def test_nine_of_ten_instructions_are_in_english():
  # The words of all other templates are known to be English.
  english = {name.lower() for name in _LANGUAGES}
  for _, part in registry.parts().values():
    if part.cluster not in ('translation', 'testing'):
      english |= {word for t in part.templates for word in _words(t.input)}
  assert _is_foreign('Auf Deutsch bitte:', english)
  assert not _is_foreign('Please translate from German to English.', english)
  foreign = [
    t.input
    for t in _templates()
    if any(
      _is_foreign(sentence, english)
      for sentence in re.split(r'[.?!:\n]|{\w+}', t.input)
    )
  ]
  assert len(foreign) <= len(_templates()) / 10, foreign


def test_half_of_the_templates_name_both_languages():
  both = [
    t.input
    for t in _templates()
    if 'English' in t.input and any(name in t.input for name in _LANGUAGES[1:])
  ]
  assert len(both) >= len(_templates()) / 2


def test_no_template_is_another_with_the_language_swapped():
  languages = re.compile('|'.join(_LANGUAGES[1:]) + r'|{\w\w}')
  masked = [languages.sub('*', template.input) for template in _templates()]
  assert len(set(masked)) == 80


def test_french_spaces_and_soft_hyphens_are_normalized():
  row = {
    'fr': '«Qui a payé 1\u202f200\u00a0€\u00a0?»  deman\u00adda-t-il',
    'en': ' \ufeffWho paid 1,200\u00a0euros?\u200b ',
  }
  part = registry.find_part('wmt14_enfr')[1]
  rendered = render_row(part, row)
  assert rendered[3] == (
    'English: Who paid 1,200 euros?\nFrench:',
    '«Qui a payé 1 200 € ?» demanda-t-il',
  )


def test_romanian_cedillas_become_commas_in_romanian_only():
  row = {
    'ro': 'Şi ţara, ŢARA ştie de Beşiktaş.',
    'en': 'The country knows of Beşiktaş.',
  }
  part = registry.find_part('wmt16_translate_roen')[1]
  rendered = render_row(part, row)
  assert rendered[2] == (
    'The country knows of Beşiktaş.\n(in Romanian)',
    'Și țara, ȚARA știe de Beșiktaș.',
  )
  turkish = registry.find_part('wmt16_translate_tren')[1]
  rendered = render_row(turkish, {'tr': 'Şişe boş.', 'en': 'It is empty.'})
  assert rendered[5][0] == 'İngilizcesi ne?\nŞişe boş.'


@pytest.mark.parametrize('name', _NAMES)
def test_a_row_with_an_empty_side_is_dropped(name):
  part, code = registry.find_part(name)[1], _code(name)
  assert part.keep({'en': 'Hello', code: 'x'})
  assert not part.keep({'en': 'Hello', code: '\u00a0\u200b'})
  assert not part.keep({'en': ' ', code: 'x'})


@pytest.mark.parametrize('name', _NAMES)
def test_the_other_language_is_the_reference(name):
  part, code = registry.find_part(name)[1], _code(name)
  references = part.answers({'en': 'Hello', code: ' x '}).numpy()
  assert references.tolist() == [b'x']
