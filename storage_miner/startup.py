"""Starting a miner and ending it: volumes, chain, workers, HTTP and the daemon, in that order.

`run_miner` returns after SIGTERM or SIGINT: nothing new is taken, what is being written is finished
or removed, and the volumes are unlocked. A second signal ends at once. A part of the daemon that
cannot be kept alive ends the process with an error.
"""

import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
import trio

from client.chain import ChainClient, ChainLimits, ChainUnreachable
from primitives.crypto.keys import KeyPair
from primitives.crypto.ss58 import ss58_encode

from .app import FragmentApp
from .chain import ClientChain, MinerChain
from .config import MinerConfig
from .errors import MinerError
from .facts import ChainFacts
from .http_server import HttpServer
from .lifecycle import Wish
from .prover_pool import open_pool
from .service import Daemon
from .store import Volumes, open_volumes

BACKLOG = 128
FACTS_RETRY_S = 2.0
GRACE_S = 5.0
STALL_TIMEOUT_MS = 30_000
"""A reader that takes nothing for so long loses its connection; the kernel sees to it, because the
server's sending cannot be interrupted."""

EXIT_S = 15.0
"""So long after a signal the process ends whatever hangs; all that was promised is on the disk."""
LIMITS = ChainLimits(connections_max=2, connect_timeout_s=math.inf)
"""A miner waits for its nodes however long they are away."""

log = structlog.get_logger(__name__)

Ready = Callable[[dict[str, Any]], None]


async def run_miner(config: MinerConfig, key: KeyPair, ready: Ready) -> None:
    """Run until a signal comes. `ready` is told once HTTP is served. Raises: CessError."""
    listener = listen(config.host, config.port)
    endpoint = config.endpoint or _url_of(listener)
    async with trio.open_nursery() as nursery:
        stop = trio.Event()
        await nursery.start(_watch_signals, stop)
        running = trio.Event()
        nursery.start_soon(_cancel_when_stopped, stop, running, nursery.cancel_scope)
        with listener:
            now = int(time.time())
            volumes = await trio.to_thread.run_sync(open_volumes, config.plans, now)
            with volumes:
                await _serve(config, key, ready, listener, endpoint, volumes, stop, running)
        nursery.cancel_scope.cancel()


async def _serve(
    config: MinerConfig,
    key: KeyPair,
    ready: Ready,
    listener: socket.socket,
    endpoint: str,
    volumes: Volumes,
    stop: trio.Event,
    running: trio.Event,
) -> None:
    if volumes.swept:
        log.info("unfinished files removed", count=volumes.swept)
    for item in volumes.away(int(time.time())):
        log.error("volume away", path=item.path, reason=item.reason)
    # With one node the volumes themselves say what to do when it follows another chain.
    genesis = None if len(config.rpc) == 1 else volumes.genesis
    opening = ChainClient.open(config.rpc, limits=LIMITS, genesis=genesis)
    async with opening as client, open_pool(config.workers) as pool:
        chain = ClientChain(client, key)
        facts = await facts_of(chain)
        volumes.bind(facts.genesis, key.account_id)
        daemon = Daemon(
            account=key.account_id,
            chain=chain,
            facts=facts,
            volumes=volumes,
            pool=pool,
            wish=Wish(
                account=key.account_id,
                endpoint=endpoint,
                beneficiary=config.beneficiary_account(),
                declared_units=config.declared_units,
            ),
            scrub_rate=config.scrub_rate,
            plots_max=config.idle_plots,
            restores=config.restore,
            nodes=client.endpoints,
        )
        async with trio.open_nursery() as nursery:
            server = HttpServer(
                FragmentApp(daemon.transfers, daemon.status), listener, config.connections_max
            )
            await nursery.start(server.serve)
            log.info("listening", endpoint=endpoint, account=ss58_encode(key.account_id))
            ready(
                {
                    "account": ss58_encode(key.account_id),
                    "endpoint": endpoint,
                    "data_dir": str(config.data_dir),
                    "volumes": [str(plan.path) for plan in config.plans],
                    "pid": os.getpid(),
                }
            )
            nursery.start_soon(daemon.run)
            running.set()
            await stop.wait()
            daemon.stop()
            log.info("stopping")
            with trio.move_on_after(GRACE_S):
                while daemon.transfers.uploads:
                    await trio.sleep(0.05)
            nursery.cancel_scope.cancel()


async def facts_of(chain: MinerChain) -> ChainFacts:
    """The chain's constants, as soon as a node tells them: reading its metadata takes a while."""
    while True:
        try:
            return await chain.facts()
        except ChainUnreachable as error:
            log.warning("waiting for the chain's constants", error=str(error))
            await trio.sleep(FACTS_RETRY_S)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises: MinerError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            # Connections inherit it.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL_TIMEOUT_MS)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise MinerError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; is another program there? "
            "Choose another `port`"
        ) from error
    listener.setblocking(False)
    return listener


def _url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _watch_signals(
    stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            if stop.is_set():
                os._exit(1)
            stop.set()
            last_resort = threading.Timer(EXIT_S, os._exit, (0,))
            last_resort.daemon = True
            last_resort.start()


async def _cancel_when_stopped(
    stop: trio.Event, running: trio.Event, scope: trio.CancelScope
) -> None:
    """End a start that waits for its node at once, and a running miner that hangs later."""
    await stop.wait()
    if running.is_set():
        await trio.sleep(2 * GRACE_S)
    scope.cancel()
