"""Measures how fast one core searches a corpus for evaluated rows.

Writes a corpus of each form with planted rows and searches it, in a process of
its own whose memory is watched. All planted rows must be found, and no others.
Prints JSON objects, the last one the summary.
"""

from collections.abc import Sequence
from typing import Any

from benchmarks.common import figures, flags
from benchmarks.contamination import corpus, own
from benchmarks.memory.watching import run_phase


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the measurement."""
  parser = flags.parser(__doc__)
  add = parser.add_argument
  add('--megabytes', type=int, default=300, help='text of each form')
  add('--rows', type=int, default=100_000, help='rows to search for')
  add('--planted', type=int, default=200, help='rows in the corpus of a form')
  add('--work_dir', help='keeps the corpora; default: a temporary folder')
  flags.add_choice(parser, '--forms', corpus.FORMS, 'forms of the corpus')
  flags.add_out(parser)
  settings = parser.parse_args(arguments)
  summary: dict[str, Any] = {'rows': settings.rows, 'all_found': True}
  with figures.work_folder(settings.work_dir, 'contamination') as folder:
    rows = corpus.make_rows(settings.rows)
    for number, form in enumerate(settings.forms):
      suffix, accents = corpus.FORMS[form]
      path = folder / f'{form}{suffix}'
      first = number * settings.planted
      planted = rows[first : first + settings.planted]
      size = settings.megabytes * 10**6
      corpus.write_corpus(path, accents, size, planted, seed=2 + number)
      phase = run_phase(own.search_file, folder, path, rows)
      found = phase.result.pop('found')
      expected = list(range(first, first + len(planted)))
      line = {
        'form': form,
        **phase.result,
        'peak_mib': phase.peak_mib,
        'peak_private_mib': phase.peak_private_mib,
        'planted': len(planted),
        'found': len(set(found) & set(expected)),
        'false': len(set(found) - set(expected)),
      }
      figures.print_line(**line)
      summary['all_found'] &= found == expected
      summary[f'{form}_gb_per_cpu_minute'] = line['gb_per_cpu_minute']
  versions = figures.versions(['numpy'])
  figures.finish(settings.out, **summary, versions=versions)


if __name__ == '__main__':
  main()
