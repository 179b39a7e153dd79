"""The curves of a training run: loss, validation, rate, gradient, speed."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from flan_jax.report.drawing import (
  Drawing,
  look,
  new_canvas,
  plain_log_axis,
  plain_numbers,
)

# More points than a panel can show are drawn as the mean and range of groups of
# neighbouring steps.
_MOST = 300
_FEW = 25  # Points that each have a marker.


@dataclasses.dataclass(frozen=True)
class Curve:
  """One panel.

  Attributes:
    kind: `train`, `validation` or `eval`, as in `metrics.jsonl`.
    key: The metric.
    label: Its name and unit.
    log: Whether the axis is logarithmic.
  """

  kind: str
  key: str
  label: str
  log: bool = False


CURVES = (
  Curve('train', 'loss', 'loss, nats a target token'),
  Curve('validation', 'loss', 'loss on validation rows, nats a token'),
  Curve('validation', 'accuracy', 'accuracy on validation rows, %'),
  Curve('train', 'learning_rate', 'learning rate'),
  Curve('train', 'gradient_norm', 'norm of the gradient', log=True),
  Curve('train', 'tokens_per_second', 'tokens a second'),
)


def training_curves(
  name: str, title: str, metrics: Sequence[Mapping[str, Any]]
) -> Drawing | None:
  """Draws a run.

  Args:
    name: Name of the figure.
    title: Its title.
    metrics: Lines of `metrics.jsonl`.

  Returns:
    A panel for each curve that was recorded; None if none was.
  """
  points = {curve: _points(metrics, curve) for curve in CURVES}
  points = {curve: found for curve, found in points.items() if len(found)}
  if not points:
    return None
  columns = 2 if len(points) in (2, 4) else min(3, len(points))
  rows = -(-len(points) // columns)
  canvas, panels = new_canvas(2.1 * rows + 0.2, rows, columns, squeeze=False)
  for axes in panels.flat[len(points) :]:
    axes.set_axis_off()
  first = min(found[0, 0] for found in points.values())
  last = max(found[-1, 0] for found in points.values())
  for axes, (curve, found) in zip(panels.flat, points.items(), strict=False):
    _draw(axes, curve, found)
    margin = 0.03 * (last - first) or 1
    axes.set_xlim(first - margin, last + margin)
  return Drawing(
    name=name,
    title=title,
    alt=_alt(points, int(last)),
    caption='Steps are on the horizontal axes.'
    + (
      f' Where more than {_MOST} steps were recorded, the line is the mean of '
      'neighbouring steps and the band their range.'
      if any(len(found) > _MOST for found in points.values())
      else ''
    ),
    canvas=canvas,
  )


def _points(metrics: Sequence[Mapping[str, Any]], curve: Curve) -> np.ndarray:
  """Returns steps and values, [N, 2], in order of steps."""
  found = {
    line['step']: line[curve.key]
    for line in metrics
    if line['kind'] == curve.kind and line.get(curve.key) is not None
  }
  return np.array(sorted(found.items()), float).reshape(-1, 2)


def _draw(axes: Any, curve: Curve, points: np.ndarray) -> None:
  style = look(curve.kind == 'validation')
  groups = np.array_split(points, min(_MOST, len(points)))
  steps, means = np.array([group.mean(axis=0) for group in groups]).T
  marker = style.marker if len(steps) <= _FEW else None
  axes.plot(
    steps, means, color=style.colour, linestyle=style.line, marker=marker
  )
  if len(points) > _MOST:
    low, high = (
      [extreme(group[:, 1]) for group in groups] for extreme in (min, max)
    )
    axes.fill_between(steps, low, high, color=style.colour, alpha=0.2, lw=0)
  axes.set_title(curve.label)
  if curve.log and points[:, 1].min() > 0:
    axes.set_yscale('log')
    plain_log_axis(axes.yaxis)
  elif points[:, 1].min() >= 0:
    axes.set_ylim(0, 1.08 * points[:, 1].max() or 1)
  if points[:, 1].max() < 0.01:
    axes.yaxis.set_major_formatter(plain_numbers())
  axes.xaxis.get_major_locator().set_params(integer=True, nbins=4)


def _alt(points: Mapping[Curve, np.ndarray], last: int) -> str:
  texts = []
  for curve, found in points.items():
    first, final = found[0, 1], found[-1, 1]
    label = curve.label.removesuffix(', %')
    texts.append(f'{label} from {_short(first)} to {_short(final)}')
  return f'Curves up to step {last}: {"; ".join(texts)}.'


def _short(number: float) -> str:
  """Returns a number with three digits.

  >>> _short(1234.5), _short(0.012345)
  ('1230', '0.0123')
  """
  return f'{float(f"{number:.3g}"):g}'
