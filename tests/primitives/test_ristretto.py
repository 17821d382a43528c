"""The group against the RFC, another implementation, and its own slow twin."""

import hashlib
import json
from pathlib import Path

import pytest

from primitives.crypto.ristretto import (
    BASE,
    IDENTITY,
    ORDER,
    decode_point,
    decode_scalar,
    encode_scalar,
    multiply,
    multiply_base,
    multiply_slowly,
    point_from_hash,
    scalar_from_hash,
)
from primitives.errors import DecodeError

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "vrf" / "ristretto255.json").read_text()
)


def scalar(mark: int) -> int:
    return scalar_from_hash(hashlib.sha512(mark.to_bytes(4, "big")).digest())


def test_multiples_of_the_base_are_those_of_the_rfc() -> None:
    total = IDENTITY
    for count, encoded in enumerate(VECTORS["generator_multiples"]):
        assert total.encode().hex() == encoded
        assert multiply_base(count).encode().hex() == encoded
        assert decode_point(bytes.fromhex(encoded)) == total
        total = total + BASE


@pytest.mark.parametrize("encoded", VECTORS["invalid"])
def test_what_is_not_the_encoding_of_a_point_is_refused(encoded: str) -> None:
    with pytest.raises(DecodeError):
        decode_point(bytes.fromhex(encoded))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_points_and_scalars_have_32_bytes(length: int) -> None:
    with pytest.raises(DecodeError):
        decode_point(bytes(length))
    with pytest.raises(DecodeError):
        decode_scalar(bytes(length))


def test_other_code_decodes_the_same() -> None:
    for encoded, is_valid in VECTORS["decodings"]:
        data = bytes.fromhex(encoded)
        if is_valid:
            assert decode_point(data).encode() == data
        else:
            with pytest.raises(DecodeError):
                decode_point(data)


def test_other_code_hashes_to_the_same_points() -> None:
    for uniform, encoded in VECTORS["hash_to_group"]:
        assert point_from_hash(bytes.fromhex(uniform)).encode().hex() == encoded


def test_other_code_multiplies_and_adds_to_the_same_points() -> None:
    for row in VECTORS["products"]:
        number, point, product, of_base, total = map(bytes.fromhex, row)
        k, p = decode_scalar(number), decode_point(point)
        assert multiply(k, p).encode() == product
        assert multiply_slowly(k, p).encode() == product
        assert multiply_base(k).encode() == of_base
        assert (p + multiply(k, p)).encode() == total


def test_the_fast_and_the_slow_product_are_equal() -> None:
    point = point_from_hash(hashlib.sha512(b"point").digest())
    small = [0, 1, 2, 3, 4, 8, ORDER - 1, ORDER, ORDER + 1, 2**252, 2**256 - 1]
    for k in small + [scalar(mark) for mark in range(12)]:
        fast = multiply(k, point)
        assert fast == multiply_slowly(k, point)
        assert fast.encode() == multiply_slowly(k, point).encode()
        assert multiply_base(k).encode() == multiply_slowly(k, BASE).encode()


def test_nothing_but_zero_gives_the_identity() -> None:
    assert multiply(0, BASE).is_identity()
    assert multiply(ORDER, BASE).is_identity()
    assert multiply_base(ORDER).is_identity()
    assert multiply(scalar(1), IDENTITY).is_identity()
    assert (multiply_base(ORDER - 1) + BASE).is_identity()
    assert IDENTITY.encode() == bytes(32)
    assert not BASE.is_identity()


def test_multiplication_is_linear() -> None:
    a, b = scalar(1), scalar(2)
    point = point_from_hash(hashlib.sha512(b"point").digest())
    assert multiply(a + b, point) == multiply(a, point) + multiply(b, point)
    assert multiply(a, multiply(b, point)) == multiply(a * b, point)
    assert point + point == point.doubled()


def test_equal_elements_have_one_encoding_whatever_represents_them() -> None:
    point = point_from_hash(hashlib.sha512(b"point").digest())
    other = (point + BASE) + multiply_base(ORDER - 1)
    assert (other.x, other.z) != (point.x, point.z)
    assert other == point
    assert other.encode() == point.encode()
    assert len({point, other, BASE}) == 2
    assert point != BASE
    assert point != "point"


def test_a_scalar_is_below_the_order() -> None:
    assert decode_scalar(encode_scalar(ORDER - 1)) == ORDER - 1
    assert encode_scalar(-1) == encode_scalar(ORDER - 1)
    for value in (ORDER, ORDER + 1, 2**256 - 1):
        with pytest.raises(DecodeError):
            decode_scalar(value.to_bytes(32, "little"))
