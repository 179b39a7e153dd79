"""The datasets, one file a cluster; importing this registers all of them."""

from flan_jax.tasks import nli, paraphrase, sentiment

__all__ = ['nli', 'paraphrase', 'sentiment']
