"""Time cut into slots, and whose slot it is: the core of BABE with primary and secondary slots.

Slot ``s`` lasts from ``s * duration`` to ``(s + 1) * duration`` in milliseconds since 1970. A node
claims the slots that its keys win, and those that the epoch's randomness gives to them. It authors
at most once in a slot, and never in a slot that is not after the parent's.

Drive it: ``SlotCore.next_slot`` with the time and the parent's slot gives the slot to work in, or
how long to wait. No clock is read here. A core that begins anew is told the last slot signed for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pallets.babe.slots import SECONDARY_KINDS, secondary_author, wins_primary
from pallets.babe.slots import SlotEpoch as Epoch
from primitives.crypto.keys import KeyPair
from primitives.crypto.vrf import RandomPoint, VrfKey
from primitives.digest import (
    BabePreDigest,
    Primary,
    SecondaryPlain,
    SecondaryVrf,
    VrfPreOutput,
    VrfProof,
    VrfSignature,
)
from primitives.scale import U32, U64

__all__ = [
    "MS_PER_S",
    "Epoch",
    "SlotClaim",
    "SlotCore",
    "SlotWait",
    "claim_slot",
    "secondary_author_of",
    "slot_at",
    "slot_start",
    "wins_slot",
]

MS_PER_S: Final = 1000


def slot_at(time_ms: int, duration_ms: int) -> int:
    """The slot that this moment is in."""
    return time_ms // duration_ms


def slot_start(slot: int, duration_ms: int) -> int:
    """When a slot begins, in milliseconds since 1970."""
    return slot * duration_ms


@dataclass(frozen=True, slots=True)
class SlotClaim:
    """The right to author a slot, as the block will state it, and the key that seals the block."""

    pre_digest: BabePreDigest
    output: RandomPoint | None
    pair: KeyPair

    @property
    def slot(self) -> int:
        """The slot claimed."""
        return self.pre_digest.claimed_slot

    @property
    def authority_index(self) -> int:
        """Who claims it."""
        return self.pre_digest.author


def secondary_author_of(slot: int, epoch: Epoch) -> int | None:
    """Index of the authority that authors ``slot`` without luck; None if there is no authority."""
    if not epoch.authorities:
        return None
    return secondary_author(slot, epoch.randomness, len(epoch.authorities))


def wins_slot(slot: int, epoch: Epoch, index: int, pair: KeyPair) -> bool:
    """Whether ``slot`` is a primary one of the authority ``index``, whose key is ``pair``."""
    return wins_primary(pair.vrf_key().evaluate(epoch.transcript(slot)), epoch, index)


def claim_slot(slot: int, epoch: Epoch, pairs: Sequence[KeyPair]) -> SlotClaim | None:
    """The claim of the first of ``pairs`` that wins ``slot`` or has it as a secondary one.

    Cost: 0.9 ms for each pair that is an authority, and 1 ms for the proof.
    """
    own = {pair.public: pair for pair in pairs}
    secondary, kind = secondary_author_of(slot, epoch), SECONDARY_KINDS[epoch.allowed]
    found: SlotClaim | None = None
    for index, public in enumerate(epoch.authorities):
        pair = own.get(public)
        if pair is None or index in epoch.disabled:
            continue
        key = pair.vrf_key()
        output = key.evaluate(epoch.transcript(slot))
        if wins_primary(output, epoch, index):
            return _claim(Primary, slot, index, output, key, pair)
        if index == secondary and kind is not None:
            found = _claim(kind, slot, index, output, key, pair)
    return found


def _claim(
    kind: type[BabePreDigest],
    slot: int,
    index: int,
    output: RandomPoint,
    key: VrfKey,
    pair: KeyPair,
) -> SlotClaim:
    if kind is SecondaryPlain:
        return SlotClaim(SecondaryPlain(authority_index=U32(index), slot=U64(slot)), None, pair)
    assert kind in (Primary, SecondaryVrf), "because these are all"
    signature = VrfSignature(
        pre_output=VrfPreOutput(output.pre_output), proof=VrfProof(key.prove(output))
    )
    make = Primary if kind is Primary else SecondaryVrf
    pre_digest = make(authority_index=U32(index), slot=U64(slot), vrf_signature=signature)
    return SlotClaim(pre_digest, output, pair)


@dataclass(frozen=True, slots=True)
class SlotWait:
    """Nothing to do before ``until_ms``."""

    until_ms: int


class SlotCore:
    """Decides in which slot to author."""

    def __init__(self, duration_ms: int, last: int = -1) -> None:
        self.duration_ms = duration_ms
        self._last = last

    def next_slot(self, now_ms: int, parent_slot: int) -> int | SlotWait:
        """The slot to author in now, or until when to wait for one.

        A clock that was set back gives no second block in a slot; it waits.
        """
        slot = slot_at(now_ms, self.duration_ms)
        earliest = max(self._last, parent_slot) + 1
        if slot < earliest:
            return SlotWait(slot_start(earliest, self.duration_ms))
        self._last = slot
        return slot

    def moment_in(self, slot: int, now_ms: int) -> int:
        """The time to write into a block of ``slot``: now, or the nearest moment of the slot."""
        start = slot_start(slot, self.duration_ms)
        return min(max(now_ms, start), start + self.duration_ms - 1)

    def end_ms(self, slot: int) -> int:
        """When a slot is over."""
        return slot_start(slot + 1, self.duration_ms)

    def deadline_ms(self, slot: int, share: Sequence[int] = (1, 2)) -> int:
        """When to stop adding transactions: after ``share`` of the slot."""
        numerator, denominator = share
        return slot_start(slot, self.duration_ms) + self.duration_ms * numerator // denominator
