from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives import justification as module
from primitives.crypto.keys import KeyPair
from primitives.crypto.signatures import SignatureBytes
from primitives.digest import AuthorityKey, Digest
from primitives.errors import DecodeError
from primitives.header import Header
from primitives.justification import (
    Commit,
    GrandpaJustification,
    InvalidJustification,
    SignedPrecommit,
    make_justification,
    precommit_message,
    threshold,
    verify_justification,
)
from primitives.scale import U64
from primitives.types import BlockNumber, Hash

NAMES = ("Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie", "One")
PAIRS = tuple(KeyPair.from_suri(f"//{name}", "ed25519") for name in NAMES)
KEYS = tuple(pair.public for pair in PAIRS)
ROUND, SET = 5, 2
ZERO = Hash(bytes(32))


def child(parent: Header | None, number: int, mark: int = 0) -> Header:
    return Header(
        parent_hash=ZERO if parent is None else parent.hash(),
        number=BlockNumber(number),
        state_root=Hash(bytes([mark]) * 32),
        extrinsics_root=ZERO,
        digest=Digest(),
    )


# 10 <- 11 <- 12, and 11b a second child of 10.
H10 = child(None, 10)
H11 = child(H10, 11)
H12 = child(H11, 12)
H11B = child(H10, 11, mark=1)


def vote(
    pair: KeyPair, header: Header, *, round_number: int = ROUND, set_id: int = SET
) -> SignedPrecommit:
    message = precommit_message(header.hash(), header.number, round_number, set_id)
    return SignedPrecommit(
        target_hash=header.hash(),
        target_number=header.number,
        signature=SignatureBytes(pair.sign(message)),
        authority=AuthorityKey(pair.public),
    )


def justify(
    votes: Sequence[SignedPrecommit], headers: Sequence[Header] = (), target: Header = H10
) -> GrandpaJustification:
    commit = Commit(target.hash(), target.number, tuple(votes))
    return GrandpaJustification(U64(ROUND), commit, tuple(headers))


def refused(
    justification: GrandpaJustification, match: str, authorities: Sequence[bytes] = KEYS
) -> None:
    with pytest.raises(InvalidJustification, match=match):
        verify_justification(justification, authorities, SET)


FIVE = [vote(pair, H10) for pair in PAIRS[:5]]


# Bytes.


def test_the_signed_message_is_substrates_bytes() -> None:
    message = precommit_message(b"\xaa" * 32, 10, 5, 2)
    expected = "01" + "aa" * 32 + "0a000000" + "0500000000000000" + "0200000000000000"
    assert message.hex() == expected


def test_the_encoding_is_substrates_bytes() -> None:
    made = make_justification(H10.hash(), 10, ROUND, SET, PAIRS[:1])
    (precommit,) = made.commit.precommits
    expected = (
        (5).to_bytes(8, "little")
        + H10.hash()
        + (10).to_bytes(4, "little")
        + b"\x04"
        + H10.hash()
        + (10).to_bytes(4, "little")
        + precommit.signature
        + PAIRS[0].public
        + b"\0"
    )
    assert made.encode() == expected
    assert GrandpaJustification.decode(expected) == made


@given(st.binary(max_size=300))
def test_any_bytes_are_a_justification_or_refused(data: bytes) -> None:
    try:
        made = GrandpaJustification.decode(data)
    except DecodeError:
        return
    assert made.encode() == data


def test_truncated_and_extended_justifications_are_refused() -> None:
    data = justify([vote(PAIRS[0], H11)], [H11]).encode()
    for cut in range(len(data)):
        with pytest.raises(DecodeError):
            GrandpaJustification.decode(data[:cut])
    with pytest.raises(DecodeError):
        GrandpaJustification.decode(data + b"\0")


def test_a_justification_beyond_the_limit_is_refused() -> None:
    with pytest.raises(DecodeError, match="at most"):
        GrandpaJustification.decode(bytes(module.JUSTIFICATION_BYTES_MAX + 1))


# Who must vote.


@pytest.mark.parametrize(
    ("count", "needed"),
    [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7), (100, 67)],
)
def test_more_than_two_thirds_finalize(count: int, needed: int) -> None:
    assert threshold(count) == needed
    assert 3 * needed > 2 * count
    assert 3 * (needed - 1) <= 2 * count


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 7), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_what_all_authorities_make_is_valid(count: int, round_number: int, set_id: int) -> None:
    made = make_justification(H10.hash(), 10, round_number, set_id, PAIRS[:count])
    verify_justification(GrandpaJustification.decode(made.encode()), KEYS[:count], set_id)


def test_five_of_seven_are_enough_and_four_are_not() -> None:
    verify_justification(justify(FIVE), KEYS, SET)
    refused(justify(FIVE[:4]), "4 precommits; 7 authorities finalize with 5")


def test_a_set_without_authorities_finalizes_nothing() -> None:
    refused(justify([]), "without authorities", ())


def test_a_set_that_names_an_authority_twice_is_refused() -> None:
    refused(justify(FIVE), "twice", (*KEYS, KEYS[0]))


# Attacks.


def test_an_authority_does_not_count_twice() -> None:
    refused(justify([*FIVE[:4], FIVE[0]]), "two precommits")


def test_an_equivocation_is_refused() -> None:
    votes = [*FIVE[:4], vote(PAIRS[0], H11)]
    refused(justify(votes, [H11]), "two precommits")


def test_a_stranger_does_not_count() -> None:
    stranger = KeyPair.from_suri("//Stranger", "ed25519")
    refused(justify([*FIVE[:4], vote(stranger, H10)]), "not an authority")


def test_more_votes_than_authorities_are_refused_before_any_work() -> None:
    refused(justify([*FIVE, *FIVE]), "10 precommits")


def test_votes_of_another_round_do_not_count() -> None:
    votes = [*FIVE[:4], vote(PAIRS[4], H10, round_number=ROUND + 1)]
    refused(justify(votes), "signature")


def test_votes_of_another_set_do_not_count() -> None:
    votes = [*FIVE[:4], vote(PAIRS[4], H10, set_id=SET + 1)]
    refused(justify(votes), "signature")


def test_the_set_of_the_verifier_decides() -> None:
    with pytest.raises(InvalidJustification, match="signature"):
        verify_justification(justify(FIVE), KEYS, SET + 1)


def test_an_altered_signature_is_refused() -> None:
    altered = bytearray(FIVE[0].signature)
    altered[0] ^= 1
    bad = replace(FIVE[0], signature=SignatureBytes(altered))
    refused(justify([bad, *FIVE[1:]]), "signature")


def test_a_prevote_is_not_a_precommit() -> None:
    message = b"\0" + precommit_message(H10.hash(), 10, ROUND, SET)[1:]
    bad = replace(FIVE[0], signature=SignatureBytes(PAIRS[0].sign(message)))
    refused(justify([bad, *FIVE[1:]]), "signature")


def test_a_vote_under_the_name_of_another_is_refused() -> None:
    bad = replace(FIVE[0], authority=AuthorityKey(KEYS[6]))
    refused(justify([bad, *FIVE[1:]]), "signature")


def test_votes_cannot_be_moved_to_another_block() -> None:
    refused(justify(FIVE, target=H11B), "links")


# Ancestry.


def test_votes_for_descendants_count_for_the_block() -> None:
    votes = [*FIVE[:2], vote(PAIRS[2], H11), vote(PAIRS[3], H12), vote(PAIRS[4], H11B)]
    verify_justification(justify(votes, [H11, H12, H11B]), KEYS, SET)
    verify_justification(justify(votes, [H12, H11B, H11]), KEYS, SET)


def test_a_vote_for_an_ancestor_does_not_count() -> None:
    votes = [*[vote(pair, H11) for pair in PAIRS[:4]], vote(PAIRS[4], H10)]
    refused(justify(votes, target=H11), "links")


def test_a_missing_link_is_refused() -> None:
    votes = [*FIVE[:4], vote(PAIRS[4], H12)]
    refused(justify(votes, [H12]), "links")
    refused(justify(votes, [H11]), "links")


def test_a_vote_on_another_fork_does_not_count() -> None:
    elsewhere = child(H11B, 12)
    votes = [*[vote(pair, H11) for pair in PAIRS[:4]], vote(PAIRS[4], elsewhere)]
    refused(justify(votes, [elsewhere, H11B], target=H11), "links")


def test_headers_that_no_vote_needs_are_refused() -> None:
    refused(justify(FIVE, [H11]), "no vote needs")
    refused(justify(FIVE, [H10]), "no vote needs")


def test_a_header_given_twice_is_refused() -> None:
    votes = [*FIVE[:4], vote(PAIRS[4], H11)]
    refused(justify(votes, [H11, H11]), "twice")


def test_a_vote_with_another_height_than_its_block_is_refused() -> None:
    message = precommit_message(H10.hash(), 11, ROUND, SET)
    bad = SignedPrecommit(
        H10.hash(), BlockNumber(11), SignatureBytes(PAIRS[4].sign(message)), AuthorityKey(KEYS[4])
    )
    refused(justify([*FIVE[:4], bad]), "height")
    message = precommit_message(H11.hash(), 12, ROUND, SET)
    bad = SignedPrecommit(
        H11.hash(), BlockNumber(12), SignatureBytes(PAIRS[4].sign(message)), AuthorityKey(KEYS[4])
    )
    refused(justify([*FIVE[:4], bad], [H11]), "links")
    # Here another vote has walked through the header already.
    refused(justify([*FIVE[:3], vote(PAIRS[3], H11), bad], [H11]), "height")


def test_a_header_whose_height_jumps_is_refused() -> None:
    jump = child(H10, 50)
    refused(justify([*FIVE[:4], vote(PAIRS[4], jump)], [jump]), "height")


@pytest.mark.parametrize(("count", "fits"), [(40, True), (41, False)])
def test_the_limit_of_ancestries(count: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANCESTRIES_MAX", 40)
    headers = [H10]
    for number in range(11, 11 + count):
        headers.append(child(headers[-1], number))
    made = justify([*FIVE[:4], vote(PAIRS[4], headers[-1])], headers[1:])
    if fits:
        verify_justification(made, KEYS, SET)
    else:
        refused(made, "at most 40")
