"""Which chain to build on: the core of fork choice, over the blocks that are not final yet.

The best chain is the highest; of equals the one seen first. Only chains through the final block are
in the tree at all, so nothing chosen here can undo finality. The core also knows the line of the
best chain, by which questions about ancestors are answered without walking it, the blocks whose
finality changes the set of voters, and for a while where the blocks hung that finality left: votes
for them still count for what is below.

Drive it: ``add`` each imported block after its parent, ``finalize`` what became final. It reads no
database and no clock. Bounds: one entry of 100 bytes for each block that is not final, of which the
database refuses too many at one height; steps are linear in the length of a fork.

Source: the longest chain of Substrate's ``sc-consensus``. BABE's own rule, most primary slots
first, is refused in docs/adr/0022: it lets an author leave out blocks whose random output it
dislikes.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from node.database.tree import BlockId
from primitives.types import Hash

__all__ = ["LOST_MAX", "BlockId", "ForkChoice", "Route"]

LOST_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Route:
    """From an old best block to a new one: blocks left, newest first, and entered, oldest first."""

    retracted: tuple[Hash, ...]
    enacted: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    parent: Hash
    number: int
    order: int

    @property
    def rank(self) -> tuple[int, int]:
        """The better of two heads has the higher one."""
        return self.number, -self.order


class ForkChoice:
    """See the module's text."""

    def __init__(self, root: BlockId) -> None:
        self.root = root
        self._order = 0
        self._entries: dict[Hash, _Entry] = {root.hash: _Entry(Hash(bytes(32)), root.number, 0)}
        self._best = root.hash
        self._line: list[Hash] = [root.hash]
        """The best chain from the root on; the block at height ``root.number + index``."""
        self._changes: list[Hash] = []
        """Blocks above the root whose finality changes the voters, parents first."""
        self._forced: list[Hash] = []
        """Blocks above the root that change the voters before they are final, parents first."""
        self.lost: OrderedDict[Hash, tuple[Hash, int]] = OrderedDict()
        """Parent and height of blocks on forks that finality left."""

    # Reading.

    def __contains__(self, hash_: Hash) -> bool:
        return hash_ in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def best(self) -> BlockId:
        """The block to build on."""
        return BlockId(self._best, self._entries[self._best].number)

    def number_of(self, hash_: Hash) -> int | None:
        """The height of the root or of a block above it."""
        entry = self._entries.get(hash_)
        return None if entry is None else entry.number

    def parent_of(self, hash_: Hash) -> Hash | None:
        """The parent of a block above the root."""
        return None if hash_ == self.root.hash else self._entries[hash_].parent

    def ancestor_at(self, hash_: Hash, number: int) -> Hash | None:
        """The block at a height from the root on, on the way down from ``hash_``, which is here."""
        at, entry = hash_, self._entries[hash_]
        if not self.root.number <= number <= entry.number:
            return None
        while entry.number > number:
            if self._is_on_line(at, entry.number):
                return self._line[number - self.root.number]
            at = entry.parent
            entry = self._entries[at]
        return at

    def is_ancestor(self, ancestor: Hash, hash_: Hash) -> bool:
        """Whether ``ancestor`` is ``hash_`` or below it; both are here."""
        return self.ancestor_at(hash_, self._entries[ancestor].number) == ancestor

    def best_containing(self, hash_: Hash) -> BlockId:
        """The head of the best chain through ``hash_``, which is here."""
        if self._is_on_line(hash_, self._entries[hash_].number):
            return self.best
        found = max(
            (other for other in self._entries if self.is_ancestor(hash_, other)),
            key=lambda other: self._entries[other].rank,
        )
        return BlockId(found, self._entries[found].number)

    def first_change(self, head: Hash) -> BlockId | None:
        """The lowest block above the root, up to ``head``, whose finality changes the voters."""
        for hash_ in self._changes:
            if self.is_ancestor(hash_, head):
                return BlockId(hash_, self._entries[hash_].number)
        return None

    def last_forced(self, head: Hash) -> BlockId | None:
        """The highest block above the root, up to ``head``, that forces other voters."""
        for hash_ in reversed(self._forced):
            if self.is_ancestor(hash_, head):
                return BlockId(hash_, self._entries[hash_].number)
        return None

    def path(self, head: Hash) -> tuple[Hash, ...]:
        """From the root's child up to ``head``, which is here."""
        return tuple(reversed(tuple(self._down(head, self.root.hash))))

    def route(self, old: Hash, new: Hash) -> Route:
        """How the best chain changes from one head to the other; both are here."""
        left, right = old, new
        while left != right:
            if self._entries[left].number >= self._entries[right].number:
                left = self._entries[left].parent
            else:
                right = self._entries[right].parent
        retracted = tuple(self._down(old, left))
        return Route(retracted, tuple(reversed(tuple(self._down(new, left)))))

    # Changing.

    def would_lead(self, parent: Hash) -> bool:
        """Whether a new block upon ``parent``, which is here, becomes the best one."""
        return self._entries[parent].number >= self._entries[self._best].number

    def add(
        self,
        hash_: Hash,
        parent: Hash,
        *,
        changes_set: bool = False,
        forces_set: bool = False,
    ) -> bool:
        """Take a block whose parent is here; whether it is the best one now."""
        below = self._entries[parent]
        leads = self.would_lead(parent)
        self._order += 1
        self._entries[hash_] = _Entry(parent, below.number + 1, self._order)
        if changes_set:
            self._changes.append(hash_)
        if forces_set:
            self._forced.append(hash_)
        if leads:
            self._lead(hash_)
        return leads

    def finalize(self, hash_: Hash) -> BlockId:
        """``hash_``, which is here, is final: other chains go. The best block of those left."""
        number = self._entries[hash_].number
        kept = {other for other in self._entries if self.is_ancestor(hash_, other)}
        best = max(kept, key=lambda other: self._entries[other].rank)
        if best != self._best:
            self._lead(best)
        self._lose(hash_, kept)
        self._entries = {other: self._entries[other] for other in self._entries if other in kept}
        self._changes = [other for other in self._changes if other in kept and other != hash_]
        self._forced = [other for other in self._forced if other in kept and other != hash_]
        self._line = self._line[number - self.root.number :]
        self.root = BlockId(hash_, number)
        return self.best

    # Private.

    def _lose(self, final: Hash, kept: set[Hash]) -> None:
        """Remember the blocks that are neither upon ``final`` nor below it."""
        below = {final, self.root.hash, *self._down(final, self.root.hash)}
        for hash_, entry in self._entries.items():
            if hash_ not in kept and hash_ not in below:
                self.lost[hash_] = entry.parent, entry.number
        while len(self.lost) > LOST_MAX:
            self.lost.popitem(last=False)

    def _is_on_line(self, hash_: Hash, number: int) -> bool:
        at = number - self.root.number
        return at < len(self._line) and self._line[at] == hash_

    def _down(self, head: Hash, end: Hash) -> Iterator[Hash]:
        """From ``head`` down to the child of its ancestor ``end``."""
        at = head
        while at != end:
            yield at
            at = self._entries[at].parent

    def _lead(self, hash_: Hash) -> None:
        """Let the line lead to ``hash_``."""
        entered: list[Hash] = []
        at, number = hash_, self._entries[hash_].number
        while not self._is_on_line(at, number):
            entered.append(at)
            at, number = self._entries[at].parent, number - 1
        del self._line[number - self.root.number + 1 :]
        self._line.extend(reversed(entered))
        self._best = hash_
