"""Recorded answers give the numbers of the evaluation again."""

import functools
import json

import pytest

from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.evaluation.aggregation import part_results
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.metrics.bootstrap import Resamples
from flan_jax.evaluation.predictions import Answer, references
from flan_jax.evaluation.recorded import RecordedError, read_recorded
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.load import load_vocabulary

registry.load()

# Classes, a correlation with scores, items of several rows, and free text in
# two groups of templates.
_NAMES = ('cb', 'stsb', 'multirc', 'wmt14_enfr')


@pytest.fixture(autouse=True)
def quick_intervals(monkeypatch):
  """Draws few samples: intervals are compared, not judged."""
  quick = functools.partial(Resamples.of, resamples=10)
  monkeypatch.setattr(Resamples, 'of', quick)


@pytest.fixture(scope='module')
def cached(shared_cache, mini_data):
  """The cache and the test splits of datasets of every kind of answer."""
  config = CacheConfig(str(shared_cache), mini_data)
  keys = [named_split(name, 'test') for name in _NAMES]
  vocabulary = load_vocabulary('mini')
  splits = make_cached_splits(keys, config, vocabulary, log=lambda line: None)
  return shared_cache, dict(zip(_NAMES, splits, strict=True))


def _record(split, rendering):
  row = split.rows[int(rendering['row'])]
  template = int(rendering['template'])
  about = {
    'part': split.name,
    'format': 'instructions',
    'split': 'test',
    'template': template,
    'id': row['id'],
    'shots': 0,
  }
  if 'correct' not in row:
    right = references(split, row, template)[0]
    return {**about, 'text': right if template % 2 else 'something else'}
  options = int(rendering['spans']) - 1
  option = (row['correct'][0] + (template % 3 == 0)) % options
  return {
    **about,
    'predicted': option,
    'predicted_by': {'acc': option},
    'text': str(option),
  }


def _write(folder, splits, change=lambda record: record, **more):
  """Writes an evaluation as `flan-jax eval` does; returns its results."""
  folder.mkdir()
  entries, lines, found = [], [], {}
  for name, split in splits.items():
    records = [_record(split, rendering) for rendering in split.renderings]
    rows = [int(rendering['row']) for rendering in split.renderings]
    answers = [
      Answer.recorded(*pair) for pair in zip(rows, records, strict=True)
    ]
    found[name] = answers
    results = part_results(EvalPart(split), answers)
    entries += [{**result.as_json(), **more} for result in results]
    lines += [json.dumps(change(record)) + '\n' for record in records]
  lines.append(json.dumps({**records[0], 'split': 'validation'}) + '\n')
  (folder / 'records.jsonl').write_text(''.join(lines))
  (folder / 'results.json').write_text(json.dumps({'parts': entries}))
  return found


def test_the_numbers_are_those_of_the_evaluation(cached, tmp_path):
  cache, splits = cached
  answers = _write(tmp_path / 'eval', splits)
  ids = {
    name: frozenset(row['id'] for row in split.rows[::3])
    for name, split in splits.items()
  }
  contaminated = Contaminated('seen.json', ids)
  recorded = read_recorded(tmp_path / 'eval', cache, set(splits))
  assert [one.part.test.name for one in recorded] == list(splits)
  for one in recorded:
    name = one.part.test.name
    expected = part_results(
      EvalPart(splits[name]), answers[name], (), ids[name]
    )
    assert one.results(contaminated) == expected
    assert expected[0].clean['contaminated_rows'] > 0
  assert len(expected) == 2  # Of two directions.


def test_only_the_parts_asked_for_are_read(cached, tmp_path):
  cache, splits = cached
  _write(tmp_path / 'eval', splits)
  (one,) = read_recorded(tmp_path / 'eval', cache, {'cb', 'rte'})
  assert one.part.test.name == 'cb'
  with pytest.raises(RecordedError, match='no results of rte'):
    read_recorded(tmp_path / 'eval', cache, {'rte'})


def test_files_that_do_not_belong_together_are_refused(cached, tmp_path):
  cache, splits = cached
  splits = {'cb': splits['cb']}
  with pytest.raises(RecordedError, match=r'has no results\.json'):
    read_recorded(tmp_path / 'none', cache, {'cb'})
  _write(tmp_path / 'a', splits, lambda record: {**record, 'predicted': 0})
  with pytest.raises(RecordedError, match='as the mean of cb'):
    read_recorded(tmp_path / 'a', cache, {'cb'})
  _write(tmp_path / 'b', splits)
  with pytest.raises(RecordedError, match='--cache_dir'):
    read_recorded(tmp_path / 'b', tmp_path, {'cb'})
  _write(tmp_path / 'c', splits, template_set='0123')
  with pytest.raises(RecordedError, match='--template_set'):
    read_recorded(tmp_path / 'c', cache, {'cb'})
  _write(tmp_path / 'd', splits, cache={'test': 'another'})
  with pytest.raises(RecordedError, match='CACHE_DIR'):
    read_recorded(tmp_path / 'd', cache, {'cb'})
