"""Where the node listens, and which addresses it tells others.

Guarantees: the default port gives way to a free one if it is in use, a port that the operator named
does not. TCP and WebSocket share each port.
"""

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
import structlog
import trio

from node.config import NetworkConfig
from node.network.addresses import Address, is_public
from primitives.errors import CessError

__all__ = ["Listening", "NetworkPortInUse", "open_listeners"]

log = structlog.get_logger("sub-libp2p")

ADVERTISED_MAX = 16


class NetworkPortInUse(CessError):  # noqa: N818  a fact
    """The port of the peer-to-peer network cannot be opened."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Open sockets, and what to tell others of them."""

    listeners: tuple[trio.SocketListener, ...]
    addresses: tuple[Address, ...]
    """Where this node can be reached, as far as it knows."""

    @property
    def port(self) -> int:
        """The port of the first socket."""
        return _bound(self.listeners[0]).port if self.listeners else 0


async def open_listeners(config: NetworkConfig) -> Listening:
    """Open all sockets. Raises: NetworkPortInUse."""
    if config.listen_addrs:
        wanted = [Address.parse(text) for text in config.listen_addrs]
        opened = [await _open(address.host, address.port) for address in wanted]
    else:
        opened = await _open_default(config)
    listeners = tuple(listener for group in opened for listener in group)
    public = [Address.parse(text).without_peer() for text in config.public_addrs]
    found = public or [one for each in listeners for one in _reachable(_bound(each))]
    found.sort(key=lambda address: not is_public(address.host))
    return Listening(listeners, tuple(dict.fromkeys(found))[:ADVERTISED_MAX])


async def _open_default(config: NetworkConfig) -> list[Sequence[trio.SocketListener]]:
    host = "127.0.0.1" if config.is_local else "0.0.0.0"  # noqa: S104  nodes are for others
    try:
        first = await _open(host, config.port)
    except NetworkPortInUse:
        if config.port_is_given:
            raise
        first = await _open(host, 0)
        log.warning(
            f"port {config.port} is in use: the peer-to-peer network has port "
            f"{_bound(first[0]).port}; choose one with --port"
        )
    opened = [first]
    if not config.is_local and socket.has_ipv6:
        try:
            opened.append(await _open("::", _bound(first[0]).port))
        except NetworkPortInUse as error:
            log.debug(f"no IPv6: {error}")
    return opened


async def _open(host: str, port: int) -> Sequence[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        hint = (
            "choose another port with --port"
            if error.errno == errno.EADDRINUSE
            else "choose an address of this machine with --listen-addr"
        )
        raise NetworkPortInUse(
            f"cannot listen at {host}:{port}: {error.strerror}; {hint}"
        ) from None


def _bound(listener: trio.SocketListener) -> Address:
    host, port = listener.socket.getsockname()[:2]
    return Address.of_host(host, port)


def _reachable(bound: Address) -> list[Address]:
    if bound.host not in ("0.0.0.0", "::"):  # noqa: S104  compared, not bound
        return [bound]
    family = socket.AF_INET if bound.kind == "ip4" else socket.AF_INET6
    hosts = [
        address.address
        for group in psutil.net_if_addrs().values()
        for address in group
        if address.family == family and "%" not in address.address
    ]
    return [Address.of_host(host, bound.port) for host in hosts]
