"""``ChainClient``: reading a chain's state and blocks, and submitting calls to it.

Waits with anyio, so it serves programs under trio and asyncio. substrate-interface does the
JSON-RPC, the metadata, the composing and the signing, in worker threads (`connections`). State is
read raw and decoded by the codecs of the pallets that declare it: ``read(FileBank.file, fid)``.

Reads without ``at`` see the best block of their moment; give one ``at`` to reads that must agree.

Bounds: see `ChainLimits`; listings take ``limit``.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast, overload

import anyio
from substrateinterface import SubstrateInterface

from client.addresses import parse_endpoints
from client.chain.blocks import (
    BlockHead,
    bytes_of_json,
    hash_of_json,
    header_of_json,
    sensible,
)
from client.chain.calls import PreparedCall, prepare
from client.chain.connections import Connections
from client.chain.endpoints import EndpointReport
from client.chain.errors import MetadataMismatch, UnknownBlock
from client.chain.events import EventRecord, read_events
from client.chain.heads import Heads
from client.chain.limits import ChainLimits
from client.chain.submit import Receipt, Submitter, Wait
from client.tasks import one_failure_group
from pallets.frame.storage import StorageDoubleMap, StorageEntry, StorageMap, StorageValue
from primitives.crypto.keys import Signer
from primitives.errors import DecodeError
from primitives.header import Header
from primitives.types import BlockNumber, Hash

__all__ = ["BlockHead", "ChainClient"]

K = TypeVar("K")
K1 = TypeVar("K1")
K2 = TypeVar("K2")
V = TypeVar("V")
G = TypeVar("G")

SUBSCRIPTIONS_MAX = 16
"""Iterators of heads that wait at once."""


class ChainClient:
    """One chain, by one of its nodes at a time. Safe to share among tasks.

    Made by ``ChainClient.open``. Which node is used is decided in `endpoints`.
    """

    def __init__(self, connections: Connections, limits: ChainLimits, genesis: Hash) -> None:
        self._connections = connections
        self._limits = limits
        self._submitter = Submitter(connections, limits)
        self._subscribing = anyio.CapacityLimiter(SUBSCRIPTIONS_MAX)
        self._constants: dict[tuple[str, str], Any] = {}
        self.genesis_hash = genesis

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str | Sequence[str],
        *,
        limits: ChainLimits | None = None,
        genesis: Hash | None = None,
    ) -> AsyncIterator["ChainClient"]:
        """A client of the nodes at ``url``, the preferred one first; closed at the end.

        Raises: InvalidEndpoints; ChainUnreachable; ChainMismatch when all nodes follow another
        chain than ``genesis``, if that is given.
        """
        limits = limits if limits is not None else ChainLimits()
        connections = Connections(parse_endpoints(url), limits, genesis)
        async with one_failure_group() as tasks:
            tasks.start_soon(connections.watch)
            try:
                found = await connections.ready(limits.connect_timeout_s)
                yield cls(connections, limits, found)
            finally:
                tasks.cancel_scope.cancel()
                connections.close()

    @property
    def url(self) -> str:
        """The address of the node in use, or all addresses while there is none."""
        return self._connections.url

    def endpoints(self) -> tuple[EndpointReport, ...]:
        """What is known of each node, in the order of preference. Reads memory only."""
        return self._connections.endpoints.reports()

    async def look_at_endpoints(self) -> tuple[EndpointReport, ...]:
        """The same after a look at each node."""
        await self._connections.look_now()
        return self.endpoints()

    # Raw state and blocks.

    async def rpc(self, method: str, params: Sequence[object] = ()) -> Any:
        """The result of one JSON-RPC request, which may be sent more than once."""
        return await self._connections.request(method, params)

    async def storage(self, key: bytes, at: Hash | None = None) -> bytes | None:
        """The raw value under ``key``."""
        return _bytes(await self.rpc("state_getStorage", [_hex(key), _at(at)]))

    async def storage_many(
        self, keys: Sequence[bytes], at: Hash | None = None
    ) -> list[bytes | None]:
        """The raw values under ``keys``, in their order, all of one block."""
        if at is None and keys:
            at = await self.best_head()
        found: dict[bytes, bytes | None] = {}
        page = self._limits.keys_page
        for start in range(0, len(keys), page):
            part = [_hex(key) for key in keys[start : start + page]]
            reply = await self.rpc("state_queryStorageAt", [part, _at(at)])
            with sensible("storage"):
                for change in reply:
                    for key, value in change["changes"]:
                        found[bytes_of_json(key)] = _bytes(value)
        return [found.get(bytes(key)) for key in keys]

    async def keys_paged(
        self, prefix: bytes, start: bytes | None, limit: int, at: Hash | None = None
    ) -> list[bytes]:
        """At most ``limit`` keys below ``prefix`` after ``start``, in their order."""
        after = None if start is None else _hex(start)
        reply = await self.rpc("state_getKeysPaged", [_hex(prefix), limit, after, _at(at)])
        with sensible("keys"):
            return [bytes_of_json(key) for key in reply]

    async def state_call(self, method: str, params: bytes = b"", at: Hash | None = None) -> bytes:
        """The encoded answer of a runtime API."""
        answer = _bytes(await self.rpc("state_call", [method, _hex(params), _at(at)]))
        if answer is None:
            raise DecodeError(f"the node answered nothing to {method}")
        return answer

    async def finalized_head(self) -> Hash:
        """The hash of the last finalized block, never of one below another that was told before."""
        return (await self._connections.finalized())[1]

    async def best_head(self) -> Hash:
        """The hash of the best block."""
        return hash_of_json(await self.rpc("chain_getBlockHash"))

    async def header(self, block: Hash | None = None) -> Header:
        """The header of a block, the best one by default. Raises: UnknownBlock."""
        reply = await self.rpc("chain_getHeader", [] if block is None else [_at(block)])
        if reply is None:
            raise UnknownBlock(f"the node has no block {block}")
        return header_of_json(reply)

    async def block_hash(self, number: int) -> Hash | None:
        """The hash of the block of this height in the best chain."""
        reply = await self.rpc("chain_getBlockHash", [int(number)])
        return None if reply is None else hash_of_json(reply)

    async def block_number(self) -> BlockNumber:
        """The height of the best block."""
        return (await self.header()).number

    async def block_body(self, block: Hash) -> tuple[bytes, ...]:
        """The encoded extrinsics of a block. Raises: UnknownBlock."""
        reply = await self.rpc("chain_getBlock", [_at(block)])
        if reply is None:
            raise UnknownBlock(f"the node has no block {block}")
        with sensible("a block"):
            return tuple(bytes_of_json(text) for text in reply["block"]["extrinsics"])

    # State by the pallets' declarations.

    @overload
    async def read(self, entry: StorageValue[V, G], /, *, at: Hash | None = None) -> G: ...

    @overload
    async def read(self, entry: StorageMap[K, V, G], key: K, /, *, at: Hash | None = None) -> G: ...

    @overload
    async def read(
        self,
        entry: StorageDoubleMap[K1, K2, V, G],
        first: K1,
        second: K2,
        /,
        *,
        at: Hash | None = None,
    ) -> G: ...

    async def read(self, entry: Any, /, *keys: Any, at: Hash | None = None) -> Any:
        """The value of ``entry`` under ``keys``; its default, or None, where there is none."""
        return entry.decode_value(await self.storage(entry.key(*keys), at))

    @overload
    async def read_many(
        self, entry: StorageMap[K, V, G], keys: Sequence[K], *, at: Hash | None = None
    ) -> list[G]: ...

    @overload
    async def read_many(
        self,
        entry: StorageDoubleMap[K1, K2, V, G],
        keys: Sequence[tuple[K1, K2]],
        *,
        at: Hash | None = None,
    ) -> list[G]: ...

    async def read_many(
        self, entry: Any, keys: Sequence[Any], *, at: Hash | None = None
    ) -> list[Any]:
        """The values under ``keys``, in their order, all of one block."""
        is_double = isinstance(entry, StorageDoubleMap)
        raw = [entry.key(*key) if is_double else entry.key(key) for key in keys]
        return [entry.decode_value(value) for value in await self.storage_many(raw, at)]

    async def items(
        self, entry: StorageEntry[V], /, *leading: Any, limit: int, at: Hash | None = None
    ) -> list[tuple[tuple[Any, ...], V]]:
        """At most ``limit`` keys and values of a map, or those under the ``leading`` keys."""
        at = await self.best_head() if at is None else at
        prefix = entry.prefix_key(*leading)
        found: list[tuple[tuple[Any, ...], V]] = []
        start: bytes | None = None
        while len(found) < limit:
            page = min(self._limits.keys_page, limit - len(found))
            keys = await self.keys_paged(prefix, start, page, at)
            values = await self.storage_many(keys, at)
            found.extend(
                (entry.decode_key(key), cast("V", entry.decode_value(value)))
                for key, value in zip(keys, values, strict=True)
            )
            if len(keys) < page:
                break
            start = keys[-1]
        return found

    async def events(self, block: Hash) -> tuple[EventRecord, ...]:
        """The events of a block."""
        return await self._connections.compose(
            lambda connection: read_events(connection, f"0x{block.hex()}")
        )

    async def constant(self, pallet: str, name: str) -> Any:
        """A published constant such as ``FileBank``, ``FragmentBytes``; does not change."""

        def read(connection: SubstrateInterface) -> Any:
            found = connection.get_constant(pallet, name)
            return None if found is None else (found.value,)

        if (pallet, name) not in self._constants:
            answer = await self._connections.compose(read)
            if answer is None:
                raise MetadataMismatch(f"the chain publishes no constant {pallet}.{name}")
            self._constants[pallet, name] = answer[0]
        return self._constants[pallet, name]

    def heads(self, *, finalized: bool = False) -> Heads:
        """An endless iterator of heads that reconnects by itself.

        Of best blocks the newest, of final ones each, in their order.
        """
        return Heads(self._connections, self._subscribing, finalized=finalized)

    # Calls.

    def call(self, function: Callable[..., Any], **arguments: Any) -> PreparedCall:
        """A call to submit: ``chain.call(FileBank.delete_file, owner=..., file_hash=...)``."""
        return prepare(function, **arguments)

    async def submit(
        self,
        call: PreparedCall,
        signer: Signer,
        *,
        wait: Wait = "included",
        timeout_s: float | None = None,
        tip: int = 0,
    ) -> Receipt:
        """Sign and send a call, and wait until it is in a block, or in a finalized one.

        Raises: CallFailed, TransactionRefused, TransactionLost, SubmitTimeout, ChainUnreachable;
        their classes say when nothing can have been executed.
        """
        if timeout_s is None:
            timeout_s = self._limits.submit_timeout_s
        return await self._submitter.submit(call, signer, wait=wait, timeout_s=timeout_s, tip=tip)


def _hex(data: bytes) -> str:
    return "0x" + bytes(data).hex()


def _at(block: Hash | None) -> str | None:
    return None if block is None else _hex(block)


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes_of_json(value)
