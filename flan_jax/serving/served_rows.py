"""Rows of datasets under their templates, for the page to choose from."""

from collections.abc import Iterable
import functools
from typing import Any

import numpy as np

from flan_jax.cache.framing import Framing
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.predictions import references
from flan_jax.evaluation.requests import Request, request_of
from flan_jax.runtime.json_text import shown
from flan_jax.serving.api_error import ApiError
from flan_jax.vocabulary.base import Vocabulary


class ServedRows:
  """The test rows of some parts, as an evaluation asks them.

  A client names a part, a template and a row. It sends no template and no path.
  """

  def __init__(
    self, parts: Iterable[EvalPart], framing: Framing, vocabulary: Vocabulary
  ):
    self._vocabulary = vocabulary
    self._framing = framing
    self._parts: dict[str, EvalPart] = {
      part.test.name: part for part in parts if not part.null
    }

  @functools.cached_property
  def listed(self) -> list[dict[str, Any]]:
    """Each part with its templates and its number of rows."""
    return [
      {
        'dataset': name,
        'cluster': part.test.part.cluster,
        'templates': self._templates(part),
        'rows': part.test.num_rows,
      }
      for name, part in self._parts.items()
    ]

  def _templates(self, part: EvalPart) -> list[dict[str, Any]]:
    used = np.unique(part.test.renderings['template']).tolist()
    patterns = part.test.part.templates
    return [
      {'template': k, 'input': patterns[k].input}
      for k in used
      if part.templates is None or k in part.templates
    ]

  def find(self, name: str, template: int, row: int) -> dict[str, Any]:
    """Returns a row under a template.

    Returns:
      {'prompt', 'options', 'correct': indices of options, 'references'}; there
      are no options if the answer is free text.

    Raises:
      ApiError: There is no such row, or the template does not apply to it.
    """
    found = self._request(name, template, row)
    if found is None:
      raise ApiError(
        f'{name} has no row {row} under template {template}',
        code='not_found',
        status=404,
      )
    prompt = list(map(int, found.example.prompt))
    start, end = len(self._framing.start), len(self._framing.separator)
    return {
      'prompt': self._vocabulary.decode(prompt[start : len(prompt) - end]),
      **_answers(found),
    }

  def _request(self, name: str, template: int, row: int) -> Request | None:
    part = self._parts.get(name)
    if part is None:
      raise ApiError(
        f'there is no dataset {shown(name)}', code='not_found', status=404
      )
    known = part.templates is None or template in part.templates
    if not known or row >= part.test.num_rows:
      return None
    first, last = part.test.row_start[row : row + 2].tolist()
    for index in range(first, last):
      if part.test.renderings[index]['template'] == template:
        return request_of(part.test, index, self._framing)
    return None


def _answers(request: Request) -> dict[str, Any]:
  if request.ranked:
    correct = list(request.row['correct'])
    return {
      'options': request.option_texts,
      'correct': correct,
      'references': [],
    }
  texts = references(request.split, request.row, request.template)
  return {'options': [], 'correct': [], 'references': texts}
