"""Finding the highest block that a peer and this node share, by asking for single headers.

It asks at the lower of both best heights first, which is right for every peer that is ahead or
behind on the same chain; then further down in doubling steps; then between. What is final here is
the floor: a peer that has another block there is on another chain for good.

Bounds: 2 log2 of the unfinalized blocks questions; three numbers of memory.
"""

from dataclasses import dataclass

from node.database import BlockId

__all__ = ["Ancestry", "AnotherChain"]


class AnotherChain(Exception):  # noqa: N818  an answer, not a failure
    """The peer has another block where this node's is final."""


@dataclass(slots=True)
class Ancestry:
    """A search that goes on: ``at`` is the height to ask for next."""

    at: int
    floor: int
    step: int = 1
    shared: BlockId | None = None
    parted: int | None = None
    """The lowest height known to differ."""

    def answered(self, block: BlockId, *, is_shared: bool) -> BlockId | None:
        """The peer's block at ``at``. Returns the result, None to go on. Raises: AnotherChain."""
        if is_shared:
            self.shared = block
            if self.parted is None:
                return block
        else:
            if self.at <= self.floor:
                raise AnotherChain
            self.parted = self.at
        if self.shared is None:
            self.at = max(self.floor, self.at - self.step)
            self.step *= 2
            return None
        assert self.parted is not None, "because else the first answer was the result"
        if self.parted - self.shared.number <= 1:
            return self.shared
        self.at = (self.parted + self.shared.number) // 2
        return None
