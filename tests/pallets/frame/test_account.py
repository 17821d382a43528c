"""The 64 bytes of an account that are money."""

from pallets.frame.account import NO_MONEY, AccountData
from primitives.scale import decode, encode
from primitives.types import Balance


def test_money_is_four_numbers_of_16_bytes():
    data = AccountData(
        free=Balance(1), reserved=Balance(2), frozen=Balance(3), flags=NO_MONEY.flags
    )
    raw = b"".join(part.to_bytes(16, "little") for part in (1, 2, 3, 1 << 127))
    assert encode(AccountData, data) == raw
    assert decode(AccountData, raw) == data


def test_no_money_is_marked_as_the_new_format():
    assert encode(AccountData, NO_MONEY) == bytes(63) + b"\x80"
