"""Prompts and answers of the struct-to-text datasets."""

from flan_jax.tasks import struct_to_text
import numpy as np
import pytest

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import evaluated
from flan_jax.testing.declarations import assert_dataset, render_row

_DATASETS = (
  struct_to_text.COMMON_GEN,
  struct_to_text.DART,
  struct_to_text.E2E_NLG,
  struct_to_text.WEB_NLG_EN,
)


def _strings(*values):
  return np.array(values, dtype=object)


def _concepts(target='A man rows a boat.', references=()):
  return {
    'concepts': _strings('boat', 'man', 'row'),
    'target': target,
    'references': _strings(*references),
  }


def _records(*records):
  return {
    'tripleset': _strings(*records),
    'target': 'It opened in 1904.',
    'references': _strings(),
  }


def _meaning(text):
  return {
    'meaning_representation': text,
    'target': 'Aldo is a pub.',
    'references': _strings('Aldo is a pub.'),
  }


def _triples(*triples):
  return {
    'input': _strings(*triples),
    'target': 'Tarn Field serves Tarn.',
    'references': _strings(),
  }


# Dataset, raw row, template, prompt, target.
_CASES = [
  (
    'common_gen',
    _concepts(),
    2,
    'Words:\nboat\nman\nrow\n\nSentence:',
    'A man rows a boat.',
  ),
  (
    'common_gen',
    _concepts('men row in a boat .'),
    0,
    'Write one sentence about an everyday scene in which all of these words '
    'occur: boat, man, row',
    'men row in a boat.',
  ),
  (
    'common_gen',
    _concepts(),
    8,
    'Somebody wrote: A man rows a boat.\n'
    'Which key words, in their dictionary form, had to be included?',
    'boat, man, row',
  ),
  (
    'dart',
    _records('[TABLECONTEXT] [TITLE] Stations', 'Oak Hill OPENED_IN 1904'),
    2,
    'Table: TITLE Stations; Oak Hill OPENED IN 1904\nIn words:',
    'It opened in 1904.',
  ),
  (
    'dart',
    _records('Aldo familyFriendly no', 'Aldo STATUS "Closed"'),
    0,
    'Write a short text that says in plain English what these records '
    'contain.\n\n'
    'Aldo family friendly no\n'
    'Aldo STATUS Closed',
    'It opened in 1904.',
  ),
  (
    'e2e_nlg',
    _meaning('name[Aldo], eatType[pub], customer rating[1 out of 5]'),
    2,
    'Details: name: Aldo; type: pub; customer rating: 1 out of 5\nBlurb:',
    'Aldo is a pub.',
  ),
  (
    'e2e_nlg',
    _meaning('name[Aldo], priceRange[£20-25], familyFriendly[yes]'),
    0,
    'Tell a visitor about this venue, mentioning each detail.\n'
    '\n'
    'name: Aldo\n'
    'price range: £20-25\n'
    'family friendly: yes',
    'Aldo is a pub.',
  ),
  (
    'web_nlg_en',
    _triples('Tarn_Field | cityServed | Tarn,_Ostrey'),
    1,
    'Knowledge graph: Tarn Field | city served | Tarn, Ostrey\nText:',
    'Tarn Field serves Tarn.',
  ),
  (
    'web_nlg_en',
    _triples('A | ISSN_number | "0990-4417"', 'A | wasACrewMemberOf | B'),
    0,
    'Express the following knowledge in good English prose.\n'
    '\n'
    'A | ISSN number | 0990-4417\n'
    'A | was a crew member of | B',
    'Tarn Field serves Tarn.',
  ),
]


@pytest.mark.parametrize('name, row, template, prompt, target', _CASES)
def test_row(name, row, template, prompt, target):
  assert_dataset(name, row, template, prompt, target)


def test_answers_are_the_target_and_the_references():
  row = _concepts('A.', ('A.', 'B.', 'B.', 'C .', ''))
  answers = struct_to_text.COMMON_GEN.answers(row).numpy().tolist()
  assert answers == [b'A.', b'B.', b'C.']


def test_answers_of_a_row_without_target_are_the_references():
  row = _concepts('', ('B.', 'C.'))
  answers = struct_to_text.COMMON_GEN.answers(row).numpy().tolist()
  assert answers == [b'B.', b'C.']


@pytest.mark.parametrize('dataset', _DATASETS, ids=lambda d: d.name)
def test_rows_without_a_text_are_dropped(dataset):
  empty = {'target': '', 'references': _strings()}
  assert not dataset.keep(empty)
  assert dataset.keep({**empty, 'references': _strings('B.')})


@pytest.mark.parametrize('dataset', _DATASETS, ids=lambda d: d.name)
def test_every_prompt_shows_the_structure_once(dataset):
  for index in evaluated(dataset.templates):
    shown = dataset.templates[index].input_fields()
    assert len(shown) == 1 and shown[0] in dataset.fields


def test_values_keep_their_unit():
  row = _triples('Ada_Quint | timeInSpace | "52.0"(minutes)')
  _, part = registry.find_part('web_nlg_en')
  assert (
    'Ada Quint | time in space | 52.0 (minutes)'
    in (render_row(part, row)[0][0])
  )
  row = _records('Ada Quint TIME_IN_SPACE "52.0"(minutes)')
  _, part = registry.find_part('dart')
  assert 'Ada Quint TIME IN SPACE 52.0 (minutes)' in render_row(part, row)[0][0]
