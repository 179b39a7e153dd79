"""Gin files are read through before gin reads them."""

import pytest

from flan_jax import gin_files
from flan_jax.errors import ConfigError


def _imported(folder, name='a.gin'):
  path = gin_files.find(name, [str(folder)])
  return list(gin_files.imported([path], [], [str(folder)]))


def test_imports_of_included_files_come_with_their_places(tmp_path):
  (tmp_path / 'a.gin').write_text("import json\ninclude 'b.gin'\nX = @y()\n")
  (tmp_path / 'b.gin').write_text('from my_lab import tasks\n')
  assert _imported(tmp_path) == [
    ('json', f'{tmp_path}/a.gin, line 1'),
    ('my_lab.tasks', f'{tmp_path}/b.gin, line 1'),
  ]


def test_a_file_may_be_included_twice(tmp_path):
  (tmp_path / 'a.gin').write_text("include 'b.gin'\ninclude 'b.gin'\n")
  (tmp_path / 'b.gin').write_text('import json\n')
  assert len(_imported(tmp_path)) == 2


@pytest.mark.parametrize(
  'text, message',
  [
    ("include 'a.gin'\n", 'include each other in a circle'),
    ("include 'absent.gin'\n", "no gin file 'absent.gin'"),
    ('X = 1\nX = (\n', 'a.gin'),
    ('X == 1\n', 'a.gin, line 1 is not as gin expects it'),
    ('X = ' + '[' * 5000, 'a.gin'),
    ('X = ' + '9' * 5000, 'a.gin'),
    ('X = 1 +\n', 'a.gin'),
    (b'\xff\xfe', 'a.gin is not a gin file'),
  ],
)
def test_a_file_that_gin_cannot_read_is_named(tmp_path, text, message):
  text = text if isinstance(text, bytes) else text.encode()
  (tmp_path / 'a.gin').write_bytes(text)
  with pytest.raises(ConfigError) as error:
    _imported(tmp_path)
  assert message in str(error.value) and '\n' not in str(error.value)


def test_bindings_are_read_as_files_are(tmp_path):
  (tmp_path / 'a.gin').write_text('import json\n')

  def imported(*bindings):
    return list(gin_files.imported([], bindings, [str(tmp_path)]))

  assert imported('SEED = 3') == []
  assert [module for module, _ in imported("include 'a.gin'")] == ['json']
  with pytest.raises(ConfigError, match=r'--gin\.SEED.* is not as gin expects'):
    imported('SEED = @')
