"""Whose slot it is: the rule that authors, verifiers and the runtime share.

Every slot belongs to exactly one authority, drawn by the epoch's randomness. Primary slots, which
an authority wins by a verifiable random function, and secondary ones with such a function are
refused: this chain has no such function yet.

Source: BABE's secondary plain slots as in Substrate's ``sc-consensus-babe``.
"""

from primitives.digest import BabePreDigest, SecondaryPlain
from primitives.errors import InvalidBlock
from primitives.hashing import blake2_256

__all__ = ["check_claim", "secondary_author"]


def secondary_author(slot: int, randomness: bytes, authority_count: int) -> int:
    """Index of the authority that owns ``slot`` in an epoch of this ``randomness``."""
    assert authority_count > 0, "because genesis has at least one authority"
    drawn = blake2_256(randomness + slot.to_bytes(8, "little"))
    return int.from_bytes(drawn, "big") % authority_count


def check_claim(claim: BabePreDigest, randomness: bytes, authority_count: int) -> None:
    """Raise InvalidBlock unless the authority of ``claim`` owns its slot."""
    if not isinstance(claim, SecondaryPlain):
        raise InvalidBlock(
            f"the block claims a {type(claim).__name__} slot; only secondary plain ones are allowed"
        )
    if claim.author >= authority_count:
        raise InvalidBlock(f"the author {claim.author} is none of {authority_count} authorities")
    owner = secondary_author(claim.claimed_slot, randomness, authority_count)
    if claim.author != owner:
        raise InvalidBlock(
            f"slot {claim.claimed_slot} belongs to authority {owner}, not to {claim.author}"
        )
