"""Plain text of what is printed, which files and pipes get."""

from flan_jax.terminal.blocks import (
  Line,
  Paragraph,
  Row,
  Table,
  plain,
  spaced,
)


def test_numbers_are_aligned_to_the_right_and_notes_follow_their_row():
  rows = [
    Row(['nli'], 'bold'),
    Row(['  rte', '2,490', 'copy'], note=Paragraph('cut to fit', '      ')),
    Row(['  cb', '250', 'recorded'], note=Paragraph('')),
  ]
  table = Table(('', 'rows', ''), rows, frozenset((0, 2)), ruled=False)
  assert str(table).splitlines() == [
    '        rows',
    'nli',
    '  rte  2,490  copy',
    '      cut to fit',
    '  cb     250  recorded',
  ]


def test_all_columns_are_in_plain_text():
  table = Table.of([{'a': '1', 'b': '2', 'c': '3'}], optional=('c', 'b'))
  assert str(table).splitlines()[0] == 'a  b  c'


def test_groups_are_separated_and_empty_tables_left_out():
  table = Table.of([{'a': '1'}])
  blocks = spaced([Table.of([]), [Line('title:', 'bold'), table], table])
  assert plain(blocks) == f'title:\n{table}\n\n{table}'


def test_a_paragraph_breaks_no_path():
  path = 'a/' * 60
  text = plain([Paragraph(f'see {path} for more', '  ')])
  assert text.splitlines() == ['  see', f'  {path}', '  for more']
