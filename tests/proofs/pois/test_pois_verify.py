"""Right answers are counted, any wrong one refuses all, and the estimate is exact to the byte."""

import hashlib
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from primitives.errors import ProofRejected
from proofs.pois import verify as verify_module
from proofs.pois.challenge import IdleDraw, idle_draws
from proofs.pois.params import answer_rate, plot_bytes, proof_bytes
from proofs.pois.plot import PlotFile
from proofs.pois.verify import (
    FRACTION_BITS,
    estimate_bytes,
    neg_log_one_minus,
    proof_is_valid,
    verify_answers,
)
from tests.proofs.kit import GENESIS, MINER, OTHER, PLOT_K, MadePlot

SEED = hashlib.sha256(b"round").digest()
DRAWS = 64
Answers = list[tuple[int, bytes]]


@pytest.fixture(scope="module")
def answers(made_plot: MadePlot) -> Answers:
    """What the miner of one plot answers to a round."""
    plot = PlotFile(made_plot.path)
    asked = idle_draws(SEED, made_plot.index, made_plot.index + 1, DRAWS)
    found = [(draw.t, plot.prove(draw.challenge)) for draw in asked]
    return [(t, proof) for t, proof in found if proof is not None]


def count(
    answers: Answers, *, genesis: bytes = GENESIS, miner: bytes = MINER, seed: bytes = SEED,
    front: int = 3, rear: int = 4, draws: int = DRAWS, k: int = PLOT_K,
) -> int:  # fmt: skip
    return verify_answers(genesis, miner, k, seed, front, rear, draws, answers)


def test_an_honest_miner_s_answers_are_counted(answers: Answers) -> None:
    """λ = 0.95 answers 61 % of the draws: 39 of 64, within four standard deviations (16)."""
    assert count(answers) == len(answers)
    assert 23 < len(answers) < 55
    assert count([]) == 0


def test_the_order_does_not_matter_and_some_may_be_missing(answers: Answers) -> None:
    assert count(answers[::-1]) == len(answers)
    assert count(answers[3:10]) == 7


@pytest.mark.parametrize(
    "change",
    [
        {"genesis": bytes(32)},
        {"miner": OTHER},
        {"seed": bytes(32)},
        {"front": 2, "rear": 3},
        {"front": 4, "rear": 5},
        {"k": 19},
    ],
    ids=["chain", "miner", "round", "plot before", "plot after", "k"],
)
def test_answers_of_elsewhere_are_refused(answers: Answers, change: dict[str, int]) -> None:
    with pytest.raises(ProofRejected, match="is no proof of plot"):
        count(answers, **change)  # type: ignore[arg-type]


def test_another_miner_s_plot_answers_nothing(other_plot: MadePlot) -> None:
    """The other miner's plot 3 is asked with this miner's challenges."""
    plot = PlotFile(other_plot.path)
    asked = idle_draws(SEED, 3, 4, DRAWS)
    borrowed = [
        (draw.t, proof) for draw in asked if (proof := plot.prove(draw.challenge)) is not None
    ]
    assert len(borrowed) > 20
    assert count(borrowed, miner=OTHER) == len(borrowed)
    with pytest.raises(ProofRejected, match="is no proof of plot 3"):
        count(borrowed)


def test_a_repeated_answer_is_refused(answers: Answers) -> None:
    with pytest.raises(ProofRejected, match=f"draw {answers[0][0]} is answered twice"):
        count([*answers, answers[0]])


@pytest.mark.parametrize("t", [-1, DRAWS, 2**32])
def test_an_unasked_draw_is_refused(answers: Answers, t: int) -> None:
    with pytest.raises(ProofRejected, match="was not asked"):
        count([(t, answers[0][1])])


def test_an_answer_to_another_draw_is_refused(answers: Answers) -> None:
    (first, proof), (second, other) = answers[:2]
    with pytest.raises(ProofRejected, match=f"draw {first} is no proof"):
        count([(first, other), (second, proof)])


def test_more_answers_than_draws_are_refused_before_any_is_verified(answers: Answers) -> None:
    with pytest.raises(ProofRejected, match="65 answers came for 64 draws"):
        count([(0, b"")] * (DRAWS + 1))
    with pytest.raises(ProofRejected, match="1 answers came for 0 draws"):
        count(answers[:1], front=3, rear=3)


def test_every_changed_byte_of_an_answer_is_refused(answers: Answers) -> None:
    (t, proof), *rest = answers
    for place in range(len(proof)):
        changed = bytearray(proof)
        changed[place] ^= 1 << place % 8
        with pytest.raises(ProofRejected, match=f"draw {t} "):
            count([(t, bytes(changed)), *rest])


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: b"",
        lambda proof: proof[:-1],
        lambda proof: proof + b"\0",
        lambda proof: proof * 2,
        lambda proof: bytes(len(proof)),
        lambda proof: proof[::-1],
        lambda proof: b"\xff" * len(proof),
    ],
    ids=["empty", "short", "long", "double", "zeros", "reversed", "ones"],
)
def test_malformed_answers_are_refused(answers: Answers, change: Callable[[bytes], bytes]) -> None:
    t, proof = answers[0]
    with pytest.raises(ProofRejected, match=f"draw {t} "):
        count([(t, change(proof))])


@settings(max_examples=50)
@given(st.binary(max_size=300), st.sampled_from([18, 25, 32]))
def test_random_bytes_are_no_proof(data: bytes, k: int) -> None:
    assert not proof_is_valid(SEED, k, SEED, data)
    assert not proof_is_valid(SEED, k, SEED, data.ljust(8 * k, b"\5")[: 8 * k])


@pytest.mark.parametrize(("seed_size", "challenge_size"), [(31, 32), (33, 32), (32, 31), (32, 0)])
def test_the_library_never_sees_other_lengths(seed_size: int, challenge_size: int) -> None:
    proof = bytes(proof_bytes(18))
    assert not proof_is_valid(bytes(seed_size), 18, bytes(challenge_size), proof)


def test_a_valid_proof_is_valid_in_any_buffer(made_plot: MadePlot, answers: Answers) -> None:
    t, proof = answers[0]
    draws: tuple[IdleDraw, ...] = idle_draws(SEED, 3, 4, DRAWS)
    assert proof_is_valid(made_plot.seed, PLOT_K, draws[t].challenge, proof)
    assert proof_is_valid(made_plot.seed, PLOT_K, draws[t].challenge, bytearray(proof))
    assert not proof_is_valid(made_plot.seed, PLOT_K + 1, draws[t].challenge, proof)


# The estimate, beside the formula in 60 decimal digits.


def exact_log(part: int, whole: int) -> Decimal:
    return -(1 - Decimal(part) / Decimal(whole)).ln()


@settings(max_examples=300)
@given(st.integers(1, 2**20).flatmap(lambda n: st.tuples(st.integers(0, 3 * n // 4), st.just(n))))
@example((3, 4))
@example((192, 256))
@example((1, 2**20))
def test_the_logarithm_is_too_small_by_less_than_2_to_the_minus_55(pair: tuple[int, int]) -> None:
    part, whole = pair
    with localcontext(prec=60):
        exact = exact_log(part, whole)
        got = Decimal(neg_log_one_minus(part, whole)) / (1 << FRACTION_BITS)
        assert 0 <= exact - got < Decimal(2) ** -55


def test_the_series_is_not_used_beyond_its_bound() -> None:
    with pytest.raises(AssertionError, match="three quarters"):
        neg_log_one_minus(193, 256)


@settings(max_examples=300)
@given(
    draws=st.integers(1, 1024),
    share=st.fractions(0, 1),
    files=st.integers(0, 2**32),
    k=st.integers(18, 32),
)
def test_the_estimate_is_the_formula_of_the_document(
    draws: int, share: Fraction, files: int, k: int
) -> None:
    accepted = share.numerator * draws // share.denominator
    claimed = files * plot_bytes(k)
    got = estimate_bytes(accepted, draws, files, k)
    with localcontext(prec=60):
        rate = Decimal(answer_rate(k)) / (1 << 20)
        full = accepted == draws or exact_log(accepted, draws) >= rate
        exact = Decimal(claimed) if full else claimed * exact_log(accepted, draws) / rate
        # Rounding down costs a byte, the series a share of 2^-55 / 0.95.
        assert 0 <= exact - got < 1 + Decimal(claimed) * Decimal(2) ** -54
    assert got <= claimed


@pytest.mark.parametrize("k", [18, 19, 20, 32])
def test_more_answers_never_stand_for_less(k: int) -> None:
    estimates = [estimate_bytes(accepted, 256, 1000, k) for accepted in range(257)]
    assert estimates == sorted(estimates)
    assert estimates[0] == 0
    assert estimates[-1] == 1000 * plot_bytes(k)
    # The share at which a full set of plots answers: 1 - e^-λ, 61 % to 63 %.
    reached = next(n for n, size in enumerate(estimates) if size == estimates[-1])
    assert 157 <= reached <= 162


def test_half_of_the_plots_earn_about_half() -> None:
    """Only every second draw meets a plot that is there: 1 - e^-λ of them, halved, is 31.7 %."""
    estimate = estimate_bytes(81, 256, 100, 20)
    assert 36 * plot_bytes(20) < estimate < 40 * plot_bytes(20)


@pytest.mark.parametrize(
    ("accepted", "draws", "files"), [(-1, 5, 1), (6, 5, 1), (0, -1, 1), (1, 5, -1)]
)
def test_counts_that_no_round_has_are_refused(accepted: int, draws: int, files: int) -> None:
    with pytest.raises(ValueError, match="is no round"):
        estimate_bytes(accepted, draws, files, 18)


def test_nothing_asked_stands_for_nothing() -> None:
    assert estimate_bytes(0, 0, 100, 18) == 0
    assert estimate_bytes(5, 64, 0, 18) == 0


def test_the_verifier_needs_no_plot_to_be_imported() -> None:
    assert not hasattr(verify_module, "PlotFile")
