"""Reports of equivocations as extrinsics that nobody signs, for the node's own pool.

A node that sees one asks a runtime over a block of the offender's session (``prove_owner`` of Babe
or Grandpa) whose key it is, while that state is still kept, and puts the report into its pool as
its own. The next block that it authors carries it. Other nodes' pools refuse it.
"""

from pallets.frame.runtime import FrameRuntime
from primitives.equivocation import (
    BabeEquivocationProof,
    GrandpaEquivocationProof,
    MembershipProof,
)
from primitives.extrinsic import UncheckedExtrinsic

__all__ = ["babe_report", "grandpa_report"]


def babe_report(
    runtime: FrameRuntime, proof: BabeEquivocationProof, owner_proof: MembershipProof
) -> bytes:
    """The extrinsic that reports two blocks of one slot."""
    return _report(runtime, "Babe", proof, owner_proof)


def grandpa_report(
    runtime: FrameRuntime, proof: GrandpaEquivocationProof, owner_proof: MembershipProof
) -> bytes:
    """The extrinsic that reports two votes of one round."""
    return _report(runtime, "Grandpa", proof, owner_proof)


def _report(runtime: FrameRuntime, pallet: str, proof: object, owner_proof: object) -> bytes:
    call = runtime.calls().make(
        pallet,
        "report_equivocation_unsigned",
        equivocation_proof=proof,
        key_owner_proof=owner_proof,
    )
    return UncheckedExtrinsic(signed=None, call=call.encode()).encode()
