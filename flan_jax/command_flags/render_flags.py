"""The flags of `flan-jax render`."""

from flan_jax.definitions.dataset import SPLITS
from flan_jax.flags import FlagParser, integer
from flan_jax.rendering.lengths import DEFAULT_LENGTHS
from flan_jax.setting_types import Seed
from flan_jax.vocabulary.load import MINI

# Those of `interop.rendered_rows`, which loads JAX.
FORMATS = ('prompt-completion', 'messages', 'text')
# What TRL's SFTTrainer keeps of an example by default.
_MAX_LENGTH = 1024


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'render',
    'Writes the examples of a mixture or task as text, mixed, in the order of '
    'training, for a trainer that tokenizes by itself.',
  )
  parser.add_data_flags()
  add = parser.add_argument
  add('name', help='a mixture, a dataset or a task')
  add('--out', required=True, help='file to write: .jsonl or .parquet')
  add(
    '--format',
    choices=FORMATS,
    default='prompt-completion',
    help='columns of a row; default prompt-completion',
  )
  length = parser.add_mutually_exclusive_group()
  length.add_argument('--rows', type=integer(), help='rows to write')
  length.add_argument(
    '--epochs',
    type=integer(),
    help='mixture epochs to write, of min(rows, 3,000) draws from each subset; '
    'default 1',
  )
  add(
    '--seed',
    type=integer(Seed),
    default=0,
    help='decides order and exemplars, as SEED of training; default 0',
  )
  add(
    '--split',
    choices=SPLITS,
    default='train',
    help='split of the rows; default train',
  )
  add(
    '--vocabulary',
    default=MINI,
    help='vocabulary that decides what fits; default mini',
  )
  for side, most in DEFAULT_LENGTHS.items():
    add(
      f'--{side}',
      type=integer(),
      default=most,
      help=f'most tokens of `{side}`, as in TASK_FEATURE_LENGTHS; default '
      f'{most}',
    )
  add(
    '--max_length',
    type=integer(),
    default=_MAX_LENGTH,
    help='tokens of a row that the other trainer keeps; rows with a longer '
    f"prompt are counted and marked; default {_MAX_LENGTH}, TRL's",
  )
  add(
    '--prompt_format',
    help="text around '{input}'; default: a line break after it",
  )
  add(
    '--exemplar_separator',
    help='text after an exemplar; default: an empty line',
  )
  add(
    '--cache_dir',
    default='~/.cache/flan_jax',
    help='the token cache, which training shares',
  )
  add('--template_set', help='file of templates that replace the declared ones')
  add(
    '--allow_missing',
    action='store_true',
    help='leave out data that is not prepared, and say what',
  )
  return parser
