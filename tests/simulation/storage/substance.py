"""What a simulated storage network is made of: constants, files of cheap bytes, ideal plots.

A fragment is one row whose 4,096 elements are equal, so it is kept as one element of 31 bytes. Its
polynomial is a constant, its commitment one multiplication and every opening ``(y = c, infinity)``;
commitments, openings and the verifier's pairings are the real ones. Reed-Solomon works byte by
byte: elements are coded as whole fragments are. Only plots are ideal: a proof is a hash of the
plot's seed and the challenge, which nobody makes here who has not got the plot.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache, lru_cache

from chain_spec.genesis import GenesisConfig
from chain_spec.presets import dev
from pallets.audit import judging
from pallets.sminer import certification
from primitives.errors import ProofRejected
from primitives.hashing import blake2_256
from primitives.scale import U16, U32, U64
from primitives.types import BlockNumber, FragmentHash
from proofs.erasure.reed_solomon import ReedSolomon
from proofs.erasure.segments import fragment_hash
from proofs.pois.challenge import idle_draws, plot_seed
from tests.pallets.file_bank.storage_world import FRAGMENT, PLOT_K, row_of
from tests.simulation.ideal import patched

SLOT_MS = 6000
DATA, TOTAL = 4, 12


def genesis_config() -> GenesisConfig:
    """The development chain with slots of six seconds and times of some minutes."""
    config = dev().config()
    constants = replace(
        config.constants,
        slot_duration_ms=U64(SLOT_MS),
        epoch_slots=U64(50),
        one_day_blocks=BlockNumber(400),
        fragment_bytes=U64(FRAGMENT),
        segment_bytes=U64(DATA * FRAGMENT),
        deal_deadline_blocks=BlockNumber(30),
        restoral_order_blocks=BlockNumber(40),
        plot_k=type(config.constants.plot_k)(PLOT_K),
        plot_draws=U16(16),
        cert_draws=U16(16),
        challenge_period_blocks=BlockNumber(16),
        service_deadline_blocks=BlockNumber(24),
        idle_deadline_blocks=BlockNumber(30),
        faults_max=U32(3),
        exit_lock_blocks=BlockNumber(4),
    )
    return replace(config, constants=constants)


@lru_cache(maxsize=4096)
def hash_of(element: bytes) -> FragmentHash:
    """The hash of the fragment that an element stands for."""
    return FragmentHash(fragment_hash(row_of(element)))


@cache
def code() -> ReedSolomon:
    """The code of every segment."""
    return ReedSolomon()


def rebuilt(found: dict[int, bytes], index: int) -> bytes:
    """A fragment of a segment from four others."""
    return bytes(code().reconstruct(found, [index])[index])


def idle_proof(seed: bytes, challenge: bytes) -> bytes:
    """The ideal proof of the plot with this seed."""
    return bytes(blake2_256(b"ideal plot" + seed + challenge))


def answers_of(
    plots: set[int], ids: tuple[bytes, bytes, int], seed: bytes, span: tuple[int, int], draws: int
) -> tuple[tuple[int, bytes], ...]:
    """What a miner with ``plots`` answers; ``ids`` are genesis, account and k."""
    genesis, miner, k = ids
    return tuple(
        (draw.t, idle_proof(plot_seed(genesis, miner, draw.index, k), draw.challenge))
        for draw in idle_draws(seed, *span, draws)
        if draw.index in plots
    )


def _verify_answers(
    genesis: bytes,
    miner: bytes,
    k: int,
    seed: bytes,
    front: int,
    rear: int,
    draws: int,
    answers: Sequence[tuple[int, bytes]],
) -> int:
    asked = idle_draws(seed, front, rear, draws)
    if len({t for t, _ in answers}) < len(answers):
        raise ProofRejected("a draw is answered twice")
    for t, proof in answers:
        if not 0 <= t < len(asked):
            raise ProofRejected("the draw was not asked")
        if idle_proof(plot_seed(genesis, miner, asked[t].index, k), asked[t].challenge) != proof:
            raise ProofRejected("the answer is no proof")
    return len(answers)


def ideal_plots() -> AbstractContextManager[None]:
    """The chain judges ideal proofs of plots."""
    return patched(
        [
            (judging, "verify_answers", _verify_answers),
            (certification, "verify_answers", _verify_answers),
        ]
    )
