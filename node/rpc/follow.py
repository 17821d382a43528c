"""What one ``chainHead_v1_follow`` subscription knows: the core of ``methods.chain_head``.

It is told what happens to the chain and answers with the events to send, in the order that the
specification asks for: every block after its parent; the best block only after its ``newBlock``;
a final block only after both, and never while the best block is off its chain.

Pins: every reported block is pinned until the client unpins it. The database forgets the state of
blocks that have been final for long, so a pin can become too old: then the subscription must stop.
Bounds: ``PINS_MAX`` pins; pins of final blocks no more than ``PIN_AGE_MAX`` blocks old (less where
the node keeps fewer states); ``OPERATIONS_MAX`` operations at a time.
Source: JSON-RPC interface specification, chainHead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from node.rpc.jsonrpc import Json
from primitives.errors import RpcError
from primitives.types import Hash

__all__ = [
    "FOLLOWS_MAX",
    "OPERATIONS_MAX",
    "PINS_MAX",
    "PIN_AGE_MAX",
    "STOP",
    "TOO_MANY_FOLLOWS",
    "BlockUnpinned",
    "Cancellable",
    "Follow",
    "Operation",
    "Reported",
]

FOLLOWS_MAX: Final = 2
"""Subscriptions of one connection."""

OPERATIONS_MAX: Final = 16
"""Bodies, calls and storage items that one subscription asks for at a time."""

PINS_MAX: Final = 8192
PIN_AGE_MAX: Final = 128
"""Blocks that a pinned block may lie below the last final one."""

BLOCK_UNPINNED: Final = -32801
NO_RUNTIME: Final = -32802
NOT_WAITING: Final = -32803
DUPLICATE_HASHES: Final = -32804

TOO_MANY_FOLLOWS: Final = (-32800, "Maximum number of chainHead_follow has been reached")
WITHOUT_RUNTIME: Final = (
    "The `chainHead_follow` subscription was started with `withRuntime` set to `false`"
)
REPEATED: Final = "Received duplicate hashes for the `chainHead_unpin` method"
NO_CONTINUE: Final = "Wait for continue event was not generated for the subscription"
STOP: Final[dict[str, Json]] = {"event": "stop"}


class BlockUnpinned(RpcError):  # noqa: N818  a fact
    """The block was never reported to this subscription, or was unpinned."""

    def __init__(self) -> None:
        super().__init__(BLOCK_UNPINNED, "Invalid block hash")


class Cancellable(Protocol):
    """Something under way that can be broken off."""

    def cancel(self) -> None:
        """Break it off."""
        ...


@dataclass(slots=True)
class Operation:
    """A body, a call or storage items under way. ``weight`` is how many of the 16 it takes."""

    id: str
    weight: int
    scope: Cancellable | None = None
    proceed: Callable[[], None] | None = None
    """Set while it waits for ``chainHead_v1_continue``."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A block as the chain reports it; ``runtime`` only where it differs from the parent's."""

    hash: Hash
    parent: Hash
    number: int
    runtime: Json = None


def _hex(hash_: Hash) -> str:
    return "0x" + hash_.hex()


@dataclass(slots=True)
class Follow:
    """One subscription."""

    with_runtime: bool
    pin_age_max: int = PIN_AGE_MAX
    pins: dict[Hash, int] = field(default_factory=dict)
    """Pinned blocks and their heights."""
    operations: dict[str, Operation] = field(default_factory=dict)
    _open: dict[Hash, Reported] = field(default_factory=dict)
    """Reported blocks above the final one, parents first."""
    _final: Hash = field(default_factory=lambda: Hash(bytes(32)))
    _final_number: int = 0
    _best: Hash = field(default_factory=lambda: Hash(bytes(32)))
    _next_operation: int = 0

    # The chain.

    def begin(self, final: Sequence[tuple[Hash, int]], runtime: Json) -> dict[str, Json]:
        """``initialized``: the last final blocks, the newest last, and its runtime."""
        for hash_, number in final:
            self.pins[hash_] = number
        self._final, self._final_number = final[-1]
        self._best = self._final
        event: dict[str, Json] = {
            "event": "initialized",
            "finalizedBlockHashes": [_hex(hash_) for hash_, _ in final],
        }
        if self.with_runtime:
            event["finalizedBlockRuntime"] = runtime
        return event

    def knows(self, hash_: Hash) -> bool:
        """Whether a block was reported, or is not above the final one."""
        return hash_ in self._open or hash_ == self._final

    def report(self, block: Reported) -> list[dict[str, Json]]:
        """``newBlock``, once for each block above the final one."""
        if self.knows(block.hash) or block.number <= self._final_number:
            return []
        if not self.knows(block.parent):
            return []  # it hangs on a fork that was pruned already
        self._open[block.hash] = block
        self.pins[block.hash] = block.number
        event: dict[str, Json] = {
            "event": "newBlock",
            "blockHash": _hex(block.hash),
            "parentBlockHash": _hex(block.parent),
        }
        if self.with_runtime:
            event["newRuntime"] = block.runtime
        return [event]

    def lead(self, best: Hash, *, always: bool = False) -> list[dict[str, Json]]:
        """``bestBlockChanged``, if it has, to a block that was reported."""
        if not self.knows(best) or (best == self._best and not always):
            return []
        self._best = best
        return [{"event": "bestBlockChanged", "bestBlockHash": _hex(best)}]

    def finalize(self, hashes: Sequence[Hash], best: Hash) -> list[dict[str, Json]]:
        """``finalized`` with what it prunes; before it, the best block where that is pruned."""
        final = [hash_ for hash_ in hashes if hash_ in self._open]
        if not final:
            return []
        last = self._open[final[-1]]
        above: dict[Hash, Reported] = {}
        for hash_, block in self._open.items():
            if block.parent == last.hash or block.parent in above:
                above[hash_] = block
        kept = {*final, *above}
        pruned = [hash_ for hash_ in self._open if hash_ not in kept]
        events: list[dict[str, Json]] = []
        if self._best != last.hash and self._best not in above:
            events = self.lead(best if best in above else last.hash)
        self._open = above
        self._final, self._final_number = last.hash, last.number
        events.append(
            {
                "event": "finalized",
                "finalizedBlockHashes": [_hex(hash_) for hash_ in final],
                "prunedBlockHashes": [_hex(hash_) for hash_ in pruned],
            }
        )
        return events

    def must_stop(self) -> bool:
        """Whether there are too many pins, or one is too old to be served."""
        oldest = self._final_number - self.pin_age_max
        return len(self.pins) > PINS_MAX or any(number < oldest for number in self.pins.values())

    # Pins.

    def check_pinned(self, hash_: Hash) -> None:
        """Raise ``BlockUnpinned`` for a block that is not."""
        if hash_ not in self.pins:
            raise BlockUnpinned

    def unpin(self, hashes: Sequence[Hash]) -> None:
        """Unpin all of these, or none. Raises ``RpcError``."""
        if len(set(hashes)) != len(hashes):
            raise RpcError(DUPLICATE_HASHES, REPEATED)
        for hash_ in hashes:
            self.check_pinned(hash_)
        for hash_ in hashes:
            del self.pins[hash_]

    # Operations.

    def check_runtime(self) -> None:
        """Raise ``RpcError`` where the subscription was opened without the runtime."""
        if not self.with_runtime:
            raise RpcError(NO_RUNTIME, WITHOUT_RUNTIME)

    def start(self, wanted: int) -> tuple[Operation, int] | None:
        """A place for up to ``wanted`` items, and how many of them; None without any."""
        free = OPERATIONS_MAX - sum(entry.weight for entry in self.operations.values())
        taken = min(free, wanted)
        if taken < 1:
            return None
        operation = Operation(str(self._next_operation), taken)
        self._next_operation += 1
        self.operations[operation.id] = operation
        return operation, taken

    def finish(self, operation: Operation) -> None:
        """Free the place of an operation."""
        self.operations.pop(operation.id, None)

    def stop(self, identifier: str) -> None:
        """Break an operation off; nothing happens where it is over."""
        operation = self.operations.pop(identifier, None)
        if operation is not None and operation.scope is not None:
            operation.scope.cancel()

    def proceed(self, identifier: str) -> None:
        """Let an operation go on; raises ``RpcError`` for one that does not wait."""
        operation = self.operations.get(identifier)
        if operation is None:
            return
        if operation.proceed is None:
            raise RpcError(NOT_WAITING, NO_CONTINUE)
        proceed, operation.proceed = operation.proceed, None
        proceed()

    def close(self) -> None:
        """Break everything off."""
        for identifier in list(self.operations):
            self.stop(identifier)
