"""Verifying idle answers, and the space that their number stands for; all in integers.

Not every draw has a proof: an honest plot answers a share 1 - e^(-λ) of them. A round therefore
counts the right answers and estimates the plots behind them. One wrong or repeated answer refuses
the whole submission: an honest miner never has one.
Cost: about 0.1 ms an answer. Imports `chiapos` on first use.
"""

from collections.abc import Sequence

from primitives.errors import ProofRejected

from .challenge import idle_draws, plot_seed
from .params import RATE_BITS, answer_rate, plot_bytes, proof_bytes

FRACTION_BITS = 64
# (3/4)^160 < 2^-64: later terms of the series are below the last bit.
SERIES_TERMS = 160


def verify_answers(
    genesis: bytes,
    miner: bytes,
    k: int,
    seed: bytes,
    front: int,
    rear: int,
    draws: int,
    answers: Sequence[tuple[int, bytes]],
) -> int:
    """How many draws are answered; `answers` are (t, proof) in any order, at most one for a draw.

    Raises: ProofRejected, naming the draw, for a repeated, unknown, malformed or wrong answer.
    """
    asked = idle_draws(seed, front, rear, draws)
    if len(answers) > len(asked):
        raise ProofRejected(f"{len(answers)} answers came for {len(asked)} draws")
    answered = bytearray(len(asked))
    for t, proof in answers:
        if not 0 <= t < len(asked):
            raise ProofRejected(f"draw {t} was not asked; there are {len(asked)}")
        if answered[t]:
            raise ProofRejected(f"draw {t} is answered twice")
        answered[t] = 1
        draw = asked[t]
        if not proof_is_valid(plot_seed(genesis, miner, draw.index, k), k, draw.challenge, proof):
            raise ProofRejected(f"the answer to draw {t} is no proof of plot {draw.index}")
    return len(answers)


def proof_is_valid(seed: bytes, k: int, challenge: bytes, proof: bytes) -> bool:
    """Whether `proof` answers `challenge` for the plot of this seed and k."""
    from chiapos import Verifier

    # The library reads fixed lengths behind its pointers, whatever it was given.
    if len(seed) != 32 or len(challenge) != 32 or len(proof) != proof_bytes(k):
        return False
    return Verifier().validate_proof(seed, k, challenge, bytes(proof)) is not None


def estimate_bytes(accepted: int, draws: int, files: int, k: int) -> int:
    """The idle space that `accepted` answers to `draws` challenges over `files` plots stand for.

    files · plot_bytes(k) · min(1, -ln(1 - accepted/draws) / λ), rounded down.
    Raises: ValueError for counts that no round has.
    """
    if draws < 0 or not 0 <= accepted <= draws or files < 0:
        raise ValueError(f"{accepted} of {draws} answers over {files} plots is no round")
    claimed = files * plot_bytes(k)
    if accepted == 0:
        return 0
    # Above three quarters the logarithm exceeds every rate, so the share is full.
    if 4 * accepted > 3 * draws:
        return claimed
    share = neg_log_one_minus(accepted, draws) << RATE_BITS
    whole = answer_rate(k) << FRACTION_BITS
    return claimed if share >= whole else claimed * share // whole


def neg_log_one_minus(part: int, whole: int) -> int:
    """-ln(1 - part/whole) in units of 2^-64, for 0 ≤ part/whole ≤ 3/4.

    The series Σ x^n/n, each term rounded down: too small by less than 2^-55.
    """
    assert 0 <= 4 * part <= 3 * whole, "the series is cut for arguments up to three quarters"
    x = (part << FRACTION_BITS) // whole
    power, total = x, 0
    for n in range(1, SERIES_TERMS + 1):
        total += power // n
        power = power * x >> FRACTION_BITS
    return total
