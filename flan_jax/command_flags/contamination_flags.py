"""The flags of `flan-jax contamination`."""

import os
from typing import Annotated

from flan_jax.flags import FlagParser, integer
from flan_jax.setting_types import Only

_Processes = Annotated[
  int, Only('an integer from 1 to 1024', lambda n: 1 <= n <= 1024)
]


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'contamination',
    'Searches a pretraining corpus for the test rows of a mixture or task. A '
    'row counts as contaminated if it shares n words in a row with the corpus '
    'or, if it is shorter, if the corpus has all of it.',
  )
  parser.add_data_flags()
  add = parser.add_argument
  add('name', help='a mixture, a dataset or a task')
  add(
    '--corpus',
    action='append',
    required=True,
    metavar='PATH',
    help='file, folder or pattern of text or JSON Lines (.jsonl), also '
    'compressed (.gz, .zst); may be repeated',
  )
  add('--out', required=True, help='folder to write')
  add('--n', type=integer(), default=13, help='words in a row; default 13')
  add('--text_key', default='text', help='key of the text in JSON Lines')
  add(
    '--processes',
    type=integer(_Processes),
    default=os.cpu_count() or 1,
    help='processes of this machine; default: one per core',
  )
  add(
    '--pipeline_options',
    metavar='OPTIONS',
    help='instead of --processes: options of an Apache Beam runner, such as '
    "'--runner=DataflowRunner'; all workers must reach --out",
  )
  add(
    '--results',
    metavar='EVAL_FOLDER',
    help='an evaluation of the same rows, such as MODEL_DIR/eval/MIXTURE: also '
    'shows its scores on clean rows',
  )
  add(
    '--cache_dir',
    default='~/.cache/flan_jax',
    help='the token cache of --results, and where --data_dir=mini is imported '
    'to',
  )
  add('--template_set', help='the template set of --results, if it had one')
  add(
    '--allow_missing',
    action='store_true',
    help='leave out data that is not prepared; results list it',
  )
  return parser
