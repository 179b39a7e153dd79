"""Checks what a training mixture shares with the evaluation it holds out.

The check has four parts. RULE compares declarations: no evaluated dataset and
no held-out or excluded cluster is trained on. ROW compares data: no evaluated
row shares a main text with a training row. WORDS counts the evaluated rows that
share words in a row with training rows. DERIVED lists datasets that are
declared to be made from one another; these may share rows.

Imports TensorFlow, to read rows.
"""

import collections
from collections.abc import Iterator, Mapping, Sequence
import hashlib
import itertools
import re
import textwrap
from typing import Any, NamedTuple
import unicodedata

import tensorflow as tf

from flan_jax.definitions import held_out, names, registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.errors import ConfigError
from flan_jax.inspection import shared_words
from flan_jax.overlap.row_texts import whole_text
from flan_jax.rendering.source import SplitSource, plain_tensorflow
from flan_jax.rendering.splits import MissingDataError
from flan_jax.terminal.blocks import Block, Line, Paragraph

# Shorter texts, in normalized characters, are equal by chance ("Good film.").
MIN_LENGTH = 20

# The splits that are read on either side.
_SPLITS = {'evaluated': ('validation', 'test'), 'trained': ('train',)}
_EXAMPLES = 3
_EXAMPLE_WIDTH = 120
_BATCH = 512
_DROPPED = re.compile(r'[\W_]+')


def check(
  training: MixturePlan,
  data_dir: str | None = None,
  against: MixturePlan | None = None,
) -> dict[str, Any]:
  """Checks what a training mixture shares with an evaluation.

  Args:
    training: What is trained on.
    data_dir: TFDS data directory; None for the default of TFDS.
    against: What is evaluated. None for all evaluation mixtures with the same
      `held_out` as the training mixture.

  Returns:
    {'failed', 'rule_verdict': 'passed' or 'failed', 'row_verdict': 'passed',
    'failed', 'incomplete' (some parts are not prepared) or 'not checked',
    'mixture', 'evaluations': names of mixtures, 'trained' and 'evaluated':
    names of parts, 'breaches': [{'trained', 'reason'}] of RULE, 'rows': see
    `compare_rows`, 'derived': [{'evaluated', 'trained', 'made': which of the
    two is made from the other}]}.

  Raises:
    ConfigError: nothing is named to check against, and the mixture does not
      train, holds nothing out, or no mixture evaluates what it holds out.
  """
  if against is None:
    evaluations, excluded = _evaluations(training), training.excluded
  else:
    evaluations, excluded = [against], ()
  trained, evaluated = _parts([training]), _parts(evaluations)
  breaches = held_out.breaches(
    [held_out.TrainedOn.of(training)], evaluations, excluded
  )
  rows = compare_rows(trained, evaluated, data_dir)
  rule, row = 'failed' if breaches else 'passed', _row_verdict(rows)
  return {
    'failed': 'failed' in (rule, row),
    'rule_verdict': rule,
    'row_verdict': row,
    'mixture': training.name,
    'evaluations': [plan.name for plan in evaluations],
    'trained': [part.name for part in trained],
    'evaluated': [part.name for part in evaluated],
    'breaches': breaches,
    'rows': rows,
    'derived': _derived(trained, evaluated),
  }


def _evaluations(training: MixturePlan) -> list[MixturePlan]:
  name, cluster = training.name, training.held_out
  other = 'name what is evaluated by --against'
  if training.purpose != 'train':
    raise ConfigError(
      f'{name} is not a training mixture, such as flan_holdout_nli: {other}'
    )
  if cluster is None:
    raise ConfigError(f'{name} holds nothing out, so nothing can leak: {other}')
  found = [
    names.resolve(mixture.name)
    for mixture in registry.mixtures()
    if mixture.purpose == 'eval' and mixture.held_out == cluster
  ]
  if not found:
    raise ConfigError(
      f'{name}: no evaluation mixture has held_out={cluster!r}: {other}'
    )
  return found


def _parts(plans: Sequence[MixturePlan]) -> list[Dataset]:
  parts = {m.part.name: m.part for plan in plans for m in plan.members}
  return list(parts.values())


def _derived(
  trained: Sequence[Dataset], evaluated: Sequence[Dataset]
) -> list[dict[str, str]]:
  found = []
  for one, other in itertools.product(evaluated, trained):
    pair = {'evaluated': one.dataset.name, 'trained': other.dataset.name}
    if other.dataset.name in one.derived_from:
      found.append({**pair, 'made': 'evaluated'})
    if one.dataset.name in other.derived_from:
      found.append({**pair, 'made': 'trained'})
  # Parts of a dataset give the same pair.
  return [pair for i, pair in enumerate(found) if pair not in found[:i]]


def _row_verdict(rows: Mapping[str, Any]) -> str:
  if any(not overlap['derived'] for overlap in rows['overlaps']):
    return 'failed'
  if not rows['evaluated'] or not rows['trained']:
    return 'not checked'
  return 'incomplete' if rows['missing'] else 'passed'


def compare_rows(
  trained: Sequence[Dataset],
  evaluated: Sequence[Dataset],
  data_dir: str | None = None,
) -> dict[str, Any]:
  """Compares the main texts of training rows with those of evaluated rows.

  The main texts of a row are its `truncatable` fields, each by itself, or all
  fields together if those are empty. Texts are equal if `normalize` makes them
  equal; those shorter than `MIN_LENGTH` are skipped. Texts that contain one
  another are only found by the words that they share, see `shared_words`.
  Paraphrases are not found.

  Memory holds the evaluated rows; training rows are streamed.

  Args:
    trained: Parts whose train split is read.
    evaluated: Parts whose validation and test splits are read.
    data_dir: TFDS data directory; None for the default of TFDS.

  Returns:
    {'evaluated' and 'trained': part -> rows compared, 'short': rows without a
    text that is long enough, 'missing': part -> why it was not compared,
    'overlaps': [{'evaluated', 'trained', 'derived': whether one is declared to
    be made from the other, 'groups', 'evaluated_rows' and 'trained_rows': how
    many share a text, 'examples': [{'text', 'evaluated_id', 'trained_id'}]}],
    'shared_words': [{'evaluated', 'trained', 'derived', 'evaluated_rows': how
    many share `shared_words.WORDS` words in a row, 'examples': [{'words',
    'evaluated_id', 'trained_id'}]}]}.
  """
  found = {'evaluated': {}, 'trained': {}, 'short': 0, 'missing': {}}
  places, wholes = collections.defaultdict(list), []
  for part, rows in _read(evaluated, 'evaluated', data_dir, found):
    wholes += [(part.name, row.id, row.text) for row in rows]
    for row in rows:
      for digest in row.main:
        places[digest].append((part, row.id, row.group))
  words = shared_words.SharedWords(wholes)
  hits = collections.defaultdict(list)
  for part, rows in _read(trained, 'trained', data_dir, found):
    words.search(part.name, [(row.id, row.text) for row in rows])
    for row in rows:
      for digest, text in row.main.items():
        for other, evaluated_row, group in places.get(digest, ()):
          hit = group, evaluated_row, row.id, digest, text
          hits[other.name, part.name].append(hit)
  parts = {part.name: part for part in (*trained, *evaluated)}
  found['overlaps'] = [
    _overlap(parts[one], parts[other], hits[one, other])
    for one in found['evaluated']
    for other in found['trained']
    if (one, other) in hits
  ]
  found['shared_words'] = [
    {
      'evaluated': one,
      'trained': other,
      'derived': bool(_derived([parts[other]], [parts[one]])),
      **shared,
    }
    for (one, other), shared in sorted(words.found.items())
  ]
  return found


def _overlap(
  evaluated: Dataset, trained: Dataset, hits: Sequence[tuple]
) -> dict[str, Any]:
  groups, evaluated_rows, trained_rows, digests, _ = zip(*hits, strict=True)
  first_hits = {}
  for digest, hit in zip(digests, hits, strict=True):
    first_hits.setdefault(digest, hit)
  shown = list(first_hits.values())[:_EXAMPLES]
  return {
    'evaluated': evaluated.name,
    'trained': trained.name,
    'derived': bool(_derived([trained], [evaluated])),
    'groups': len(set(groups)),
    'evaluated_rows': len(set(evaluated_rows)),
    'trained_rows': len(set(trained_rows)),
    'examples': [
      {
        'text': textwrap.shorten(text, _EXAMPLE_WIDTH, placeholder=' …'),
        'evaluated_id': evaluated_row,
        'trained_id': row,
      }
      for _, evaluated_row, row, _, text in shown
    ],
  }


def normalize(text: str) -> str:
  r"""Returns the letters and numbers of a text, in lower case and NFKC.

  >>> normalize('The “ﬁrst” \n  rain, at last!')
  'thefirstrainatlast'
  """
  return _DROPPED.sub('', unicodedata.normalize('NFKC', text).lower())


class _Row(NamedTuple):
  """What is compared of a row: hash -> main text, and all its text."""

  id: str
  group: int
  main: dict[bytes, str]
  text: str


def _read(
  parts: Sequence[Dataset], side: str, data_dir: str | None, found: dict
) -> Iterator[tuple[Dataset, list[_Row]]]:
  """Yields some rows of a part after the other, and counts them."""
  for part in parts:
    source = SplitSource(part, data_dir)
    try:
      splits = [split for split in _SPLITS[side] if split in source.slices]
    except MissingDataError as error:
      found['missing'][part.name] = str(error)
      continue
    found[side][part.name] = 0

    @plain_tensorflow
    def columns(row, part=part):
      whole = whole_text(part, row)
      return row['id'], row['group'], _main_texts(part, row, whole), whole

    for split in splits:
      rows = source.get_dataset(split, shuffle=False).map(
        columns, num_parallel_calls=tf.data.AUTOTUNE
      )
      for batch in rows.batch(_BATCH).as_numpy_iterator():
        read = [
          _Row(i.decode(), int(group), _hashed(texts), _text(whole))
          for i, group, texts, whole in zip(*batch, strict=True)
        ]
        found[side][part.name] += len(read)
        found['short'] += sum(not row.main for row in read)
        yield part, read


def _main_texts(
  part: Dataset, row: Mapping[str, tf.Tensor], whole: tf.Tensor
) -> tf.Tensor:
  """Returns the main texts of a mapped row, strings [texts]."""
  texts = tf.stack([row[name] for name in part.truncatable_fields] or [''])
  return tf.where(tf.reduce_all(tf.equal(texts, '')), whole, texts)


def _hashed(texts: Sequence[bytes]) -> dict[bytes, str]:
  """Returns hash -> text of the texts that are long enough."""
  decoded = map(_text, texts)
  return {
    hashlib.blake2b(key.encode(), digest_size=8).digest(): text
    for text in decoded
    if len(key := normalize(text)) >= MIN_LENGTH
  }


def _text(text: bytes) -> str:
  return text.decode('utf-8', 'replace')


def lines(found: Mapping[str, Any]) -> Iterator[Block]:
  """Yields the report of `check` as text."""
  rows = found['rows']
  sides = ('evaluated', 'trained')
  totals = [
    f'{sum(rows[side].values())} rows of {len(rows[side])} of '
    f'{len(found[side])} {side} subsets'
    for side in sides
  ]
  yield (
    f'{found["mixture"]} trains on {len(found["trained"])} subsets; '
    f'{" and ".join(found["evaluations"])} evaluates {len(found["evaluated"])}'
  )
  yield Line(f'RULE {found["rule_verdict"]}', _style(found['rule_verdict']))
  for breach in found['breaches']:
    yield Line(f'  error: {breach["trained"]} {breach["reason"]}', 'red')
  yield Line(
    f'ROW {found["row_verdict"]}: {" compared with ".join(totals)}; '
    f'{rows["short"]} rows are too short',
    _style(found['row_verdict']),
  )
  for overlap in rows['overlaps']:
    yield Line(
      f'  {"declared derived" if overlap["derived"] else "error"}: '
      f'{overlap["evaluated_rows"]} rows in {overlap["groups"]} groups of '
      f'{overlap["evaluated"]} (evaluated) share a text with '
      f'{overlap["trained_rows"]} rows of {overlap["trained"]} (trained)',
      '' if overlap['derived'] else 'red',
    )
    yield from (f'    "{example["text"]}"' for example in overlap['examples'])
  yield from shared_words.lines(rows['shared_words'])
  for side in sides:
    if absent := [part for part in found[side] if part in rows['missing']]:
      yield Paragraph(f'not checked ({side}): {", ".join(absent)}', '  ')
  yield f'DERIVED: {len(found["derived"]) or "no"} declared pairs'
  for pair in found['derived']:
    made, origin = sides if pair['made'] == 'evaluated' else sides[::-1]
    yield f'  {pair[made]} ({made}) is made from {pair[origin]} ({origin})'


def _style(verdict: str) -> str:
  return {'passed': 'green', 'failed': 'bold red'}.get(verdict, 'yellow')
