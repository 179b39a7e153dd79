"""All sides score the same."""

import importlib.util
import json

import pytest

from benchmarks.rank_eval.results import HARNESS, OWN, PLAIN
from tests.benchmarks.running import run, write_tiny_model

_HAS_HARNESS = all(map(importlib.util.find_spec, ('lm_eval', 'torch')))


@pytest.mark.slow
def test_the_last_line_holds_what_is_documented(tmp_path):
  lines = run(
    'rank_eval',
    f'--model={write_tiny_model(tmp_path / "source")}',
    f'--work_dir={tmp_path}',
    '--datasets=piqa,anli',
    '--shots=1',
    f'--out={tmp_path / "result.json"}',
    '--rows=3',
    '--rounds=1',
    '--batch_sizes=4',
  )
  summary = lines[-1]
  assert summary['ratio_to_plain'] > 0
  # Three options of ANLI, two of PIQA: prompts are read once, not so often.
  # Exemplars that are read once save more.
  assert 1 < summary['saved_tokens_allow_by_dataset']['piqa']
  assert 2 < summary['saved_tokens_allow_by_dataset']['anli']
  # A prompt that is too long for this vocabulary has none.
  assert 0 < max(summary['exemplars'].values()) <= 1
  written = json.loads((tmp_path / 'result.json').read_text())
  assert written['command'].startswith('python -m benchmarks.rank_eval --model')
  assert {name: written[name] for name in summary} == summary
  for dataset in ('piqa', 'anli'):
    agreement = summary['agreement'][PLAIN][dataset]
    assert agreement['alike'] + agreement['ties'] == 3
    assert agreement['largest_difference'] < 1e-3
    tokens = summary['sides'][OWN][dataset]['tokens']
    assert 0 < tokens['fill'] <= 1
    assert tokens['fill'] == pytest.approx(1 - tokens['padding'])
    if _HAS_HARNESS:
      assert summary['ratio_by_dataset'][dataset] > 0
      agreement = summary['agreement'][HARNESS][dataset]
      assert agreement['alike'] + agreement['ties'] == 3
      assert agreement['largest_difference'] < 1e-2
    else:
      assert summary['ratio_by_dataset'][dataset] is None
  assert (HARNESS in summary['left_out']) != _HAS_HARNESS
  turns = [line['turn'] for line in lines if 'turn' in line]
  assert [t['side'] for t in turns if t['side'] == OWN] == [OWN] * 2
