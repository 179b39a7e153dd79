"""Prompts of hand-written rows, one or more for each class of a dataset.

The rows are clear cases of their class, so swapped labels are easy to see.
"""

import numpy as np
import pytest

from flan_jax.definitions import registry
from flan_jax.testing.declarations import assert_dataset
from tests.tasks.tfds_features import class_names

registry.load()

# Part, class name in the builder, raw row, template, prompt, target.
_CASES = [
  (
    'anli_r1',
    'e',
    {
      'context': 'The Ostra Canal was dug between 1871 and 1874.',
      'hypothesis': 'Digging the canal took years.',
    },
    3,
    'Context: The Ostra Canal was dug between 1871 and 1874.\n'
    'Statement: Digging the canal took years.\n'
    'True, given the context?\n'
    'Options:\n'
    '- no\n'
    '- it is impossible to tell\n'
    '- yes',
    'yes',
  ),
  (
    'anli_r1',
    'n',
    {
      'context': 'The Ostra Canal was dug between 1871 and 1874.',
      'hypothesis': 'The canal is lined with oak trees.',
    },
    0,
    'The Ostra Canal was dug between 1871 and 1874.\n'
    '\n'
    'Given what this passage says, is the statement below true?\n'
    'The canal is lined with oak trees.\n'
    '\n'
    'Options:\n'
    '- yes\n'
    '- it is impossible to tell\n'
    '- no',
    'it is impossible to tell',
  ),
  (
    'anli_r1',
    'c',
    {
      'context': 'The Ostra Canal was dug between 1871 and 1874.',
      'hypothesis': 'The canal was finished in 1890.',
    },
    0,
    'The Ostra Canal was dug between 1871 and 1874.\n'
    '\n'
    'Given what this passage says, is the statement below true?\n'
    'The canal was finished in 1890.\n'
    '\n'
    'Options:\n'
    '- yes\n'
    '- it is impossible to tell\n'
    '- no',
    'no',
  ),
  (
    'cb',
    'entailment',
    {
      'premise': 'A: Did you know that the library has closed? B: Yes, I did.',
      'hypothesis': 'the library has closed',
    },
    3,
    'A: Did you know that the library has closed? B: Yes, I did.\n'
    '\n'
    'These words are all we have. On that evidence, is it the case that "the '
    'library has closed"?\n'
    '\n'
    'Options:\n'
    '- no\n'
    '- it is impossible to tell\n'
    '- yes',
    'yes',
  ),
  (
    'cb',
    'contradiction',
    {
      'premise': 'I was wrong to think that the library had closed.',
      'hypothesis': 'the library had closed',
    },
    0,
    'I was wrong to think that the library had closed.\n'
    '\n'
    'Taking the speaker or narrator at their word, is this so?\n'
    'the library had closed\n'
    'Options:\n'
    '- yes\n'
    '- it is impossible to tell\n'
    '- no',
    'no',
  ),
  (
    'cb',
    'neutral',
    {
      'premise': 'Do you think that the library has closed?',
      'hypothesis': 'the library has closed',
    },
    0,
    'Do you think that the library has closed?\n'
    '\n'
    'Taking the speaker or narrator at their word, is this so?\n'
    'the library has closed\n'
    'Options:\n'
    '- yes\n'
    '- it is impossible to tell\n'
    '- no',
    'it is impossible to tell',
  ),
  (
    'mnli_matched',
    'entailment',
    {'premise': 'All three lamps were lit.', 'hypothesis': 'A lamp was lit.'},
    3,
    'Compare two remarks, A and B. Choose "no" when B must be false because of '
    'A, "yes" when B must be true because of A, and "it is impossible to tell" '
    'when A settles nothing about B.\n'
    '\n'
    'A: All three lamps were lit.\n'
    'B: A lamp was lit.\n'
    '\n'
    'Options:\n'
    '- no\n'
    '- it is impossible to tell\n'
    '- yes',
    'yes',
  ),
  (
    'mnli_matched',
    'neutral',
    {
      'premise': 'All three lamps were lit.',
      'hypothesis': 'Ann lit the lamps.',
    },
    0,
    'Assume that this is the case:\n'
    'All three lamps were lit.\n'
    '\n'
    'Is it then true to say "Ann lit the lamps."?\n'
    'Options:\n'
    '- yes\n'
    '- it is impossible to tell\n'
    '- no',
    'it is impossible to tell',
  ),
  (
    'mnli_matched',
    'contradiction',
    {
      'premise': 'All three lamps were lit.',
      'hypothesis': 'It was dark, for no lamp burned.',
    },
    0,
    'Assume that this is the case:\n'
    'All three lamps were lit.\n'
    '\n'
    'Is it then true to say "It was dark, for no lamp burned."?\n'
    'Options:\n'
    '- yes\n'
    '- it is impossible to tell\n'
    '- no',
    'no',
  ),
  (
    'qnli',
    'entailment',
    {
      'question': 'When was the mill built?',
      'sentence': 'The mill was built in 1802.',
    },
    3,
    'You are sorting sources for readers. Mark a source "yes" if the reader\'s '
    'question can be answered from it alone, and "no" if something essential '
    'is missing.\n'
    '\n'
    'Source: The mill was built in 1802.\n'
    'Reader: When was the mill built?\n'
    '\n'
    'Options:\n'
    '- no\n'
    '- yes',
    'yes',
  ),
  (
    'qnli',
    'not_entailment',
    {
      'question': 'When was the mill built?',
      'sentence': 'The mill stands by a river.',
    },
    0,
    'When was the mill built?\n'
    '\n'
    'Is the answer to this question found in the sentence below?\n'
    'The mill stands by a river.\n'
    'Options:\n'
    '- yes\n'
    '- no',
    'no',
  ),
  (
    'rte',
    'entailment',
    {
      'premise': 'Dr. Moe sold her bakery in Riva last May.',
      'hypothesis': 'Dr. Moe owned a bakery.',
    },
    3,
    'An editor has reduced an article to a single line:\n'
    'Dr. Moe owned a bakery.\n'
    '\n'
    'This is the article:\n'
    'Dr. Moe sold her bakery in Riva last May.\n'
    '\n'
    'Is the line fully backed up by it?\n'
    'Options:\n'
    '- no\n'
    '- yes',
    'yes',
  ),
  (
    'rte',
    'not_entailment',
    {
      'premise': 'Dr. Moe sold her bakery in Riva last May.',
      'hypothesis': 'Dr. Moe lives in Riva.',
    },
    0,
    'Dr. Moe sold her bakery in Riva last May.\n'
    '\n'
    'Going by the text above, does it follow that "Dr. Moe lives in Riva."?\n'
    'Options:\n'
    '- yes\n'
    '- no',
    'no',
  ),
  (
    'snli',
    'entailment',
    {'premise': 'A boy kicks a ball.', 'hypothesis': 'A child plays.'},
    3,
    'You cannot see the image, but you have its caption. Decide about the '
    'second line: "it is impossible to tell" if the caption is silent on it, '
    '"yes" if the caption makes it true, "no" if it cannot be true of the same '
    'image.\n'
    '\n'
    'A boy kicks a ball.\n'
    'A child plays.\n'
    '\n'
    'Options:\n'
    '- no\n'
    '- it is impossible to tell\n'
    '- yes',
    'yes',
  ),
  (
    'snli',
    'neutral',
    {'premise': 'A boy kicks a ball.', 'hypothesis': 'A boy scores a goal.'},
    0,
    'A photograph shows this scene:\n'
    'A boy kicks a ball.\n'
    '\n'
    'Is the sentence below a true description of the photograph?\n'
    'A boy scores a goal.\n'
    'Options:\n'
    '- yes\n'
    '- it is impossible to tell\n'
    '- no',
    'it is impossible to tell',
  ),
  (
    'snli',
    'contradiction',
    {'premise': 'A boy kicks a ball.', 'hypothesis': 'A boy sleeps.'},
    0,
    'A photograph shows this scene:\n'
    'A boy kicks a ball.\n'
    '\n'
    'Is the sentence below a true description of the photograph?\n'
    'A boy sleeps.\n'
    'Options:\n'
    '- yes\n'
    '- it is impossible to tell\n'
    '- no',
    'no',
  ),
  (
    'wnli',
    'entailment',
    {
      'sentence1': 'The vase fell off the shelf because it was unstable.',
      'sentence2': 'The shelf was unstable.',
    },
    3,
    'A friend of mine read this: "The vase fell off the shelf because it was '
    'unstable."\n'
    'My friend understood it as follows: "The shelf was unstable."\n'
    '\n'
    'Did my friend get the meaning right?\n'
    'Options:\n'
    '- yes\n'
    '- no',
    'yes',
  ),
  (
    'wnli',
    'not_entailment',
    {
      'sentence1': 'The cup did not fit into the box because it was too small.',
      'sentence2': 'The cup was too small.',
    },
    0,
    'The cup did not fit into the box because it was too small.\n'
    'Does the next sentence follow from that one?\n'
    'The cup was too small.\n'
    'Options:\n'
    '- no\n'
    '- yes',
    'no',
  ),
  (
    'imdb_reviews',
    'neg',
    {'text': 'Dull.<br /><br />I left early.'},
    3,
    'Decide whether the opinion below is negative or positive. If it praises '
    'some things and criticises others, go by what matters more to its '
    'author.\n'
    '\n'
    '"Dull.\n'
    'I left early."\n'
    'Options:\n'
    '- positive\n'
    '- negative',
    'negative',
  ),
  (
    'imdb_reviews',
    'pos',
    {'text': 'A joy from start to end.'},
    0,
    'A joy from start to end.\n'
    '\n'
    "On the whole, what is this viewer's opinion of the film?\n"
    'Options:\n'
    '- negative\n'
    '- positive',
    'positive',
  ),
  (
    'sst2',
    'negative',
    {'sentence': 'a tedious mess .'},
    3,
    'One passage was taken from a review of a film. It may be a whole sentence '
    'or just part of one. Judge the impression that it leaves.\n'
    '\n'
    'a tedious mess.\n'
    '\n'
    'Options:\n'
    '- positive\n'
    '- negative',
    'negative',
  ),
  (
    'sst2',
    'positive',
    {'sentence': 'warm and witty .'},
    0,
    'A critic writes: warm and witty.\n'
    '\n'
    'Is the critic being negative or positive?\n'
    'Options:\n'
    '- negative\n'
    '- positive',
    'positive',
  ),
  (
    'yelp_polarity_reviews',
    '1',
    {'text': 'Cold soup.\\nNever again.'},
    3,
    'A guest has left a comment:\n'
    '\n'
    '"Cold soup.\n'
    'Never again."\n'
    '\n'
    'The experience that it describes was\n'
    'Options:\n'
    '- positive\n'
    '- negative',
    'negative',
  ),
  (
    'yelp_polarity_reviews',
    '2',
    {'text': 'Best \\"soup\\" in town.'},
    0,
    'Best "soup" in town.\n'
    '\n'
    'Was this a positive or a negative experience for the customer?\n'
    'Options:\n'
    '- negative\n'
    '- positive',
    'positive',
  ),
  (
    'glue_mrpc',
    'not_equivalent',
    {
      'sentence1': 'The firm sold 12 ships .',
      'sentence2': 'The firm built 12 ships .',
    },
    3,
    'Sentence A: The firm sold 12 ships.\n'
    'Sentence B: The firm built 12 ships.\n'
    'Equivalent:\n'
    'Options:\n'
    '- yes\n'
    '- no',
    'no',
  ),
  (
    'glue_mrpc',
    'equivalent',
    {
      'sentence1': 'The firm sold 12 ships .',
      'sentence2': 'Twelve ships were sold by the firm .',
    },
    0,
    'Two news agencies published these sentences:\n'
    'The firm sold 12 ships.\n'
    'Twelve ships were sold by the firm.\n'
    '\n'
    'Do both report essentially the same news?\n'
    'Options:\n'
    '- no\n'
    '- yes',
    'yes',
  ),
  (
    'glue_qqp',
    'not_duplicate',
    {'question1': 'How do I boil rice?', 'question2': 'How do I store rice?'},
    3,
    'I typed "How do I boil rice?" and the site suggested that I look at "How '
    'do I store rice?" instead. Is that what I wanted to know?\n'
    'Options:\n'
    '- yes\n'
    '- no',
    'no',
  ),
  (
    'glue_qqp',
    'duplicate',
    {
      'question1': 'How do I boil rice?',
      'question2': 'What is the way to cook rice in water?',
    },
    0,
    'How do I boil rice?\n'
    'What is the way to cook rice in water?\n'
    '\n'
    'Would one answer satisfy both of these questions?\n'
    'Options:\n'
    '- no\n'
    '- yes',
    'yes',
  ),
  (
    'paws_wiki',
    'different_meaning',
    {'sentence1': 'Ann followed Bea .', 'sentence2': 'Bea followed Ann .'},
    3,
    'Watch out for words that have changed places. If the first text is '
    'true, is the second true as well, and vice versa?\n'
    '\n'
    'Ann followed Bea.\n'
    '\n'
    'Bea followed Ann.\n'
    '\n'
    'Options:\n'
    '- yes\n'
    '- no',
    'no',
  ),
  (
    'paws_wiki',
    'paraphrase',
    {
      'sentence1': 'In 1900 Ann moved to Riva .',
      'sentence2': 'Ann moved to Riva in 1900 .',
    },
    0,
    'These two sentences use nearly the same words.\n'
    '\n'
    'In 1900 Ann moved to Riva.\n'
    'Ann moved to Riva in 1900.\n'
    '\n'
    'Do they also describe the same state of affairs?\n'
    'Options:\n'
    '- no\n'
    '- yes',
    'yes',
  ),
]


@pytest.mark.parametrize(
  'name, class_name, row, template, prompt, target',
  _CASES,
  ids=[f'{case[0]}-{case[1]}' for case in _CASES],
)
def test_row(name, class_name, row, template, prompt, target):
  source = registry.find_part(name)[1].source
  names = class_names(source)
  row = {**row, 'label': names.index(class_name)}
  assert_dataset(name, row, template, prompt, target, class_names=names)


@pytest.mark.parametrize('polarity, target', [(0, 'negative'), (4, 'positive')])
def test_sentiment140_reads_the_polarity(polarity, target):
  assert_dataset(
    'sentiment140',
    {'text': 'so tired of  rain', 'polarity': polarity},
    template=2,
    prompt='Message: so tired of rain\nSentiment:\n'
    'Options:\n- negative\n- positive',
    target=target,
  )


@pytest.mark.parametrize('score, target', [(0.4, '0'), (2.5, '3'), (5.0, '5')])
def test_stsb_rounds_halves_up(score, target):
  assert_dataset(
    'stsb',
    {
      'sentence1': 'A dog runs.',
      'sentence2': 'A dog is running.',
      'label': np.float32(score),
    },
    template=2,
    prompt='First: A dog runs.\nSecond: A dog is running.\n'
    'Semantic similarity (0 to 5):\n'
    'Options:\n- 0\n- 1\n- 2\n- 3\n- 4\n- 5',
    target=target,
  )
