"""The means that the paper reports, and the datasets that they average.

The paper (arXiv:2109.01652) prints means over clusters in figures 1, 6, 7 and 9
and in table 3, but not which datasets they average; that differs between
figures. The members below are those whose published values give the printed
mean. A mean that no members reproduce says why, and nothing is compared with
it. `tests/evaluation/test_paper_means.py` computes it again.

Each mean is unweighted, over the reported metric of its members: accuracy, F1
(MultiRC), exact match (Natural Questions, TriviaQA), BLEU or ROUGE-1.
"""

from collections.abc import Sequence
import dataclasses

from flan_jax.definitions.names import MAX_SHOTS

FLAN, GPT3 = 'FLAN 137B', 'GPT-3 175B'
NO_TEMPLATE, DATASET_NAME = 'FLAN, no template', 'FLAN, dataset name'
ZERO, FEW = 'zero_shot_mean', 'few_shot_mean'


@dataclasses.dataclass(frozen=True)
class PaperMean:
  """One mean that the paper reports.

  Attributes:
    figure: The figure or table.
    cluster: The cluster; `clusters` for the three that the ablations hold out,
      `overall` for the four of table 3.
    system: `FLAN 137B`, `GPT-3 175B` or a variant of FLAN.
    setting: `zero_shot` or `few_shot`; of FLAN, followed by `_mean`: the mean
      over templates of each member.
    value: In percent; None if the figure plots it and prints no number.
    members: Names as in `PartResult.name`: a part, and the group of templates
      if there is one. `trivia_qa_wiki_dev` are other rows than ours. Clusters
      if `cluster` is `overall`. Empty if not known.
    format: The format of the prompts.
    provenance: `quoted`, if another published text prints it, or `recalled`.
    problem: Why the members' published values do not reproduce the mean;
      empty if they do.
  """

  figure: str
  cluster: str
  system: str
  setting: str
  value: float | None
  members: tuple[str, ...] = ()
  format: str = 'instructions'
  provenance: str = 'recalled'
  problem: str = ''

  @property
  def reproduced(self) -> bool:
    return not self.problem


_NLI = ('anli_r1', 'anli_r2', 'anli_r3', 'cb', 'rte')
_READING = ('bool_q', 'multirc', 'openbookqa')
_CLOSED_BOOK = ('arc_easy', 'arc_challenge', 'natural_questions')
# Rows of TriviaQA that GPT-3 was evaluated on, and those of TFDS.
_CLOSED_BOOK_WIKI = (*_CLOSED_BOOK, 'trivia_qa_wiki_dev')
_CLOSED_BOOK_TFDS = (*_CLOSED_BOOK, 'trivia_qa')
_COMMONSENSE = ('copa', 'hellaswag', 'piqa', 'story_cloze')
_COREFERENCE = ('definite_pronoun_resolution', 'winogrande')
_TRANSLATION = (
  'wmt14_enfr en_fr',
  'wmt14_enfr fr_en',
  'wmt16_translate_deen en_de',
  'wmt16_translate_deen de_en',
  'wmt16_translate_roen en_ro',
  'wmt16_translate_roen ro_en',
)
_STRUCT_TO_TEXT = ('common_gen', 'dart', 'e2e_nlg', 'web_nlg_en')

_CIRCULAR = 'the value of its TriviaQA rows was computed from this mean'
_NO_SUBSET = (
  'no subset of the known values gives it; it may average datasets whose '
  'values are not known, such as {}'
)
_NO_NLI = _NO_SUBSET.format('MNLI, QNLI, SNLI and WNLI')
_NO_READING = _NO_SUBSET.format('SQuAD')
_NO_VALUES = 'values of its datasets are not known for this system'
_OTHER_MEAN = 'the values of its members give 31.0, which figure 9 prints'


def _problem(cluster: str, system: str) -> str:
  """Returns why a zero-shot mean of figure 1 or table 3 is not reproduced."""
  if system == GPT3:
    return ''
  if system != FLAN:
    return _NO_VALUES
  problems = {'closed_book_qa': _CIRCULAR, 'translation': _OTHER_MEAN}
  return problems.get(cluster, '')


def _figure_1() -> list[PaperMean]:
  means = []
  for cluster, members, zero, few, flan in (
    ('nli', _NLI, 42.9, 53.2, 56.2),
    ('reading_comprehension', _READING, 63.7, 72.6, 77.4),
    ('closed_book_qa', _CLOSED_BOOK_WIKI, 49.8, 55.7, 56.6),
  ):
    for system, setting, value in (
      (GPT3, 'zero_shot', zero),
      (GPT3, 'few_shot', few),
      (FLAN, ZERO, flan),
    ):
      means.append(
        PaperMean(
          *('Figure 1', cluster, system, setting, value, members),
          problem=_problem(cluster, system),
        )
      )
  return means


def _figure_6() -> list[PaperMean]:
  # Trained on one to seven clusters, in the order of `mixtures.ablations`.
  return [
    PaperMean(
      *('Figure 6', 'clusters', f'FLAN, {count} clusters', ZERO, value),
      provenance='quoted',
      problem=_NO_VALUES,
    )
    for count, value in enumerate((49.9, 55.0, 59.3, 59.2, 60.8, 61.9, 63.5), 1)
  ]


def _figure_9() -> list[PaperMean]:
  # The paper's first version prints 53.7 in figure 1 as well.
  rows = (
    ('nli', (), 54.7, 59.3, _NO_NLI, _NO_NLI),
    ('reading_comprehension', (), 59.6, 60.0, _NO_READING, _NO_READING),
    ('closed_book_qa', _CLOSED_BOOK_TFDS, 53.7, 57.2, '', _CIRCULAR),
    ('commonsense', _COMMONSENSE, 80.0, 80.8, '', ''),
    ('coreference', _COREFERENCE, 63.8, 67.4, '', ''),
    ('translation', _TRANSLATION, 31.0, 33.0, '', ''),
    (
      *('struct_to_text', _STRUCT_TO_TEXT, 49.2, None),
      'the known values of its members give 48.9',
      'the mean and the value of WebNLG are not known',
    ),
  )
  return [
    PaperMean(
      *('Figure 9', cluster, FLAN, setting, value, members),
      problem=problem,
    )
    for cluster, members, zero, few, no_zero, no_few in rows
    for setting, value, problem in ((ZERO, zero, no_zero), (FEW, few, no_few))
  ]


def _table_3() -> list[PaperMean]:
  clusters = {
    'nli': _NLI,
    'reading_comprehension': _READING,
    'closed_book_qa': _CLOSED_BOOK_WIKI,
    'translation': _TRANSLATION,
  }
  means = []
  for system, form, *values, overall in (
    (FLAN, 'instructions', 56.2, 77.4, 56.6, 30.7, 55.2),
    (NO_TEMPLATE, 'instructions', 50.5, 58.2, 25.5, 15.0, 37.3),
    (DATASET_NAME, 'instructions', 52.8, 63.0, 44.8, 25.9, 46.6),
    (DATASET_NAME, 'named', 60.2, 64.9, 40.8, 21.9, 47.0),
  ):
    for (cluster, members), value in zip(clusters.items(), values, strict=True):
      means.append(
        PaperMean(
          *('Table 3', cluster, system, ZERO, value, members, form),
          problem=_problem(cluster, system),
        )
      )
    means.append(
      PaperMean(
        *('Table 3', 'overall', system, ZERO, overall, tuple(clusters), form),
        provenance='quoted',
      )
    )
  return means


PAPER_MEANS: tuple[PaperMean, ...] = (
  *_figure_1(),
  *_figure_6(),
  # Its values for five sizes are plotted only. That these are its 13 datasets
  # is inferred from their number.
  PaperMean(
    *('Figure 7', 'clusters', FLAN, ZERO, None),
    (*_NLI, *_CLOSED_BOOK_WIKI, *_COMMONSENSE),
    problem='the figure prints no numbers',
  ),
  *_figure_9(),
  *_table_3(),
)


def means_of(cluster: str) -> Sequence[PaperMean]:
  """Returns the means of the paper's own model over a cluster, in order.

  Only those over rows that we have, and whose members are known.
  """
  return [
    mean
    for mean in PAPER_MEANS
    if (mean.cluster, mean.system) == (cluster, FLAN)
    and mean.members
    and 'trivia_qa_wiki_dev' not in mean.members
  ]


def mean_for(cluster: str, form: str, shots: int) -> PaperMean | None:
  """Returns which of the paper's means our mean over a cluster repeats.

  It is the first of the cluster that the paper's own values reproduce, of
  zero-shot results or of those with as many exemplars as fit. Results in
  another format or with fewer exemplars have no counterpart. Then, and if none
  is reproduced, the mean has the members of another one of the cluster, and no
  value.

  Returns:
    None if the paper reports no mean of the cluster whose members are known.
  """
  means = means_of(cluster)
  setting = {0: ZERO, MAX_SHOTS: FEW}.get(shots)
  for mean in means:
    same = (mean.format, mean.setting) == (form, setting)
    if same and mean.reproduced:
      return mean
  if not means:
    return None
  known = next((mean for mean in means if mean.reproduced), means[0])
  problem = next(
    (
      mean.problem
      for mean in PAPER_MEANS
      if (mean.cluster, mean.system) == (cluster, FLAN)
      and (mean.format, mean.setting) == (form, setting)
    ),
    'the paper reports no mean of its model in this setting',
  )
  return dataclasses.replace(known, value=None, problem=problem)
