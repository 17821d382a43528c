"""The node's own key, which makes its peer id: an ed25519 seed in a file of 32 bytes or as hex.

A node without one makes it when it first starts, and only its owner can read it. Validators are
known by their peer ids, so a key that is lost or copied harms: one file is one node.
"""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from node.network.addresses import peer_id_of
from primitives.errors import InvalidKey

__all__ = ["KEY_FILE_NAME", "NodeKey", "generate_key_file", "load_key_file", "parse_key"]

KEY_FILE_NAME: Final = "secret_ed25519"
SEED_BYTES: Final = 32
FILE_BYTES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class NodeKey:
    """The seed, and what follows from it."""

    seed: bytes = field(repr=False)

    @property
    def public(self) -> bytes:
        """The ed25519 public key."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()

    @property
    def peer_id(self) -> str:
        """The name of the node on the network."""
        return peer_id_of(self.public)

    @classmethod
    def generate(cls) -> "NodeKey":
        """A new key."""
        return cls(secrets.token_bytes(SEED_BYTES))


def parse_key(text: str) -> NodeKey:
    """The key of 64 hexadecimal digits. Raises: InvalidKey, without the text."""
    try:
        seed = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise InvalidKey("a node key is 64 hexadecimal digits")
    return NodeKey(seed)


def load_key_file(path: Path) -> NodeKey:
    """The key in a file, 32 bytes or hex. Raises: InvalidKey."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidKey(f"cannot read the node key {path}: {error.strerror}") from error
    if len(data) == SEED_BYTES:
        return NodeKey(data)
    try:
        return parse_key(data.decode("ascii"))
    except (UnicodeDecodeError, InvalidKey):
        raise InvalidKey(
            f"{path} is no node key: it holds 32 bytes or 64 hexadecimal digits; make one with "
            "`cess key generate-node-key --file FILE`"
        ) from None


def generate_key_file(path: Path) -> NodeKey:
    """Make a key and write it as hex, for the owner only; never over another file.

    Raises: InvalidKey.
    """
    key = NodeKey.generate()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.seed.hex().encode())
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise InvalidKey(f"{path} exists: a node key is never overwritten") from None
    except OSError as error:
        raise InvalidKey(f"cannot write the node key {path}: {error.strerror}") from error
    return key
