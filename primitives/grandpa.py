"""GRANDPA's messages: votes, commits and what voters tell their neighbours, byte for byte.

A voter signs ``vote_payload``: the vote, the round, and the number of the set of authorities, so
that a signature counts in one round of one set only. ``GossipMessage`` is everything that goes over
the wire; ``decode_message`` reads what a peer sent.

Bounds: ``MESSAGE_BYTES_MAX`` for a message, and so for every list in it.
Source: ``finality_grandpa`` 0.16 and the gossip of ``sc-consensus-grandpa``.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from primitives.crypto.keys import Signer, verify
from primitives.crypto.signatures import SignatureBytes
from primitives.digest import AuthorityKey
from primitives.errors import DecodeError
from primitives.justification import Commit, SignedPrecommit
from primitives.scale import U64, Variant, codec, struct
from primitives.types import BlockNumber, Hash

__all__ = [
    "MESSAGE_BYTES_MAX",
    "Block",
    "CatchUp",
    "CatchUpMessage",
    "CatchUpRequest",
    "CommitMessage",
    "CompactCommit",
    "Equivocation",
    "GossipMessage",
    "Neighbour",
    "NeighbourMessage",
    "NeighbourV1",
    "Precommit",
    "Prevote",
    "PrimaryPropose",
    "SignedPrevote",
    "SignedVote",
    "Target",
    "Vote",
    "VoteKind",
    "VoteMessage",
    "compact_commit",
    "decode_message",
    "encode_message",
    "full_commit",
    "make_vote",
    "neighbour_of",
    "sign_vote",
    "verify_vote",
    "vote_payload",
]

MESSAGE_BYTES_MAX: Final = 4 * 1024**2
"""The state of a round of 10,000 voters fits; nothing larger is real."""


class Block(NamedTuple):
    """A block by its hash and height."""

    hash: bytes
    number: int


class VoteKind(IntEnum):
    """What a vote is for; the values are those on the wire."""

    PREVOTE = 0
    PRECOMMIT = 1
    PROPOSAL = 2


class Vote(Variant, path="finality_grandpa::Message"):
    """A vote for a block, and so for all blocks below it."""

    @property
    def kind(self) -> VoteKind:
        """What the vote is for."""
        return _parts(self)[0]

    @property
    def block(self) -> Block:
        """The block voted for."""
        return _parts(self)[1]


class Prevote(Vote, index=0):
    """The best chain that this voter sees."""

    target_hash: Hash
    target_number: BlockNumber


class Precommit(Vote, index=1):
    """What this voter saw more than two thirds prevote for."""

    target_hash: Hash
    target_number: BlockNumber


class PrimaryPropose(Vote, index=2):
    """The block that the round's primary wants to be finalized."""

    target_hash: Hash
    target_number: BlockNumber


_KINDS: Final = {
    Prevote: VoteKind.PREVOTE,
    Precommit: VoteKind.PRECOMMIT,
    PrimaryPropose: VoteKind.PROPOSAL,
}


def _parts(vote: Vote) -> tuple[VoteKind, Block]:
    assert isinstance(vote, Prevote | Precommit | PrimaryPropose), "because these are all"
    return _KINDS[type(vote)], Block(bytes(vote.target_hash), int(vote.target_number))


def make_vote(kind: VoteKind, block: Block) -> Vote:
    """The vote of this kind for ``block``."""
    target, height = Hash(block.hash), BlockNumber(block.number)
    match kind:
        case VoteKind.PREVOTE:
            return Prevote(target_hash=target, target_number=height)
        case VoteKind.PRECOMMIT:
            return Precommit(target_hash=target, target_number=height)
        case VoteKind.PROPOSAL:
            return PrimaryPropose(target_hash=target, target_number=height)


@struct(path="finality_grandpa::SignedMessage")
class SignedVote:
    """A vote and who cast it."""

    vote: Vote
    signature: SignatureBytes
    authority: AuthorityKey


@struct(path="finality_grandpa::SignedPrevote")
class SignedPrevote:
    """A prevote and who cast it, as catch-ups hold it."""

    target_hash: Hash
    target_number: BlockNumber
    signature: SignatureBytes
    authority: AuthorityKey


@struct(path="finality_grandpa::Precommit")
class Target:
    """The block that a precommit in a commit is for."""

    target_hash: Hash
    target_number: BlockNumber


@struct(path="finality_grandpa::CompactCommit")
class CompactCommit:
    """A commit as it is gossiped: votes and signatures in two lists of one length."""

    target_hash: Hash
    target_number: BlockNumber
    precommits: tuple[Target, ...]
    signatures: tuple[tuple[SignatureBytes, AuthorityKey], ...]


@struct(path="finality_grandpa::CatchUp")
class CatchUp:
    """All votes of a completed round, and the block that the round began upon."""

    round: U64
    prevotes: tuple[SignedPrevote, ...]
    precommits: tuple[SignedPrecommit, ...]
    base_hash: Hash
    base_number: BlockNumber


class GossipMessage(Variant, path="sc_consensus_grandpa::communication::gossip::GossipMessage"):
    """A message between voters."""


class VoteMessage(GossipMessage, index=0, name="Vote"):
    """Somebody's vote in a round."""

    round: U64
    set_id: U64
    signed: SignedVote


class CommitMessage(GossipMessage, index=1, name="Commit"):
    """A block was finalized in a round."""

    round: U64
    set_id: U64
    commit: CompactCommit


class Neighbour(Variant, path="sc_consensus_grandpa::communication::gossip::NeighborPacket"):
    """Where the sender stands, in a version."""


class NeighbourV1(Neighbour, index=1, name="V1"):
    """The sender's round and set, and the height that it knows to be final."""

    round: U64
    set_id: U64
    finalized_number: BlockNumber


class NeighbourMessage(GossipMessage, index=2, name="Neighbor"):
    """Where the sender stands; it is not passed on."""

    packet: Neighbour


def neighbour_of(round_number: int, set_id: int, finalized_number: int) -> NeighbourMessage:
    """The packet of a node that stands there."""
    return NeighbourMessage(
        packet=NeighbourV1(
            round=U64(round_number),
            set_id=U64(set_id),
            finalized_number=BlockNumber(finalized_number),
        )
    )


class CatchUpRequest(GossipMessage, index=3):
    """Asks for the votes of this round or of a later one."""

    round: U64
    set_id: U64


class CatchUpMessage(GossipMessage, index=4, name="CatchUp"):
    """The answer to a request."""

    set_id: U64
    catch_up: CatchUp


class Equivocation(NamedTuple):
    """Two different votes of one kind that one voter signed in one round."""

    set_id: int
    round: int
    first: SignedVote
    second: SignedVote


_MESSAGE: Final = codec(GossipMessage)
_PAYLOAD: Final = codec(tuple[Vote, U64, U64])


def encode_message(message: GossipMessage) -> bytes:
    """The message's bytes."""
    return _MESSAGE.encode(message)


def decode_message(data: bytes) -> GossipMessage:
    """The message that ``data`` encodes. Raises: DecodeError."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise DecodeError(f"a message has at most {MESSAGE_BYTES_MAX} bytes, not {len(data)}")
    return _MESSAGE.decode(data)


def vote_payload(vote: Vote, round_number: int, set_id: int) -> bytes:
    """What a voter signs."""
    return _PAYLOAD.encode((vote, U64(round_number), U64(set_id)))


def sign_vote(vote: Vote, round_number: int, set_id: int, pair: Signer) -> SignedVote:
    """The vote with the signature of ``pair``, an ed25519 one."""
    assert pair.scheme == "ed25519", "because GRANDPA knows no other scheme"
    signature = pair.sign(vote_payload(vote, round_number, set_id))
    return SignedVote(
        vote=vote, signature=SignatureBytes(signature), authority=AuthorityKey(pair.account_id)
    )


def verify_vote(signed: SignedVote, round_number: int, set_id: int) -> bool:
    """Whether its authority cast this vote in this round of this set. Cost: 0.1 ms."""
    payload = vote_payload(signed.vote, round_number, set_id)
    return verify("ed25519", signed.authority, payload, signed.signature)


def compact_commit(commit: Commit) -> CompactCommit:
    """The commit as it is gossiped."""
    return CompactCommit(
        target_hash=commit.target_hash,
        target_number=commit.target_number,
        precommits=tuple(
            Target(target_hash=vote.target_hash, target_number=vote.target_number)
            for vote in commit.precommits
        ),
        signatures=tuple((vote.signature, vote.authority) for vote in commit.precommits),
    )


def full_commit(compact: CompactCommit) -> Commit:
    """The commit as justifications hold it.

    Raises: DecodeError if there are more votes than signatures, or fewer.
    """
    if len(compact.precommits) != len(compact.signatures):
        raise DecodeError(
            f"a commit with {len(compact.precommits)} votes and {len(compact.signatures)} "
            "signatures is none"
        )
    return Commit(
        target_hash=compact.target_hash,
        target_number=compact.target_number,
        precommits=tuple(
            SignedPrecommit(
                target_hash=target.target_hash,
                target_number=target.target_number,
                signature=signature,
                authority=authority,
            )
            for target, (signature, authority) in zip(
                compact.precommits, compact.signatures, strict=True
            )
        ),
    )
