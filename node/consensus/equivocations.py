"""Authors that made two blocks for one slot: the core that notices, and the proof.

Drive it: ``note`` each header whose seal was verified; the first header of an author in a slot is
kept, a different one is an equivocation. Each is told of once. Of an author's blocks for one slot
the first ``SIBLINGS_MAX`` are taken: it can seal any number, and each costs an execution.
Bounds: ``HEADERS_MAX`` headers, those of the oldest slots go; slots ``SLOTS_MAX`` below the highest
one seen are not looked at, because nothing could come of a report.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from primitives.header import Header
from primitives.types import Hash

__all__ = [
    "HEADERS_MAX",
    "SIBLINGS_MAX",
    "SLOTS_MAX",
    "BlockEquivocation",
    "EquivocationWatch",
    "SiblingLimit",
]

HEADERS_MAX: Final = 2048
SLOTS_MAX: Final = 1000
SIBLINGS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class BlockEquivocation:
    """Two headers that one author sealed for one slot."""

    author: bytes
    slot: int
    first: Header
    second: Header


class EquivocationWatch:
    """See the module's text."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[int, bytes], Header | None] = OrderedDict()
        """The first header of an author in a slot; None once a second one was told of."""
        self._newest = 0

    def __len__(self) -> int:
        return len(self._seen)

    def note(self, slot: int, author: bytes, header: Header) -> BlockEquivocation | None:
        """Take a header sealed by ``author``; the equivocation that it makes, if it does."""
        self._newest = max(self._newest, slot)
        if slot + SLOTS_MAX <= self._newest:
            return None
        key = slot, author
        if key not in self._seen:
            self._seen[key] = header
            if len(self._seen) > HEADERS_MAX:
                del self._seen[min(self._seen)]
            return None
        first = self._seen[key]
        if first is None or first == header:
            return None
        self._seen[key] = None
        return BlockEquivocation(author, slot, first, header)


class SiblingLimit:
    """Which blocks of authors that make several for one slot are taken: the first few.

    Bounds: ``HEADERS_MAX`` authors' slots, those seen first go.
    """

    def __init__(self) -> None:
        self._taken: OrderedDict[tuple[int, bytes], dict[Hash, None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._taken)

    def takes(self, slot: int, author: bytes, block: Hash) -> bool:
        """Whether this block of ``author`` is one of the first few."""
        taken = self._taken.setdefault((slot, author), {})
        if len(self._taken) > HEADERS_MAX:
            self._taken.popitem(last=False)
        if block not in taken and len(taken) >= SIBLINGS_MAX:
            return False
        taken[block] = None
        return True
