"""The flags of `flan-jax import`."""

from flan_jax.flags import FlagParser


def make_parser() -> FlagParser:
  """Returns the parser of the command."""
  parser = FlagParser(
    'import',
    'Converts a pretrained model into a checkpoint to start from, with its '
    'tokenizer and a gin file. Other families than those of '
    'docs/your_base_model.md are refused by name.',
  )
  add = parser.add_argument
  add(
    '--from',
    dest='source',
    required=True,
    help='a Hugging Face folder, a GGUF file, or an installed package with one',
  )
  add('--out', required=True, help='folder to write')
  add(
    '--dtype',
    choices=('float32', 'bfloat16'),
    default='float32',
    help='type of the saved parameters; training uses float32 in either case',
  )
  add(
    '--context',
    type=int,
    help='longest sequence to be read, in tokens (default: context length)',
  )
  add('--check', action='store_true', help='compare logits with transformers')
  add('--prompts', help='file of prompts for --check, one per line')
  return parser
