"""Twins of defences that are broken on purpose: an attack that fails must succeed against them.

Each context manager takes one check away for as long as it is entered. A test that mounts an attack
against the real code and against the twin shows that it would notice if the check were gone.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from unittest.mock import patch

from py_arkworks_bls12381 import G1Point

from pallets.audit import Audit
from pallets.file_bank import restoring
from primitives.extrinsic import Sr25519Signature
from proofs.podr2 import challenge, commit, points, verify
from proofs.podr2.params import SCALAR_MODULUS
from proofs.podr2.wire import Opening
from proofs.pois import verify as pois_verify

Twin = Callable[[], AbstractContextManager[object]]

REAL_SEED = challenge.round_seed


def seed_without(*names: str) -> Twin:
    """Round seeds that are not bound to some of what they are to be bound to."""
    nothing = {
        "genesis": bytes(32),
        "block_number": 0,
        "randomness": bytes(32),
        "miner": bytes(32),
        "round": 0,
    }

    def seed(*values: object) -> bytes:
        given = dict(zip(nothing, values, strict=True))
        return REAL_SEED(**{**given, **{name: nothing[name] for name in names}})

    return lambda: patch.object(challenge, "round_seed", seed)


def predictable_rows() -> AbstractContextManager[object]:
    """The sample is the first rows, whatever the seed."""

    def first(_seed: bytes, population: int, count: int) -> tuple[int, ...]:
        return tuple(range(min(count, population)))

    return patch.object(challenge, "sample_positions", first)


def equal_coefficients() -> AbstractContextManager[object]:
    """Rows are added up and not weighed at random."""
    return patch.object(challenge, "coefficients", lambda _seed, count: (1,) * count)


def one_point() -> AbstractContextManager[object]:
    """Every round opens at the same z."""
    return patch.object(challenge, "evaluation_point", lambda _seed: 12345)


@contextmanager
def unchecked_points() -> Iterator[None]:
    """Points are looked at for the curve only, and infinity has many encodings."""

    def decode(data: bytes) -> G1Point:
        return G1Point.from_compressed_bytes_unchecked(bytes(data))

    with patch.object(points, "decode_commitment", decode), patch.object(verify, "_decode", decode):
        yield


def reduced_scalars() -> AbstractContextManager[object]:
    """A value of the field has every encoding that reduces to it."""
    return patch.object(
        verify, "_scalar", lambda data: int.from_bytes(data, "big") % SCALAR_MODULUS
    )


def no_verification() -> AbstractContextManager[object]:
    """A proof is taken for right, as where the challenged miner brings its own verdict."""
    return patch("pallets.audit.judging.verify_points", lambda *_: None)


def no_co_signature() -> AbstractContextManager[object]:
    """Reports are taken without the owner's word."""
    return patch.object(Sr25519Signature, "verify", lambda *_: True)


def trusting_sender(opening: Opening) -> AbstractContextManager[object]:
    """A sender that does not evaluate its own bytes and believes the value that it is sent."""
    value = int.from_bytes(opening.y, "big")
    return patch.object(commit, "evaluate", lambda *_: value)


def anybody_restores() -> AbstractContextManager[object]:
    """A holder may take over further fragments of its segment."""
    return patch.object(restoring, "ensure_stranger", lambda *_: None)


def plots_without_owner(owner: bytes) -> AbstractContextManager[object]:
    """The seed of a plot does not contain the miner."""
    real = pois_verify.plot_seed
    return patch.object(
        pois_verify,
        "plot_seed",
        lambda genesis, _miner, index, k: real(genesis, owner, index, k),
    )


def plots_without_index() -> AbstractContextManager[object]:
    """The seed of a plot does not contain its index: one plot stands for all."""
    real = pois_verify.plot_seed
    return patch.object(
        pois_verify, "plot_seed", lambda genesis, miner, _index, k: real(genesis, miner, 0, k)
    )


def generous_estimate() -> AbstractContextManager[object]:
    """One right answer counts for everything that was claimed."""
    real = pois_verify.estimate_bytes

    def all_or_nothing(accepted: int, draws: int, files: int, k: int) -> int:
        return real(draws if accepted else 0, draws, files, k)

    return patch("pallets.audit.judging.estimate_bytes", all_or_nothing)


def no_deadline() -> AbstractContextManager[object]:
    """Nobody looks for answers that are missing."""
    return patch.object(Audit, "_close_overdue", lambda *_: 0)


@contextmanager
def clock_of_the_round() -> Iterator[None]:
    """Answers are compared with the block in which the round began, so none is late."""

    def start(audit: Audit) -> object:
        rounds = audit.challenge_snap_shot.keys(limit=1)
        return audit.challenge_snap_shot[rounds[0]].start if rounds else audit.context.number()

    with ExitStack() as stack:
        stack.enter_context(no_deadline())
        stack.enter_context(patch.object(Audit, "now", start))
        yield
