"""A server of this process that listens on a free port of this machine."""

from collections.abc import Iterator
import contextlib
import socket
import threading
import time

import uvicorn


@contextlib.contextmanager
def listening(app) -> Iterator[str]:
  """Yields the address of an application that a thread serves."""
  server = uvicorn.Server(
    uvicorn.Config(app, loop='asyncio', http='h11', log_level='warning')
  )
  with socket.create_server(('127.0.0.1', 0)) as port:
    thread = threading.Thread(target=server.run, args=([port],))
    thread.start()
    while not server.started:
      assert thread.is_alive()
      time.sleep(0.01)
    yield f'http://127.0.0.1:{port.getsockname()[1]}'
    server.should_exit = True
    thread.join()
