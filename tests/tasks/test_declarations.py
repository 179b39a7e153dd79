"""Templates of a dataset vary, and its declaration matches its builder."""

import itertools
import json
import re

import pytest

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import evaluated
from flan_jax.sources import tfds_import
from flan_jax.testing.declarations import assert_sentences_end
from tests.tasks import tfds_features

registry.load()

_MINI = tfds_import.mini_corpus()
_PARTS = sorted(
  name
  for name, (_, part) in registry.parts().items()
  if part.cluster != 'testing'
)
_DATASETS = sorted({registry.find_part(name)[0].name for name in _PARTS})

# Words that any instruction may have. The other words distinguish two of them.
_COMMON = set(
  'a an and are as at be been but by can could did do does for from had has '
  'have how i if in into is it its may me more no not of on one only or other '
  'our out please say says should so that the them then there these they this '
  'those to up was we were what when where whether which who will with would '
  'yes you your'.split()
)


# Patterns, without names that are ordinary words, such as `drop`.
_DATASET_NAMES = (
  *('anli', 'mnli', 'multinli', 'rte', 'superglue', 'glue', 'snli', 'qnli'),
  *('wnli', 'winograd', 'imdb', 'yelp', 'sst', 'sentiment140', 'twitter'),
  *('mrpc', 'qqp', 'quora', 'paws', 'wikipedia', 'sts', 'copa', 'hellaswag'),
  *('swag', 'piqa', 'story ?cloze', 'natural questions', 'trivia ?qa'),
  *('common ?gen', 'dart', 'e2e', 'web ?nlg', 'para ?crawl', 'wmt'),
  *('europarl', 'bool ?q', 'multi ?rc', 'open ?book ?qa', 'squad'),
  *('cosmos ?qa', 'dpr', 'winogrande', 'wsc', 'coqa', 'quac', 'wic', 'trec'),
  *('cola', 'aeslc', 'enron', 'ag ?news', 'cnn', 'daily ?mail', 'gigaword'),
  *('multi.?news', 'newsroom', 'idebate', 'rotten tomatoes', 'samsum'),
  *('wiki ?lingua', 'wikihow', 'xsum', 'benchmark', 'data ?set'),
)


def _template_sets():
  """Yields (name, templates) once for each set that parts share."""
  seen = set()
  for name in _PARTS:
    templates = registry.find_part(name)[1].templates
    if id(templates) not in seen:
      seen.add(id(templates))
      yield pytest.param(templates, id=name)


def _words(pattern: str) -> list[str]:
  text = re.sub(r'{\w+}', ' ', pattern).lower()
  return re.findall(r"[a-z']+", text)


def _content(pattern: str) -> set[str]:
  return set(_words(pattern)) - _COMMON


def _skeleton(pattern: str) -> str:
  """Returns fields, lines and punctuation, with `w` for literal words."""
  parts = re.split(r'({\w+})', pattern)
  parts = [
    part if part.startswith('{') else re.sub(r"[\w'-]+( [\w'-]+)*", 'w', part)
    for part in parts
  ]
  return ''.join(parts)


@pytest.mark.parametrize('templates', list(_template_sets()))
def test_templates_vary(templates):
  # FLAN has ten templates a dataset, of which up to three are inverted.
  assert 10 <= len(templates) <= 20
  assert len(templates) - len(evaluated(templates)) <= 3
  for (i, a), (j, b) in itertools.combinations(enumerate(templates), 2):
    first, second = _content(a.input), _content(b.input)
    if min(len(first), len(second)) >= 6:
      overlap = len(first & second) / len(first | second)
      assert overlap <= 0.5, (i, j, first & second)
  assert len({_skeleton(t.input) for t in templates}) >= 6
  assert sum(len(_words(t.input)) <= 4 for t in templates) <= 2
  assert len({t.input for t in templates}) == len(templates)
  for template in templates:
    assert template.input == template.input.strip()
    assert '  ' not in template.input


def test_no_two_datasets_share_a_sentence():
  owners = {}
  for name in _DATASETS:
    dataset = next(d for d in registry.datasets() if d.name == name)
    for part in dataset.resolve_parts():
      for template in part.templates:
        for sentence in re.split(r'(?<=[.?!:])\s|\n', template.input):
          if len(_words(sentence)) > 3:
            assert owners.setdefault(sentence, name) == name, sentence


def test_instructions_do_not_name_datasets():
  names = re.compile(rf'\b({"|".join(_DATASET_NAMES)})\b', re.IGNORECASE)
  for name in _PARTS:
    for template in registry.find_part(name)[1].templates:
      assert not names.search(template.input), (name, template.input)


@pytest.mark.parametrize('name', _PARTS)
def test_every_ordinary_template_uses_every_field(name):
  part = registry.find_part(name)[1]
  for index in evaluated(part.templates):
    template = part.templates[index]
    # In a translation, the other language is the target.
    fields = {*template.input_fields(), *template.target_fields()}
    assert fields >= set(part.fields) - set(part.optional), (name, index)


@pytest.mark.parametrize('name', _PARTS)
def test_declaration_matches_the_builder(name):
  part = registry.find_part(name)[1]
  features = tfds_features.features(part.source)
  for feature in (*part.fields.values(), part.label, part.score):
    if isinstance(feature, str):
      assert feature in features
  if isinstance(part.label, str):
    assert set(features[part.label]) == set(part.choices)
  for split in part.splits:
    assert part.rows.get(split), (name, split)


def _mini_rows(part) -> list[dict]:
  meta = json.loads((_MINI / 'meta.json').read_text(encoding='utf-8'))
  return [
    json.loads(line)
    for stem, about in meta.items()
    if about['tfds'] == part.source
    for line in (_MINI / f'{stem}.jsonl').read_text('utf-8').splitlines()
  ]


@pytest.mark.parametrize('name', _PARTS)
def test_declared_slices_are_of_splits_of_the_source(name):
  part = registry.find_part(name)[1]
  declared = {spec.partition('[')[0] for spec in part.splits.values()}
  assert declared <= {row['_split'] for row in _mini_rows(part)}


@pytest.mark.parametrize('name', _PARTS)
def test_no_field_runs_into_the_next_sentence(name):
  part = registry.find_part(name)[1]
  row = _mini_rows(part)[0]
  del row['_split']
  assert_sentences_end(part, row)


@pytest.mark.slow
@pytest.mark.parametrize('source', tfds_features.sources())
def test_recorded_features_are_those_of_the_builder(source):
  assert tfds_features.features(source) == tfds_features.read_features(source)
