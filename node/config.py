"""What a node is told when it starts, and where its files are.

Everything here is data: the command line fills it, the service reads it. ``problems`` says what
cannot work before anything is opened.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.consensus.durable import VOTES_FILE_NAME
from node.consensus.signature_workers import WORKERS_MAX
from node.consensus.signed_slots import FILE_NAME
from node.network.addresses import Address, InvalidAddress
from node.network.node_key import KEY_FILE_NAME, NodeKey
from primitives.errors import CessError

__all__ = [
    "DEV_KEYS",
    "MIB",
    "NODE_NAME",
    "P2P_PORT",
    "SYNC_MODES",
    "InvalidConfig",
    "NetworkConfig",
    "NodeConfig",
    "RpcConfig",
    "default_base_path",
    "parse_pruning",
    "version",
]

NODE_NAME: Final = "CESS Node"
MIB: Final = 1 << 20
NAME_CHARS_MAX: Final = 64
PORT_MAX: Final = 65_535

SYNC_MODES: Final = ("full", "fast", "warp")
P2P_PORT: Final = 30_333
PEERS_MAX: Final = 1000
"""What a node can have of one kind of peers; each costs memory and a socket."""

DEV_KEYS: Final = ("alice", "bob", "charlie", "dave", "eve", "ferdie")


class InvalidConfig(CessError):  # noqa: N818  a fact
    """Flags that cannot work together; the text says what to change."""


def version() -> str:
    """The version of this program."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("cess")
    except PackageNotFoundError:
        return "0.0.0"


def default_base_path() -> Path:
    """Where a node keeps its files unless told otherwise."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "cess-node"


def parse_pruning(value: str, flag: str) -> int | None:
    """``archive`` (None: keep all) or how many finalised blocks to keep."""
    if value in ("archive", "archive-canonical"):
        return None
    if value.isascii() and value.isdecimal() and int(value) >= 1:
        return int(value)
    raise InvalidConfig(f"{flag} {value}: give a number of blocks of at least 1, or 'archive'")


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcConfig:
    """The RPC port."""

    port: int = 9944
    external: bool = False
    methods: str = "auto"
    """``safe``, ``unsafe``, or ``auto``: unsafe only while the port is local."""
    cors: tuple[str, ...] | None = ()
    """Allowed origins; empty: the default ones; None: all."""
    connections_max: int = 100
    request_mib: int = 15
    response_mib: int = 15
    subscription_count: int = 1024
    event_count: int = 64
    batch_count: int = 1024
    rate_per_minute: int | None = None
    """Calls of one connection in a minute; None: any number."""

    @property
    def deny_unsafe(self) -> bool:
        """Whether unsafe methods are refused."""
        return self.methods == "safe" or (self.methods == "auto" and self.external)

    @property
    def host(self) -> str:
        """The address to listen at."""
        return "0.0.0.0" if self.external else "127.0.0.1"  # noqa: S104  # --rpc-external asks for it


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """The node among others."""

    port: int = P2P_PORT
    port_is_given: bool = False
    """Whether the operator named the port; otherwise a free one is taken if it is in use."""
    is_local: bool = False
    """Listen at this machine only, unless ``listen_addrs`` says otherwise."""
    listen_addrs: tuple[str, ...] = ()
    """Where to listen; empty: at ``port`` of all interfaces. Each takes TCP and WebSocket."""
    public_addrs: tuple[str, ...] = ()
    """Where others find this node, if that is not where it listens."""
    bootnodes: tuple[str, ...] = ()
    reserved_nodes: tuple[str, ...] = ()
    reserved_only: bool = False
    in_peers: int = 32
    out_peers: int = 8
    in_peers_light: int = 100
    sync: str = "full"
    node_key: str | None = field(default=None, repr=False)
    """64 hexadecimal digits."""
    node_key_file: Path | None = None
    unsafe_generate_key: bool = False
    """Whether an authority may take a new key without keeping it in a file."""

    def problems(self) -> Iterator[str]:
        """What cannot work, in sentences that say what to do."""
        if not 0 <= self.port <= PORT_MAX:
            yield f"--port {self.port}: a port is a number from 0 to {PORT_MAX}"
        for flag, count in (
            ("--in-peers", self.in_peers),
            ("--out-peers", self.out_peers),
            ("--in-peers-light", self.in_peers_light),
        ):
            if not 0 <= count <= PEERS_MAX:
                yield f"{flag} {count}: give 0 to {PEERS_MAX}"
        if self.sync not in SYNC_MODES:
            yield f"--sync {self.sync}: use one of {', '.join(SYNC_MODES)}"
        for flag, texts, needs_peer in (
            ("--listen-addr", self.listen_addrs, False),
            ("--public-addr", self.public_addrs, False),
            ("--bootnodes", self.bootnodes, True),
            ("--reserved-nodes", self.reserved_nodes, True),
        ):
            yield from _address_problems(flag, texts, needs_peer=needs_peer)
        if self.reserved_only and not self.reserved_nodes:
            yield "--reserved-only lets nobody in: name peers with --reserved-nodes"
        if self.node_key is not None and self.node_key_file is not None:
            yield "--node-key and --node-key-file exclude one another: give one of them"
        if self.node_key is not None:
            try:
                NodeKey.parse(self.node_key)
            except CessError as error:
                yield f"--node-key: {error}"

    def load_key(self, network_path: Path | None) -> NodeKey:
        """The node's key, made in ``network_path`` at the first start; None: kept nowhere.

        Raises: InvalidKey.
        """
        if self.node_key is not None:
            return NodeKey.parse(self.node_key)
        if self.node_key_file is not None:
            return NodeKey.load(self.node_key_file)
        if network_path is None or self.unsafe_generate_key:
            return NodeKey.new()
        return NodeKey.load_or_make(network_path / KEY_FILE_NAME)


def _address_problems(flag: str, texts: tuple[str, ...], *, needs_peer: bool) -> Iterator[str]:
    for text in texts:
        try:
            address = Address.parse(text)
        except InvalidAddress as error:
            yield f"{flag}: {error}"
            continue
        if needs_peer and address.peer is None:
            yield f"{flag} {text}: end the address with /p2p/PEER, the node's peer id"
        if flag == "--listen-addr" and not address.kind.startswith("ip"):
            yield f"{flag} {text}: listen at an IP address of this machine, or at 0.0.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """A node."""

    chain: str = "local"
    base_path: Path = field(default_factory=default_base_path)
    is_temporary: bool = False
    """Whether ``base_path`` is removed when the node stops."""
    is_authority: bool = False
    dev_key: str | None = None
    """Author and finalise with the keys of this well-known account."""
    name: str | None = None
    rpc: RpcConfig = field(default_factory=RpcConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    pool_count: int = 8192
    pool_kib: int = 20_480
    state_pruning: int | None = 256
    blocks_pruning: int | None = None
    keystore_path: Path | None = None
    prometheus_port: int | None = 9615
    prometheus_external: bool = False
    finalizes: bool = True
    forces_authoring: bool = False
    """Author without peers even where there are other authors."""
    watches_twins: bool = True
    """Whether to look for somebody else who signs with this node's keys."""
    in_memory: bool = False
    signature_workers: int | None = None
    """Processes that check signatures; None: one fewer than processors."""

    def chain_path(self, chain_id: str) -> Path:
        """The directory of one chain."""
        return self.base_path / "chains" / chain_id

    def database_path(self, chain_id: str) -> Path:
        """The database of one chain."""
        return self.chain_path(chain_id) / "db"

    def signed_slot_path(self, chain_id: str) -> Path:
        """Where the node notes the last slot that it signed a block for."""
        return self.chain_path(chain_id) / FILE_NAME

    def votes_path(self, chain_id: str) -> Path:
        """Where the node notes what it voted last on finality."""
        return self.chain_path(chain_id) / VOTES_FILE_NAME

    def network_path(self, chain_id: str) -> Path:
        """Where the node keeps its own key and what it knows of others."""
        return self.chain_path(chain_id) / "network"

    def keystore_directory(self, chain_id: str) -> Path:
        """The keystore of one chain."""
        return self.keystore_path or self.chain_path(chain_id) / "keystore"

    def problems(self) -> Iterator[str]:
        """What cannot work, in sentences that say what to do."""
        for name, port in (
            ("--rpc-port", self.rpc.port),
            ("--prometheus-port", self.prometheus_port),
        ):
            if port is not None and not 0 <= port <= PORT_MAX:
                yield f"{name} {port}: a port is a number from 0 to {PORT_MAX}"
        if self.name is not None and (
            not 0 < len(self.name) < NAME_CHARS_MAX or set(self.name) & set("@./")
        ):
            yield f"--name: use fewer than {NAME_CHARS_MAX} characters, without '.', '@' and '/'"
        if self.dev_key is not None and self.dev_key not in DEV_KEYS:
            yield f"--{self.dev_key}: use one of {', '.join('--' + name for name in DEV_KEYS)}"
        if self.signature_workers is not None and not 0 <= self.signature_workers <= WORKERS_MAX:
            yield f"--signature-workers {self.signature_workers}: give 0 to {WORKERS_MAX}"
        if self.pool_count < 1 or self.pool_kib < 1:
            yield "--pool-limit and --pool-kbytes: give at least 1"
        for flag, value in (
            ("--rpc-max-connections", self.rpc.connections_max),
            ("--rpc-max-request-size", self.rpc.request_mib),
            ("--rpc-max-response-size", self.rpc.response_mib),
            ("--rpc-max-subscriptions-per-connection", self.rpc.subscription_count),
            ("--rpc-message-buffer-capacity-per-connection", self.rpc.event_count),
            ("--rpc-rate-limit", self.rpc.rate_per_minute),
        ):
            if value is not None and value < 1:
                yield f"{flag} {value}: give at least 1"
        yield from self.network.problems()

    def check(self) -> None:
        """Raise ``InvalidConfig`` for the first problem."""
        for problem in self.problems():
            raise InvalidConfig(problem)
