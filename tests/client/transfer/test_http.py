"""HTTP with strangers: what is believed, what is bounded, what may be tried again."""

from typing import Any

import httpx
import pytest

from client.transfer.http import BadEndpoint, HolderFailed, checked_endpoint
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


async def test_a_redirect_is_a_failure_and_is_not_followed(holder: Any) -> None:
    asked: list[str] = []

    def redirect(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(307, headers={"location": "http://169.254.169.254/secrets"})

    with pytest.raises(HolderFailed):
        await holder(redirect).put_fragment("http://m0", HASH, b"data")
    assert len(asked) == 1


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
