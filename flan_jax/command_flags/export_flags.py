"""The flags of `flan-jax export`."""

from flan_jax.flags import FlagParser


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'export',
    'Writes a checkpoint as a folder that transformers loads, or a soft prompt '
    'or adapters as one that peft loads.',
  )
  add = parser.add_argument
  source = parser.add_mutually_exclusive_group(required=True)
  source.add_argument(
    '--checkpoint',
    help='a checkpoint, or a model directory (its newest checkpoint)',
  )
  source.add_argument(
    '--prompt',
    help='a soft prompt: a checkpoint of prompt-tune, or its model directory '
    '(its best checkpoint)',
  )
  source.add_argument(
    '--adapters',
    help='adapters (LORA_RANK) to write by themselves, for peft; --checkpoint '
    'merges them into their base',
  )
  add(
    '--base',
    help='folder of the exported base model, for --prompt and --adapters',
  )
  add(
    '--base_checkpoint',
    help='checkpoint of the base model of adapters, if it has moved',
  )
  add(
    '--ema',
    action='store_true',
    help='the moving average of the parameters (EMA_DECAY)',
  )
  add('--out', required=True, help='folder to write')
  types = ('float32', 'bfloat16')
  add('--dtype', choices=types, default=types[0], help='type of the weights')
  add(
    '--vocabulary',
    help='the vocabulary, if it is outside of the checkpoint: a path, or '
    'package:NAME',
  )
  add(
    '--cache_dir',
    default='~/.cache/flan_jax',
    help='where the model of package:NAME is imported',
  )
  return parser
