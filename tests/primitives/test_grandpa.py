"""GRANDPA's messages, byte for byte by the documented layout."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.crypto.keys import KeyPair
from primitives.crypto.signatures import SignatureBytes
from primitives.digest import AuthorityKey
from primitives.errors import DecodeError
from primitives.grandpa import (
    MESSAGE_BYTES_MAX,
    Block,
    CatchUp,
    CatchUpMessage,
    CatchUpRequest,
    CommitMessage,
    CompactCommit,
    GossipMessage,
    NeighbourMessage,
    NeighbourV1,
    SignedPrevote,
    SignedVote,
    Target,
    VoteKind,
    VoteMessage,
    compact_commit,
    decode_message,
    encode_message,
    full_commit,
    make_vote,
    sign_vote,
    verify_vote,
    vote_payload,
)
from primitives.justification import Commit, SignedPrecommit, precommit_message
from primitives.scale import U64
from primitives.types import BlockNumber, Hash

HASH, OTHER = b"\xaa" * 32, b"\xbb" * 32
SIGNATURE, KEY = b"\x51" * 64, b"\x1d" * 32
NUMBER = (7).to_bytes(4, "little")
ROUND, SET = (9).to_bytes(8, "little"), (3).to_bytes(8, "little")


def signed(kind: VoteKind) -> SignedVote:
    return SignedVote(
        vote=make_vote(kind, Block(HASH, 7)),
        signature=SignatureBytes(SIGNATURE),
        authority=AuthorityKey(KEY),
    )


PREVOTE = SignedPrevote(
    target_hash=Hash(HASH),
    target_number=BlockNumber(7),
    signature=SignatureBytes(SIGNATURE),
    authority=AuthorityKey(KEY),
)
PRECOMMIT = SignedPrecommit(
    target_hash=Hash(OTHER),
    target_number=BlockNumber(7),
    signature=SignatureBytes(SIGNATURE),
    authority=AuthorityKey(KEY),
)
COMMIT = Commit(
    target_hash=Hash(HASH), target_number=BlockNumber(7), precommits=(PRECOMMIT, PRECOMMIT)
)

LAYOUTS: list[tuple[GossipMessage, bytes]] = [
    *(
        (
            VoteMessage(round=U64(9), set_id=U64(3), signed=signed(kind)),
            b"\0" + ROUND + SET + bytes([kind]) + HASH + NUMBER + SIGNATURE + KEY,
        )
        for kind in VoteKind
    ),
    (
        CommitMessage(round=U64(9), set_id=U64(3), commit=compact_commit(COMMIT)),
        b"\1" + ROUND + SET + HASH + NUMBER + b"\x08" + 2 * (OTHER + NUMBER)
        + b"\x08" + 2 * (SIGNATURE + KEY),
    ),
    (
        NeighbourMessage(
            packet=NeighbourV1(round=U64(9), set_id=U64(3), finalized_number=BlockNumber(7))
        ),
        b"\2\1" + ROUND + SET + NUMBER,
    ),
    (CatchUpRequest(round=U64(9), set_id=U64(3)), b"\3" + ROUND + SET),
    (
        CatchUpMessage(
            set_id=U64(3),
            catch_up=CatchUp(
                round=U64(9),
                prevotes=(PREVOTE,),
                precommits=(PRECOMMIT, PRECOMMIT),
                base_hash=Hash(HASH),
                base_number=BlockNumber(7),
            ),
        ),
        b"\4" + SET + ROUND
        + b"\x04" + HASH + NUMBER + SIGNATURE + KEY
        + b"\x08" + 2 * (OTHER + NUMBER + SIGNATURE + KEY)
        + HASH + NUMBER,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("message", "data"), LAYOUTS, ids=lambda value: type(value).__name__)
def test_messages_have_the_documented_layout(message: GossipMessage, data: bytes) -> None:
    assert encode_message(message) == data
    assert decode_message(data) == message


def test_a_neighbour_packet_has_22_bytes() -> None:
    packet = NeighbourV1(round=U64(1), set_id=U64(0), finalized_number=BlockNumber(0))
    assert len(encode_message(NeighbourMessage(packet=packet))) == 22


@pytest.mark.parametrize("cut", [0, 1, 5, 16])
def test_a_cut_message_is_refused(cut: int) -> None:
    for _, data in LAYOUTS:
        with pytest.raises(DecodeError):
            decode_message(data[:cut])
        with pytest.raises(DecodeError):
            decode_message(data + b"\0")


def test_unknown_messages_and_versions_are_refused() -> None:
    for data in (b"\5" + ROUND + SET, b"\2\0" + ROUND + SET + NUMBER, b"\2\2" + ROUND + SET):
        with pytest.raises(DecodeError):
            decode_message(data)


def test_a_message_beyond_the_limit_is_not_looked_at() -> None:
    with pytest.raises(DecodeError, match="at most"):
        decode_message(bytes(MESSAGE_BYTES_MAX + 1))
    with pytest.raises(DecodeError) as caught:
        decode_message(bytes(MESSAGE_BYTES_MAX))
    assert "at most" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_bytes_of_a_peer_decode_to_one_meaning_or_none(data: bytes) -> None:
    try:
        message = decode_message(data)
    except DecodeError:
        return
    assert encode_message(message) == data


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(VoteKind),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)
def test_votes_are_what_they_were_made_of(
    kind: VoteKind, hash_: bytes, number: int, round_number: int, set_id: int
) -> None:
    vote = make_vote(kind, Block(hash_, number))
    assert (vote.kind, vote.block) == (kind, Block(hash_, number))
    payload = vote_payload(vote, round_number, set_id)
    assert len(payload) == 1 + 32 + 4 + 8 + 8
    if kind == VoteKind.PRECOMMIT:
        assert payload == precommit_message(hash_, number, round_number, set_id)


def test_a_signed_vote_counts_in_its_round_and_set_only() -> None:
    pair = KeyPair.from_suri("//Alice", "ed25519")
    vote = sign_vote(make_vote(VoteKind.PREVOTE, Block(HASH, 7)), 9, 3, pair)
    assert vote.authority == pair.public
    assert verify_vote(vote, 9, 3)
    assert not verify_vote(vote, 8, 3)
    assert not verify_vote(vote, 9, 4)
    for kind, block in (
        (VoteKind.PRECOMMIT, Block(HASH, 7)),
        (VoteKind.PREVOTE, Block(OTHER, 7)),
        (VoteKind.PREVOTE, Block(HASH, 8)),
    ):
        forged = SignedVote(
            vote=make_vote(kind, block), signature=vote.signature, authority=vote.authority
        )
        assert not verify_vote(forged, 9, 3)


def test_a_compact_commit_is_the_commit() -> None:
    assert full_commit(compact_commit(COMMIT)) == COMMIT


def test_a_commit_with_more_votes_than_signatures_is_refused() -> None:
    target = Target(target_hash=Hash(HASH), target_number=BlockNumber(7))
    signature = SignatureBytes(SIGNATURE), AuthorityKey(KEY)
    for targets, signatures in (((target,), ()), ((), (signature,)), ((target,) * 2, (signature,))):
        compact = CompactCommit(
            target_hash=Hash(HASH),
            target_number=BlockNumber(7),
            precommits=targets,
            signatures=signatures,
        )
        with pytest.raises(DecodeError):
            full_commit(compact)
