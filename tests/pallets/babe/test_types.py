"""What light clients decode of BABE's runtime API."""

import pytest

from pallets.babe import BabeConfiguration, BabeEpochConfiguration, Epoch
from pallets.babe.types import SEGMENT_OUTPUTS_MAX, OutputSegment
from primitives.digest import AllowedSlots, AuthorityKey, Randomness
from primitives.scale import U64, encode

KEY, SEED = AuthorityKey(b"k" * 32), Randomness(b"r" * 32)
C = (U64(1), U64(4))
VRF = AllowedSlots.PrimaryAndSecondaryVRFSlots


def u64(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in numbers)


def test_a_configuration_has_substrates_bytes():
    made = BabeConfiguration(
        slot_duration=U64(6000),
        epoch_length=U64(600),
        c=C,
        authorities=((KEY, U64(1)),),
        randomness=SEED,
        allowed_slots=VRF,
    )
    expected = u64(6000, 600, 1, 4) + b"\x04" + KEY + u64(1) + SEED + b"\x02"
    assert encode(BabeConfiguration, made) == expected


def test_an_epoch_has_substrates_bytes():
    made = Epoch(
        epoch_index=U64(3),
        start_slot=U64(50),
        duration=U64(600),
        authorities=((KEY, U64(1)),),
        randomness=SEED,
        config=BabeEpochConfiguration(c=C, allowed_slots=VRF),
    )
    expected = u64(3, 50, 600) + b"\x04" + KEY + u64(1) + SEED + u64(1, 4) + b"\x02"
    assert encode(Epoch, made) == expected


def test_a_segment_holds_as_many_outputs_as_the_limit():
    assert len(OutputSegment((SEED,) * SEGMENT_OUTPUTS_MAX)) == SEGMENT_OUTPUTS_MAX
    with pytest.raises(ValueError, match="at most"):
        OutputSegment((SEED,) * (SEGMENT_OUTPUTS_MAX + 1))
