"""Small studies, as study.json holds them, from made-up cells."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
from typing import Any

from flan_jax.definitions import registry
from flan_jax.studies import panels
from flan_jax.studies.design import StudyDesign
from flan_jax.studies.panel_values import members_of
from tests.studies.cells import part

registry.load()


def study(
  panel: str, holdouts: Sequence[str], cells: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
  """Returns the content of a study.json whose panel is made from its cells."""
  design, cells = StudyDesign({}, holdouts, panel=panel), list(cells)
  return {
    'study': panel,
    'size': 'small',
    'design': dataclasses.asdict(design),
    'cells': cells,
    'panel': panels.panel(design, [], cells),
  }


def adapted(study_json: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a study whose rows are smaller copies of the datasets' own."""

  def copy(entry):
    return {**entry, 'split': 'adapted'}

  def cell(found):
    evaluations = [
      {**e, 'parts': [copy(x) for x in e['parts']]}
      for e in found['evaluations']
    ]
    prompts = [
      {**p, 'parts': [copy(x) for x in p['parts']]} for p in found['prompts']
    ]
    return {**found, 'evaluations': evaluations, 'prompts': prompts}

  return {**study_json, 'cells': [cell(c) for c in study_json['cells']]}


def every_member(
  clusters: Iterable[str], value: float, **more: Any
) -> list[dict[str, Any]]:
  """Returns parts of all datasets of clusters' means that have one value."""
  return [part(n, value, **more) for c in clusters for n in members_of(c)]


def control(difference: float, shown: bool, **more: Any) -> dict[str, Any]:
  """Returns a line of the panel of controls."""
  return {
    'endpoint': 'c: unseen cluster',
    'holdout': 'nli',
    'first': 'instructions',
    'second': 'plain',
    'best': None,
    'statistic': 'macro_f1',
    'datasets': 4,
    'rows': 400,
    'seeds': 3,
    'first is': 50.0 + difference,
    'second is': 50.0,
    'difference': difference,
    'error': 1.0,
    'low': difference - 2,
    'high': difference + 3,
    'shown': shown,
    **more,
  }
