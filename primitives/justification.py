"""GRANDPA justifications: the proof that a block is final.

A justification is a commit, more than two thirds of the authorities' precommits of one round, and
the headers that link precommits for descendants to the block that they finalize. Its bytes and the
bytes that authorities sign are Substrate's.

``verify_justification`` is as strict as light clients are: each precommit is of a known authority,
no authority has two, each signature is valid, each target is the block or a proven descendant, and
no header is unneeded. Authorities have one vote each, whatever their weights.

Bounds: ``JUSTIFICATION_BYTES_MAX`` for an encoding, one precommit for each authority, and
``ANCESTRIES_MAX`` headers. Cost: 0.1 ms for each precommit.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from primitives.crypto.keys import Signer, verify
from primitives.crypto.signatures import SignatureBytes
from primitives.digest import AuthorityKey
from primitives.errors import CessError, DecodeError
from primitives.header import Header
from primitives.scale import U8, U64, codec, struct
from primitives.types import BlockNumber, Hash

__all__ = [
    "ANCESTRIES_MAX",
    "AUTHORITIES_MAX",
    "Commit",
    "GrandpaJustification",
    "InvalidJustification",
    "SignedPrecommit",
    "make_justification",
    "precommit_message",
    "threshold",
    "verify_justification",
]

AUTHORITIES_MAX: Final = 10_000
ANCESTRIES_MAX: Final = 4096
"""Blocks that precommits may lie above the finalized one, over all forks."""
JUSTIFICATION_BYTES_MAX: Final = 8 * 1024**2

_PRECOMMIT = U8(1)
"""The variant of a vote: 0 prevote, 1 precommit, 2 primary's proposal."""


class InvalidJustification(CessError):
    """A justification that does not prove its block final; whoever sent it is at fault."""


@struct(path="finality_grandpa::SignedPrecommit")
class SignedPrecommit:
    """The vote of an authority for a block, and so for all blocks below it."""

    target_hash: Hash
    target_number: BlockNumber
    signature: SignatureBytes
    authority: AuthorityKey


@struct(path="finality_grandpa::Commit")
class Commit:
    """The block that a round finalized, and the votes for it."""

    target_hash: Hash
    target_number: BlockNumber
    precommits: tuple[SignedPrecommit, ...]


@struct(path="sp_consensus_grandpa::GrandpaJustification")
class GrandpaJustification:
    """A commit, with the headers between it and the blocks that were voted for."""

    round: U64
    commit: Commit
    votes_ancestries: tuple[Header, ...]

    def encode(self) -> bytes:
        """The justification's bytes."""
        return codec(GrandpaJustification).encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "GrandpaJustification":
        """The justification that ``data`` encodes. Raises: DecodeError."""
        if len(data) > JUSTIFICATION_BYTES_MAX:
            raise DecodeError(
                f"a justification has at most {JUSTIFICATION_BYTES_MAX} bytes, not {len(data)}"
            )
        return codec(GrandpaJustification).decode(data)


_MESSAGE = codec(tuple[U8, Hash, BlockNumber, U64, U64])


def precommit_message(
    target_hash: bytes, target_number: int, round_number: int, set_id: int
) -> bytes:
    """What an authority signs to precommit to a block."""
    return _MESSAGE.encode(
        (
            _PRECOMMIT,
            Hash(target_hash),
            BlockNumber(target_number),
            U64(round_number),
            U64(set_id),
        )
    )


def threshold(authority_count: int) -> int:
    """The fewest votes that finalize: more than two thirds of the authorities."""
    return authority_count - (authority_count - 1) // 3


def verify_justification(
    justification: GrandpaJustification, authorities: Sequence[bytes], set_id: int
) -> None:
    """Check that ``authorities`` finalized ``justification.commit.target_hash``.

    The caller compares the target with the block it asked about, and knows the authorities and
    their ``set_id`` at that block. Raises: InvalidJustification, which says what is wrong.
    """
    commit = justification.commit
    known = _known(authorities)
    needed = threshold(len(known))
    if not needed <= len(commit.precommits) <= len(known):
        raise InvalidJustification(
            f"{len(commit.precommits)} precommits; {len(known)} authorities finalize with "
            f"{needed} to {len(known)}"
        )
    voters: dict[bytes, SignedPrecommit] = {}
    for vote in commit.precommits:
        if vote.authority not in known:
            raise InvalidJustification(f"0x{vote.authority.hex()} is not an authority of the set")
        if vote.authority in voters:
            raise InvalidJustification(f"0x{vote.authority.hex()} has two precommits")
        voters[vote.authority] = vote
    _check_ancestry(commit, _by_hash(justification.votes_ancestries))
    for vote in commit.precommits:
        message = precommit_message(
            vote.target_hash, vote.target_number, justification.round, set_id
        )
        if not verify("ed25519", vote.authority, message, vote.signature):
            raise InvalidJustification(f"the signature of 0x{vote.authority.hex()} is not valid")


def make_justification(
    header_hash: bytes, number: int, round_number: int, set_id: int, pairs: Sequence[Signer]
) -> GrandpaJustification:
    """The justification of a block that all ``pairs`` (ed25519) precommit to in one round."""
    message = precommit_message(header_hash, number, round_number, set_id)
    target, height = Hash(header_hash), BlockNumber(number)
    votes = []
    for pair in pairs:
        assert pair.scheme == "ed25519", "because GRANDPA knows no other scheme"
        votes.append(
            SignedPrecommit(
                target_hash=target,
                target_number=height,
                signature=SignatureBytes(pair.sign(message)),
                authority=AuthorityKey(pair.account_id),
            )
        )
    return GrandpaJustification(
        round=U64(round_number),
        commit=Commit(target_hash=target, target_number=height, precommits=tuple(votes)),
        votes_ancestries=(),
    )


def _known(authorities: Sequence[bytes]) -> dict[bytes, None]:
    known = dict.fromkeys(authorities)
    if not known:
        raise InvalidJustification("a set without authorities finalizes nothing")
    if len(known) != len(authorities) or len(known) > AUTHORITIES_MAX:
        raise InvalidJustification(
            f"the set names an authority twice, or more than {AUTHORITIES_MAX} of them"
        )
    return known


def _by_hash(headers: tuple[Header, ...]) -> dict[bytes, Header]:
    if len(headers) > ANCESTRIES_MAX:
        raise InvalidJustification(
            f"{len(headers)} headers; at most {ANCESTRIES_MAX} are looked at"
        )
    found: dict[bytes, Header] = {header.hash(): header for header in headers}
    if len(found) != len(headers):
        raise InvalidJustification("a header is given twice")
    return found


def _check_ancestry(commit: Commit, headers: Mapping[bytes, Header]) -> None:
    """Each vote is for the target or, through ``headers``, a descendant; all headers are used.

    A header that was walked is not walked again, so this is linear in votes and headers.
    """
    used: dict[bytes, None] = {}
    for vote in commit.precommits:
        at: bytes = vote.target_hash
        height = int(vote.target_number)
        while at != commit.target_hash and at not in used:
            header = headers.get(at)
            if header is None or header.number != height:
                raise InvalidJustification(
                    f"nothing links the vote of 0x{vote.authority.hex()} to the block"
                )
            used[at] = None
            at, height = header.parent_hash, height - 1
        expected = commit.target_number if at == commit.target_hash else headers[at].number
        if height != expected:
            raise InvalidJustification(
                f"the vote of 0x{vote.authority.hex()} names another height than its block has"
            )
    if len(used) != len(headers):
        raise InvalidJustification("headers are given that no vote needs")
