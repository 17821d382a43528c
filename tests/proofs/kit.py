"""What the tests of proofs share: a miner's holdings, questions of a round, points of the curve."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from primitives.types import Bytes48
from proofs.podr2.challenge import coefficients, evaluation_point, round_seed, sample_positions
from proofs.podr2.prove import prove
from proofs.podr2.rows import split_rows
from proofs.podr2.verify import Claim
from proofs.podr2.wire import ServiceProof

GENESIS = hashlib.sha256(b"genesis").digest()
MINER = hashlib.sha256(b"miner").digest()
OTHER = hashlib.sha256(b"other miner").digest()
PLOT_K = 18


@dataclass(frozen=True)
class Holdings:
    """Fragments of a miner, their commitments, and all rows in the order of positions."""

    fragments: tuple[bytes, ...]
    commitments: tuple[tuple[Bytes48, ...], ...]

    @property
    def rows(self) -> list[memoryview]:
        return [row for fragment in self.fragments for row in split_rows(fragment)]

    @property
    def points(self) -> list[Bytes48]:
        return [point for fragment in self.commitments for point in fragment]

    def question(
        self,
        round_index: int,
        count: int = 4,
        *,
        genesis: bytes = GENESIS,
        block: int = 7,
        randomness: bytes = bytes(32),
        miner: bytes = MINER,
    ) -> "Question":
        seed = round_seed(genesis, block, randomness, miner, round_index)
        positions = sample_positions(seed, len(self.points), count)
        return Question(positions, coefficients(seed, len(positions)), evaluation_point(seed))


@dataclass(frozen=True)
class Question:
    positions: tuple[int, ...]
    coefficients: tuple[int, ...]
    z: int

    def rows(self, holdings: Holdings) -> list[memoryview]:
        return [holdings.rows[position] for position in self.positions]

    def answer(self, holdings: Holdings) -> ServiceProof:
        return prove(self.rows(holdings), self.coefficients, self.z)

    def claim(self, holdings: Holdings, proof: ServiceProof) -> Claim:
        points = [holdings.points[position] for position in self.positions]
        return Claim(points, self.coefficients, self.z, proof)


# BLS12-381's base field; G1 is y² = x³ + 4 over it.
FIELD_MODULUS = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"
    "1eabfffeb153ffffb9feffffffffaaab",
    16,
)
COMPRESSED, LARGER_Y = 0x80, 0x20


def on_curve(x: int) -> bool:
    square = (x**3 + 4) % FIELD_MODULUS
    return pow(square, (FIELD_MODULUS - 1) // 2, FIELD_MODULUS) in (0, 1)


def compressed(x: int, flags: int = COMPRESSED) -> bytes:
    data = bytearray(x.to_bytes(48, "big"))
    data[0] |= flags
    return bytes(data)


@dataclass(frozen=True)
class MadePlot:
    path: Path
    seed: bytes
    index: int = 3
