"""SeqIO tasks and mixtures of every name, for plain SeqIO code."""

import os
import pathlib
import subprocess
import sys

import pytest
import seqio

from flan_jax import tasks as flan_tasks
from flan_jax.definitions import names, registry
from flan_jax.rendering import seqio_tasks
from flan_jax.rendering.splits import MissingDataError
from flan_jax.vocabulary.load import load_vocabulary

registry.load()


@pytest.fixture(scope='module')
def get(mini_data):
  # One (vocabulary, directory) a process: remember what other tests chose.
  before = dict(seqio_tasks._process)
  seqio_tasks._process.clear()
  yield lambda name: seqio_tasks.get_mixture_or_task(name, 'mini', mini_data)
  seqio_tasks._process.clear()
  seqio_tasks._process.update(before)


_LENGTHS = {'inputs': 400, 'targets': 64}


def _examples(name, split='train', **kwargs):
  task = seqio.get_mixture_or_task(name)
  dataset = task.get_dataset(
    _LENGTHS, split=split, shuffle=False, seed=kwargs.pop('seed', 0), **kwargs
  )
  return list(dataset.as_numpy_iterator())


def test_a_task_serves_plain_seqio_code(get):
  get('rte')
  assert 'rte' in seqio.TaskRegistry.names()
  vocabulary = load_vocabulary('mini')
  examples = _examples('rte')
  assert len(examples) == seqio.TaskRegistry.get('rte').num_input_examples(
    'train'
  )
  for example in examples:
    assert example['inputs'][-1] == example['targets'][-1] == 1
    text = vocabulary.decode(example['inputs'][:-1].tolist())
    assert text == example['inputs_pretokenized'].decode()
  assert {e['template'] for e in examples} > {0, 5}


def test_the_template_depends_on_seed_and_row_alone(get):
  get('rte')
  chosen = {e['id']: e['template'] for e in _examples('rte')}
  again = {e['id']: e['template'] for e in _examples('rte')}
  other = {e['id']: e['template'] for e in _examples('rte', seed=1)}
  assert chosen == again and chosen != other


@pytest.mark.slow
def test_a_numbered_template_and_all_of_them(get):
  get('rte.t3'), get('rte.all')
  assert {e['template'] for e in _examples('rte.t3')} == {3}
  pairs = [(e['id'], e['template']) for e in _examples('rte.all')]
  assert len(pairs) == len(set(pairs))
  assert len(pairs) > 8 * len({row for row, _ in pairs})


@pytest.mark.slow
def test_inverted_templates_are_never_evaluated(get):
  get('sst2')
  templates = names.parse_task('sst2').part.templates
  used = {e['template'] for e in _examples('sst2')}
  assert any(templates[t].inverted for t in used)
  used = {e['template'] for e in _examples('sst2', 'test')}
  assert not any(templates[t].inverted for t in used)


@pytest.mark.slow
def test_rank_tasks_have_one_example_an_option(get):
  task = get('cb.t0.rank')
  examples = _examples('cb.t0.rank', 'validation')
  rows = {}
  for example in examples:
    rows.setdefault(example['id'], []).append(bool(example['is_correct']))
  assert all(len(flags) == 3 and sum(flags) == 1 for flags in rows.values())
  metric = task.metric_fns[0]
  targets = [
    task.postprocess_fn('', example=e, is_target=True) for e in examples
  ]
  gold = [float(e['is_correct']) for e in examples]
  assert metric(targets, gold) == {'accuracy': 100.0}
  assert metric(targets, [-score for score in gold]) == {'accuracy': 0.0}


@pytest.mark.slow
def test_a_mixture_mixes_at_its_rates(get):
  mixture = get('flan_clusters_1')
  assert 'flan_clusters_1' in seqio.MixtureRegistry.names()
  rates = {task.name: mixture.get_rate(task) for task in mixture.tasks}
  assert len(rates) == 11
  for name, rate in rates.items():
    task = seqio.TaskRegistry.get(name)
    assert rate == task.num_input_examples('train')
  dataset = mixture.get_dataset(_LENGTHS, split='train', num_epochs=1, seed=0)
  assert len(list(dataset.take(20))) == 20


def test_templates_of_a_part_share_its_rate(get):
  members = (registry.Member('rte', (0, 1, 2)), registry.Member('cb'))
  registry.register_mixture(registry.Mixture('some_templates', members))
  mixture = get('some_templates')
  rates = {task.name: mixture.get_rate(task) for task in mixture.tasks}
  rows = {name: get(name).num_input_examples('train') for name in ('rte', 'cb')}
  third = rows['rte'] / 3
  assert rates == {
    'rte.t0': third,
    'rte.t1': third,
    'rte.t2': third,
    'cb': rows['cb'],
  }


def test_a_name_of_several_parts_is_a_mixture_of_them(get):
  assert {task.name for task in get('anli').tasks} == {
    'anli_r1',
    'anli_r2',
    'anli_r3',
  }
  assert isinstance(get('mnli'), seqio.Task)


@pytest.mark.slow
def test_shards_have_the_ids_of_the_source(get):
  get('rte.all')
  shards = [
    _examples('rte.all', shard_info=seqio.ShardInfo(index, 3))
    for index in range(3)
  ]
  joined = sorted(
    (e['id'], int(e['template'])) for shard in shards for e in shard
  )
  whole = sorted((e['id'], int(e['template'])) for e in _examples('rte.all'))
  assert joined == whole


def test_another_vocabulary_needs_another_process(get, mini_data):
  get('rte')
  with pytest.raises(ValueError, match='start another process'):
    seqio_tasks.get_mixture_or_task('rte', '/somewhere/else.model', mini_data)


def _run(code: str, **environment: str) -> list[str]:
  """Returns the lines that Python code prints in a process of its own."""
  done = subprocess.run(
    [sys.executable, '-c', code],
    env={**os.environ, **environment},
    capture_output=True,
    text=True,
    check=True,
  )
  return done.stdout.split()


_REGISTER_ALL = (
  'import seqio, flan_jax.tasks.register_all\n'
  'print(*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names())'
)


@pytest.mark.slow
def test_register_all_leaves_out_what_is_not_prepared(mini_data, tmp_path):
  copy = tmp_path / 'winogrande'
  copy.symlink_to(pathlib.Path(mini_data) / 'winogrande')
  registered = _run(_REGISTER_ALL, FLAN_JAX_DATA_DIR=str(tmp_path))
  assert {'winogrande', 'flan_holdout_nli'} <= set(registered)
  assert 'rte' not in registered and 'flan_eval_nli' not in registered


@pytest.mark.slow
def test_register_all_expands_every_name(mini_data):
  registered = _run(_REGISTER_ALL, FLAN_JAX_DATA_DIR=mini_data)
  mixtures = {m.name for m in registry.mixtures() if m.name[:4] == 'flan'}
  parts = {
    name
    for name, (dataset, _) in registry.parts().items()
    if dataset in flan_tasks.DATASETS
  }
  assert len(parts) > 62 and parts <= set(registered)
  assert len(mixtures) > 20 and mixtures <= set(registered)


@pytest.mark.parametrize(
  'get',
  [seqio.get_mixture_or_task, seqio.dataset_providers.get_mixture_or_task],
)
def test_an_unregistered_name_is_explained(get):
  with pytest.raises(
    ValueError, match='registered on first use: call flan_jax'
  ):
    get('flan_holdout_struct_to_text')
  with pytest.raises(ValueError, match=r"'no_such_name'\.$"):
    seqio.get_mixture_or_task('no_such_name')


def test_missing_data_is_said_at_once_or_left_out(tmp_path, mini_data):
  before = dict(seqio_tasks._process)
  seqio_tasks._process.clear()
  members = tuple(map(registry.Member, ('wnli', 'story_cloze', 'winogrande')))
  mixture = registry.Mixture('partly_prepared', members)
  registry.register_mixture(mixture)
  copy = tmp_path / 'winogrande'
  copy.symlink_to(pathlib.Path(mini_data) / 'winogrande')

  def get(**more):
    return seqio_tasks.get_mixture_or_task(
      mixture.name, data_dir=str(tmp_path), **more
    )

  with pytest.raises(MissingDataError) as raised:
    get()
  message = str(raised.value)
  assert 'wnli (glue/wnli:2.0.0), story_cloze' in message
  assert f'prepare wnli story_cloze --data_dir={tmp_path}`' in message
  assert 'allow_missing=True' in message and 'winogrande' not in message
  with pytest.warns(UserWarning, match='not prepared: wnli, story_cloze'):
    tasks = get(allow_missing=True).tasks
  assert [task.name for task in tasks] == ['winogrande']
  # Nothing is left out unasked, though the name is registered now.
  with pytest.raises(MissingDataError):
    get()
  seqio.MixtureRegistry.remove(mixture.name)
  seqio.TaskRegistry.remove('winogrande')
  seqio_tasks._process.clear()
  seqio_tasks._process.update(before)
