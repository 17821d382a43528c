"""Talking on one stream: messages with their length in front, and the choice of a protocol.

``multistream-select`` 1.0 lets the side that opens a stream name protocols until the other knows
one. All that is read is bounded before it is read, and whoever breaks the form gets ``BadStream``;
deadlines are the caller's.

Bounds: ``LINE_BYTES_MAX`` for a name, ``PROPOSALS_MAX`` names on one stream, ``PART_BYTES`` read at
a time.
"""

from collections.abc import Collection, Sequence
from typing import Final, Protocol

from node.network.protobuf import VARINT_BYTES_MAX, encode_varint
from primitives.errors import CessError

__all__ = [
    "LINE_BYTES_MAX",
    "PROPOSALS_MAX",
    "BadStream",
    "ByteStream",
    "StreamEnded",
    "accept_protocol",
    "frame",
    "read_frame",
    "select_protocol",
]

LINE_BYTES_MAX: Final = 512
PROPOSALS_MAX: Final = 8

_HEADER: Final = b"/multistream/1.0.0"
_REFUSAL: Final = b"na"


class StreamEnded(CessError):  # noqa: N818  a fact
    """The stream or its connection is gone."""


class BadStream(CessError):  # noqa: N818  a fact
    """The peer said what the protocol does not allow."""


class ByteStream(Protocol):
    """One stream, or a whole connection before it is split into streams."""

    async def read_exactly(self, count: int) -> bytes:
        """That many bytes. Raises: StreamEnded."""
        ...

    async def write(self, data: bytes) -> None:
        """Send all bytes. Raises: StreamEnded."""
        ...


def frame(data: bytes) -> bytes:
    """A message with its length in front."""
    return encode_varint(len(data)) + data


async def read_frame(stream: ByteStream, limit: int) -> bytes:
    """A message of at most ``limit`` bytes. Raises: StreamEnded, BadStream."""
    length = shift = 0
    for _ in range(VARINT_BYTES_MAX):
        byte = (await stream.read_exactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if length > limit:
            break
        if byte < 0x80:
            return await stream.read_exactly(length) if length else b""
    raise BadStream(f"a message is longer than {limit} bytes")


def _line(text: bytes) -> bytes:
    return frame(text + b"\n")


async def _read_line(stream: ByteStream) -> bytes:
    line = await read_frame(stream, LINE_BYTES_MAX)
    if not line.endswith(b"\n"):
        raise BadStream("a line of the choice of protocols has no end")
    return line[:-1]


async def accept_protocol(stream: ByteStream, known: Collection[str]) -> str:
    """The protocol that the other side chose. Raises: StreamEnded, BadStream."""
    if await _read_line(stream) != _HEADER:
        raise BadStream("the stream does not begin with multistream-select")
    await stream.write(_line(_HEADER))
    for _ in range(PROPOSALS_MAX):
        proposal = await _read_line(stream)
        name = proposal.decode("utf-8", "replace")
        if name in known:
            await stream.write(_line(proposal))
            return name
        await stream.write(_line(_REFUSAL))
    raise BadStream(f"none of {PROPOSALS_MAX} proposed protocols is known")


async def select_protocol(stream: ByteStream, names: Sequence[str]) -> str:
    """The first of our protocols that the other side knows. Raises: StreamEnded, BadStream."""
    await stream.write(_line(_HEADER) + _line(names[0].encode()))
    if await _read_line(stream) != _HEADER:
        raise BadStream("the stream does not begin with multistream-select")
    for index, name in enumerate(names):
        if index:
            await stream.write(_line(name.encode()))
        answer = await _read_line(stream)
        if answer == name.encode():
            return name
        if answer != _REFUSAL:
            raise BadStream("the peer answered a proposal with neither yes nor no")
    raise BadStream(f"the peer does not know {names[0]}")
