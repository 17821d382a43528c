"""``lightSyncState``: the checkpoint in a chain spec from which a light client begins.

The format is Substrate's: three SCALE values in hexadecimal, and a number. Here they are bytes;
``node.light_sync`` makes them, and light clients take them apart.

Bounds: ``PART_BYTES_MAX`` for each value.
"""

from dataclasses import dataclass
from typing import Final, Self

from chain_spec.document import Json, Node

__all__ = ["PART_BYTES_MAX", "LightSyncState"]

PART_BYTES_MAX: Final = 4 * 1024**2
"""Epochs of 10,000 validators, several times over."""

_EPOCHS: Final = "babeEpochChanges"
_WEIGHT: Final = "babeFinalizedBlockWeight"
_HEADER: Final = "finalizedBlockHeader"
_VOTERS: Final = "grandpaAuthoritySet"


@dataclass(frozen=True, slots=True)
class LightSyncState:
    """A final block and what a light client must know to go on from it."""

    babe_epoch_changes: bytes
    babe_finalized_block_weight: int
    finalized_block_header: bytes
    grandpa_authority_set: bytes

    def to_json(self) -> Json:
        """The object of the document."""
        return {
            _EPOCHS: f"0x{self.babe_epoch_changes.hex()}",
            _WEIGHT: self.babe_finalized_block_weight,
            _HEADER: f"0x{self.finalized_block_header.hex()}",
            _VOTERS: f"0x{self.grandpa_authority_set.hex()}",
        }

    @classmethod
    def from_json(cls, node: Node) -> Self:
        """Read the object. Raises: ChainSpecError."""
        parts = node.fields((_EPOCHS, _WEIGHT, _HEADER, _VOTERS))
        return cls(
            babe_epoch_changes=_bytes(parts[_EPOCHS]),
            babe_finalized_block_weight=parts[_WEIGHT].integer((1 << 32) - 1),
            finalized_block_header=_bytes(parts[_HEADER]),
            grandpa_authority_set=_bytes(parts[_VOTERS]),
        )


def _bytes(node: Node) -> bytes:
    data = node.hex_bytes()
    if not data or len(data) > PART_BYTES_MAX:
        node.fail(f"has {len(data)} bytes; it may have 1 to {PART_BYTES_MAX}")
    return data
