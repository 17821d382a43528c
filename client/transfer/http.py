"""HTTP with holders of fragments, version 1 of the protocol (docs/specs/file-encoding.md).

A holder is a stranger: whatever it answers is bounded in length and time, redirects are not
followed, its texts are shown without control characters, and bytes are believed only when their
hash fits. Whatever is wrong with a holder or its address is a ``HolderFailed``.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import httpx

from primitives.errors import CessError, DecodeError
from primitives.types import Bytes48, FileHash, FragmentHash
from proofs.podr2.params import FRAGMENT_ROWS_MAX
from proofs.podr2.wire import Opening, ScalarBytes

__all__ = [
    "BadEndpoint",
    "HolderFailed",
    "HolderHttp",
    "OpeningReply",
    "TransferLimits",
    "checked_endpoint",
]

ENDPOINT_CHARACTERS_MAX = 100
RETRYABLE = frozenset({404, 408, 409, 425, 429, 500, 502, 503, 504})
"""The holder may take it later: it has not seen the block with the draw yet, or it is busy."""

_MALFORMED = 0
_UNREACHABLE = -1
_FAILURES: Final = (httpx.HTTPError, httpx.InvalidURL, UnicodeError)
"""UnicodeError: names that no resolver takes, such as ``a..b``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferLimits:
    """How long holders may take and how many are talked to at once."""

    connect_timeout_s: float = 5.0
    transfer_timeout_s: float = 60.0
    """Between two pieces of a fragment, and for any short answer."""

    pace_bytes_s_min: int = 16 << 10
    """A transfer may take ``transfer_timeout_s`` and as long as its bytes need at this pace, so a
    holder that drips bytes is given up."""

    opening_timeout_s: float = 180.0
    """The holder commits to the fragment first, which takes seconds and may have to queue."""

    sending_max: int = 6
    fetching_max: int = 12
    reply_bytes_max: int = 64 << 10
    hedge_after_s: float = 1.5
    """A fragment that has not come for so long is asked of one more holder."""

    checks_max: int = 2
    """Openings that are checked at once, each in a worker thread."""


class BadEndpoint(CessError):
    """A holder's address on the chain that is no plain HTTP address."""


class HolderFailed(CessError):
    """A holder refused, failed or could not be reached. ``is_retryable``: it may work later."""

    def __init__(
        self, endpoint: str, status: int, text: str, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"the holder at {_printable(endpoint)} failed: {_printable(text)}")
        self.endpoint = endpoint
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status == _UNREACHABLE or self.status in RETRYABLE


@dataclass(frozen=True, slots=True)
class OpeningReply:
    """A holder's commitments to a fragment, and its answer to the sender's nonce."""

    commitments: tuple[Bytes48, ...]
    opening: Opening


def checked_endpoint(raw: bytes) -> str:
    """The URL of a holder as the chain has it. Raises: BadEndpoint."""
    try:
        text = raw.decode("ascii")
        parts = urlsplit(text)
        port = parts.port
    except (UnicodeDecodeError, ValueError):
        raise BadEndpoint(f"{raw!r} is not the address of a holder") from None
    is_plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not is_plain
        or port == 0
        or len(text) > ENDPOINT_CHARACTERS_MAX
    ):
        raise BadEndpoint(f"{text!r} is not the address of a holder: http://host:port is one")
    return text.rstrip("/")


class HolderHttp:
    """Requests to holders over kept connections. Made by ``HolderHttp.open``."""

    def __init__(self, client: httpx.AsyncClient, limits: TransferLimits) -> None:
        self._client = client
        self.limits = limits

    @classmethod
    @asynccontextmanager
    async def open(cls, limits: TransferLimits | None = None) -> AsyncIterator["HolderHttp"]:
        """A pool of connections, closed at the end."""
        limits = limits if limits is not None else TransferLimits()
        connections = limits.sending_max + limits.fetching_max
        async with httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(limits.transfer_timeout_s, connect=limits.connect_timeout_s),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        ) as client:
            yield cls(client, limits)

    async def put_fragment(self, endpoint: str, fragment: FragmentHash, data: bytes) -> None:
        """Hand a fragment over; the holder has it on disk when this returns."""
        await self._json(
            "PUT",
            endpoint,
            f"/fragments/{fragment.hex()}",
            content=data,
            timeout_s=self._patience(len(data)),
        )

    async def opening(self, endpoint: str, fragment: FragmentHash, nonce: bytes) -> OpeningReply:
        """The holder's commitments, opened for ``nonce``."""
        reply = await self._json(
            "POST",
            endpoint,
            f"/fragments/{fragment.hex()}/opening",
            body={"nonce": nonce.hex()},
            timeout_s=self.limits.opening_timeout_s,
        )
        try:
            listed = reply["commitments"]
            if not isinstance(listed, list) or len(listed) > FRAGMENT_ROWS_MAX:
                raise ValueError("commitments")
            return OpeningReply(
                commitments=tuple(Bytes48(_unhex(item)) for item in listed),
                opening=Opening(
                    y=ScalarBytes(_unhex(reply["y"])), proof=Bytes48(_unhex(reply["proof"]))
                ),
            )
        except (KeyError, TypeError, ValueError, DecodeError) as error:
            raise HolderFailed(endpoint, _MALFORMED, f"its opening is malformed: {error}") from None

    async def cosignature(
        self,
        endpoint: str,
        fragment: FragmentHash,
        *,
        file_hash: FileHash,
        segment_index: int,
        fragment_index: int,
        signature: bytes,
    ) -> None:
        """Hand over the owner's signature under the holder's commitments."""
        await self._json(
            "POST",
            endpoint,
            f"/fragments/{fragment.hex()}/cosignature",
            body={
                "file_hash": f"0x{file_hash.hex()}",
                "segment_index": segment_index,
                "fragment_index": fragment_index,
                "signature": f"0x{signature.hex()}",
            },
        )

    async def get_fragment(self, endpoint: str, fragment: FragmentHash, length: int) -> bytes:
        """A fragment's bytes, whose length and hash are right. Raises: HolderFailed."""
        data = bytearray()
        digest = hashlib.sha256()
        try:
            with anyio.fail_after(self._patience(length)):
                async with self._client.stream(
                    "GET", f"{endpoint}/fragments/{fragment.hex()}"
                ) as response:
                    if response.status_code != httpx.codes.OK:
                        raise await self._failure(endpoint, response)
                    async for piece in response.aiter_raw():
                        data += piece
                        digest.update(piece)
                        if len(data) > length:
                            break
        except _FAILURES as error:
            raise _unreachable(endpoint, error) from None
        except TimeoutError:
            raise _too_slow(endpoint) from None
        if len(data) != length or digest.digest() != fragment:
            raise HolderFailed(
                endpoint, _MALFORMED, f"its fragment {fragment.hex()} has other bytes"
            )
        return bytes(data)

    async def _json(
        self,
        method: str,
        endpoint: str,
        path: str,
        *,
        content: bytes | None = None,
        body: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        timeout = self.limits.transfer_timeout_s if timeout_s is None else timeout_s
        try:
            with anyio.fail_after(timeout):
                async with self._client.stream(
                    method,
                    endpoint + path,
                    content=content,
                    json=body,
                    timeout=httpx.Timeout(timeout, connect=self.limits.connect_timeout_s),
                ) as response:
                    if not response.is_success:
                        raise await self._failure(endpoint, response)
                    text = await self._bounded(endpoint, response)
        except _FAILURES as error:
            raise _unreachable(endpoint, error) from None
        except TimeoutError:
            raise _too_slow(endpoint) from None
        try:
            reply = json.loads(text) if text else {}
        except (ValueError, RecursionError):
            raise HolderFailed(endpoint, _MALFORMED, "its answer is no JSON") from None
        if not isinstance(reply, dict):
            raise HolderFailed(endpoint, _MALFORMED, "its answer is no JSON object")
        return reply

    def _patience(self, length: int) -> float:
        return self.limits.transfer_timeout_s + length / self.limits.pace_bytes_s_min

    async def _bounded(self, endpoint: str, response: httpx.Response) -> bytes:
        text = bytearray()
        async for piece in response.aiter_raw():
            text += piece
            if len(text) > self.limits.reply_bytes_max:
                raise HolderFailed(endpoint, _MALFORMED, "its answer has no end")
        return bytes(text)

    async def _failure(self, endpoint: str, response: httpx.Response) -> HolderFailed:
        text = await self._bounded(endpoint, response)
        try:
            message = str(json.loads(text)["message"])[:200]
        except (ValueError, KeyError, TypeError, RecursionError):
            message = response.reason_phrase
        try:
            retry_after = min(max(float(response.headers.get("retry-after", "")), 0.0), 60.0)
        except ValueError:
            retry_after = None
        status = response.status_code
        return HolderFailed(
            endpoint, status, f"{message} (status {status})", retry_after_s=retry_after
        )


def _unreachable(endpoint: str, error: Exception) -> HolderFailed:
    return HolderFailed(endpoint, _UNREACHABLE, str(error) or type(error).__name__)


def _too_slow(endpoint: str) -> HolderFailed:
    return HolderFailed(endpoint, _UNREACHABLE, "it was too slow")


def _printable(text: str) -> str:
    """A stranger's text without control characters, which fool terminals and logs."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _unhex(text: object) -> bytes:
    if not isinstance(text, str):
        raise DecodeError("a hexadecimal text is missing")
    return bytes.fromhex(text.removeprefix("0x"))
