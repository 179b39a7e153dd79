"""The looks of figures, and how they are saved."""

import io

import matplotlib as mpl
from PIL import Image
import pytest

from flan_jax.report import drawing


def _drawing(**values) -> drawing.Drawing:
  canvas, axes = drawing.new_canvas(1.5)
  axes.plot([1, 2], [3, 4], **drawing.paper_marker(recalled=True))
  axes.plot([1, 2], [4, 3], label='ours')
  drawing.add_legend(canvas)
  return drawing.Drawing('name', 'title', 'alt', 'caption', canvas, **values)


@pytest.fixture(scope='module')
def figure() -> drawing.Figure:
  with drawing.style():
    return drawing.save(_drawing())


def test_a_second_drawing_has_the_same_bytes(figure):
  with drawing.style():
    assert drawing.save(_drawing()) == figure


def test_a_users_own_parameters_neither_matter_nor_change(figure):
  with mpl.rc_context({'font.size': 20, 'axes.grid': False}):
    with drawing.style():
      again = drawing.save(_drawing())
    assert mpl.rcParams['font.size'] == 20
  assert again == figure


def test_the_png_is_opaque_and_white(figure):
  image = Image.open(io.BytesIO(figure.png)).convert('RGBA')
  assert image.getpixel((0, 0)) == (255, 255, 255, 255)
  assert image.width == round(drawing.WIDTH * 150)


def test_the_legend_names_the_paper_last():
  with drawing.style():
    (legend,) = _drawing().canvas.legends
  labels = [text.get_text() for text in legend.get_texts()]
  assert labels == ['ours', 'paper, recalled']


def test_recalled_values_are_hollow_and_others_are_not():
  recalled, known = map(drawing.paper_marker, (True, False))
  assert recalled['markerfacecolor'] == 'none'
  assert known['markerfacecolor'] != 'none'
  assert recalled['label'] != known['label']


def test_series_differ_in_more_than_colour():
  looks = drawing.LOOKS
  for name in ('colour', 'marker', 'line', 'hatch'):
    assert len({str(getattr(look, name)) for look in looks}) == len(looks)
  assert drawing.PAPER.marker not in {look.marker for look in looks}


def test_a_long_legend_has_several_lines():
  with drawing.style():
    canvas, axes = drawing.new_canvas(2)
    for number in range(6):
      axes.plot([1], [1], label=f'a model with a long name, {number}')
    drawing.add_legend(canvas)
    canvas.draw_without_rendering()
    (legend,) = canvas.legends
  assert legend.get_window_extent().width < canvas.bbox.width


def test_figures_without_series_have_no_legend():
  with drawing.style():
    canvas, _ = drawing.new_canvas(1)
    drawing.add_legend(canvas)
  assert not canvas.legends
