"""`prepare` brings rows from the Hugging Face hub; here a stand-in for it."""

import json

import pytest

from flan_jax.definitions import registry
from flan_jax.rendering.source import SplitSource
from flan_jax.sources.tfds_import import mini_corpus
from tests.tasks.hub_rows import hub_row

datasets = pytest.importorskip('datasets')
registry.load()


def _mini(stem: str, count: int) -> list[dict]:
  lines = (mini_corpus() / f'{stem}.jsonl').read_text('utf-8').splitlines()
  return [json.loads(line) for line in lines[:count]]


@pytest.fixture
def hub(monkeypatch):
  """(name, config) -> splits, or what reading it raises; records reads."""
  content, reads = {}, []

  def load_dataset(name, config=None, revision=None):
    reads.append((name, config, revision))
    found = content[name, config]
    if isinstance(found, Exception):
      if revision is None or 'scripts' not in str(found):
        raise found
      found = content[name, 'converted']
    return datasets.DatasetDict(found)

  monkeypatch.setattr(datasets, 'load_dataset', load_dataset)
  content['reads'] = reads
  return content


def _anli_rows(stem, count):
  rows = [hub_row('anli/r1:0.1.0', row) for row in _mini(stem, count)]
  names = ['entailment', 'neutral', 'contradiction']
  text = datasets.Value('string')
  features = datasets.Features(
    {
      **dict.fromkeys(('uid', 'premise', 'hypothesis'), text),
      'label': datasets.ClassLabel(names=names),
      'reason': text,
    }
  )
  rows = [{**row, 'label': names.index(row['label'])} for row in rows]
  return datasets.Dataset.from_list(rows, features)


def test_a_copy_becomes_the_tfds_dataset(cli, hub, mini_data):
  rows = _anli_rows('anli_r1', 20)
  hub['facebook/anli', None] = {
    f'{split}_r1': rows for split in ('train', 'dev', 'test')
  }
  flags = ('prepare', 'anli_r1', '--from=hf', '--data_dir=tfds')
  out = cli.check(*flags, '--dry_run')
  assert 'would download anli/r1:0.1.0 from facebook/anli of the Hug' in out
  assert not hub['reads']
  cli.check(*flags)
  assert hub['reads'] == [('facebook/anli', None, None)]
  part = registry.find_part('anli_r1')[1]

  def texts(data_dir, split):
    found = SplitSource(part, data_dir).get_dataset(split, shuffle=False)
    return {
      tuple(row[name] for name in ('context', 'hypothesis', 'answer'))
      for row in found.as_numpy_iterator()
    }

  found = texts(str(cli.folder / 'tfds'), 'train')
  assert len(found) == 20
  assert found <= set.union(*(texts(mini_data, s) for s in part.splits))
  # It is there now.
  assert '1 prepared' in cli.check(*flags)
  assert len(hub['reads']) == 1


def test_rows_beyond_the_slices_are_not_written(cli, hub, monkeypatch):
  pairs = [{'translation': {'cs': f'c{i}', 'en': f'e{i}'}} for i in range(40)]
  train = datasets.Dataset.from_list(pairs)
  part = registry.find_part('wmt16_translate_csen')[1]
  monkeypatch.setitem(part.splits, 'train', 'train[:25]')
  hub['wmt/wmt16', 'cs-en'] = RuntimeError(
    'Dataset scripts are no longer supported, but found wmt16.py'
  )
  hub['wmt/wmt16', 'converted'] = {
    'train': train,
    'validation': train,
    'test': train,
  }
  out = cli.check(
    'prepare', 'wmt16_translate_csen', '--from=hf', '--data_dir=tfds'
  )
  assert 'wmt/wmt16: 25 of 40 rows of train' in out
  assert hub['reads'][-1][-1] == 'refs/convert/parquet'
  sizes = SplitSource(part, str(cli.folder / 'tfds')).rows.sizes
  assert sizes == {'train': 25, 'validation': 40, 'test': 40}


def test_what_goes_wrong_is_told_for_each(cli, hub):
  hub['nyu-mll/glue', 'sst2'] = ConnectionError('no route to the hub')
  code, out, _ = cli('prepare', 'sst2', '--from=hf', '--data_dir=tfds')
  assert code == 1 and 'ConnectionError: no route to the hub' in out
  wrong = datasets.Dataset.from_dict({'text': ['x'], 'label': [0]})
  hub['nyu-mll/glue', 'sst2'] = {'train': wrong, 'validation': wrong}
  code, out, _ = cli('prepare', 'sst2', '--from=hf', '--data_dir=tfds')
  assert code == 1 and "field 'sentence': missing" in out
  out = cli.check('prepare', 'story_cloze', '--from=hf', '--data_dir=tfds')
  assert 'no copy on the hub is known of story_cloze/2016:1.0.0' in out


def test_a_source_of_the_hub_is_read_once_it_is_prepared(own_folder, cli, hub):
  noted = datasets.Features(
    {
      'text': datasets.Value('string'),
      'mood': datasets.ClassLabel(names=['sad', 'glad']),
    }
  )
  rows = {'text': [f'note {i}' for i in range(12)], 'mood': [0, 1] * 6}
  table = datasets.Dataset.from_dict(rows, noted)
  hub['my/moods', 'short'] = {'train_r1': table, 'test': table}
  (own_folder / 'moods.py').write_text(
    'import flan_jax as fj\n'
    "fj.dataset('moods', 'hf:my/moods/short', 'text', ('sad', 'glad'),\n"
    "  '{text}\\n{options}', label='mood', splits={'train': 'train_r1',\n"
    "  'test': 'test'})\n"
  )
  flags = ('moods', '--task_module=moods', '--data_dir=tfds')
  code, _, error = cli('inspect', *flags)
  assert code == 2 and 'flan-jax prepare moods --data_dir=tfds' in error
  cli.check('prepare', *flags)
  found = json.loads(cli.check('inspect', *flags, '--format=json'))
  (part,) = found['parts']
  assert part['features'] == {'text': 'text', 'mood': ['sad', 'glad']}
  assert part['rows']['test']['count'] == 12
  assert part['templates'][0]['examples'][1]['targets'] == 'glad'
