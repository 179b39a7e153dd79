"""The datasets, one file per cluster; importing this registers all of them."""

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

# The datasets of our mixtures. Neither datasets that users register nor those
# outside the paper's clusters (`extras`) are among them.
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
