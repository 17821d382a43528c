"""Key pairs: made from a secret URI or a seed, they sign; what they are made from is never shown.

A pair is immutable, shows its scheme and public key only, and refuses to be pickled, so that it
cannot travel to another process or to disk by accident.
"""

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol, assert_never

import ed25519_zebra
import sr25519

from primitives.crypto import secp256k1
from primitives.crypto.derive import (
    SEED_BYTES,
    Junction,
    derive_hard_seed,
    derive_sr25519,
    parse_suri,
    root_seed,
)
from primitives.crypto.signatures import (
    SCHEMES,
    MultiSignature,
    Scheme,
    account_of,
    make_multi_signature,
    verify,
)
from primitives.errors import InvalidKey
from primitives.hashing import blake2_256
from primitives.types import AccountId

if TYPE_CHECKING:
    from primitives.crypto.vrf import VrfKey

__all__ = ["SCHEMES", "KeyPair", "Scheme", "Signer", "verify"]


class Signer(Protocol):
    """Whatever can sign for one account: a key pair, or a device that keeps one."""

    @property
    def scheme(self) -> Scheme:
        """The scheme of its signatures."""
        ...

    @property
    def account_id(self) -> AccountId:
        """The account that it signs for."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The raw signature of ``message``."""
        ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KeyPair:
    """A secret key and its public key. Build one with ``from_suri`` or ``from_seed``."""

    scheme: Scheme
    public: bytes
    _secret: bytes = field(repr=False)

    @classmethod
    def from_suri(cls, suri: str, scheme: Scheme = "sr25519") -> "KeyPair":
        """The pair of a secret URI such as ``//Alice``. Raises: InvalidKey."""
        _check_scheme(scheme)
        uri = parse_suri(suri)
        return cls._derived(scheme, root_seed(uri), uri.junctions)

    @classmethod
    def from_seed(cls, seed: bytes, scheme: Scheme = "sr25519") -> "KeyPair":
        """The pair of a 32-byte seed. Raises: InvalidKey."""
        _check_scheme(scheme)
        if len(seed) != SEED_BYTES:
            raise InvalidKey(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        return cls._derived(scheme, bytes(seed), ())

    @classmethod
    def _derived(cls, scheme: Scheme, seed: bytes, junctions: tuple[Junction, ...]) -> "KeyPair":
        match scheme:
            case "sr25519":
                public, secret = derive_sr25519(seed, junctions)
            case "ed25519":
                secret = derive_hard_seed("Ed25519HDKD", seed, junctions)
                public = bytes(ed25519_zebra.ed_public_from_secret(secret))
            case "ecdsa":
                secret = derive_hard_seed("Secp256k1HDKD", seed, junctions)
                try:
                    public = secp256k1.public_from_secret(secret)
                except ValueError:
                    raise InvalidKey(
                        "the seed is outside the range of secp256k1: take another one"
                    ) from None
            case _:
                assert_never(scheme)
        return cls(scheme, public, secret)

    @property
    def account_id(self) -> AccountId:
        """The account that this pair controls."""
        return account_of(self.scheme, self.public)

    def sign(self, message: bytes) -> bytes:
        """The raw signature of ``message``: 64 bytes, or 65 for ecdsa."""
        match self.scheme:
            case "sr25519":
                return bytes(sr25519.sign((self.public, self._secret), bytes(message)))
            case "ed25519":
                return bytes(ed25519_zebra.ed_sign(self._secret, bytes(message)))
            case "ecdsa":
                return secp256k1.sign(self._secret, blake2_256(message))
            case _:
                assert_never(self.scheme)

    def multi_signature(self, message: bytes) -> MultiSignature:
        """The signature of ``message`` as extrinsics carry it."""
        return make_multi_signature(self.scheme, self.sign(message))

    def vrf_key(self) -> "VrfKey":
        """The verifiable random function of this key; sr25519 only. Raises: InvalidKey."""
        from primitives.crypto.vrf import VrfKey  # wallets do without the group

        if self.scheme != "sr25519":
            raise InvalidKey(f"{self.scheme} keys have no verifiable random function, sr25519 do")
        return VrfKey.from_secret(self._secret)

    def derive_secret(self, context: bytes) -> bytes:
        """32 secret bytes for one other use; neither the key nor other uses follow from them.

        The same pair gives the same bytes, however its key was written down.
        """
        # Of sr25519's 64 bytes the last 32 seed its nonces and are random after a soft junction.
        scalar = self._secret[:SEED_BYTES]
        return hmac.digest(scalar, b"cess/derived-secret/v1" + context, "sha256")

    def __repr__(self) -> str:
        return f"KeyPair({self.scheme}, public=0x{self.public.hex()})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeyPair):
            return NotImplemented
        return self.scheme == other.scheme and self.public == other.public

    def __hash__(self) -> int:
        return hash((self.scheme, self.public))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key pair is not pickled or copied: pass the keystore and the public key")


def _check_scheme(scheme: str) -> None:
    if scheme not in SCHEMES:
        raise InvalidKey(f"{scheme!r} is not a scheme; use one of {', '.join(SCHEMES)}")
