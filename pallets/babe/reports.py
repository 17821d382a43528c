"""Reports of authors that sealed two blocks for one slot: what makes one good, and what it costs.

A report counts if both headers carry the seal of one key over one slot, and that key was a
validator's in the session that the slot was in. Everything is asked of the chain: what the report
says of itself is believed in nothing.

Bounds: ``HEADER_LOGS_MAX`` and ``HEADER_BYTES_MAX`` for a header, those of Historical for a proof.
"""

from functools import partial
from typing import TYPE_CHECKING, Final

from pallets.frame import Weight, ensure
from pallets.frame.equivocation import BABE_EQUIVOCATION, Reports, punishing
from primitives.equivocation import (
    BabeEquivocationProof,
    MembershipProof,
    header_bytes,
    is_babe_equivocation,
)
from primitives.types import BABE_KEY_TYPE, AccountId

if TYPE_CHECKING:
    from pallets.babe.pallet import Babe

__all__ = ["of", "report_weight"]

HASH_REF_TIME: Final = 20_000
"""Picoseconds for each byte of a reported header: it is encoded and hashed twice."""


def report_weight(
    equivocation_proof: BabeEquivocationProof, key_owner_proof: MembershipProof
) -> Weight:
    """The most that a report takes: all validators of the session may have to be punished anew."""
    return _reading(equivocation_proof) + punishing(int(key_owner_proof.validator_count))


def of(babe: "Babe") -> Reports[BabeEquivocationProof]:
    """Where reports go.

    Counting one raises: InvalidEquivocationProof, InvalidKeyOwnershipProof, DuplicateOffenceReport.
    """
    return Reports(
        kind=BABE_EQUIVOCATION,
        tag="BabeEquivocation",
        offences=babe.config.offences,
        longevity=babe.config.report_longevity,
        proved=partial(_proved, babe),
        reading=_reading,
        duplicate=babe.DuplicateOffenceReport,
    )


def _proved(babe: "Babe", proof: BabeEquivocationProof, owner_proof: MembershipProof) -> AccountId:
    """Who equivocated. Raises: InvalidEquivocationProof, InvalidKeyOwnershipProof."""
    slot = int(proof.slot)
    is_past = babe.genesis_slot.get() <= slot <= babe.current_slot.get()
    ensure(is_past, babe.InvalidEquivocationProof)
    session = babe.session_of(babe.epoch_at(slot))
    ensure(session == owner_proof.session, babe.InvalidKeyOwnershipProof)
    ensure(is_babe_equivocation(proof), babe.InvalidEquivocationProof)
    owner = babe.config.key_owners.owner_of(BABE_KEY_TYPE, proof.offender, owner_proof)
    if owner is None:
        raise babe.InvalidKeyOwnershipProof
    return owner


def _reading(proof: BabeEquivocationProof) -> Weight:
    return Weight(HASH_REF_TIME * (header_bytes(proof) or 0))  # what is too large is refused unread
