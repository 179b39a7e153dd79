"""SVG elements that can be put on a page beside others."""

import re
from xml.etree import ElementTree

import pytest

from flan_jax.report.drawing import Drawing, new_canvas, save, style

_NAMESPACE = '{http://www.w3.org/2000/svg}'


def _svg(name: str) -> str:
  with style():
    canvas, axes = new_canvas(2.0)
    axes.plot([1, 2, 3], [0.00003, 0.00002, 0.00001], 'o-', color='#0072B2')
    axes.bar([1], [0.00002], hatch='//', facecolor='none', edgecolor='#D55E00')
    axes.set_title('a < b & c: 0.123456')
    drawing = Drawing(name, 'Title & more', 'Alt <text>.', '', canvas)
    return save(drawing).svg


@pytest.fixture(scope='module')
def svg() -> str:
  return _svg('first')


@pytest.fixture(scope='module')
def root(svg) -> ElementTree.Element:
  return ElementTree.fromstring(svg)


def test_screen_readers_find_a_title_and_a_description(root):
  title, description = root[0], root[1]
  assert (title.tag, title.text) == (f'{_NAMESPACE}title', 'Title & more')
  assert (description.tag, description.text) == (
    f'{_NAMESPACE}desc',
    'Alt <text>.',
  )
  assert root.get('role') == 'img'
  labels = [title.get('id'), description.get('id')]
  assert root.get('aria-labelledby').split() == labels


def test_ids_begin_with_the_name_and_all_references_are_found(svg, root):
  ids = [e.get('id') for e in root.iter() if e.get('id')]
  assert len(ids) == len(set(ids))
  assert all(found.startswith('first-') for found in ids)
  used = re.findall(r'url\(#([^)]+)\)', svg)
  used += re.findall(r' href="#([^"]+)"', svg)
  assert used and set(used) <= set(ids)


def test_figures_of_other_names_share_no_id(root):
  other = ElementTree.fromstring(_svg('second'))
  ids, others = (
    {e.get('id') for e in tree.iter() if e.get('id')} for tree in (root, other)
  )
  assert not ids & others


def test_a_page_gets_no_style_sheet_or_document(svg, root):
  assert svg.startswith('<svg ')
  tags = {e.tag.removeprefix(_NAMESPACE) for e in root.iter()}
  assert not tags & {'style', 'metadata'}


def test_text_and_axes_follow_the_colour_of_the_page(svg, root):
  assert 'currentColor' in svg and '#010203' not in svg
  for element in root.iter(f'{_NAMESPACE}text'):
    assert 'fill:currentColor' in element.get('style')
  assert '#0072b2' in svg  # Colours of series stay.
  assert '#ffffff' not in svg and 'fill:white' not in svg


def test_texts_are_kept_and_coordinates_are_rounded(svg, root):
  texts = [e.text for e in root.iter(f'{_NAMESPACE}text')]
  assert 'a < b & c: 0.123456' in texts
  tags = re.findall(r'<[^>]*>', svg)
  assert not [tag for tag in tags if re.search(r'="[^"]*\.\d{3,}', tag)]
