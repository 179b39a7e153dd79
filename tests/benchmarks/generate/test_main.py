"""Both sides give the same answers; the comparison runs without the peer."""

import contextlib
import importlib.util
import json
import pathlib

import pytest

from benchmarks.generate import __main__ as main
from benchmarks.generate.prompts import PromptMaker
from benchmarks.generate.results import DATASETS, OWN
from tests.benchmarks.running import SideHere, run, write_tiny_model

_HAS_PEER = all(map(importlib.util.find_spec, ('torch', 'transformers')))


def _flags(tmp_path):
  return (
    '--prompts=4',
    f'--datasets={",".join(DATASETS[:2])}',
    '--new_tokens=6',
    '--rounds=1',
    '--batch_sizes=1,4',
    f'--model={write_tiny_model(tmp_path / "source")}',
  )


@pytest.mark.slow
@pytest.mark.skipif(not _HAS_PEER, reason='needs PyTorch and transformers')
def test_both_sides_give_the_same_answers(tmp_path):
  *lines, summary = run('generate', *_flags(tmp_path))
  assert set(summary['ratio_to_transformers']) == set(DATASETS[:2])
  assert summary['left_out'] == {}
  for figures in summary['datasets'].values():
    # Random weights have no ties: one wrong position, mask or padding, and the
    # texts differ.
    assert figures['agreement'] == {'same_texts': 1.0, 'same_tokens': 1.0}
    assert figures['tokens']['flan_jax'] == figures['tokens']['transformers']
    assert set(figures['transformers_by_batch_size']) == {'1', '4'}
  turns = [line['turn'] for line in lines if 'turn' in line]
  assert len(turns) == 2 * 1 * 2  # datasets, rounds, sides
  threads = summary['versions']['transformers']['trial_seconds_by_threads']
  assert '1' in threads


class _Side:
  """Answers in no time."""

  def __init__(self, task):
    prompts = json.loads(pathlib.Path(task['prompts']).read_text())
    self._answers = [[1] * task['new_tokens'] for _ in prompts[DATASETS[0]]]

  def prepare(self, case):
    return {'answers': self._answers, 'versions': {}}

  def run(self, case):
    pass


@pytest.mark.slow
def test_without_the_peer_this_project_is_measured_alone(
  tmp_path, monkeypatch, capsys
):
  find = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util, 'find_spec', lambda name: name != 'torch' and find(name)
  )
  modules = {}

  @contextlib.contextmanager
  def started(wanted, task):
    modules.update(wanted)
    makes = 'prompts' in wanted
    side = PromptMaker(task) if makes else _Side(task)
    yield {name: SideHere(side) for name in wanted}

  monkeypatch.setattr(main, 'started', started)
  out = tmp_path / 'generate.json'
  main.main([*_flags(tmp_path), f'--out={out}'])
  summary = json.loads(capsys.readouterr().out.splitlines()[-1])
  assert set(modules) == {'prompts', OWN}
  assert set(summary['left_out']) == {'transformers'}
  assert 'pip install' in summary['left_out']['transformers']
  first = DATASETS[0]
  assert summary['ratio_to_transformers'][first] is None
  figures = summary['datasets'][first]
  assert figures['tokens_per_second']['flan_jax']['median'] > 0
  assert figures['agreement'] is None
  assert summary.items() <= json.loads(out.read_text()).items()
