"""What several tests of the miner share: one committed fragment and one real plot."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from primitives.types import Bytes48, FragmentHash
from proofs.podr2.commit import commit_fragment
from proofs.pois.challenge import plot_seed
from proofs.pois.plot import create_plot
from tests.storage_miner.kit import ACCOUNT, FACTS, FRAGMENT_BYTES, PLOT_K


@dataclass(frozen=True)
class MadeFragment:
    """A fragment of one row, with its commitments."""

    data: bytes
    hash: FragmentHash
    commitments: tuple[Bytes48, ...]


def make_fragment(seed: int) -> MadeFragment:
    data = np.random.default_rng(seed).bytes(FRAGMENT_BYTES)
    return MadeFragment(data, FragmentHash(hashlib.sha256(data).digest()), commit_fragment(data))


@pytest.fixture(scope="session")
def fragments() -> tuple[MadeFragment, ...]:
    """Three different fragments."""
    return tuple(make_fragment(seed) for seed in range(3))


@pytest.fixture(scope="session")
def plot_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with plot 0 of ACCOUNT: two seconds, once."""
    root = tmp_path_factory.mktemp("plots")
    seed = plot_seed(FACTS.genesis, ACCOUNT, 0, PLOT_K)
    create_plot(root / "plots", root / "temporary", seed, PLOT_K)
    return root / "plots"
