"""What is reported of validators, and how hard it is punished."""

from typing import Final

from pallets.frame.equivocation import BABE_EQUIVOCATION, GRANDPA_EQUIVOCATION
from primitives.hashing import blake2_256
from primitives.scale import U32, FixedBytes, codec, struct
from primitives.types import AccountId, Hash

__all__ = [
    "KINDS",
    "PERBILL",
    "Kind",
    "OffenceDetails",
    "report_id",
    "slash_fraction",
    "time_slot_of",
]

PERBILL: Final = 10**9
"""The whole, of which slashes are parts."""


class Kind(FixedBytes, length=16):
    """The name of a kind of offence."""


KINDS: Final = (Kind(BABE_EQUIVOCATION), Kind(GRANDPA_EQUIVOCATION))
"""The kinds that there are: equivocations in BABE and in GRANDPA."""


@struct(path="sp_staking::offence::OffenceDetails")
class OffenceDetails:
    """Who offended, and who reported it."""

    offender: AccountId
    reporters: tuple[AccountId, ...]


_ID: Final = codec(tuple[Kind, bytes, AccountId])


def time_slot_of(session: U32) -> bytes:
    """The time within which offences of one kind count together: the session."""
    return codec(U32).encode(session)


def report_id(kind: Kind, time_slot: bytes, offender: AccountId) -> Hash:
    """The name of a report: one for each offender in a time slot."""
    return blake2_256(_ID.encode((kind, time_slot, offender)))


def slash_fraction(offenders: int, validators: int) -> U32:
    """``min((3 k / n)^2, 1)`` in parts of 10^9, rounded down twice as Substrate does."""
    if validators <= 0:
        return U32(PERBILL)
    part = min(3 * offenders * PERBILL // validators, PERBILL)
    return U32(part * part // PERBILL)
