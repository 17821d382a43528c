"""What several proof tests share: committed fragments and one real plot, made once per process."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from primitives.types import Bytes48
from proofs.podr2.challenge import coefficients, evaluation_point, round_seed, sample_positions
from proofs.podr2.commit import commit_fragment
from proofs.podr2.params import ROW_BYTES
from proofs.podr2.rows import split_rows
from proofs.podr2.verify import Claim
from proofs.podr2.wire import ServiceProof
from proofs.pois.challenge import plot_seed
from proofs.pois.plot import create_plot

GENESIS = hashlib.sha256(b"genesis").digest()
MINER = hashlib.sha256(b"miner").digest()
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

    def question(self, round_index: int, count: int = 4) -> "Question":
        seed = round_seed(GENESIS, 7, bytes(32), MINER, round_index)
        positions = sample_positions(seed, len(self.points), count)
        return Question(positions, coefficients(seed, len(positions)), evaluation_point(seed))


@dataclass(frozen=True)
class Question:
    positions: tuple[int, ...]
    coefficients: tuple[int, ...]
    z: int

    def rows(self, holdings: Holdings) -> list[memoryview]:
        return [holdings.rows[position] for position in self.positions]

    def claim(self, holdings: Holdings, proof: ServiceProof) -> Claim:
        points = [holdings.points[position] for position in self.positions]
        return Claim(points, self.coefficients, self.z, proof)


@pytest.fixture(scope="session")
def holdings() -> Holdings:
    """Three fragments of two rows and a bit; the last one is zero bytes but for its first row."""
    generator = np.random.default_rng(5)
    size = 2 * ROW_BYTES + 1000
    fragments = (
        generator.bytes(size),
        generator.bytes(size),
        generator.bytes(ROW_BYTES) + bytes(size - ROW_BYTES),
    )
    return Holdings(fragments, tuple(commit_fragment(fragment) for fragment in fragments))


@dataclass(frozen=True)
class MadePlot:
    path: Path
    seed: bytes
    index: int = 3


@pytest.fixture(scope="session")
def made_plot(tmp_path_factory: pytest.TempPathFactory) -> MadePlot:
    """Plot 3 of MINER at k = 18: two seconds, once."""
    root = tmp_path_factory.mktemp("plots")
    seed = plot_seed(GENESIS, MINER, 3, PLOT_K)
    return MadePlot(create_plot(root / "plots", root / "temp", seed, PLOT_K), seed)
