"""A chain in memory for the tests of pallets: blocks go by, calls are dispatched, nothing is
stored.

::

    world = ext(Small, balances=Balances.Genesis(balances=((ALICE, Balance(100)),)))
    world.call("Balances", "transfer_keep_alive", Origin.signed(ALICE), dest=..., value=...)
    world.run_to_block(10)
    assert world.runtime.balances.free(ALICE) == 90
    assert Balances.Transfer(...) in world.events()

Signatures, fees and block limits are the executive's business and are not here. After every block
the decoded values are forgotten, so that what was written is read back from its bytes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from pallets.frame.call import Call
from pallets.frame.config import PalletGenesis
from pallets.frame.context import FINALIZATION, INITIALIZATION, NUMBER_KEY, block_hash_key
from pallets.frame.dispatch import PostInfo
from pallets.frame.genesis import build_genesis
from pallets.frame.origin import Origin
from pallets.frame.overlay import DictState, StateReader
from pallets.frame.runtime import FrameRuntime
from primitives.hashing import blake2_256
from primitives.scale import encode
from primitives.types import BlockNumber

__all__ = ["GENESIS_HASH", "TestExternalities", "ext"]

R = TypeVar("R", bound=FrameRuntime)

GENESIS_HASH = blake2_256(b"genesis of a test")
"""What pallets see as the hash of block 0."""


class TestExternalities(Generic[R]):
    """One runtime over a state in memory, at block 1 with its hooks run."""

    __test__ = False  # a tool of tests, not a test

    def __init__(self, runtime_class: Callable[[StateReader], R], **genesis: PalletGenesis) -> None:
        state = build_genesis(runtime_class(DictState({})), genesis)
        self.runtime = runtime_class(DictState(state))
        self.runtime.overlay.put(block_hash_key(0), GENESIS_HASH)
        self._begin(1)

    @property
    def block(self) -> int:
        """The current height."""
        return int(self.runtime.context.number())

    def call(self, pallet: str, name: str, origin: Origin, **arguments: Any) -> PostInfo:
        """Dispatch a call by its names, through its wire form; raises what it raises."""
        table = self.runtime.calls()
        made = table.make(pallet, name, **arguments)
        return self.dispatch(table.decode(made.encode()), origin)

    def dispatch(self, call: Call, origin: Origin) -> PostInfo:
        """Dispatch a call; raises what it raises."""
        return self.runtime.dispatch(call, origin)

    def run_to_block(self, number: int) -> None:
        """Finish the current block and run the hooks of all blocks up to ``number``."""
        while self.block < number:
            self._finish()
            self._begin(self.block + 1)

    def events(self) -> list[object]:
        """Events since the start or the last ``clear_events``."""
        return [record.event for record in self.runtime.event_records()]

    def clear_events(self) -> None:
        """Forget the events so far."""
        self.runtime.overlay.events.clear()

    def changes(self) -> dict[bytes, bytes | None]:
        """Everything written since genesis."""
        return self.runtime.overlay.changes()

    @contextmanager
    def no_trace(self) -> Iterator[None]:
        """Assert that the body changes nothing and logs nothing."""
        before, events = self.changes(), len(self.runtime.overlay.events)
        yield
        assert self.changes() == before, "state changed"
        assert len(self.runtime.overlay.events) == events, "an event was left"

    def _begin(self, number: int) -> None:
        runtime = self.runtime
        runtime.overlay.put(NUMBER_KEY, encode(BlockNumber, BlockNumber(number)))
        runtime.context.phase = INITIALIZATION
        for each in runtime.pallets:
            each.on_initialize(BlockNumber(number))
        runtime.context.begin_extrinsic(0)

    def _finish(self) -> None:
        runtime = self.runtime
        runtime.context.phase = FINALIZATION
        for each in runtime.pallets:
            each.on_finalize(BlockNumber(self.block))
        runtime.overlay.forget_decoded()


def ext(
    runtime_class: Callable[[StateReader], R], **genesis: PalletGenesis
) -> TestExternalities[R]:
    """A chain in memory; ``genesis`` is given by the runtime's attribute names."""
    return TestExternalities(runtime_class, **genesis)
