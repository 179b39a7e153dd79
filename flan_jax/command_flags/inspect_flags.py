"""The flags of `flan-jax inspect`."""

from flan_jax.definitions.dataset import SPLITS
from flan_jax.flags import FlagParser, integer
from flan_jax.vocabulary.load import MINI


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'inspect',
    'Shows the registered datasets and which of them are prepared; with a '
    'task, such as rte or rte.t3.2shot, some of its rows under each template; '
    'with a mixture, such as flan_holdout_nli, its members and rates.',
  )
  parser.add_data_flags()
  add = parser.add_argument
  add('name', nargs='?', help='a task or a mixture')
  add(
    '--check',
    metavar='MIXTURE',
    help='check that a training mixture shares no rows with the evaluation of '
    'what it holds out; exits with 1 if it does',
  )
  add(
    '--against',
    metavar='MIXTURE',
    help='with --check: the mixture or task that is evaluated; then --check '
    'takes any mixture or task',
  )
  add(
    '--cache',
    action='store_true',
    help='show the cached splits of a run, or all splits in CACHE_DIR; takes '
    '--format and the flags of flan-jax cache',
  )
  add(
    '--cache_dir',
    default='~/.cache/flan_jax',
    help='where --data_dir=mini, the shipped corpus, is imported to',
  )
  add('--format', choices=('text', 'json'), default='text')
  add(
    '--rows',
    type=integer(),
    default=2,
    help='rows under each template; default 2',
  )
  add(
    '--split',
    choices=SPLITS,
    help='split of the rows; default train, or test if there is no train',
  )
  add(
    '--vocabulary',
    default=MINI,
    help='vocabulary that decides what fits; default mini',
  )
  add('--template_set', help='file of templates that replace the declared ones')
  return parser
