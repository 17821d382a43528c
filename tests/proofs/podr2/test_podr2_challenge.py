"""A seed binds everything that a proof must be bound to."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.podr2.challenge import (
    coefficients,
    evaluation_point,
    round_seed,
    sample_positions,
    transfer_seed,
)
from proofs.podr2.params import SCALAR_MODULUS

A, B = bytes(32), b"\1" * 32


def test_every_part_of_a_round_changes_its_seed() -> None:
    seeds = [
        round_seed(genesis, block, randomness, miner, round_index)
        for genesis, block, randomness, miner, round_index in itertools.product(
            (A, B), (5, 6), (A, B), (A, B), (1, 2)
        )
    ]
    assert len(set(seeds)) == 32


def test_a_transfer_seed_binds_nonce_fragment_and_commitments() -> None:
    seeds = [
        transfer_seed(nonce, fragment, points)
        for nonce, fragment, points in itertools.product(
            (A, B), (A, B), ([b"\xc0" * 48], [b"\xc1" * 48], [b"\xc0" * 48] * 2, [])
        )
    ]
    assert len(set(seeds)) == 16


@given(st.binary(min_size=32, max_size=32))
def test_the_point_is_in_the_field_and_coefficients_have_128_bits(seed: bytes) -> None:
    assert 0 <= evaluation_point(seed) < SCALAR_MODULUS
    numbers = coefficients(seed, 9)
    assert len(set(numbers)) == 9
    assert all(0 <= number < 2**128 for number in numbers)


def test_coefficients_of_a_shorter_round_are_a_prefix() -> None:
    assert coefficients(A, 460)[:5] == coefficients(A, 5)
    assert coefficients(A, 0) == ()


def test_positions_point_and_coefficients_are_independent_streams() -> None:
    """The first coefficient's bits do not show in the point or the positions."""
    first = coefficients(A, 4)
    assert evaluation_point(A) & (2**128 - 1) != first[0]
    assert sample_positions(A, 2**40, 2)[0] != first[0] % 2**40


def test_at_most_all_positions_are_sampled() -> None:
    assert sorted(sample_positions(A, 9, 460)) == list(range(9))
    assert sample_positions(A, 0, 460) == ()


def test_a_negative_count_is_a_programmer_s_error() -> None:
    with pytest.raises(ValueError, match="cannot draw"):
        sample_positions(A, 9, -1)


def test_the_derivation_is_pinned() -> None:
    path = Path(__file__).parents[2] / "vectors/podr2/challenge.json"
    for case in json.loads(path.read_text()):
        seed = round_seed(
            bytes.fromhex(case["genesis"]),
            case["block_number"],
            bytes.fromhex(case["randomness"]),
            bytes.fromhex(case["miner"]),
            case["round"],
        )
        assert seed.hex() == case["seed"]
        assert list(sample_positions(seed, case["population"], case["count"])) == case["positions"]
        numbers = coefficients(seed, len(case["coefficients"]))
        assert [f"{number:032x}" for number in numbers] == case["coefficients"]
        assert f"{evaluation_point(seed):064x}" == case["z"]
