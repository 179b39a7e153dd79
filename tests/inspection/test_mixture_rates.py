"""The members of a mixture are shown with their rows and rates."""

import pytest

from flan_jax.definitions import names, registry
from flan_jax.inspection import mixture_rates
from flan_jax.terminal.blocks import plain
from tests.inspection.pretend_copy import pretend_copy

registry.load()


def _describe(name, folder):
  found = mixture_rates.describe(names.resolve(name), str(folder))
  return found, {member['part']: member for member in found['members']}


def _text(name, folder):
  return plain(mixture_rates.lines(_describe(name, folder)[0]))


def test_rates_and_shares_of_recorded_rows(tmp_path):
  found, members = _describe('flan_holdout_nli', tmp_path)
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


def test_rows_of_prepared_copies_take_precedence(tmp_path):
  # The declared number of rows, another number, and one that is estimated.
  pretend_copy(tmp_path, 'super_glue/rte/1.0.2', train=2490, validation=277)
  pretend_copy(tmp_path, 'super_glue/cb/1.0.2', train=1000, validation=56)
  pretend_copy(tmp_path, 'glue/wnli/2.0.0', train=30, validation=70)
  found, members = _describe('flan_holdout_sentiment', tmp_path)

  def about(part):
    return tuple(members[part][key] for key in ('rows', 'rows_from', 'rate'))

  assert about('rte') == (2290, 'copy', 2290)
  assert about('cb') == (950, 'copy', 950)
  assert about('wnli') == (24, 'estimate', 24)
  assert about('snli') == (30000, 'recorded', 3000)
  out = _text('flan_holdout_sentiment', tmp_path)
  lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
  assert lines['wnli'][1:4] == ['~24', 'copy', '24']
  assert lines['snli'][1:4] == ['30,000', 'recorded', '3,000']
  assert f'{found["sum_of_rates"]:,}' in lines['sum']
  assert 'not trained on, clusters: sentiment' in out
  assert 'subsets counted in their files: 3, as recorded: ' in out


def test_a_dataset_held_out_alone_is_named(tmp_path):
  datasets = {dataset.name for dataset in registry.datasets()}
  mixture = next(
    m
    for m in registry.mixtures()
    if m.purpose == 'train' and m.held_out in datasets
  )
  found, _ = _describe(mixture.name, tmp_path)
  assert found['excluded_clusters'] == []
  assert found['excluded_datasets'] == [mixture.held_out]


def test_a_mixture_of_everything_excludes_nothing(tmp_path):
  found, _ = _describe('flan_all', tmp_path)
  assert found['excluded_clusters'] == found['excluded_datasets'] == []


def test_suffixes_of_mixtures(tmp_path):
  found, members = _describe('flan_eval_nli.5shot.named', tmp_path)
  assert members['rte']['shots'] == 5 and members['rte']['format'] == 'named'
  # It is only evaluated; its exemplars are MNLI's training rows.
  assert members['mnli_matched']['shots'] == 5
  assert members['mnli_matched']['rows'] == 9815
  # An evaluation mixes nothing.
  assert members['rte']['rate'] is None and found['sum_of_rates'] is None
  out = _text('flan_eval_coreference.5shot', tmp_path)
  assert 'no exemplars: it has no training rows' in out
  assert 'sum of rates' not in out
  out = _text('flan_holdout_nli.fitshot', tmp_path)
  assert 'up to 16 exemplars' in out
  assert 'exemplars' not in _text('flan_eval_nli', tmp_path)
