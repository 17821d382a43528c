"""A storage chain for every test; one real plot and one real file for all of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from pallets.file_bank import FragmentHashes, RowCommitments, SegmentList
from proofs.erasure.reed_solomon import ReedSolomon
from proofs.erasure.segments import fragment_hash, segment_hash
from proofs.podr2 import challenge
from proofs.podr2.commit import commit_fragment
from proofs.podr2.prove import prove
from proofs.podr2.wire import ServiceProof
from proofs.pois.plot import PlotFile
from tests.pallets.file_bank.storage_world import (
    ALICE,
    FRAGMENT,
    MadeFile,
    World,
    described_file,
    made_plot,
)


@dataclass(frozen=True)
class RandomFile:
    """A file of one segment of random bytes, with the bytes of its fragments."""

    made: MadeFile
    fragments: tuple[bytes, ...]
    points: tuple[RowCommitments, ...]

    def prove(self, world: World, who) -> ServiceProof:
        """The honest proof of a miner that holds one fragment of it and nothing else."""
        info = world.audit.challenge_snap_shot[who]
        position = next(p for p in range(12) if world.holder(self.made, 0, p) == who)
        weights = challenge.coefficients(info.seed, 1)
        return prove([self.fragments[position]], weights, challenge.evaluation_point(info.seed))

    def store(self, world: World) -> None:
        world.declare(ALICE, self.made)
        world.go()
        for position in range(12):
            who = world.holder(self.made, 0, position)
            report = world.report_of(
                ALICE, self.made, 0, position, commitments=self.points[position]
            )
            world.send(who, self.made, report)


@pytest.fixture(scope="session")
def random_file() -> RandomFile:
    """Real bytes, committed to by ``ckzg`` (a second of CPU, and three for the setup)."""
    segment = np.random.default_rng(7).bytes(4 * FRAGMENT)
    fragments = tuple(ReedSolomon().encode_segment(segment))
    hashes = FragmentHashes(fragment_hash(data) for data in fragments)
    made = described_file(
        [SegmentList(hash=segment_hash(segment), fragment_list=hashes)], 4 * FRAGMENT, {}
    )
    points = tuple(RowCommitments(commit_fragment(data)) for data in fragments)
    return RandomFile(made, fragments, points)


@pytest.fixture
def world() -> World:
    """Fourteen miners with plots, three owners with a lease each."""
    return World()


@pytest.fixture(scope="session")
def plot(tmp_path_factory: pytest.TempPathFactory) -> PlotFile:
    """The first plot of the first miner."""
    return made_plot(tmp_path_factory.getbasetemp())
