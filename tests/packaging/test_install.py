"""flan_jax works with every kind of installation, from any folder.

`tasks/`, `mixtures/` and `gin/` are in different places in a checkout and in an
installation. These tests fail if setup.py omits a package or a kind of data
file, if a user's own `tasks.py` or `gin/` hides ours, or if code imports them
by their bare names. They need no network.
"""

import dataclasses
import json
import os
import pathlib
import runpy
import shutil
import site
import subprocess
import sys
import zipfile

import pytest

import flan_jax
from flan_jax.definitions import registry, template_set

pytestmark = pytest.mark.slow

_CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
_FOLDERS = ('flan_jax', 'tasks', 'mixtures', 'gin', 'launch', 'tests/packaging')
_FILES = ('*.py', '*.toml', '*.in', '*.md', '*.txt', 'LICENSE')

# Prints where flan_jax finds its parts and which modules they import. `gin` may
# be hidden by a module in the working directory, so it is imported elsewhere.
_PROBE = """
import json, os, sys
import flan_jax.mixtures, flan_jax.tasks
modules = sorted(sys.modules)
os.chdir('/')
from flan_jax import config
from flan_jax.definitions import registry, template_set
registry.load()
print(json.dumps({
  'tasks': flan_jax.tasks.__file__,
  'mixtures': flan_jax.mixtures.__file__,
  'modules': modules,
  'gin': str(config.shipped_gin_dir()),
  'template_set': template_set.load('continuation').digest,
}))
"""


@dataclasses.dataclass(frozen=True)
class Environment:
  """A virtual environment with our dependencies but without flan_jax.

  Attributes:
    folder: The virtual environment.
    python_path: The folders of PYTHONPATH.
  """

  folder: pathlib.Path
  python_path: tuple[pathlib.Path, ...]

  def run(self, *command: str | pathlib.Path, cwd: str | pathlib.Path) -> str:
    """Runs a program of the environment; returns what it prints."""
    variables = {
      name: value
      for name, value in os.environ.items()
      if not name.startswith(('PIP_', 'PYTEST_', 'PYTHON'))
    }
    variables |= {
      'PIP_CONFIG_FILE': os.devnull,
      'PIP_NO_INDEX': '1',
      'PYTHONPATH': os.pathsep.join(map(str, self.python_path)),
    }
    program, *arguments = command
    result = subprocess.run(
      [self.folder / 'bin' / program, *arguments],
      cwd=cwd,
      env=variables,
      capture_output=True,
      text=True,
      check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout

  def install(self, *arguments: str | pathlib.Path) -> None:
    self.run(
      *('python', '-m', 'pip', 'install', '--no-deps', '--no-build-isolation'),
      *arguments,
      cwd='/',
    )


@pytest.fixture(scope='module')
def dependencies(tmp_path_factory) -> pathlib.Path:
  """Links to every installed package except flan_jax."""
  folder = tmp_path_factory.mktemp('dependencies')
  for packages in map(pathlib.Path, site.getsitepackages()):
    for path in packages.iterdir() if packages.is_dir() else ():
      link = folder / path.name
      ours = path.name.startswith(('flan_jax', '__editable__'))
      if not ours and path.suffix != '.pth' and not link.exists():
        link.symlink_to(path)
  return folder


@pytest.fixture(scope='module')
def new_environment(dependencies, tmp_path_factory):
  """Makes an environment whose PYTHONPATH starts with the given folders."""

  def new(*python_path: pathlib.Path) -> Environment:
    folder = tmp_path_factory.mktemp('environment')
    subprocess.run(
      [sys.executable, '-m', 'venv', '--without-pip', folder], check=True
    )
    return Environment(folder, (*python_path, dependencies))

  return new


@pytest.fixture(scope='module')
def new_checkout(tmp_path_factory):
  """Copies the sources, so that builds leave nothing in the checkout."""

  def new() -> pathlib.Path:
    folder = tmp_path_factory.mktemp('checkout')
    for pattern in _FILES:
      for path in _CHECKOUT.glob(pattern):
        shutil.copy(path, folder)
    for name in _FOLDERS:
      shutil.copytree(
        _CHECKOUT / name,
        folder / name,
        ignore=shutil.ignore_patterns('__pycache__'),
      )
    return folder

  return new


@pytest.fixture(scope='module')
def checkout(new_checkout) -> pathlib.Path:
  """A checkout that tests only read."""
  return new_checkout()


def _build_wheel(
  environment: Environment, source: pathlib.Path, output: pathlib.Path
) -> pathlib.Path:
  environment.run(
    *('python', '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation'),
    *('-w', output, source),
    cwd='/',
  )
  (wheel,) = output.glob('*.whl')
  return wheel


@pytest.fixture(scope='module')
def built(new_environment, new_checkout, tmp_path_factory):
  """A checkout and the wheel built from it."""
  checkout = new_checkout()
  output = tmp_path_factory.mktemp('wheel')
  return checkout, _build_wheel(new_environment(), checkout, output)


@pytest.fixture(
  scope='module', params=['wheel', 'editable', 'strict', 'python_path']
)
def installed(request, built, new_environment, new_checkout) -> Environment:
  """Environments in which flan_jax is found from any working directory."""
  if request.param == 'python_path':
    return new_environment(new_checkout())
  environment = new_environment()
  if request.param == 'wheel':
    environment.install(built[1])
  elif request.param == 'editable':
    environment.install('-e', new_checkout())
  else:
    environment.install(
      *('-e', new_checkout(), '--config-settings', 'editable_mode=strict')
    )
  return environment


@pytest.fixture(scope='module')
def hostile(tmp_path_factory) -> pathlib.Path:
  """A user's folder with modules named like the folders of a checkout."""
  folder = tmp_path_factory.mktemp('hostile')
  (folder / 'gin').mkdir()
  for name in ('tasks.py', 'mixtures.py', 'gin/__init__.py', 'gin/config.py'):
    (folder / name).write_text('raise ImportError("not this one")\n')
  (folder / 'gin/notes.txt').write_text('none of your business\n')
  return folder


def _shipped(checkout: pathlib.Path) -> set[str]:
  """Returns the paths of an installation, relative to site-packages."""
  shipped = set((checkout / 'flan_jax').rglob('*'))
  patterns = (
    'tasks/**/*.py tasks/**/*.json mixtures/**/*.py gin/**/*.gin launch/*.j2'
  )
  for pattern in patterns.split():
    shipped |= set(checkout.glob(pattern))
  return {
    'flan_jax/' + str(path.relative_to(checkout)).removeprefix('flan_jax/')
    for path in shipped
    if path.is_file()
  }


def _contents(wheel: pathlib.Path) -> set[str]:
  """Returns the paths in a wheel, without its metadata."""
  with zipfile.ZipFile(wheel) as archive:
    names = archive.namelist()
  return {name for name in names if '.dist-info/' not in name}


def _check(environment: Environment, cwd: pathlib.Path) -> None:
  """Checks that all parts of flan_jax are found from a working directory."""
  found = json.loads(environment.run('python', '-c', _PROBE, cwd=cwd))
  for name in ('tasks', 'mixtures'):
    path = pathlib.Path(found[name])
    assert path.parts[-2:] == (name, '__init__.py')
  # Slow to load, absent on light workers, or imported by a bare name.
  unwanted = {'jax', 'mixtures', 'seqio', 'tasks', 'tensorflow'}
  assert not unwanted & set(found['modules'])
  assert _gin_files(pathlib.Path(found['gin'])) == _gin_files(_CHECKOUT / 'gin')
  registry.load()
  expected = template_set.load('continuation').digest
  assert found['template_set'] == expected


def _gin_files(folder: pathlib.Path) -> set[str]:
  return {str(path.relative_to(folder)) for path in folder.rglob('*.gin')}


def test_wheel_has_every_file_and_nothing_else(built):
  checkout, wheel = built
  assert wheel.name == f'flan_jax-{flan_jax.__version__}-py3-none-any.whl'
  assert _contents(wheel) == _shipped(checkout)
  assert any(name.startswith('flan_jax/mini/') for name in _contents(wheel))
  assert any(name.startswith('flan_jax/gin/') for name in _contents(wheel))


def test_wheel_owns_one_top_level_name(built):
  with zipfile.ZipFile(built[1]) as archive:
    (name,) = (n for n in archive.namelist() if n.endswith('top_level.txt'))
    assert archive.read(name).decode().split() == ['flan_jax']


def test_sdist_builds_the_same_wheel(built, new_environment, tmp_path):
  checkout, wheel = built
  environment = new_environment()
  command = 'import sys; from setuptools import build_meta as b; '
  command += 'b.build_sdist(sys.argv[1])'
  environment.run('python', '-c', command, tmp_path, cwd=checkout)
  (sdist,) = tmp_path.glob('*.tar.gz')
  again = _build_wheel(environment, sdist, tmp_path)
  assert _contents(again) == _contents(wheel)


def test_everything_is_found_among_hostile_modules(installed, hostile):
  _check(installed, hostile)


def test_everything_is_found_in_a_checkout(installed, checkout):
  # Here the checkout hides the installation.
  _check(installed, checkout)


def test_everything_is_found_in_a_checkout_that_is_not_installed(
  new_environment, checkout
):
  _check(new_environment(), checkout)


def test_module_runs_among_hostile_modules(installed, hostile):
  assert 'flan-jax COMMAND' in installed.run(
    *('python', '-m', 'flan_jax', '--help'), cwd=hostile
  )


def test_console_script_runs_among_hostile_modules(
  built, new_environment, hostile
):
  environment = new_environment()
  environment.install(built[1])
  assert 'flan-jax COMMAND' in environment.run(
    'flan-jax', '--help', cwd=hostile
  )


def test_pytest_collects_from_anywhere(new_environment, tmp_path):
  # flan_jax is not installed; `pythonpath` in pyproject.toml finds it.
  output = new_environment().run(
    *('python', '-m', 'pytest', '--collect-only', '-p', 'no:cacheprovider'),
    pathlib.Path(__file__).resolve(),
    cwd=tmp_path,
  )
  assert 'test_pytest_collects_from_anywhere' in output


def test_gin_folder_holds_no_python():
  # `gin/__init__.py` would hide gin-config from programs that start here.
  assert not list((_CHECKOUT / 'gin').rglob('*.py*'))


def test_light_requirements_are_those_of_setup():
  setup = runpy.run_path(str(_CHECKOUT / 'setup.py'))
  # What only makes caches.
  heavy = ('importlib_resources', 'pyarrow', 'seqio', 'tensorflow-')
  text = (_CHECKOUT / 'requirements-light.txt').read_text(encoding='utf-8')
  light = [line for line in text.splitlines() if not line.startswith('#')]
  assert light == [
    requirement
    for requirement in setup['INSTALL_REQUIRES']
    if not requirement.startswith(heavy)
  ]
