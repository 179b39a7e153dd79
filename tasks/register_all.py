"""Registers every task and mixture with SeqIO, for SeqIO's scripts.

For example: `seqio_cache_tasks --module_import=flan_jax.tasks.register_all`.
The environment variables FLAN_JAX_VOCABULARY and FLAN_JAX_DATA_DIR set the
vocabulary and the TFDS directory. What is not prepared is left out and named.
"""

import os
import warnings

from flan_jax.definitions import registry
from flan_jax.rendering.seqio_tasks import get_mixture_or_task
from flan_jax.rendering.splits import MissingDataError
from flan_jax.terminal.screen import note
from flan_jax.vocabulary.load import MINI

registry.load()
_missing = []
with warnings.catch_warnings():
  # One line below names all datasets, instead of a warning for each mixture.
  warnings.simplefilter('ignore', UserWarning)
  for _name in (*registry.parts(), *(m.name for m in registry.mixtures())):
    try:
      get_mixture_or_task(
        _name,
        vocabulary=os.environ.get('FLAN_JAX_VOCABULARY', MINI),
        data_dir=os.environ.get('FLAN_JAX_DATA_DIR'),
        allow_missing=True,
      )
    except MissingDataError:
      _missing.append(_name)
if _missing:
  note(f'left out, because data is not prepared: {", ".join(_missing)}')
