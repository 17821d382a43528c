"""What ``chainHead_v1_storage`` and ``archive_v1_storage`` are asked for, and pages of answers.

Child tries of this chain are empty, so an item of one finds nothing.
Bounds: a page holds ``PAGE_ITEMS`` entries or a little over ``PAGE_BYTES`` of values.
Source: JSON-RPC interface specification, chainHead_v1_storage and archive_v1_storage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from node.database import StateSnapshot
from node.rpc.jsonrpc import Json, invalid_params
from node.rpc.registry import PARSERS, to_hex
from primitives.hashing import blake2_256

__all__ = ["ITEMS_MAX", "PAGE_BYTES", "PAGE_ITEMS", "Item", "Page", "parse_items", "read_page"]

ITEMS_MAX: Final = 1024
PAGE_ITEMS: Final = 100
PAGE_BYTES: Final = 1 << 20

KINDS: Final = frozenset(
    {"value", "hash", "closestDescendantMerkleValue", "descendantsValues", "descendantsHashes"}
)
_PAGED: Final = frozenset({"descendantsValues", "descendantsHashes"})


@dataclass(frozen=True, slots=True)
class Item:
    """One question; ``after`` is the key that a paged one goes on behind."""

    key: bytes
    kind: str
    after: bytes | None = None

    @property
    def is_paged(self) -> bool:
        """Whether the answer can be of any length."""
        return self.kind in _PAGED


@dataclass(frozen=True, slots=True)
class Page:
    """A part of an answer, and the key behind which the next one begins (None: it is whole)."""

    entries: list[dict[str, Json]]
    after: bytes | None


def parse_items(raw: Sequence[object], *, paginated: bool = False) -> list[Item]:
    """The items of a call. Raises ``RpcError``."""
    if len(raw) > ITEMS_MAX:
        raise invalid_params(f"at most {ITEMS_MAX} items")
    found: list[Item] = []
    for entry in raw:
        if not isinstance(entry, Mapping):
            raise invalid_params('expected items like {"key": "0x…", "type": "value"}')
        kind = entry.get("type")
        if not isinstance(kind, str) or kind not in KINDS:
            raise invalid_params(f"the type of an item is one of {', '.join(sorted(KINDS))}")
        key = PARSERS[bytes](entry.get("key"))
        start = entry.get("paginationStartKey")
        if start is not None and not (paginated and kind in _PAGED):
            raise invalid_params("paginationStartKey goes with descendants in archive_v1_storage")
        found.append(Item(key, kind, None if start is None else PARSERS[bytes](start)))
    return found


def _entry(kind: str, key: bytes, value: bytes) -> dict[str, Json]:
    if kind in ("value", "descendantsValues"):
        return {"key": to_hex(key), "value": to_hex(value)}
    return {"key": to_hex(key), "hash": to_hex(blake2_256(value))}


def read_page(state: StateSnapshot, item: Item) -> Page:
    """The answer to an item, or the next page of it."""
    if item.kind == "closestDescendantMerkleValue":
        merkle = state.closest_merkle(item.key)
        if merkle is None:
            return Page([], None)
        return Page([{"key": to_hex(item.key), item.kind: to_hex(merkle)}], None)
    if not item.is_paged:
        value = state.get(item.key)
        return Page([] if value is None else [_entry(item.kind, item.key, value)], None)
    entries: list[dict[str, Json]] = []
    size, last = 0, b""
    for key, value in state.items(item.key, item.after):
        if len(entries) >= PAGE_ITEMS or size >= PAGE_BYTES:
            return Page(entries, last)
        entries.append(_entry(item.kind, key, value))
        size, last = size + len(value), key
    return Page(entries, None)
