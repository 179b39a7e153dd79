"""Turns matplotlib's SVG into an element that a page can hold.

Matplotlib writes whole documents: ids that repeat in every file, a style sheet
that would apply to the whole page, colours that are made for white paper, and
six decimals. Here they become one small element.
"""

import re
from xml.etree import ElementTree

# Matplotlib draws text and axes in this colour. In the SVG they have the colour
# of the text around it, so that they follow a page's dark mode.
INK = '#010203'
_FONTS = "'DejaVu Sans', Verdana, sans-serif"
_REFERENCE = re.compile(r'url\(#([^)]+)\)')
_METADATA = re.compile(r'<metadata>.*</metadata>', re.DOTALL)
_DECIMALS = re.compile(r'-?\d+\.\d{3,}')


def inline(svg: str, name: str, title: str, description: str) -> str:
  """Returns an `<svg>` element.

  Args:
    svg: A document that matplotlib wrote with `svg.fonttype` none.
    name: Ids begin with it, so that several elements can be on one page.
    title: Its name for screen readers, which read it as one picture.
    description: What it shows, for screen readers.
  """
  # Without namespaces, names of elements need no prefix.
  svg = svg[svg.index('<svg') :].replace('xlink:href', 'href')
  svg = re.sub(r' xmlns(:\w+)?="[^"]*"', '', svg)
  root = ElementTree.fromstring(_METADATA.sub('', svg))
  _clean(root)
  _rename(root, name)
  titles = {'title': title, 'desc': description}
  for tag, text in reversed(titles.items()):
    element = ElementTree.Element(tag, id=f'{name}-{tag}')
    element.text, element.tail = text, '\n'
    root.insert(0, element)
  del root.attrib['version']
  root.attrib |= {
    'xmlns': 'http://www.w3.org/2000/svg',
    'role': 'img',
    'aria-labelledby': ' '.join(f'{name}-{tag}' for tag in titles),
    'font-family': _FONTS,
    'stroke-linejoin': 'round',
    'stroke-linecap': 'butt',
  }
  text = ElementTree.tostring(root, encoding='unicode')
  return text.replace(INK, 'currentColor') + '\n'


def _clean(element: ElementTree.Element) -> None:
  """Removes what is not needed below an element, and shortens the rest."""
  for child in list(element):
    _clean(child)
    if _shows_nothing(child):
      element.remove(child)
  if element.tag != 'text':
    element.text = None
  element.tail = '\n'
  for key, value in element.attrib.items():
    if key != 'id':
      element.set(key, _DECIMALS.sub(_rounded, value).replace('\n', ''))
  if element.get('transform', '').startswith('rotate(-0 '):
    del element.attrib['transform']
  if 'style' in element.attrib:
    _set_style(element, _style(element))
  _share_style(element)


def _shows_nothing(element: ElementTree.Element) -> bool:
  if element.tag in ('g', 'defs'):
    return not len(element)
  return element.tag == 'style' or element.get('style') == 'fill:none'


def _rounded(number: re.Match) -> str:
  # Of a point, 1/72 inch. `or 0` turns -0.0 into 0.
  return f'{round(float(number[0]), 2) or 0:g}'


def _style(element: ElementTree.Element) -> dict[str, str]:
  pairs = (pair.split(':', 1) for pair in element.get('style').split(';'))
  found = {key.strip(): value.strip() for key, value in pairs}
  found.pop('font-family', None)  # That of the whole picture.
  return found


def _set_style(element: ElementTree.Element, style: dict[str, str]) -> None:
  element.set('style', ';'.join(f'{key}:{style[key]}' for key in style))


def _share_style(group: ElementTree.Element) -> None:
  """Moves the style that all markers of a group have to the group."""
  styles = {child.get('style') for child in group if child.tag == 'use'}
  if group.tag != 'g' or len(group) < 2 or len(styles) != 1 or None in styles:
    return
  if all(child.tag == 'use' for child in group):
    group.set('style', styles.pop())
    for child in group:
      del child.attrib['style']


def _rename(root: ElementTree.Element, name: str) -> None:
  """Puts the name before ids that something refers to; removes the others."""
  used = set()
  for element in root.iter():
    for key, value in element.attrib.items():
      if key == 'href':
        used.add(value.removeprefix('#'))
      used.update(_REFERENCE.findall(value))
  for element in root.iter():
    if element.get('id') in used:
      element.set('id', f'{name}-{element.get("id")}')
    else:
      element.attrib.pop('id', None)
    if 'href' in element.attrib:
      element.set('href', f'#{name}-{element.get("href")[1:]}')
    for key, value in element.attrib.items():
      element.set(key, _REFERENCE.sub(rf'url(#{name}-\1)', value))
