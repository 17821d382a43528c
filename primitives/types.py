"""The chain's own words for bytes and numbers: accounts, hashes, heights, amounts, times.

Each is a class of its own, so that a type checker tells an amount from a height.
"""

from typing import Final

from .scale import U32, U64, U128, BoundedBytes, FixedBytes

__all__ = [
    "BABE_KEY_TYPE",
    "GRANDPA_KEY_TYPE",
    "AccountId",
    "Balance",
    "BlockNumber",
    "Bytes48",
    "FileHash",
    "FragmentHash",
    "Hash",
    "KeyTypeId",
    "Moment",
    "Nonce",
    "SegmentHash",
    "TerrName",
]


class AccountId(FixedBytes, length=32, path="sp_core::crypto::AccountId32"):
    """An account: a public key, or a hash that stands for one."""


class Hash(FixedBytes, length=32, path="primitive_types::H256"):
    """A BLAKE2b-256 hash of the chain: of a block, an extrinsic, a state."""


class FileHash(FixedBytes, length=32, path="cp_cess_common::FileHash"):
    """The identity of a stored object, see ``docs/specs/file-encoding.md``."""


class SegmentHash(FixedBytes, length=32, path="cp_cess_common::SegmentHash"):
    """SHA-256 of a segment."""


class FragmentHash(FixedBytes, length=32, path="cp_cess_common::FragmentHash"):
    """SHA-256 of a fragment."""


class Bytes48(FixedBytes, length=48):
    """A compressed point of BLS12-381's first group: a commitment or an opening."""


class KeyTypeId(FixedBytes, length=4, path="sp_core::crypto::KeyTypeId"):
    """What a key is for."""


BABE_KEY_TYPE: Final = KeyTypeId(b"babe")
"""For sr25519 keys that authors seal blocks with."""

GRANDPA_KEY_TYPE: Final = KeyTypeId(b"gran")
"""For ed25519 keys that voters of finality sign with."""


class TerrName(BoundedBytes, limit=63):
    """The name that an owner gives to a territory; StorageHandler says which names it takes."""


class BlockNumber(U32):
    """The height of a block, 0 for genesis."""


class Balance(U128):
    """An amount of money in planck, the smallest unit."""


class Moment(U64):
    """A time in milliseconds since 1970."""


Nonce = U32
"""How many transactions an account has sent."""
