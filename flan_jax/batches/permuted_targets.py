"""Targets permuted inside a dataset: a control of what tuning teaches.

Each example keeps its prompt and takes the target of another row of its split
under the same template. The model sees the same prompts and, under each
template, the same targets equally often; only which belongs to which is lost.
Spans are tokenized separately, so cached ones are just concatenated.
"""

import numpy as np

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import Framing
from flan_jax.definitions.digests import digest
from flan_jax.rendering.permutation import key_of, permute


class PermutedTargets(CachedSplit):
  """A training split whose targets are permuted; the prompts may be few-shot.

  Exemplars in a prompt keep their own targets.
  """

  def __init__(self, split: CachedSplit, seed: int):
    """Opens the view; `seed` chooses the permutation.

    Raises:
      ValueError: It is not a training split.
    """
    if split.manifest['split'] != 'train':
      raise ValueError(f'{split.name}: only training targets are permuted')
    super().__init__(split.path, split.part)
    self._split = split
    self._seed = seed
    self.sources = target_sources(
      self.renderings['template'], f'{split.name}/{seed}'
    )

  @property
  def digest(self) -> str:
    return digest([self._split.digest, 'permuted targets', self._seed])

  def prompt_parts(self, index: int, framing: Framing) -> list[np.ndarray]:
    return self._split.prompt_parts(index, framing)

  def prompt_lengths(self, framing: Framing) -> np.ndarray:
    return self._split.prompt_lengths(framing)

  def target_parts(self, index: int, framing: Framing) -> list[np.ndarray]:
    return super().target_parts(self.sources.item(index), framing)

  @property
  def targets_cut(self) -> np.ndarray:
    return super().targets_cut[self.sources]

  def target_lengths(self, framing: Framing) -> np.ndarray:
    return super().target_lengths(framing)[self.sources]


def target_sources(templates: np.ndarray, name: str) -> np.ndarray:
  """Returns the rendering whose target each rendering takes.

  Renderings of a template are put in a random order, and each takes the target
  of the next, the last that of the first. No rendering keeps its own, unless it
  is the only one of its template.

  >>> target_sources(np.array([0, 0, 1, 0, 2, 1]), 'example').tolist()
  [3, 0, 5, 1, 4, 2]

  Args:
    templates: The template of every rendering, [renderings].
    name: Chooses the order.

  Returns:
    int64 [renderings], a permutation inside each template.
  """
  sources = np.arange(len(templates))
  for template in np.unique(templates).tolist():
    members = np.flatnonzero(templates == template)
    size = len(members)
    key = key_of('permuted targets', name, template)
    order = members[permute(np.arange(size), size, key)]
    sources[order] = np.roll(order, -1)
  return sources
