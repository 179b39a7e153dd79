"""The page of a report in a browser."""

import pytest

from flan_jax.report.report_files import write_report
from tests.browser import open_page, overflows

_WIDTHS = (1280, 360)


@pytest.fixture(scope='module')
def url(document, tmp_path_factory) -> str:
  return write_report(tmp_path_factory.mktemp('report'), document).as_uri()


@pytest.mark.parametrize('width', _WIDTHS)
def test_every_figure_is_there_and_nothing_overflows(
  browser, url, document, width
):
  with open_page(browser, url, width) as page:
    assert not overflows(page)
    boxes = page.locator('figure svg')
    assert boxes.count() == len(document.figures) > 4
    for number in range(boxes.count()):
      box = boxes.nth(number).bounding_box()
      assert box['width'] > 300 and box['height'] > 60
    # What is wider than the page scrolls inside its box.
    page.locator('details').evaluate_all('all => all.map(d => d.open = true)')
    assert not overflows(page)


def test_examples_are_searched(browser, url):
  with open_page(browser, url) as page:
    shown = page.locator('.card:visible')
    count = page.locator('#count')
    assert shown.count() == 3 and count.inner_text() == '3 of 3 examples'
    page.get_by_label('Search').fill('REST? premise 1:')
    assert shown.count() == 1 and count.inner_text() == '1 of 3 examples'
    assert shown.get_attribute('data-outcome') == 'lost'
    page.get_by_label('Search').fill('no such words')
    assert shown.count() == 0 and count.inner_text() == '0 of 3 examples'
    page.get_by_label('Search').fill('')
    page.locator('#outcome').select_option('won')
    assert shown.count() == 1
    page.locator('#part').select_option('rte')
    assert shown.count() == 1
    assert count.get_attribute('aria-live') == 'polite'


def test_an_example_opens_by_the_keyboard(browser, url):
  with open_page(browser, url) as page:
    summary = page.locator('.card summary').first
    summary.focus()
    page.keyboard.press('Enter')
    assert page.locator('.card[open] .answers').is_visible()


def test_the_first_link_skips_the_contents(browser, url):
  with open_page(browser, url) as page:
    page.keyboard.press('Tab')
    assert page.evaluate('document.activeElement.className') == 'skip'
    page.keyboard.press('Enter')
    assert page.evaluate('document.activeElement.id') == 'main'


def test_dark_mode_is_kept(browser, url):
  def paper(page):
    return page.evaluate('getComputedStyle(document.body).backgroundColor')

  def ink(page):
    texts = page.locator('figure svg text')
    return texts.first.evaluate('text => getComputedStyle(text).fill')

  with open_page(browser, url) as page:
    light = paper(page), ink(page)
    button = page.locator('#theme')
    assert button.get_attribute('aria-pressed') == 'false'
    button.click()
    assert button.get_attribute('aria-pressed') == 'true'
    dark = paper(page), ink(page)
    # Text in figures follows, too.
    assert dark[0] != light[0] and dark[1] != light[1]
    page.reload()
    assert (paper(page), ink(page)) == dark
    button.click()
    assert (paper(page), ink(page)) == light


@pytest.mark.slow
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_the_page_is_accessible(browser, url, scheme):
  axe = pytest.importorskip('axe_playwright_python.sync_playwright')
  with open_page(browser, url, 360) as page:
    page.emulate_media(color_scheme=scheme)
    page.locator('details').evaluate_all('all => all.map(d => d.open = true)')
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
