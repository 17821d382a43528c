"""Client-side encryption: keys that never leave the owner's machine, and the envelope format."""

from client.vault.envelope import (
    ChunkDamaged,
    EnvelopeError,
    EnvelopeTruncated,
    HeaderDamaged,
    NotAnEnvelope,
    Opener,
    Sealer,
    Span,
    UnsupportedEnvelope,
    WrongKey,
    envelope_bytes,
    padded_content_bytes,
)
from client.vault.keys import FileKeys, VaultKey
from client.vault.names import seal_name, unseal_name

__all__ = [
    "ChunkDamaged",
    "EnvelopeError",
    "EnvelopeTruncated",
    "FileKeys",
    "HeaderDamaged",
    "NotAnEnvelope",
    "Opener",
    "Sealer",
    "Span",
    "UnsupportedEnvelope",
    "VaultKey",
    "WrongKey",
    "envelope_bytes",
    "padded_content_bytes",
    "seal_name",
    "unseal_name",
]
