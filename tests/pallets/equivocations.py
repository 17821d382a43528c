"""Real equivocations, two sealed headers or two signed votes, and a chain that takes reports."""

from pallets.frame import Call, PostInfo
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
    MembershipProof,
    grandpa_proof,
)
from primitives.grandpa import Block, Equivocation, SignedVote, VoteKind, make_vote, sign_vote
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.scale import U32, U64, encode
from primitives.types import AccountId, BlockNumber, Hash
from tests.pallets.small_chains import DAVE, MANY, SlotChain, keys_of, signed

START = 1_000
"""The slot of block 1."""

WHO = tuple(who for who, _ in MANY)


def seven_validators() -> SlotChain:
    """Seven validators; block 1 is begun, and Dave exists."""
    made = SlotChain(validators=MANY)
    made.begin_at(START)
    return made


def owner_proof(chain: SlotChain, seed: int, pallet: str) -> MembershipProof:
    """Whose the key of authority ``seed`` is in this session, as ``pallet`` proves it."""
    keys = keys_of(seed)
    made = (
        chain.runtime.babe.prove_owner(keys.babe)
        if pallet == "Babe"
        else chain.runtime.grandpa.prove_owner(keys.grandpa)
    )
    assert made is not None
    return made


def report(
    chain: SlotChain,
    proof: BabeEquivocationProof | GrandpaEquivocationProof,
    owner: MembershipProof,
    who: AccountId = DAVE,
) -> PostInfo:
    """``who`` reports it in the block that is begun."""
    return chain.call(
        _pallet_of(proof),
        "report_equivocation",
        signed(who),
        equivocation_proof=proof,
        key_owner_proof=owner,
    )


def report_call(
    chain: SlotChain,
    proof: BabeEquivocationProof | GrandpaEquivocationProof,
    owner: MembershipProof,
    name: str = "report_equivocation",
) -> Call:
    """The report as a call."""
    return chain.runtime.calls().make(
        _pallet_of(proof), name, equivocation_proof=proof, key_owner_proof=owner
    )


def _pallet_of(proof: BabeEquivocationProof | GrandpaEquivocationProof) -> str:
    return "Babe" if isinstance(proof, BabeEquivocationProof) else "Grandpa"


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
