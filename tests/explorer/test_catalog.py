"""The page agrees with the registry on mixtures, rates and templates."""

import pytest

from flan_jax.definitions import names, registry
from flan_jax.explorer import catalog
from flan_jax.inspection import mixture_rates

registry.load()


@pytest.fixture(scope='module')
def found():
  return catalog.describe(
    [
      registry.find_part(name)[1]
      for name in ('rte', 'sst2', 'wsc273', 'true_case')
    ]
  )


def _mixtures(found, part):
  (about,) = (p for p in found['parts'] if p['name'] == part)
  return {
    found['mixtures'][place]['name']: templates
    for place, templates in about['mixtures']
  }


def test_every_mixture_of_a_part_is_listed(found):
  for part in ('rte', 'sst2', 'wsc273', 'true_case'):
    assert set(_mixtures(found, part)) == {
      mixture.name
      for mixture in registry.mixtures()
      if part in [member.part for member in mixture.members]
    }
  assert _mixtures(found, 'sst2')['flan_tasks_3_templates_2'] == [0, 1]
  assert _mixtures(found, 'rte')['flan_all'] is None


def test_rates_are_those_of_the_mixture(found, tmp_path):
  mixture = 'flan_holdout_sentiment'
  (listed,) = (m for m in found['mixtures'] if m['name'] == mixture)
  # Without data, the recorded numbers of rows count.
  rates = mixture_rates.describe(names.resolve(mixture), str(tmp_path))
  assert listed['rates'] == rates['sum_of_rates']
  (member,) = (m for m in rates['members'] if m['part'] == 'rte')
  parts = {part['name']: part for part in found['parts']}
  assert parts['rte']['rate'] == member['rate']
  assert parts['wsc273']['rate'] is None


def test_every_format_has_its_templates(found):
  (rte, *_) = found['parts']
  formats = rte['formats']
  assert len(formats['instructions']) == 10
  assert formats['instructions'][9]['remarks'] == [
    'inverted: trained on, never evaluated',
    'only for entailment',
  ]
  assert formats['named'][0]['input'].startswith(f'[{rte["title"]}] ')
