"""The flags of `flan-jax explore`."""

from typing import Annotated

from flan_jax.flags import FlagParser, integer
from flan_jax.setting_types import Only
from flan_jax.sources.mini import MINI
from flan_jax.vocabulary.load import MINI as MINI_VOCABULARY

FILE = 'explorer.html'
_Shots = Annotated[int, Only('an integer from 0 to 16', lambda n: 0 <= n <= 16)]


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'explore',
    'Makes a page that shows datasets, their templates on rows, and the '
    'mixtures that hold them. It opens in a browser, without a network.',
  )
  parser.add_data_flags(MINI)
  add = parser.add_argument
  add(
    'name',
    nargs='*',
    help='datasets, tasks or mixtures to show; default: all datasets',
  )
  add('--out', required=True, help=f'folder to write {FILE} to')
  add(
    '--cache_dir',
    default='~/.cache/flan_jax',
    help='where the mini corpus is imported to',
  )
  add(
    '--rows',
    type=integer(),
    default=2,
    help='rows under each template; default 2',
  )
  add(
    '--shots',
    type=integer(_Shots),
    default=2,
    help='most exemplars of a few-shot prompt; default 2. With 0, only the '
    'first training rows are read, which is faster',
  )
  add(
    '--vocabulary',
    default=MINI_VOCABULARY,
    help='vocabulary that decides what fits; default mini',
  )
  add('--template_set', help='file of templates that replace the declared ones')
  return parser
