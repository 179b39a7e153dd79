"""Paraphrase: 4 datasets that ask whether two texts mean the same."""

from etils import epy
from flan_jax.tasks.fields import tidied, tidy

from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

_NO, _YES = 'no', 'yes'


def _question(text):
  """Removes the published file's quotation marks around and within a text."""
  text = tf.strings.regex_replace(text, r'^"((?:[^"]|"")*)"$', r'\1')
  return tidy(tf.strings.regex_replace(text, '""', '"'))


def _question1(row):
  return _question(row['question1'])


def _question2(row):
  return _question(row['question2'])


def _nearest_score(row):
  """Returns the class of a score: the nearest integer; halves round up."""
  rounded = tf.floor(tf.cast(row['label'], tf.float32) + 0.5)
  return tf.strings.as_string(tf.cast(rounded, tf.int32))


GLUE_MRPC = register(
  Dataset(
    name='glue_mrpc',
    title='Paraphrase detection: MRPC',
    version='1.0.0',
    cluster='paraphrase',
    source='glue/mrpc:2.0.0',
    homepage='https://www.microsoft.com/en-us/download/details.aspx?id=52398',
    licence='not stated',
    splits={
      'train': 'train[:-200]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 3468, 'validation': 200, 'test': 408},
    fields={'sentence1': tidied('sentence1'), 'sentence2': tidied('sentence2')},
    label='label',
    choices={'not_equivalent': _NO, 'equivalent': _YES},
    metrics=('accuracy', 'f1:equivalent'),
    truncatable='sentence1',
    group_key=('sentence1',),
    templates=(
      Template(
        'Two news agencies published these sentences:\n{sentence1}\n{sentence2}'
        '\n\nDo both report essentially the same news?\n{options}'
      ),
      Template(
        'Compare the sentences and decide whether they mean essentially the '
        'same. Small differences in detail do not matter as long as both '
        'report the same event.\n\nFirst: {sentence1}\nSecond: {sentence2}\n\n'
        '{options}'
      ),
      Template(
        '"{sentence1}"\n\nAn editor wants to replace this sentence with:\n\n'
        '"{sentence2}"\n\nApart from minor details, would it still tell '
        'readers the same thing?\n{options}'
      ),
      Template(
        'Sentence A: {sentence1}\nSentence B: {sentence2}\nEquivalent:\n'
        '{options}'
      ),
      Template(
        'Is the second line a paraphrase of the first?\n{sentence1}\n'
        '{sentence2}\n\n{options}'
      ),
      Template(
        '{sentence1}\n\nThat was in the morning paper. The evening paper wrote:'
        '\n{sentence2}\n\nDid the story stay much the same?\n\n{options}'
      ),
      Template(
        'You remove near-duplicates from a news archive. Are these items close '
        'enough in meaning that one of them can be deleted?\n\n* {sentence1}\n'
        '* {sentence2}\n{options}'
      ),
      Template(
        'Quick check, please. A student rephrased the first line as the second:'
        '\n{sentence1}\n{sentence2}\nIs the sense largely kept?\n{options}'
      ),
      Template(
        'Here is a statement from a newspaper.\n\n{sentence1}\n\nIs the '
        'following a fair rewording of it, even if a detail was added or '
        'dropped?\n\n{sentence2}\n\n{options}'
      ),
      Template(
        'Report the same news in other words:\n{sentence1}',
        target='{sentence2}',
        inverted=True,
        only_if=('equivalent',),
      ),
    ),
  )
)

GLUE_QQP = register(
  Dataset(
    name='glue_qqp',
    title='Paraphrase detection: QQP',
    version='1.0.0',
    cluster='paraphrase',
    source='glue/qqp:2.0.0',
    homepage='https://quoradata.quora.com/First-Quora-Dataset-Release-Question-Pairs',
    licence="Quora's terms of service, for non-commercial use",
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 30000, 'validation': 200, 'test': 40430},
    fields={'question1': _question1, 'question2': _question2},
    label='label',
    choices={'not_duplicate': _NO, 'duplicate': _YES},
    metrics=('accuracy', 'f1:duplicate'),
    truncatable='question1',
    group_key=('question1',),
    templates=(
      Template(
        '{question1}\n{question2}\n\nWould one answer satisfy both of these '
        'questions?\n{options}'
      ),
      Template(
        'A forum merges threads that ask for the same thing. Should these two '
        'be merged?\n\nThread 1: {question1}\nThread 2: {question2}\n\n'
        '{options}'
      ),
      Template('Q1: {question1}\nQ2: {question2}\nDuplicates:\n{options}'),
      Template(
        'I typed "{question1}" and the site suggested that I look at '
        '"{question2}" instead. Is that what I wanted to know?\n{options}'
      ),
      Template(
        'Do the following users want to know the same?\n\nUser one: {question1}'
        '\n\nUser two: {question2}\n\n{options}'
      ),
      Template(
        'First someone asks: {question1}\nThen a stranger asks: {question2}\n'
        'Could you simply repeat your reply?\n\n{options}'
      ),
      Template(
        'Judge whether the pair has a single intent. Questions on a related '
        'topic that call for different information do not.\n{question1}\n'
        '{question2}\n{options}'
      ),
      Template(
        'Our help page already covers this: {question1}\n\nA customer now '
        'writes in with: {question2}\n\nDoes the existing entry answer the '
        'customer?\n{options}'
      ),
      Template(
        'Is asking "{question1}" the same as asking "{question2}"?\n\n{options}'
      ),
      Template(
        'How else could somebody ask this?\n\n{question1}',
        target='{question2}',
        inverted=True,
        only_if=('duplicate',),
      ),
    ),
  )
)

PAWS_WIKI = register(
  Dataset(
    name='paws_wiki',
    title='Paraphrase detection: PAWS Wiki',
    version='1.0.0',
    cluster='paraphrase',
    source='paws_wiki/labeled_final_tokenized:1.1.0',
    homepage='https://github.com/google-research-datasets/paws',
    licence='own terms: free use for any purpose',
    splits={
      'train': 'train[:30000]',
      'validation': 'validation[:200]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 8000},
    fields={'sentence1': tidied('sentence1'), 'sentence2': tidied('sentence2')},
    label='label',
    choices={'different_meaning': _NO, 'paraphrase': _YES},
    metrics=('accuracy',),
    truncatable='sentence1',
    group_key=('sentence1',),
    templates=(
      Template(
        'These two sentences use nearly the same words.\n\n{sentence1}\n'
        '{sentence2}\n\nDo they also describe the same state of affairs?\n'
        '{options}'
      ),
      Template(
        'Version 1: {sentence1}\nVersion 2: {sentence2}\nSame meaning?\n'
        '{options}'
      ),
      Template(
        'An encyclopedia says: "{sentence1}"\n\nA copy of it says: '
        '"{sentence2}"\n\nIs the copy faithful to the original?\n{options}'
      ),
      Template(
        'Watch out for words that have changed places. If the first text is '
        'true, is the second true as well, and vice versa?\n\n{sentence1}\n\n'
        '{sentence2}\n\n{options}'
      ),
      Template(
        '{sentence1}\n\nSuppose that is correct. Does the following say '
        'precisely the same thing?\n\n{sentence2}\n{options}'
      ),
      Template(
        'Can one of these replace the other without changing who did what?\na) '
        '{sentence1}\nb) {sentence2}\n\n{options}'
      ),
      Template(
        'My colleague rearranged a line of our article.\nBefore: {sentence1}\n'
        'After: {sentence2}\nDoes it still make the same claim?\n{options}'
      ),
      Template(
        'Examine each name, number and relation in turn, then say whether '
        'both entries agree on all of them.\n\nEntry: {sentence1}\n\nEntry: '
        '{sentence2}\n\n{options}'
      ),
      Template(
        'A paraphrase or a trick? Answer "yes" for a true paraphrase, "no" for '
        'a trick.\n'
        '"{sentence1}" - "{sentence2}"\n\n{options}'
      ),
      Template(
        'Rearrange this, but keep its meaning: {sentence1}',
        target='{sentence2}',
        inverted=True,
        only_if=('paraphrase',),
      ),
    ),
  )
)

STSB = register(
  Dataset(
    name='stsb',
    title='Semantic similarity: STS-B',
    version='1.0.0',
    cluster='paraphrase',
    source='glue/stsb:2.0.0',
    homepage='http://ixa2.si.ehu.eus/stswiki/index.php/STSbenchmark',
    licence='not stated',
    splits={
      'train': 'train[:-100]',
      'validation': 'train[-100:]',
      'test': 'validation',
    },
    rows={'train': 5649, 'validation': 100, 'test': 1500},
    fields={'sentence1': tidied('sentence1'), 'sentence2': tidied('sentence2')},
    label=_nearest_score,
    choices={str(score): str(score) for score in range(6)},
    score='label',
    metrics=('pearson', 'spearman'),
    truncatable='sentence1',
    group_key=('sentence1',),
    derived_from=('snli',),
    templates=(
      Template(
        '{sentence1}\n{sentence2}\n\nHow similar are these two in meaning, '
        'from 0 (nothing in common) to 5 (the same)?\n{options}'
      ),
      Template(
        'Rate how close two texts are in meaning. 0 stands for unrelated and 5 '
        'for equivalent; the numbers in between stand for more and more shared '
        'content.\n\nText 1: {sentence1}\nText 2: {sentence2}\n\n{options}'
      ),
      Template(
        'First: {sentence1}\nSecond: {sentence2}\nSemantic similarity (0 to '
        '5):\n{options}'
      ),
      Template(
        'One listener heard this: {sentence1}\nAnother listener heard this: '
        '{sentence2}\nGive a score from 0, if they heard about different '
        'things, to 5, if they heard the same message.\n{options}'
      ),
      Template(
        'How would you grade this pair? The top grade, 5, is for sentences '
        'that can replace each other; 0 is for sentences on different subjects.'
        '\n{sentence1}\n{sentence2}\n\n{options}'
      ),
      Template(
        '{sentence1}\n\nNow look at this:\n\n{sentence2}\n\nWhere do you place '
        'the two on a scale from 0, no overlap, up to 5, complete equivalence?'
        '\n\n{options}'
      ),
      Template(
        'Two people described a scene or an event.\n- {sentence1}\n- '
        '{sentence2}\nHow much of what they say is the same? 5 means all of '
        'it, and 0 means nothing.\n{options}'
      ),
      Template(
        'A search engine has to know how close a query is to a document.\n'
        'Query: {sentence1}\nDocument: {sentence2}\nCloseness as a number, 5 '
        'being closest and 0 farthest:\n\n{options}'
      ),
      Template(
        'Say the following in other words.\n{sentence1}',
        target='{sentence2}',
        inverted=True,
        only_if=('5',),
      ),
      Template(
        'Write a sentence that has nothing to do with this one: "{sentence1}"',
        target='{sentence2}',
        inverted=True,
        only_if=('0',),
      ),
    ),
  )
)
