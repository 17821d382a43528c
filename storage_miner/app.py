"""The fragment protocol over HTTP, version 1, as an ASGI application.

    PUT  /fragments/HASH               the fragment's bytes; Content-Length is required
    GET  /fragments/HASH               its bytes; one Range is understood; HEAD likewise
    POST /fragments/HASH/opening       {"nonce"} -> {"commitments", "y", "proof"}
    POST /fragments/HASH/cosignature   {"file_hash", "segment_index", "fragment_index", "signature"}
    GET  /status, /health

HASH is 64 lower-case hex digits; nothing of a request's path ever becomes a path on the disk.
Errors are JSON: {"error": code, "message": text}.

Bounds: bodies of PUT are exactly a fragment, of POST at most JSON_BYTES_MAX; a body must arrive
within BODY_TIMEOUT_S, and its next piece within PIECE_TIMEOUT_S; DOWNLOADS_MAX downloads at once;
READ_BYTES are in memory for each.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import orjson
import structlog
import trio

from primitives.errors import CessError
from primitives.types import FileHash, FragmentHash

from .errors import ProverBusy, ProverFailed, RequestRefused
from .facts import Place
from .store import (
    AlreadyReceiving,
    DiskFull,
    FragmentMismatch,
    QuotaReached,
    StoreError,
)
from .transfer import Transfers

JSON_BYTES_MAX = 16 << 10
BODY_TIMEOUT_S = 300.0
PIECE_TIMEOUT_S = 30.0
DOWNLOADS_MAX = 64
READ_BYTES = 1 << 18
RETRY_AFTER_S = 2
NONCE_BYTES = 32
SIGNATURE_BYTES_MAX = 66

_ROUTE = re.compile(r"/fragments/([^/]{1,200})(/opening|/cosignature)?")
_HASH = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
StatusReport = Callable[[], dict[str, Any]]

log = structlog.get_logger(__name__)


class ClientGone(Exception):  # noqa: N818  a fact
    """The other side closed the connection; there is nobody to answer."""


class FragmentApp:
    """See the module. `status` gives the body of GET /status."""

    def __init__(self, transfers: Transfers, status: StatusReport) -> None:
        self._transfers = transfers
        self._status = status
        self.downloads = 0
        """Fragments that are being sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's start and end."""
        match scope["type"]:
            case "http":
                await self._serve(_Exchange(scope, receive, send))
            case "lifespan":
                await _live(receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1003})

    async def _serve(self, exchange: "_Exchange") -> None:
        try:
            await self._route(exchange)
        except ClientGone:
            return
        except RequestRefused as error:
            await exchange.refuse(error.status, error.code, str(error))
        except ProverBusy as error:
            await exchange.refuse(503, error.code, str(error))
        except ProverFailed as error:
            await exchange.refuse(500, error.code, str(error))
        except StoreError as error:
            await exchange.refuse(_status_of(error), error.code, str(error))
        except CessError as error:
            # The node is away or answers strangely: not the sender's fault.
            log.warning("request failed", path=exchange.path, error=str(error))
            await exchange.refuse(503, "chain_unreachable", str(error))

    async def _route(self, exchange: "_Exchange") -> None:
        path, method = exchange.path, exchange.method
        if path in ("/health", "/status"):
            _allow(method, ("GET", "HEAD"))
            await exchange.answer(200, {"status": "ok"} if path == "/health" else self._status())
            return
        match = _ROUTE.fullmatch(path)
        if match is None:
            raise RequestRefused(404, "no_such_page", "see /fragments/HASH, /status and /health")
        if not _HASH.fullmatch(match[1]):
            raise RequestRefused(400, "bad_hash", "a fragment's name is 64 lower-case hex digits")
        fragment_hash = FragmentHash(bytes.fromhex(match[1]))
        match match[2]:
            case None if method == "PUT":
                await self._put(exchange, fragment_hash)
            case None:
                _allow(method, ("GET", "HEAD", "PUT"))
                await self._get(exchange, fragment_hash)
            case "/opening":
                _allow(method, ("POST",))
                await self._open(exchange, fragment_hash)
            case _:
                _allow(method, ("POST",))
                await self._cosign(exchange, fragment_hash)

    async def _put(self, exchange: "_Exchange", fragment_hash: FragmentHash) -> None:
        wanted = self._transfers.facts.fragment_bytes
        length = exchange.content_length()
        if length is None:
            raise RequestRefused(411, "length_required", "send a Content-Length")
        if length != wanted:
            raise RequestRefused(
                400, "wrong_length", f"a fragment has {wanted} bytes on this chain, not {length}"
            )
        body = {"hash": "0x" + fragment_hash.hex(), "bytes": wanted}
        if self._transfers.holds(fragment_hash) == wanted:
            await exchange.drain(wanted)
            await exchange.answer(200, body)
            return
        try:
            with trio.fail_after(BODY_TIMEOUT_S):
                await self._transfers.receive(fragment_hash, exchange.next_piece)
        except trio.TooSlowError as error:
            raise RequestRefused(
                408, "too_slow", f"the body did not arrive in {BODY_TIMEOUT_S:.0f} s"
            ) from error
        await exchange.answer(201, body)

    async def _get(self, exchange: "_Exchange", fragment_hash: FragmentHash) -> None:
        total = self._transfers.holds(fragment_hash)
        if total is None:
            raise RequestRefused(404, "not_held", "this miner does not hold that fragment")
        start, end = exchange.wanted_range(total)
        is_part = (start, end) != (0, total)
        headers = [
            (b"accept-ranges", b"bytes"),
            (b"content-length", str(end - start).encode()),
            (b"content-type", b"application/octet-stream"),
            (b"etag", b'"' + fragment_hash.hex().encode() + b'"'),
        ]
        if is_part:
            headers.append((b"content-range", f"bytes {start}-{end - 1}/{total}".encode()))
        status = 206 if is_part else 200
        if exchange.method == "HEAD":
            await exchange.start(status, headers)
            await exchange.finish()
            return
        if self.downloads >= DOWNLOADS_MAX:
            raise RequestRefused(503, "busy", f"{DOWNLOADS_MAX} downloads are under way")
        self.downloads += 1
        try:
            await self._stream(exchange, fragment_hash, start, end, status, headers)
        finally:
            self.downloads -= 1

    async def _stream(
        self,
        exchange: "_Exchange",
        fragment_hash: FragmentHash,
        start: int,
        end: int,
        status: int,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        is_started = False
        while start < end:
            piece = await self._transfers.read(fragment_hash, start, min(READ_BYTES, end - start))
            if not piece:
                if is_started:
                    raise ClientGone  # the file shrank below us: break off, the length will tell
                raise RequestRefused(404, "not_held", "this miner has lost that fragment")
            if not is_started:
                await exchange.start(status, headers)
                is_started = True
            start += len(piece)
            await exchange.body(piece, is_last=start >= end)

    async def _open(self, exchange: "_Exchange", fragment_hash: FragmentHash) -> None:
        fields = await exchange.json()
        nonce = _hex(fields, "nonce", NONCE_BYTES, NONCE_BYTES)
        answer = await self._transfers.opening(fragment_hash, nonce)
        body = {
            "commitments": ["0x" + item.hex() for item in answer.commitments],
            "y": "0x" + answer.y,
            "proof": "0x" + answer.proof,
        }
        await exchange.answer(200, body)

    async def _cosign(self, exchange: "_Exchange", fragment_hash: FragmentHash) -> None:
        fields = await exchange.json()
        place = Place(
            FileHash(_hex(fields, "file_hash", 32, 32)),
            _number(fields, "segment_index", (1 << 32) - 1),
            _number(fields, "fragment_index", 255),
        )
        signature = _hex(fields, "signature", 1, SIGNATURE_BYTES_MAX)
        await self._transfers.accept_cosignature(fragment_hash, place, signature)
        await exchange.answer(202, {"hash": "0x" + fragment_hash.hex(), "queued": True})


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._headers: dict[bytes, bytes] = {
            bytes(name).lower(): bytes(value) for name, value in scope["headers"]
        }
        self._receive = receive
        self._send = send
        self._body_ended = False
        self._has_started = False

    def content_length(self) -> int | None:
        text = self._headers.get(b"content-length", b"")
        return int(text) if text.isdigit() and len(text) <= 15 else None

    def wanted_range(self, total: int) -> tuple[int, int]:
        """The bytes that Range asks for, or all of them. Raises: RequestRefused (416)."""
        text = self._headers.get(b"range")
        if text is None:
            return 0, total
        match = _RANGE.fullmatch(text.decode("latin-1").strip().replace(" ", ""))
        if match is None or match[1] == match[2] == "":
            return 0, total  # several ranges or another unit: the whole is a valid answer
        if match[1] == "":
            start, end = max(0, total - int(match[2])), total
        else:
            start = int(match[1])
            end = total if match[2] == "" else min(total, int(match[2]) + 1)
        if start >= end:
            raise RequestRefused(416, "bad_range", f"the fragment has {total} bytes")
        return start, end

    async def next_piece(self) -> bytes | None:
        """The next piece of the body; None at its end. Raises: ClientGone, RequestRefused."""
        while not self._body_ended:
            with trio.move_on_after(PIECE_TIMEOUT_S) as waiting:
                message = await self._receive()
            if waiting.cancelled_caught:
                raise RequestRefused(
                    408, "too_slow", f"nothing arrived for {PIECE_TIMEOUT_S:.0f} s"
                )
            if message["type"] == "http.disconnect":
                self._body_ended = True
                raise ClientGone
            self._body_ended = not message.get("more_body", False)
            piece: bytes = message.get("body", b"")
            if piece:
                return piece
        return None

    async def drain(self, limit: int) -> None:
        """Read the rest of the body away, at most `limit` bytes, so that the answer is seen."""
        seen = 0
        while seen <= limit and (piece := await self.next_piece()) is not None:
            seen += len(piece)

    async def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises: RequestRefused."""
        body = bytearray()
        while (piece := await self.next_piece()) is not None:
            body += piece
            if len(body) > JSON_BYTES_MAX:
                raise RequestRefused(413, "too_long", f"at most {JSON_BYTES_MAX} bytes")
        try:
            fields = orjson.loads(bytes(body))
        except orjson.JSONDecodeError as error:
            raise RequestRefused(400, "bad_json", f"the body is no JSON: {error}") from error
        if not isinstance(fields, dict):
            raise RequestRefused(400, "bad_json", "the body must be a JSON object")
        return fields

    async def answer(self, status: int, body: Mapping[str, Any]) -> None:
        """Send a JSON document."""
        data = orjson.dumps(body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(data)).encode()),
        ]
        if status == 503:
            headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
        await self.start(status, headers)
        await self.body(b"" if self.method == "HEAD" else data, is_last=True)

    async def refuse(self, status: int, code: str, message: str) -> None:
        """Send an error, after the rest of a body of reasonable size."""
        if self._has_started:
            return
        length = self.content_length() or 0
        try:
            if length <= _DRAIN_BYTES_MAX:
                with trio.move_on_after(PIECE_TIMEOUT_S):
                    await self.drain(length)
        except ClientGone:
            return
        except RequestRefused:
            pass  # it is slow, too; the first error is the one that is told
        await self.answer(status, {"error": code, "message": message})

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._has_started = True
        await self._send(
            {"type": "http.response.start", "status": status, "headers": list(headers)}
        )

    async def body(self, data: bytes, *, is_last: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})

    async def finish(self) -> None:
        await self.body(b"", is_last=True)


_DRAIN_BYTES_MAX = 16 << 20


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return


def _allow(method: str, allowed: tuple[str, ...]) -> None:
    if method not in allowed:
        raise RequestRefused(405, "bad_method", f"use {' or '.join(allowed)}")


def _status_of(error: StoreError) -> int:
    match error:
        case FragmentMismatch():
            return 400
        case AlreadyReceiving():
            return 409
        case QuotaReached() | DiskFull():
            return 507
        case _:
            return 503


def _hex(fields: Mapping[str, Any], name: str, least: int, most: int) -> bytes:
    value = fields.get(name)
    if isinstance(value, str) and len(value) <= 2 * most + 2:
        try:
            data = bytes.fromhex(value.removeprefix("0x"))
        except ValueError:
            data = b""
        if least <= len(data) <= most:
            return data
    size = f"{most}" if least == most else f"{least} to {most}"
    raise RequestRefused(400, "bad_field", f"`{name}` must be {size} bytes in hex")


def _number(fields: Mapping[str, Any], name: str, most: int) -> int:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise RequestRefused(400, "bad_field", f"`{name}` must be a whole number up to {most}")
