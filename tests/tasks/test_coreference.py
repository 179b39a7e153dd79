"""Prompts of hand-written rows of the coreference datasets."""

from flan_jax.tasks import coreference
import pytest

from flan_jax.definitions import registry
from flan_jax.testing.declarations import assert_dataset
from tests.tasks.tfds_features import class_names

registry.load()

_MARKED = coreference.WSC.fields['text']


@pytest.mark.parametrize(
  'sentence, label, target',
  [
    ('Ann paid Bea because she owed her ten crowns.', 0, 'Ann'),
    ('Ann paid Bea because she had done the work.', 1, 'Bea'),
  ],
)
def test_definite_pronoun_resolution(sentence, label, target):
  assert_dataset(
    'definite_pronoun_resolution',
    {
      'sentence': sentence,
      'pronoun': 'she',
      'candidates': ['Ann', 'Bea'],
      'label': label,
    },
    template=1,
    prompt=f'Sentence: {sentence}\nPronoun: she\nStands for:\n'
    'Options:\n- Ann\n- Bea',
    target=target,
  )


@pytest.mark.parametrize(
  'sentence, label, target',
  [
    ('The cup broke on the stone, as the _ was thin.', 0, 'cup'),
    ("The cup broke on Ann 's stone, as the  _  was hard .", 1, 'stone'),
  ],
)
def test_winogrande_shows_the_gap(sentence, label, target):
  tidy = sentence.replace("Ann 's", "Ann's").replace('hard .', 'hard.')
  tidy = tidy.replace('  ', ' ')
  assert_dataset(
    'winogrande',
    {
      'sentence': sentence,
      'option1': 'cup',
      'option2': 'stone',
      'label': label,
    },
    template=4,
    prompt=f'Incomplete: {tidy}\nMissing:\nOptions:\n- cup\n- stone',
    target=target,
  )


@pytest.mark.parametrize(
  'text, index, pronoun, marked, candidate, target',
  [
    (
      'Tom hit Ray because he was angry, so he fled.',
      4,
      'he',
      'Tom hit Ray because *he* was angry, so he fled.',
      'Tom',
      'yes',
    ),
    (
      'Tom hit Ray because he was angry, so he fled.',
      8,
      'he',
      'Tom hit Ray because he was angry, so *he* fled.',
      'Tom',
      'no',
    ),
    (
      'The axe split the log because it was rotten.',
      6,
      'it',
      'The axe split the log because *it* was rotten.',
      'the log',
      'yes',
    ),
    (
      'The axe split the log because it was rotten.',
      6,
      'it',
      'The axe split the log because *it* was rotten.',
      'The axe',
      'no',
    ),
    (
      'Ann told Bea the news. "She wept," said Ann.',
      5,
      'She',
      'Ann told Bea the news. "*She* wept," said Ann.',
      'Bea',
      'yes',
    ),
    (
      'Ann told Bea the news. "She wept," said Ann.',
      5,
      'She',
      'Ann told Bea the news. "*She* wept," said Ann.',
      'Ann',
      'no',
    ),
  ],
)
def test_wsc(text, index, pronoun, marked, candidate, target):
  names = class_names('super_glue/wsc:1.0.2')
  assert_dataset(
    'wsc',
    {
      'text': text,
      'span1_text': candidate,
      'span2_text': pronoun,
      'span2_index': index,
      'label': names.index(str(target == 'yes')),
    },
    template=1,
    prompt=f'Text: {marked}\nPronoun: *{pronoun}*\nCandidate: {candidate}\n'
    'Match:\nOptions:\n- yes\n- no',
    target=target,
    class_names=names,
  )


@pytest.mark.parametrize(
  'text, index, pronoun, expected',
  [
    # The index is off by one in rows with detached punctuation.
    (
      "It fell on Ann 's toe , so it hurt .",
      6,
      'it',
      "It fell on Ann's toe, so *it* hurt.",
    ),
    ('Here it is: it’s mine', 3, 'IT', 'Here it is: *it*’s mine'),
    ('Nobody is meant.', 9, 'she', 'Nobody is meant.'),
  ],
)
def test_wsc_marks_the_nearest_occurrence(text, index, pronoun, expected):
  row = {'text': text, 'span2_text': pronoun, 'span2_index': index}
  assert _MARKED(row).numpy().decode() == expected


@pytest.mark.parametrize(
  'text, pronoun, names, label, beginning, endings',
  [
    (
      'Zoë fed the cat because it was hungry.',
      'it',
      ('Zoë', 'the cat'),
      1,
      'Zoë fed the cat because',
      ('Zoë was hungry.', 'the cat was hungry.'),
    ),
    (
      'Tom carried Ray in his arms.',
      'his',
      ('Tom', "Ray's"),
      0,
      'Tom carried Ray in',
      ("Tom's arms.", "Ray's arms."),
    ),
    (
      'Ann woke Bea with her song.',
      'her',
      ('Ann', 'Bea'),
      0,
      'Ann woke Bea with',
      ("Ann's song.", "Bea's song."),
    ),
    (
      'Ann met Bea and told her that Ann was ill.',
      'her',
      ('Ann', 'Bea'),
      1,
      'Ann met Bea and told',
      ('Ann that Ann was ill.', 'Bea that Ann was ill.'),
    ),
    (
      'When Ann met Bea, Ann hugged her.',
      'her',
      ('Ann', 'Bea'),
      1,
      'When Ann met Bea, Ann hugged',
      ('Ann.', 'Bea.'),
    ),
  ],
)
def test_wsc273_is_completion(text, pronoun, names, label, beginning, endings):
  start = text.index(f' {pronoun}') + 1
  assert_dataset(
    'wsc273',
    {
      'text': text,
      'pronoun_text': pronoun,
      'pronoun_start': start,
      'pronoun_end': start + len(pronoun),
      'option1_normalized': names[0],
      'option2_normalized': names[1],
      'label': label,
    },
    template=3,
    prompt=f'Finish: {beginning}\nOptions:\n- {endings[0]}\n- {endings[1]}',
    target=endings[label],
  )


def test_wsc273_is_only_evaluated():
  # The published code has it in no cluster.
  dataset, part = registry.find_part('wsc273')
  assert dataset.cluster == 'coreference'
  assert part.evaluates and not part.trains
  assert registry.find_part('wsc')[1].trains
