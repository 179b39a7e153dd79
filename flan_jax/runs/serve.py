"""`flan-jax serve`: answers requests over HTTP."""

from collections.abc import Sequence
import dataclasses
import os
import signal
import socket

import gin

from flan_jax.definitions import names
from flan_jax.errors import ConfigError
from flan_jax.flags import Arguments
from flan_jax.runs.run_setup import RunSetup, Workspace
from flan_jax.runtime import processes
from flan_jax.serving.engine import Engine, Served
from flan_jax.serving.limits import Limits
from flan_jax.serving.served_rows import ServedRows
from flan_jax.setting_types import Name, Names, Path, Paths
from flan_jax.training.checkpoint import Checkpointer

_LOOPBACK = ('127.0.0.1', 'localhost', '[::1]')
_EXTRA = (
  "`flan-jax serve` needs the extra [serve]: pip install 'flan_jax[serve]'"
)


@gin.configurable(module='flan_jax')
@dataclasses.dataclass(frozen=True)
class ServeSource:
  """What is served.

  Attributes:
    checkpoint: Checkpoints or model directories; one or several.
    initial_checkpoint: A base model, served if there is no checkpoint.
    mixture: Mixture or task whose test rows the page offers, or several.
  """

  checkpoint: Path | Paths | None = None
  initial_checkpoint: Path | None = None
  mixture: Name | Names | None = None

  @property
  def paths(self) -> list[str]:
    """The checkpoints as given; raises ConfigError if there is none."""
    spec = self.checkpoint or self.initial_checkpoint
    paths = [spec] if isinstance(spec, str) else list(spec or ())
    if not paths:
      raise ConfigError('name a checkpoint to serve with --checkpoint=PATH')
    return paths


@gin.configurable(module='flan_jax')
def serve(
  setup: RunSetup,
  source: ServeSource,
  limits: Limits | None = None,
  checkpoint: Sequence[str] = (),
  host: str = '127.0.0.1',
  port: int = 8000,
  arguments: Arguments | None = None,
  dry_run: bool = False,
) -> None:
  """Serves checkpoints until it is told to end.

  After SIGTERM or Ctrl-C it finishes the requests that it has.

  Args:
    setup: The model and its data.
    source: What is served.
    limits: Bounds on what one client can ask for.
    checkpoint: Replaces the checkpoints of `source`.
    host: Address to listen on. Only this machine reaches the default.
    port: Port to listen on; 0 for any that is free.
    arguments: Given to the child process that makes missing caches.
    dry_run: Checks what can be checked without computing, and stops.

  Raises:
    UserError: before anything is compiled.
  """
  try:
    import uvicorn

    from flan_jax.serving.app import make_app
  except ModuleNotFoundError as error:
    raise ConfigError(f'{_EXTRA} ({error})') from error

  if checkpoint:
    source = dataclasses.replace(source, checkpoint=checkpoint)
  workspace = setup.open(arguments)
  paths = _named([setup.locate(path) for path in source.paths])
  for path in paths.values():
    workspace.check_checkpoint(path)
  mixtures = names.resolve_all([source.mixture])
  if dry_run:
    print(f'would serve {", ".join(paths)} on {host}:{port}')
    print(f'splits to cache first: {workspace.missing(mixtures) or "none"}')
    return
  workspace.ensure(mixtures)
  listening = _listen(host, port)
  app = make_app(
    Engine(_served(workspace, paths)),
    _rows(workspace, mixtures),
    limits,
    _LOOPBACK if _is_loopback(listening) else None,
  )
  seconds = (limits or Limits()).seconds
  config = uvicorn.Config(
    app,
    # Behave alike wherever the faster ones are installed.
    loop='asyncio',
    http='h11',
    ws='none',
    log_level='warning',
    server_header=False,
    proxy_headers=False,
    timeout_graceful_shutdown=int(seconds) + 10,
  )
  where, bound = listening.getsockname()[:2]
  where = f'[{where}]' if ':' in where else where
  processes.log(f'serving {", ".join(paths)} on http://{where}:{bound}')
  # Uvicorn raises the signals that it handled once more when it has ended.
  signal.signal(signal.SIGTERM, signal.SIG_IGN)
  uvicorn.Server(config).run([listening])


def _named(paths: Sequence[str]) -> dict[str, str]:
  """Returns name -> checkpoint; names are the last parts of the paths."""
  labels = [os.path.basename(path.rstrip('/')) or path for path in paths]
  if len(set(labels)) < len(labels):
    raise ConfigError(
      'checkpoints must differ in the last part of their paths, which is their '
      f'name: {", ".join(labels)}'
    )
  return dict(zip(labels, paths, strict=True))


def _served(workspace: Workspace, paths: dict[str, str]) -> Served:
  models, setup = workspace.models, workspace.setup
  lengths = setup.cache_config.lengths
  return Served(
    config=models.config,
    mesh=workspace.mesh,
    vocabulary=models.vocabulary,
    framing=models.framing,
    context=lengths['inputs'] + lengths['targets'],
    checkpoints={
      name: setup.cast(workspace.restore_evaluated(Checkpointer.find(path)[0]))
      for name, path in paths.items()
    },
    tokens_per_batch=setup.tokens_per_batch,
    scoring_dtype=setup.eval_compute_dtype,
  )


def _rows(workspace: Workspace, mixtures: Sequence) -> ServedRows:
  parts = [part for plan in mixtures for part in workspace.parts(plan)]
  models = workspace.models
  return ServedRows(parts, models.framing, models.vocabulary)


def _listen(host: str, port: int) -> socket.socket:
  """Opens the port before the model is loaded, which takes a while."""
  try:
    family, *_, address = socket.getaddrinfo(
      host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.create_server(address[:2], family=family)
  except OSError as error:
    raise ConfigError(
      f'cannot listen on {host}:{port}: {error}; choose another with --host '
      'and --port'
    ) from error
  listening.set_inheritable(False)
  return listening


def _is_loopback(listening: socket.socket) -> bool:
  where = listening.getsockname()[0]
  return where == '::1' or where.startswith('127.')
