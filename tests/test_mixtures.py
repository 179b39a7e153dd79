"""Who trains when what is held out."""

from flan_jax.mixtures import holdout
import pytest

from flan_jax.data import names, registry

registry.load()


def _parts(mixture: str) -> set[str]:
  return {member.part for member in names.members(mixture)}


def _clusters(mixture: str) -> set[str]:
  return {registry.find_part(p)[1].cluster for p in _parts(mixture)}


@pytest.mark.parametrize('cluster', ['nli', 'paraphrase', 'sentiment'])
def test_a_held_out_cluster_is_never_trained_on(cluster):
  assert cluster not in _clusters(f'flan_holdout_{cluster}')
  assert _clusters(f'flan_eval_{cluster}') == {cluster}
  sources = {registry.find_part(p)[1].source for p in _parts('flan_all')}
  held = {
    registry.find_part(p)[1].source for p in _parts(f'flan_eval_{cluster}')
  }
  trained = {
    registry.find_part(p)[1].source for p in _parts(f'flan_holdout_{cluster}')
  }
  assert not held & trained and trained < sources


def test_nli_and_paraphrase_exclude_each_other():
  assert _clusters('flan_holdout_nli') == {'sentiment'}
  assert _clusters('flan_holdout_paraphrase') == {'sentiment'}
  assert _clusters('flan_holdout_sentiment') == {'nli', 'paraphrase'}


def test_mnli_trains_once_and_is_evaluated_twice():
  assert {p for p in _parts('flan_holdout_sentiment') if 'mnli' in p} == {
    'mnli'
  }
  assert {p for p in _parts('flan_eval_nli') if 'mnli' in p} == {
    'mnli_matched',
    'mnli_mismatched',
  }


def test_rates_at_the_recorded_sizes():
  def total(cluster):
    parts = [
      registry.find_part(m.part)[1] for m in holdout.training_members(None)
    ]
    return sum(
      min(part.rows['train'], 3000) for part in parts if part.cluster == cluster
    )

  # The rates of the whole mixture less those of a hold-out, as published.
  assert total('sentiment') == 179_371 - 167_371
  assert total('nli') + total('paraphrase') == 179_371 - 146_276


def test_users_datasets_join_no_mixture_of_ours():
  from flan_jax.testing import rule

  assert rule.RULE.name not in _parts('flan_all')
  assert 'testing' not in holdout.clusters()
