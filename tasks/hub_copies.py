"""Copies of FLAN's datasets on the Hugging Face hub, by TFDS source.

`flan-jax prepare --from=hf` reads them: several TFDS builders need files that
are downloaded by hand, or read from places that are gone. Names and columns are
those of well-known copies of the same release. Some datasets have none:
`story_cloze` and `newsroom` are given out on request, `opinion_abstracts` and
the version of `para_crawl` are not there, `ag_news` joins title and
description, and `drop` does not tell the parts of an answer from other answers.
"""

from collections.abc import Callable, Iterable
import functools
from typing import Any

from flan_jax.definitions.hub_copy import HubCopy, HubRow


def _empty(row: HubRow) -> str:
  del row  # The copy does not have the field; no template needs it.
  return ''


def _renamed(column: str, names: dict[str, str]) -> Callable[[HubRow], Any]:
  """Returns what gives the classes of a column other names; -1 stays."""
  return functools.partial(_rename, column=column, names=names)


def _rename(row: HubRow, column: str, names: dict[str, str]) -> Any:
  return names.get(row[column], row[column])


def _language(row: HubRow, language: str) -> str:
  return row['translation'][language]


def _translation(name: str, config: str) -> HubCopy:
  languages = config.split('-')
  fields = {x: functools.partial(_language, language=x) for x in languages}
  return HubCopy(name, config, fields=fields)


# Some questions of ARC number their choices.
_LETTERS = dict(zip('1234', 'ABCD', strict=True))


def _arc_choices(row: HubRow) -> dict[str, list[str]]:
  labels = [_LETTERS.get(x, x) for x in row['choices']['label']]
  return {'text': row['choices']['text'], 'label': labels}


def _openbookqa_question(row: HubRow) -> dict[str, str]:
  choices = zip(row['choices']['label'], row['choices']['text'], strict=True)
  return {
    'stem': row['question_stem'],
    **{f'choice_{label}': text for label, text in choices},
  }


def _hellaswag_label(row: HubRow) -> int:
  return int(row['label'] or -1)


def _squad_is_impossible(row: HubRow) -> bool:
  return not row['answers']['text']


def _no_answers(row: HubRow) -> dict[str, list]:
  del row
  return {'text': [], 'answer_start': []}


def _trec_fine(row: HubRow) -> str:
  return row['fine_label'].rpartition(':')[2]


def _unquoted(row: HubRow, column: str) -> str:
  """Returns a text that the copy wrote as Python's bytes: b'…\\n'."""
  text = row[column]
  if text.startswith("b'") and text.endswith("'"):
    text = text[2:-1]
  return text.removesuffix('\\n').strip()


def _dart_triples(row: HubRow) -> list[str]:
  return [' '.join(triple) for triple in row['tripleset']]


# First words whose case is that of the pronoun in TFDS's normalized options.
_DETERMINERS = ('the', 'his', 'my', 'her', 'their', 'an', 'a')


def _wsc_option(row: HubRow, index: int, normalized: bool = False) -> str:
  option = row['options'][index]
  word, space, rest = option.partition(' ')
  if normalized and word.lower() in _DETERMINERS:
    lower = row['pronoun'][0].islower()
    word = word.lower() if lower else word.capitalize()
  return word + space + rest


def _wsc_end(row: HubRow) -> int:
  return row['pronoun_loc'] + len(row['pronoun'])


def _wsc_label(row: HubRow) -> int:
  return int(row['label'])


def _zero(row: HubRow) -> int:
  del row  # No template needs it.
  return 0


def _quac_turns(row: HubRow) -> Iterable[dict[str, Any]]:
  """Yields a row for each question of a dialogue."""
  answers, original = row['answers'], row['orig_answers']
  for turn, question in enumerate(row['questions']):
    yield {
      'title': row['wikipedia_page_title'],
      'background': row['background'],
      'section_title': row['section_title'],
      'context': row['context'],
      'question': question,
      'followup': row['followups'][turn],
      'yesno': row['yesnos'][turn],
      'answers': {
        'text': answers['texts'][turn],
        'answer_start': answers['answer_starts'][turn],
      },
      'orig_answer': {
        'text': original['texts'][turn],
        'answer_start': original['answer_starts'][turn],
      },
    }


def _anli(round_: int) -> HubCopy:
  names = {'entailment': 'e', 'neutral': 'n', 'contradiction': 'c'}
  splits = {'train': 'train', 'validation': 'dev', 'test': 'test'}
  return HubCopy(
    'facebook/anli',
    splits={ours: f'{hub}_r{round_}' for ours, hub in splits.items()},
    fields={'context': 'premise', 'label': _renamed('label', names)},
  )


def _arc(config: str) -> HubCopy:
  return HubCopy(
    'allenai/ai2_arc',
    config,
    fields={
      'choices': _arc_choices,
      'answerKey': _renamed('answerKey', _LETTERS),
    },
  )


HUB_COPIES: dict[str, HubCopy] = {
  **{
    f'glue/{name}:2.0.0': HubCopy('nyu-mll/glue', name)
    for name in 'cola mnli mrpc qnli qqp sst2 stsb wnli'.split()
  },
  **{
    f'super_glue/{name}:1.0.2': HubCopy('aps/super_glue', name)
    for name in 'cb copa multirc record rte wic wsc'.split()
  },
  **{f'anli/r{n}:0.1.0': _anli(n) for n in (1, 2, 3)},
  'snli:1.1.0': HubCopy('stanfordnlp/snli'),
  'ai2_arc/ARC-Challenge:1.0.0': _arc('ARC-Challenge'),
  'ai2_arc/ARC-Easy:1.0.0': _arc('ARC-Easy'),
  'natural_questions_open:1.0.0': HubCopy('google-research-datasets/nq_open'),
  # Without the pages, which no template shows.
  'trivia_qa/rc:1.1.0': HubCopy('mandarjoshi/trivia_qa', 'rc.nocontext'),
  'hellaswag:1.1.0': HubCopy(
    'Rowan/hellaswag', fields={'context': 'ctx', 'label': _hellaswag_label}
  ),
  'piqa:1.0.0': HubCopy('ybisk/piqa', fields={'id': _empty}),
  'definite_pronoun_resolution:1.1.0': HubCopy(
    'community-datasets/definite_pronoun_resolution'
  ),
  'winogrande:1.2.0': HubCopy(
    'allenai/winogrande',
    'winogrande_xl',
    splits={'train_xl': 'train'},
    fields={'label': 'answer'},
  ),
  'wsc273:1.0.0': HubCopy(
    'ErnestSDavis/winograd_wsc',
    'wsc273',
    fields={
      **{
        f'option{n}{suffix}': functools.partial(
          _wsc_option, index=n - 1, normalized=bool(suffix)
        )
        for n in (1, 2)
        for suffix in ('', '_normalized')
      },
      'pronoun_start': 'pronoun_loc',
      'pronoun_end': _wsc_end,
      'pronoun_text': 'pronoun',
      'label': _wsc_label,
      'idx': _zero,
    },
  ),
  'coqa:1.0.0': HubCopy('stanfordnlp/coqa', splits={'test': 'validation'}),
  'quac:1.0.0': HubCopy('allenai/quac', expand=_quac_turns),
  'trec:1.0.0': HubCopy(
    'CogComp/trec',
    fields={'label-coarse': 'coarse_label', 'label-fine': _trec_fine},
  ),
  'math_dataset/algebra__linear_1d:1.0.0': HubCopy(
    'deepmind/math_dataset',
    'algebra__linear_1d',
    fields={
      name: functools.partial(_unquoted, column=name)
      for name in ('question', 'answer')
    },
  ),
  'paws_wiki/labeled_final_tokenized:1.1.0': HubCopy(
    'google-research-datasets/paws',
    'labeled_final',
    fields={
      'label': _renamed('label', {'0': 'different_meaning', '1': 'paraphrase'})
    },
  ),
  'bool_q:1.0.0': HubCopy('google/boolq', fields={'title': _empty}),
  'openbookqa:0.1.0': HubCopy(
    'allenai/openbookqa',
    'additional',
    fields={'question': _openbookqa_question},
  ),
  'squad/v1.1:3.0.0': HubCopy('rajpurkar/squad'),
  'squad/v2.0:3.0.0': HubCopy(
    'rajpurkar/squad_v2',
    fields={
      'is_impossible': _squad_is_impossible,
      'plausible_answers': _no_answers,
    },
  ),
  'cosmos_qa:1.0.0': HubCopy('allenai/cosmos_qa'),
  'imdb_reviews/plain_text:1.0.0': HubCopy('stanfordnlp/imdb'),
  'sentiment140:1.0.0': HubCopy(
    'stanfordnlp/sentiment140', fields={'polarity': 'sentiment'}
  ),
  'yelp_polarity_reviews:0.2.0': HubCopy('fancyzhx/yelp_polarity'),
  'gem/common_gen:1.1.0': HubCopy('GEM/gem', 'common_gen'),
  'gem/dart:1.1.0': HubCopy(
    'GEM/gem', 'dart', fields={'tripleset': _dart_triples}
  ),
  'gem/e2e_nlg:1.1.0': HubCopy('GEM/gem', 'e2e_nlg'),
  'gem/web_nlg_en:1.1.0': HubCopy('GEM/gem', 'web_nlg_en'),
  'gem/wiki_lingua_english_en:1.1.0': HubCopy(
    'GEM/gem', 'wiki_lingua_english_en'
  ),
  'aeslc:1.0.0': HubCopy('Yale-LILY/aeslc'),
  'gigaword:1.2.0': HubCopy('Harvard/gigaword'),
  'samsum:1.0.0': HubCopy('knkarthick/samsum'),
  'xsum:1.1.0': HubCopy('EdinburghNLP/xsum'),
  'cnn_dailymail:3.4.0': HubCopy(
    'abisee/cnn_dailymail', '3.0.0', fields={'publisher': _empty}
  ),
  'multi_news:2.1.0': HubCopy('alexfabbri/multi_news'),
  'wmt14_translate/fr-en:1.0.0': _translation('wmt/wmt14', 'fr-en'),
  **{
    f'wmt16_translate/{pair}:1.0.0': _translation('wmt/wmt16', pair)
    for pair in 'cs-en de-en fi-en ro-en ru-en tr-en'.split()
  },
}
