"""Pages in headless Chromium, for tests of what people look at.

Tests that use `browser` are skipped where Playwright or Debian's Chromium is
absent. Playwright's own browsers are not downloaded.
"""

from collections.abc import Iterator
import contextlib
import os
import shutil
from typing import Any

import pytest

_CHROMIUM = os.environ.get('FLAN_JAX_CHROMIUM') or shutil.which('chromium')
_FLAGS = (
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
)


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
  """A Chromium that is driven by Playwright's synchronous interface."""
  api = pytest.importorskip('playwright.sync_api')
  if not _CHROMIUM:
    pytest.skip('no Chromium: set FLAN_JAX_CHROMIUM to its program')
  with api.sync_playwright() as playwright:
    started = playwright.chromium.launch(
      executable_path=_CHROMIUM, args=list(_FLAGS)
    )
    yield started
    started.close()


@contextlib.contextmanager
def open_page(browser: Any, url: str, width: int = 1280) -> Iterator[Any]:
  """Opens a page; fails at the end if its console held an error.

  Args:
    browser: What the fixture `browser` gives.
    url: Address of the page, also `file://…`.
    width: Width of the window in pixels.
  """
  context = browser.new_context(viewport={'width': width, 'height': 800})
  page = context.new_page()
  problems = []
  page.on('pageerror', lambda error: problems.append(str(error)))
  page.on(
    'console',
    lambda line: problems.append(line.text) if line.type == 'error' else None,
  )
  try:
    page.goto(url)
    yield page
    assert not problems, problems
  finally:
    context.close()


def overflows(page: Any) -> bool:
  """Tells whether a page is wider than its window."""
  return page.evaluate(
    'document.documentElement.scrollWidth > window.innerWidth'
  )
