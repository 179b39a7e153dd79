"""Figures of the report: their looks, and how they become SVG and PNG.

Every figure is drawn on a matplotlib figure of its own. Nothing global changes:
`style` sets matplotlib's parameters inside a context, whatever the user's own
are. The same drawing gives the same bytes.
"""

from collections.abc import Sequence
import contextlib
import dataclasses
import io
from typing import Any

from matplotlib import figure as mpl
from matplotlib import style as mpl_style
from matplotlib import ticker

from flan_jax.report.inline_svg import INK, inline

# Inches. Height is that of the content.
WIDTH = 7.6
_PAD = 0.06
_DPI = 150
_LINE = 100  # Characters of a legend that fit side by side.

_STYLE = {
  'axes.axisbelow': True,
  'axes.edgecolor': INK,
  'axes.facecolor': 'none',
  'axes.grid': True,
  'axes.labelcolor': INK,
  'axes.labelsize': 9,
  'axes.linewidth': 0.8,
  'axes.spines.right': False,
  'axes.spines.top': False,
  'axes.titlecolor': INK,
  'axes.titlelocation': 'left',
  'axes.titlesize': 9,
  'figure.facecolor': 'none',
  'font.family': 'DejaVu Sans',
  'font.size': 9,
  'grid.alpha': 0.15,
  'grid.color': INK,
  'grid.linewidth': 0.6,
  'hatch.linewidth': 0.6,
  'legend.fontsize': 8.5,
  'legend.frameon': False,
  'lines.linewidth': 1.4,
  'lines.markersize': 5.5,
  'svg.fonttype': 'none',  # Text stays text: small, and can be searched.
  'svg.hashsalt': 'flan_jax',
  'text.color': INK,
  'xtick.color': INK,
  'xtick.labelsize': 8.5,
  'ytick.color': INK,
  'ytick.labelsize': 8.5,
}


@dataclasses.dataclass(frozen=True)
class Figure:
  """A finished figure.

  Attributes:
    name: Stem of its files.
    title: A heading.
    alt: What it shows, with the main numbers, for those who do not see it.
    caption: How to read it.
    svg: An `<svg>` element. Text and axes have the colour of the text around
      it, the background is transparent, and ids begin with `name`.
    png: The same picture, black on white.
  """

  name: str
  title: str
  alt: str
  caption: str
  svg: str
  png: bytes


@dataclasses.dataclass(frozen=True)
class Absent:
  """A figure whose data is not among the results.

  Attributes:
    name: Stem of the files it would have.
    title: Its heading.
    command: A command that makes the data.
  """

  name: str
  title: str
  command: str


@dataclasses.dataclass(frozen=True)
class Drawing:
  """A figure before it is saved; the attributes are those of `Figure`."""

  name: str
  title: str
  alt: str
  caption: str
  canvas: mpl.Figure


@dataclasses.dataclass(frozen=True)
class Look:
  """How a series looks. Series differ in more than colour.

  Attributes:
    colour: From the palette of Okabe and Ito.
    marker: Marker of its points.
    line: Style of its lines.
    hatch: Pattern of its bars.
  """

  colour: str
  marker: str
  line: Any
  hatch: str


# The first four have a contrast of three to one with white and with black.
LOOKS = (
  Look('#0072B2', 'o', '-', ''),
  Look('#D55E00', 's', '--', '////'),
  Look('#009E73', '^', ':', '\\\\\\\\'),
  Look('#CC79A7', 'v', '-.', '||||'),
  Look('#56B4E9', 'P', (0, (5, 1, 1, 1, 1, 1)), 'xxxx'),
  Look('#E69F00', 'X', (0, (7, 3)), '----'),
)
# The paper's values have the colour of the text.
PAPER = Look(INK, 'D', (0, (1, 1)), '')
PAPER_LABELS = {True: 'paper, recalled', False: 'paper'}


def look(number: int) -> Look:
  """Returns the look of a series; there are six, then they repeat."""
  return LOOKS[number % len(LOOKS)]


def paper_marker(recalled: bool) -> dict[str, Any]:
  """Returns how a value of the paper is plotted: hollow if it is recalled."""
  return {
    'marker': PAPER.marker,
    'color': PAPER.colour,
    'markerfacecolor': 'none' if recalled else PAPER.colour,
    'markersize': 5,
    'markeredgewidth': 1,
    'linestyle': 'none',
    'zorder': 2.5,
    'label': PAPER_LABELS[recalled],
  }


@contextlib.contextmanager
def style():
  """Sets matplotlib's parameters while figures are drawn and saved."""
  with mpl_style.context(['default', _STYLE]):
    yield


def new_canvas(
  height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[mpl.Figure, Any]:
  """Returns a figure and its axes, as `matplotlib.figure.Figure.subplots` does.

  Args:
    height: In inches.
    rows: Rows of axes.
    columns: Columns of axes.
    **options: Further arguments of `subplots`.
  """
  canvas = mpl.Figure(figsize=(WIDTH, height), layout='constrained')
  canvas.get_layout_engine().set(w_pad=_PAD, h_pad=_PAD)
  return canvas, canvas.subplots(rows, columns, **options)


def add_legend(canvas: mpl.Figure) -> None:
  """Puts one legend of all axes above them; equal labels appear once."""
  found = {}
  for axes in canvas.axes:
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
      found.setdefault(label, handle)
  references = [x for x in found if x in PAPER_LABELS.values()]
  found |= {label: found.pop(label) for label in references}  # Comes last.
  if found:
    canvas.legend(
      found.values(),
      found.keys(),
      loc='outside upper left',
      ncols=_columns([*found]),
      borderaxespad=0.1,
      handletextpad=0.5,
      columnspacing=1.4,
    )


def _columns(labels: Sequence[str]) -> int:
  """Returns how many columns of a legend fit."""
  widest = max(len(label) for label in labels) + 6  # Its handle.
  if sum(len(label) + 6 for label in labels) <= _LINE:
    return len(labels)
  return max(1, _LINE // widest)


def plain_numbers() -> ticker.Formatter:
  """Returns what labels an axis with whole numbers, such as 3e-05."""
  return ticker.FuncFormatter(lambda value, _: f'{value:g}')


def plain_log_axis(axis: Any) -> None:
  """Labels a logarithmic axis at 1, 2 and 5 times the powers of ten."""
  axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
  axis.set_major_formatter(plain_numbers())
  axis.set_minor_locator(ticker.NullLocator())


def shorten(text: str, most: int) -> str:
  """Returns a text of at most so many characters, cut in its middle.

  >>> shorten('wmt16_translate_deen de_en', 16)
  'wmt16_tr…n de_en'
  """
  if len(text) <= most:
    return text
  tail = (most - 1) // 2
  return f'{text[: most - 1 - tail]}…{text[len(text) - tail :]}'


def listed(texts: Sequence[str]) -> str:
  """Returns texts as a sentence lists them.

  >>> listed(['a', 'b', 'c']), listed(['a'])
  ('a, b and c', 'a')
  """
  *first, last = texts
  return f'{", ".join(first)} and {last}' if first else last


def save(drawing: Drawing) -> Figure:
  """Returns a drawing as SVG and PNG; call it inside `style`."""
  canvas, svg, png = drawing.canvas, io.StringIO(), io.BytesIO()
  canvas.savefig(
    png, format='png', dpi=_DPI, facecolor='white', metadata={'Software': None}
  )
  canvas.set_layout_engine('none')  # The layout is found once.
  canvas.savefig(svg, format='svg', metadata={'Date': None})
  return Figure(
    name=drawing.name,
    title=drawing.title,
    alt=drawing.alt,
    caption=drawing.caption,
    svg=inline(svg.getvalue(), drawing.name, drawing.title, drawing.alt),
    png=png.getvalue(),
  )
