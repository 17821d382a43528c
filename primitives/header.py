"""Headers: what a block is known by.

The hash of a header is the BLAKE2b-256 of its encoding, and the identity of its block. The author
signs ``pre_hash``: the hash of the header without its seal.

Bounds: ``HEADER_BYTES_MAX`` for an encoding, ``LOGS_MAX`` items in the digest of one that others
made: each takes microseconds to read, so a megabyte of empty ones would take a second.
"""

from typing import Annotated, Final

from primitives.digest import Digest, Seal
from primitives.errors import DecodeError
from primitives.hashing import blake2_256
from primitives.scale import U32, Compact, codec, struct
from primitives.types import BlockNumber, Hash

__all__ = ["HEADER_BYTES_MAX", "LOGS_MAX", "Header", "check_logs"]

HEADER_BYTES_MAX: Final = 1024**2
"""A header that announces 10,000 authorities to both engines fits; nothing larger is real."""

LOGS_MAX: Final = 256
"""Blocks have fewer than ten."""

_HASH_BYTES: Final = 32
_NUMBER: Final = codec(Annotated[BlockNumber, Compact])
_COUNT: Final = codec(Annotated[U32, Compact])


def check_logs(data: bytes) -> None:
    """Look at how many items the header at the beginning of ``data`` has. Raises: DecodeError."""
    _, at = _NUMBER.decode_from(data, _HASH_BYTES)
    count, _ = _COUNT.decode_from(data, at + 2 * _HASH_BYTES)
    if count > LOGS_MAX:
        raise DecodeError(f"a header has at most {LOGS_MAX} digest items, not {count}")


@struct(path="sp_runtime::generic::header::Header")
class Header:
    """The header of a block; of block 0 the parent is zeros."""

    parent_hash: Hash
    number: Annotated[BlockNumber, Compact]
    state_root: Hash
    extrinsics_root: Hash
    digest: Digest

    def encode(self) -> bytes:
        """The header's bytes."""
        return codec(Header).encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "Header":
        """The header that ``data`` encodes. Raises: DecodeError."""
        if len(data) > HEADER_BYTES_MAX:
            raise DecodeError(f"a header has at most {HEADER_BYTES_MAX} bytes, not {len(data)}")
        check_logs(data)
        return codec(Header).decode(data)

    def hash(self) -> Hash:
        """The identity of the block."""
        return blake2_256(self.encode())

    def split_seal(self) -> tuple["Header", Seal | None]:
        """The header as its author hashed it, and the seal that was put on it."""
        logs = self.digest.logs
        if not logs or not isinstance(logs[-1], Seal):
            return self, None
        bare = Header(
            parent_hash=self.parent_hash,
            number=self.number,
            state_root=self.state_root,
            extrinsics_root=self.extrinsics_root,
            digest=Digest(logs[:-1]),
        )
        return bare, logs[-1]

    def sealed(self, seal: Seal) -> "Header":
        """This header with ``seal`` put on."""
        return Header(
            parent_hash=self.parent_hash,
            number=self.number,
            state_root=self.state_root,
            extrinsics_root=self.extrinsics_root,
            digest=self.digest.pushed(seal),
        )
