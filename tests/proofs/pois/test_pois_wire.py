"""Idle answers on the wire: their bounds, one below, at and above."""

import pytest

from primitives.errors import DecodeError
from primitives.scale import U16, decode, encode
from proofs.pois.params import PLOT_K_MAX, proof_bytes
from proofs.pois.wire import IDLE_ANSWERS_MAX, IdleAnswer, IdleAnswers, IdleProofBytes

ANSWER = IdleAnswer(t=U16(3), proof=IdleProofBytes(bytes(144)))


def test_a_proof_of_the_largest_plot_fits() -> None:
    assert len(IdleProofBytes(bytes(proof_bytes(PLOT_K_MAX)))) == 256


@pytest.mark.parametrize("length", [511, 512])
def test_proof_bytes_fit_up_to_the_limit(length: int) -> None:
    value = IdleProofBytes(bytes(length))
    assert decode(IdleProofBytes, encode(IdleProofBytes, value)) == value


def test_more_proof_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="512"):
        IdleProofBytes(bytes(513))


@pytest.mark.parametrize("count", [IDLE_ANSWERS_MAX - 1, IDLE_ANSWERS_MAX])
def test_answers_fit_up_to_the_limit(count: int) -> None:
    value = IdleAnswers([ANSWER] * count)
    assert decode(IdleAnswers, encode(IdleAnswers, value)) == value


def test_more_answers_do_not_decode() -> None:
    one = encode(IdleAnswer, ANSWER)
    count = (IDLE_ANSWERS_MAX + 1) << 2 | 1
    with pytest.raises(DecodeError):
        decode(IdleAnswers, count.to_bytes(2, "little") + one * (IDLE_ANSWERS_MAX + 1))
