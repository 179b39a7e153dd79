"""Published curves that are no means over the datasets of a cluster.

The means of the paper's figures 1, 6, 7 and 9 and of its table 3 are in
`flan_jax.evaluation.paper_means`.
"""

from collections.abc import Mapping
import dataclasses

# Figure 10 and its table in the appendix: prompt tuning on SuperGLUE, of models
# whose tuning left the dataset's cluster out. In percent; recalled, but the
# means over the datasets equal those of the figure.
PROMPT_TUNING_DATASETS = (
  'bool_q',
  'cb',
  'copa',
  'multirc',
  'record',
  'rte',
  'wic',
  'wsc',
)


@dataclasses.dataclass(frozen=True)
class PromptTuning:
  """One bar of figure 10.

  Attributes:
    system: The model whose prompt is tuned.
    examples: Number of training examples; None for the full training set.
    values: Scores in the order of `PROMPT_TUNING_DATASETS`, in percent.
    mean: The mean that the figure prints.
  """

  system: str
  examples: int | None
  values: tuple[float, ...]
  mean: float


FIGURE_10 = (
  PromptTuning(
    'LaMDA-PT', 32, (55.5, 55.4, 87.0, 65.4, 78.0, 52.4, 51.6, 65.4), 63.8
  ),
  PromptTuning(
    'FLAN 137B', 32, (77.5, 87.5, 91.0, 76.8, 80.8, 83.0, 57.8, 70.2), 78.1
  ),
  # Its values are 79.16 in the mean, which the figure prints as 79.1.
  PromptTuning(
    'LaMDA-PT', None, (82.8, 87.5, 90.0, 78.6, 84.8, 82.0, 54.9, 72.7), 79.1
  ),
  PromptTuning(
    'FLAN 137B', None, (86.3, 98.2, 94.0, 83.4, 85.1, 91.7, 74.0, 86.5), 87.4
  ),
)


@dataclasses.dataclass(frozen=True)
class Bloomz:
  """BLOOM and BLOOMZ of one size on one held-out cluster, in percent.

  Each value is the mean over the cluster's datasets. Prompts are English, rows
  are those of the validation split.

  Attributes:
    parameters: Parameters of the model.
    cluster: One of `BLOOMZ_DATASETS`.
    base_median: BLOOM, median over prompts.
    tuned_median: BLOOMZ, median over prompts.
    base_best: BLOOM, best prompt; None if not published.
    tuned_best: BLOOMZ, best prompt; None if not published.
  """

  parameters: int
  cluster: str
  base_median: float
  tuned_median: float
  base_best: float | None = None
  tuned_best: float | None = None


# From bigscience-workshop/xmtf 5caa1b1,
# plotstables/figure_notebooks/allres.ipynb. The means over datasets were
# computed for this project. BLOOMZ's mixture is multilingual and far larger
# than FLAN's.
BLOOMZ_DATASETS: Mapping[str, tuple[str, ...]] = {
  'nli': ('anli_r1', 'anli_r2', 'anli_r3', 'cb', 'rte', 'xnli_en'),
  'completion': ('story_cloze', 'copa'),
  'coreference': ('winogrande', 'xwinograd_en'),
}
BLOOMZ = (
  Bloomz(560_000_000, 'nli', 38.4, 42.6, 42.3, 44.6),
  Bloomz(560_000_000, 'completion', 52.5, 54.8, 63.2, 56.1),
  Bloomz(560_000_000, 'coreference', 50.2, 50.0),
  Bloomz(1_100_000_000, 'nli', 37.4, 40.2, 39.4, 45.5),
  Bloomz(1_100_000_000, 'completion', 52.1, 58.5, 62.0, 62.9),
  Bloomz(1_100_000_000, 'coreference', 51.0, 50.6),
  Bloomz(1_700_000_000, 'nli', 35.3, 47.5, 39.2, 51.6),
  Bloomz(1_700_000_000, 'completion', 51.2, 72.8, 64.7, 76.0),
  Bloomz(1_700_000_000, 'coreference', 50.1, 51.4),
  Bloomz(3_000_000_000, 'nli', 36.5, 50.6, 41.5, 54.2),
  Bloomz(3_000_000_000, 'completion', 54.8, 79.1, 66.2, 81.7),
  Bloomz(3_000_000_000, 'coreference', 50.5, 53.3),
)
