"""Events: what a pallet tells the world that happened.

``@event(index=0)`` on a class nested in a pallet makes it a SCALE record whose name is the variant
on the wire. The docstring is shipped in metadata.
"""

from collections.abc import Callable
from typing import TypeVar, dataclass_transform

from primitives.scale import struct

__all__ = ["event", "event_index"]

T = TypeVar("T")

_INDEX = "__event_index__"


@dataclass_transform(frozen_default=True)
def event(*, index: int) -> Callable[[type[T]], type[T]]:
    """Declare the variant ``index`` of the pallet's events."""
    assert 0 <= index <= 255, "because a variant index is one byte"

    def decorate(cls: type[T]) -> type[T]:
        made: type[T] = struct(cls)
        setattr(made, _INDEX, index)
        return made

    return decorate


def event_index(cls: type[object]) -> int | None:
    """The variant index if ``cls`` itself is an event, else None."""
    index = cls.__dict__.get(_INDEX)
    return index if isinstance(index, int) else None
