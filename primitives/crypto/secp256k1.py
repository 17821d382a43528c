"""Recoverable ECDSA over secp256k1, as Substrate's `ecdsa` keys use it.

A signature is ``r (32) ++ s (32) ++ v (1)``; who signed is found by recovering the key. The library
`cryptography` signs (RFC 6979, constant time); it cannot recover, so recovery is done here in plain
integers, on public data only.

Stricter than Substrate, so that nobody can alter a signature of another: ``s`` must be in the lower
half and ``v`` in 0..3.

Cost: recovery takes about 2 ms, signing as much, since it finds ``v`` by recovering.
Source: SEC 1 v2, section 4.1.6; SEC 2 v2, section 2.4.1.
"""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["ORDER", "PUBLIC_BYTES", "SIGNATURE_BYTES", "public_from_secret", "recover", "sign"]

SIGNATURE_BYTES = 65
PUBLIC_BYTES = 33

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_FIELD = 2**256 - 2**32 - 977
_GENERATOR = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
_DIGEST_BYTES = 32
# Any 32-byte digest may be signed: the hash named here only tells `cryptography` its length.
_SCHEME = ec.ECDSA(Prehashed(SHA256()), deterministic_signing=True)

Jacobian = tuple[int, int, int]
"""x/z², y/z³; z = 0 is the point at infinity."""

_INFINITY: Jacobian = (0, 1, 0)


def public_from_secret(secret: bytes) -> bytes:
    """The compressed public key of a 32-byte secret. Raises: ValueError outside 1..order-1."""
    return _private(secret).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def sign(secret: bytes, digest: bytes) -> bytes:
    """The recoverable signature of a 32-byte ``digest``, the same each time."""
    key = _private(secret)
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    r, s = decode_dss_signature(key.sign(digest, _SCHEME))
    body = r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")
    for v in range(4):
        signature = body + bytes((v,))
        if recover(signature, digest) == public:
            return signature
    raise AssertionError("one of the four keys that fit a signature is the signer's")


def recover(signature: bytes, digest: bytes) -> bytes | None:
    """The compressed key that signed ``digest``; None if the signature is not a possible one."""
    if len(signature) != SIGNATURE_BYTES or len(digest) != _DIGEST_BYTES:
        return None
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:64], "big")
    v = signature[64]
    if not 0 < r < ORDER or not 0 < s <= ORDER // 2 or v > 3:
        return None
    x = r + ORDER if v & 2 else r
    point = _lift(x, is_odd=bool(v & 1))
    if point is None:
        return None
    inverse = pow(r, -1, ORDER)
    z = int.from_bytes(digest, "big")
    found = _combine(-z * inverse % ORDER, _GENERATOR, s * inverse % ORDER, point)
    return None if found is None else _compress(found)


def _private(secret: bytes) -> ec.EllipticCurvePrivateKey:
    value = int.from_bytes(secret, "big")
    if len(secret) != 32 or not 0 < value < ORDER:
        raise ValueError("a secp256k1 secret is a number from 1 to the order of the group less one")
    return ec.derive_private_key(value, ec.SECP256K1())


def _lift(x: int, *, is_odd: bool) -> tuple[int, int] | None:
    """The point with this x and this parity of y, if the curve has one."""
    if x >= _FIELD:
        return None
    square = (x * x * x + 7) % _FIELD
    y = pow(square, (_FIELD + 1) // 4, _FIELD)
    if y * y % _FIELD != square:
        return None
    return (x, _FIELD - y if (y & 1) != is_odd else y)


def _compress(point: tuple[int, int]) -> bytes:
    x, y = point
    return bytes((2 + (y & 1),)) + x.to_bytes(32, "big")


def _combine(
    a: int, left: tuple[int, int], b: int, right: tuple[int, int]
) -> tuple[int, int] | None:
    """``a·left + b·right`` by Shamir's trick; None for the point at infinity."""
    p, q = (*left, 1), (*right, 1)
    table = (_INFINITY, p, q, _add(p, q))
    total = _INFINITY
    for bit in range(255, -1, -1):
        total = _double(total)
        choice = (a >> bit & 1) | (b >> bit & 1) << 1
        if choice:
            total = _add(total, table[choice])
    x, y, z = total
    if z == 0:
        return None
    inverse = pow(z, -1, _FIELD)
    square = inverse * inverse % _FIELD
    return (x * square % _FIELD, y * square * inverse % _FIELD)


def _double(point: Jacobian) -> Jacobian:
    x, y, z = point
    if z == 0:
        return point
    y_square = y * y % _FIELD
    slope = 3 * x * x % _FIELD
    middle = 4 * x * y_square % _FIELD
    x_new = (slope * slope - 2 * middle) % _FIELD
    y_new = (slope * (middle - x_new) - 8 * y_square * y_square) % _FIELD
    return (x_new, y_new, 2 * y * z % _FIELD)


def _add(left: Jacobian, right: Jacobian) -> Jacobian:
    x1, y1, z1 = left
    x2, y2, z2 = right
    if z1 == 0:
        return right
    if z2 == 0:
        return left
    z1_square, z2_square = z1 * z1 % _FIELD, z2 * z2 % _FIELD
    u1, u2 = x1 * z2_square % _FIELD, x2 * z1_square % _FIELD
    s1, s2 = y1 * z2_square * z2 % _FIELD, y2 * z1_square * z1 % _FIELD
    if u1 == u2:
        return _double(left) if s1 == s2 else _INFINITY
    h, slope = (u2 - u1) % _FIELD, (s2 - s1) % _FIELD
    h_square = h * h % _FIELD
    h_cube = h_square * h % _FIELD
    middle = u1 * h_square % _FIELD
    x_new = (slope * slope - h_cube - 2 * middle) % _FIELD
    y_new = (slope * (middle - x_new) - s1 * h_cube) % _FIELD
    return (x_new, y_new, h * z1 * z2 % _FIELD)
