"""A damaged file is survived, or refused in one line that names it."""

import random

import pytest

from tests.e2e import damage_campaign

_CASES = 11
_REFUSED = 'report after model/eval/rule_eval/results.json was emptied'


@pytest.mark.slow
@pytest.mark.usefixtures('compiled')
def test_a_short_campaign_of_damages_finds_nothing_wrong(tmp_path, rule_data):
  # `python -m tests.e2e.damage_campaign` is the long one.
  (tmp_path / 'data').symlink_to(rule_data)
  campaign = damage_campaign.Campaign(tmp_path)
  campaign.prepare(studies=False)
  subjects = [s for s in damage_campaign.subjects() if s.name != 'study']
  cases = list(campaign.cases(subjects))
  # Names of files in checkpoints are random, and so is what is drawn: a case
  # that must be refused is always among them.
  refused = next(c for c in cases if str(c) == _REFUSED)
  drawn = random.Random(0).sample(cases, _CASES)
  outcomes = {str(case): campaign.outcome(case) for case in [refused, *drawn]}
  assert not {c: o for c, o in outcomes.items() if o.startswith('WRONG')}
  assert outcomes[_REFUSED] == 'refused'
  assert 'survived' in outcomes.values()
