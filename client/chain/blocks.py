"""Headers and bodies as JSON-RPC gives them, and a bounded memory of which block holds what."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from primitives.digest import Digest, DigestItem
from primitives.errors import DecodeError
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.scale import codec
from primitives.types import BlockNumber, Hash

__all__ = [
    "BlockHead",
    "SeenBlock",
    "SeenBlocks",
    "bytes_of_json",
    "hash_of_json",
    "header_of_json",
    "number_of_json",
    "sensible",
]


@dataclass(frozen=True, slots=True)
class BlockHead:
    """The head of a chain at some moment."""

    number: BlockNumber
    hash: Hash
    header: Header


@contextmanager
def sensible(what: str) -> Iterator[None]:
    """Around reading a reply: what is not of the promised shape is a DecodeError."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise DecodeError(f"the node sent nonsense for {what}: {error!r}") from None


def hash_of_json(value: Any) -> Hash:
    """The hash in a reply, ``0x`` and 64 digits. Raises: DecodeError."""
    with sensible("a hash"):
        return Hash(bytes.fromhex(value.removeprefix("0x")))


def bytes_of_json(value: Any) -> bytes:
    """The bytes in a reply, ``0x`` and digits. Raises: DecodeError."""
    with sensible("bytes"):
        return bytes.fromhex(value.removeprefix("0x"))


def number_of_json(value: Any) -> int:
    """A block's number in a reply, ``0x`` and digits. Raises: DecodeError."""
    with sensible("a number"):
        return int(value, 16)


def header_of_json(value: Any) -> Header:
    """The header in a reply. Raises: DecodeError."""
    with sensible("a header"):
        logs = [bytes.fromhex(log.removeprefix("0x")) for log in value["digest"]["logs"]]
        return Header(
            parent_hash=hash_of_json(value["parentHash"]),
            number=BlockNumber(number_of_json(value["number"])),
            state_root=hash_of_json(value["stateRoot"]),
            extrinsics_root=hash_of_json(value["extrinsicsRoot"]),
            digest=Digest(logs=tuple(codec(DigestItem).decode(log) for log in logs)),
        )


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

    def put(self, block: Hash, reply: Any) -> SeenBlock:
        """Remember a block from the reply with it; forget the one not asked for the longest.

        Raises: DecodeError.
        """
        with sensible("a block"):
            header, extrinsics = reply["block"]["header"], reply["block"]["extrinsics"]
            hashes = [blake2_256(bytes_of_json(text)) for text in extrinsics]
            seen = SeenBlock(
                number=number_of_json(header["number"]),
                parent=hash_of_json(header["parentHash"]),
                extrinsics={found: index for index, found in enumerate(hashes)},
            )
        self._blocks[block] = seen
        while len(self._blocks) > self._limit:
            self._blocks.popitem(last=False)
        return seen
