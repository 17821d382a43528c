"""The wire forms of an account and of a runtime's name."""

from pallets.system import AccountInfo, LastRuntimeUpgradeInfo
from pallets.system.types import NO_ACCOUNT
from primitives.scale import U32, encode


def test_an_account_is_80_bytes():
    assert encode(AccountInfo, NO_ACCOUNT) == bytes(79) + b"\x80"


def test_a_version_is_compact():
    noted = LastRuntimeUpgradeInfo(spec_version=U32(100), spec_name="cess")
    assert encode(LastRuntimeUpgradeInfo, noted) == b"\x91\x01" + b"\x10cess"
