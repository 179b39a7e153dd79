"""The datasets, one file a cluster; importing this registers all of them."""

from flan_jax.tasks import nli, paraphrase, sentiment

from flan_jax.data.dataset import Dataset

# This project's datasets: what users register beside them joins no mixture of
# ours by accident.
DATASETS = tuple(
  value
  for module in (nli, sentiment, paraphrase)
  for value in vars(module).values()
  if isinstance(value, Dataset)
)

__all__ = ['DATASETS', 'nli', 'paraphrase', 'sentiment']
