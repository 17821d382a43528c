"""What RPC methods may use of the node. Everything readable here may be read from any thread."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import trio

from chain_spec.spec import CHAIN_TYPES, ChainSpec
from node.consensus.announcements import Announcements
from node.consensus.chain import Chain
from node.database import ChainDatabase, StateSnapshot
from node.rpc.jsonrpc import Json
from node.runtime import CessRuntime
from node.txpool.shell import TransactionPool
from primitives.errors import RpcError
from primitives.header import Header
from primitives.keystore import Keystore
from primitives.types import Hash

__all__ = ["READERS_MAX", "RpcContext", "client_error"]

T = TypeVar("T")

READERS_MAX: Final = 4
"""Threads in which calls and subscriptions of all connections read: one thread computes at a time,
so more of them would only slow down the one that makes blocks."""

STATE_CLIENT_ERROR = 4003


def client_error(why: str) -> RpcError:
    """The error of the state module for a block or a state that is not here."""
    return RpcError(STATE_CLIENT_ERROR, f"Client error: {why}")


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
    listen_addresses: tuple[str, ...] = ()
    peer_id: str | None = None
    """None while the node has no peer-to-peer network."""
    readers: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(READERS_MAX))
    """Threads of callers are their own, so that consensus never waits for one of them."""

    async def read(self, function: Callable[..., T], *arguments: object) -> T:
        """Run ``function`` in one of the readers' threads; a caller who is gone does not wait."""
        return await trio.to_thread.run_sync(
            function, *arguments, limiter=self.readers, abandon_on_cancel=True
        )

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
        return self.database.best().hash if hash_ is None else hash_

    def header(self, hash_: Hash | None) -> Header | None:
        """A header; None if the block is not known."""
        return self.database.header(self.at(hash_))

    def state(self, hash_: Hash | None) -> StateSnapshot:
        """The state after a block; raises ``RpcError`` for one that is not here."""
        return self.database.state_at(self.at(hash_))

    def runtime(self, hash_: Hash | None) -> CessRuntime:
        """The runtime over the state after a block."""
        return self.chain.runtime(self.at(hash_))
