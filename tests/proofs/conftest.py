"""Real things made once per session: committed fragments and one plot."""

import numpy as np
import pytest

from proofs.podr2.commit import commit_fragment
from proofs.podr2.params import ROW_BYTES
from proofs.pois.challenge import plot_seed
from proofs.pois.plot import create_plot, plot_name
from tests.proofs.kit import GENESIS, MINER, OTHER, PLOT_K, Holdings, MadePlot


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


@pytest.fixture(scope="session")
def made_plot(tmp_path_factory: pytest.TempPathFactory) -> MadePlot:
    """Plot 3 of MINER at k = 18: two seconds, once."""
    root = tmp_path_factory.mktemp("plots")
    seed = plot_seed(GENESIS, MINER, 3, PLOT_K)
    return MadePlot(create_plot(root / "plots", root / "temp", seed, PLOT_K), seed)


@pytest.fixture(scope="session")
def other_plot(tmp_path_factory: pytest.TempPathFactory) -> MadePlot:
    """Plot 3 of OTHER, made where a torn plot and an interrupted attempt lie."""
    root = tmp_path_factory.mktemp("other")
    seed = plot_seed(GENESIS, OTHER, 3, PLOT_K)
    name = plot_name(seed, PLOT_K)
    (root / "plots").mkdir()
    (root / "plots" / name).write_bytes(b"torn")
    (root / "temp" / f"{name}.making").mkdir(parents=True)
    (root / "temp" / f"{name}.making" / "leftover.tmp").write_bytes(bytes(100))
    return MadePlot(create_plot(root / "plots", root / "temp", seed, PLOT_K), seed)
