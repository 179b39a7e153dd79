"""A fence that does not run, and does not say why, is found."""

import pytest

pytest.importorskip('sybil')

from tests.docs.fences import Page


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('```sh\npip install x\n```', 'a test cannot run this'),
    ('```\nx\n```', 'a fence of no language'),
    ('<!-- not run: -->\n```sh\npip install x\n```', 'not run of what'),
    ('<!-- not run: slow -->\n\nWords.', 'no fence follows'),
    # Not run, and yet wrong.
    ('<!-- not run: slow -->\n```sh\nflan-jax inspect --row=1\n```', '--row'),
    (
      '<!-- not run: slow -->\n```sh\n'
      'flan-jax train --gin_file=runs/train.gin --gin.TRAIN_STEP=1 …\n```',
      'TRAIN_STEP',
    ),
    ('<!-- not run: slow -->\n```python\nx = (\n```', 'never closed'),
    ('```python\nx = 1\n```\n\n```python\nassert x == 2\n```', None),
    ('```json\n{"a": 1,}\n```', 'JSON|property name|trailing'),
  ],
)
def test_a_bad_fence_fails(text, message, own_folder, cli):
  page = own_folder / 'page.md'
  page.write_text(f'# Page\n\n{text}\n')
  with pytest.raises(Exception, match=message):
    Page(page, cli).run()


def test_a_good_page_passes(own_folder, cli):
  page = own_folder / 'page.md'
  page.write_text(
    '# Page\n\n<!-- file: a.txt -->\n```text\nabc\n```\n\n'
    '```sh\ncp a.txt b.txt && cat b.txt > c.txt  # a comment\n```\n\n'
    "```python\nassert open('c.txt').read() == 'abc\\n'\n```\n\n"
    '<!-- not run: slow -->\n```sh\npip install x\n```\n'
  )
  Page(page, cli).run()
