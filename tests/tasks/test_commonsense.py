"""Prompts of hand-written rows of the commonsense datasets."""

from flan_jax.tasks import commonsense
import pytest

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import evaluated
from flan_jax.testing.declarations import assert_dataset, render_row

registry.load()

_CAUSE = {
  'premise': 'The lamp went out.',
  'choice1': 'Its bulb was dusted.',
  'choice2': 'Its bulb had burned through.',
  'question': 'cause',
  'label': 1,
  'idx': 0,
}
_EFFECT = {
  'premise': 'The lamp went out.',
  'choice1': 'The room was dark.',
  'choice2': 'The room was blue.',
  'question': 'effect',
  'label': 0,
  'idx': 1,
}
_ENDINGS = ['sits.', 'waves.', 'sings.', 'sleeps.']
_SCENE = {
  'context': 'A man sees a friend far away. he',
  'endings': _ENDINGS,
  'activity_label': 'Greeting',
  'label': 1,
  'split_type': 'indomain',
  'source_id': 'activitynet~v_0',
}
_GOAL = {
  'id': '0',
  'goal': 'How to  dry wet shoes ',
  'sol1': 'Fill them with water .',
  'sol2': 'Fill them with  newspaper.',
  'label': 1,
}
_STORY = {
  'context': 'Ada lost her key. She searched. It was dark. She felt metal.',
  'endings': ['Ada had found her key.', 'Ada went on searching.'],
  'label': 1,
}

# Part, row, template, prompt, target.
_CASES = [
  (
    'copa',
    _CAUSE,
    0,
    'The lamp went out.\n\nWhat brought this about?\n'
    'Options:\n- Its bulb was dusted.\n- Its bulb had burned through.',
    'Its bulb had burned through.',
  ),
  (
    'copa',
    _EFFECT,
    2,
    'Event: The lamp went out.\nWanted: its likely effect\n'
    'Options:\n- The room was dark.\n- The room was blue.',
    'The room was dark.',
  ),
  (
    'hellaswag',
    _SCENE,
    1,
    'Topic: Greeting\nText: A man sees a friend far away. he\nContinuation:\n'
    'Options:\n- sits.\n- waves.\n- sings.\n- sleeps.',
    'waves.',
  ),
  (
    'hellaswag',
    {**_SCENE, 'activity_label': '', 'label': 3},
    3,
    'How does this continue?\nA man sees a friend far away. he\n\n'
    'Options:\n- sits.\n- waves.\n- sings.\n- sleeps.',
    'sleeps.',
  ),
  (
    'piqa',
    _GOAL,
    4,
    'How-to forum\n\nThread: How to dry wet shoes\nTop comment:\n'
    'Options:\n- Fill them with water.\n- Fill them with newspaper.',
    'Fill them with newspaper.',
  ),
  (
    'piqa',
    {**_GOAL, 'goal': 'cup', 'sol1': 'holds tea', 'sol2': 'cuts', 'label': 0},
    1,
    'cup\nOptions:\n- holds tea\n- cuts',
    'holds tea',
  ),
  (
    'story_cloze',
    _STORY,
    1,
    'Story: Ada lost her key. She searched. It was dark. She felt metal.\n'
    'Last sentence:\n'
    'Options:\n- Ada had found her key.\n- Ada went on searching.',
    'Ada had found her key.',
  ),
  (
    'story_cloze',
    {**_STORY, 'endings': _STORY['endings'][::-1], 'label': 2},
    1,
    'Story: Ada lost her key. She searched. It was dark. She felt metal.\n'
    'Last sentence:\n'
    'Options:\n- Ada went on searching.\n- Ada had found her key.',
    'Ada had found her key.',
  ),
]


@pytest.mark.parametrize('name, row, template, prompt, target', _CASES)
def test_row(name, row, template, prompt, target):
  assert_dataset(name, row, template, prompt, target)


@pytest.mark.parametrize('row', [_CAUSE, _EFFECT])
def test_copa_asks_once_for_the_cause_or_the_effect(row):
  templates = commonsense.COPA.templates
  for index in evaluated(templates):
    shown = set(templates[index].input_fields()) & {'kind', 'asked', 'lead'}
    assert len(shown) == 1, index
  assert set(render_row(commonsense.COPA, row)) >= set(evaluated(templates))


def test_copa_inverts_causes_and_effects_differently():
  cause = render_row(commonsense.COPA, _CAUSE)
  effect = render_row(commonsense.COPA, _EFFECT)
  assert cause[9] == (
    'Its bulb had burned through.\n\n'
    'What might well have happened because of that?',
    'The lamp went out.',
  )
  assert effect[10] == (
    'Give a probable explanation for the following: The room was dark.',
    'The lamp went out.',
  )
  assert 10 not in cause
  assert 9 not in effect


def test_hellaswag_shows_no_tags_of_how_to_articles():
  row = {
    **_SCENE,
    'context': '[header] How to rest (a bit) [title] Sit down. [step] Say, '
    '" ah " and close your eyes . [title] .',
    'endings': [', the man sits.', '[substeps] Nod. [title] Wake', 'a', 'b..'],
  }
  text = commonsense.HELLASWAG.fields['context'](row).numpy().decode()
  assert text == (
    'How to rest (a bit). Sit down. Say, "ah" and close your eyes.'
  )
  endings = commonsense.HELLASWAG.options(row).numpy().tolist()
  assert endings == [b'the man sits.', b'Nod. Wake', b'a', b'b.']


def test_hellaswag_keeps_quotes_and_ellipses():
  text = 'She says "yes" and "no" to [1] and waits... then'
  row = {**_SCENE, 'context': text}
  assert commonsense.HELLASWAG.fields['context'](row).numpy().decode() == text


@pytest.mark.parametrize(
  'part, row',
  [
    (commonsense.HELLASWAG, {**_SCENE, 'label': -1}),
    (commonsense.HELLASWAG, {**_SCENE, 'endings': ['a', 'b', 'b ', 'c']}),
    (commonsense.PIQA, {**_GOAL, 'sol1': 'Fill them with newspaper .'}),
    (commonsense.PIQA, {**_GOAL, 'sol1': ' '}),
    (commonsense.STORY_CLOZE, {**_STORY, 'label': -1}),
    (commonsense.STORY_CLOZE, {**_STORY, 'label': 0}),
  ],
)
def test_rows_without_one_clear_answer_are_dropped(part, row):
  assert not part.keep(row)


@pytest.mark.parametrize(
  'part, row',
  [
    (commonsense.HELLASWAG, _SCENE),
    (commonsense.PIQA, _GOAL),
    (commonsense.STORY_CLOZE, {**_STORY, 'label': 2}),
  ],
)
def test_labelled_rows_are_kept(part, row):
  assert part.keep(row)


def test_piqa_does_not_ask_for_the_goal_if_it_is_an_object():
  assert {8, 9} <= set(render_row(commonsense.PIQA, _GOAL))
  assert not {8, 9} & set(
    render_row(commonsense.PIQA, {**_GOAL, 'goal': 'cup'})
  )
