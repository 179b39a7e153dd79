"""What a search for evaluated rows in a corpus found, as files and tables."""

from collections.abc import Mapping, Sequence
import dataclasses
import json
from typing import Any

from etils import epath
import numpy as np

from flan_jax.definitions.dataset import Dataset
from flan_jax.evaluation.part_result import PartResult
from flan_jax.evaluation.table import clean_table
from flan_jax.overlap.corpus_search import Hit
from flan_jax.runtime.paths import write_whole
from flan_jax.terminal.blocks import Block, Table, plain, spaced

CONTAMINATED, MATCHES = 'contaminated.json', 'matches.jsonl'
REPORT, TABLE = 'contamination.json', 'table.txt'


@dataclasses.dataclass(frozen=True)
class SearchedPart:
  """The test rows of a part, and which of them the corpus has.

  Attributes:
    name: Name of the part.
    cluster: Its cluster.
    ids: Id of each row.
    short: Whether each row has fewer words than a window, bool [rows]; it
      counts if the corpus has all of it.
    hits: Row -> where the corpus has its words first.
  """

  name: str
  cluster: str
  ids: Sequence[str]
  short: np.ndarray
  hits: Mapping[int, Hit]

  @property
  def contaminated_ids(self) -> list[str]:
    return [self.ids[row] for row in sorted(self.hits)]

  def counts(self) -> dict[str, int]:
    """Returns numbers of rows."""
    return {
      'rows': len(self.ids),
      'contaminated_rows': len(self.hits),
      'short_rows': int(self.short.sum()),
      'contaminated_short_rows': int(self.short[list(self.hits)].sum()),
    }


def by_part(
  parts: Sequence[Dataset],
  ids: Mapping[str, Sequence[str]],
  short: np.ndarray,
  hits: Mapping[int, Hit],
) -> list[SearchedPart]:
  """Divides what was found in rows that are numbered through all parts.

  Args:
    parts: The parts, in the order of their rows.
    ids: Part -> ids of its rows.
    short: Whether each row has fewer words than a window, bool [rows].
    hits: Row -> where the corpus has its words first.
  """
  found, first = [], 0
  for part in parts:
    own = ids[part.name]
    last = first + len(own)
    here = {r - first: hit for r, hit in hits.items() if first <= r < last}
    found.append(
      SearchedPart(part.name, part.cluster, own, short[first:last], here)
    )
    first = last
  return found


def write(
  folder: epath.Path,
  parts: Sequence[SearchedPart],
  about: Mapping[str, Any],
  results: Sequence[PartResult] = (),
) -> list[Block]:
  """Writes the files of a search, see `docs/contamination.md`.

  Args:
    folder: Where they are written.
    parts: What was searched for.
    about: What `REPORT` records of the search.
    results: Results with scores on clean rows.

  Returns:
    The tables.
  """
  tables = spaced([_table(parts), clean_table(results)])
  report = {
    **about,
    'parts': [
      {'part': part.name, 'cluster': part.cluster, **part.counts()}
      for part in parts
    ],
    'scores': [_score(result) for result in results],
  }
  lines = [
    {'part': part.name, 'id': part.ids[row], **dataclasses.asdict(hit)}
    for part in parts
    for row, hit in sorted(part.hits.items())
  ]
  write_whole(
    folder / MATCHES,
    ''.join(json.dumps(line, ensure_ascii=False) + '\n' for line in lines),
  )
  write_whole(folder / TABLE, plain(tables) + '\n')
  write_whole(folder / REPORT, json.dumps(report, indent=1, ensure_ascii=False))
  ids = {part.name: part.contaminated_ids for part in parts}
  write_whole(folder / CONTAMINATED, json.dumps(ids, indent=1))
  return tables


def _score(result: PartResult) -> dict[str, Any]:
  return {
    'part': result.part,
    'group': result.group,
    'format': result.format,
    'shots': result.shots,
    'metric': result.metric,
    'rows': result.rows,
    'mean': result.mean,
    'interval': result.interval,
    'clean': result.clean,
  }


def _table(parts: Sequence[SearchedPart]) -> Table:
  lines = []
  for part in parts:
    counts = part.counts()
    rows = counts['rows']
    lines.append(
      {
        'part': part.name,
        'cluster': part.cluster,
        'rows': str(rows),
        'contaminated': str(counts['contaminated_rows']),
        'share': f'{100 * counts["contaminated_rows"] / max(rows, 1):.1f} %',
        'short rows': str(counts['short_rows']),
        'short, contaminated': str(counts['contaminated_short_rows']),
      }
    )
  optional = ('short, contaminated', 'short rows', 'cluster')
  return Table.of(lines, optional=optional)
