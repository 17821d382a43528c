"""Secret URIs: from ``phrase//hard/soft///password`` or ``0x<seed>//hard`` to a secret.

The grammar and the derivations are Substrate's, so that a key of ours is the same key in every
wallet. A URI that begins with ``/`` derives from the public development phrase. Soft junctions
exist for sr25519 only.

Nothing here shows a secret: representations are blank and errors never quote the URI.

Bounds: a URI has at most ``SURI_CHARS_MAX`` characters and ``JUNCTIONS_MAX`` junctions.
"""

import re
from dataclasses import dataclass

import bip39
import sr25519

from primitives.errors import InvalidKey
from primitives.hashing import blake2_256
from primitives.scale import encode

__all__ = [
    "DEV_PHRASE",
    "SEED_BYTES",
    "Junction",
    "SecretUri",
    "derive_hard_seed",
    "derive_sr25519",
    "parse_suri",
    "root_seed",
]

DEV_PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"
"""Substrate's development phrase. Everybody knows it: it is for development chains only."""

SEED_BYTES = 32
SURI_CHARS_MAX = 1024
JUNCTIONS_MAX = 32

_CHAIN_CODE_BYTES = 32
_U64_MAX = 2**64 - 1
_SURI = re.compile(
    r"(?P<phrase>[\d\w ]+)?(?P<path>(?://?[^/]+)*)(?:///(?P<password>.*))?", re.DOTALL
)
_JUNCTION = re.compile(r"/(/?)([^/]+)")
_NUMBER = re.compile(r"\+?[0-9]+")


@dataclass(frozen=True, slots=True)
class Junction:
    """One step of a derivation: its chain code, and whether it is hard."""

    chain_code: bytes
    is_hard: bool


@dataclass(frozen=True, slots=True, repr=False)
class SecretUri:
    """A parsed secret URI: ``phrase`` (or ``0x`` and a seed), junctions and password."""

    phrase: str
    junctions: tuple[Junction, ...]
    password: str

    def __repr__(self) -> str:
        return "SecretUri(<secret>)"


def parse_suri(suri: str) -> SecretUri:
    """Take a secret URI apart. Raises: InvalidKey, whose text does not repeat the URI."""
    if len(suri) > SURI_CHARS_MAX:
        raise InvalidKey(f"a secret URI has at most {SURI_CHARS_MAX} characters, not {len(suri)}")
    if any("\ud800" <= character <= "\udfff" for character in suri):
        raise InvalidKey("a secret URI is text in UTF-8; check how it was typed or stored")
    match = _SURI.fullmatch(suri)
    if match is None:
        raise InvalidKey(
            "this is not a secret URI; write a phrase or 0x and a seed, "
            "then //hard and /soft junctions, then ///password"
        )
    steps = _JUNCTION.findall(match["path"])
    if len(steps) > JUNCTIONS_MAX:
        raise InvalidKey(f"a secret URI has at most {JUNCTIONS_MAX} junctions, not {len(steps)}")
    junctions = tuple(_junction(name, is_hard=bool(hard)) for hard, name in steps)
    return SecretUri(match["phrase"] or DEV_PHRASE, junctions, match["password"] or "")


def root_seed(uri: SecretUri) -> bytes:
    """The 32-byte seed that the junctions derive from.

    Raises: InvalidKey for a seed that is not 32 bytes of hex and for words that are not a phrase.
    """
    if uri.phrase.startswith("0x"):
        try:
            seed = bytes.fromhex(uri.phrase[2:])
        except ValueError:
            raise InvalidKey("a seed is written as 0x and 64 hexadecimal digits") from None
        if len(seed) != SEED_BYTES or len(uri.phrase) != 2 + 2 * SEED_BYTES:
            raise InvalidKey(f"a seed has {SEED_BYTES} bytes: 0x and 64 hexadecimal digits")
        return seed
    try:
        return bytes(bip39.bip39_to_mini_secret(uri.phrase, uri.password))
    except ValueError:
        raise InvalidKey(
            "the phrase is not a BIP-39 phrase: it has 12, 15, 18, 21 or 24 English words, "
            "the last of which is a checksum; check the spelling and the order"
        ) from None


def derive_sr25519(seed: bytes, junctions: tuple[Junction, ...]) -> tuple[bytes, bytes]:
    """The public key (32 bytes) and the secret key (64 bytes) at the end of ``junctions``."""
    public, secret = sr25519.pair_from_seed(seed)
    for junction in junctions:
        step = sr25519.hard_derive_keypair if junction.is_hard else sr25519.derive_keypair
        _, public, secret = step((junction.chain_code, public, secret), b"")
    return bytes(public), bytes(secret)


def derive_hard_seed(tag: str, seed: bytes, junctions: tuple[Junction, ...]) -> bytes:
    """The seed at the end of hard ``junctions``: ``blake2_256(tag, seed, chain code)`` each step.

    ``tag`` is the scheme's: ``Ed25519HDKD`` or ``Secp256k1HDKD``.
    Raises: InvalidKey for a soft one.
    """
    for junction in junctions:
        if not junction.is_hard:
            raise InvalidKey("soft junctions (/name) need sr25519; write //name for this scheme")
        seed = bytes(blake2_256(encode(str, tag) + seed + junction.chain_code))
    return seed


def _junction(name: str, *, is_hard: bool) -> Junction:
    """Numbers of 64 bits stand for themselves, other names for their SCALE encoding."""
    if _NUMBER.fullmatch(name) and int(name) <= _U64_MAX:
        code = int(name).to_bytes(8, "little")
    else:
        code = encode(str, name)
    if len(code) > _CHAIN_CODE_BYTES:
        code = bytes(blake2_256(code))
    return Junction(code.ljust(_CHAIN_CODE_BYTES, b"\0"), is_hard)
