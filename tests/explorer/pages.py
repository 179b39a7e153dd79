"""A small page for tests, from rows that are written by hand."""

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import FORMATS, OPTIONS, in_format
from flan_jax.explorer import catalog, explorer_page
from flan_jax.explorer.shown_row import ShownRow
from flan_jax.rendering.templates import options_block

# rte is missing, the others have two rows for each template.
PARTS = ('rte', 'copa', 'wmt14_enfr', 'math_dataset')
MISSING = 'rte'


def page_data() -> dict:
  """Returns the data of a page of `PARTS`."""
  registry.load()
  parts = [registry.find_part(name)[1] for name in PARTS]
  data = catalog.describe(parts)
  for place, part in enumerate(parts):
    about = data['parts'][place]
    if part.name == MISSING:
      reason = 'run `flan-jax prepare rte`.'
      data['parts'][place] = explorer_page.without_rows(about, reason)
      continue
    shown = {name: _rows(in_format(part, name)) for name in FORMATS}
    data['parts'][place] = explorer_page.with_rows(about, shown)
  return {'version': '1', 'rows_from': 'a test', 'shots': 2, **data}


def _rows(part) -> dict[int, list[ShownRow]]:
  return {
    k: [_row(part, k, i) for i in range(2)] for k in range(len(part.templates))
  }


def _row(part, k: int, i: int) -> ShownRow:
  options = OPTIONS in part.templates[k].input_fields()
  pieces = [
    ('', f'Words {k}: '),
    ('premise', f'a <b>cat</b> no. {i} </script>'),
  ]
  if options:
    pieces += [('', '\n'), (OPTIONS, options_block(['it ran', 'it slept']))]
  exemplar = ((('', f'Words {k}: '), ('premise', 'a dog')), 'it ran')
  return ShownRow(
    row_id=f'row-{i}',
    pieces=tuple(pieces),
    target='it slept',
    correct=('it slept',) if options else (),
    exemplars=(exemplar,) if part.format == 'instructions' else (),
    remarks=('input shortened',) if i else (),
  )
