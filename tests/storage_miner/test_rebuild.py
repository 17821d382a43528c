"""Rebuilding from survivors, some of which lie, are silent or are gone."""

import hashlib
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from primitives.types import FragmentHash
from proofs.erasure.reed_solomon import ReedSolomon
from storage_miner.chain import Survivor
from storage_miner.errors import RestoreFailed
from storage_miner.rebuild import Rebuilder

SIZE = 1000
PIECES = ReedSolomon(4, 8).encode_segment(np.random.default_rng(1).bytes(4 * SIZE))
HASHES = [FragmentHash(hashlib.sha256(piece).digest()) for piece in PIECES]

Answer = Callable[[httpx.Request], httpx.Response]


def survivor(index: int, endpoint: str | None = None) -> Survivor:
    return Survivor(
        index, HASHES[index], f"http://miner{index}:15001" if endpoint is None else endpoint
    )


def rebuilder(answers: dict[int, Answer], asked: list[str] | None = None) -> Rebuilder:
    def respond(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(str(request.url))
        index = int(request.url.host.removeprefix("miner"))
        return answers.get(index, truthful)(request)

    return Rebuilder(SIZE, httpx.MockTransport(respond))


def truthful(request: httpx.Request) -> httpx.Response:
    index = int(request.url.host.removeprefix("miner"))
    return httpx.Response(200, stream=httpx.ByteStream(PIECES[index]))


def liar(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(bytes(SIZE)))


def chatterbox(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(bytes(SIZE + 1)))


def dead(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def absent(request: httpx.Request) -> httpx.Response:
    return httpx.Response(404)


def elsewhere(request: httpx.Request) -> httpx.Response:
    return httpx.Response(302, headers={"location": "http://127.0.0.1:9/secret"})


@pytest.mark.trio
@pytest.mark.parametrize("lost", [0, 3, 11])
async def test_any_four_rebuild_any_fragment(lost: int) -> None:
    others = [survivor(index) for index in range(12) if index != lost][-4:]
    assert await rebuilder({}).rebuild(lost, HASHES[lost], others) == PIECES[lost]


@pytest.mark.trio
async def test_no_more_than_needed_is_asked_when_all_answer() -> None:
    asked: list[str] = []
    others = [survivor(index) for index in range(1, 12)]
    await rebuilder({}, asked).rebuild(0, HASHES[0], others)
    assert len(asked) <= 5
    assert asked[0] == f"http://miner1:15001/fragments/{HASHES[1].hex()}"


@pytest.mark.trio
@pytest.mark.parametrize("bad", [liar, chatterbox, dead, absent, elsewhere])
async def test_a_bad_survivor_is_passed_over(bad: Answer) -> None:
    others = [survivor(index) for index in range(1, 8)]
    found = await rebuilder({1: bad, 2: bad, 3: bad}).rebuild(0, HASHES[0], others)
    assert found == PIECES[0]


@pytest.mark.trio
async def test_three_good_survivors_are_too_few() -> None:
    others = [survivor(index) for index in range(1, 8)]
    with pytest.raises(RestoreFailed, match="3 of 7"):
        await rebuilder(dict.fromkeys(range(1, 5), liar)).rebuild(0, HASHES[0], others)


@pytest.mark.trio
@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "http://", "", "nonsense"])
async def test_other_schemes_are_never_followed(url: str) -> None:
    others = [survivor(index, url) for index in range(1, 8)]
    asked: list[str] = []
    with pytest.raises(RestoreFailed):
        await rebuilder({}, asked).rebuild(0, HASHES[0], others)
    assert asked == []


@pytest.mark.trio
async def test_survivors_of_different_segments_give_nothing() -> None:
    others = [survivor(index) for index in range(1, 5)]
    with pytest.raises(RestoreFailed, match="one segment"):
        await rebuilder({}).rebuild(0, FragmentHash(bytes(32)), others)
