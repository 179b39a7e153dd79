"""The page in a browser: what readers see, with a mouse and with keys alone."""

import json
import re

import pytest

from flan_jax.explorer import explorer_page
from tests.browser import open_page, overflows
from tests.explorer.pages import page_data

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def data():
  return page_data()


@pytest.fixture(scope='module')
def url(data, tmp_path_factory) -> str:
  path = tmp_path_factory.mktemp('page') / 'explorer.html'
  path.write_text(explorer_page.html(data), encoding='utf-8')
  return path.as_uri()


@pytest.fixture(params=(1280, 360))
def page(browser, url, request):
  with open_page(browser, url, request.param) as page:
    page.set_default_timeout(8000)
    yield page
    assert not overflows(page)


def _count(page) -> str:
  return page.locator('#count').inner_text()


def _search(page, text: str, expected: str) -> None:
  page.fill('#query', text)
  page.wait_for_function(
    'text => document.getElementById("count").textContent.includes(text)',
    arg=expected,
  )


def _open(page, part: str) -> None:
  if not page.locator('#list').get_attribute('open') == '':
    page.click('#list summary')
  page.click(f'#datasets a:has-text("{part}")')
  page.wait_for_function('p => location.hash.startsWith("#" + p)', arg=part)


def test_the_file_needs_nothing_else_and_keeps_its_texts(data):
  text = explorer_page.html(data)
  assert text == explorer_page.html(data)
  assert not re.search(
    r'<(script|img|iframe|link)[^>]+(src|href)="(?!data:)', text
  )
  (embedded,) = re.findall(
    r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL
  )
  assert json.loads(embedded) == data


def test_every_text_is_stored_once(data):
  for part in data['parts']:
    texts = part.get('texts', [])
    assert len(texts) == len(set(texts))


def test_search_and_filters(page):
  templates = _count(page)
  assert templates == '41 templates in 4 datasets'
  _search(page, 'premise hypothesis', '10 templates in 1 dataset')
  _search(page, 'Words 10: CAT', '1 template in 1 dataset')
  assert page.locator('#datasets a').count() == 1
  _search(page, 'no such words', 'No template matches')
  page.focus('#query')
  page.keyboard.press('Escape')
  assert _count(page) == templates
  page.select_option('#cluster', 'translation')
  assert _count(page) == '10 templates in 1 dataset'
  page.select_option('#cluster', '')
  page.select_option('#answer', 'free text')
  assert _count(page) == '20 templates in 2 datasets'
  page.select_option('#answer', '')
  page.select_option('#kind', 'inverted')
  assert _count(page) == '3 templates in 2 datasets'
  page.select_option('#kind', '')
  # It uses one template of each dataset.
  page.select_option('#mixture', 'flan_tasks_4_templates_1')
  assert _count(page) == '1 template in 1 dataset'


def test_templates_formats_and_rows(page):
  _open(page, 'copa')
  page.click('role=tab[name="t3"]')
  prompt = page.locator('.prompt')
  assert prompt.inner_text().count('Words 3: a <b>cat</b> no. 0 </script>') == 1
  options = page.get_by_role('group', name='Options, part of the prompt')
  assert '- it slept' in options.inner_text()
  assert options.locator('.right').inner_text().startswith('- it slept')
  assert 'it slept' in page.get_by_role('group', name='Target').inner_text()
  page.get_by_role('radio', name='2').check()
  assert 'no. 1' in prompt.inner_text()
  assert 'input shortened' in page.locator('#panel').inner_text()
  page.get_by_role('radio', name='Few-shot').check()
  assert 'a dog' in prompt.inner_text() and 'no. 1' in prompt.inner_text()
  assert page.locator('h3', has_text='copa.t3.2shot').count() == 1
  assert page.url.endswith('#copa/t3/2/fewshot')
  for name in ('Plain', 'Named'):
    page.get_by_role('radio', name=name).check()
    assert page.locator('[role=tab]').count() == 1
    assert page.locator(f'h3:has-text("copa.t0.{name.lower()}")').count() == 1


def test_addresses_open_a_row(page):
  page.evaluate('location.hash = "#math_dataset/t4/2/fewshot"')
  page.wait_for_selector('h3:has-text("math_dataset.t4.2shot")')
  assert page.locator('input[name=row]:checked').input_value() == '1'
  page.evaluate('location.hash = "#rte/t99/7"')
  page.wait_for_selector('h3:has-text("rte.t9")')
  assert 'flan-jax prepare rte' in page.locator('#panel').inner_text()


def test_mixtures_and_rates(page):
  _open(page, 'copa')
  page.click('summary:has-text("mixtures, rate 350")')
  row = page.locator('tr:has(th:text-is("flan_all"))')
  assert row.locator('td').all_inner_texts() == [
    'trains',
    '350',
    '0.20 %',
    'all',
  ]
  row = page.locator('tr:has(th:text-is("flan_eval_commonsense"))')
  assert row.locator('td').first.inner_text() == 'evaluates'


def test_copying(page):
  page.context.grant_permissions(['clipboard-read', 'clipboard-write'])
  _open(page, 'copa')
  page.click('role=tab[name="t2"]')
  page.get_by_role('radio', name='Few-shot').check()
  page.click('#copy')
  page.wait_for_selector('text=Copied')
  assert page.locator('#said').inner_text() == 'Prompt copied'
  assert page.evaluate('navigator.clipboard.readText()') == (
    'Words 2: a dog\nit ran\n\n'
    'Words 2: a <b>cat</b> no. 0 </script>\nOptions:\n- it ran\n- it slept'
  )


def test_keys_alone(page):
  page.context.grant_permissions(['clipboard-read', 'clipboard-write'])
  press = page.keyboard.press
  press('/')
  page.keyboard.type('translation')
  page.wait_for_function('document.querySelectorAll("#datasets a").length == 1')
  press('ArrowDown')
  press('Enter')
  page.wait_for_function('document.activeElement.textContent == "wmt14_enfr"')
  for _ in range(20):
    press('Tab')
    if page.evaluate('document.activeElement.role') == 'tab':
      break
  press('ArrowRight')
  press('ArrowRight')
  assert page.evaluate('location.hash') == '#wmt14_enfr/t2/1'
  assert page.evaluate('document.activeElement.id') == 'tab-2'
  press('Tab')
  press('ArrowRight')  # The second row.
  assert page.evaluate('location.hash') == '#wmt14_enfr/t2/2'
  press('Tab')
  press('Enter')
  page.wait_for_selector('text=Copied')
  copied = page.evaluate('navigator.clipboard.readText()')
  assert copied == 'Words 2: a <b>cat</b> no. 1 </script>'
  press('Shift+Tab')
  press('ArrowLeft')  # The first row.
  press('c')
  page.wait_for_selector('text=Copied')
  copied = page.evaluate('navigator.clipboard.readText()')
  assert copied == 'Words 2: a <b>cat</b> no. 0 </script>'
  press('Escape')
  assert page.evaluate('document.activeElement.textContent').startswith('wmt14')


def test_dark_colours_last(browser, url):
  with open_page(browser, url) as page:
    paper = 'getComputedStyle(document.body).backgroundColor'
    light = page.evaluate(paper)
    page.click('#theme')
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    assert page.evaluate(paper) == dark
    page.click('#theme')
    page.emulate_media(color_scheme='dark')
    assert page.evaluate(paper) == light  # The reader's choice goes first.


def test_the_colours_of_the_system_are_followed(browser, url):
  with open_page(browser, url) as page:
    page.emulate_media(color_scheme='dark')
    page.wait_for_selector('html[data-theme=dark]', state='attached')


def test_screen_readers_and_contrast(browser, url):
  axe = pytest.importorskip('axe_playwright_python.sync_playwright')
  with open_page(browser, f'{url}#copa/t1/1/fewshot') as page:
    page.click('summary:has-text("mixtures")')
    for theme in ('light', 'dark'):
      page.emulate_media(color_scheme=theme)
      page.wait_for_selector(f'html[data-theme={theme}]', state='attached')
      found = axe.Axe().run(page)
      assert not found.response['violations'], found.generate_report()
