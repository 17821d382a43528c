"""Serving an ASGI application on a bound socket, with a bound on connections.

At most `connections_max` connections are open. When all seats are taken nothing more is accepted,
so that newcomers wait in the kernel's queue; when half of them are, idle connections lose theirs
after CROWDED_IDLE_S rather than IDLE_S, so that holding many open without asking anything keeps
others out for seconds only. Protocol handling is hypercorn's.
"""

import os
import socket
from typing import Any

import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Event, Updated
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState
from hypercorn.utils import wrap_app

from .supervise import supervise

IDLE_S = 60
CROWDED_IDLE_S = 5
REQUESTS_PER_CONNECTION_MAX = 100_000
ACCEPT_RETRY_S = 0.1

log = structlog.get_logger(__name__)


class HttpServer:
    """See the module. `connections` are open now."""

    def __init__(self, app: ASGIFramework, listener: socket.socket, connections_max: int) -> None:
        self.connections = 0
        self.connections_max = connections_max
        self._listener = listener
        self._relaxed = _config(IDLE_S)
        self._crowded = _config(CROWDED_IDLE_S)
        self._app = wrap_app(app, self._relaxed.wsgi_max_body_size, "asgi")
        self._seats = trio.Semaphore(connections_max)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. The listener stays the caller's."""
        task_status.started()
        await supervise("http", self._accept)

    async def _accept(self) -> None:
        own = socket.socket(fileno=os.dup(self._listener.fileno()))
        own.setblocking(False)
        async with (
            trio.SocketListener(trio.socket.from_stdlib_socket(own)) as listener,
            trio.open_nursery() as nursery,
        ):
            while True:
                await self._seats.acquire()
                try:
                    stream = await listener.accept()
                except OSError as error:
                    # Out of open files, or the peer is gone already.
                    self._seats.release()
                    log.warning("connection not accepted", error=str(error))
                    await trio.sleep(ACCEPT_RETRY_S)
                    continue
                except BaseException:
                    self._seats.release()
                    raise
                nursery.start_soon(self._attend, stream)

    async def _attend(self, stream: Any) -> None:
        """Serve one connection; hypercorn's word for a plain `SocketStream` is a TLS one."""
        self.connections += 1
        is_crowded = 2 * self.connections > self.connections_max
        config = self._crowded if is_crowded else self._relaxed
        try:
            await _Connection(self._app, config, WorkerContext(None), ConnectionState({}), stream)
        except Exception:
            log.exception("connection failed")
        finally:
            self.connections -= 1
            self._seats.release()
            await trio.aclose_forcefully(stream)


class _Connection(TCPServer):
    """A connection whose seat is free as soon as the other side is gone.

    By itself hypercorn waits for the idle time to pass after that.
    """

    _is_gone = False

    async def _read_data(self) -> None:
        try:
            await super()._read_data()
        finally:
            self._is_gone = True
            await self.idle_task.stop()

    async def protocol_send(self, event: Event) -> None:
        """Pass an event on; there is nothing to wait for behind a closed connection."""
        if not (self._is_gone and isinstance(event, Updated)):
            await super().protocol_send(event)


def _config(idle_s: int) -> Config:
    config = Config()
    config.keep_alive_timeout = idle_s
    config.keep_alive_max_requests = REQUESTS_PER_CONNECTION_MAX
    config.include_server_header = False
    config.accesslog = None
    config.loglevel = "WARNING"  # what goes wrong inside the application, on standard error
    return config
