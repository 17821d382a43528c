"""Wire types of idle proofs: the answers to a certification and to the idle part of a round."""

from primitives.scale import U16, BoundedBytes, BoundedVec, struct

IDLE_ANSWERS_MAX = 256
"""The most draws that one certification or round asks."""


class IdleProofBytes(BoundedBytes, limit=512):
    """One proof of space: 8 x k bytes."""


@struct(path="cess_pois::IdleAnswer")
class IdleAnswer:
    """The proof that the plot of draw ``t`` has for its challenge."""

    t: U16
    proof: IdleProofBytes


class IdleAnswers(BoundedVec[IdleAnswer], limit=IDLE_ANSWERS_MAX):
    """At most one answer for each draw."""
