"""Rows that hold a line a + b·X: real commitments and real openings without 4,096-point sums.

A commitment is a·G + b·[τ]₁ and an opening at z is ``(a + b·z, b·G)``, so hundreds of rows are
committed to and proved in milliseconds, and a verifier sees points like any others.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from py_arkworks_bls12381 import G1Point, Scalar

from primitives.types import Bytes48
from proofs.podr2.params import SCALAR_MODULUS
from proofs.podr2.setup import G2_POINTS, TAU_G2_LINE, setup_lines
from proofs.podr2.wire import ScalarBytes, ServiceProof

# The powers of tau in G1 come after those in G2; the first is the generator, the second tau.
TAU_G1_LINE = TAU_G2_LINE - 1 + G2_POINTS + 1


@dataclass(frozen=True)
class Line:
    a: int
    b: int

    def at(self, z: int) -> int:
        return (self.a + self.b * z) % SCALAR_MODULUS

    def commitment(self) -> Bytes48:
        return Bytes48(bytes(self.point().to_compressed_bytes()))

    def point(self) -> G1Point:
        return G1Point() * Scalar(self.a) + tau_g1() * Scalar(self.b)

    def quotient(self) -> G1Point:
        """The proof of an opening at any point."""
        return G1Point() * Scalar(self.b)


ZEROS = Line(0, 0)


@cache
def tau_g1() -> G1Point:
    return G1Point.from_compressed_bytes(bytes.fromhex(setup_lines()[TAU_G1_LINE]))


@cache
def random_lines(count: int) -> tuple[Line, ...]:
    choose = random.Random(11)
    return tuple(
        Line(choose.randrange(1, SCALAR_MODULUS), choose.randrange(1, SCALAR_MODULUS))
        for _ in range(count)
    )


def combined(lines: Sequence[Line], weights: Sequence[int]) -> Line:
    """Σ ρ·row."""
    pairs = list(zip(weights, lines, strict=True))
    return Line(
        sum(weight * line.a for weight, line in pairs) % SCALAR_MODULUS,
        sum(weight * line.b for weight, line in pairs) % SCALAR_MODULUS,
    )


def made_proof(y: int, quotient: G1Point) -> ServiceProof:
    return ServiceProof(
        y=ScalarBytes((y % SCALAR_MODULUS).to_bytes(32, "big")),
        proof=Bytes48(bytes(quotient.to_compressed_bytes())),
    )


def opening(lines: Sequence[Line], weights: Sequence[int], z: int) -> ServiceProof:
    """The proof that a prover makes who takes ``lines`` for the asked rows."""
    total = combined(lines, weights)
    return made_proof(total.at(z), total.quotient())
