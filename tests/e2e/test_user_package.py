"""A user's package can register datasets in three ways."""

import json
import pathlib
import subprocess
import sys

import pytest

from tests.command_line import ROOT, TRAIN

# Each way is a module that calls the factory of the package.
_FACTORY = """
from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.registry import register

_ASKS = (
  'Which mood has the note?', 'Is the writer glad or sad?', 'Feeling:',
  'Say how the person feels.', 'Does this sound glad?', 'Pick the mood.',
  'Read the note and judge the mood of whoever wrote it.', 'Mood of the note:',
  'How would a friend describe the writer?', 'What speaks from these words?',
)


def make(name):
  return register(Dataset(
    name=name, version='1.0.0', cluster='moods', source=f'{name}:1.0.0',
    splits={'train': 'train', 'validation': 'validation', 'test': 'test'},
    rows={'train': 24, 'validation': 8, 'test': 8},
    fields={'note': 'note'}, label='label',
    choices={'glad': 'glad', 'sad': 'sad'}, metrics=('accuracy',),
    truncatable='note', group_key=('note',),
    templates=tuple(
      Template('{note}\\n' + ask + '\\n{options}') for ask in _ASKS
    ),
  ))
"""

_MIXTURE = """
from flan_jax.definitions.registry import Member, Mixture, register_mixture

register_mixture(Mixture('moods_train', tuple(map(Member, MOODS))))
register_mixture(
  Mixture('moods_eval', tuple(map(Member, MOODS)), purpose='eval')
)
"""

_SETUP = """
import setuptools

setuptools.setup(
  name='my_lab', version='1.0', packages=['my_lab'],
  entry_points={'flan_jax.tasks': ['moods = my_lab.by_entry_point']},
)
"""

_MOODS = ('mood_gin', 'mood_flag', 'mood_entry')


def _write_package(folder: pathlib.Path) -> None:
  package = folder / 'my_lab'
  package.mkdir(parents=True)
  (folder / 'setup.py').write_text(_SETUP)
  (package / '__init__.py').write_text('')
  (package / 'factory.py').write_text(_FACTORY)
  for module, name in zip(
    ('by_gin', 'by_flag', 'by_entry_point'), _MOODS, strict=True
  ):
    text = f'from my_lab.factory import make\n\nMOOD = make({name!r})\n'
    if module == 'by_gin':
      text += f'MOODS = {_MOODS!r}\n{_MIXTURE}'
    (package / f'{module}.py').write_text(text)


def _install(source: pathlib.Path, target: pathlib.Path) -> None:
  command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-index']
  command += ['--no-deps', '--no-build-isolation', f'--target={target}']
  subprocess.run([*command, str(source)], check=True, capture_output=True)


def _write_rows(folder: pathlib.Path) -> None:
  folder.mkdir()
  features = {'note': 'text', 'label': ['glad', 'sad']}
  words = ('We won the cup', 'The dog is well', 'It rained', 'She left us')
  for name in _MOODS:
    rows = [
      {'note': f'{words[i % 4]}, day {i} {name}.', 'label': i % 4 // 2}
      | {'_split': 'train' if i < 24 else 'validation' if i < 32 else 'test'}
      for i in range(40)
    ]
    lines = ''.join(json.dumps(row) + '\n' for row in rows)
    (folder / f'{name}.jsonl').write_text(lines)
  meta = {n: {'tfds': f'{n}:1.0.0', 'features': features} for n in _MOODS}
  (folder / 'meta.json').write_text(json.dumps(meta))


@pytest.mark.slow
def test_datasets_of_an_installed_package_are_trained_on_and_evaluated(cli):
  _write_package(cli.folder / 'source')
  installed = cli.folder / 'site'
  _install(cli.folder / 'source', installed)
  _write_rows(cli.folder / 'rows')
  (cli.folder / 'my.gin').write_text(
    "import my_lab.by_gin\n\nMIXTURE_OR_TASK_NAME = 'moods_train'\n"
    "EVAL_MIXTURE = 'moods_eval'\n"
  )
  path = {'PYTHONPATH': f'{installed}:{ROOT}'}
  cli.check('import-data', '--input=rows', '--data_dir=tfds')
  out = cli.check_process(
    'train',
    *TRAIN,
    '--gin_file=my.gin',
    '--task_module=my_lab.by_flag',
    '--gin.DATA_DIR=tfds',
    '--gin.CACHE_DIR=cache',
    '--gin.MODEL_DIR=model',
    '--gin.TRAIN_STEPS=2',
    '--gin.EVAL_PERIOD=2',
    '--gin.CHECKPOINT_PERIOD=2',
    **path,
  )
  assert 'training on 3 subsets, 72 rows' in out
  folder = cli.folder / 'model/eval/moods_eval'
  parts = json.loads((folder / 'results.json').read_text())['parts']
  assert [part['part'] for part in parts] == list(_MOODS)
  assert all(part['rows'] == 8 for part in parts)
  assert all(
    set(part['templates']) == set(map(str, range(10))) for part in parts
  )
