"""Real equivocations: two sealed headers, two signed votes."""

from primitives.crypto.keys import KeyPair
from primitives.digest import (
    BABE_ENGINE,
    AuthorityKey,
    BabePreDigest,
    Digest,
    PreRuntime,
    Seal,
    SecondaryPlain,
)
from primitives.equivocation import (
    BabeEquivocationProof,
    GrandpaEquivocationProof,
    grandpa_proof,
)
from primitives.grandpa import Block, Equivocation, SignedVote, VoteKind, make_vote, sign_vote
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.scale import U32, U64, encode
from primitives.types import BlockNumber, Hash


def sealed_header(pair: KeyPair, slot: int, content: int, *, author: int = 0) -> Header:
    """A header for ``slot`` that ``pair`` sealed; ``content`` makes it differ from others."""
    claim = SecondaryPlain(authority_index=U32(author), slot=U64(slot))
    header = Header(
        parent_hash=Hash(blake2_256(b"parent")),
        number=BlockNumber(7),
        state_root=Hash(blake2_256(bytes([content]))),
        extrinsics_root=Hash(bytes(32)),
        digest=Digest((PreRuntime(engine=BABE_ENGINE, data=encode(BabePreDigest, claim)),)),
    )
    return header.sealed(Seal(engine=BABE_ENGINE, data=pair.sign(bytes(header.hash()))))


def double_block(pair: KeyPair, slot: int, *, author: int = 0) -> BabeEquivocationProof:
    """Two blocks of ``pair`` for one slot."""
    return BabeEquivocationProof(
        offender=AuthorityKey(pair.public),
        slot=U64(slot),
        first_header=sealed_header(pair, slot, 1, author=author),
        second_header=sealed_header(pair, slot, 2, author=author),
    )


def vote_for(
    pair: KeyPair, content: int, round_: int, set_id: int, kind: VoteKind = VoteKind.PREVOTE
) -> SignedVote:
    """A vote of ``pair`` for a block that follows from ``content``."""
    block = Block(bytes(blake2_256(bytes([content]))), 9)
    return sign_vote(make_vote(kind, block), round_, set_id, pair)


def double_vote(
    pair: KeyPair, round_: int, set_id: int, kind: VoteKind = VoteKind.PREVOTE
) -> GrandpaEquivocationProof:
    """Two votes of ``pair`` in one round."""
    found = Equivocation(
        set_id,
        round_,
        vote_for(pair, 1, round_, set_id, kind),
        vote_for(pair, 2, round_, set_id, kind),
    )
    made = grandpa_proof(found)
    assert made is not None
    return made
