"""Asking a peer over the network, and making sense of its answer before the core sees it.

Bounds: the network's for answers; decoding of long ones happens in a thread.
"""

from typing import Final

import trio

from node.network.transport import Network, RequestFailed, RequestKind
from node.network.wire import BlockFields, BlockRequest, BlockResponse
from node.sync.events import IncomingBlock, NotAsked
from primitives.digest import GRANDPA_ENGINE
from primitives.errors import CessError, DecodeError
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.trie import ordered_root

__all__ = [
    "BULK_TIMEOUT_S",
    "SMALL_TIMEOUT_S",
    "AskingFailed",
    "ask",
    "ask_for_blocks",
    "decode_blocks",
]

BULK_TIMEOUT_S: Final = 20.0
SMALL_TIMEOUT_S: Final = 10.0
LONG_BYTES: Final = 16 << 10
"""Answers from here on are decoded in a thread."""


class AskingFailed(CessError):  # noqa: N818  a fact
    """A peer brought nothing that can be used."""

    def __init__(self, reason: NotAsked, text: str) -> None:
        super().__init__(text)
        self.reason = reason


async def ask(
    network: Network, peer: str, kind: RequestKind, data: bytes, *, timeout_s: float
) -> bytes:
    """The answer of a peer. Raises: AskingFailed."""
    started = trio.current_time()
    try:
        return await network.request(peer, kind, data, timeout_s=timeout_s)
    except RequestFailed as error:
        is_late = trio.current_time() - started >= timeout_s
        reason = NotAsked.TIMED_OUT if is_late else NotAsked.REFUSED
        raise AskingFailed(reason, str(error)) from error


async def ask_for_blocks(
    network: Network, peer: str, request: BlockRequest, *, timeout_s: float | None = None
) -> tuple[IncomingBlock, ...]:
    """The blocks that a peer sends, with the bodies that their headers name.

    ``timeout_s`` is by what is asked for if it is not given. Raises: AskingFailed.
    """
    is_bulk = BlockFields.BODY in request.fields
    if timeout_s is None:
        timeout_s = BULK_TIMEOUT_S if is_bulk else SMALL_TIMEOUT_S
    raw = await ask(network, peer, RequestKind.SYNC, request.encode(), timeout_s=timeout_s)
    try:
        if len(raw) < LONG_BYTES:
            return decode_blocks(raw, with_bodies=is_bulk)
        return await trio.to_thread.run_sync(lambda: decode_blocks(raw, with_bodies=is_bulk))
    except DecodeError as error:
        raise AskingFailed(NotAsked.MALFORMED, str(error)) from error


def decode_blocks(raw: bytes, *, with_bodies: bool) -> tuple[IncomingBlock, ...]:
    """The blocks of an answer, which must have headers, and the bodies that those name.

    Who sends a good header with other extrinsics is at fault, not the block: if that came out at
    the import, one liar could have a good block remembered as a bad one. Raises: DecodeError.
    """
    found = []
    for data in BlockResponse.decode(raw).blocks:
        if data.header is None:
            raise DecodeError("a block without its header")
        hash_ = blake2_256(data.header)
        if hash_ != data.hash:
            raise DecodeError("a header that has another hash than the block is said to have")
        proof = next(
            (proof for engine, proof in data.justifications if engine == GRANDPA_ENGINE), None
        )
        header, body = Header.decode(data.header), data.body or ()
        if with_bodies and ordered_root(body) != header.extrinsics_root:
            raise DecodeError("extrinsics that are not those of the header")
        size = len(data.header) + sum(map(len, body)) + len(proof or b"")
        found.append(IncomingBlock(hash_, header, body, proof, size))
    return tuple(found)
