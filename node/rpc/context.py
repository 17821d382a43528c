"""What RPC methods may use of the node. Everything readable here may be read from any thread."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import trio

from chain_spec.spec import CHAIN_TYPES, ChainSpec
from node.consensus.announcements import Announcements
from node.consensus.chain import Chain
from node.consensus.grandpa.voter import Statistics
from node.database import BlockId, ChainDatabase, StateDiscarded, StateSnapshot, UnknownBlock
from node.network.transport import PeerInfo
from node.rpc.jsonrpc import Json
from node.runtime import CessRuntime
from node.txpool.shell import TransactionPool
from primitives.crypto.keys import KeyPair
from primitives.errors import RpcError
from primitives.header import Header
from primitives.keystore import Keystore
from primitives.types import Hash

__all__ = [
    "READERS_MAX",
    "RUNNERS_MAX",
    "NetworkView",
    "RpcContext",
    "SyncView",
    "absence",
    "client_error",
    "unknown_to_api",
]

T = TypeVar("T")

READERS_MAX: Final = 4
"""Threads in which calls and subscriptions of all connections read: one thread computes at a time,
so more of them would only slow down the one that makes blocks."""

RUNNERS_MAX: Final = 1
"""Threads in which the runtime is executed for callers. Such a call may take as long as a block;
with one at a time, making blocks has its share of the interpreter, and reads do not wait."""

LOOKUPS_MAX: Final = 4096
"""Questions to one runtime that only read."""

STATE_CLIENT_ERROR = 4003


def client_error(why: str) -> RpcError:
    """The error of the state module for a block or a state that is not here."""
    return RpcError(STATE_CLIENT_ERROR, f"Client error: {why}")


def absence(error: UnknownBlock | StateDiscarded) -> str:
    """Substrate's sentence for it. Clients know by it when to ask a node that keeps all states."""
    if isinstance(error, StateDiscarded):
        return f"State already discarded for 0x{error.block.hex()}"
    return f"Header was not found in the database: 0x{error.block.hex()}"


def unknown_to_api(error: UnknownBlock | StateDiscarded) -> str:
    """The same where the runtime was to be asked."""
    return f"Api called for an unknown Block: {absence(error)}"


class NetworkView(Protocol):
    """The peer-to-peer network, as operators see it."""

    @property
    def local_peer(self) -> str:
        """This node's peer id."""
        ...

    def peers(self) -> tuple[PeerInfo, ...]:
        """Who is connected."""
        ...

    def addresses(self) -> tuple[str, ...]:
        """Where others find this node, each with its peer id."""
        ...

    def reserve(self, text: str) -> str:
        """Keep a connection with the node at this address; its peer id. Raises: CessError."""
        ...

    def unreserve(self, peer: str) -> None:
        """Keep no place for this peer any more."""
        ...

    def reserved(self) -> tuple[str, ...]:
        """Peers for which a place is kept."""
        ...


class SyncView(Protocol):
    """How far this node is, compared with its peers."""

    def is_major_syncing(self) -> bool:
        """Whether it is far behind."""
        ...

    def best_seen(self) -> int:
        """The height that most peers are at."""
        ...

    def best_of(self, peer: str) -> BlockId | None:
        """The best block of a peer by what it said last; None where it is not known."""
        ...


class LookupRuntime:
    """The runtime over the last block that was asked about, for questions that only read.

    Making one costs several times as much as such a question. For the loop alone: a runtime is not
    shared by threads. It remembers what it has read, so another follows after ``LOOKUPS_MAX``.
    """

    def __init__(self) -> None:
        self._at: Hash | None = None
        self._runtime: CessRuntime | None = None
        self._count = 0

    def over(self, chain: Chain, block: Hash) -> CessRuntime:
        """The runtime over the state after ``block``. Raises: UnknownBlock, StateDiscarded."""
        if self._runtime is None or self._at != block or self._count >= LOOKUPS_MAX:
            self._runtime = chain.runtime(block)
            self._at, self._count = block, 0
        self._count += 1
        return self._runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcContext:
    """The node, as its methods see it."""

    chain: Chain
    pool: TransactionPool
    announcements: Announcements
    spec: ChainSpec
    keystore: Keystore | None
    name: str
    version: str
    is_authority: bool
    starting_block: int
    network: NetworkView | None = None
    """None where the node has no peer-to-peer network."""
    sync: SyncView | None = None
    finality: Callable[[], Statistics | None] = lambda: None
    """Where voting stands; None where nobody votes here or watches."""
    dev_keys: tuple[KeyPair, ...] = ()
    """Authoring keys that are not in the keystore."""
    readers: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(READERS_MAX))
    """Threads of callers are their own, so that consensus never waits for one of them."""
    runners: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(RUNNERS_MAX))
    lookups: LookupRuntime = field(default_factory=LookupRuntime)

    async def read(self, function: Callable[..., T], *arguments: object) -> T:
        """Run ``function`` in one of the readers' threads; a caller who is gone does not wait."""
        return await trio.to_thread.run_sync(
            function, *arguments, limiter=self.readers, abandon_on_cancel=True
        )

    async def execute(self, function: Callable[..., T], *arguments: object) -> T:
        """As ``read``, for what executes the runtime: in the runners' thread."""
        return await trio.to_thread.run_sync(
            function, *arguments, limiter=self.runners, abandon_on_cancel=True
        )

    @property
    def peers_count(self) -> int:
        """Connected peers."""
        return 0 if self.network is None else len(self.network.peers())

    @property
    def is_syncing(self) -> bool:
        """Whether this node is far behind its peers."""
        return self.sync is not None and self.sync.is_major_syncing()

    def peers(self) -> list[tuple[PeerInfo, BlockId]]:
        """Connected peers, each with its best block by what it said last."""
        found = () if self.network is None else self.network.peers()
        return [(info, self._best_of(info)) for info in found]

    def _best_of(self, info: PeerInfo) -> BlockId:
        told = None if self.sync is None else self.sync.best_of(info.peer)
        return told or BlockId(info.status.best_hash, info.status.best_number)

    @property
    def should_have_peers(self) -> bool:
        """Whether a node without peers is of no use: not on a chain for development."""
        return self.network is not None and self.spec.chain_type != "Development"

    @property
    def chain_type(self) -> Json:
        """The kind of chain, as ``system_chainType`` says it."""
        kind = self.spec.chain_type
        return kind if kind in CHAIN_TYPES else {"Custom": kind}

    @property
    def database(self) -> ChainDatabase:
        """The database."""
        return self.chain.database

    def at(self, hash_: Hash | None) -> Hash:
        """The block that a call is about: the best one unless it names another."""
        return self.database.settled_best().hash if hash_ is None else hash_

    def header(self, hash_: Hash | None) -> Header | None:
        """A header; None if the block is not known."""
        return self.database.header(self.at(hash_))

    def state(self, hash_: Hash | None) -> StateSnapshot:
        """The state after a block; raises ``RpcError`` for one that is not here."""
        return self.database.state_at(self.at(hash_))

    def runtime(self, hash_: Hash | None) -> CessRuntime:
        """The runtime over the state after a block."""
        return self.chain.runtime(self.at(hash_))

    def lookup_runtime(self, hash_: Hash | None) -> CessRuntime:
        """The same for a question that only reads and is asked on the loop."""
        return self.lookups.over(self.chain, self.at(hash_))
