"""Code that decides what caches hold is told from code that does not.

What breaks this: a cache made by code that has changed since is read as if it
were today's, or every comment makes all caches anew.
"""

import ast
import pathlib
import shutil

import pytest

import flan_jax
from flan_jax.cache import engine_code


@pytest.fixture
def package(tmp_path) -> pathlib.Path:
  """A copy of the package's source that may be edited."""
  folder = tmp_path / 'flan_jax'
  shutil.copytree(
    pathlib.Path(flan_jax.__file__).parent / 'data',
    folder / 'data',
    ignore=shutil.ignore_patterns('__pycache__', '*.model'),
  )
  return folder


def _digest(package: pathlib.Path) -> str:
  return engine_code.engine_digest.__wrapped__(package)


def _edit(package: pathlib.Path, module: str, old: str, new: str) -> None:
  path = package / f'data/{module}.py'
  text = path.read_text()
  assert old in text
  path.write_text(text.replace(old, new))


def test_a_copy_has_the_digest_of_the_code_that_runs(package):
  assert _digest(package) == engine_code.engine_digest()


def test_comments_docstrings_layout_and_order_do_not_count(package):
  before = _digest(package)
  for path in package.rglob('*.py'):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
      if isinstance(node, ast.FunctionDef | ast.ClassDef):
        if ast.get_docstring(node) is not None:
          node.body[0] = ast.Expr(ast.Constant('Other words.'))
    tree.body.reverse()
    path.write_text('# A comment.\n\n' + ast.unparse(tree))
  assert _digest(package) == before


@pytest.mark.parametrize(
  'module, old, new',
  [
    ('cache', 'np.clip(30_000 //', 'np.clip(20_000 //'),
    ('cache_shard', "float(example['score']), 6)", "float(example['score']))"),
    ('cache_writer', "if key.split == 'train'", "if key.split == 'validation'"),
    ('dataset', 'return (truncatable,) if', 'return () if'),
    ('expand', '(keep > 0)', '(keep > 1)'),
    ('expand', '_PICK_BUCKETS = 2**31 - 1', '_PICK_BUCKETS = 2**31'),
    ('splits', "'train': 0.6", "'train': 0.5"),
    ('source', r"_SEPARATOR = '\x1f'", r"_SEPARATOR = '\x1e'"),
    ('templates', "OPTION_BULLET = '- '", "OPTION_BULLET = '* '"),
    # Imported where they are used only.
    ('seqio_vocabulary', "'utf-8', 'replace'", "'utf-8', 'ignore'"),
    ('tokenizer_vocabulary', 'add_special_tokens=False', ''),
  ],
)
def test_what_decides_tokens_counts(package, module, old, new):
  before = _digest(package)
  _edit(package, module, old, new)
  assert _digest(package) != before


@pytest.mark.parametrize(
  'module, old, new',
  [
    ('cache_shard', '.writing', '.unfinished'),
    ('cache_writer', 'inputs shortened', 'truncatable_fields cut'),
    ('expand', 'MIXING_CAP) / shares', 'MIXING_CAP) * shares'),
    ('packing', '_TRIES = 32', '_TRIES = 33'),
    ('remote', '.writing', '.unfinished'),
  ],
)
def test_what_has_no_part_in_tokens_does_not_count(package, module, old, new):
  before = _digest(package)
  _edit(package, module, old, new)
  assert _digest(package) == before


def test_code_that_moved_is_missed(package):
  _edit(package, 'cache_shard', 'def _write_files', 'def _write_all')
  with pytest.raises(LookupError, match=r'cache_shard\._write_files'):
    _digest(package)
