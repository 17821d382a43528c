"""The vault's key hierarchy: one secret of the owner, one independent key for each file.

    account's secret key ── HMAC "cess/vault/v1" ──► vault key V (32 bytes, never stored)
    V, salt              ── HKDF "file-key"      ──► file key C of one envelope
    C, salt              ── HKDF                 ──► content, metadata, header key; commitment

The salt is 32 random bytes in the envelope's header. So nothing has to be kept beside the phrase or
key file: whoever has it reads every file again from chain and holders alone. The file key of one
envelope can be handed over without revealing the vault key or any other file.

Source: RFC 5869 (HKDF with SHA-256); docs/specs/vault.md.
"""

import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from primitives.crypto.keys import KeyPair
from primitives.errors import InvalidKey

__all__ = ["KEY_BYTES", "SALT_BYTES", "FileKeys", "VaultKey"]

KEY_BYTES = 32
SALT_BYTES = 32
_VAULT_CONTEXT = b"cess/vault/v1"
_FILE_KEY_INFO = b"cess/vault/v1/file-key"
_FILE_KEYS_INFO = b"cess/vault/v1/envelope-keys"
_NAME_KEY_INFO = b"cess/vault/v1/name-key"


def _hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)


@dataclass(frozen=True, slots=True)
class FileKeys:
    """The keys of one envelope. The commitment is public; it fits one file key only."""

    content: bytes = field(repr=False)
    metadata: bytes = field(repr=False)
    header: bytes = field(repr=False)
    commitment: bytes

    @classmethod
    def of(cls, file_key: bytes, salt: bytes) -> "FileKeys":
        """Derive them from the file key of an envelope with this salt."""
        material = _hkdf(file_key, salt, _FILE_KEYS_INFO, 4 * KEY_BYTES)
        parts = [material[at : at + KEY_BYTES] for at in range(0, 4 * KEY_BYTES, KEY_BYTES)]
        return cls(content=parts[0], metadata=parts[1], header=parts[2], commitment=parts[3])

    def commits_to(self, commitment: bytes) -> bool:
        """Whether a header's commitment is that of these keys, in constant time."""
        return hmac.compare_digest(self.commitment, commitment)


@dataclass(frozen=True, slots=True)
class VaultKey:
    """The owner's vault key. Holds a secret: it is never shown, logged or stored."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise InvalidKey(f"a vault key has {KEY_BYTES} bytes, not {len(self.secret)}")

    @classmethod
    def of(cls, pair: KeyPair) -> "VaultKey":
        """The vault key of an account, from the secret of its key pair.

        So ``//Alice`` and ``//Bob`` of one phrase have unrelated vaults, and a phrase, a seed and a
        key file of the same account open the same one.
        """
        return cls(pair.derive_secret(_VAULT_CONTEXT))

    def file_key(self, salt: bytes) -> bytes:
        """The key of the one file whose header has ``salt``; safe to give to a reader of it."""
        if len(salt) != SALT_BYTES:
            raise InvalidKey(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
        return _hkdf(self.secret, salt, _FILE_KEY_INFO, KEY_BYTES)

    def name_key(self) -> bytes:
        """The key under which file names are sealed for the chain: 64 bytes, for AES-SIV."""
        return _hkdf(self.secret, _VAULT_CONTEXT, _NAME_KEY_INFO, 2 * KEY_BYTES)
