"""The paper's results for each dataset, and counts of wins over a baseline.

`paper_results.csv` holds what the tables of arXiv:2109.01652 report, in
percent. The text of the paper was not at hand, so each value states where it
comes from:

  quoted      another published text, or a leaderboard, prints the value
  recomputed  the value follows from a mean that the paper prints
  recalled    nothing that was at hand confirms the value

Datasets have the names of `PartResult.name`. `trivia_qa_wiki_dev` has none:
these are other rows of TriviaQA than those of TFDS.
"""

from collections.abc import Iterable, Mapping
import csv
import dataclasses
import functools
import importlib.resources

from flan_jax.evaluation.paper_means import FLAN, GPT3, ZERO
from flan_jax.evaluation.part_result import PartResult

LAMDA, GLAM = 'LaMDA-PT', 'GLaM 64B/64E'
PROVENANCES = ('quoted', 'recomputed', 'recalled')

# The paper's 25 datasets with results of GPT-3, in the order of its tables.
HEADLINE = (
  *('anli_r1', 'anli_r2', 'anli_r3', 'cb', 'rte'),
  *('bool_q', 'multirc', 'openbookqa'),
  *('arc_challenge', 'arc_easy', 'natural_questions', 'trivia_qa_wiki_dev'),
  *('copa', 'hellaswag', 'piqa', 'story_cloze'),
  *('winogrande', 'wsc273', 'record'),
  *('wmt14_enfr en_fr', 'wmt14_enfr fr_en'),
  *('wmt16_translate_deen en_de', 'wmt16_translate_deen de_en'),
  *('wmt16_translate_roen en_ro', 'wmt16_translate_roen ro_en'),
)
# Tasks that are phrased as the completion of a sentence (section 4.2).
COMPLETION = (
  *('copa', 'hellaswag', 'piqa', 'story_cloze'),
  *('winogrande', 'wsc273', 'record'),
)


@dataclasses.dataclass(frozen=True)
class Published:
  """One value of the paper's tables.

  Attributes:
    dataset: Name as in `PartResult.name`.
    metric: `accuracy`, `exact_match`, `f1`, `bleu` or `rouge1`.
    system: `FLAN 137B`, `LaMDA-PT`, `GPT-3 175B` or `GLaM 64B/64E`.
    setting: `zero_shot`, `one_shot` or `few_shot`; of FLAN, followed by `_mean`
      (over templates) or `_best_dev` (template best on validation rows).
    value: In percent.
    std: Standard deviation over templates; None if not known.
    shots: Number of exemplars; None for none, or if not known.
    provenance: One of `PROVENANCES`.
  """

  dataset: str
  metric: str
  system: str
  setting: str
  value: float
  std: float | None
  shots: int | None
  provenance: str


@functools.cache
def results() -> tuple[Published, ...]:
  """Returns all values, in the order of the file."""
  path = importlib.resources.files(__package__) / 'paper_results.csv'
  lines = path.read_text(encoding='utf-8').splitlines()
  return tuple(
    Published(
      dataset=row['dataset'],
      metric=row['metric'],
      system=row['system'],
      setting=row['setting'],
      value=float(row['value']),
      std=_number(row['std_over_templates']),
      shots=int(row['shots']) if row['shots'] else None,
      provenance=row['provenance'],
    )
    for row in csv.DictReader(lines)
  )


def _number(text: str) -> float | None:
  return float(text) if text else None


@functools.cache
def _index() -> dict[tuple[str, str, str], Published]:
  return {(r.dataset, r.system, r.setting): r for r in results()}


def find(dataset: str, system: str, setting: str) -> Published | None:
  """Returns one value, or None if it is not known."""
  return _index().get((dataset, system, setting))


@dataclasses.dataclass(frozen=True)
class Scores:
  """What one dataset scores zero-shot, in percent.

  Attributes:
    mean: Mean over templates.
    best: Score of the template that is best on validation rows; None if there
      are no validation rows.
  """

  mean: float
  best: float | None = None

  @property
  def best_or_mean(self) -> float:
    """What the paper compares; WSC273, without validation rows, has a mean."""
    return self.mean if self.best is None else self.best


def scores_of(evaluated: Iterable[PartResult]) -> dict[str, Scores]:
  """Returns name -> scores of zero-shot results with instructions."""
  found = {}
  for result in evaluated:
    zero_shot = result.format == 'instructions' and not result.shots
    if zero_shot and result.mean is not None:
      best = result.best_validation
      found[result.name] = Scores(result.mean, best and best['test'])
  return found


def flan_scores() -> dict[str, Scores]:
  """Returns name -> zero-shot scores of the paper's own model."""
  found = {}
  for mean in results():
    if (mean.system, mean.setting) == (FLAN, ZERO):
      best = find(mean.dataset, FLAN, 'zero_shot_best_dev')
      found[mean.dataset] = Scores(mean.value, best and best.value)
  return found


@dataclasses.dataclass(frozen=True)
class Rule:
  """One of the paper's counts: on how many datasets zero-shot FLAN is better.

  Attributes:
    system: The baseline.
    setting: Its setting.
    datasets: The datasets that are compared.
    published: The number of wins that the paper states.
    provenance: Where that number comes from.
    by_mean: Compares the mean over templates instead of the template that is
      best on validation rows.
  """

  system: str
  setting: str
  datasets: tuple[str, ...]
  published: int
  provenance: str
  by_mean: bool = False


_WITH_GLAM = tuple(name for name in HEADLINE if not name.startswith('wmt'))
RULES = (
  Rule(GPT3, 'zero_shot', HEADLINE, 20, 'quoted'),
  # By our table, the next two counts are 12.
  Rule(GPT3, 'few_shot', HEADLINE, 10, 'recalled'),
  Rule(GLAM, 'zero_shot', _WITH_GLAM, 13, 'recalled'),
  Rule(GLAM, 'one_shot', _WITH_GLAM, 11, 'recalled'),
  Rule(LAMDA, 'zero_shot', COMPLETION, 3, 'quoted', by_mean=True),
)


@dataclasses.dataclass(frozen=True)
class WinCount:
  """A count by one rule. Each dataset of the rule is in one of the tuples.

  Attributes:
    rule: The rule.
    won: Datasets on which we are strictly better.
    tied: Datasets with equal values, which do not count as won.
    lost: Datasets on which the baseline is better.
    missing: Datasets without our result, or without the baseline's.
    recalled: Datasets left out because the baseline's value is recalled.
  """

  rule: Rule
  won: tuple[str, ...]
  tied: tuple[str, ...]
  lost: tuple[str, ...]
  missing: tuple[str, ...]
  recalled: tuple[str, ...]


def win_counts(
  ours: Mapping[str, Scores], *, use_recalled: bool = False
) -> tuple[WinCount, ...]:
  """Counts wins over the baselines by the paper's `RULES`.

  Args:
    ours: Name of a dataset -> its zero-shot scores, see `scores_of`.
    use_recalled: Whether recalled values of the baselines count too. GPT-3's
      are all recalled.
  """
  return tuple(_count(rule, ours, use_recalled) for rule in RULES)


def _count(
  rule: Rule, ours: Mapping[str, Scores], use_recalled: bool
) -> WinCount:
  outcomes: dict[str, list[str]] = {
    name: [] for name in ('won', 'tied', 'lost', 'missing', 'recalled')
  }
  for dataset in rule.datasets:
    baseline = find(dataset, rule.system, rule.setting)
    if dataset not in ours or baseline is None:
      outcome = 'missing'
    elif baseline.provenance == 'recalled' and not use_recalled:
      outcome = 'recalled'
    else:
      scores = ours[dataset]
      value = scores.mean if rule.by_mean else scores.best_or_mean
      better, worse = value > baseline.value, value < baseline.value
      outcome = 'won' if better else 'lost' if worse else 'tied'
    outcomes[outcome].append(dataset)
  return WinCount(rule, **{k: tuple(v) for k, v in outcomes.items()})
