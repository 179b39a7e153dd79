"""Field functions shared by several clusters."""

from flan_jax.tasks import misc, summarization
import pytest

from flan_jax.testing.declarations import render_row


def _email(body):
  return {'email_body': body, 'subject_line': 'Trip'}


def _chat(dialogue):
  return {'id': '1', 'dialogue': dialogue, 'summary': 'They talk.'}


def _questions(text):
  return {
    'story': 'Ann rowed.',
    'questions': [text],
    'answers': {'input_text': ['Ann']},
  }


@pytest.mark.parametrize(
  'part, row',
  [
    (summarization.AESLC, _email),
    (summarization.SAMSUM, _chat),
    (misc.COQA, _questions),
  ],
  ids=lambda value: getattr(value, 'name', ''),
)
def test_an_inverted_template_does_not_ask_for_a_text_that_would_be_cut(
  part, row
):
  assert 9 in render_row(part, row('Who rowed? ' * 40))
  assert set(range(9)) == set(render_row(part, row('Who rowed? ' * 50)))
