"""Flags that list values."""

import pytest

from benchmarks.common import flags


def test_lists_and_their_mistakes(capsys):
  parser = flags.parser('Compares.\n\nMore.')
  flags.add_choice(parser, '--sides', ('a', 'b'), 'who', required='a')
  flags.add_batch_sizes(parser, 'b')
  settings = parser.parse_args(['--batch_sizes=1,4'])
  assert settings.sides == ['a', 'b'] and settings.batch_sizes == [1, 4]
  assert 'More' not in parser.format_help()
  for wrong in ('a,c', 'b'):
    with pytest.raises(SystemExit):
      parser.parse_args([f'--sides={wrong}'])
    assert 'a must be among them' in capsys.readouterr().err
