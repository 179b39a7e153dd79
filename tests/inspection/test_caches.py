"""`flan-jax inspect --cache`: what is there, what is not, what a run draws."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest

from flan_jax import cli as command_line
from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.batches.loader import BatchPlan, PackingConfig
from flan_jax.batches.sampler import Sampler
from flan_jax.cache import cached_split
from flan_jax.cache.cached_split import CacheConfig, Framing, SplitKey
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.vocabulary.base import load_vocabulary
from tests.command_line import ROOT

registry.load()

_KEYS = (
  SplitKey('rte', 'train'),
  SplitKey('rte', 'validation'),
  SplitKey('rte', 'test'),
  SplitKey('imdb_reviews', 'train'),
  SplitKey('anli_r1', 'train', (0, 3)),
)
_PROMPT_FORMAT = '{input} => '


@pytest.fixture(scope='module')
def vocabulary():
  return load_vocabulary('mini')


@pytest.fixture(scope='module')
def config(mini_data, tmp_path_factory) -> CacheConfig:
  return CacheConfig(str(tmp_path_factory.mktemp('cache')), mini_data)


@pytest.fixture(scope='module')
def units(config, vocabulary) -> dict:
  made = make_cached_splits(_KEYS, config, vocabulary, log=lambda line: None)
  return dict(zip(_KEYS, made, strict=True))


@pytest.fixture(scope='module')
def nli(config, units) -> str:
  """A training mixture of which one member is not cached."""
  members = (
    registry.Member('rte'),
    registry.Member('anli_r1', (0, 3)),
    registry.Member('cb'),
  )
  registry.register_mixture(
    registry.Mixture('inspected', members, purpose='train')
  )
  yield 'inspected'
  registry._MIXTURES.pop('inspected')


@pytest.fixture
def copy(config, units, tmp_path) -> pathlib.Path:
  """A cache that may be damaged."""
  return pathlib.Path(shutil.copytree(config.cache_dir, tmp_path / 'copy'))


@pytest.fixture
def run(capsys):
  """Runs the command in this process; returns its output."""

  def run(folder, *arguments, code=0):
    found = command_line.main(['inspect', f'--cache={folder}', *arguments])
    out, error = capsys.readouterr()
    assert found == code, error
    return error if code else out

  return run


@pytest.fixture
def inspect(run):
  return lambda *arguments: json.loads(run(*arguments, '--format=json'))


def _only(folder, pattern) -> pathlib.Path:
  (found,) = pathlib.Path(folder).glob(pattern)
  return found


def _states(found) -> dict:
  return {
    pathlib.PurePath(unit['folder']).name.partition('-')[0]: unit['state']
    for unit in found['unusable']
    if unit['folder']
  }


def test_units_are_described_as_a_run_reads_them(
  inspect, config, units, vocabulary
):
  found = inspect(config.cache_dir)
  assert not found['unusable'] and found['draws'] is None
  described = {(u['part'], u['split']): u for u in found['units']}
  framing = Framing.of(config, vocabulary)
  for key, unit in units.items():
    about, counts = (
      described.pop((key.part, key.split)),
      unit.manifest['counts'],
    )
    templates = None if key.templates is None else list(key.templates)
    assert about['templates'] == templates
    assert about['format'] == 'instructions' and about['state'] == 'finished'
    assert pathlib.Path(config.cache_dir, about['folder']) == unit.path
    assert about['rows'] == unit.num_rows
    assert about['rows_filtered'] == counts['rows_filtered']
    assert about['renderings'] == len(unit.renderings)
    assert about['tokens'] == unit.span_lengths.sum()
    assert about['adapted'] == unit.manifest['adapted'] != ''
    prompts = [
      len(unit.prompt(index, framing)) for index in range(len(unit.renderings))
    ]
    size = about['sizes']['prompts']
    assert size['longest'] == max(prompts)
    assert size['mean'] == pytest.approx(np.mean(prompts), abs=0.01)
    targets = [
      len(framing.target(span, bool(rendering['targets_cut'])))
      for rendering in unit.renderings
      for span in unit.spans(rendering)[1:]
    ]
    size = about['sizes']['targets']
    assert size['longest'] == max(targets)
    assert size['mean'] == pytest.approx(np.mean(targets), abs=0.01)
    bounds = (1, 65, 129, 257, 513, 1025, 1281, 10**9)
    expected = np.histogram(prompts, bounds)[0].tolist()
    assert about['sizes']['prompts']['histogram'] == expected
  assert not described


def test_what_was_cut_is_counted(inspect, config, units):
  found = inspect(config.cache_dir, 'imdb_reviews')
  (unit,) = found['units']
  # One review is longer than a prompt may be, under ten templates.
  assert unit['inputs_shortened'] == 10 and unit['prompts_cut'] == 0
  assert unit['sizes']['prompts']['longest'] == 1024
  assert unit['sizes']['examples']['histogram'][-2:] == [10, 0]


def test_histograms_and_clusters_are_sums(inspect, config, units):
  found = inspect(config.cache_dir)
  training = [u for u in found['units'] if u['split'] == 'train']
  evaluation = [u for u in found['units'] if u['split'] != 'train']
  histograms = found['histograms']
  assert histograms['up_to'] == [64, 128, 256, 512, 1024, 1280, None]
  for name in ('prompts', 'targets', 'examples'):
    columns = [u['sizes'][name]['histogram'] for u in training]
    assert histograms['training'][name] == np.sum(columns, axis=0).tolist()
  assert set(histograms['evaluation']) == {'prompts', 'targets'}
  clusters = {c['cluster']: c for c in found['clusters']}
  assert set(clusters) == {'nli', 'sentiment'}
  nli = sum(u['tokens'] for u in training if u['cluster'] == 'nli')
  total = sum(u['tokens'] for u in training)
  assert clusters['nli']['train_tokens'] == nli
  assert clusters['nli']['train_share'] == pytest.approx(100 * nli / total)
  assert clusters['nli']['evaluation_tokens'] == sum(
    u['tokens'] for u in evaluation
  )


def test_draws_are_those_of_a_run(inspect, config, units, vocabulary, nli):
  packing = PackingConfig(batch_rows=2, pack_length=1280)
  found = inspect(
    config.cache_dir, nli, '--batch_rows=2', '--pack_length=1280', '--steps=999'
  )
  # The third member is not there, and is not left out silently.
  assert _missing(found) == ['cb.train']
  draws = found['draws']
  assert draws['missing'] == ['cb']
  members = [units[_KEYS[0]], units[_KEYS[4]]]
  sampler = Sampler(members, Framing.of(config, vocabulary), seed=0)
  plan = BatchPlan(sampler, packing)
  assert draws['fill'] == plan.fill() and draws['error'] == ''
  assert [m['rate'] for m in draws['members']] == list(sampler.rates)
  tokens, targets = sampler.expected()
  epochs = sampler.epochs_per_window
  assert draws['epoch']['tokens'] == pytest.approx(tokens / epochs, abs=2)
  assert draws['epoch']['target_tokens'] == pytest.approx(
    targets / epochs, abs=2
  )
  windows = 999 / plan.steps_per_window
  drawn = np.bincount(sampler.draws(0).split)
  for member, unit, count in zip(draws['members'], members, drawn, strict=True):
    assert member['passes'] == pytest.approx(windows * count / unit.num_rows)
  assert sum(m['share'] for m in draws['members']) == pytest.approx(100)
  (cluster,) = draws['clusters']
  assert cluster['rate'] == draws['epoch']['draws'] == sum(sampler.rates)


def _missing(found) -> list[str]:
  return [
    f'{unit["part"]}.{unit["split"]}'
    for unit in found['unusable']
    if unit['state'] == 'missing'
  ]


def test_a_training_mixture_is_its_training_units(inspect, config, units, nli):
  found = inspect(config.cache_dir, nli)
  listed = [(u['part'], u['split']) for u in found['units']]
  assert sorted(listed) == [('anli_r1', 'train'), ('rte', 'train')]
  # All templates of a part are not the two that were cached.
  found = inspect(config.cache_dir, 'anli_r1')
  assert 'anli_r1.train' in _missing(found)
  assert len(found['others']) == 1


def test_exemplars_are_counted_in_what_is_packed(
  inspect, run, config, units, vocabulary
):
  found = inspect(config.cache_dir, 'rte.2shot', '--pack_headroom=1.2')
  unit, framing = units[_KEYS[0]], Framing.of(config, vocabulary)
  view = FewShotSplit(unit, unit, 2, 0, framing)
  sampler = Sampler([view], framing, seed=0)
  plan = BatchPlan(sampler, PackingConfig(headroom=1.2))
  assert found['draws']['fill'] == plan.fill()
  out = run(config.cache_dir, 'rte.2shot', '--pack_headroom=1.2')
  assert 'up to 2 exemplars' in out


def test_what_no_run_would_pack_is_said(inspect, run, config, units):
  arguments = (config.cache_dir, 'imdb_reviews', '--pack_length=256')
  draws = inspect(*arguments)['draws']
  assert 'PACK_LENGTH' in draws['error']
  assert draws['fill'] is None and draws['members'][0]['passes'] is None
  assert 'REFUSED' in run(*arguments)


def test_damaged_and_unfinished_units_are_listed(inspect, run, copy, nli):
  train = _only(copy, 'rte/rte.train-*')
  # A file that grew, and one whose length is right.
  with open(train / 'shard-00000-of-00001/tokens.bin', 'ab') as file:
    file.write(b'x')
  changed = _only(copy, 'rte/rte.validation-*/shard-*/rows.jsonl')
  changed.write_text(changed.read_text().replace('"id"', '"Id"'))
  cut = _only(copy, 'imdb_reviews/imdb_reviews.train-*/manifest.json')
  cut.write_text(cut.read_text()[:99])
  _only(copy, 'rte/rte.test-*/manifest.json').unlink()
  shutil.rmtree(_only(copy, 'anli/anli_r1.train-*/shard-00000-of-00001'))
  _only(copy, 'anli/anli_r1.train-*/manifest.json').unlink()
  found = inspect(copy)
  assert not found['units']
  assert _states(found) == {
    'anli_r1.train': 'unfinished',
    'imdb_reviews.train': 'damaged',
    'rte.train': 'damaged',
    'rte.validation': 'damaged',
    'rte.test': 'unfinished',
  }
  reasons = {u['split']: u['reason'] for u in found['unusable'] if u['part']}
  assert reasons['test'].startswith('1 of 1 shards written')
  out = run(copy)
  assert 'NOT USABLE: 5' in out and train.name in out
  # A mixture of them has nothing to draw from, and says so.
  draws = inspect(copy, nli)['draws']
  assert draws['missing'] == ['rte', 'anli_r1', 'cb'] and draws['error']


def _edit(manifest: pathlib.Path, **changes):
  content = json.loads(manifest.read_text())
  manifest.write_text(json.dumps({**content, **changes}))


def test_units_of_another_making_are_listed(inspect, copy):
  _edit(_only(copy, 'rte/rte.train-*/manifest.json'), layout=2)
  _edit(
    _only(copy, 'rte/rte.validation-*/manifest.json'),
    vocabulary={'digest': 'f' * 16, 'size': 32000},
  )
  # As one made before a template was changed.
  _edit(_only(copy, 'anli/anli_r1.train-*/manifest.json'), templates_used=[1])
  _edit(_only(copy, 'imdb_reviews/*/manifest.json'), part='nobodys')
  # A folder that is not named as units are.
  test = _only(copy, 'rte/rte.test-*')
  test.rename(test.with_name('old_rte'))
  found = inspect(copy)
  assert not found['units']
  assert _states(found) == {
    'rte.train': 'other layout',
    'rte.validation': 'other vocabulary',
    'anli_r1.train': 'outdated',
    'imdb_reviews.train': 'not registered',
    'old_rte': 'outdated',
  }
  # What the folder's name does not say is listed with any part.
  states = _states(inspect(copy, 'rte'))
  assert set(states) == {'rte.train', 'rte.validation', 'old_rte'}


def test_units_of_other_code_are_told(inspect, config, units, monkeypatch):
  monkeypatch.setattr(cached_split, 'engine_digest', lambda: 'another')
  found = inspect(config.cache_dir, 'imdb_reviews')
  (unit,) = (u for u in found['unusable'] if u['folder'])
  assert unit['state'] == 'outdated' and 'made by other code' in unit['reason']


def test_copies_are_told_apart_by_the_data_dir(inspect, copy, mini_data):
  train = _only(copy, 'rte/rte.train-*')
  other = train.with_name(train.name[:-8] + '0' * 8)
  shutil.copytree(train, other)
  assert len(inspect(copy)['units']) == 6
  found = inspect(copy, 'rte.all', f'--data_dir={copy}')
  assert [u['state'] for u in found['unusable']] == 2 * ['ambiguous']
  found = inspect(copy, 'rte', f'--data_dir={mini_data}')
  assert not found['unusable'] and found['others'] == [f'rte/{other.name}']


def test_lengths_have_to_be_chosen_where_there_are_several(
  inspect, run, copy, mini_data, vocabulary
):
  lengths = {'inputs': 128, 'targets': 16}
  config = CacheConfig(str(copy), mini_data, lengths)
  make_cached_splits([_KEYS[0]], config, vocabulary, log=lambda line: None)
  error = run(copy, 'rte', code=2)
  assert '1024,256' in error and '128,16' in error and '--lengths' in error
  found = inspect(copy, 'rte', '--lengths=128,16')
  (unit,) = found['units']
  assert unit['lengths'] == lengths and len(found['others']) == 3
  assert _missing(found) == ['rte.validation', 'rte.test']
  assert 'lengths 128 and 16' in run(copy)


def test_the_prompt_format_of_the_cache_is_counted(
  inspect, tmp_path, mini_data, vocabulary
):
  config = CacheConfig(str(tmp_path), mini_data, prompt_format=_PROMPT_FORMAT)
  (unit,) = make_cached_splits(
    [_KEYS[0]], config, vocabulary, log=lambda line: None
  )
  found = inspect(tmp_path, 'rte')
  framing = Framing.of(config, vocabulary)
  assert framing.prompt_overhead > 1
  longest = int(unit.prompt_lengths(framing).max())
  assert found['units'][0]['sizes']['prompts']['longest'] == longest
  sampler = Sampler([unit], framing, seed=0)
  fill = BatchPlan(sampler, PackingConfig()).fill()
  assert found['draws']['fill'] == fill


def test_the_text_shows_every_section(run, config, units, nli):
  out = run(config.cache_dir)
  assert (
    'finished units: 5' in out and 'shortened truncatable_fields: 10' in out
  )
  assert 'templates 0, 3 only' in out
  assert 'train divided over train, validation by group: ' in out
  assert 'tokens, training' in out and 'tokens, evaluation' in out
  lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
  rows = units[_KEYS[2]].num_rows
  assert lines['test'][1:3] == [str(rows), str(len(units[_KEYS[2]].renderings))]
  out = run(config.cache_dir, nli)
  assert 'fill: ' in out and 'passes' in out and 'NOT COUNTED' in out
  assert all(len(line) <= 80 for line in out.splitlines()[1:])


def test_it_needs_no_tensorflow(cli, config, units, tmp_path):
  (tmp_path / 'tensorflow.py').write_text('raise ImportError("blocked")')
  paths = f'{tmp_path}{os.pathsep}{ROOT}'
  flag = f'--cache={config.cache_dir}'
  out = cli.check('inspect', flag, 'rte', PYTHONPATH=paths)
  assert 'fill: ' in out


def test_a_remote_cache_is_copied_and_shown(
  inspect, config, units, tmp_path, monkeypatch
):
  import fsspec

  monkeypatch.setenv('FLAN_JAX_LOCAL_CACHE', str(tmp_path))
  memory = fsspec.filesystem('memory')
  memory.put(config.cache_dir, '/inspected', recursive=True)
  try:
    name = next(
      path
      for path in memory.find('/inspected')
      if 'rte.validation' in path and path.endswith(cached_split.MANIFEST)
    )
    memory.rm_file(name)
    found = inspect('memory://inspected')
  finally:
    memory.rm('/inspected', recursive=True)
  assert len(found['units']) == 4
  assert _states(found) == {'rte.validation': 'unfinished'}


def test_mistakes_are_one_line(run, tmp_path, config, units):
  assert 'no token cache' in run(tmp_path, code=2)
  assert 'nearest: rte' in run(config.cache_dir, 'rtee', code=2)
  for flag in ('--steps=0', '--lengths=1024', '--check=flan_holdout_nli'):
    error = run(config.cache_dir, flag, code=2)
    assert error.count('\n') == 1 and flag.partition('=')[0] in error
