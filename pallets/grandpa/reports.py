"""Reports of voters that signed two votes of a kind in one round: what makes one good.

A report counts if both votes are signed by one key for one round of one set of authorities, and
that key was a validator's in a session in which the set voted. Everything is asked of the chain.

Bounds: those of Historical for a proof; two votes have a fixed size.
"""

from functools import partial
from typing import TYPE_CHECKING

from pallets.frame import Weight, ensure
from pallets.frame.equivocation import GRANDPA_EQUIVOCATION, Reports, punishing
from primitives.equivocation import (
    GrandpaEquivocationProof,
    MembershipProof,
    is_grandpa_equivocation,
)
from primitives.scale import U64
from primitives.types import GRANDPA_KEY_TYPE, AccountId

if TYPE_CHECKING:
    from pallets.grandpa.pallet import Grandpa

__all__ = ["of", "report_weight"]


def report_weight(
    _equivocation_proof: GrandpaEquivocationProof, key_owner_proof: MembershipProof
) -> Weight:
    """The most that a report takes: all validators of the session may have to be punished anew."""
    return punishing(int(key_owner_proof.validator_count))


def of(grandpa: "Grandpa") -> Reports[GrandpaEquivocationProof]:
    """Where reports go.

    Counting one raises: InvalidEquivocationProof, InvalidKeyOwnershipProof, DuplicateOffenceReport.
    """
    return Reports(
        kind=GRANDPA_EQUIVOCATION,
        tag="GrandpaEquivocation",
        offences=grandpa.config.offences,
        longevity=grandpa.config.report_longevity,
        proved=partial(_proved, grandpa),
        reading=lambda _: Weight(),
        duplicate=grandpa.DuplicateOffenceReport,
    )


def _proved(
    grandpa: "Grandpa", proof: GrandpaEquivocationProof, owner_proof: MembershipProof
) -> AccountId:
    """Who equivocated. Raises: InvalidEquivocationProof, InvalidKeyOwnershipProof."""
    session, set_id = owner_proof.session, proof.set_id
    last = grandpa.set_id_session.get(set_id)
    if last is None or session > last:
        raise grandpa.InvalidEquivocationProof
    if set_id:
        # The sets' sessions follow one another. Of the oldest set its first is not known.
        before = grandpa.set_id_session.get(U64(set_id - 1))
        if before is None or session <= before:
            raise grandpa.InvalidEquivocationProof
    ensure(is_grandpa_equivocation(proof), grandpa.InvalidEquivocationProof)
    owner = grandpa.config.key_owners.owner_of(GRANDPA_KEY_TYPE, proof.offender, owner_proof)
    if owner is None:
        raise grandpa.InvalidKeyOwnershipProof
    return owner
