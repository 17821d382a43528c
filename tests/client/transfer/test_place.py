"""Placing with holders that lie, die, dawdle and refuse: what is signed, and what never is."""

import json
from typing import Any

import anyio
import httpx
import pytest

from client.chain import ChainUnreachable
from client.transfer.place import DealDropped, place, public_name
from pallets.file_bank import FileBank
from pallets.sminer import Sminer
from primitives.crypto.keys import KeyPair
from primitives.errors import StorageCorrupt
from primitives.scale import U32

pytestmark = pytest.mark.anyio


async def placed(network: Any, file: Any, **more: Any) -> list[Any]:
    told: list[Any] = []
    with anyio.fail_after(120):
        await place(
            network.chain,
            network.http(**more.pop("limits", {})),
            file,
            network.owner,
            report=told.append,
            **more,
        )
    return told


async def placed_until(network: Any, file: Any, expected: set[int]) -> None:
    """Place until ``expected`` are signed for, and long enough to see that nobody else is."""
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: placed(network, file))
            while not expected <= signed_by(network):
                await anyio.sleep(0.01)
            await anyio.sleep(0.3)
            tasks.cancel_scope.cancel()


def signed_by(network: Any) -> set[int]:
    return {number for action, number, _ in network.log if action == "POST/cosignature"}


async def test_every_holder_gets_its_fragment_and_a_signature(
    network: Any, small_file: Any
) -> None:
    network.declare(small_file)
    told = await placed(network, small_file)
    assert signed_by(network) == set(range(12))
    assert await network.chain.read(FileBank.file, small_file.fid) is not None
    assert told[-1].reported == 12
    for position, part in enumerate(small_file.segments[0].fragments):
        assert list(network.held[position]) == [part.hex()]


async def blocks_go_on(network: Any) -> None:
    """New blocks until cancelled, so that a sender that begins to listen late hears of a draw."""
    while True:
        network.chain.advance()
        await anyio.sleep(0.1)


async def test_it_waits_for_the_draw(network: Any, small_file: Any) -> None:
    network.declare(small_file, first=None)

    async def draw() -> None:
        await anyio.sleep(0.05)
        assert network.log == []
        network.declare(small_file)
        await blocks_go_on(network)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(draw)
        await placed(network, small_file)
        tasks.cancel_scope.cancel()


async def test_a_holder_that_committed_to_other_bytes_is_never_signed_for(
    network: Any, small_file: Any
) -> None:
    """The attack: keep the commitments of junk, drop the fragment, pass every audit."""

    async def lie(request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("/opening"):
            return None
        nonce = json.loads(await request.aread())["nonce"]
        return httpx.Response(200, json=network.opening(b"junk" * 1024, "00" * 32, nonce))

    network.twist[3] = lie
    network.declare(small_file)

    async def draw_again() -> None:
        while ("POST/opening", 3) not in {(entry[0], entry[1]) for entry in network.log}:
            await anyio.sleep(0.01)
        await anyio.sleep(0.3)
        network.redraw(small_file, 0, 3, 15)
        await blocks_go_on(network)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(draw_again)
        await placed(network, small_file)
        tasks.cancel_scope.cancel()
    assert signed_by(network) == set(range(12)) - {3} | {15}


async def test_an_old_opening_does_not_answer_a_new_nonce(network: Any, small_file: Any) -> None:
    """A replayed opening belongs to another nonce and is refused."""
    old = network.opening(
        small_file.read_fragment(small_file.segments[0].fragments[0]),
        small_file.segments[0].fragments[0].hex(),
        "11" * 32,
    )

    async def replay(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, json=old) if request.url.path.endswith("/opening") else None

    network.twist[0] = replay
    network.declare(small_file)
    await placed_until(network, small_file, set(range(1, 12)))
    assert signed_by(network) == set(range(1, 12))


@pytest.mark.parametrize(
    "answer",
    [
        {"commitments": "0x00", "y": "0x", "proof": "0x"},
        {"commitments": ["zz"], "y": "0x00", "proof": "0x00"},
        {"commitments": ["0x" + "00" * 48] * 500, "y": "0x00", "proof": "0x00"},
        {"commitments": ["0x" + "00" * 48], "y": "0x" + "ff" * 32, "proof": "0x" + "00" * 48},
        {"commitments": [], "y": "0x" + "00" * 32, "proof": "0x" + "00" * 48},
        [1],
        "text",
        None,
    ],
)
async def test_nonsense_for_an_opening_is_refused(
    network: Any, small_file: Any, answer: Any
) -> None:
    async def nonsense(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, json=answer) if request.url.path.endswith("/opening") else None

    network.twist[0] = nonsense
    network.declare(small_file)

    async def draw_again() -> None:
        while len(signed_by(network)) < 11:
            await anyio.sleep(0.01)
        network.redraw(small_file, 0, 0, 14)
        await blocks_go_on(network)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(draw_again)
        await placed(network, small_file)
        tasks.cancel_scope.cancel()
    assert 0 not in signed_by(network)


async def test_a_busy_holder_is_asked_again(network: Any, small_file: Any) -> None:
    refusals = [503, 404]

    async def busy(_request: httpx.Request) -> httpx.Response | None:
        if not refusals:
            return None
        return httpx.Response(
            refusals.pop(), headers={"retry-after": "0"}, json={"error": "busy", "message": "x"}
        )

    network.twist[5] = busy
    network.declare(small_file)
    await placed(network, small_file)
    assert 5 in signed_by(network)


async def test_a_dead_holder_is_replaced_by_the_chains_next_draw(
    network: Any, small_file: Any
) -> None:
    async def dead(request: httpx.Request) -> httpx.Response | None:
        raise httpx.ConnectError("refused", request=request)

    network.twist[7] = dead
    network.declare(small_file)

    async def draw_again() -> None:
        await anyio.sleep(0.5)
        network.redraw(small_file, 0, 7, 19)
        await blocks_go_on(network)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(draw_again)
        await placed(network, small_file)
        tasks.cancel_scope.cancel()
    assert signed_by(network) == set(range(12)) - {7} | {19}


async def test_uploads_at_once_are_bounded(network: Any, small_file: Any) -> None:
    now, most = 0, 0

    async def count(request: httpx.Request) -> httpx.Response | None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.sleep(0.01)
        now -= 1
        return None

    network.twist = dict.fromkeys(range(20), count)
    network.declare(small_file)
    await placed(network, small_file, limits={"sending_max": 3})
    assert most == 3


async def test_a_dropped_deal_is_told(network: Any, small_file: Any) -> None:
    async def tick() -> None:
        for _ in range(6):
            await anyio.sleep(0.02)
            network.chain.advance()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        with pytest.raises(DealDropped, match="store the file again"):
            await placed(network, small_file)


async def test_it_goes_on_where_another_run_stopped(network: Any, small_file: Any) -> None:
    network.declare(small_file)
    report = network.report
    with anyio.CancelScope() as run:

        def stop_after_four(*what: Any) -> None:
            report(*what)
            if len(signed_by(network)) == 4:
                run.cancel()

        network.report = stop_after_four
        await placed(network, small_file, limits={"sending_max": 1})
    network.report = report
    before = len(signed_by(network))
    assert 4 <= before < 12
    network.log.clear()
    await placed(network, small_file)
    assert len(signed_by(network)) <= 12 - before + 1


async def test_signed_is_enough_when_that_is_asked(network: Any, small_file: Any) -> None:
    network.declare(small_file)
    network.report = lambda *_: None  # holders that keep the signature and do not report yet
    told = await placed(network, small_file, until_signed=True)
    assert (told[-1].signed, told[-1].reported) == (12, 0)


@pytest.mark.parametrize("is_active", [False, True])
async def test_a_deal_or_file_of_somebody_else_is_not_taken_for_ours(
    network: Any, small_file: Any, is_active: bool
) -> None:
    """The attack: when our deal ends, declare its hashes, so that we wait or lose our spool."""
    mallory = KeyPair.from_suri("//Mallory")
    owner, network.owner = network.owner, mallory
    if is_active:
        network.store(small_file)
    else:
        network.declare(small_file)
    network.owner = owner

    async def blocks() -> None:
        while True:
            await anyio.sleep(0.01)
            network.chain.advance()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(blocks)
        with pytest.raises(DealDropped):
            await placed(network, small_file)
        tasks.cancel_scope.cancel()
    assert network.log == []


async def test_a_node_that_fails_for_a_moment_does_not_end_the_upload(
    network: Any, small_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, failed = network.chain.read, []

    async def fail_once(entry: Any, *keys: Any, at: Any = None) -> Any:
        if entry is Sminer.miner_items and not failed:
            failed.append(keys)
            raise ChainUnreachable("ws://node", "restarting")
        return await read(entry, *keys, at=at)

    monkeypatch.setattr(network.chain, "read", fail_once)
    network.declare(small_file)
    await placed(network, small_file)
    assert signed_by(network) == set(range(12))
    assert failed


async def test_a_damaged_spool_stops_the_upload(network: Any, small_file: Any) -> None:
    part = small_file.segments[0].fragments[4]
    small_file.fragment_path(part).write_bytes(b"damaged")
    network.declare(small_file)
    with pytest.raises(StorageCorrupt):
        await placed(network, small_file)


async def test_an_address_that_is_none_is_not_called(network: Any, small_file: Any) -> None:
    network.declare(small_file)
    fragment = network.chain.state[FileBank.deal_segments.key(small_file.fid, U32(0))][2]
    victim = fragment.fragments[0].miner
    network.chain.put(Sminer.miner_items, victim, network.info("file:///etc/passwd"))
    await placed_until(network, small_file, set(range(1, 12)))
    assert signed_by(network) == set(range(1, 12))
    assert {number for _, number, _ in network.log} == set(range(1, 12))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("holiday.jpg", b"holiday.jpg"),
        ("a", b"a__"),
        ("bad\x1b[2Jname", b"bad_[2Jname"),
        ("ä" * 40, "ä".encode() * 31),
    ],
)
def test_a_public_name_is_made_fit_for_the_chain(name: str, expected: bytes) -> None:
    assert public_name(name) == expected
