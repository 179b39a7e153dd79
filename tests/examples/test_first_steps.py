"""The notebook runs, and needs only what `flan_jax` offers."""

import importlib
import json
import subprocess
import sys

import jax
import pytest

import flan_jax
from tests.command_line import ROOT


def _cells() -> list[str]:
  text = (ROOT / 'examples/first_steps.ipynb').read_text(encoding='utf-8')
  cells = json.loads(text)['cells']
  assert not any(cell.get('outputs') for cell in cells), 'clear the outputs'
  return [''.join(c['source']) for c in cells if c['cell_type'] == 'code']


@pytest.mark.slow
def test_the_notebook_runs(own_folder, capsys, monkeypatch):
  # Eight simulated devices would only slow it down.
  one = jax.devices()[:1]
  monkeypatch.setattr(jax, 'devices', lambda *_: list(one))
  names: dict = {}
  for number, cell in enumerate(_cells()):
    exec(compile(cell, f'first_steps.ipynb, cell {number}', 'exec'), names)
  out = capsys.readouterr().out
  assert 'What kind of animal is it?\nOptions:\n- tame\n- wild\n -> ' in out
  before, after = (x for x in out.splitlines() if x.startswith('tame: '))
  assert before != after
  # Training changed the model that it returned, not the one it was given.
  (again,) = names['fj'].rank(
    names['base'], [names['prompt']], [names['options']]
  )
  assert before == f'tame: {again[0].total:.2f}'


def test_public_names_have_docstrings():
  assert sorted(flan_jax.__all__) == sorted(flan_jax._LAZY)
  for name, module in flan_jax._LAZY.items():
    found = getattr(flan_jax, name)
    assert found is getattr(importlib.import_module(module), name)
    assert found.__doc__, name
  with pytest.raises(AttributeError, match='no attribute'):
    _ = flan_jax.misspelt


def test_importing_the_package_imports_nothing_heavy():
  heavy = ('jax', 'tensorflow', 'numpy', 'gin')
  code = (
    f'import flan_jax, sys; print([m for m in {heavy} if m in sys.modules])'
  )
  out = subprocess.check_output(
    [sys.executable, '-c', code], cwd=ROOT, text=True
  )
  assert out == '[]\n'
