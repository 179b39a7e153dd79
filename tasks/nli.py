"""Natural language inference: 7 datasets, 10 evaluated parts.

Datasets with three classes ask whether a statement is true, given the text
(yes / it is impossible to tell / no). Those with two classes ask whether it
follows from the text.
"""

from etils import epy
from flan_jax.tasks.fields import question, tidied, tidy_lines

from flan_jax.definitions.dataset import Dataset, Part, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

# Answers of the three classes; `no` means that the text contradicts it.
_YES, _UNSURE, _NO = 'yes', 'it is impossible to tell', 'no'


def _context(row):
  """Returns the context, with a line for each `<br>` paragraph."""
  text = tf.strings.regex_replace(row['context'], r'\s', ' ')
  return tidy_lines(tf.strings.regex_replace(text, '<br>', '\n'))


def _question(row):
  return question(row['question'])


def _has_label(row):
  """Drops rows on which the annotators did not agree (label -1)."""
  return row['label'] >= 0


ANLI = register(
  Dataset(
    name='anli',
    title='Natural language inference: ANLI',
    version='1.0.0',
    cluster='nli',
    source='anli/r1:0.1.0',
    homepage='https://github.com/facebookresearch/anli',
    licence='CC BY-NC 4.0',
    splits={
      'train': 'train[:30000]',
      'validation': 'validation[:200]',
      'test': 'test',
    },
    rows={'train': 16946, 'validation': 200, 'test': 1000},
    fields={'context': _context, 'hypothesis': tidied('hypothesis')},
    label='label',
    choices={'e': _YES, 'n': _UNSURE, 'c': _NO},
    metrics=('accuracy',),
    truncatable='context',
    group_key=('context',),
    parts=(
      Part(
        'anli_r1',
        # Uncapped: TFDS refuses slices longer than the split.
        splits={
          'train': 'train',
          'validation': 'validation[:200]',
          'test': 'test',
        },
      ),
      Part(
        'anli_r2',
        source='anli/r2:0.1.0',
        rows={'train': 30000, 'validation': 200, 'test': 1000},
      ),
      Part(
        'anli_r3',
        source='anli/r3:0.1.0',
        rows={'train': 30000, 'validation': 200, 'test': 1200},
      ),
    ),
    templates=(
      Template(
        '{context}\n\nGiven what this passage says, is the statement below '
        'true?\n{hypothesis}\n\n{options}',
      ),
      Template(
        'Check the claim against the extract and nothing else. Answer "yes" '
        'where the extract makes it true, "no" where the extract contradicts '
        'it, and "it is impossible to tell" where the extract leaves the '
        'matter open.\n\nExtract: {context}\nClaim: {hypothesis}\n\n{options}',
      ),
      Template(
        'An author wants to print this sentence: "{hypothesis}"\nThe only '
        'source at hand reads:\n\n{context}\n\nGoing by that source, is the '
        'sentence accurate?\n{options}',
      ),
      Template(
        'Context: {context}\nStatement: {hypothesis}\nTrue, given the '
        'context?\n{options}',
      ),
      Template(
        'Is this right? "{hypothesis}"\nHere is all the evidence that you may '
        'use:\n{context}\n{options}',
      ),
      Template(
        '{context}\n\nA pupil was given this to read. Afterwards the pupil '
        'said: "{hypothesis}"\n\nIf everything in the text is correct, is the '
        'pupil correct as well?\n\n{options}',
      ),
      Template(
        'Hi! Somebody claims this: "{hypothesis}"\nHere is what I found on the '
        'subject:\n\n{context}\n\nGoing by that, was I told the truth?\n'
        '{options}',
      ),
      Template(
        'Comprehension exercise. Study the paragraph, then decide whether the '
        'line printed under it is true according to the paragraph.\n\n'
        '"{context}"\n\n{hypothesis}\n{options}',
      ),
      Template(
        '{context}\n\nWrite a statement of your own that has to be true if all '
        'of this is.',
        target='{hypothesis}',
        inverted=True,
        only_if=('e',),
      ),
      Template(
        'Here is a short text:\n{context}\n\nMake a claim about its subject '
        'that the text shows to be false.',
        target='{hypothesis}',
        inverted=True,
        only_if=('c',),
      ),
    ),
  )
)

CB = register(
  Dataset(
    name='cb',
    title='Natural language inference: CommitmentBank',
    version='1.0.0',
    cluster='nli',
    source='super_glue/cb:1.0.2',
    homepage='https://github.com/mcdm/CommitmentBank',
    licence='not stated',
    splits={
      'train': 'train[:-50]',
      'validation': 'train[-50:]',
      'test': 'validation',
    },
    rows={'train': 200, 'validation': 50, 'test': 56},
    fields={'premise': tidied('premise'), 'hypothesis': tidied('hypothesis')},
    label='label',
    choices={'entailment': _YES, 'neutral': _UNSURE, 'contradiction': _NO},
    metrics=('accuracy', 'macro_f1'),
    truncatable='premise',
    group_key=('premise',),
    templates=(
      Template(
        '{premise}\n\nTaking the speaker or narrator at their word, is this '
        'so?\n{hypothesis}\n{options}',
      ),
      Template(
        'Passage: {premise}\n\nProposition: {hypothesis}\n\nIs the proposition '
        'true in the light of the passage?\n{options}',
      ),
      Template(
        'Somebody is quoted below, perhaps in the middle of a conversation. '
        'Reply "no" if the quotation shows that the statement after it is '
        'untrue, "it is impossible to tell" if it commits to neither side, and '
        '"yes" if the statement is true of the situation.\n\n"{premise}"\n\n'
        '{hypothesis}\n\n{options}',
      ),
      Template(
        '{premise}\n\nThese words are all we have. On that evidence, is it the '
        'case that "{hypothesis}"?\n\n{options}',
      ),
      Template(
        'Is "{hypothesis}" true in the situation that these lines describe?\n'
        '{premise}\n{options}',
      ),
      Template(
        'Could you help me with my notes? I have a fragment of a novel, a '
        'newspaper or a phone call:\n\n{premise}\n\nI would like to put down '
        '"{hypothesis}" as a fact. Would that be correct?\n{options}',
      ),
      Template(
        'Claim: {hypothesis}\nExcerpt from a conversation or a text: {premise}'
        '\n\nIf the speaker or writer is right, is the claim true?\n{options}',
      ),
      Template(
        'Two listeners cannot agree about what was said here.\n"{premise}"\n'
        'One of them insists: "{hypothesis}"\nJudging from the excerpt, is '
        'that listener right?\n{options}',
      ),
      Template(
        'Consider the material, then rate the assertion that comes after it.\n'
        'Material: {premise}\nAssertion: {hypothesis}\n\nIf the material is '
        'reliable, is the assertion true?\n\n{options}',
      ),
      Template(
        'Read these lines.\n\n{premise}\n\nIn a few plain words, note one '
        'thing that they present as certain.',
        target='{hypothesis}',
        inverted=True,
        only_if=('entailment',),
      ),
    ),
  )
)

MNLI = register(
  Dataset(
    name='mnli',
    title='Natural language inference: MultiNLI',
    version='1.0.0',
    cluster='nli',
    source='glue/mnli:2.0.0',
    homepage='https://cims.nyu.edu/~sbowman/multinli/',
    licence='by genre: OANC, CC BY 3.0, CC BY-SA 3.0 or public domain',
    splits={'train': 'train[:30000]', 'validation': 'train[-200:]'},
    rows={'train': 30000, 'validation': 200},
    fields={'premise': tidied('premise'), 'hypothesis': tidied('hypothesis')},
    label='label',
    choices={'entailment': _YES, 'neutral': _UNSURE, 'contradiction': _NO},
    metrics=('accuracy',),
    truncatable='premise',
    group_key=('premise',),
    parts=(
      Part('mnli'),
      Part(
        'mnli_matched',
        splits={'validation': 'train[-200:]', 'test': 'validation_matched'},
        rows={'validation': 200, 'test': 9815},
      ),
      Part(
        'mnli_mismatched',
        splits={'validation': 'train[-200:]', 'test': 'validation_mismatched'},
        rows={'validation': 200, 'test': 9832},
      ),
    ),
    note='The published mixtures count the training rows twice.',
    templates=(
      Template(
        'Assume that this is the case:\n{premise}\n\nIs it then true to say '
        '"{hypothesis}"?\n{options}',
      ),
      Template(
        'First sentence: {premise}\nSecond sentence: {hypothesis}\n\nIf the '
        'first is right, is the second right too?\n{options}',
      ),
      Template(
        'You are told: "{premise}"\nA moment later you are asked whether this '
        'is so: "{hypothesis}"\n\nRelying on what you were told, what do you '
        'reply?\n{options}',
      ),
      Template(
        'Compare two remarks, A and B. Choose "no" when B must be false '
        'because of A, "yes" when B must be true because of A, and "it is '
        'impossible to tell" when A settles nothing about B.\n\nA: {premise}\n'
        'B: {hypothesis}\n\n{options}',
      ),
      Template(
        '"{hypothesis}"\n\nIs the quotation above true in the circumstances '
        'described here?\n{premise}\n\n{options}',
      ),
      Template(
        'Known: {premise}\nClaimed: {hypothesis}\nGiven what is known, is the '
        'claim correct?\n{options}',
      ),
      Template(
        'Below is a snippet of speech or prose, copied word for word as it was '
        'recorded.\n\n{premise}\n\nA clerk who had only this snippet to go by '
        'entered the next line in a report. Given the snippet, is the entry '
        'true?\n\n{hypothesis}\n\n{options}',
      ),
      Template(
        '{premise}\n\nWith that in mind, think about these words: {hypothesis}'
        '\n\nIs what they say true?\n{options}',
      ),
      Template(
        'Suppose that the sentence below is true. Write another one that is '
        'then bound to be false.\n\n{premise}',
        target='{hypothesis}',
        inverted=True,
        only_if=('contradiction',),
      ),
      Template(
        'Somebody says: "{premise}"\nAdd a remark on the same matter that may '
        'or may not be true, since what was said leaves it open.',
        target='{hypothesis}',
        inverted=True,
        only_if=('neutral',),
      ),
    ),
  )
)

QNLI = register(
  Dataset(
    name='qnli',
    title='Natural language inference: QNLI',
    version='1.0.0',
    cluster='nli',
    source='glue/qnli:2.0.0',
    homepage='https://rajpurkar.github.io/SQuAD-explorer/',
    licence='not stated; SQuAD, its source, is CC BY-SA 4.0',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 30000, 'validation': 200, 'test': 5463},
    fields={'question': _question, 'sentence': tidied('sentence')},
    label='label',
    choices={'entailment': 'yes', 'not_entailment': 'no'},
    metrics=('accuracy',),
    truncatable='sentence',
    group_key=('sentence',),
    derived_from=('squad',),
    templates=(
      Template(
        '{question}\n\nIs the answer to this question found in the sentence '
        'below?\n{sentence}\n{options}',
      ),
      Template(
        'Snippet: {sentence}\nAsked: {question}\nAnswered by the snippet?\n'
        '{options}',
      ),
      Template(
        'Somebody typed a query into a search box:\n{question}\n\nOne of the '
        'results contains this line:\n{sentence}\n\nDoes the line answer the '
        'query?\n\n{options}',
      ),
      Template(
        'You are sorting sources for readers. Mark a source "yes" if the '
        'reader\'s question can be answered from it alone, and "no" if '
        'something essential is missing.\n\nSource: {sentence}\nReader: '
        '{question}\n\n{options}',
      ),
      Template(
        '"{sentence}"\n\nHaving seen only these words, could you give a proper '
        'answer to someone who asks: "{question}"\n\n{options}',
      ),
      Template(
        'The worksheet asks: {question}\nA student has underlined this in the '
        'textbook: {sentence}\n\nHas the student underlined the right place?\n'
        '{options}',
      ),
      Template(
        'Please help me out. I need to know this: {question}\nAll that I could '
        'find is "{sentence}"\nIs that enough to settle it?\n{options}',
      ),
      Template(
        'Decide whether the information that the first line asks for is stated '
        'in the second.\n\n{question}\n{sentence}\n\n{options}',
      ),
      Template(
        '{sentence}\n\nWrite a question that is answered by this sentence.',
        target='{question}',
        inverted=True,
        only_if=('entailment',),
      ),
      Template(
        'Ask something about the topic of these lines that they do not answer.'
        '\n\n{sentence}',
        target='{question}',
        inverted=True,
        only_if=('not_entailment',),
      ),
    ),
  )
)

RTE = register(
  Dataset(
    name='rte',
    title='Natural language inference: RTE',
    version='1.0.0',
    cluster='nli',
    source='super_glue/rte:1.0.2',
    homepage='https://aclweb.org/aclwiki/Recognizing_Textual_Entailment',
    licence='not stated',
    splits={
      'train': 'train[:-200]',
      'validation': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 2290, 'validation': 200, 'test': 277},
    fields={'premise': tidied('premise'), 'hypothesis': tidied('hypothesis')},
    label='label',
    choices={'entailment': 'yes', 'not_entailment': 'no'},
    metrics=('accuracy',),
    truncatable='premise',
    group_key=('premise',),
    templates=(
      Template(
        '{premise}\n\nGoing by the text above, does it follow that '
        '"{hypothesis}"?\n{options}',
      ),
      Template(
        'Text: {premise}\nHypothesis: {hypothesis}\n\nDoes the text entail the '
        'hypothesis?\n{options}',
      ),
      Template(
        'Can a reader of this news item be sure of the sentence printed under '
        'it?\n\n{premise}\n\n"{hypothesis}"\n\n{options}',
      ),
      Template(
        'An editor has reduced an article to a single line:\n{hypothesis}\n\n'
        'This is the article:\n{premise}\n\nIs the line fully backed up by '
        'it?\n{options}',
      ),
      Template(
        'If the second statement must be true whenever the first one is, '
        'answer "yes". If it could still be false, answer "no".\n\n1. '
        '{premise}\n2. {hypothesis}\n\n{options}',
      ),
      Template(
        'Suppose that all I know comes from this paragraph:\n"{premise}"\nMay '
        'I then tell my colleagues, without guessing, that "{hypothesis}"?\n'
        '{options}',
      ),
      Template(
        'Given: {premise}\nTherefore: {hypothesis}\nValid?\n{options}',
      ),
      Template(
        'Is the conclusion "{hypothesis}" justified by the report quoted '
        'here?\n{premise}\n{options}',
      ),
      Template(
        'Here is what a newspaper printed.\n\n{premise}\n\nDetermine whether '
        'the words below can be inferred from it.\n{hypothesis}\n\n{options}',
      ),
      Template(
        'State, in one sentence, something that the dispatch below establishes '
        'beyond doubt.\n\n{premise}',
        target='{hypothesis}',
        inverted=True,
        only_if=('entailment',),
      ),
    ),
  )
)

SNLI = register(
  Dataset(
    name='snli',
    title='Natural language inference: SNLI',
    version='1.0.0',
    cluster='nli',
    source='snli:1.1.0',
    homepage='https://nlp.stanford.edu/projects/snli/',
    licence='CC BY-SA 4.0',
    splits={
      'train': 'train[:30000]',
      'validation': 'validation[:200]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 10000},
    fields={'premise': tidied('premise'), 'hypothesis': tidied('hypothesis')},
    label='label',
    choices={'entailment': _YES, 'neutral': _UNSURE, 'contradiction': _NO},
    metrics=('accuracy',),
    truncatable='premise',
    group_key=('premise',),
    keep=_has_label,
    templates=(
      Template(
        'A photograph shows this scene:\n{premise}\n\nIs the sentence below a '
        'true description of the photograph?\n{hypothesis}\n{options}',
      ),
      Template(
        'Caption: {premise}\nStatement: {hypothesis}\nTrue of the picture?\n'
        '{options}',
      ),
      Template(
        '"{hypothesis}"\n\nSomeone says this while pointing at a picture. The '
        'text beside the picture reads: "{premise}"\n\nJudging by that text, '
        'is the person right?\n\n{options}',
      ),
      Template(
        'You cannot see the image, but you have its caption. Decide about the '
        'second line: "it is impossible to tell" if the caption is silent on '
        'it, "yes" if the caption makes it true, "no" if it cannot be true of '
        'the same image.\n\n{premise}\n{hypothesis}\n\n{options}',
      ),
      Template(
        'I am sorting photos for an album, and one of them will not open. Its '
        'label says:\n\n{premise}\n\nWould I describe that photo correctly '
        'with the words "{hypothesis}"?\n{options}',
      ),
      Template(
        'What an eyewitness saw: {premise}\n\nWhat a second person reports: '
        '{hypothesis}\n\nIf the eyewitness is to be trusted, is the report '
        'true?\n{options}',
      ),
      Template(
        'A radio reporter describes what she sees:\n{premise}\nA friend who '
        'missed it asks you whether this is true: "{hypothesis}"\nGoing by the '
        'report, what is your answer?\n{options}',
      ),
      Template(
        'Is "{hypothesis}" true of the moment described here?\n\n{premise}\n\n'
        '{options}',
      ),
      Template(
        '{premise}\n\nDescribe the same scene in other words that are sure to '
        'be true of it.',
        target='{hypothesis}',
        inverted=True,
        only_if=('entailment',),
      ),
      Template(
        'Name something that clearly cannot be happening at the place and time '
        'described here.\n\n{premise}',
        target='{hypothesis}',
        inverted=True,
        only_if=('contradiction',),
      ),
    ),
  )
)

WNLI = register(
  Dataset(
    name='wnli',
    title='Natural language inference: WNLI',
    version='1.0.0',
    cluster='nli',
    source='glue/wnli:2.0.0',
    homepage='https://cs.nyu.edu/~davise/papers/WinogradSchemas/WS.html',
    licence='not stated; the Winograd schemas, its source, are CC BY 4.0',
    splits={
      'train': 'train[:-30]',
      'validation': 'train[-30:]',
      'test': 'validation',
    },
    rows={'train': 605, 'validation': 30, 'test': 71},
    fields={'sentence1': tidied('sentence1'), 'sentence2': tidied('sentence2')},
    label='label',
    choices={'not_entailment': 'no', 'entailment': 'yes'},
    metrics=('accuracy',),
    truncatable='sentence1',
    group_key=('sentence1',),
    derived_from=('wsc',),
    templates=(
      Template(
        '{sentence1}\nDoes the next sentence follow from that one?\n'
        '{sentence2}\n{options}',
      ),
      Template(
        'Sentence 1: {sentence1}\nSentence 2: {sentence2}\n\nIf sentence 1 is '
        'true, must sentence 2 be true?\n{options}',
      ),
      Template(
        'The second line repeats a piece of the first with a pronoun spelt '
        'out. Answer "yes" if the pronoun has been understood correctly, so '
        'that the second line follows from the first; otherwise answer '
        '"no".\n\n{sentence1}\n{sentence2}\n\n{options}',
      ),
      Template(
        'A friend of mine read this: "{sentence1}"\nMy friend understood it as '
        'follows: "{sentence2}"\n\nDid my friend get the meaning right?\n'
        '{options}',
      ),
      Template(
        '"{sentence2}"\n\nIs that a correct reading of the words below?\n\n'
        '{sentence1}\n\n{options}',
      ),
      Template(
        'Premise: {sentence1}\nConclusion: {sentence2}\nImplied?\n{options}',
      ),
      Template(
        'I am learning English and find it hard to see who or what words such '
        'as "it" and "they" refer to. My example is:\n\n{sentence1}\n\nIs this '
        'what it tells me?\n\n{sentence2}\n\n{options}',
      ),
      Template(
        'Narrator: {sentence1}\nListener: In other words: {sentence2}\n\nDid '
        'the listener draw the right conclusion?\n{options}',
      ),
      Template(
        'Use common sense to work out how these words are meant: {sentence1}\n'
        'On the most natural reading, is it certain that "{sentence2}"?\n'
        '{options}',
      ),
      Template(
        '{sentence1}\n\nRestate the part of this that has a pronoun in it, and '
        'replace that pronoun with the person or thing it stands for.',
        target='{sentence2}',
        inverted=True,
        only_if=('entailment',),
      ),
    ),
  )
)
