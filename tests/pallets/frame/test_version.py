"""The record of a runtime's version."""

from pallets.frame.version import ApiId, RuntimeVersion
from primitives.scale import U8, U32, decode, encode


def test_a_version_has_substrates_encoding() -> None:
    version = RuntimeVersion(
        spec_name="a",
        impl_name="b",
        authoring_version=U32(1),
        spec_version=U32(2),
        impl_version=U32(3),
        apis=((ApiId(bytes(8)), U32(4)),),
        transaction_version=U32(5),
        system_version=U8(1),
    )
    raw = encode(RuntimeVersion, version)
    words = [raw[at : at + 4].hex() for at in (4, 8, 12)]
    assert raw[:4].hex() == "04610462"
    assert words == ["01000000", "02000000", "03000000"]
    assert raw[16:].hex() == "04" + "00" * 8 + "04000000" + "05000000" + "01"
    assert decode(RuntimeVersion, raw) == version
