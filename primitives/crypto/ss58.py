"""SS58 addresses: an account of 32 bytes, the network it is written for, and a checksum.

``base58(prefix ++ account ++ checksum)`` with a prefix of one byte below 64 and two bytes from 64
on, and the first two bytes of ``blake2b-512("SS58PRE" ++ prefix ++ account)`` as the checksum. An
account has exactly one address for each prefix: any other spelling is refused.

Bounds: addresses of at most ``ADDRESS_CHARS_MAX`` characters are looked at.
"""

from primitives.errors import InvalidKey
from primitives.hashing import blake2_512
from primitives.types import AccountId

__all__ = ["CESS_PREFIX", "PREFIX_MAX", "ss58_decode", "ss58_encode"]

CESS_PREFIX = 11330
"""The prefix of CESS's networks; its addresses begin with ``cX``."""

PREFIX_MAX = 16383
ADDRESS_CHARS_MAX = 64
RESERVED_PREFIXES = (46, 47)

_ACCOUNT_BYTES = 32
_CHECKSUM_BYTES = 2
_SHORT_PREFIX_MAX = 63
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}


def ss58_encode(account: bytes, prefix: int = CESS_PREFIX) -> str:
    """The address of ``account`` on the network ``prefix``.

    Raises: InvalidKey unless the account has 32 bytes and the prefix is a usable one.
    """
    if len(account) != _ACCOUNT_BYTES:
        raise InvalidKey(f"an account has {_ACCOUNT_BYTES} bytes, not {len(account)}")
    body = _prefix_bytes(prefix) + bytes(account)
    return _base58_encode(body + _checksum(body))


def ss58_decode(text: str, prefix: int | None = None) -> AccountId:
    """The account of an address; with a ``prefix`` it must be an address of that network.

    Raises: InvalidKey, which says what is wrong with the address.
    """
    if len(text) > ADDRESS_CHARS_MAX:
        raise InvalidKey(f"an address has at most {ADDRESS_CHARS_MAX} characters, not {len(text)}")
    data = _base58_decode(text)
    found, prefix_bytes = _read_prefix(data, text)
    if len(data) != prefix_bytes + _ACCOUNT_BYTES + _CHECKSUM_BYTES:
        raise InvalidKey(
            f"{text!r} is not the address of a 32-byte account: check for lost letters"
        )
    body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if _checksum(body) != checksum:
        raise InvalidKey(f"the checksum of {text!r} does not match: a letter was mistyped")
    if prefix is not None and found != prefix:
        raise InvalidKey(
            f"{text!r} is an address of network {found}, not {prefix}: "
            "convert it with `cess key inspect`"
        )
    return AccountId(body[prefix_bytes:])


def _checksum(body: bytes) -> bytes:
    return bytes(blake2_512(b"SS58PRE" + body)[:_CHECKSUM_BYTES])


def _prefix_bytes(prefix: int) -> bytes:
    if not 0 <= prefix <= PREFIX_MAX or prefix in RESERVED_PREFIXES:
        raise InvalidKey(f"{prefix} is not an SS58 prefix (0..{PREFIX_MAX} without 46 and 47)")
    if prefix <= _SHORT_PREFIX_MAX:
        return bytes((prefix,))
    # Source: SS58 registry; the low byte comes first and its two low bits move to the second.
    return bytes(((prefix & 0xFC) >> 2 | 0x40, prefix >> 8 | (prefix & 3) << 6))


def _read_prefix(data: bytes, text: str) -> tuple[int, int]:
    """The prefix of a decoded address and the number of bytes it takes."""
    if len(data) < 2 or data[0] > 127:
        raise InvalidKey(f"{text!r} does not begin like an SS58 address")
    if data[0] <= _SHORT_PREFIX_MAX:
        prefix, size = data[0], 1
    else:
        prefix, size = (data[0] << 2 | data[1] >> 6) & 0xFF | (data[1] & 0x3F) << 8, 2
        if prefix <= _SHORT_PREFIX_MAX:
            raise InvalidKey(f"{text!r} writes a short network prefix in the long form")
    if prefix in RESERVED_PREFIXES:
        raise InvalidKey(f"{text!r} has the reserved network prefix {prefix}")
    return prefix, size


def _base58_encode(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return _ALPHABET[0] * zeros + "".join(reversed(digits))


def _base58_decode(text: str) -> bytes:
    number = 0
    for character in text:
        value = _VALUES.get(character)
        if value is None:
            raise InvalidKey(f"{text!r} is not an address: {character!r} is not a base-58 letter")
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip(_ALPHABET[0]))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
