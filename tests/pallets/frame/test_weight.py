"""Weights: sums, limits, wire form."""

from hypothesis import given
from hypothesis import strategies as st

from pallets.frame.weight import READ_REF_TIME, WRITE_REF_TIME, Weight, WeightV2
from primitives.scale import decode, encode

PARTS = st.integers(min_value=0, max_value=(1 << 64) - 1)


@given(PARTS, PARTS, PARTS, PARTS)
def test_sums_saturate_and_never_shrink(a: int, b: int, c: int, d: int) -> None:
    total = Weight(a, b) + Weight(c, d)
    assert total.ref_time == min(a + c, (1 << 64) - 1)
    assert Weight(a, b).fits(total)
    assert Weight(a, b).min(total) == Weight(a, b)


@given(PARTS, PARTS)
def test_the_wire_form_is_two_compact_numbers(a: int, b: int) -> None:
    weight = Weight(a, b)
    assert Weight.from_wire(decode(WeightV2, encode(WeightV2, weight.wire()))) == weight
    assert hash(Weight(a, b)) == hash(weight)


def test_reads_and_writes_have_a_price() -> None:
    weight = Weight(reads=2, writes=1)
    assert weight == Weight(2 * READ_REF_TIME + WRITE_REF_TIME, 3 * 1024)
    assert weight != "weight"
    assert repr(Weight(1, 2)) == "Weight(ref_time=1, proof_size=2)"


def test_both_parts_must_fit() -> None:
    assert not Weight(2, 0).fits(Weight(1, 9))
    assert not Weight(0, 2).fits(Weight(9, 1))
