"""Configures the site: `sphinx-build -W -c docs . build/site`.

The source of the site is the checkout, not this folder, so that the same links
work here, in the README and where the files are read without the site.
"""

import pathlib
import sys

_DOCS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(_DOCS.parent))
sys.path.insert(0, str(_DOCS / 'site'))

from pygments.lexers import PythonLexer  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402

from flan_jax import __version__  # noqa: E402

project = 'flan_jax'
author = 'The flan_jax authors'
release = version = __version__

extensions = [
  'myst_nb',
  'sphinx.ext.autodoc',
  'sphinx.ext.napoleon',
  'command_reference',
]
include_patterns = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'benchmarks/README.md',
  'docs/*.md',
  'examples/*.ipynb',
  'examples/*/README.md',
]
exclude_patterns = ['.*', 'build', 'dist']
root_doc = 'docs/index'
# Sends a reader of the root to the first page.
html_extra_path = ['site/index.html']

# Anchors of headings as in GitHub's links.
myst_heading_anchors = 4
myst_enable_extensions = ['colon_fence']
# A test runs the notebook.
nb_execution_mode = 'off'

autodoc_member_order = 'bysource'
autodoc_typehints = 'none'
autodoc_default_options = {'members': True}
napoleon_numpy_docstring = False
# Names in single backquotes are code, as in Markdown.
default_role = 'code'

html_theme = 'sphinx_book_theme'
html_title = 'flan_jax'
html_copy_source = False
html_show_sourcelink = False


def setup(app: Sphinx) -> None:
  """Adds what the pages need."""
  # Bindings of gin are nearly Python.
  app.add_lexer('gin', PythonLexer)
