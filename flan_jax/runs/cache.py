"""`flan-jax cache`: renders and tokenizes what a run needs."""

from collections.abc import Callable, Sequence
import dataclasses
import os
import pathlib
import sys

from flan_jax.data import names, registry
from flan_jax.data.cache import CacheConfig, UnitKey
from flan_jax.data.mini import MINI, resolve_data_dir
from flan_jax.data.vocabulary import Vocabulary, load_vocabulary
import gin


def unit_keys(
  mixtures: Sequence[str | None], training: bool = True
) -> list[UnitKey]:
  """Returns the units that training on, or evaluating, mixtures needs.

  Development rows serve both: they watch training and choose the template.
  Training rows also serve evaluation with exemplars.

  Args:
    mixtures: Mixtures or tasks; None is skipped.
    training: Whether tasks named alone are to be trained on as well.

  Raises:
    UnknownNameError: unknown name, with the three nearest.
  """
  keys = []
  for name in mixtures:
    if name is None:
      continue
    for member in names.members(name):
      _, part = registry.find_part(member.part)
      needed = roles_needed(name, training)
      for role in needed:
        if role in part.splits:
          templates = member.templates if role == 'train' else None
          keys.append(UnitKey(part.name, role, templates, member.format))
      if member.shots and part.trains and 'test' in needed:
        keys.append(UnitKey(part.name, 'train', None, member.format))
  return list(dict.fromkeys(keys))


def roles_needed(mixture: str, training: bool = True) -> tuple[str, ...]:
  """Returns the roles that are read of a mixture or task."""
  found = names.find_mixture(mixture)
  if not training:
    return ('dev', 'test')
  if found is None:
    return ('train', 'dev', 'test')
  return {'train': ('train', 'dev'), 'eval': ('dev', 'test')}[found.purpose]


def _start_tensorflow(vocabulary: Vocabulary) -> Callable:
  """Imports TensorFlow, for this command alone, and returns `make_units`.

  Its libraries write start-up notices straight to the standard error stream,
  whatever the log level; these are dropped. Python's own errors are not: they
  are raised.
  """
  # TensorFlow reads rows here; the devices are the trainer's.
  os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
  sys.stderr.flush()
  kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(null, 2)
  try:
    from flan_jax.data.cache_writer import make_units

    vocabulary.as_seqio().tf_tokenizer  # noqa: B018 - made on first use
  finally:
    os.dup2(kept, 2)
    os.close(kept)
    os.close(null)
  return make_units


@gin.configurable(module='flan_jax')
def cache(
  mixtures: Sequence[str | None],
  cache_config: CacheConfig,
  vocabulary: str,
  dry_run: bool = False,
) -> None:
  """Makes every unit that is not there yet.

  Args:
    mixtures: Mixtures or tasks; None is skipped.
    cache_config: Directories and lengths.
    vocabulary: As VOCABULARY.
    dry_run: Only says what would be made.
  """
  keys = unit_keys(mixtures)
  if dry_run:
    print(f'{len(keys)} units: ' + ', '.join(map(str, keys)))
    return
  tokens = load_vocabulary(vocabulary)
  make_units = _start_tensorflow(tokens)
  data_dir = resolve_data_dir(cache_config.data_dir, cache_config.cache_dir)
  if cache_config.data_dir == MINI and not pathlib.Path(data_dir).exists():
    from flan_jax.data.tfds_import import import_rows, mini_corpus

    import_rows(mini_corpus(), data_dir, log=lambda line: None)
    print(f'imported the mini corpus to {data_dir}')
  make_units(keys, dataclasses.replace(cache_config, data_dir=data_dir), tokens)
