"""The group ristretto255: points, their one encoding, hashing to them, and multiplication.

A ``Point`` is an element of a group of prime order ``ORDER``; inside it is any one of the four
points of Edwards' curve that stand for the same element. Scalars are integers modulo ``ORDER``.

Two ways of multiplying are here. ``multiply_slowly`` is plain arithmetic, the clear version.
``multiply`` and ``multiply_base`` let libsodium do it in constant time, as secrets need, and are
tested to be equal. libsodium takes points of prime order on Edwards' curve: four times any
representative is one, so it multiplies that by a quarter of the scalar. Encoding and decoding are
ours in both ways; they see public points only.

Bounds: 32 bytes a point, 32 bytes a scalar; anything but the one encoding of each is refused.
Cost: 15 us for a decoding or encoding, 0.2 ms for a multiplication, 1 ms for a slow one.

Source: RFC 9496 sections 3 and 4.
"""

from dataclasses import dataclass
from typing import Final

import gmpy2
from gmpy2 import mpz, powmod
from nacl import bindings

from primitives.errors import DecodeError

__all__ = [
    "BASE",
    "IDENTITY",
    "ORDER",
    "POINT_BYTES",
    "SCALAR_BYTES",
    "Point",
    "decode_point",
    "decode_scalar",
    "encode_scalar",
    "multiply",
    "multiply_base",
    "multiply_slowly",
    "point_from_hash",
    "scalar_from_hash",
]

ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""The number of elements of the group."""

POINT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
HASH_BYTES: Final = 64
"""Uniform bytes that a point or a scalar is made from."""

_P: Final = mpz(2**255 - 19)
_ROOT_EXPONENT: Final = (_P - 5) // 8
_D: Final = mpz(-121665) * powmod(121666, -1, _P) % _P
_2D: Final = 2 * _D % _P
_ROOT_OF_MINUS_ONE: Final = powmod(2, (_P - 1) // 4, _P)
_QUARTER: Final = pow(4, -1, ORDER)


def _is_negative(a: mpz) -> bool:
    """Whether a field element in 0.._P-1 counts as negative: it is odd."""
    return bool(a & 1)


def _absolute(a: mpz) -> mpz:
    return _P - a if _is_negative(a) else a


def _root_of_ratio(u: mpz, v: mpz) -> tuple[bool, mpz]:
    """Whether ``u / v`` is a square, and the non-negative root of it or of ``i * u / v``."""
    v3 = v * v % _P * v % _P
    r = u * v3 % _P * powmod(u * v3 % _P * v3 % _P * v % _P, _ROOT_EXPONENT, _P) % _P
    check = v * r % _P * r % _P
    minus_u = -u % _P
    if check in (minus_u, minus_u * _ROOT_OF_MINUS_ONE % _P):
        r = r * _ROOT_OF_MINUS_ONE % _P
    return check in (u % _P, minus_u), _absolute(r)


_ONE_MINUS_D_SQUARED: Final = (1 - _D * _D) % _P
_D_MINUS_ONE_SQUARED: Final = (_D - 1) * (_D - 1) % _P
_ROOT_OF_MINUS_D_MINUS_ONE: Final = mpz(
    25063068953384623474111414158702152701244531502492656460079210482610430750235
)
_INVERSE_ROOT_OF_MINUS_ONE_MINUS_D: Final = _root_of_ratio(mpz(1), (-1 - _D) % _P)[1]


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """An element of the group, in extended coordinates: ``x = X/Z, y = Y/Z, xy = T/Z``."""

    x: mpz
    y: mpz
    z: mpz
    t: mpz

    def __add__(self, other: "Point") -> "Point":
        # The unified addition of Hisil, Wong, Carter and Dawson 2008, for a = -1.
        a = (self.y - self.x) * (other.y - other.x)
        b = (self.y + self.x) * (other.y + other.x)
        c = self.t * _2D % _P * other.t
        d = 2 * self.z * other.z
        e, f, g, h = b - a, d - c, d + c, b + a
        return Point(e * f % _P, g * h % _P, f * g % _P, e * h % _P)

    def doubled(self) -> "Point":
        """This element added to itself."""
        a, b = self.x * self.x, self.y * self.y
        h = a + b
        e = h - (self.x + self.y) ** 2
        g = a - b
        f = 2 * self.z * self.z + g
        return Point(e * f % _P, g * h % _P, f * g % _P, e * h % _P)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Point):
            return NotImplemented
        return bool(
            self.x * other.y % _P == self.y * other.x % _P
            or self.y * other.y % _P == self.x * other.x % _P
        )

    def __hash__(self) -> int:
        return hash(self.encode())

    def is_identity(self) -> bool:
        """Whether this is the neutral element."""
        return bool(self.x == 0 or self.y == 0)

    def encode(self) -> bytes:
        """The one encoding of this element."""
        u1 = (self.z + self.y) * (self.z - self.y) % _P
        u2 = self.x * self.y % _P
        _, inverse = _root_of_ratio(mpz(1), u1 * u2 % _P * u2 % _P)
        den1, den2 = inverse * u1 % _P, inverse * u2 % _P
        z_inverse = den1 * den2 % _P * self.t % _P
        if _is_negative(self.t * z_inverse % _P):
            x, y = self.y * _ROOT_OF_MINUS_ONE % _P, self.x * _ROOT_OF_MINUS_ONE % _P
            den = den1 * _INVERSE_ROOT_OF_MINUS_ONE_MINUS_D % _P
        else:
            x, y, den = self.x, self.y, den2
        if _is_negative(x * z_inverse % _P):
            y = -y
        return _to_bytes(_absolute(den * (self.z - y) % _P))


IDENTITY: Final = Point(mpz(0), mpz(1), mpz(1), mpz(0))


def decode_point(data: bytes) -> Point:
    """The element that ``data`` encodes. Raises: DecodeError unless it is *the* encoding of one."""
    s = mpz(int.from_bytes(data, "little"))
    if len(data) != POINT_BYTES or s >= _P or _is_negative(s):
        raise DecodeError("these bytes are not the encoding of a point of ristretto255")
    ss = s * s % _P
    u1, u2 = (1 - ss) % _P, (1 + ss) % _P
    u2_squared = u2 * u2 % _P
    v = (-(_D * u1 * u1) - u2_squared) % _P
    is_square, inverse = _root_of_ratio(mpz(1), v * u2_squared % _P)
    den_x = inverse * u2 % _P
    den_y = inverse * den_x % _P * v % _P
    x = _absolute(2 * s * den_x % _P)
    y = u1 * den_y % _P
    t = x * y % _P
    if not is_square or _is_negative(t) or y == 0:
        raise DecodeError("these bytes are not the encoding of a point of ristretto255")
    return Point(x, y, mpz(1), t)


def point_from_hash(data: bytes) -> Point:
    """The element that 64 uniform bytes select; nobody knows its logarithm."""
    assert len(data) == HASH_BYTES, "because callers draw exactly so many"
    half = HASH_BYTES // 2
    return _map_to_group(data[:half]) + _map_to_group(data[half:])


def decode_scalar(data: bytes) -> int:
    """The scalar that ``data`` encodes. Raises: DecodeError unless it is below the order."""
    value = int.from_bytes(data, "little")
    if len(data) != SCALAR_BYTES or value >= ORDER:
        raise DecodeError("these bytes are not the encoding of a scalar of ristretto255")
    return value


def encode_scalar(scalar: int) -> bytes:
    """The one encoding of a scalar."""
    return (scalar % ORDER).to_bytes(SCALAR_BYTES, "little")


def scalar_from_hash(data: bytes) -> int:
    """The scalar that 64 uniform bytes select."""
    assert len(data) == HASH_BYTES, "because callers draw exactly so many"
    return int.from_bytes(data, "little") % ORDER


def multiply(scalar: int, point: Point) -> Point:
    """``scalar`` times ``point``, in constant time unless the result is the identity."""
    if scalar % ORDER == 0 or point.is_identity():
        return IDENTITY  # libsodium reports these as errors
    quarter = scalar * _QUARTER % ORDER
    whole = _compress(point.doubled().doubled())
    found = bindings.crypto_scalarmult_ed25519_noclamp(encode_scalar(quarter), whole)
    return _decompress(found)


def multiply_base(scalar: int) -> Point:
    """``scalar`` times the base, in constant time unless the result is the identity."""
    if scalar % ORDER == 0:
        return IDENTITY
    return _decompress(bindings.crypto_scalarmult_ed25519_base_noclamp(encode_scalar(scalar)))


def multiply_slowly(scalar: int, point: Point) -> Point:
    """``scalar`` times ``point`` by doubling and adding: the reference, not for secrets."""
    result = IDENTITY
    for bit in f"{scalar % ORDER:b}":
        result = result.doubled()
        if bit == "1":
            result = result + point
    return result


def _map_to_group(data: bytes) -> Point:
    """Elligator's map of 32 bytes, of which 255 bits count."""
    t = mpz(int.from_bytes(data, "little") & ((1 << 255) - 1)) % _P
    r = _ROOT_OF_MINUS_ONE * t % _P * t % _P
    u = (r + 1) * _ONE_MINUS_D_SQUARED % _P
    v = (-1 - r * _D) * (r + _D) % _P
    is_square, s = _root_of_ratio(u, v)
    c = mpz(-1)
    if not is_square:
        s = -_absolute(s * t % _P) % _P
        c = r
    n = (c * (r - 1) % _P * _D_MINUS_ONE_SQUARED - v) % _P
    w0 = 2 * s * v % _P
    w1 = n * _ROOT_OF_MINUS_D_MINUS_ONE % _P
    w2 = (1 - s * s) % _P
    w3 = (1 + s * s) % _P
    return Point(w0 * w3 % _P, w2 * w1 % _P, w1 * w3 % _P, w0 * w2 % _P)


def _compress(point: Point) -> bytes:
    """The point as ed25519 writes it: y, and whether x is odd in the highest bit."""
    inverse = gmpy2.invert(point.z, _P)
    x, y = point.x * inverse % _P, point.y * inverse % _P
    return _to_bytes(y | (x & 1) << 255)


def _decompress(data: bytes) -> Point:
    """The point that ed25519 wrote."""
    number = mpz(int.from_bytes(data, "little"))
    y = number & ((1 << 255) - 1)
    yy = y * y % _P
    is_square, x = _root_of_ratio((yy - 1) % _P, (_D * yy + 1) % _P)
    assert is_square, "because libsodium returns points of the curve"
    if _is_negative(x) != bool(number >> 255):
        x = _P - x
    return Point(x, y, mpz(1), x * y % _P)


def _to_bytes(number: mpz) -> bytes:
    return int(number).to_bytes(POINT_BYTES, "little")


BASE: Final = multiply_base(1)
"""The generator of the group; ed25519's base stands for it."""
