"""A module that a user names is found in the working directory as well."""

import os
import sys

import pytest

from flan_jax.errors import ConfigError, UserError
from flan_jax.runtime import user_modules


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """A working directory that is not on the path; forgets what is imported."""
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(sys, 'path', [p for p in sys.path if p not in ('', '.')])
  monkeypatch.setattr(user_modules._FINDER, 'names', set())
  before = set(sys.modules)
  yield tmp_path
  for name in set(sys.modules) - before:
    del sys.modules[name]


def test_a_package_is_found_with_its_modules(folder):
  (folder / 'lab_a').mkdir()
  (folder / 'lab_a/__init__.py').write_text('')
  (folder / 'lab_a/rows.py').write_text('N = 3\n')
  (folder / 'lab_a/tasks.py').write_text('from lab_a.rows import N\n')
  user_modules.load('lab_a.tasks', '--task_module')
  assert sys.modules['lab_a.tasks'].N == 3
  assert str(folder) not in sys.path


def test_only_what_is_named_is_found_there(folder):
  # `wandb` writes a folder of its name, and tries whether it is installed.
  for name in ('not_installed_b', 'lab_b'):
    (folder / f'{name}.py').write_text('')
  user_modules.load('lab_b', '--task_module')
  with pytest.raises(ModuleNotFoundError):
    import not_installed_b  # noqa: F401


def test_an_installed_package_comes_first(folder):
  (folder / 'colorsys.py').write_text('raise ValueError("the wrong file")')
  sys.modules.pop('colorsys', None)
  user_modules.load('colorsys', '--task_module')
  assert not sys.modules['colorsys'].__file__.startswith(str(folder))


@pytest.mark.parametrize(
  'text, message',
  [
    (None, 'no module lab_c installed or in'),
    ('1 / 0', r'ZeroDivisionError: division by zero \(.*lab_c.py, line 1\)'),
    ('import absent_c', "ModuleNotFoundError: No module named 'absent_c'"),
    ('import json\ndef f(:', r'SyntaxError: .*lab_c.py, line 2'),
  ],
)
def test_what_a_module_raises_is_visible(folder, text, message):
  if text is not None:
    (folder / 'lab_c.py').write_text(text)
  with pytest.raises(ConfigError, match=message) as error:
    user_modules.load('lab_c', 'my.gin, line 3')
  assert str(error.value).startswith('my.gin, line 3 names lab_c')
  assert '\n' not in str(error.value)


def test_a_user_error_of_a_module_is_its_own(folder):
  (folder / 'lab_d.py').write_text(
    'from flan_jax.errors import UserError\nraise UserError("ten templates")\n'
  )
  with pytest.raises(UserError, match=r'^ten templates$'):
    user_modules.load('lab_d', '--task_module')


@pytest.mark.parametrize('name', ['', '.x', 'a/b.py', '../x', 'a b', 'x.'])
def test_what_is_no_module_is_refused(name):
  with pytest.raises(ConfigError, match=r'such as my_lab\.tasks'):
    user_modules.load(name, '--task_module')


def test_the_working_directory_is_that_of_the_import(folder):
  (folder / 'inner').mkdir()
  (folder / 'inner/lab_e.py').write_text('')
  os.chdir(folder / 'inner')
  user_modules.load('lab_e', '--task_module')
