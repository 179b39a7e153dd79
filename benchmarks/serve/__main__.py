"""Measures a server that many clients ask at the same time.

Prints JSON objects, the last one the summary; see benchmarks/README.md.
"""

from collections.abc import Sequence
import os
import statistics
from typing import Any

# JAX reads these when it is first imported.
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['CUDA_VISIBLE_DEVICES'] = ''

from benchmarks.common import figures, flags
from benchmarks.common.random_weights import random_checkpoint
from benchmarks.serve import clients, server
from benchmarks.serve.clients import Answers, Crowd

_ALONE, _TOGETHER = 'alone', 'together'


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the measurement."""
  parser = flags.parser(__doc__)
  add = parser.add_argument
  add('--clients', type=int, default=64, help='clients at the same time')
  add('--seconds', type=float, default=60, help='time of all clients together')
  add('--alone_seconds', type=float, default=10, help='time of one client')
  add('--warmup_requests', type=int, default=24, help='requests before that')
  add('--new_tokens', type=int, default=32, help='tokens of an answer')
  add('--rounds', type=int, default=2, help='turns of one client and of all')
  add('--model', default='models/tiny.gin', help='gin file of the decoder')
  add('--pretrained', action='store_true', help='serve what the file names')
  add('--work_dir', help='keeps the checkpoint; default: a temporary folder')
  flags.add_out(parser)
  settings = parser.parse_args(arguments)
  with figures.work_folder(settings.work_dir, 'serve') as folder:
    given = ['--gin_file=runs/serve.gin', f'--gin_file={settings.model}']
    if not settings.pretrained:
      path = random_checkpoint(folder, settings.model)
      given.append(f'--checkpoint={path}')
    with server.started(given, folder) as address:
      _measure(address, settings)


def _measure(address: str, settings: Any) -> None:
  def ask(name: str, count: int, seconds: float, least: int = 1) -> Answers:
    crowd = Crowd(count, seconds, least, settings.new_tokens)
    answers = clients.ask(address, crowd)
    figures.print_line(phase=name, clients=count, **_line(answers))
    return answers

  # Compiles, so that this is not counted.
  ask('warm-up', 1, 0, settings.warmup_requests)
  ask('warm-up', settings.clients, 0, 2)
  memory = [server.resident_mib(address)]
  turns: dict[str, list[Answers]] = {_ALONE: [], _TOGETHER: []}
  for _ in range(settings.rounds):
    share = 1 / settings.rounds
    turns[_ALONE].append(ask(_ALONE, 1, settings.alone_seconds))
    turns[_TOGETHER].append(
      ask(_TOGETHER, settings.clients, settings.seconds * share)
    )
    memory.append(server.resident_mib(address))
  pairs = list(zip(turns[_ALONE], turns[_TOGETHER], strict=True))
  together = turns[_TOGETHER]
  figures.finish(
    settings.out,
    clients=settings.clients,
    model=settings.model,
    new_tokens=settings.new_tokens,
    errors=sum(sum(a.errors.values()) for a in together),
    requests=sum(len(_latencies(a)) for a in together),
    ratio_of_requests=figures.spread([_rate(b) / _rate(a) for a, b in pairs]),
    ratio_of_tokens=figures.spread(
      [b.tokens / b.seconds / (a.tokens / a.seconds) for a, b in pairs]
    ),
    p95_seconds=_quantile([x for a in together for x in _latencies(a)], 95),
    resident_mib=memory,
    versions=figures.versions(['jax', 'starlette', 'uvicorn', 'httpx2']),
  )


def _latencies(answers: Answers) -> list[float]:
  return [x for found in answers.latencies.values() for x in found]


def _rate(answers: Answers) -> float:
  return len(_latencies(answers)) / answers.seconds


def _quantile(values: Sequence[float], percent: int) -> float | None:
  if len(values) < 2:
    return None
  cuts = statistics.quantiles(values, n=100, method='inclusive')
  return float(f'{cuts[percent - 1]:.4g}')


def _line(answers: Answers) -> dict[str, Any]:
  return {
    'seconds': round(answers.seconds, 1),
    'requests': len(_latencies(answers)),
    'requests_per_second': float(f'{_rate(answers):.4g}'),
    'tokens_per_second': float(f'{answers.tokens / answers.seconds:.4g}'),
    'errors': dict(answers.errors),
    'p50_seconds': _quantile(_latencies(answers), 50),
    'p95_seconds': _quantile(_latencies(answers), 95),
    'p95_by_kind': {
      kind: _quantile(found, 95) for kind, found in answers.latencies.items()
    },
  }


if __name__ == '__main__':
  main()
