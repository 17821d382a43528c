"""The chain as the voter sees it: the port ``Chain`` over the node's own chain.

Votes stop at the first block whose finality changes the voters: beyond it the next set decides.
Blocks below the final one are those of the index. Of forks that finality left, it is known for a
while where they hung, so that the answers about blocks that were voted for do not change.
"""

from node.consensus.chain import Chain
from primitives.grandpa import Block
from primitives.header import Header
from primitives.types import Hash

__all__ = ["ChainView"]


class ChainView:
    """``ports.Chain`` for the voters of one set, which is the one in force."""

    def __init__(self, chain: Chain, set_id: int) -> None:
        self._chain = chain
        self.set_id = set_id
        """The set that votes; its votes end at the block that ends the set."""

    def number_of(self, hash_: bytes) -> int | None:
        """The height of an imported block; None for others."""
        known = Hash(hash_)
        with self._chain.lock:
            number = self._chain.forks.number_of(known)
            if number is None and known in self._chain.forks.lost:
                number = self._chain.forks.lost[known][1]
        if number is not None:
            return number
        header = self._chain.database.header(known)
        if header is None:
            return None
        is_final = self._chain.database.canonical_hash(int(header.number)) == known
        return int(header.number) if is_final else None

    def ancestor_at(self, hash_: bytes, number: int) -> bytes | None:
        """The block at height ``number`` on the way from ``hash_`` down to genesis."""
        known = Hash(hash_)
        with self._chain.lock:
            forks = self._chain.forks
            while known in forks.lost:
                parent, own = forks.lost[known]
                if number >= own:
                    return known if number == own else None
                known = parent
            if known in forks and number >= forks.root.number:
                return forks.ancestor_at(known, number)
        height = self.number_of(known)
        if height is None or not 0 <= number <= height:
            return None
        return self._chain.database.canonical_hash(number)

    def best_containing(self, hash_: bytes) -> Block | None:
        """The head of the best chain through ``hash_``, as far as this set may vote for it.

        None as well for a block beyond the one that ends the set: no vote of it could count.
        """
        number = self.number_of(hash_)
        if number is None:
            return None
        ended = self._chain.set_ended_by(self.set_id)
        if ended is not None:
            return Block(ended.hash, ended.number) if number <= ended.number else None
        with self._chain.lock:
            forks = self._chain.forks
            start = Hash(hash_) if Hash(hash_) in forks else forks.root.hash
            best = forks.best_containing(start)
            last = forks.first_change(best.hash) or best
        return Block(last.hash, last.number) if number <= last.number else None

    def header(self, hash_: bytes) -> Header | None:
        """The header of an imported block."""
        return self._chain.database.header(Hash(hash_))
