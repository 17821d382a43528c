from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset

from primitives.era import FOREVER, IMMORTAL, PERIOD_MAX, Era
from primitives.errors import DecodeError
from primitives.scale import decode, encode

ERAS = st.builds(Era.mortal, st.integers(1, 100_000), st.integers(0, 2**32 - 1)) | st.just(IMMORTAL)


@cache
def oracle_types() -> RuntimeConfigurationObject:
    config = RuntimeConfigurationObject()
    config.update_type_registry(load_type_registry_preset("legacy"))
    return config


def oracle(data: bytes) -> object:
    return oracle_types().create_scale_object("Era", ScaleBytes(data)).decode()


@pytest.mark.parametrize(
    ("data", "era"),
    [
        (b"\0", IMMORTAL),
        # Vectors of sp_runtime::generic::era.
        (bytes([5 + 42 % 16 * 16, 42 // 16]), Era(64, 42)),
        (bytes([14 + 2500 % 16 * 16, 2500 // 16]), Era(32768, 20000)),
    ],
)
def test_eras_are_substrates_bytes(data: bytes, era: Era) -> None:
    assert decode(Era, data) == era
    assert encode(Era, era) == data


@settings(deadline=None)  # the oracle is slow
@given(ERAS)
def test_eras_come_back(era: Era) -> None:
    data = encode(Era, era)
    assert decode(Era, data) == era
    assert oracle(data) == ("00" if era.is_immortal else (era.period, era.phase))


@given(st.binary(min_size=1, max_size=2))
def test_bytes_are_the_one_encoding_of_an_era_or_refused(data: bytes) -> None:
    try:
        era = decode(Era, data)
    except DecodeError:
        return
    assert encode(Era, era) == data


@pytest.mark.parametrize(
    "data",
    [b"", b"\x05", b"\0\0", b"\x10\0", b"\x01\x04", b"\x41\x00"],
    ids=["nothing", "half", "more", "period 2", "phase 64 of 4", "phase 4 of 4"],
)
def test_malformed_eras_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(Era, data)


@given(period=st.integers(4, PERIOD_MAX), current=st.integers(0, 2**32 - 1))
def test_a_new_era_is_alive_at_its_making_and_lasts(period: int, current: int) -> None:
    era = Era.mortal(period, current)
    assert era.birth(current) <= current < era.death(current)
    assert period <= era.period < 2 * period
    # Every block of the era sees the same birth.
    assert era.birth(era.death(current) - 1) == era.birth(current)
    assert era.birth(era.death(current)) == era.death(current)


def test_an_immortal_era_has_no_end() -> None:
    assert Era.immortal().birth(1000) == 0
    assert Era.immortal().death(1000) == FOREVER


def test_blocks_before_the_phase_are_born_at_the_phase() -> None:
    assert Era(64, 42).birth(1) == 42


@pytest.mark.parametrize(
    ("period", "phase"), [(2, 0), (3, 0), (131072, 0), (64, 64), (64, -1), (32768, 1), (0, 1)]
)
def test_an_era_that_has_no_bytes_cannot_be_made(period: int, phase: int) -> None:
    with pytest.raises(ValueError, match=r"period|phase"):
        Era(period, phase)
