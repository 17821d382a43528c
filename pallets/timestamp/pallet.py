"""The time of a block, as its author told it.

Every block sets the time once, by an inherent. Each time is at least ``minimum_period`` after the
one before and lies in the slot that the block claims, so an author can shift time only within its
own slot. An importer refuses a block whose time is more than 30 seconds ahead of its own clock:
later it may accept it.

Units: milliseconds since 1970. Ports needed: ``slots`` (Babe). Provided: ``time_of_block``.
"""

from typing import Annotated, Any, Final, Protocol

from pallets.frame import (
    Call,
    Doc,
    InherentData,
    InherentError,
    Origin,
    Pallet,
    PalletConfig,
    StorageValue,
    Weight,
    call,
    ensure_none,
)
from primitives.errors import InvalidBlock
from primitives.scale import Compact
from primitives.types import BlockNumber, Moment

__all__ = ["DRIFT_MS_MAX", "Slots", "Timestamp"]

DRIFT_MS_MAX: Final = 30_000
"""How far an author's clock may be ahead of an importer's."""


class Slots(Protocol):
    """Babe: the slot that the block claims."""

    def on_timestamp_set(self, moment: Moment) -> None:
        """Raise InvalidBlock if ``moment`` is not in that slot."""
        ...


class Timestamp(Pallet):
    """The time of the block."""

    is_inherent_provider = True
    is_inherent_required = True

    class Config(PalletConfig):
        """The least step of time, and the slots."""

        minimum_period: Annotated[
            Moment, Doc("The least time between two blocks, in milliseconds: half a slot.")
        ]
        slots: Slots

    config: Config

    moment = StorageValue(
        Moment,
        default=Moment(0),
        wire_name="Now",
        doc="Time of the block, in milliseconds since 1970; 0 before block 1.",
    )
    did_update = StorageValue(
        bool, default=False, doc="Whether this block's time is set; false between blocks."
    )

    def on_finalize(self, n: BlockNumber) -> None:  # noqa: ARG002 - the same in every block
        """Let the next block set its time."""
        self.did_update.kill()

    @call(index=0, weight=Weight(reads=3, writes=2), dispatch_class="mandatory")
    def set(self, origin: Origin, now: Annotated[Moment, Compact]) -> None:
        """Set the time of the block; it is put there by the author. *Origin*: none.

        A second one in a block, a step shorter than ``minimum_period`` and a time outside of the
        block's slot make the block invalid.
        """
        ensure_none(origin)
        if self.did_update.get():
            raise InvalidBlock("the time is set twice; a block sets it once")
        earliest = self._earliest()
        if now < earliest:
            raise InvalidBlock(f"the time {now} is too early; the parent allows {earliest} ms")
        self.moment.put(now)
        self.did_update.put(True)
        self.config.slots.on_timestamp_set(now)

    # The inherent.

    def create_inherent(self, data: InherentData) -> tuple[str, dict[str, Any]] | None:
        """The author's clock, or the earliest time that the parent allows."""
        return "set", {"now": max(Moment(data.timestamp_ms), self._earliest())}

    def check_inherent(self, call: Call, data: InherentData) -> InherentError | None:
        """Whether the author's clock is plausible to an importer with this clock."""
        told = int(call.arguments()["now"])
        if told > data.timestamp_ms + DRIFT_MS_MAX:
            ahead = told - data.timestamp_ms
            return InherentError(
                f"the block's time is {ahead} ms ahead of our clock; check both clocks",
                too_early=True,
            )
        earliest = self._earliest()
        if told < earliest:
            return InherentError(f"the block's time {told} is before the {earliest} allowed")
        return None

    def is_inherent(self, call: Call) -> bool:
        """Whether ``call`` sets the time."""
        return call.name == "set"

    # Views.

    def time_of_block(self) -> Moment:
        """Time of the block."""
        return self.moment.get()

    # Private.

    def _earliest(self) -> Moment:
        before = self.moment.get()
        return Moment(before + self.config.minimum_period) if before else before
