"""Metrics of answers in words, computed from statistics of each row.

A metric maps a row to statistics and reduces the statistics of rows to a
number, so that rows can be resampled without comparing texts again. Values are
in percent, except `word_edit_distance`, which counts words.
"""

from collections import Counter
from collections.abc import Callable, Sequence
import dataclasses
import functools
import re
import string

import numpy as np

# Metrics of which lower values are better.
LOWER_IS_BETTER = frozenset({'word_edit_distance'})

_PUNCTUATION = frozenset(string.punctuation)
_TRIVIA_PUNCTUATION = frozenset(string.punctuation + '‘’´`')
_ARTICLES = re.compile(r'\b(a|an|the)\b')
# The number of a turn and its answer; not a decimal number.
_TURN = re.compile(r'\s*(\d{1,4})[.)](?!\d)\s*(.*)')
_CANNOT_ANSWER = 'cannotanswer'
# A sentence ends before a space and a capital, digit or quotation mark.
_SENTENCE_END = re.compile(r'(?<=[.!?])\s+(?=["“(]?[A-Z0-9])')

References = Sequence[str]


@dataclasses.dataclass(frozen=True)
class TextMetric:
  """One metric.

  Attributes:
    row: Maps a prediction and its accepted answers to statistics, [k].
    reduce: Maps statistics of rows, [rows, k], to the metric.
    of_sums: Maps sums of statistics over resampled rows, [B, k], and the
      numbers of these rows, [B], to the metric, [B].
  """

  row: Callable[[str, References], Sequence[float]]
  reduce: Callable[[np.ndarray], float]
  of_sums: Callable[[np.ndarray, np.ndarray], np.ndarray]

  def rows(
    self, predictions: Sequence[str], references: Sequence[References]
  ) -> np.ndarray:
    """Returns the statistics of every row, float [rows, k]."""
    pairs = zip(predictions, references, strict=True)
    return np.array([self.row(p, r) for p, r in pairs], float)

  def __call__(
    self, predictions: Sequence[str], references: Sequence[References]
  ) -> float:
    return self.reduce(self.rows(predictions, references))


def _percent(statistics: np.ndarray) -> float:
  return 100 * _mean(statistics)


def _mean(statistics: np.ndarray) -> float:
  return float(statistics.mean())


def _ratio(statistics: np.ndarray) -> float:
  """Returns the first statistic's sum in percent of the second's."""
  total = statistics.sum(axis=0)
  return 100 * float(total[0] / total[1])


def _percents(sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
  return 100 * sums[:, 0] / rows


def _means(sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
  return sums[:, 0] / rows


def _ratios(sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
  del rows  # The second statistic counts.
  return 100 * sums[:, 0] / sums[:, 1]


def _best(score: Callable[[str, str], float]) -> TextMetric:
  """Returns the mean over rows of the best score against any reference."""

  def row(prediction: str, references: References) -> list[float]:
    return [max(score(prediction, reference) for reference in references)]

  return TextMetric(row, _percent, _percents)


def normalize_squad(text: str) -> str:
  """Normalizes as SQuAD: lower case, no punctuation, articles, extra space.

  >>> normalize_squad(' The  U.S. Army, an "army" ')
  'us army army'
  """
  text = ''.join(c for c in text.lower() if c not in _PUNCTUATION)
  return ' '.join(_ARTICLES.sub(' ', text).split())


def normalize_trivia(text: str) -> str:
  """Normalizes as TriviaQA: like SQuAD, but punctuation becomes a space.

  >>> normalize_trivia('The_Beatles’ “Help!”')
  'beatles “help ”'
  """
  text = text.replace('_', ' ').lower()
  text = ''.join(' ' if c in _TRIVIA_PUNCTUATION else c for c in text)
  return ' '.join(_ARTICLES.sub(' ', text).split())


def _f1(prediction: Sequence[str], reference: Sequence[str]) -> float:
  """Returns the harmonic mean of precision and recall of two bags of words.

  Two empty bags agree; an empty and a full one do not (SQuAD 2.0).
  """
  if not prediction or not reference:
    return float(list(prediction) == list(reference))
  same = sum((Counter(prediction) & Counter(reference)).values())
  return 2 * same / (len(prediction) + len(reference))


def _overlap(normalize: Callable[[str], str]) -> Callable[[str, str], float]:
  return lambda p, r: _f1(normalize(p).split(), normalize(r).split())


def _equality(normalize: Callable[[str], str]) -> Callable[[str, str], float]:
  return lambda p, r: float(normalize(p) == normalize(r))


def _quac_f1(prediction: str, reference: str) -> float:
  """Returns the F1 of words; CANNOTANSWER is right or wrong as a whole.

  All answers count. QuAC's own script instead leaves out each answer in turn
  and skips questions on which annotators disagree.
  """
  given, gold = normalize_squad(prediction), normalize_squad(reference)
  if _CANNOT_ANSWER in (given, gold):
    return float(given == gold)
  return _f1(given.split(), gold.split())


def turns(text: str) -> dict[int, str]:
  r"""Returns the answers in a numbered list, by number.

  A line without a number continues the answer above it. If a number occurs
  twice, its first answer counts.

  >>> turns('1. yes\n2. 3.5 miles\nfrom here\n4) no')
  {1: 'yes', 2: '3.5 miles from here', 4: 'no'}
  """
  lines: dict[int, list[str]] = {}
  current: list[str] = []
  for line in text.split('\n'):
    if match := _TURN.match(line):
      current = [match[2]]
      lines.setdefault(int(match[1]), current)
    else:
      current.append(line)
  return {turn: ' '.join(parts).strip() for turn, parts in lines.items()}


def _by_turn(score: Callable[[str, str], float]) -> TextMetric:
  """Returns the mean over the turns of all dialogues, as in CoQA's script.

  A missing turn is an empty answer; turns without references are ignored.
  """

  def row(prediction: str, references: References) -> tuple[float, int]:
    given, gold = turns(prediction), [turns(text) for text in references]
    asked = sorted(set().union(*gold))
    scores = [
      max(score(given.get(turn, ''), g[turn]) for g in gold if turn in g)
      for turn in asked
    ]
    return sum(scores), len(scores)

  return TextMetric(row, _ratio, _ratios)


def _is_number(word: str) -> bool:
  try:
    float(word)
  except ValueError:
    return False
  return True


def _drop_words(text: str) -> list[str]:
  """Normalizes as DROP: splits at spaces and hyphens; numbers become floats.

  >>> _drop_words('The 1,000 twenty-one 7')
  ['1000.0', 'twenty', 'one', '7.0']
  """
  words = []
  for word in re.split(r'[ -]', text.lower()):
    if not _is_number(word):
      word = ''.join(c for c in word if c not in _PUNCTUATION)
    if _is_number(word):
      word = str(float(word))
    words += _ARTICLES.sub(' ', word).split()
  return words


def _drop_exact(prediction: str, reference: str) -> float:
  given, gold = (
    sorted(' '.join(words) for words in spans)
    for spans in _drop_spans(prediction, reference)
  )
  return float(given == gold)


def _drop_f1(prediction: str, reference: str) -> float:
  """Returns DROP's F1 of bags of words, one bag for each span.

  Spans are aligned one to one to maximize the total. Unaligned ones score zero,
  and so do those whose numbers do not match (Dua et al. 2019, section 5).
  """
  given, gold = _drop_spans(prediction, reference)
  # Takes long to import, and only DROP needs it.
  from scipy import optimize

  scores = np.array([[_bag_f1(set(g), set(p)) for p in given] for g in gold])
  aligned = scores[optimize.linear_sum_assignment(scores, maximize=True)]
  # The official script rounds each row.
  return round(float(aligned.sum()) / max(scores.shape), 2)


def _drop_spans(prediction: str, reference: str):
  """Returns the words of the spans of both.

  Official answers are lists. Ours are strings, split at the reference's ', '.
  """
  spans = (prediction,), (reference,)
  if ', ' in reference:
    spans = prediction.split(', '), reference.split(', ')
  return tuple([_drop_words(span) for span in side] for side in spans)


def _bag_f1(gold: set[str], given: set[str]) -> float:
  numbers = {word for word in gold if _is_number(word)}
  if numbers and not numbers & given:
    return 0.0
  same = len(gold & given)
  precision = same / len(given) if given else 1.0
  recall = same / len(gold) if gold else 1.0
  if not precision + recall:
    return 0.0
  return 2 * precision * recall / (precision + recall)


def _edit_distance(prediction: str, reference: str) -> int:
  """Returns the Levenshtein distance over words."""
  given, gold = prediction.split(), reference.split()
  costs = list(range(len(gold) + 1))
  for i, word in enumerate(given, start=1):
    previous, costs[0] = costs[0], i
    for j, other in enumerate(gold, start=1):
      substituted = previous + (word != other)
      previous = costs[j]
      costs[j] = min(costs[j] + 1, costs[j - 1] + 1, substituted)
  return costs[-1]


@functools.cache
def _bleu(tokenizer: str):
  import sacrebleu

  # Affects scores of single sentences only, which are not used.
  return sacrebleu.BLEU(tokenize=tokenizer, effective_order=True)


def _corpus_bleu(tokenizer: str) -> TextMetric:
  """Returns SacreBLEU's corpus score, from counts and lengths of each row."""

  def row(prediction: str, references: References) -> list[float]:
    score = _bleu(tokenizer).sentence_score(prediction, list(references))
    return [*score.counts, *score.totals, score.sys_len, score.ref_len]

  def reduce(statistics: np.ndarray) -> float:
    return of_sum(statistics.sum(axis=0))

  def of_sum(sums: np.ndarray) -> float:
    total = sums.astype(int).tolist()
    order = (len(total) - 2) // 2
    counts, totals, lengths = total[:order], total[order:-2], total[-2:]
    bleu = _bleu(tokenizer)
    return bleu.compute_bleu(counts, totals, *lengths, 'exp').score

  def of_sums(sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
    del rows
    return np.array([of_sum(one) for one in sums])

  return TextMetric(row, reduce, of_sums)


def bleu_signature(name: str) -> str:
  """Returns SacreBLEU's signature of a metric in `BLEU_TOKENIZERS`."""
  import sacrebleu

  metric = sacrebleu.BLEU(tokenize=BLEU_TOKENIZERS[name])
  # The signature contains the number of references, known after a first use.
  metric.corpus_score(['a'], [['a']])
  return str(metric.get_signature())


@functools.cache
def _rouge_scorer():
  from rouge_score import rouge_scorer

  return rouge_scorer.RougeScorer(['rouge1', 'rouge2', 'rougeLsum'])


def sentences(text: str) -> str:
  r"""Returns the text with one sentence per line, as rougeLsum reads it.

  >>> sentences('He left. She stayed, e.g. here.\nThen?')
  'He left.\nShe stayed, e.g. here.\nThen?'
  """
  return _SENTENCE_END.sub('\n', text.strip())


@functools.lru_cache(maxsize=4096)
def _rouge_scores(prediction: str, reference: str):
  """Returns all three types at once, since callers ask for each in turn."""
  return _rouge_scorer().score(sentences(reference), sentences(prediction))


def _rouge(kind: str) -> TextMetric:
  """Returns rouge-score's F1 without stemming, for the best reference."""
  return _best(lambda p, r: _rouge_scores(p, r)[kind].fmeasure)


BLEU_TOKENIZERS = {'bleu': '13a', 'bleu_intl': 'intl'}

METRICS = {
  'squad_f1': _best(_overlap(normalize_squad)),
  'squad_em': _best(_equality(normalize_squad)),
  'trivia_f1': _best(_overlap(normalize_trivia)),
  'trivia_em': _best(_equality(normalize_trivia)),
  'record_f1': _best(_overlap(normalize_squad)),
  'record_em': _best(_equality(normalize_squad)),
  'quac_f1': _best(_quac_f1),
  'coqa_f1': _by_turn(_overlap(normalize_squad)),
  'coqa_em': _by_turn(_equality(normalize_squad)),
  'drop_f1': _best(_drop_f1),
  'drop_em': _best(_drop_exact),
  'exact_match': _best(lambda p, r: float(p.strip() == r.strip())),
  'word_edit_distance': TextMetric(
    lambda p, references: [min(_edit_distance(p, r) for r in references)],
    _mean,
    _means,
  ),
  **{name: _corpus_bleu(t) for name, t in BLEU_TOKENIZERS.items()},
  **{kind: _rouge(kind) for kind in ('rouge1', 'rouge2', 'rougeLsum')},
}

# Means over rows of numbers from 0 to 100.
SHARES = frozenset(
  name for name, metric in METRICS.items() if metric.of_sums is _percents
)
