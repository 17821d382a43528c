"""The wire forms of fees."""

from pallets.transaction_payment import FeeDetails, FixedU128, InclusionFee
from pallets.transaction_payment.types import Releases
from primitives.scale import encode
from primitives.types import Balance


def test_a_fixed_point_number_is_16_bytes():
    assert encode(FixedU128, FixedU128(10**18)) == (10**18).to_bytes(16, "little")


def test_fee_details_are_an_option_and_a_tip():
    free = FeeDetails(inclusion_fee=None, tip=Balance(3))
    assert encode(FeeDetails, free) == b"\x00" + (3).to_bytes(16, "little")
    parts = InclusionFee(base_fee=Balance(1), len_fee=Balance(2), adjusted_weight_fee=Balance(3))
    paid = FeeDetails(inclusion_fee=parts, tip=Balance(4))
    amounts = b"".join(amount.to_bytes(16, "little") for amount in (1, 2, 3, 4))
    assert encode(FeeDetails, paid) == b"\x01" + amounts


def test_the_current_format_is_v2():
    assert encode(Releases, Releases.V2) == b"\x01"
