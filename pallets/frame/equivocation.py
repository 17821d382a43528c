"""Reports of equivocations, as Babe and Grandpa take them: from the proof to the punishment.

A report comes signed from anybody, who pays nothing if it is the first, or without a signature from
a block's author. What makes a proof good its pallet says (``Reports.proved``); what a good one
brings, what it weighs and whether a pool keeps it is the same for all kinds and is here.

Bounds: those of the proof, which its pallet sets, and of Historical for whose key it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from pallets.frame.call import Call
from pallets.frame.dispatch import PostInfo
from pallets.frame.error import PalletError, ensure
from pallets.frame.validity import (
    BadProof,
    CallNotExpected,
    Stale,
    TransactionInvalid,
    TransactionSource,
    ValidTransaction,
)
from pallets.frame.weight import Weight
from primitives.equivocation import MembershipProof
from primitives.scale import U32, U64, codec
from primitives.types import AccountId

__all__ = [
    "BABE_EQUIVOCATION",
    "GRANDPA_EQUIVOCATION",
    "KeyOwners",
    "OffenceReports",
    "Reports",
    "punishing",
]

P = TypeVar("P")
"""The proof of an equivocation."""

BABE_EQUIVOCATION: Final = b"babe:equivocatio"
"""The kind of offence: two blocks in one slot."""

GRANDPA_EQUIVOCATION: Final = b"grandpa:equivoca"
"""The kind of offence: two votes in one round."""

PROOF_REF_TIME: Final = 1_500_000_000
"""Picoseconds to check a report: two signatures and a path; measured 0.5 ms on one core."""

PUNISHMENT: Final = Weight(reads=6, writes=6)
"""For each validator that commits an offence together with others: all are punished anew."""

UNSIGNED_CALL: Final = "report_equivocation_unsigned"

_TAG: Final = codec(tuple[str, AccountId, U32])


class KeyOwners(Protocol):
    """Historical: whose key it was."""

    def owner_of(self, kind: bytes, key: bytes, proof: MembershipProof) -> AccountId | None:
        """The validator whose key of this ``kind`` it was in the session of ``proof``, if any."""
        ...

    def prove_owner(self, kind: bytes, key: bytes) -> MembershipProof | None:
        """Whose key it is in the running session, proved; None if it is no validator's."""
        ...


class OffenceReports(Protocol):
    """Offences: counts and punishes."""

    def report(
        self,
        reporter: AccountId | None,
        kind: bytes,
        session: U32,
        validator_count: U32,
        offender: AccountId,
    ) -> int:
        """How many have committed ``kind`` in ``session`` with this one; 0 if it was known."""
        ...

    def is_known(self, kind: bytes, session: U32, offender: AccountId) -> bool:
        """Whether this was reported already."""
        ...


def punishing(offenders: int) -> Weight:
    """A report with which ``offenders`` have to be punished, beside what its proof's size adds."""
    used = Weight(PROOF_REF_TIME) + Weight(reads=12, writes=6)
    each = Weight(PUNISHMENT.ref_time * offenders, PUNISHMENT.proof_size * offenders)
    return used + each


@dataclass(frozen=True, slots=True)
class Reports(Generic[P]):
    """Where reports of one ``kind`` go; ``tag`` names them in the pool.

    ``proved`` says who equivocated, or raises a PalletError. ``reading`` is what a proof's size
    adds to the weight. ``duplicate`` is raised where the offence is known. A pool keeps a report
    for ``longevity`` blocks.
    """

    kind: bytes
    tag: str
    offences: OffenceReports
    longevity: U64
    proved: Callable[[P, MembershipProof], AccountId]
    reading: Callable[[P], Weight]
    duplicate: type[PalletError]

    def count(self, reporter: AccountId | None, proof: P, owner_proof: MembershipProof) -> PostInfo:
        """Have the offender punished; the reporter pays nothing.

        Raises: what ``proved`` does, ``duplicate``.
        """
        offender = self.proved(proof, owner_proof)
        offenders = self.offences.report(
            reporter, self.kind, owner_proof.session, owner_proof.validator_count, offender
        )
        ensure(offenders > 0, self.duplicate)
        return PostInfo(weight=self.reading(proof) + punishing(offenders), pays_fee=False)

    def validate_unsigned(self, source: TransactionSource, call: Call) -> ValidTransaction | None:
        """Whether a report without a signature is good: the node's own, and news.

        None for another call. Raises: TransactionInvalid.
        """
        if call.name != UNSIGNED_CALL:
            return None
        if source is TransactionSource.External:
            raise TransactionInvalid(CallNotExpected())
        proof, owner_proof = call.args
        try:
            offender = self.proved(proof, owner_proof)
        except PalletError:
            raise TransactionInvalid(BadProof()) from None
        if self.offences.is_known(self.kind, owner_proof.session, offender):
            raise TransactionInvalid(Stale())
        # One report of an offender in a session, whatever the proof: the others are no news.
        tag = _TAG.encode((self.tag, offender, owner_proof.session))
        return ValidTransaction(
            priority=U64((1 << 64) - 1),
            requires=(),
            provides=(tag,),
            longevity=self.longevity,
            propagate=False,
        )
