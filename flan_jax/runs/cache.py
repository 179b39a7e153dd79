"""`flan-jax cache`: renders and tokenizes what a run needs."""

from collections.abc import Sequence
import dataclasses

from flan_jax.data import names, registry
from flan_jax.data.cache import CacheConfig, UnitKey
from flan_jax.data.vocabulary import load_vocabulary
from flan_jax.runs.reading import open_data_dir, quiet_start
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
  # TensorFlow is for this command alone.
  with quiet_start():
    from flan_jax.data.cache_writer import make_units

    tokens.as_seqio().tf_tokenizer  # noqa: B018 - made on first use
  data_dir = open_data_dir(cache_config.data_dir, cache_config.cache_dir)
  make_units(keys, dataclasses.replace(cache_config, data_dir=data_dir), tokens)
