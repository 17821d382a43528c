"""Extrinsics, version 4: a call, and in a transaction who signed it and what that implies.

::

    Compact(length) ++ 0x04 ++ call                                       bare: an inherent
    Compact(length) ++ 0x84 ++ address ++ signature ++ extra ++ call      signed

What is signed is ``call ++ extra ++ implicit``, hashed if it is longer than 256 bytes. ``implicit``
is never sent: both sides know the versions, the genesis hash and the hash of the era's birth block.
``SIGNED_EXTENSIONS`` is the one list of what ``extra`` and ``implicit`` hold, for signing and for
metadata.

The call stays bytes here: to decode it takes a runtime.

Bounds: ``EXTRINSIC_BYTES_MAX`` for an extrinsic with its length.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from primitives.crypto.keys import KeyPair
from primitives.crypto.signatures import (
    EcdsaSignature,
    Ed25519Signature,
    MultiSignature,
    RecoverableSignatureBytes,
    SignatureBytes,
    Sr25519Signature,
    verify_multi,
)
from primitives.era import Era
from primitives.errors import DecodeError
from primitives.hashing import blake2_256
from primitives.scale import U32, U128, Compact, FixedBytes, Variant, codec, struct
from primitives.scale.type_info import ParameterInfo, Registry, TypeInfo
from primitives.tuple_like import tuple_like
from primitives.types import AccountId, Hash

__all__ = [
    "EXTRINSIC_BYTES_MAX",
    "EXTRINSIC_VERSION",
    "SIGNED_EXTENSIONS",
    "EcdsaSignature",
    "Ed25519Signature",
    "Implicit",
    "MultiAddress",
    "MultiAddress20",
    "MultiAddress32",
    "MultiAddressId",
    "MultiAddressIndex",
    "MultiAddressRaw",
    "MultiSignature",
    "RecoverableSignatureBytes",
    "SignatureBytes",
    "SignedExtension",
    "SignedExtra",
    "SignedPart",
    "Sr25519Signature",
    "UncheckedExtrinsic",
    "extrinsic_hash",
    "sign_extrinsic",
    "signing_payload",
    "verify_multi",
]

EXTRINSIC_VERSION: Final = 4
EXTRINSIC_BYTES_MAX: Final = 5 * 1024**2
"""The length of a full block; a longer extrinsic fits into none."""

PAYLOAD_BYTES_MAX: Final = 256
"""A longer signing payload is hashed, so that small devices can sign it."""

_BARE: Final = EXTRINSIC_VERSION
_SIGNED: Final = EXTRINSIC_VERSION | 0x80


# Addresses.


class Address20(FixedBytes, length=20):
    """An Ethereum address."""


class Address32(FixedBytes, length=32):
    """32 bytes that are not known to be an account."""


class MultiAddress(Variant, path="sp_runtime::multiaddress::MultiAddress"):
    """How a call or a transaction names an account; the chain knows accounts by ``Id`` only."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        params = (
            ParameterInfo("AccountId", registry.type_id(AccountId)),
            ParameterInfo("AccountIndex", registry.type_id(U32)),
        )
        path = "sp_runtime::multiaddress::MultiAddress"
        return tuple_like(MultiAddress, path, registry, params)


class MultiAddressId(MultiAddress, index=0, name="Id"):
    """An account."""

    value: AccountId


class MultiAddressIndex(MultiAddress, index=1, name="Index"):
    """The short number of an account, on chains that give them out."""

    value: Annotated[U32, Compact]


class MultiAddressRaw(MultiAddress, index=2, name="Raw"):
    """Bytes of any kind."""

    value: bytes


class MultiAddress32(MultiAddress, index=3, name="Address32"):
    """32 bytes."""

    value: Address32


class MultiAddress20(MultiAddress, index=4, name="Address20"):
    """20 bytes."""

    value: Address20


# Signed extensions.


@dataclass(frozen=True, slots=True)
class SignedExtension:
    """One check on transactions: what it puts into ``extra`` and into ``implicit``, or None."""

    identifier: str
    extra_type: Any
    additional_signed_type: Any


SIGNED_EXTENSIONS: Final = (
    SignedExtension("CheckNonZeroSender", None, None),
    SignedExtension("CheckSpecVersion", None, U32),
    SignedExtension("CheckTxVersion", None, U32),
    SignedExtension("CheckGenesis", None, Hash),
    SignedExtension("CheckMortality", Era, Hash),
    SignedExtension("CheckNonce", Annotated[U32, Compact], None),
    SignedExtension("CheckWeight", None, None),
    SignedExtension("ChargeTransactionPayment", Annotated[U128, Compact], None),
)
"""The checks in the order of their bytes; ``SignedExtra`` and ``Implicit`` name those bytes."""


@struct
class SignedExtra:
    """What the extensions send: the era, the sender's nonce and a tip in planck."""

    era: Era
    nonce: Annotated[U32, Compact]
    tip: Annotated[U128, Compact]


@struct
class Implicit:
    """What the extensions sign and do not send.

    ``birth_hash`` is the hash of the block in which the era began: of block 0 if it is immortal.
    """

    spec_version: U32
    transaction_version: U32
    genesis_hash: Hash
    birth_hash: Hash


# Extrinsics.


@struct
class SignedPart:
    """Who signed a transaction, and with what."""

    address: MultiAddress
    signature: MultiSignature
    extra: SignedExtra

    @property
    def account(self) -> AccountId | None:
        """The account that the address names; None for the ways that this chain does not know."""
        address = self.address
        return address.value if isinstance(address, MultiAddressId) else None


_PART = codec(SignedPart)
_EXTRA = codec(SignedExtra)
_IMPLICIT = codec(Implicit)
_LENGTH = codec(Annotated[U32, Compact])


@struct(path="sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic")
class UncheckedExtrinsic:
    """An extrinsic whose signature nobody has checked yet; ``signed`` is None for a bare one."""

    signed: SignedPart | None
    call: bytes

    def encode(self) -> bytes:
        """The extrinsic with its length before it."""
        if self.signed is None:
            body = bytes((_BARE,)) + self.call
        else:
            body = bytes((_SIGNED,)) + _PART.encode(self.signed) + self.call
        return _LENGTH.encode(U32(len(body))) + body

    @classmethod
    def decode(cls, data: bytes) -> "UncheckedExtrinsic":
        """The extrinsic that ``data`` is, all of it. Raises: DecodeError."""
        if len(data) > EXTRINSIC_BYTES_MAX:
            raise DecodeError(
                f"an extrinsic has at most {EXTRINSIC_BYTES_MAX} bytes, not {len(data)}"
            )
        if type(data) is not bytes:  # a view into a larger buffer, or a subclass
            data = bytes(data)
        length, at = _LENGTH.decode_from(data, 0)
        if length != len(data) - at:
            raise DecodeError(
                f"the extrinsic says that it has {length} bytes, but it has {len(data) - at}"
            )
        if length == 0:
            raise DecodeError("the extrinsic is empty")
        version = data[at]
        if version == _SIGNED:
            part, at = _PART.decode_from(data, at + 1)
            return cls(part, data[at:])
        if version == _BARE:
            return cls(None, data[at + 1 :])
        raise DecodeError(
            f"an extrinsic begins with 0x04 (bare) or 0x84 (signed), not 0x{version:02x}; "
            "only version 4 is known"
        )

    def signed_payload(self, implicit: Implicit) -> bytes | None:
        """What the signature must be of; None for a bare extrinsic."""
        return (
            None if self.signed is None else signing_payload(self.call, self.signed.extra, implicit)
        )

    def __scale_encode__(self) -> bytes:
        return self.encode()

    @classmethod
    def __scale_decode__(cls, data: bytes, at: int) -> tuple["UncheckedExtrinsic", int]:
        length, start = _LENGTH.decode_from(data, at)
        end = start + length
        if end > len(data):
            raise DecodeError(f"at {at}: the extrinsic is cut short")
        return cls.decode(data[at:end]), end


def extrinsic_hash(encoded: bytes) -> Hash:
    """The hash that an encoded extrinsic is known by, length included."""
    return blake2_256(encoded)


def signing_payload(call: bytes, extra: SignedExtra, implicit: Implicit) -> bytes:
    """What a transaction's signature is of: at most 256 bytes."""
    payload = call + _EXTRA.encode(extra) + _IMPLICIT.encode(implicit)
    return payload if len(payload) <= PAYLOAD_BYTES_MAX else bytes(blake2_256(payload))


def sign_extrinsic(
    call: bytes, pair: KeyPair, nonce: int, tip: int, era: Era, implicit: Implicit
) -> bytes:
    """The encoded transaction of ``pair``.

    ``implicit.birth_hash`` must be the hash of the era's birth block. Units: ``tip`` in planck.
    Raises: ArithmeticOverflow for a nonce or a tip that is out of range.
    """
    extra = SignedExtra(era=era, nonce=U32(nonce), tip=U128(tip))
    signature = pair.multi_signature(signing_payload(call, extra, implicit))
    part = SignedPart(address=MultiAddressId(pair.account_id), signature=signature, extra=extra)
    return UncheckedExtrinsic(part, call).encode()
