"""What the published FLAN templates call datasets and fields.

A template set may be a user's own copy of the templates that were published
with FLAN (google-research/FLAN, `flan/templates.py`): a dictionary
`PATTERNS = {key: [(input, target), ...]}`. This module translates its keys and
field names to ours. The names come from that file, and the contents of the
fields from the preprocessing in `flan/tasks.py`, both as of commit e9e4ec6
(2023). The templates themselves are not included.

Some fields differ in more than the name:

- The published `query` of ReCoRD and `context` of WinoGrande end at the gap,
  and each option carries the rest of the sentence. Ours show the whole
  sentence with its gap, and the options fill it.
- The published text of WSC does not mark the pronoun; ours does.
- `first_review` is one of Rotten Tomatoes' reviews; ours are shown together.
- Our passage of ReCoRD keeps its highlights.
"""

from collections.abc import Mapping

from flan_jax.definitions.dataset import ANSWER_TARGET


def _same(*names: str, **others: str) -> dict[str, str]:
  return {**{name: f'{{{name}}}' for name in names}, **others}


def _languages(code: str, language: str) -> dict[str, str]:
  sentences = {'sent1': '{en}', 'sent2': f'{{{code}}}'}
  return {'lang1': 'English', 'lang2': language, **sentences}


# Published key -> our datasets or parts, if their names differ.
_KEYS = {
  'para_crawl': ('para_crawl_enes',),
  'wmt16_translate': tuple(
    f'wmt16_translate_{pair}en' for pair in ('cs', 'de', 'fi', 'ro', 'ru', 'tr')
  ),
}

_SUMMARY = {'summary': ANSWER_TARGET}
_TARGET = {'target': ANSWER_TARGET}
_PAIR = _same('sentence1', 'sentence2')
_ENTAILMENT = _same('premise', 'hypothesis')

# Our dataset or part -> published field -> pattern in our fields.
_FIELDS: Mapping[str, Mapping[str, str]] = {
  # nli
  'anli': _same('context', 'hypothesis'),
  'cb': _ENTAILMENT,
  'mnli': _ENTAILMENT,
  'qnli': _same('question', 'sentence'),
  'rte': _ENTAILMENT,
  'snli': _ENTAILMENT,
  'wnli': _PAIR,
  # commonsense
  'copa': _same('premise', question='{kind}'),
  'hellaswag': _same('context'),
  'piqa': _same('goal'),
  'story_cloze': _same('context'),
  # sentiment
  'imdb_reviews': {'text': '{review}'},
  'sentiment140': {'text': '{post}'},
  'sst2': _same('sentence'),
  'yelp_polarity_reviews': {'text': '{review}'},
  # paraphrase
  'glue_mrpc': _PAIR,
  'glue_qqp': _same('question1', 'question2'),
  'paws_wiki': _PAIR,
  'stsb': _same('sentence1', 'sentence2', answer_str=ANSWER_TARGET),
  # closed_book_qa
  'arc': _same('question'),
  'natural_questions': _same('question'),
  'trivia_qa': _same('question'),
  # struct_to_text
  'common_gen': _same(
    'concepts', concepts_newline='{concept_lines}', target=ANSWER_TARGET
  ),
  'dart': {
    'tripleset': '{records}',
    'tripleset_newline': '{record_lines}',
    **_TARGET,
  },
  'e2e_nlg': {'meaning_representation': '{attributes}', **_TARGET},
  'web_nlg_en': {'input_string': '{triples}', **_TARGET},
  # translation
  'para_crawl_enes': _languages('es', 'Spanish'),
  'wmt14_enfr': _languages('fr', 'French'),
  'wmt16_translate_csen': _languages('cs', 'Czech'),
  'wmt16_translate_deen': _languages('de', 'German'),
  'wmt16_translate_fien': _languages('fi', 'Finnish'),
  'wmt16_translate_roen': _languages('ro', 'Romanian'),
  'wmt16_translate_ruen': _languages('ru', 'Russian'),
  'wmt16_translate_tren': _languages('tr', 'Turkish'),
  # reading_comprehension
  'bool_q': _same('title', 'question', text='{passage}'),
  'drop': _same('question', context='{passage}'),
  'multirc': _same('question', paragraph='{passage}', response='{candidate}'),
  'openbookqa': _same('fact', question='{stem}'),
  'squad_v1': _same('title', 'question', context='{passage}'),
  'squad_v2': _same('title', 'question', context='{passage}'),
  # reading_comprehension_commonsense
  'cosmos_qa': _same('context', 'question'),
  'record': _same('passage', 'query', options_str='{options}'),
  # coreference
  'definite_pronoun_resolution': _same('sentence', 'pronoun'),
  'winogrande': {'context': '{sentence}'},
  'wsc': {'context': '{text}', 'text1': '{candidate}', 'text2': '{pronoun}'},
  'wsc273': {'context': '{beginning}'},
  # misc
  'coqa': {
    'text': '{story}',
    'numbered_questions': '{questions}',
    'numbered_answers': ANSWER_TARGET,
  },
  'quac': _same('title', 'background', 'question', context='{passage}'),
  'wic': _same('word', 'sentence1', 'sentence2'),
  'trec': {'text': '{question}'},
  'cola': _same('sentence'),
  # The published field is the whole problem, always in this form.
  'math_dataset': {'question': 'Solve {equation} for {variable}.'},
  'fix_punct': {'no_punct': '{text}'},
  # summarization
  'aeslc': {'body': '{email}', 'subject': ANSWER_TARGET},
  'ag_news_subset': _same('title', 'text'),
  'cnn_dailymail': {'text': '{article}', 'highlights': ANSWER_TARGET},
  'gigaword': {'text': '{sentence}', **_SUMMARY},
  'multi_news': {'text': '{articles}', **_SUMMARY},
  'newsroom': _same('text', 'title', **_SUMMARY),
  'opinion_abstracts_idebate': {
    'argument_sentences': '{arguments}',
    'debate_name': '{debate}',
    'claim': ANSWER_TARGET,
  },
  'opinion_abstracts_rotten_tomatoes': _same(
    'movie',
    numbered_reviews='{reviews}',
    first_review='{reviews}',
    critic_consensus=ANSWER_TARGET,
  ),
  'samsum': _same('dialogue', **_SUMMARY),
  'wiki_lingua_english_en': {'source': '{guide}', **_TARGET},
  'xsum': {'text': '{document}', **_SUMMARY},
  # In the published code but not in the paper.
  'true_case': {'lower': '{text}'},
  'word_segment': {'no_space': '{text}'},
}


def keys() -> tuple[str, ...]:
  """Returns every published key."""
  served = {name for names in _KEYS.values() for name in names}
  return (*_KEYS, *(name for name in _FIELDS if name not in served))


def datasets_of(key: str) -> tuple[str, ...]:
  """Returns our names for a published key, or for a name of ours.

  >>> datasets_of('para_crawl'), datasets_of('rte')
  (('para_crawl_enes',), ('rte',))
  """
  return _KEYS.get(key, (key,))


def fields_of(name: str) -> dict[str, str]:
  """Returns published field -> pattern in our fields.

  >>> fields_of('stsb')['answer_str'], fields_of('stsb')['options_']
  ('{answer}', '{options}')

  Args:
    name: Our dataset or part. One that is not published has only the options.
  """
  return {'options_': '{options}', **_FIELDS.get(name, {})}
