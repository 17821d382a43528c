"""Headers and bodies as JSON-RPC gives them, and a bounded memory of which block holds what."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from primitives.digest import Digest, DigestItem
from primitives.errors import DecodeError
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.scale import codec
from primitives.types import BlockNumber, Hash

__all__ = ["BlockHead", "SeenBlock", "SeenBlocks", "hash_of_text", "header_of_json"]


@dataclass(frozen=True, slots=True)
class BlockHead:
    """The head of a chain at some moment."""

    number: BlockNumber
    hash: Hash
    header: Header


def hash_of_text(text: str) -> Hash:
    """The hash of ``0x`` and 64 digits. Raises: DecodeError."""
    try:
        return Hash(bytes.fromhex(text.removeprefix("0x")))
    except ValueError:
        raise DecodeError(f"the node sent {text[:80]!r} for a hash") from None


def header_of_json(value: Mapping[str, Any]) -> Header:
    """The header in a JSON-RPC reply. Raises: DecodeError."""
    try:
        logs = [bytes.fromhex(log.removeprefix("0x")) for log in value["digest"]["logs"]]
        return Header(
            parent_hash=hash_of_text(value["parentHash"]),
            number=BlockNumber(int(value["number"], 16)),
            state_root=hash_of_text(value["stateRoot"]),
            extrinsics_root=hash_of_text(value["extrinsicsRoot"]),
            digest=Digest(logs=tuple(codec(DigestItem).decode(log) for log in logs)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DecodeError(f"the node sent a header that is none: {error!r}") from None


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """What is remembered of a block: its place, and the index of each extrinsic by its hash."""

    number: int
    parent: Hash
    extrinsics: Mapping[Hash, int]


class SeenBlocks:
    """The blocks that were looked into last, at most ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._blocks: OrderedDict[Hash, SeenBlock] = OrderedDict()

    def get(self, block: Hash) -> SeenBlock | None:
        """The block, if it is remembered."""
        found = self._blocks.get(block)
        if found is not None:
            self._blocks.move_to_end(block)
        return found

    def put(self, block: Hash, header: Mapping[str, Any], extrinsics: list[str]) -> SeenBlock:
        """Remember a block from its JSON and forget the one not asked for the longest."""
        hashes = [blake2_256(bytes.fromhex(text.removeprefix("0x"))) for text in extrinsics]
        seen = SeenBlock(
            number=int(header["number"], 16),
            parent=hash_of_text(header["parentHash"]),
            extrinsics={found: index for index, found in enumerate(hashes)},
        )
        self._blocks[block] = seen
        while len(self._blocks) > self._limit:
            self._blocks.popitem(last=False)
        return seen
