"""Proof that an authority did two things where it may do one, byte for byte as in Substrate.

BABE: two different headers of one slot under one author's seal. GRANDPA: two prevotes, or two
precommits, for different blocks in one round. Each proof names the offender's key; a
``MembershipProof`` says whose key that was, and in which session.

Bounds: ``HEADER_LOGS_MAX`` and ``HEADER_BYTES_MAX`` for a header, else what a message or an
extrinsic may hold. Cost: two signatures, 0.2 ms, and hashing.
"""

from typing import Final

from primitives.crypto.keys import verify
from primitives.crypto.signatures import SignatureBytes
from primitives.digest import BABE_ENGINE, AuthorityKey, BabePreDigest, PreRuntime, Seal
from primitives.errors import DecodeError
from primitives.grandpa import Equivocation, Precommit, Prevote, Vote, vote_payload
from primitives.header import HEADER_BYTES_MAX, Header
from primitives.scale import U32, U64, Variant, codec, struct
from primitives.scale.type_info import Registry, TypeInfo
from primitives.tuple_like import tuple_like
from primitives.types import BlockNumber, Hash

__all__ = [
    "HEADER_LOGS_MAX",
    "BabeEquivocationProof",
    "DoublePrecommit",
    "DoublePrecommits",
    "DoublePrevote",
    "DoublePrevotes",
    "DoubleVote",
    "GrandpaEquivocationProof",
    "MembershipProof",
    "PrecommitTarget",
    "PrevoteTarget",
    "grandpa_proof",
    "header_bytes",
    "is_babe_equivocation",
    "is_grandpa_equivocation",
]


HEADER_LOGS_MAX: Final = 1024
"""Items in the digest of a reported header: one that disables a third of 1,000 authorities fits.

Without it a validator could report itself with a header of a million items, which takes seconds.
"""


@struct(path="sp_session::MembershipProof")
class MembershipProof:
    """That a key belongs to a validator of ``session``, which has ``validator_count`` of them."""

    session: U32
    trie_nodes: tuple[bytes, ...]
    validator_count: U32


@struct(path="sp_consensus_slots::EquivocationProof")
class BabeEquivocationProof:
    """Two headers of one slot, both sealed by ``offender``."""

    offender: AuthorityKey
    slot: U64
    first_header: Header
    second_header: Header


@struct(path="finality_grandpa::Prevote")
class PrevoteTarget:
    """The block that a prevote is for."""

    target_hash: Hash
    target_number: BlockNumber


@struct(path="finality_grandpa::Precommit")
class PrecommitTarget:
    """The block that a precommit is for."""

    target_hash: Hash
    target_number: BlockNumber


@struct(path="finality_grandpa::Equivocation")
class DoublePrevote:
    """Two prevotes of ``identity`` in one round."""

    round_number: U64
    identity: AuthorityKey
    first: tuple[PrevoteTarget, SignatureBytes]
    second: tuple[PrevoteTarget, SignatureBytes]


@struct(path="finality_grandpa::Equivocation")
class DoublePrecommit:
    """Two precommits of ``identity`` in one round."""

    round_number: U64
    identity: AuthorityKey
    first: tuple[PrecommitTarget, SignatureBytes]
    second: tuple[PrecommitTarget, SignatureBytes]


class DoubleVote(Variant, path="sp_consensus_grandpa::Equivocation"):
    """Two votes of one kind."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(DoubleVote, "sp_consensus_grandpa::Equivocation", registry)


class DoublePrevotes(DoubleVote, index=0, name="Prevote"):
    """Two prevotes."""

    votes: DoublePrevote


class DoublePrecommits(DoubleVote, index=1, name="Precommit"):
    """Two precommits."""

    votes: DoublePrecommit


@struct(path="sp_consensus_grandpa::EquivocationProof")
class GrandpaEquivocationProof:
    """Two votes that one voter of the set ``set_id`` signed in one round."""

    set_id: U64
    equivocation: DoubleVote

    @property
    def offender(self) -> AuthorityKey:
        """The voter's key."""
        return _votes(self.equivocation).identity

    @property
    def round(self) -> int:
        """The round of both votes."""
        return int(_votes(self.equivocation).round_number)


def grandpa_proof(found: Equivocation) -> GrandpaEquivocationProof | None:
    """What a voter found, as it is reported; None for two proposals, which are not punished."""
    first, second = found.first, found.second
    kind = type(first.vote)
    made: DoubleVote
    if kind is Prevote:
        made = DoublePrevotes(
            votes=DoublePrevote(
                round_number=U64(found.round),
                identity=first.authority,
                first=(_prevote(first.vote), first.signature),
                second=(_prevote(second.vote), second.signature),
            )
        )
    elif kind is Precommit:
        made = DoublePrecommits(
            votes=DoublePrecommit(
                round_number=U64(found.round),
                identity=first.authority,
                first=(_precommit(first.vote), first.signature),
                second=(_precommit(second.vote), second.signature),
            )
        )
    else:
        return None
    return GrandpaEquivocationProof(set_id=U64(found.set_id), equivocation=made)


def is_grandpa_equivocation(proof: GrandpaEquivocationProof) -> bool:
    """Whether the offender signed two different votes; says nothing of who the offender is."""
    votes = _votes(proof.equivocation)
    if votes.first[0] == votes.second[0]:
        return False
    make = Prevote if isinstance(votes, DoublePrevote) else Precommit
    for target, signature in (votes.first, votes.second):
        vote = make(target_hash=target.target_hash, target_number=target.target_number)
        payload = vote_payload(vote, int(votes.round_number), int(proof.set_id))
        if not verify("ed25519", votes.identity, payload, signature):
            return False
    return True


def is_babe_equivocation(proof: BabeEquivocationProof) -> bool:
    """Whether the offender sealed two different headers of one slot.

    That the slot was its own is not asked: who seals two headers for it is at fault either way.
    """
    first, second = proof.first_header, proof.second_header
    if first == second or header_bytes(proof) is None:
        return False
    claims = [_claim(header) for header in (first, second)]
    if any(claim is None or claim.claimed_slot != proof.slot for claim in claims):
        return False
    if len({claim.author for claim in claims if claim is not None}) != 1:
        return False
    return all(_sealed_by(header, proof.offender) for header in (first, second))


def header_bytes(proof: BabeEquivocationProof) -> int | None:
    """About how long both headers are; None for headers that are larger than any block's."""
    total = 0
    for header in (proof.first_header, proof.second_header):
        logs = header.digest.logs
        if len(logs) > HEADER_LOGS_MAX:
            return None
        length = len(header.encode())
        if length > HEADER_BYTES_MAX:
            return None
        total += length
    return total


def _claim(header: Header) -> BabePreDigest | None:
    """What the header claims; None unless it makes exactly one claim."""
    found = [
        item.data
        for item in header.digest.logs
        if isinstance(item, PreRuntime) and item.engine == BABE_ENGINE
    ]
    if len(found) != 1:
        return None
    try:
        return codec(BabePreDigest).decode(found[0])
    except DecodeError:
        return None


def _sealed_by(header: Header, author: AuthorityKey) -> bool:
    bare, seal = header.split_seal()
    if seal is None or seal.engine != BABE_ENGINE:
        return False
    if any(isinstance(item, Seal) for item in bare.digest.logs):
        return False  # no block has two; such a header was never one
    return verify("sr25519", author, bytes(bare.hash()), seal.data)


def _votes(double: DoubleVote) -> DoublePrevote | DoublePrecommit:
    assert isinstance(double, DoublePrevotes | DoublePrecommits), "because these are all"
    return double.votes


def _prevote(vote: Vote) -> PrevoteTarget:
    block = vote.block
    return PrevoteTarget(target_hash=Hash(block.hash), target_number=BlockNumber(block.number))


def _precommit(vote: Vote) -> PrecommitTarget:
    block = vote.block
    return PrecommitTarget(target_hash=Hash(block.hash), target_number=BlockNumber(block.number))
