"""Reports of authors that sealed two blocks for one slot: what makes one good, and what it costs.

A report counts if both headers carry the seal of one key over one slot, and that key was a
validator's in the session that the slot was in. Everything is asked of the chain: what the report
says of itself is believed in nothing.

Bounds: ``HEADER_LOGS_MAX`` and ``HEADER_BYTES_MAX`` for a header, those of Historical for a proof.
"""

from typing import TYPE_CHECKING, Final

from pallets.frame import Call, PalletError, PostInfo, Weight, ensure
from pallets.frame.validity import (
    BadProof,
    CallNotExpected,
    Stale,
    TransactionInvalid,
    TransactionSource,
    ValidTransaction,
)
from primitives.equivocation import (
    BabeEquivocationProof,
    MembershipProof,
    header_bytes,
    is_babe_equivocation,
)
from primitives.scale import U32, U64, codec
from primitives.types import AccountId

if TYPE_CHECKING:
    from pallets.babe.pallet import Babe

__all__ = ["KEY_TYPE", "KIND", "count", "report_weight", "validate_unsigned"]

KEY_TYPE: Final = b"babe"

KIND: Final = b"babe:equivocatio"
"""The kind of offence: two blocks in one slot."""

PROOF_REF_TIME: Final = 1_500_000_000
"""Picoseconds to check a report: two signatures and a path; measured 0.5 ms on one core."""

HASH_REF_TIME: Final = 20_000
"""Picoseconds for each byte of a reported header: it is encoded and hashed twice."""

PUNISHMENT: Final = Weight(reads=6, writes=6)
"""For each validator that commits an offence together with others: all are punished anew."""


def report_weight(
    equivocation_proof: BabeEquivocationProof, key_owner_proof: MembershipProof
) -> Weight:
    """The most that a report takes: all validators of the session may have to be punished anew."""
    length = header_bytes(equivocation_proof) or 0  # what is too large is refused unread
    return Weight(HASH_REF_TIME * length) + _punishing(int(key_owner_proof.validator_count))


def count(
    babe: "Babe",
    reporter: AccountId | None,
    proof: BabeEquivocationProof,
    owner_proof: MembershipProof,
) -> PostInfo:
    """Have the offender punished; the reporter pays nothing.

    Raises: InvalidEquivocationProof, InvalidKeyOwnershipProof, DuplicateOffenceReport.
    """
    offender = _proved(babe, proof, owner_proof)
    offenders = babe.config.offences.report(
        reporter, KIND, owner_proof.session, owner_proof.validator_count, offender
    )
    ensure(offenders > 0, babe.DuplicateOffenceReport)
    length = header_bytes(proof) or 0
    return PostInfo(weight=Weight(HASH_REF_TIME * length) + _punishing(offenders), pays_fee=False)


def validate_unsigned(
    babe: "Babe", source: TransactionSource, call: Call
) -> ValidTransaction | None:
    """Whether a report without a signature is good: the node's own, and news.

    None for another call. Raises: TransactionInvalid.
    """
    if call.name != "report_equivocation_unsigned":
        return None
    if source is TransactionSource.External:
        raise TransactionInvalid(CallNotExpected())
    proof, owner_proof = call.args
    try:
        offender = _proved(babe, proof, owner_proof)
    except PalletError:
        raise TransactionInvalid(BadProof()) from None
    if babe.config.offences.is_known(KIND, owner_proof.session, offender):
        raise TransactionInvalid(Stale())
    # One report of an offender in a session, whatever the proof: the others are no news.
    tag = codec(tuple[str, AccountId, U32]).encode(
        ("BabeEquivocation", offender, owner_proof.session)
    )
    return ValidTransaction(
        priority=U64((1 << 64) - 1),
        requires=(),
        provides=(tag,),
        longevity=babe.config.report_longevity,
        propagate=False,
    )


def _proved(babe: "Babe", proof: BabeEquivocationProof, owner_proof: MembershipProof) -> AccountId:
    """Who equivocated. Raises: InvalidEquivocationProof, InvalidKeyOwnershipProof."""
    slot = int(proof.slot)
    is_past = babe.genesis_slot.get() <= slot <= babe.current_slot.get()
    ensure(is_past, babe.InvalidEquivocationProof)
    session = babe.session_of(babe.epoch_at(slot))
    ensure(session == owner_proof.session, babe.InvalidKeyOwnershipProof)
    ensure(is_babe_equivocation(proof), babe.InvalidEquivocationProof)
    owner = babe.config.key_owners.owner_of(KEY_TYPE, proof.offender, owner_proof)
    if owner is None:
        raise babe.InvalidKeyOwnershipProof
    return owner


def _punishing(offenders: int) -> Weight:
    used = Weight(PROOF_REF_TIME) + Weight(reads=12, writes=6)
    each = Weight(PUNISHMENT.ref_time * offenders, PUNISHMENT.proof_size * offenders)
    return used + each
