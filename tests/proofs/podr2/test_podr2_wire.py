"""Proofs are 80 bytes on the wire, and a co-signature serves one report only."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import DecodeError
from primitives.scale import decode, encode
from primitives.types import Bytes48
from proofs.podr2.wire import Opening, ScalarBytes, ServiceProof, cosign_message

POINT = b"\xc0" + bytes(47)


@given(st.binary(min_size=80, max_size=80))
def test_80_bytes_are_a_proof_and_an_opening(data: bytes) -> None:
    for kind in (ServiceProof, Opening):
        value = decode(kind, data)
        assert bytes(value.y) + bytes(value.proof) == data
        assert encode(kind, value) == data


@given(st.binary(max_size=200).filter(lambda data: len(data) != 80))
def test_other_lengths_are_refused(data: bytes) -> None:
    for kind in (ServiceProof, Opening):
        with pytest.raises(DecodeError):
            decode(kind, data)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_field_element_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError):
        ScalarBytes(bytes(size))


def test_every_part_of_a_report_changes_the_message() -> None:
    a, b = bytes(32), b"\1" * 32
    messages = [
        cosign_message(*parts)
        for parts in itertools.product(
            (a, b), (a, b), (0, 1), (0, 1), (a, b), (a, b), ([POINT], [POINT, POINT], [])
        )
    ]
    assert len(set(messages)) == 2**6 * 3
    assert {len(message) for message in messages} == {32}


@pytest.mark.parametrize("place", [(2**32, 0), (-1, 0), (0, 256), (0, -1)])
def test_a_place_outside_its_field_is_refused(place: tuple[int, int]) -> None:
    with pytest.raises(OverflowError):
        cosign_message(bytes(32), bytes(32), *place, bytes(32), bytes(32), [Bytes48(POINT)])
