"""Planted leaks of each kind are found; the hold-outs have none."""

import json
import pathlib

import pytest

import flan_jax
from flan_jax.definitions import names, registry
from flan_jax.definitions.dataset import Dataset, Part, Template
from flan_jax.definitions.registry import Member, Mixture
from flan_jax.errors import ConfigError
from flan_jax.inspection import holdout_leakage
from flan_jax.sources import tfds_import
from flan_jax.terminal.blocks import plain

registry.load()

STORY = 'The ferry was late again, so we walked home along the river.'
FEATURES = {'text': 'text', 'more': 'text'}


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
  """Undoes what a test registers."""
  monkeypatch.setattr(registry, '_DATASETS', dict(registry._DATASETS))
  monkeypatch.setattr(registry, '_MIXTURES', dict(registry._MIXTURES))
  registry.parts.cache_clear()
  yield
  registry.parts.cache_clear()


def declare(name, cluster, **more):
  fields = {
    'source': f'{name}:1.0.0',
    'splits': {'train': 'train', 'validation': 'validation', 'test': 'test'},
    'rows': {},
    'fields': {'text': 'text', 'more': 'more'},
    'answers': lambda row: [row['more']],
    'templates': tuple(Template(f'{i} {{text}}') for i in range(10)),
    'metrics': ('exact_match',),
    'truncatable': 'text',
    'group_key': ('text',),
    **more,
  }
  return registry.register(Dataset(name, '1.0.0', cluster, **fields))


def pair(trained, evaluated, held_out='held', **more):
  members = tuple(map(Member, trained))
  registry.register_mixture(
    Mixture('planted', members, held_out=held_out, **more)
  )
  if evaluated:
    members = tuple(map(Member, evaluated))
    registry.register_mixture(
      Mixture('planted_eval', members, purpose='eval', held_out=held_out)
    )


@pytest.fixture
def data_dir(tmp_path):
  """Writes {dataset: {split: [(text, more)]}} as a TFDS directory."""

  def write(datasets):
    folder = tmp_path / 'rows'
    folder.mkdir()
    meta = {}
    for name, splits in datasets.items():
      meta[name] = {'tfds': f'{name}:1.0.0', 'features': FEATURES}
      rows = [
        {'text': text, 'more': more, '_split': split}
        for split, pairs in splits.items()
        for text, more in pairs
      ]
      lines = ''.join(json.dumps(row) + '\n' for row in rows)
      (folder / f'{name}.jsonl').write_text(lines)
    (folder / 'meta.json').write_text(json.dumps(meta))
    target = str(tmp_path / 'tfds')
    tfds_import.import_rows(folder, target, log=lambda line: None)
    return target

  return write


def rows(name, **shared):
  """Returns rows of all splits, with texts that no other dataset has."""
  return {
    split: [
      (f'{name} has this {split} row, number {i}, to itself', 'more words')
      for i in range(3)
    ]
    + shared.get(split, [])
    for split in ('train', 'validation', 'test')
  }


def check(name, *more):
  return holdout_leakage.check(names.resolve(name), *more)


def text_of(report):
  return plain(holdout_leakage.lines(report))


def shouted(text):
  return f' “{text.upper()}”\n'


@pytest.mark.parametrize(
  ('part', 'reason'),
  [
    ('rte', 'rte is evaluated'),
    ('mnli', 'mnli is a part of mnli, which is evaluated'),
    ('glue_mrpc', 'glue_mrpc is in the cluster paraphrase, which nli excludes'),
    ('another', 'another is in the cluster nli, which is held out'),
  ],
)
def test_the_rule_finds_parts_that_may_not_be_trained_on(
  tmp_path, part, reason
):
  declare('another', 'nli')
  members = (Member('sst2'), Member(part, templates=(0,)))
  # Only the evaluation excludes similar clusters.
  registry.register_mixture(Mixture('leaky', members, held_out='nli'))
  report = check('leaky.fitshot', str(tmp_path))
  assert report['failed'] and report['rule_verdict'] == 'failed'
  assert [f'{b["trained"]} {b["reason"]}' for b in report['breaches']] == [
    reason
  ]
  assert f'  error: {reason}' in plain(holdout_leakage.lines(report))
  assert report['evaluations'] == ['flan_eval_nli']


def test_the_rule_applies_what_the_training_mixture_excludes(tmp_path):
  declare('near', 'close_by')
  declare('unseen', 'apart')
  pair(['near'], ['unseen'], held_out='apart', excluded=('close_by',))
  (breach,) = check('planted', str(tmp_path))['breaches']
  assert breach['trained'] == 'near' and 'close_by' in breach['reason']


def test_holding_out_a_dataset_does_not_exclude_its_cluster(tmp_path):
  declare('one', 'various')
  declare('other', 'various')
  pair(['other'], ['one'], held_out='one')
  report = check('planted', str(tmp_path))
  assert not report['breaches'] and not report['failed']


def test_a_shared_row_is_found_whatever_its_typography(data_dir):
  declare('seen', 'training')
  declare('unseen', 'held')
  place = data_dir(
    {
      'seen': rows(
        'seen',
        # Twice, and a text too short to tell anything.
        train=[(shouted(STORY), 'a'), (STORY, 'b'), ('Good film.', 'c')],
        # Shared between the test splits only, which is not a leak.
        test=[('This sentence is evaluated on both sides only.', 'd')],
      ),
      'unseen': rows(
        'unseen',
        validation=[(STORY, 'e'), ('Good film.', 'f')],
        test=[
          (STORY.replace('fi', 'ﬁ'), 'g'),
          ('This sentence is evaluated on both sides only.', 'h'),
        ],
      ),
    }
  )
  pair(['seen'], ['unseen'])
  report = check('planted', place)
  (overlap,) = report['rows']['overlaps']
  assert report['failed'] and report['row_verdict'] == 'failed'
  assert not report['breaches']
  assert (overlap['evaluated'], overlap['trained']) == ('unseen', 'seen')
  assert (overlap['evaluated_rows'], overlap['trained_rows']) == (2, 2)
  assert overlap['groups'] == 1
  (example,) = overlap['examples']
  assert 'ferry' in example['text'].lower()
  assert 'test' in example['evaluated_id'] or 'valid' in example['evaluated_id']
  assert 'train' in example['trained_id']
  assert report['rows']['trained'] == {'seen': 6}
  assert report['rows']['evaluated'] == {'unseen': 10}
  assert report['rows']['short'] == 2
  assert 'error: 2 rows in 1 groups of unseen' in text_of(report)


def test_shared_words_are_shown_and_no_error(data_dir):
  declare('seen', 'training')
  declare('unseen', 'held')
  quoted = f'It is told: “{STORY} Over it there was a bridge.”'
  shuffled = ' '.join(sorted(STORY.split()))
  place = data_dir(
    {
      'seen': rows('seen', train=[(quoted, 'a'), (f'{STORY} -- {STORY}', 'b')]),
      'unseen': rows('unseen', test=[(STORY, 'over it all'), (shuffled, 'c')]),
    }
  )
  pair(['seen'], ['unseen'])
  report = check('planted', place)
  assert not report['failed'] and not report['rows']['overlaps']
  (shared,) = report['rows']['shared_words']
  assert (shared['evaluated'], shared['trained']) == ('unseen', 'seen')
  assert shared['evaluated_rows'] == 1 and not shared['derived']
  (example,) = shared['examples']
  assert example['words'] == (
    'the ferry was late again so we walked home along the river over'
  )
  assert 'test' in example['evaluated_id']
  assert 'train' in example['trained_id']
  assert '  possible: 1 rows of unseen (evaluated)' in text_of(report)


@pytest.mark.slow_but_first
@pytest.mark.parametrize('made', ['seen', 'unseen'])
def test_a_shared_row_of_a_declared_pair_is_not_an_error(data_dir, made):
  parent = {'seen': 'unseen', 'unseen': 'seen'}[made]
  for name, cluster in (('seen', 'training'), ('unseen', 'held')):
    declare(name, cluster, derived_from=(parent,) if name == made else ())
  place = data_dir(
    {
      'seen': rows('seen', train=[(STORY, 'a')]),
      'unseen': rows('unseen', test=[(STORY, 'b')]),
    }
  )
  pair(['seen'], ['unseen'])
  report = check('planted', place)
  assert not report['failed'] and report['row_verdict'] == 'passed'
  (overlap,) = report['rows']['overlaps']
  assert overlap['derived'] and overlap['evaluated_rows'] == 1
  (derived,) = report['derived']
  assert (derived['evaluated'], derived['trained']) == ('unseen', 'seen')
  assert derived['made'] == ('trained' if made == 'seen' else 'evaluated')
  sides = {'seen': 'seen (trained)', 'unseen': 'unseen (evaluated)'}
  text = text_of(report)
  assert f'{sides[made]} is made from {sides[parent]}' in text
  assert 'declared derived: 1 rows in 1 groups of unseen' in text


@pytest.mark.slow
def test_each_truncatable_field_is_compared_or_all_fields_if_empty(data_dir):
  # As in translation, where either language is enough.
  declare('seen', 'training', truncatable=('text', 'more'))
  declare('unseen', 'held', optional=('text',))
  other = 'Nothing else in here says this much about lighthouses.'
  place = data_dir(
    {
      'seen': rows('seen', train=[('words', STORY), (other, 'z')]),
      'unseen': rows('unseen', test=[(STORY, 'a'), ('', other)]),
    }
  )
  pair(['seen'], ['unseen'])
  (overlap,) = check('planted', place)['rows']['overlaps']
  assert (overlap['evaluated_rows'], overlap['trained_rows']) == (2, 2)
  texts = {example['text'] for example in overlap['examples']}
  assert texts == {STORY, other}


def test_missing_data_does_not_pass(data_dir):
  declare('seen', 'training')
  declare('absent', 'training')
  declare(
    'unseen',
    'held',
    parts=(Part('here'), Part('gone', source='gone:1.0.0')),
    source='here:1.0.0',
  )
  place = data_dir({'seen': rows('seen'), 'here': rows('here')})
  pair(['seen', 'absent'], ['here', 'gone'])
  report = check('planted', place)
  assert report['row_verdict'] == 'incomplete' and not report['failed']
  assert set(report['rows']['missing']) == {'absent', 'gone'}
  assert 'no gone:1.0.0' in report['rows']['missing']['gone']
  text = text_of(report)
  assert '6 rows of 1 of 2 evaluated subsets' in text
  assert '3 rows of 1 of 2 trained subsets' in text
  assert '  not checked (evaluated): gone' in text
  assert '  not checked (trained): absent' in text
  # Nothing to compare with.
  registry.register_mixture(
    Mixture('nothing', (Member('absent'),), held_out='held')
  )
  report = check('nothing', place)
  assert report['row_verdict'] == 'not checked'
  assert 'compared with 0 rows of 0 of 1 trained subsets' in text_of(report)


@pytest.mark.slow
def test_the_report_is_json(data_dir):
  declare('seen', 'training')
  declare('unseen', 'held', derived_from=('seen',))
  pair(['seen'], ['unseen'])
  place = data_dir({'seen': rows('seen'), 'unseen': rows('unseen')})
  report = check('planted', place)
  shown = json.loads(json.dumps(report))
  assert shown['failed'] is False
  assert shown['rule_verdict'] == shown['row_verdict'] == 'passed'
  assert shown['breaches'] == shown['rows']['overlaps'] == []
  assert shown['rows']['trained'] == {'seen': 3}
  assert shown['derived'] == [
    {'evaluated': 'unseen', 'trained': 'seen', 'made': 'evaluated'}
  ]


def test_any_pair_can_be_checked(tmp_path):
  report = check('flan_all', str(tmp_path), names.resolve('cb'))
  assert report['failed'] and report['evaluations'] == ['cb']
  assert {'trained': 'cb', 'reason': 'is evaluated'} in report['breaches']


def test_without_a_hold_out_the_evaluation_is_named():
  with pytest.raises(ConfigError, match='flan_all holds nothing out'):
    check('flan_all')
  for name in ('flan_eval_nli', 'rte'):
    with pytest.raises(ConfigError, match=f'{name} is not a training mixture'):
      check(name)
  declare('seen', 'training')
  pair(['seen'], [])
  with pytest.raises(ConfigError, match="held_out='held'"):
    check('planted')


def _strings(value):
  if isinstance(value, str):
    yield value
  elif isinstance(value, dict | list):
    for item in value.values() if isinstance(value, dict) else value:
      yield from _strings(item)


def test_no_two_datasets_of_the_mini_corpus_share_a_text():
  folder = pathlib.Path(flan_jax.__file__).parent / 'mini'
  sources = {
    name: about['tfds']
    for name, about in json.loads((folder / 'meta.json').read_text()).items()
  }
  assert len(sources) > 60
  in_mixtures = {
    member.part for mixture in registry.mixtures() for member in mixture.members
  }
  dataset_of = {
    part.source: dataset.name
    for name, (dataset, part) in registry.parts().items()
    if name in in_mixtures
  }
  owners = {}
  for name, source in sources.items():
    for line in (folder / f'{name}.jsonl').read_text().splitlines():
      for text in _strings(json.loads(line)):
        text = holdout_leakage.normalize(text)
        if source in dataset_of and len(text) >= holdout_leakage.MIN_LENGTH:
          owner = owners.setdefault(text, dataset_of[source])
          assert owner == dataset_of[source], text


@pytest.mark.slow
def test_rows_of_real_datasets_are_compared(mini_data):
  parts = [names.resolve(name).members[0].part for name in ('copa', 'wnli')]
  compared = holdout_leakage.compare_rows(parts[:1], parts[1:], mini_data)
  assert not compared['missing'] and not compared['overlaps']
  assert compared['trained']['copa'] and compared['evaluated']['wnli']


def test_the_hold_outs_follow_the_rule(monkeypatch):
  nothing = {'evaluated': {}, 'trained': {}, 'missing': {}, 'overlaps': []}
  monkeypatch.setattr(holdout_leakage, 'compare_rows', lambda *_: nothing)
  for mixture in registry.mixtures():
    if mixture.purpose == 'train' and mixture.held_out:
      report = check(mixture.name)
      assert report['rule_verdict'] == 'passed', report['breaches']
      assert report['row_verdict'] == 'not checked' and not report['failed']


@pytest.mark.slow
def test_rows_of_files_are_compared(own_folder):
  for name, text in (('seen', STORY), ('unseen', STORY.upper())):
    rows = f'text,more,split\n"{text}",a,train\n"{text}",b,test\n'
    (own_folder / f'{name}.csv').write_text(rows)
    declare(name, name, source=f'csv:{name}.csv', answers='more')
  pair(['seen'], ['unseen'], held_out='unseen')
  assert holdout_leakage.check(names.resolve('planted'), None)['failed']
