"""File names for the chain: the owner reads them, everybody else sees 63 letters.

A name is padded to ``NAME_BYTES``, sealed with AES-SIV (RFC 5297) bound to the file's hash, and
written in base64url without padding: always 63 bytes, the longest that the chain takes. The same
name gives unlike texts for unlike files. A longer name is cut here; the whole one is inside the
envelope.
"""

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from client.vault.keys import VaultKey

__all__ = ["NAME_BYTES", "SEALED_CHARACTERS", "seal_name", "unseal_name"]

NAME_BYTES = 31
SEALED_CHARACTERS = 63
_TAG_BYTES = 16
_PAD = b"\0"


def seal_name(key: VaultKey, file_hash: bytes, name: str) -> bytes:
    """The 63 bytes that stand for ``name`` on the chain."""
    plain = name.encode("utf-8", "replace")[:NAME_BYTES]
    whole = plain.decode("utf-8", "ignore").encode().rstrip(_PAD)
    sealed = AESSIV(key.name_key()).encrypt(whole.ljust(NAME_BYTES, _PAD), [file_hash])
    return base64.urlsafe_b64encode(sealed).rstrip(b"=")


def unseal_name(key: VaultKey, file_hash: bytes, sealed: bytes) -> str | None:
    """The name, or None when this is a public name or another owner's."""
    if len(sealed) != SEALED_CHARACTERS:
        return None
    try:
        raw = base64.b64decode(sealed + b"=", altchars=b"-_", validate=True)
        plain = AESSIV(key.name_key()).decrypt(raw, [file_hash])
    except (binascii.Error, InvalidTag):
        return None
    return plain.rstrip(_PAD).decode("utf-8", "replace")
