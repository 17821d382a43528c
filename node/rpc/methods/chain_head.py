"""``chainHead_v1_*``: following the head of the chain, and reading the blocks that it reported.

``node.rpc.follow`` decides what is sent and what is pinned; here it meets the chain's events and
the connection. Answers of operations are events of the subscription, after the answer to the call.

Bounds: those of ``follow`` and ``storage_items``; an operation waits for its reader before it
reads, so a connection holds few answers at a time.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import trio

from node.consensus.announcements import ChainEvent, Finalized
from node.database import StateDiscarded, StateSnapshot, UnknownBlock
from node.rpc.context import RpcContext
from node.rpc.dispatch import Caller, Session, Sink, unexpected
from node.rpc.follow import (
    FOLLOWS_MAX,
    PIN_AGE_MAX,
    PINS_MAX,
    STOP,
    TOO_MANY_FOLLOWS,
    BlockUnpinned,
    Follow,
    Operation,
    Reported,
)
from node.rpc.jsonrpc import Json, invalid_params
from node.rpc.registry import PARSERS, rpc_method, rpc_subscription, to_hex
from node.rpc.storage_items import Item, parse_items, read_page
from node.rpc.subscriptions import SubscriptionClosed
from node.runtime import CODE_KEY, RuntimeNotKnown, apis
from pallets.frame.version import RuntimeVersion
from primitives.errors import CessError
from primitives.scale import encode
from primitives.types import Hash

__all__ = ["FINAL_BLOCKS", "spec_json"]

T = TypeVar("T")

FINAL_BLOCKS: Final = 16
"""Final blocks in ``initialized``."""

LIMIT_REACHED: Final[dict[str, Json]] = {"result": "limitReached"}


# Following.


def spec_json(version: RuntimeVersion) -> dict[str, Json]:
    """A runtime version as the new API shows it."""
    return {
        "specName": version.spec_name,
        "implName": version.impl_name,
        "specVersion": int(version.spec_version),
        "implVersion": int(version.impl_version),
        "transactionVersion": int(version.transaction_version),
        "apis": {to_hex(name): int(number) for name, number in version.apis},
    }


def _runtime(ctx: RpcContext, hash_: Hash) -> Json:
    try:
        return {"type": "valid", "spec": spec_json(ctx.runtime(hash_).system.config.version)}
    except RuntimeNotKnown as error:
        return {"type": "invalid", "error": str(error)}


def _new_runtime(ctx: RpcContext, hash_: Hash, parent: Hash) -> Json:
    """The runtime of a block, None where it is its parent's."""
    if ctx.state(hash_).get(CODE_KEY) == ctx.state(parent).get(CODE_KEY):
        return None
    return _runtime(ctx, hash_)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The chain when a subscription begins."""

    final: list[tuple[Hash, int]]
    runtime: Json
    blocks: list[Reported]
    best: Hash


def _snapshot(ctx: RpcContext, *, with_runtime: bool) -> _Snapshot:
    database = ctx.database
    last = database.finalized()
    final = [(last.hash, last.number)]
    for number in range(last.number - 1, max(-1, last.number - FINAL_BLOCKS), -1):
        hash_ = database.canonical_hash(number)
        if hash_ is None or not database.keeps_state(hash_):
            break
        final.insert(0, (hash_, number))
    blocks: list[Reported] = []
    heights = {last.hash: last.number}
    for parent, number in _growing(heights):
        for child in database.children(parent):
            runtime = _new_runtime(ctx, child, parent) if with_runtime else None
            blocks.append(Reported(child, parent, number + 1, runtime))
            heights[child] = number + 1
    runtime = _runtime(ctx, last.hash) if with_runtime else None
    return _Snapshot(final, runtime, blocks, database.settled_best().hash)


def _growing(heights: dict[Hash, int]) -> Iterable[tuple[Hash, int]]:
    """The entries of a dictionary that grows meanwhile."""
    at = 0
    while at < len(heights):
        yield from list(heights.items())[at : (at := len(heights))]


@rpc_subscription(
    "chainHead_v1_follow",
    event="chainHead_v1_followEvent",
    unsubscribe="chainHead_v1_unfollow",
    ends_silently=True,
    count_max=FOLLOWS_MAX,
    too_many=TOO_MANY_FOLLOWS,
    farewell=STOP,
)
async def follow(ctx: RpcContext, sink: Sink, with_runtime: bool) -> None:
    """The blocks at the head of the chain, from the last final ones on."""
    name = sink.open()
    core = Follow(
        with_runtime, pin_age_max=min(PIN_AGE_MAX, ctx.database.state_pruning or PINS_MAX)
    )
    sink.session.follows[name] = core
    try:
        with ctx.announcements.listen() as events:
            await sink.accept()
            found = await ctx.read(lambda: _snapshot(ctx, with_runtime=with_runtime))
            await sink.send_when_room(core.begin(found.final, found.runtime))
            for block in found.blocks:
                for event in core.report(block):
                    await sink.send_when_room(event)
            for event in core.lead(found.best, always=True):
                await sink.send_when_room(event)
            async for happened in events:
                for event in await _react(ctx, core, happened):
                    sink.send(event)
                if core.must_stop():
                    break
            sink.send(STOP)
    finally:
        del sink.session.follows[name]
        core.close()


async def _react(ctx: RpcContext, core: Follow, happened: ChainEvent) -> list[dict[str, Json]]:
    if isinstance(happened, Finalized):
        return core.finalize(happened.hashes, ctx.database.best().hash)
    header, hash_ = happened.header, happened.hash
    block = Reported(hash_, header.parent_hash, int(header.number))
    if core.with_runtime and not core.knows(hash_):
        runtime = await ctx.read(_new_runtime, ctx, hash_, header.parent_hash)
        block = replace(block, runtime=runtime)
    events = core.report(block)
    if happened.is_best:
        events += core.lead(hash_)
    return events


@rpc_method("chainHead_v1_unpin", per_connection=True)
async def unpin(
    _ctx: RpcContext, caller: Caller, follow_subscription: str, hash_or_hashes: object
) -> Json:
    """Let go of one reported block, or of several."""
    await trio.lowlevel.checkpoint()
    listed = hash_or_hashes if isinstance(hash_or_hashes, list) else [hash_or_hashes]
    if len(listed) > PINS_MAX:
        raise invalid_params(f"at most {PINS_MAX} hashes")
    hashes = [PARSERS[Hash](entry) for entry in listed]
    core = caller.session.follows.get(follow_subscription)
    if core is not None:
        core.unpin(hashes)
    return None


@rpc_method("chainHead_v1_header", per_connection=True)
async def header(ctx: RpcContext, caller: Caller, follow_subscription: str, hash_: Hash) -> Json:
    """The header of a pinned block, SCALE encoded; null where the subscription is over."""
    core = caller.session.follows.get(follow_subscription)
    if core is None:
        return None
    core.check_pinned(hash_)
    found = await ctx.read(ctx.database.header, hash_)
    if found is None:
        raise BlockUnpinned
    return to_hex(encode(type(found), found))


# Operations.


class _Work:
    """An operation and the subscription that its events belong to."""

    def __init__(
        self, ctx: RpcContext, session: Session, subscription: str, core: Follow, made: Operation
    ) -> None:
        self._ctx = ctx
        self._session = session
        self._subscription = subscription
        self._core = core
        self._operation = made

    async def tell(self, event: str, **fields: Json) -> None:
        """Send an event of this operation once its reader has room."""
        await self._session.wait_room(self._subscription)
        self._send(event, fields)

    async def finish(self, event: str, **fields: Json) -> None:
        """Send the last event; its place is free when it arrives."""
        await self._session.wait_room(self._subscription)
        self._core.finish(self._operation)
        self._send(event, fields)

    def _send(self, event: str, fields: dict[str, Json]) -> None:
        told: dict[str, Json] = {"event": event, "operationId": self._operation.id, **fields}
        self._session.send(self._subscription, told)

    async def read(self, ask: Callable[[], T]) -> T:
        """Ask in a thread, once the reader has room for the answer."""
        await self._session.wait_room(self._subscription)
        return await self._ctx.read(ask)

    async def execute(self, ask: Callable[[], T]) -> T:
        """The same for what executes the runtime."""
        await self._session.wait_room(self._subscription)
        return await self._ctx.execute(ask)

    async def wait_continue(self) -> None:
        """Say that there is more, and wait until the client wants it."""
        go = trio.Event()
        await self._session.wait_room(self._subscription)
        self._operation.proceed = go.set
        self._send("operationWaitingForContinue", {})
        await go.wait()

    async def run(self, work: "Callable[[_Work], Awaitable[None]]") -> None:
        """Do the work; whatever fails is told and ends this operation only."""
        try:
            await work(self)
        except SubscriptionClosed:
            raise
        except (StateDiscarded, UnknownBlock):
            await self.finish("operationInaccessible")
        except CessError as error:
            await self.finish("operationError", error=str(error))
        except Exception as error:  # noqa: BLE001  an operation fails alone
            await self.finish("operationError", error=unexpected("chainHead", error).message)
        finally:
            self._core.finish(self._operation)


def _begin(
    ctx: RpcContext,
    caller: Caller,
    subscription: str,
    wanted: int,
    work: Callable[[_Work], Awaitable[None]],
) -> dict[str, Json]:
    """Start an operation of a subscription that is alive; the answer to the call."""
    core = caller.session.follows[subscription]
    started = core.start(wanted)
    if started is None:
        return LIMIT_REACHED
    operation, _ = started
    doing = _Work(ctx, caller.session, subscription, core, operation)
    operation.scope = caller.start(lambda: doing.run(work))
    return {"result": "started", "operationId": operation.id}


@rpc_method("chainHead_v1_body", per_connection=True)
async def body(ctx: RpcContext, caller: Caller, follow_subscription: str, hash_: Hash) -> Json:
    """Start to fetch the extrinsics of a pinned block."""
    await trio.lowlevel.checkpoint()
    core = caller.session.follows.get(follow_subscription)
    if core is None:
        return LIMIT_REACHED
    core.check_pinned(hash_)

    async def work(doing: _Work) -> None:
        found = await doing.read(lambda: ctx.database.body(hash_))
        if found is None:
            await doing.finish("operationInaccessible")
        else:
            await doing.finish("operationBodyDone", value=[to_hex(data) for data in found])

    return _begin(ctx, caller, follow_subscription, 1, work)


@rpc_method("chainHead_v1_call", per_connection=True)
async def call(
    ctx: RpcContext,
    caller: Caller,
    follow_subscription: str,
    hash_: Hash,
    function: str,
    call_parameters: bytes = b"",
) -> Json:
    """Start to ask the runtime of a pinned block."""
    await trio.lowlevel.checkpoint()
    core = caller.session.follows.get(follow_subscription)
    if core is None:
        return LIMIT_REACHED
    core.check_runtime()
    core.check_pinned(hash_)

    async def work(doing: _Work) -> None:
        runtime = ctx.runtime
        output = await doing.execute(lambda: apis(runtime(hash_)).call(function, call_parameters))
        await doing.finish("operationCallDone", output=to_hex(output))

    return _begin(ctx, caller, follow_subscription, 1, work)


@rpc_method("chainHead_v1_storage", per_connection=True)
async def storage(
    ctx: RpcContext,
    caller: Caller,
    follow_subscription: str,
    hash_: Hash,
    items: list[object],
    child_trie: bytes | None = None,
) -> Json:
    """Start to read the storage of a pinned block."""
    await trio.lowlevel.checkpoint()
    asked = parse_items(items)
    core = caller.session.follows.get(follow_subscription)
    if core is None:
        return LIMIT_REACHED
    core.check_pinned(hash_)
    chosen: list[Item] = []

    async def work(doing: _Work) -> None:
        state = await doing.read(lambda: ctx.state(hash_))
        for item in chosen if child_trie is None else ():
            await _tell_item(doing, state, item)
        await doing.finish("operationStorageDone")

    answer = _begin(ctx, caller, follow_subscription, max(1, len(asked)), work)
    if answer is LIMIT_REACHED:
        return answer
    chosen += asked[: core.operations[str(answer["operationId"])].weight]
    return {**answer, "discardedItems": len(asked) - len(chosen)}


async def _tell_item(doing: _Work, state: StateSnapshot, item: Item) -> None:
    while True:
        page = await doing.read(lambda at=item: read_page(state, at))  # type: ignore[misc]
        if page.entries:
            await doing.tell("operationStorageItems", items=page.entries)
        if page.after is None:
            return
        item = replace(item, after=page.after)
        await doing.wait_continue()


@rpc_method("chainHead_v1_continue", per_connection=True)
async def proceed(
    _ctx: RpcContext, caller: Caller, follow_subscription: str, operation_id: str
) -> Json:
    """Let an operation that waits for it go on."""
    await trio.lowlevel.checkpoint()
    core = caller.session.follows.get(follow_subscription)
    if core is not None:
        core.proceed(operation_id)
    return None


@rpc_method("chainHead_v1_stopOperation", per_connection=True)
async def stop_operation(
    _ctx: RpcContext, caller: Caller, follow_subscription: str, operation_id: str
) -> Json:
    """Break an operation off."""
    await trio.lowlevel.checkpoint()
    core = caller.session.follows.get(follow_subscription)
    if core is not None:
        core.stop(operation_id)
    return None
