"""What is packed is unpacked again, here as the shim does it."""

from hypothesis import given
from hypothesis import strategies as st

from node.runtime.packing import MATCH_MIN, pack


def unpack(data: bytes) -> bytes:
    at, out = 0, bytearray()

    def number() -> int:
        nonlocal at
        value = shift = 0
        while data[at] & 0x80:
            value |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
        at += 1
        return value | data[at - 1] << shift

    while True:
        count = number()
        out += data[at : at + count]
        at += count
        if at == len(data):
            return bytes(out)
        length = number() + MATCH_MIN
        back = number()
        for _ in range(length):
            out.append(out[-back])


@given(st.lists(st.sampled_from([b"a", b"bc", b"abcabcd", b"\0" * 40, b"x" * 33])).map(b"".join))
def test_what_repeats_comes_back(data: bytes) -> None:
    assert unpack(pack(data)) == data


@given(st.binary(max_size=300))
def test_any_bytes_come_back(data: bytes) -> None:
    assert unpack(pack(data)) == data


def test_repetition_is_made_small() -> None:
    assert len(pack(bytes(100_000))) < 20
    assert len(pack(b"the same words " * 1000)) < 40
