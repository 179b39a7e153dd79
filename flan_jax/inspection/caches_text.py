"""What `flan-jax inspect --cache` finds, as text for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flan_jax.runtime.console import wrapped

_BAR = 9


def lines(found: Mapping[str, Any]) -> Iterator[str]:
  """Yields what `inspect_cache.describe` has found."""
  yield from _head(found)
  yield from _unusable(found['unusable'])
  if found['units']:
    yield from _units(found['units'])
    yield from _histograms(found['histograms'])
  if found['draws']:
    yield from _draws(found)
  elif found['units']:
    yield from _clusters(found['clusters'])


def _head(found: Mapping[str, Any]) -> Iterator[str]:
  units, name = found['units'], found['name']
  yield f'{name} in {found["cache"]}' if name else found['cache']
  finished = f'finished units: {len(units)}'
  if units:
    tokens = sum(unit['tokens'] for unit in units)
    renderings = sum(unit['renderings'] for unit in units)
    finished += f', of {renderings:,} renderings and {tokens:,} tokens; '
    finished += 'each file is what its digest says'
  yield from wrapped(finished)
  if found['others']:
    yield from wrapped(
      'not shown, as their templates, lengths or copy are not those meant: '
      f'{len(found["others"])}'
    )
  vocabulary = found['vocabulary']
  yield (f'vocabulary: {vocabulary["size"]:,} spans, {vocabulary["digest"]}')


def _unusable(units: Sequence[Mapping[str, Any]]) -> Iterator[str]:
  """Yields what a run does not take, by what is the matter with it."""
  if not units:
    return
  yield ''
  yield f'NOT USABLE: {len(units)}'
  reasons: dict[tuple[str, str], list[str]] = {}
  for unit in units:
    named = unit['folder'] or _name(unit)
    reasons.setdefault((unit['state'], unit['reason']), []).append(named)
  for (state, reason), named in reasons.items():
    yield from wrapped(f'{state}: {reason}', '  ')
    for name in named:
      yield f'    {name}'


def _name(unit: Mapping[str, Any]) -> str:
  name = f'{unit["part"]}.{_role(unit)}'
  if unit['templates'] is not None:
    name += f', templates {", ".join(map(str, unit["templates"]))}'
  return name


def _role(unit: Mapping[str, Any]) -> str:
  form = unit['format']
  return unit['split'] + ('' if form == 'instructions' else f'.{form}')


def _units(units: Sequence[Mapping[str, Any]]) -> Iterator[str]:
  """Yields the units by cluster and part, each with its remarks."""
  common = _common_lengths(units)
  yield ''
  yield f'{"":50}{"prompt":>15}{"target":>14}'
  yield (
    f'{"":17}{"rows":>9}{"renderings":>12}{"tokens":>12}'
    f'{"mean":>8}{"longest":>8}{"mean":>6}{"longest":>8}'
  )
  cluster = part = None
  for unit in units:
    if unit['cluster'] != cluster:
      cluster, part = unit['cluster'], None
      yield cluster
    if unit['part'] != part:
      part = unit['part']
      yield f'  {part}'
    prompts, targets = unit['sizes']['prompts'], unit['sizes']['targets']
    yield (
      f'    {_role(unit):13}{unit["rows"]:>9,}{unit["renderings"]:>12,}'
      f'{unit["tokens"]:>12,}{_mean(prompts):>8}{_longest(prompts):>8}'
      f'{_mean(targets):>6}{_longest(targets):>8}'
    )
    yield from wrapped('; '.join(_remarks(unit, common)), ' ' * 6)
  if common:
    yield (
      f'at most {common["inputs"]:,} tokens of a prompt and '
      f'{common["targets"]:,} of a target'
    )
  yield from _adapted(units)


def _adapted(units: Sequence[Mapping[str, Any]]) -> Iterator[str]:
  """Yields which units read other rows than declared, by how."""
  reasons: dict[str, list[str]] = {}
  for unit in units:
    if unit['adapted']:
      named = f'{unit["part"]}.{_role(unit)}'
      reasons.setdefault(unit['adapted'], []).append(named)
  if reasons:
    yield ''
    yield 'splits adapted to a smaller copy'
  for reason, named in reasons.items():
    yield from wrapped(f'{reason}: {", ".join(named)}', '  ')


def _common_lengths(units: Sequence[Mapping]) -> Mapping[str, int] | None:
  first = units[0]['lengths']
  return first if all(unit['lengths'] == first for unit in units) else None


def _mean(size: Mapping[str, Any]) -> str:
  return '-' if size['mean'] is None else f'{size["mean"]:,.1f}'


def _longest(size: Mapping[str, Any]) -> str:
  return '-' if size['longest'] is None else f'{size["longest"]:,}'


_COUNTED = {
  'rows_filtered': 'filtered rows',
  'inputs_shortened': 'shortened truncatable_fields',
  'prompts_cut': 'cut prompts',
  'targets_cut': 'cut targets',
}


def _remarks(
  unit: Mapping[str, Any], common: Mapping[str, int] | None
) -> Iterator[str]:
  for name, words in _COUNTED.items():
    if unit[name]:
      yield f'{words}: {unit[name]:,}'
  if unit['templates'] is not None:
    yield f'templates {", ".join(map(str, unit["templates"]))} only'
  if unit['prompt_format'] is not None:
    yield f'prompt format {unit["prompt_format"]!r}'
  if common is None:
    lengths = unit['lengths']
    yield f'lengths {lengths["inputs"]:,} and {lengths["targets"]:,}'


def _histograms(found: Mapping[str, Any]) -> Iterator[str]:
  for purpose in ('training', 'evaluation'):
    columns = found[purpose]
    if not columns:
      continue
    yield ''
    heads = (f'{name:>10}{"":{_BAR + 1}}' for name in columns)
    yield f'{f"tokens, {purpose}":18}{"".join(heads)}'.rstrip()
    low = 1
    for place, high in enumerate(found['up_to']):
      label = f'{low:,} and more' if high is None else f'{low:,} to {high:,}'
      counts = [(column[place], sum(column)) for column in columns.values()]
      if high is not None or any(count for count, _ in counts):
        cells = ''.join(_cell(*count) for count in counts)
        yield f'  {label:16}{cells}'.rstrip()
      low = (high or 0) + 1
    if 'examples' in columns:
      yield '  examples: places that prompt and target take in a packed row'
    else:
      yield '  targets: every option'


def _cell(count: int, total: int) -> str:
  """Returns a count and its bar; one that is there is seen."""
  length = -(-_BAR * count // total) if total else 0
  return f'{count:>10,} {"#" * length:{_BAR}}'


def _clusters(clusters: Sequence[Mapping[str, Any]]) -> Iterator[str]:
  yield ''
  yield (
    f'{"tokens of each cluster":35}{"units":>6}{"training":>14}{"share":>10}'
    f'{"evaluation":>14}'
  )
  for cluster in clusters:
    yield (
      f'  {cluster["cluster"]:33}{cluster["units"]:>6}'
      f'{cluster["train_tokens"]:>14,}{_percent(cluster["train_share"])}'
      f'{cluster["evaluation_tokens"]:>14,}'
    )


def _percent(share: float | None) -> str:
  return f'{"-":>10}' if share is None else f'{share:>8.1f} %'


def _draws(found: Mapping[str, Any]) -> Iterator[str]:
  draws = found['draws']
  packing, epoch = draws['packing'], draws['epoch']
  yield ''
  yield (
    f'a run of {draws["steps"]:,} steps of {packing["batch_rows"]:,} rows of '
    f'{packing["pack_length"]:,} tokens'
  )
  if draws['missing']:
    listed = ', '.join(draws['missing'])
    yield from wrapped(f'NOT COUNTED, as not usable: {listed}', '  ')
  if draws['error']:
    yield from wrapped(f'REFUSED: {draws["error"]}', '  ')
  if draws['fill'] is not None:
    yield (
      f'  fill: {100 * draws["fill"]:.1f} % of all places, with at most '
      f'{draws["target_budget"]:,} predicted tokens a row'
    )
  if not draws['members']:
    return
  yield from wrapped(
    f'mixture epoch: {epoch["draws"]:,} examples, {epoch["tokens"]:,} '
    f'tokens, {epoch["target_tokens"]:,} of them predicted',
    '  ',
  )
  if draws['epochs'] is not None:
    yield (
      f'  {epoch["steps"]:,.2f} steps an epoch, {draws["epochs"]:,.1f} epochs '
      'in the run'
    )
  if any(member['shots'] for member in draws['members']):
    yield '  exemplars are counted here, and not in the lengths above'
  yield from _members(draws)


def _members(draws: Mapping[str, Any]) -> Iterator[str]:
  yield ''
  yield (
    f'{"of a mixture epoch":35}{"rows":>9}{"rate":>7}{"tokens":>12}'
    f'{"share":>9}{"passes":>8}'
  )
  for cluster in draws['clusters']:
    yield _draws_line(cluster['cluster'], cluster, '', '')
    for member in draws['members']:
      if member['cluster'] == cluster['cluster']:
        rows, passes = f'{member["rows"]:,}', member['passes']
        if passes is None:
          passes = '-'
        else:
          passes = f'{passes:,.1f}' if passes < 1000 else f'{passes:,.0f}'
        yield _draws_line(f'  {member["part"]}', member, rows, passes)
        if member['shots']:
          yield f'      up to {member["shots"]} exemplars'


def _draws_line(
  name: str, about: Mapping[str, Any], rows: str, passes: str
) -> str:
  share = about['share'] or 0.0
  return (
    f'{name:35}{rows:>9}{about["rate"]:>7,}{about["tokens"]:>12,}'
    f'{share:>7.1f} %{passes:>8}'
  ).rstrip()
