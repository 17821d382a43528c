"""The shipped parameters are the ceremony's, and a damaged copy is never used."""

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest
from py_arkworks_bls12381 import GT, G1Point, G2Point

from primitives.errors import StorageCorrupt
from proofs.podr2 import setup


def test_the_copy_equals_that_of_eth_account() -> None:
    theirs = files("eth_account").joinpath(
        "typed_transactions/blob_transactions/kzg_trusted_setup.txt"
    )
    assert setup.SETUP_PATH.read_bytes() == theirs.read_bytes()
    assert hashlib.sha256(theirs.read_bytes()).hexdigest() == setup.SETUP_SHA256


def test_the_file_is_laid_out_as_described() -> None:
    lines = setup.setup_lines()
    assert lines[:2] == ["4096", "65"]
    assert len(lines) == 2 + 4096 + 65 + 4096


def test_tau_in_g2_matches_tau_in_g1() -> None:
    """e([τ]₁, [1]₂) = e([1]₁, [τ]₂), and the generators are the standard ones."""
    lines = setup.setup_lines()
    monomials = lines[-setup.G1_POINTS :]
    assert G1Point.from_compressed_bytes(bytes.fromhex(monomials[0])) == G1Point()
    assert G2Point.from_compressed_bytes(bytes.fromhex(lines[setup.TAU_G2_LINE - 1])) == G2Point()
    tau_g1 = G1Point.from_compressed_bytes(bytes.fromhex(monomials[1]))
    tau_g2 = G2Point.from_compressed_bytes(setup.tau_g2_bytes())
    assert GT.pairing_check([tau_g1, -G1Point()], [G2Point(), tau_g2])


def test_the_lagrange_points_are_those_of_the_same_tau() -> None:
    """The sum of all Lagrange polynomials is 1, so their points add up to the generator."""
    total = G1Point.identity()
    for line in setup.setup_lines()[2 : 2 + setup.G1_POINTS]:
        total += G1Point.from_compressed_bytes_unchecked(bytes.fromhex(line))
    assert total == G1Point()


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    damaged = tmp_path / "setup.txt"
    data = bytearray(setup.SETUP_PATH.read_bytes())
    data[500_000] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(StorageCorrupt, match="reinstall"):
        setup.setup_lines(damaged)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageCorrupt, match="cannot be read"):
        setup.setup_lines(tmp_path / "none.txt")


def test_the_prover_s_form_is_loaded_once() -> None:
    assert setup.prover_setup() is setup.prover_setup()
