"""`flan-jax inspect`: the tree, the rows of a task, the rates of a mixture."""

import json
import os
import pathlib

import pytest

from flan_jax import cli as command_line
from flan_jax.definitions import registry
from tests.command_line import ROOT

registry.load()


@pytest.fixture
def inspect(capsys):
  """Runs the command in this process; returns what it found, as JSON."""

  def run(*arguments):
    code = command_line.main(['inspect', '--format=json', *arguments])
    out, error = capsys.readouterr()
    assert code == 0, error
    return json.loads(out)

  return run


@pytest.fixture
def text(capsys):
  def run(*arguments):
    code = command_line.main(['inspect', *arguments])
    out, error = capsys.readouterr()
    assert code == 0, error
    return out

  return run


@pytest.fixture
def mistake(capsys):
  """Runs the command in this process; returns its one line of complaint."""

  def run(*arguments):
    assert command_line.main(['inspect', *arguments]) == 2
    out, error = capsys.readouterr()
    assert not out and error.count('\n') == 1
    return error

  return run


def _pretend_copy(root, folder, **sizes):
  """Writes what a prepared TFDS dataset is recognized and counted by."""
  path = pathlib.Path(root, folder)
  path.mkdir(parents=True)
  splits = [
    # In two shards, as large splits are.
    {'name': name, 'shardLengths': [str(rows - rows // 2), str(rows // 2)]}
    for name, rows in sizes.items()
  ]
  (path / 'dataset_info.json').write_text(json.dumps({'splits': splits}))


@pytest.fixture(scope='module')
def rte(tmp_path_factory) -> str:
  """A TFDS directory with a few rows of RTE, some of them too long."""
  from flan_jax.sources import tfds_import

  folder = tmp_path_factory.mktemp('rte')
  rows = [
    {
      'premise': f'Number {i} is on the list. ' * (1 if i % 5 else 400),
      'hypothesis': f'{i} is listed.' if i % 2 else f'{i} is missing.',
      'label': 'entailment' if i % 2 else 'not_entailment',
      'idx': i,
      '_split': 'train' if i < 10 else 'validation',
    }
    for i in range(16)
  ]
  file = folder / 'rte.jsonl'
  file.write_text(''.join(json.dumps(row) + '\n' for row in rows))
  tfds_import.import_rows(
    file,
    folder / 'tfds',
    builder='super_glue/rte:1.0.2',
    log=lambda line: None,
  )
  return str(folder / 'tfds')


def test_the_registry_as_json(inspect, tmp_path):
  found = inspect(f'--data_dir={tmp_path}')
  # Whatever other tests registered as well.
  registered = [d.name for d in registry.datasets() if d.cluster != 'extras']
  assert [d['name'] for d in found['datasets']] == registered
  assert [d['name'] for d in found['extras']] == ['true_case', 'word_segment']
  by_name = {d['name']: d for d in found['datasets']}
  anli = by_name['anli']
  assert anli['cluster'] == 'nli'
  assert anli['parts'] == ['anli_r1', 'anli_r2', 'anli_r3']
  assert anli['tfds'] == ['anli/r1:0.1.0', 'anli/r2:0.1.0', 'anli/r3:0.1.0']
  assert anli['train_rows'] == 16946 + 30000 + 30000
  assert (anli['templates'], anli['inverted']) == (10, 2)
  assert set(anli['choices']) == {'e', 'n', 'c'}
  assert anli['metrics'] == ['accuracy']
  assert anli['status'] == 'to download'
  # The parts of MNLI that are only evaluated add no training rows.
  assert by_name['mnli']['tfds'] == 'glue/mnli:2.0.0'
  assert by_name['mnli']['train_rows'] == 30000


def test_a_dataset_is_prepared_when_all_its_parts_are(inspect, tmp_path):
  _pretend_copy(tmp_path, 'anli/r1/0.1.0', train=20, validation=5, test=5)
  _pretend_copy(tmp_path, 'super_glue/rte/1.0.2', train=2490, validation=277)
  # Named without its configuration, it lies in the default one.
  _pretend_copy(tmp_path, 'yelp_polarity_reviews/plain/0.2.0', train=9, test=9)
  # An interrupted download and another version are no copies.
  (tmp_path / 'super_glue/cb/1.0.2.incomplete').mkdir(parents=True)
  _pretend_copy(tmp_path, 'glue/qnli/1.0.0', train=9)
  found = inspect(f'--data_dir={tmp_path}')
  by_name = {d['name']: d for d in found['datasets']}
  assert by_name['anli']['status'] == 'to download'
  assert by_name['anli']['part_status'] == ['prepared'] + 2 * ['to download']
  assert by_name['rte']['status'] == 'prepared'
  assert by_name['rte']['command'] is None
  assert by_name['rte']['prepared_train_rows'] == 2290
  assert by_name['yelp_polarity_reviews']['status'] == 'prepared'
  assert by_name['cb']['status'] == by_name['qnli']['status'] == 'to download'
  command = by_name['cb']['command']
  assert command == f'flan-jax prepare cb --data_dir={tmp_path}'


def test_the_tree_names_state_command_and_page(text, tmp_path):
  _pretend_copy(tmp_path, 'super_glue/rte/1.0.2', train=2490, validation=277)
  _pretend_copy(tmp_path, 'glue/wnli/2.0.0', train=30, validation=70)
  out = text(f'--data_dir={tmp_path}')
  lines = {line.split()[0]: line for line in out.splitlines() if line}
  assert lines['rte'].split() == ['rte', '2,290', '10', '(1)', 'prepared']
  assert lines['wnli'].endswith('prepared, 24 rows')
  assert lines['snli'].endswith('to download')
  assert f'flan-jax prepare NAME --data_dir={tmp_path}' in out
  assert '  anli_r2' in out and 'flan_holdout_nli,' in out
  manual = [d for d in registry.datasets() if d.manual]
  for dataset in manual:
    assert lines[dataset.name].endswith('manual')
    assert dataset.manual.split()[0] in out


def test_neither_tree_nor_mixture_needs_tensorflow(cli, tmp_path):
  (tmp_path / 'tensorflow.py').write_text('raise ImportError("blocked")')
  paths = f'{tmp_path}{os.pathsep}{ROOT}'
  flag = f'--data_dir={tmp_path}'
  assert 'anli_r1' in cli.check('inspect', flag, PYTHONPATH=paths)
  out = cli.check('inspect', 'flan_holdout_nli', flag, PYTHONPATH=paths)
  assert 'sum of rates' in out
  out = cli.check('prepare', 'rte', '--dry_run', flag, PYTHONPATH=paths)
  assert 'would download super_glue/rte:1.0.2' in out


def test_rates_and_shares_at_the_recorded_sizes(inspect, tmp_path):
  found = inspect('flan_holdout_nli', f'--data_dir={tmp_path}')
  members = {member['part']: member for member in found['members']}
  assert members['sst2']['rows'] == 30000 and members['sst2']['rate'] == 3000
  assert {m['rows_from'] for m in members.values()} == {'recorded'}
  assert found['sum_of_rates'] == sum(
    min(registry.find_part(part)[1].rows['train'], 3000) for part in members
  )
  assert sum(m['share'] for m in members.values()) == pytest.approx(100)
  expected = 100 * 3000 / found['sum_of_rates']
  assert members['sst2']['share'] == pytest.approx(expected)
  assert set(found['excluded_clusters']) == {'nli', 'paraphrase'}
  assert found['excluded_datasets'] == []


def test_rows_are_those_of_the_copy_where_there_is_one(inspect, text, tmp_path):
  # A whole copy, one of other sizes, and one that has to be divided.
  _pretend_copy(tmp_path, 'super_glue/rte/1.0.2', train=2490, validation=277)
  _pretend_copy(tmp_path, 'super_glue/cb/1.0.2', train=1000, validation=56)
  _pretend_copy(tmp_path, 'glue/wnli/2.0.0', train=30, validation=70)
  found = inspect('flan_holdout_sentiment', f'--data_dir={tmp_path}')
  members = {member['part']: member for member in found['members']}

  def about(part):
    return tuple(members[part][key] for key in ('rows', 'rows_from', 'rate'))

  assert about('rte') == (2290, 'copy', 2290)
  assert about('cb') == (950, 'copy', 950)
  assert about('wnli') == (24, 'estimate', 24)
  assert about('snli') == (30000, 'recorded', 3000)
  out = text('flan_holdout_sentiment', f'--data_dir={tmp_path}')
  lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
  assert lines['wnli'][1:4] == ['~24', 'copy', '24']
  assert lines['snli'][1:4] == ['30,000', 'recorded', '3,000']
  assert f'{found["sum_of_rates"]:,}' in lines['sum']
  assert 'not trained on, clusters: sentiment' in out


def test_a_dataset_held_out_alone_is_named(inspect, tmp_path):
  name = next(
    m.name
    for m in registry.mixtures()
    if m.purpose == 'train'
    and m.held_out in {d.name for d in registry.datasets()}
  )
  held_out = registry.find_mixture(name).held_out
  found = inspect(name, f'--data_dir={tmp_path}')
  assert found['excluded_clusters'] == []
  assert found['excluded_datasets'] == [held_out]
  nothing = inspect('flan_all', f'--data_dir={tmp_path}')
  assert nothing['excluded_clusters'] == nothing['excluded_datasets'] == []


def test_suffixes_of_mixtures(inspect, text, tmp_path):
  flag = f'--data_dir={tmp_path}'
  found = inspect('flan_eval_nli.5shot.named', flag)
  members = {member['part']: member for member in found['members']}
  assert members['rte']['shots'] == 5 and members['rte']['format'] == 'named'
  # It is evaluated only, and takes exemplars from MNLI's training rows.
  assert members['mnli_matched']['shots'] == 5
  assert members['mnli_matched']['rows'] == 9815
  # Nothing is mixed in an evaluation.
  assert members['rte']['rate'] is None and found['sum_of_rates'] is None
  out = text('flan_eval_coreference.5shot', flag)
  assert 'no exemplars: it has no training rows' in out
  assert 'sum of rates' not in out
  assert 'up to 16 exemplars' in text('flan_holdout_nli.fitshot', flag)
  assert 'exemplars' not in text('flan_eval_nli', flag)


def test_rows_under_each_template(inspect, rte):
  found = inspect('rte', f'--data_dir={rte}', '--rows=2')
  (part,) = found['parts']
  templates = registry.find_part('rte')[1].templates
  assert [t['task'] for t in part['templates']] == [
    f'rte.t{k}' for k in range(len(templates))
  ]
  for shown, template in zip(part['templates'], templates, strict=True):
    assert len(shown['examples']) == 2
    assert shown['inverted'] == template.inverted
    assert ('never evaluated' in shown['remark']) == template.inverted
    for example in shown['examples']:
      assert 'is on the list.' in example['inputs']
      assert example['targets'] in ('yes', 'no') or template.inverted
      assert not example['exemplars'] and not example['options']


def test_the_name_says_what_is_shown(inspect, rte):
  flag = f'--data_dir={rte}'

  def shown(name, *more):
    (part,) = inspect(name, flag, '--rows=1', *more)['parts']
    return {t['task']: t['examples'] for t in part['templates']}

  assert list(shown('rte.t3')) == ['rte.t3']
  assert list(shown('rte.all'))[1] == 'rte.t1'
  (example,) = shown('rte.t2.3shot')['rte.t2.3shot']
  assert len(example['exemplars']) == 3
  assert example['remarks'] == ['3 exemplars']
  ranked = shown('rte.rank', '--split=validation')
  assert len(ranked) == 9  # Inverted templates are not ranked.
  (example,) = ranked['rte.t0.rank']
  options = {o['words']: o['correct'] for o in example['options']}
  assert sorted(options) == ['no', 'yes'] and sum(options.values()) == 1
  assert options[example['targets']]
  (example,) = shown('rte.named')['rte.t0.named']
  assert example['inputs'].startswith('[')


def test_prompts_and_exemplars_are_shown_as_they_fit(inspect, rte):
  (part,) = inspect('rte.t0.fitshot', f'--data_dir={rte}', '--rows=9')['parts']
  examples = part['templates'][0]['examples']
  counts = {True: set(), False: set()}
  for example in examples:
    shortened = 'input shortened' in example['remarks']
    assert shortened == (example['inputs'].count('on the list.') > 1)
    assert example['inputs'].endswith(('- yes\n- no', '- no\n- yes'))
    assert len(example['inputs']) < 400 * 20
    counts[shortened].add(len(example['exemplars']))
  # A long row leaves no room for others, nor for those that come after it.
  assert counts[True] == {0}
  assert 1 < max(counts[False]) < len(examples) - 1


def test_inverted_templates_show_no_rows_that_are_evaluated(inspect, text, rte):
  (part,) = inspect('rte', f'--data_dir={rte}', '--split=test')['parts']
  for shown in part['templates']:
    assert bool(shown['examples']) != shown['inverted']
  out = text('rte', f'--data_dir={rte}', '--split=test', '--rows=1')
  assert 'inverted: trained on, never evaluated; only for entailment' in out


def test_rows_as_text(text, rte):
  out = text(
    'rte.t0.rank', f'--data_dir={rte}', '--split=validation', '--rows=1'
  )
  lines = out.splitlines()
  assert 'rte.t0.rank' in lines
  assert '  | Options:' in lines
  assert sum(line in ('  > yes', '  > no') for line in lines) == 1
  assert sum(line in ('  x yes', '  x no') for line in lines) == 1


def test_users_datasets_are_shown(inspect, rule_data):
  module = '--task_module=flan_jax.testing.rule'
  found = inspect(f'--data_dir={rule_data}', module)
  status = {d['name']: d['status'] for d in found['datasets']}
  assert status['rule'] == 'prepared'
  mixture = inspect('rule_train', f'--data_dir={rule_data}', module)
  assert mixture['members'][0]['templates'] == list(range(7))
  assert mixture['sum_of_rates'] == 2000


def test_mistakes_are_one_line(mistake, tmp_path, rte):
  flag = f'--data_dir={tmp_path}'
  error = mistake('rte', flag)
  assert f'super_glue/rte:1.0.2 is not in {tmp_path}' in error
  assert f'`flan-jax prepare rte --data_dir={tmp_path}`' in error
  assert 'nearest: flan_holdout_nli' in mistake('flan_holdout_nil', flag)
  assert 'has templates t0 to t9' in mistake('rte.t10', flag)
  assert '--rows' in mistake('rte', flag, '--rows=0')
  assert '--colour' in mistake('--colour=red')
  error = mistake('mnli_matched', flag, '--split=train')
  assert 'mnli_matched has no train rows; it has validation, test' in error
  assert 'nowhere.model' in mistake(
    'rte', f'--data_dir={rte}', '--vocabulary=nowhere.model'
  )


def test_what_has_to_be_fetched_by_hand_is_named(mistake, tmp_path):
  for dataset in registry.datasets():
    if dataset.manual:
      error = mistake(dataset.name, f'--data_dir={tmp_path}')
      assert dataset.manual in error
      assert str(tmp_path / 'downloads' / 'manual') in error


@pytest.mark.parametrize('failed', [False, True])
def test_a_leak_is_the_exit_code(monkeypatch, capsys, tmp_path, failed):
  from flan_jax.inspection import holdout_leakage

  asked = []
  monkeypatch.setattr(
    holdout_leakage,
    'check',
    lambda *about: asked.append(about) or {'failed': failed},
  )
  monkeypatch.setattr(holdout_leakage, 'lines', lambda found: ['as text'])
  arguments = ['inspect', '--check=flan_holdout_wic', f'--data_dir={tmp_path}']
  assert command_line.main(arguments) == int(failed)
  assert capsys.readouterr().out.strip() == 'as text'
  assert command_line.main([*arguments, '--format=json']) == int(failed)
  assert json.loads(capsys.readouterr().out) == {'failed': failed}
  assert asked == 2 * [('flan_holdout_wic', str(tmp_path))]


def test_what_is_no_hold_out_cannot_be_checked(capsys):
  for name in ('flan_all', 'flan_eval_nli', 'rte'):
    assert command_line.main(['inspect', f'--check={name}']) == 2
    error = capsys.readouterr().err
    assert name in error and len(error.splitlines()) == 1
