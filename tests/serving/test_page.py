"""The page answers, compares, is shared, and works without a mouse."""

from collections.abc import Iterator
import re

import pytest

from flan_jax.serving.app import make_app
from tests.browser import open_page, overflows
from tests.serving import tiny_server
from tests.serving.listening import listening

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def address(rows) -> Iterator[str]:
  app = make_app(tiny_server.engine(), rows)
  with listening(app) as address:
    yield address


def _expect(what):
  """Waits for what a test expects; Playwright may be absent until a browser."""
  from playwright.sync_api import expect

  return expect(what)


def _wait_for_row(page):
  _expect(page.locator('#prompt')).not_to_have_value('')


def _wait_for_answers(page):
  _expect(page.locator('#status')).to_have_text('Answered.', timeout=30_000)


def _answers(page):
  return page.locator('.answer pre').all_inner_texts()


def test_two_models_answer_a_row_and_rank_its_options(browser, address):
  with open_page(browser, address) as page:
    _wait_for_row(page)
    page.select_option('#dataset', 'rte')
    page.select_option('#template', '2')
    page.click('#next')
    _expect(page).to_have_url(re.compile('row=1'))
    page.click('#ask')
    _wait_for_answers(page)
    assert page.locator('.answer h2').all_inner_texts() == ['first', 'second']
    one, other = _answers(page)
    assert one and other and one != other
    bars = page.locator('.answer progress')
    values = bars.evaluate_all('found => found.map(x => x.value)')
    assert len(values) == 4
    assert sum(values[:2]) == pytest.approx(1)
    assert page.locator('.correct').count() == 2
    # The link leads to the same row and the same answers.
    with open_page(browser, page.url) as copy:
      prompt = page.input_value('#prompt')
      _expect(copy.locator('#prompt')).to_have_value(prompt)
      assert copy.input_value('#template') == '2'
      copy.click('#ask')
      _wait_for_answers(copy)
      assert _answers(copy) == [one, other]


def test_an_answer_appears_in_pieces(browser, address):
  with open_page(browser, address) as page:
    _wait_for_row(page)
    page.fill('#prompt', 'Write about a horse.')
    page.fill('#options', '')
    page.fill('#max_tokens', '64')
    page.select_option('#other', '')
    page.evaluate(
      """() => {
        window.lengths = [];
        new MutationObserver(() => {
          const text = document.querySelector('.answer pre');
          if (text) window.lengths.push(text.textContent.length);
        }).observe(document.body, {childList: true, subtree: true,
                                   characterData: true});
      }"""
    )
    page.click('#ask')
    _wait_for_answers(page)
    assert len(set(page.evaluate('window.lengths'))) > 3
    assert page.locator('.answer').count() == 1
    assert 'prompt=Write+about+a+horse' in page.url


def test_the_keyboard_suffices(browser, address):
  with open_page(browser, address) as page:
    _wait_for_row(page)
    reached = []
    for _ in range(20):
      page.keyboard.press('Tab')
      reached.append(page.evaluate('document.activeElement.id'))
    for name in (
      'dataset',
      'row',
      'prompt',
      'options',
      'model',
      'ask',
      'share',
    ):
      assert name in reached
    page.focus('#prompt')
    page.keyboard.press('Control+A')
    page.keyboard.type('Say yes.')
    page.keyboard.press('Control+Enter')
    _wait_for_answers(page)
    assert all(_answers(page))
    assert page.evaluate('document.activeElement.id') == 'prompt'


def test_an_error_of_the_server_is_shown(browser, address):
  # The console of the browser reports the failed request too.
  with pytest.raises(AssertionError, match='400'):
    with open_page(browser, address) as page:
      _wait_for_row(page)
      page.fill('#prompt', 'horse ' * 1000)
      page.click('#ask')
      error = page.locator('#error')
      _expect(error).to_contain_text('must not exceed')
      shown = error.inner_text()
  assert shown.startswith('Error: the prompt has')


@pytest.mark.parametrize(('width', 'scheme'), [(1280, 'light'), (360, 'dark')])
def test_the_page_fits_and_is_accessible(browser, address, width, scheme):
  axe = pytest.importorskip('axe_playwright_python.sync_playwright')
  with open_page(browser, address, width) as page:
    page.emulate_media(color_scheme=scheme)
    _wait_for_row(page)
    page.click('#ask')
    _wait_for_answers(page)
    assert not overflows(page)
    page.wait_for_selector('.answer progress')
    found = axe.Axe().run(page)
    problems = [v['id'] for v in found.response['violations']]
    assert not problems, problems
