"""The datasets that `rank_eval` scores; needs neither TensorFlow nor JAX."""

import argparse

from flan_jax.definitions import registry

DEFAULT = ('hellaswag', 'arc', 'piqa', 'anli')


def ranked_parts(name: str) -> tuple[str, ...]:
  """Returns the evaluated parts with options of a dataset, or of a part.

  There are none if its answers are free text.

  Raises:
    UnknownNameError: Nothing has this name.
  """
  dataset = registry.find_dataset(name)
  parts = dataset.resolve_parts() if dataset else (registry.find_part(name)[1],)
  return tuple(
    part.name
    for part in parts
    if part.evaluates and (part.choices or part.options)
  )


def parse(text: str) -> list[str]:
  """Parses a flag that names datasets with options."""
  registry.load()
  names = text.split(',')
  for name in names:
    try:
      found = ranked_parts(name)
    except registry.UnknownNameError as error:
      raise argparse.ArgumentTypeError(str(error)) from error
    if not found:
      raise argparse.ArgumentTypeError(f'{name} has no options to rank')
  return names
