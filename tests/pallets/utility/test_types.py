"""Origins as arguments, byte for byte as in Substrate."""

from pallets.frame import Origin
from pallets.utility import OriginCaller
from pallets.utility.types import NoneOrigin, RootOrigin, SignedOrigin, SystemOrigin, origin_of
from primitives.scale import decode, encode
from tests.pallets.small_chains import ALICE


def test_each_origin_has_its_bytes_and_its_meaning():
    for raw, data, meaning in (
        (RootOrigin(), b"\x00\x00", Origin.root()),
        (SignedOrigin(ALICE), b"\x00\x01" + ALICE, Origin.signed(ALICE)),
        (NoneOrigin(), b"\x00\x02", Origin.none()),
    ):
        caller = SystemOrigin(raw)
        assert encode(OriginCaller, caller) == data
        assert decode(OriginCaller, data) == caller
        assert origin_of(caller) == meaning
