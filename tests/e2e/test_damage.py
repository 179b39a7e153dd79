"""A damaged file is survived, or refused in one line that names it."""

import random

import pytest

from tests.e2e import damage_campaign

_CASES = 12


@pytest.mark.slow
@pytest.mark.usefixtures('compiled')
def test_a_short_campaign_of_damages_finds_nothing_wrong(tmp_path, rule_data):
  # `python -m tests.e2e.damage_campaign` is the long one.
  (tmp_path / 'data').symlink_to(rule_data)
  campaign = damage_campaign.Campaign(tmp_path)
  campaign.prepare(studies=False)
  subjects = [s for s in damage_campaign.subjects() if s.name != 'study']
  cases = list(campaign.cases(subjects))
  outcomes = {
    str(case): campaign.outcome(case)
    for case in random.Random(0).sample(cases, _CASES)
  }
  assert not {c: o for c, o in outcomes.items() if o.startswith('WRONG')}
  # Both kinds of the right outcome are among them.
  assert {'survived', 'refused'} <= set(outcomes.values())
