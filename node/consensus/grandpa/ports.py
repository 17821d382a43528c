"""What voting asks about blocks: the port that the chain provides.

All blocks asked about descend from the genesis block and were imported. Answers about imported
blocks do not change, except for ``best_containing``.
"""

from typing import Protocol

from primitives.grandpa import Block
from primitives.header import Header

__all__ = ["Chain", "is_descendant"]


class Chain(Protocol):
    """The tree of imported blocks."""

    def number_of(self, hash_: bytes) -> int | None:
        """The height of an imported block; None for others."""
        ...

    def ancestor_at(self, hash_: bytes, number: int) -> bytes | None:
        """The block at height ``number`` on the way from ``hash_`` down to genesis.

        The block itself at its own height; None above it, or if it was not imported.
        """
        ...

    def best_containing(self, hash_: bytes) -> Block | None:
        """The head of the best chain that contains ``hash_``, as far as it may be voted for.

        That is not beyond a block whose finality changes the set of authorities. None if the block
        was not imported.
        """
        ...

    def header(self, hash_: bytes) -> Header | None:
        """The header of an imported block."""
        ...


def is_descendant(chain: Chain, block: Block, ancestor: Block) -> bool:
    """Whether ``ancestor`` is ``block`` or below it, on its way to genesis."""
    return chain.ancestor_at(block.hash, ancestor.number) == ancestor.hash
