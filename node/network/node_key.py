"""The node's own key, which makes its peer id; see ``primitives.keystore`` for its file.

Validators are known by their peer ids, so a key that is lost or copied harms: one key is one node.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from primitives.keystore import (
    generate_node_key,
    load_node_key,
    new_node_key,
    node_public_key,
    parse_node_key,
)
from primitives.peer_id import peer_id_of

__all__ = ["KEY_FILE_NAME", "NodeKey"]

KEY_FILE_NAME: Final = "secret_ed25519"


@dataclass(frozen=True, slots=True)
class NodeKey:
    """The seed, and what follows from it."""

    seed: bytes = field(repr=False)

    @property
    def public(self) -> bytes:
        """The ed25519 public key."""
        return node_public_key(self.seed)

    @property
    def peer_id(self) -> str:
        """The name of the node on the network."""
        return peer_id_of(self.public)

    @classmethod
    def new(cls) -> "NodeKey":
        """A key that is kept nowhere."""
        return cls(new_node_key())

    @classmethod
    def parse(cls, text: str) -> "NodeKey":
        """The key of 64 hexadecimal digits. Raises: InvalidKey."""
        return cls(parse_node_key(text))

    @classmethod
    def load(cls, path: Path) -> "NodeKey":
        """The key in a file. Raises: InvalidKey."""
        return cls(load_node_key(path))

    @classmethod
    def load_or_make(cls, path: Path) -> "NodeKey":
        """The key in a file, which is made if there is none. Raises: InvalidKey."""
        return cls(load_node_key(path) if path.exists() else generate_node_key(path))
