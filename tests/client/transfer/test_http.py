"""HTTP with strangers: what is believed, what is bounded, what may be tried again."""

from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import anyio
import httpx
import pytest

from client.transfer.http import (
    BadEndpoint,
    HolderFailed,
    HolderHttp,
    TransferLimits,
    checked_endpoint,
)
from primitives.types import FragmentHash

pytestmark = pytest.mark.anyio

HASH = FragmentHash(bytes(32))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"m0",
        b"ftp://m0",
        b"file:///etc/passwd",
        b"http://",
        b"http://m0:0",
        b"http://m0:99999",
        b"http://user:password@m0",
        b"http://m0/?x=1",
        b"http://m0/#x",
        b"http://m\xc3\xa4",
        b"http://" + b"m" * 100,
        b"http://[::1",
    ],
)
def test_addresses_that_are_none_are_refused(raw: bytes) -> None:
    with pytest.raises(BadEndpoint):
        checked_endpoint(raw)


def test_plain_addresses_are_taken() -> None:
    assert checked_endpoint(b"http://10.0.0.1:15001/") == "http://10.0.0.1:15001"
    assert checked_endpoint(b"https://holder.example/cess") == "https://holder.example/cess"


@pytest.mark.parametrize(
    ("status", "is_retryable"),
    [(400, False), (401, False), (404, True), (409, True), (500, True), (503, True), (507, False)],
)
async def test_only_what_may_pass_later_is_retryable(
    holder: Any, status: int, is_retryable: bool
) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"error": "e", "message": "because"})

    with pytest.raises(HolderFailed, match="because") as caught:
        await holder(refuse).put_fragment("http://m0", HASH, b"data")
    assert caught.value.is_retryable is is_retryable


class Redirecting(BaseHTTPRequestHandler):
    """Sends everybody elsewhere and remembers what was asked."""

    asked: ClassVar[list[str]] = []

    def answer(self) -> None:
        self.asked.append(self.path)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(307)
        self.send_header("location", "/secrets")
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_PUT = answer  # noqa: N815 - the server's interface

    def log_message(self, *_: object) -> None:
        """Nothing."""


async def test_a_redirect_is_a_failure_and_is_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over a real connection, which goes to the holder and to no proxy that the system names."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr(Redirecting, "asked", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        async with HolderHttp.open() as holders:
            with pytest.raises(HolderFailed, match="307"):
                await holders.put_fragment(endpoint, HASH, b"data")
            with pytest.raises(HolderFailed, match="307"):
                await holders.get_fragment(endpoint, HASH, 10)
    finally:
        server.shutdown()
        server.server_close()
    assert Redirecting.asked == [f"/fragments/{HASH.hex()}"] * 2


@pytest.mark.parametrize("text", [b"{" * 1000, b"[1]", b"nothing", b"x" * (1 << 20)])
async def test_answers_that_are_none_or_endless_are_refused(holder: Any, text: bytes) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=text)

    with pytest.raises(HolderFailed) as caught:
        await holder(answer).put_fragment("http://m0", HASH, b"data")
    assert not caught.value.is_retryable


async def test_patience_that_a_holder_asks_for_is_bounded(holder: Any) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, headers={"retry-after": "1e12"})

    with pytest.raises(HolderFailed) as caught:
        await holder(refuse).put_fragment("http://m0", HASH, b"data")
    assert caught.value.retry_after_s == 60.0


async def test_network_failures_are_retryable(holder: Any) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    with pytest.raises(HolderFailed) as caught:
        await holder(fail).get_fragment("http://m0", HASH, 10)
    assert caught.value.is_retryable


@pytest.mark.parametrize("host", ["a..b", "a" * 70, ".", "xn--a", "xn--zzzzzzzzzz99999"])
@pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
async def test_names_that_no_resolver_takes_are_failures_of_their_holder(host: str) -> None:
    """One miner with such an address must not end everybody's uploads and downloads."""
    endpoint = checked_endpoint(f"http://{host}:80".encode())
    async with HolderHttp.open() as holders:
        with pytest.raises(HolderFailed):
            await holders.get_fragment(endpoint, HASH, 10)
        with pytest.raises(HolderFailed):
            await holders.put_fragment(endpoint, HASH, b"data")


class Dripping(httpx.AsyncByteStream):
    """A byte now and then, always in time for the next read."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await anyio.sleep(0.01)


async def test_a_holder_that_drips_bytes_is_given_up() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Dripping()))
    limits = TransferLimits(transfer_timeout_s=0.05, opening_timeout_s=0.05)
    holders = HolderHttp(httpx.AsyncClient(transport=transport), limits)
    with anyio.fail_after(60):
        for ask in (
            lambda: holders.get_fragment("http://m0", HASH, 1000),
            lambda: holders.put_fragment("http://m0", HASH, b"data"),
            lambda: holders.opening("http://m0", HASH, bytes(32)),
        ):
            with pytest.raises(HolderFailed, match="slow") as caught:
                await ask()
            assert caught.value.is_retryable


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"commitments": 1, "y": "", "proof": ""},
        {"commitments": [], "y": None, "proof": "0x"},
        {"commitments": [7], "y": "00" * 32, "proof": "00" * 48},
        {"commitments": ["0x" + "00" * 47], "y": "00" * 32, "proof": "00" * 48},
        {"commitments": ["0x" + "00" * 48], "y": "zz", "proof": "00" * 48},
        {"commitments": ["0x" + "00" * 48], "y": "00" * 31, "proof": "00" * 48},
    ],
)
async def test_openings_of_any_other_shape_are_failures_of_their_holder(
    holder: Any, reply: Any
) -> None:
    with pytest.raises(HolderFailed, match="malformed") as caught:
        await holder(lambda _: httpx.Response(200, json=reply)).opening(
            "http://m0", HASH, bytes(32)
        )
    assert not caught.value.is_retryable


async def test_a_holders_text_cannot_steer_the_terminal(holder: Any) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"message": "\x1b]0;x\x07\x1b[2Jdone\r\n"})

    with pytest.raises(HolderFailed) as caught:
        await holder(refuse).put_fragment("http://m0", HASH, b"data")
    assert str(caught.value).isprintable()
