"""The last line of `data_pipeline`."""

from collections.abc import Mapping, Sequence
import itertools
from typing import Any

from benchmarks.common import figures
from benchmarks.common.comparison import Comparison, Runner
from benchmarks.data_pipeline import sides
from benchmarks.data_pipeline.own import OwnSide

CASE = 'batches'
# Batches whose texts are looked up in the cache.
_COMPARED = 20


def summary(
  comparison: Comparison,
  started: Sequence[sides.Side],
  shared: Mapping[str, float],
) -> dict[str, Any]:
  """Returns the figures, `None` for what did not run."""
  described = {}
  for side in started:
    runner = Runner(side.name)
    fills = [turn.cost['fill'] for turn in comparison.of(runner, CASE)]
    rates, cpu_rates = (
      figures.spread(comparison.rates(runner, [CASE], by))
      for by in ('seconds', 'cpu_seconds')
    )
    described[side.name] = {
      'tokens_per_second': rates,
      'tokens_per_cpu_second': cpu_rates,
      'fill': round(sum(fills) / len(fills), 4),
      **side.facts,
      'texts_shared': shared.get(side.name),
    }
  own = described[sides.OWN]
  ratios = {
    side.name: comparison.ratio(sides.OWN, side.name, [CASE])
    for side in started
    if side.name != sides.OWN
  }

  def ratio_to(*names: str) -> float | None:  # To the fastest of them.
    found = [ratios[name]['median'] for name in names if name in ratios]
    return min(found, default=None)

  return {
    'ratio_to_seqio_online': ratio_to(sides.ONLINE),
    'ratio_to_seqio_cached': ratio_to(*sides.CACHED),
    'ratio_to_hugging_face': ratio_to(sides.TRAINER),
    'ratio_to_hugging_face_arrow': ratio_to(sides.ARROW),
    'fill': own['fill'],
    'seconds_to_first_batch': own['seconds_to_first_batch'],
    'ratios': ratios,
    'sides': described,
  }


def shared_texts(
  started: Sequence[sides.Side], own: OwnSide
) -> dict[str, float]:
  """Returns the share of each side's examples that the cache holds too."""
  known = own.every_sequence()
  shared = {}
  for side in started:
    if side.sequence is not None:
      found = [
        sequence in known
        for batch in itertools.islice(side.batches, _COMPARED)
        for sequence in side.sequences(batch)
      ]
      shared[side.name] = round(sum(found) / len(found), 4)
  return shared
