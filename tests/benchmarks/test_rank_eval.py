"""All sides score the same; figures are what turns and tokens make them."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import types

import pytest

from benchmarks import rank_own, rank_requests, rank_results, rank_summary
from benchmarks.rank_results import HARNESS, OWN, PLAIN, Results, Turn
from benchmarks.side_process import SideError, SideProcess
from flan_jax.batches.packing import Example
from flan_jax.evaluation.scoring import rank
from flan_jax.model import DecoderConfig, init_params
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.testing import tiny_models
from flan_jax.vocabulary.load import load_vocabulary

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_HAS_HARNESS = all(map(importlib.util.find_spec, ('lm_eval', 'torch')))
_ROWS = [
  {'prompt': [5, 6, 7], 'options': [[8], [9], [10, 11]], 'gold': [0]},
  {'prompt': [5, 6], 'options': [[8, 9], [9, 9, 9]], 'gold': [1]},
]


def _run(tmp_path, *flags):
  source = tmp_path / 'source'
  source.mkdir()
  config = {
    'model_type': 'llama',
    'vocab_size': tiny_models.write_tokenizer(source),
    'hidden_size': 32,
    'intermediate_size': 64,
    'num_hidden_layers': 2,
    'num_attention_heads': 4,
    'num_key_value_heads': 2,
    'rms_norm_eps': 1e-5,
    'max_position_embeddings': 2048,
  }
  tiny_models.write_model(source, config)
  finished = subprocess.run(
    [
      *(sys.executable, '-m', 'benchmarks.rank_eval', f'--model={source}'),
      f'--work_dir={tmp_path}',
      *flags,
    ],
    cwd=_ROOT,
    env={**os.environ, 'PYTHONPATH': str(_ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert finished.returncode == 0, finished.stderr[-3000:]
  return [json.loads(line) for line in finished.stdout.splitlines()]


def test_the_last_line_holds_what_is_promised(tmp_path):
  lines = _run(
    tmp_path,
    '--datasets=piqa,anli',
    '--rows=3',
    '--rounds=2',
    '--batch_sizes=1,4',
  )
  summary = lines[-1]
  assert summary['ratio_to_plain'] > 0
  # Three options of ANLI, two of PIQA: a shared prompt is worth its reading.
  assert 1 < summary['saved_tokens_allow_by_dataset']['piqa'] < 2
  assert 2 < summary['saved_tokens_allow_by_dataset']['anli'] < 3
  for dataset in ('piqa', 'anli'):
    assert summary['datasets'][dataset]['prompts'] == 3
    agreement = summary['agreement'][PLAIN][dataset]
    assert agreement['alike'] + agreement['ties'] == 3
    assert agreement['largest_difference'] < 1e-3
    tokens = summary['sides'][OWN][dataset]['tokens']
    assert tokens['needed'] <= tokens['computed']
    if _HAS_HARNESS:
      assert summary['ratio_by_dataset'][dataset] > 0
      agreement = summary['agreement'][HARNESS][dataset]
      assert agreement['alike'] + agreement['ties'] == 3
      assert agreement['largest_difference'] < 1e-2
    else:
      assert summary['ratio_by_dataset'][dataset] is None
  assert (HARNESS in summary['left_out']) != _HAS_HARNESS
  turns = [line['turn'] for line in lines if 'turn' in line]
  assert [t['side'] for t in turns if t['side'] == OWN] == [OWN] * 4
  assert turns[0]['side'] == OWN
  second = [turn for turn in turns if turn['round'] == 1]
  assert second[0]['side'] == PLAIN, 'another begins the next round'


@pytest.mark.parametrize(
  ('side', 'make'), [(OWN, rank.Scorer), (PLAIN, rank.PlainScorer)]
)
def test_what_is_counted_is_what_has_to_be_read(side, make):
  config = DecoderConfig(
    vocab_size=50,
    num_layers=1,
    d_model=8,
    d_ff=16,
    num_heads=2,
    num_kv_heads=2,
    head_dim=4,
  )
  mesh = make_mesh(MeshConfig())
  examples = [Example(row['prompt'], tuple(row['options'])) for row in _ROWS]
  scorer = make(config, mesh, 512)
  with rank_own._counted() as tokens:
    scorer.score(init_params(config, 0, mesh), examples)
  assert tokens['needed'] == rank_results.needed(_ROWS)[side]
  assert tokens['computed'] > tokens['needed']
  assert tokens['batches'] >= 1
  assert tokens['logits'] >= 9


def test_white_space_before_an_option_is_part_of_it(tmp_path):
  tiny_models.write_tokenizer(tmp_path)
  vocabulary = load_vocabulary(str(tmp_path))
  request = types.SimpleNamespace(
    example=Example(
      vocabulary.encode('on the inn: '),
      (
        (*vocabulary.encode('the'), vocabulary.eos_id),
        tuple(vocabulary.encode('an')),
      ),
    ),
    ended=(True, False),
    row={'correct': [1]},
  )
  found = rank_requests.as_harness(request, vocabulary)
  assert found['prompt'] == vocabulary.encode('on the inn:')
  assert found['options'] == [vocabulary.encode(o) for o in (' the', ' an')]
  # A word that begins with a space is one token: not space and word.
  assert [len(option) for option in found['options']] == [1, 2]
  assert found['texts'] == [('on the inn: ', 'the'), ('on the inn: ', 'an')]
  assert found['gold'] == [1]


def _turns(side, size, dataset, seconds):
  return [
    Turn(side, size, dataset, number, taken, 2 * taken, 10, 0.0)
    for number, taken in enumerate(seconds)
  ]


def _results():
  results = Results({'arc': _ROWS, 'piqa': _ROWS})
  for dataset in results.requests:
    for runner in ((OWN, None), (PLAIN, None), (HARNESS, 1), (HARNESS, 8)):
      results.facts[runner, dataset] = {
        'scores': [[-1, -2, -3], [-2, -1]],
        'tokens': {'computed': 20},
        'versions': {'jax': '0'},
      }
    results.turns += _turns(OWN, None, dataset, [1, 2, 1])
  results.turns += _turns(HARNESS, 1, 'arc', [4, 8, 4])
  results.turns += _turns(HARNESS, 8, 'arc', [3, 6, 3])
  results.turns += _turns(HARNESS, 1, 'piqa', [2, 4, 2])
  results.turns += _turns(HARNESS, 8, 'piqa', [5, 10, 5])
  return results


def test_the_harness_is_taken_at_its_best():
  summary = rank_summary.summary(_results())
  # Of each dataset another batch size is the best; 6 over 2 for both.
  assert summary['ratio_by_dataset'] == {'arc': 3, 'piqa': 2}
  assert summary['ratio_to_harness'] == 3
  assert summary['sides'][HARNESS]['together']['batch_size'] == 1
  assert summary['ratio_to_plain'] is None
  assert summary['sides'][PLAIN] is None
  assert summary['sides'][OWN]['arc']['accuracy'] == 1
  assert summary['sides'][OWN]['arc']['options_per_second']['median'] == 5
  assert summary['saved_tokens_allow'] == pytest.approx(17 / 9, abs=1e-3)


def test_a_side_that_fails_midway_has_no_figures():
  results = _results()
  for size in (1, 8):
    results.failed[(HARNESS, size), 'piqa'] = 'out of memory'
  summary = rank_summary.summary(results)
  assert summary['ratio_by_dataset'] == {'arc': 3, 'piqa': None}
  assert summary['ratio_to_harness'] is None
  assert summary['failed'][f'{HARNESS}/8/piqa'] == 'out of memory'


def test_the_harness_reads_once_what_stands_before_the_last_token():
  # The second prompt with an option is the first with another: read once.
  rows = [
    {'prompt': [1, 2], 'options': [[3], [4], [3, 5]]},
    {'prompt': [1], 'options': [[2, 9]]},
  ]
  assert rank_results.needed(rows) == {OWN: 5, PLAIN: 9, HARNESS: 5}


def test_ties_are_told_from_differences():
  close, apart = [-1.0, -1.0002], [-1.0, -1.5]
  assert rank_results.agreement([close], [close[::-1]])['ties'] == 1
  found = rank_results.agreement([apart, apart], [apart[::-1], apart])
  assert (found['alike'], found['ties']) == (1, 0)
  assert found['largest_difference'] == 0.5


def test_only_batch_sizes_that_may_be_the_best_are_measured_again():
  seconds = {'arc': {1: 9.0, 8: 4.0, 16: 5.0}, 'piqa': {1: 9.0, 16: 2.0}}
  assert rank_results.worth_measuring(seconds) == {
    'arc': [8, 16],
    'piqa': [16],
  }
  assert rank_results.worth_measuring({'arc': {}}) == {'arc': []}


def test_a_side_tells_what_went_wrong(tmp_path, monkeypatch):
  (tmp_path / 'echoing_side.py').write_text(
    'import os\n'
    'from benchmarks.side_process import serve\n'
    'class Side:\n'
    '  def __init__(self, task): self.task = task\n'
    '  def echo(self, text): print("noise"); return {"said": text}\n'
    '  def fail(self): raise ValueError(self.task["why"])\n'
    '  def die(self): os._exit(3)\n'
    'serve(Side)\n'
  )
  monkeypatch.setenv('PYTHONPATH', str(tmp_path))
  side = SideProcess('echoing_side', {'why': 'no such dataset'})
  try:
    with pytest.raises(SideError, match='no such dataset'):
      side.ask('fail')
    answer = side.ask('echo', text='ö')
    assert answer['said'] == 'ö'
    assert answer['seconds'] >= 0
    with pytest.raises(SideError, match=r'ended \(3\)'):
      side.ask('die')
  finally:
    side.close()
