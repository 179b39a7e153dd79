"""A file's templates replace ours, and everything made with them says so."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.identity import split_folder
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry, template_set
from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.registry import UnknownNameError
from flan_jax.definitions.template_set import TemplateSetError
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.part_result import PartResult
from flan_jax.evaluation.ranked import rank_options
from flan_jax.evaluation.requests import requests
from flan_jax.flags import FlagParser, parse_gin
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.load import load_vocabulary
from tests.command_line import RULE, TRAIN

# The datasets of tests too: what a test registers is undone.
registry.load(['flan_jax.testing.rule'])

pytestmark = pytest.mark.usefixtures('own_registry')


def _part(name: str) -> Dataset:
  return registry.find_part(name)[1]


_RTE = [
  ['{premise}\nSo: {hypothesis}?\n{options}', '{answer}'],
  {'input': 'Right or not, after {premise}: {hypothesis}'},
  {'input': 'Claim a thing.', 'target': '{hypothesis}', 'inverted': True},
  ['Conclude something from: {premise}', '{hypothesis}'],
]

_RTE_PYTHON = r'''
"""Nothing in this file is run."""
import nowhere_to_be_found

raise RuntimeError

PATTERNS = {
  # Pieces of a text are put together, as Python would.
  'rte': [
    ('{premise}\nSo: ' '{hypothesis}?\n{options_}', '{answer}'),
    {'input': 'Right or not, after {premise}: {hypothesis}'},
    {'input': 'Claim a thing.', 'target': '{hypothesis}', 'inverted': True},
    ('Conclude something from: {premise} ', '{hypothesis}'),
  ],
}
'''


def test_json_replaces_the_templates_of_what_it_names(write_set):
  before = _part('cb')
  found = template_set.apply(write_set({'rte': _RTE}))
  part = _part('rte')
  assert part.templates == (
    Template('{premise}\nSo: {hypothesis}?\n{options}'),
    # Without options, which a set may leave out.
    Template('Right or not, after {premise}: {hypothesis}'),
    Template('Claim a thing.', '{hypothesis}', inverted=True),
    # Recognized: it asks for something else than our own templates do.
    Template(
      'Conclude something from: {premise}', '{hypothesis}', inverted=True
    ),
  )
  assert registry.template_set() == part.template_set == found.digest
  assert _part('cb') == before and before.template_set is None
  with pytest.raises(ValueError, match='in force already'):
    registry.replace_templates({}, 'other')


def test_a_python_literal_is_read_and_its_module_not_run(write_set):
  found = template_set.load(write_set(_RTE_PYTHON, 'set.py'))
  same = template_set.load(write_set({'rte': _RTE}))
  assert found.templates == same.templates
  assert found.digest == same.digest
  other = template_set.load(write_set({'rte': _RTE[:1]}))
  assert other.digest != same.digest


@pytest.mark.parametrize(
  'code, message',
  [
    ("A = {\n'rte': [(f'{1}', 'x')]}", "line 2: f'{1}' is code"),
    ("A = {\n\n'rte': [('a'.upper(), 'x')]}", "line 3: 'a'.upper() is code"),
    ("A = {\n'rte': X}", 'line 2: X is code'),
    ("A = {'rte': ['a' + 'b', 'c']}", "line 1: 'a' + 'b' is code"),
    ("A = {\n  **{'rte': []}}", 'line 1: a key must be a text'),
    ("A = {'rte': [],\n'rte': []}", 'line 2: a key must be a text that occurs'),
    ("A = {'rte': []}\nB = {'cb': []}", 'assigns 2 dictionaries'),
    ("A = dict(rte=[('a', 'b')])", 'assigns 0 dictionaries'),
    ('A = {\n', 'line 1: '),
  ],
)
def test_code_is_refused_with_its_line(write_set, code, message):
  with pytest.raises(TemplateSetError) as error:
    template_set.load(write_set(code, 'set.py'))
  assert message in str(error.value)


def test_of_several_dictionaries_patterns_is_meant(write_set):
  path = write_set(_RTE_PYTHON + '\nMORE = {"cb": f(1)}\n', 'set.py')
  assert set(template_set.load(path).templates) == {'rte'}


_GOOD = ['{premise} {hypothesis}\n{options}', '{answer}']


@pytest.mark.parametrize(
  'content, message',
  [
    ({'rtee': [_GOOD]}, "unknown dataset 'rtee'; nearest: rte"),
    (
      {'rte': [_GOOD, ['{premis}', '{answer}']]},
      "'rte', template 1, input: unknown field 'premis'; nearest: premise",
    ),
    ({'rte': [['{premise}', '{x}']]}, "target: unknown field 'x'"),
    ({'rte': [['{premise', '{answer}']]}, 'template 0, input: '),
    ({'rte': [['{premise:>3}', '{answer}']]}, 'not a plain field name'),
    ({'rte': [{'inpt': 'a'}]}, 'an object with an input'),
    (
      {'rte': [{'input': 'a', 'invertd': True}]},
      "unknown key 'invertd'; nearest: inverted",
    ),
    ({'rte': [{'input': 3}]}, 'input must not be 3'),
    ({'rte': [{'input': '{premise}', 'only_if': [3]}]}, 'only_if must not be'),
    (
      {'rte': [{'input': '{premise}', 'only_if': ['entail']}]},
      'template 0: only_if names',
    ),
    (
      {'rte': [{'input': '{premise}', 'group': 'there'}]},
      "template 0: unknown group 'there'; use one of None",
    ),
    ({'rte': []}, 'give a list of templates'),
    ({'rte': 'x'}, 'give a list of templates'),
    ({}, 'must be a dictionary of datasets'),
    ('[]', 'must be a dictionary of datasets'),
    ('{"rte": [,', 'line 1, column 10'),
    ('{"rte": [], "rte": []}', '"rte" occurs twice'),
    ({'rte': [[' ', '{answer}']]}, 'input is empty'),
    (
      {'rte': [['{premise}\n{options} Say.', '{answer}']]},
      'may occur once, at the end',
    ),
    (
      {'rte': [['{premise}', 'It is {answer}']]},
      'the target of a choice must be',
    ),
    (
      {'rte': [{'input': 'Say no.', 'inverted': False}]},
      'template 0: the input has no field',
    ),
    ({'rte': [['{premise} {answer}', '{answer}']]}, 'gives the answer away'),
    (
      {'rte': [['Claim.\n{options}', '{hypothesis}'], _GOOD]},
      'template 0: an inverted template must not show options',
    ),
    (
      {'rte': [['Claim a thing.', '{hypothesis}']]},
      'every template is inverted',
    ),
    (
      {'arc': [['{question}\n{options}', '{answer}']], 'cb': [['{x}', 'y']]},
      "unknown field 'x'",
    ),
  ],
)
def test_mistakes_are_named_and_nothing_is_replaced(
  write_set, content, message
):
  path = write_set(content)
  before = registry.parts()
  with pytest.raises(TemplateSetError) as error:
    template_set.apply(path)
  assert message in str(error.value)
  assert str(error.value).startswith((path, f'no template set at {path}'))
  assert registry.parts() == before and registry.template_set() is None


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(TemplateSetError, match=r'no\.json cannot be read'):
    template_set.load(str(tmp_path / 'no.json'))


def test_a_dataset_stands_for_its_parts_and_a_part_for_itself(write_set):
  own = [['{premise}\n{hypothesis}', '{answer}']]
  path = write_set(
    {
      'mnli': [_GOOD],
      'mnli_mismatched': own,
      'anli_r2': [['{context}\n{hypothesis}\n{options}', '{answer}']],
    }
  )
  template_set.apply(path)
  assert _part('mnli').templates == _part('mnli_matched').templates
  assert _part('mnli').templates[0].input == _GOOD[0]
  assert _part('mnli_mismatched').templates[0].input == own[0][0]
  assert _part('anli_r2').template_set is not None
  assert _part('anli_r1').template_set is None


def test_a_mixture_of_templates_that_the_set_lacks_is_refused(write_set):
  from flan_jax.definitions import names

  member = registry.Member('rte', (0, 4))
  registry.register_mixture(registry.Mixture('fifth_of_rte', (member,)))
  assert names.resolve('fifth_of_rte').members[0].templates == (0, 4)
  template_set.apply(write_set({'rte': _RTE}))
  with pytest.raises(UnknownNameError, match='rte has templates t0 to t3'):
    names.resolve('fifth_of_rte')


def _pairs_of_languages() -> Dataset:
  template = Template('{en}\nIn German:', '{de}', group='en_de')
  back = Template('{de}\nIn English:', '{en}', group='de_en')
  return Dataset(
    name='some_pairs',
    version='1.0.0',
    cluster='testing',
    source='some_pairs:1.0.0',
    splits={'train': 'train', 'test': 'test'},
    rows={'train': 1, 'test': 1},
    fields={'en': 'en', 'de': 'de'},
    answers='de',
    templates=(template, back) * 5,
    metrics=('bleu',),
    truncatable=('en', 'de'),
    group_key=('en',),
  )


def test_the_target_tells_the_direction_of_a_translation(write_set):
  registry.register(_pairs_of_languages())
  template_set.apply(
    write_set(
      {
        'some_pairs': [
          ['{en} auf Deutsch:', '{de}'],
          ['{de} in the other language:', '{en}'],
          ['Write a line in German.', '{de}'],
          ['{de} - which language?', 'German'],
        ]
      }
    )
  )
  templates = _part('some_pairs').templates
  assert [t.group for t in templates] == ['en_de', 'de_en', None, None]
  assert [t.inverted for t in templates] == [False, False, True, True]


# What is made with a set.


@pytest.fixture
def config(mini_data, tmp_path) -> CacheConfig:
  return CacheConfig(str(tmp_path / 'cache'), mini_data)


def _make(config, *keys):
  vocabulary = load_vocabulary('mini')
  return make_cached_splits(keys, config, vocabulary, log=lambda line: None)


def _texts(cached, rendering) -> list[str]:
  vocabulary = load_vocabulary('mini')
  return [vocabulary.decode(span.tolist()) for span in cached.spans(rendering)]


def test_rows_are_rendered_under_the_set(write_set, config):
  found = template_set.apply(write_set({'rte': _RTE}))
  train, test = _make(
    config, named_split('rte', 'train'), named_split('rte', 'test')
  )
  for cached in (train, test):
    assert cached.manifest['template_set'] == found.digest
    assert len(cached.part.templates) == 4
  # Inverted templates train and are not evaluated, whatever the set.
  assert set(train.renderings['template'].tolist()) == {0, 1, 2, 3}
  assert set(test.renderings['template'].tolist()) == {0, 1}
  first = {int(r['template']): _texts(train, r) for r in train.renderings[:4]}
  with_options, without, claim, conclude = (first[k] for k in range(4))
  premise = conclude[0].removeprefix('Conclude something from: ')
  hypothesis, answer = claim[1], without[1]
  assert with_options == [
    f'{premise}\nSo: {hypothesis}?\nOptions:\n- yes\n- no',
    answer,
  ]
  assert without[0] == f'Right or not, after {premise}: {hypothesis}'
  assert claim[0] == 'Claim a thing.' and conclude[1] == hypothesis
  assert answer in ('yes', 'no')
  assert _texts(test, test.renderings[0])[1:] == ['yes', 'no']


def test_a_set_makes_units_of_its_own(write_set, config):
  vocabulary = load_vocabulary('mini')

  def names():
    keys = (
      named_split('rte', 'test'),
      named_split('rte', 'test', None, 'named'),
      named_split('cb', 'test'),
    )
    return [split_folder(key, config, vocabulary, 'copy') for key in keys]

  declared = names()
  template_set.apply(write_set({'rte': _RTE}))
  first = names()
  # A change to another dataset of the set is a change of the set.
  registry._DATASETS.update(_declared())
  registry.parts.cache_clear()
  cb = [['{premise} {hypothesis}', '{answer}']]
  template_set.apply(write_set({'rte': _RTE, 'cb': cb}))
  second = names()
  assert len({declared[0], first[0], second[0]}) == 3
  # The bare forms are none of the set's, nor is a dataset it does not name.
  assert declared[1] == first[1] == second[1]
  assert declared[2] == first[2] != second[2]


def _declared() -> dict[str, Dataset]:
  from flan_jax.tasks import nli

  return {'rte': nli.RTE, 'cb': nli.CB}


class _FirstOption:
  """Stands in for a scorer: the first option is always likelier."""

  def scored(self, params, examples):
    for index, example in enumerate(examples):
      targets = enumerate(example.targets)
      yield index, [np.full(len(target), -1.0 - i) for i, target in targets]


def test_results_and_records_tell_the_set(write_set, config):
  found = template_set.apply(write_set({'rte': _RTE}))
  cached, other = _make(
    config, named_split('rte', 'test'), named_split('cb', 'test')
  )
  framing = Framing.of(config, load_vocabulary('mini'))
  for made, digest in ((cached, found.digest), (other, None)):
    queue = requests(made, framing, max_rows=2)
    models = SimpleNamespace(
      scorer=_FirstOption(), vocabulary=load_vocabulary('mini'), framing=framing
    )
    records = rank_options(queue, Session(models, None))
    assert {rendering['template_set'] for rendering in records} == {digest}
    result = PartResult.of(EvalPart(made))
    assert result.template_set == digest


def _parse(*argv):
  parser = FlagParser('train', '')
  parser.add_gin_flags()
  return parse_gin(parser, argv)


def test_the_flag_reaches_the_child_process():
  arguments, _ = _parse('--template_set=mine.json')
  assert arguments.template_set == 'mine.json'
  again, _ = _parse(*arguments.flags())
  assert again == arguments
  assert _parse()[0].flags() == []


_ASKS = 'Beasts? Fur? Paws? Any? Wild? Tame? Alive? Hm? So? Well?'
_WORDS = {
  'rule': [
    [f'{ask}\n{{words}}\n{{options}}', '{answer}'] for ask in _ASKS.split()
  ]
}


def _flags(rule_data, path, *more):
  return [
    *('train', *TRAIN, RULE, f'--template_set={path}'),
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    '--gin.EVAL_MIXTURE=rule_eval',
    f'--gin.DATA_DIR={rule_data}',
    '--gin.CACHE_DIR=cache',
    '--gin.MODEL_DIR=model',
    '--gin.TRAIN_STEPS=2',
    '--gin.EVAL_PERIOD=0',
    '--gin.CHECKPOINT_PERIOD=2',
    '--gin.MAX_EVAL_ROWS=5',
    *more,
  ]


@pytest.mark.slow
def test_a_run_with_a_set_says_so_everywhere(
  cli, tmp_path, rule_data, write_set
):
  path = write_set(_WORDS)
  cli.check(*_flags(rule_data, path))
  manifests = [
    json.loads(file.read_text())
    for file in (tmp_path / 'cache').rglob('manifest.json')
  ]
  (digest,) = {manifest['template_set'] for manifest in manifests}
  assert digest and len(manifests) == 3
  folder = tmp_path / 'model/eval/rule_eval'
  (result,) = json.loads((folder / 'results.json').read_text())['parts']
  record = json.loads((folder / 'records.jsonl').read_text().splitlines()[0])
  assert result['template_set'] == record['template_set'] == digest
  operative = (tmp_path / 'model/config.gin').read_text()
  assert operative.startswith(f'# Template set: {digest}\n')
  checkpoints = [
    file
    for file in (tmp_path / 'model').rglob('*')
    if file.is_file() and f'"template_set": "{digest}"' in _text(file)
  ]
  assert any('checkpoint' in str(file) for file in checkpoints)


def _text(file) -> str:
  return file.read_bytes().decode('utf-8', errors='ignore')


@pytest.mark.slow
def test_a_mistake_ends_a_run_before_it_starts(
  cli, tmp_path, rule_data, write_set
):
  path = write_set({'rule': [['{word}\n{options}', '{answer}']]})
  code, _, error = cli(*_flags(rule_data, path, '--dry_run'))
  assert code == 2
  assert error.startswith(f'flan-jax train: error: {path}, dataset')
  assert "unknown field 'word'; nearest: words" in error
  assert not (tmp_path / 'cache').exists()
