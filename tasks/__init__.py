"""Datasets, one module per cluster. Importing this package registers them."""

from flan_jax.tasks import (
  closed_book_qa,
  commonsense,
  coreference,
  misc,
  nli,
  paraphrase,
  reading_comprehension,
  reading_comprehension_commonsense,
  sentiment,
  struct_to_text,
  summarization,
  translation,
)

from flan_jax.definitions.dataset import Dataset

# The paper's clusters (figure 3).
CLUSTERS = (
  'nli',
  'commonsense',
  'sentiment',
  'paraphrase',
  'closed_book_qa',
  'struct_to_text',
  'translation',
  'reading_comprehension',
  'reading_comprehension_commonsense',
  'coreference',
  'misc',
  'summarization',
)

# The datasets of our mixtures, without those that users register and without
# the `extras`, which are outside the paper's clusters.
DATASETS = tuple(
  value
  for module in (
    nli,
    commonsense,
    sentiment,
    paraphrase,
    closed_book_qa,
    struct_to_text,
    translation,
    reading_comprehension,
    reading_comprehension_commonsense,
    coreference,
    misc,
    summarization,
  )
  for value in vars(module).values()
  if isinstance(value, Dataset) and value.cluster in CLUSTERS
)
