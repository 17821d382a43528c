"""A sender trusts a holder's commitments after one opening, and only those of its own bytes."""

import hashlib
from dataclasses import replace

import ckzg
import numpy as np
import pytest

from primitives.errors import ProofRejected
from primitives.types import Bytes48
from proofs.podr2.challenge import coefficients, evaluation_point, transfer_seed
from proofs.podr2.commit import check_transfer, commit_fragment, open_transfer
from proofs.podr2.params import FRAGMENT_ROWS_MAX, ROW_BYTES, SCALAR_MODULUS
from proofs.podr2.prove import prove
from proofs.podr2.rows import blob_of_row, combine, evaluate, split_rows
from proofs.podr2.setup import prover_setup
from proofs.podr2.verify import IDENTITY, decode_commitment
from proofs.podr2.wire import Opening, ScalarBytes
from tests.proofs.kit import Holdings

NONCE = hashlib.sha256(b"nonce").digest()


def named(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_a_commitment_is_that_of_eip_4844_for_each_row(holdings: Holdings) -> None:
    fragment = holdings.fragments[0]
    expected = [
        ckzg.blob_to_kzg_commitment(blob_of_row(row), prover_setup())
        for row in split_rows(fragment)
    ]
    assert [bytes(point) for point in holdings.commitments[0]] == expected
    assert len(expected) == 3


def test_any_buffer_of_the_same_bytes_has_the_same_commitments(holdings: Holdings) -> None:
    data = holdings.fragments[0][:5000]
    first = commit_fragment(data)
    assert commit_fragment(bytearray(data)) == first
    assert commit_fragment(memoryview(np.frombuffer(data, np.uint8))) == first


def test_a_row_of_zeros_commits_to_infinity(holdings: Holdings) -> None:
    assert [bytes(point) for point in holdings.commitments[2]][1:] == [IDENTITY, IDENTITY]


def test_commitments_add_up_as_rows_do(holdings: Holdings) -> None:
    """Linearity is what lets one proof serve many rows."""
    one, two = bytearray(200), bytearray(200)
    one[7::31], two[7::31] = bytes(range(7)), bytes(range(100, 107))
    total = bytes(a + b for a, b in zip(one, two, strict=True))
    points = [decode_commitment(commit_fragment(data)[0]) for data in (one, two, total)]
    assert points[0] + points[1] == points[2]


@pytest.mark.parametrize("size", [0, FRAGMENT_ROWS_MAX * ROW_BYTES + 1])
def test_what_is_no_fragment_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="must have 1 to 128"):
        commit_fragment(bytes(size))


def test_an_honest_opening_is_accepted(holdings: Holdings) -> None:
    for data, points in zip(holdings.fragments, holdings.commitments, strict=True):
        opening = open_transfer(data, named(data), points, NONCE)
        check_transfer(data, named(data), points, NONCE, opening)


# Attacks of a holder. The sender's own bytes decide each.


def test_commitments_of_other_data_fail_with_an_opening_of_that_data(holdings: Holdings) -> None:
    """The holder keeps other bytes and proves honestly that it has those."""
    mine, other = holdings.fragments[:2]
    points = holdings.commitments[1]
    opening = open_transfer(other, named(mine), points, NONCE)
    with pytest.raises(ProofRejected, match="not that of this fragment"):
        check_transfer(mine, named(mine), points, NONCE, opening)


def test_commitments_of_other_data_fail_with_an_opening_of_this_data(holdings: Holdings) -> None:
    """The holder commits to other bytes and opens the sender's bytes, which it still has."""
    mine = holdings.fragments[0]
    points = holdings.commitments[1]
    opening = open_transfer(mine, named(mine), points, NONCE)
    with pytest.raises(ProofRejected, match="does not open the commitments"):
        check_transfer(mine, named(mine), points, NONCE, opening)


def test_the_right_value_with_a_proof_of_other_data_fails(holdings: Holdings) -> None:
    mine, other = holdings.fragments[:2]
    points = holdings.commitments[1]
    opening = open_transfer(other, named(mine), points, NONCE)
    right = open_transfer(mine, named(mine), points, NONCE)
    with pytest.raises(ProofRejected, match="does not open the commitments"):
        check_transfer(mine, named(mine), points, NONCE, replace(opening, y=right.y))


def test_one_changed_row_of_three_fails(holdings: Holdings) -> None:
    mine = holdings.fragments[0]
    changed = bytearray(mine)
    changed[ROW_BYTES + 5] ^= 1
    points = (
        holdings.commitments[0][0],
        commit_fragment(changed[ROW_BYTES : 2 * ROW_BYTES])[0],
        holdings.commitments[0][2],
    )
    for data in (mine, bytes(changed)):
        opening = open_transfer(data, named(mine), points, NONCE)
        with pytest.raises(ProofRejected):
            check_transfer(mine, named(mine), points, NONCE, opening)


def test_swapped_commitments_fail(holdings: Holdings) -> None:
    mine = holdings.fragments[0]
    first, second, third = holdings.commitments[0]
    points = (second, first, third)
    honest = open_transfer(mine, named(mine), points, NONCE)
    with pytest.raises(ProofRejected, match="does not open"):
        check_transfer(mine, named(mine), points, NONCE, honest)
    rows = list(split_rows(mine))
    seed = transfer_seed(NONCE, named(mine), points)
    swapped = prove([rows[1], rows[0], rows[2]], coefficients(seed, 3), evaluation_point(seed))
    with pytest.raises(ProofRejected, match="not that of this fragment"):
        check_transfer(mine, named(mine), points, NONCE, Opening(swapped.y, swapped.proof))


def test_an_answer_prepared_for_another_nonce_fails(holdings: Holdings) -> None:
    mine, points = holdings.fragments[0], holdings.commitments[0]
    opening = open_transfer(mine, named(mine), points, bytes(32))
    with pytest.raises(ProofRejected):
        check_transfer(mine, named(mine), points, NONCE, opening)


def test_an_answer_for_another_fragment_hash_fails(holdings: Holdings) -> None:
    mine, points = holdings.fragments[0], holdings.commitments[0]
    opening = open_transfer(mine, named(b"other"), points, NONCE)
    with pytest.raises(ProofRejected):
        check_transfer(mine, named(mine), points, NONCE, opening)


def test_commitments_chosen_after_the_challenge_fail(holdings: Holdings) -> None:
    """Knowing ρ and z, a cheat solves for a commitment that makes the equation true.

    It adds δ·G to one commitment and -(ρ₁/ρ₂)·δ·G to another, so that the sum, and with it the
    honest proof, stays right. The hash over the commitments gives other ρ, and it fails.
    """
    from py_arkworks_bls12381 import G1Point, Scalar

    mine, points = holdings.fragments[0], holdings.commitments[0]
    seed = transfer_seed(NONCE, named(mine), points)
    weights = coefficients(seed, 3)
    ratio = weights[0] * pow(weights[1], -1, SCALAR_MODULUS) % SCALAR_MODULUS
    first = decode_commitment(points[0]) + G1Point() * Scalar(9)
    second = decode_commitment(points[1]) - G1Point() * Scalar(9 * ratio % SCALAR_MODULUS)
    forged = (
        Bytes48(first.to_compressed_bytes()),
        Bytes48(second.to_compressed_bytes()),
        points[2],
    )
    prepared = open_transfer(mine, named(mine), points, NONCE)
    fresh = open_transfer(mine, named(mine), forged, NONCE)
    for opening in (prepared, fresh):
        with pytest.raises(ProofRejected):
            check_transfer(mine, named(mine), forged, NONCE, opening)


@pytest.mark.parametrize("cut", [ROW_BYTES, 1])
def test_a_fragment_cut_short_is_not_the_fragment(holdings: Holdings, cut: int) -> None:
    mine = holdings.fragments[0]
    short = mine[:-cut]
    points = commit_fragment(short)
    opening = open_transfer(short, named(mine), points, NONCE)
    with pytest.raises(ProofRejected):
        check_transfer(mine, named(mine), points, NONCE, opening)


def test_a_fragment_lengthened_by_a_row_has_too_many_commitments(holdings: Holdings) -> None:
    mine = holdings.fragments[0]
    padded = mine + bytes(ROW_BYTES)
    points = (*holdings.commitments[0], Bytes48(IDENTITY))
    opening = open_transfer(padded, named(mine), points, NONCE)
    with pytest.raises(ProofRejected, match="4 commitments came for a fragment of 3 rows"):
        check_transfer(mine, named(mine), points, NONCE, opening)


def test_zero_padding_inside_the_last_row_does_not_show(holdings: Holdings) -> None:
    """Why the chain fixes the length of a fragment beside its hash."""
    mine = holdings.fragments[0]
    assert commit_fragment(mine[2 * ROW_BYTES :] + bytes(9))[0] == holdings.commitments[0][2]


def test_no_commitments_are_no_proof(holdings: Holdings) -> None:
    mine = holdings.fragments[0]
    opening = Opening(ScalarBytes(bytes(32)), Bytes48(IDENTITY))
    with pytest.raises(ProofRejected, match="0 commitments"):
        check_transfer(mine, named(mine), (), NONCE, opening)


def test_the_holder_needs_as_many_commitments_as_rows(holdings: Holdings) -> None:
    with pytest.raises(ValueError):
        open_transfer(holdings.fragments[0], bytes(32), holdings.commitments[0][:2], NONCE)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_nonce_has_32_bytes(holdings: Holdings, size: int) -> None:
    data, points = holdings.fragments[0], holdings.commitments[0]
    opening = Opening(ScalarBytes(bytes(32)), Bytes48(IDENTITY))
    with pytest.raises(ValueError, match="nonce has 32 bytes"):
        open_transfer(data, named(data), points, bytes(size))
    with pytest.raises(ValueError, match="nonce has 32 bytes"):
        check_transfer(data, named(data), points, bytes(size), opening)


def test_every_changed_byte_of_a_commitment_is_refused(holdings: Holdings) -> None:
    """A changed commitment is another point, no point, or another challenge."""
    mine, points = holdings.fragments[0], holdings.commitments[0]
    opening = open_transfer(mine, named(mine), points, NONCE)
    for place in range(48):
        changed = bytearray(points[1])
        changed[place] ^= 1 << place % 8
        forged = (points[0], Bytes48(changed), points[2])
        with pytest.raises(ProofRejected):
            check_transfer(mine, named(mine), forged, NONCE, opening)


def test_the_sender_evaluates_its_own_bytes_without_the_setup(holdings: Holdings) -> None:
    """The value is plain arithmetic on the sender's bytes: Σ ρ·P(z)."""
    mine, points = holdings.fragments[0], holdings.commitments[0]
    seed = transfer_seed(NONCE, named(mine), points)
    z = evaluation_point(seed)
    expected = sum(
        rho * evaluate(combine([row], [1]), z)
        for rho, row in zip(coefficients(seed, 3), split_rows(mine), strict=True)
    )
    opening = open_transfer(mine, named(mine), points, NONCE)
    assert int.from_bytes(opening.y, "big") == expected % SCALAR_MODULUS
