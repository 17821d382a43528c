"""The wire form of where repatriated money lies."""

from pallets.balances import BalanceStatus
from primitives.scale import encode


def test_free_is_0_and_reserved_is_1():
    assert encode(BalanceStatus, BalanceStatus.Free) == b"\x00"
    assert encode(BalanceStatus, BalanceStatus.Reserved) == b"\x01"
