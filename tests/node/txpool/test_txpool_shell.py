"""The pool on the loop, with the real runtime: floods, bounds, reorganisations, second looks."""

import random

import pytest
import trio
import trio.testing

from node.txpool import shell
from node.txpool.pool import Limits, PoolStats
from pallets.frame.validity import TransactionSource
from primitives.crypto.keys import KeyPair
from primitives.errors import RpcError
from primitives.extrinsic import extrinsic_hash
from primitives.scale import U32, codec
from tests.node.bench import Bench, run
from tests.node.net import ALICE, BOB, FIRST_SLOT, TCESS, Net

JUNK = 5_000
CHARLIE = KeyPair.from_suri("//Charlie")
EXTERNAL = TransactionSource.External


def enveloped(data: bytes) -> bytes:
    return codec(bytes).encode(data)


def junk_of(net: Net, count: int) -> list[bytes]:
    """Hostile transactions of every kind, none of which could be in a block."""
    chance = random.Random(count)
    good, poor = net.transfer(nonce=9), KeyPair.from_suri("//Poor")
    unfunded = [net.transfer(nonce=nonce, pair=poor) for nonce in range(50)]
    stale = [net.transfer(nonce=0, value=TCESS + number) for number in range(50)]

    def one(kind: int) -> bytes:
        match kind:
            case 0:
                return chance.randbytes(chance.randrange(1, 300))
            case 1:
                return enveloped(chance.randbytes(chance.randrange(1, 300)))
            case 2:  # a signature that is not the sender's
                at = chance.randrange(40, 100)
                return good[:at] + bytes((good[at] ^ chance.randrange(1, 256),)) + good[at + 1 :]
            case 3:
                return chance.choice(unfunded)
            case _:
                return chance.choice(stale)

    return [one(number % 5) for number in range(count)]


def test_a_flood_of_junk_keeps_no_honest_transaction_out(net: Net) -> None:
    net.author(net.transfer(pair=ALICE, nonce=0))
    flood = junk_of(net, JUNK)
    honest = net.transfer(pair=CHARLIE, nonce=0)
    most = PoolStats(0, 0, 0, 0)

    async def test(bench: Bench) -> None:
        nonlocal most
        refused = 0

        async def attack(part: list[bytes]) -> None:
            nonlocal refused
            for data in part:
                try:
                    await bench.pool.submit(data, EXTERNAL)
                except RpcError:
                    refused += 1

        blocks: list[int] = []
        async with trio.open_nursery() as nursery:
            for at in range(16):
                nursery.start_soon(attack, flood[at::16])
            await trio.sleep(0)
            await bench.pool.submit(honest, EXTERNAL)
            for _ in range(3):
                imported = await bench.author()
                body = net.chain.database.body(imported.hash) or ()
                blocks.append(honest in body)
                most = max(most, bench.pool.core.stats(), key=lambda found: found.ready_count)
        assert any(blocks)
        assert refused == JUNK

    run(net, test)
    assert most.ready_count <= 1


def test_a_flood_that_could_be_included_once_leaves_room_for_others(net: Net) -> None:
    """One account offers more than it can pay, with large tips: latent overdrafts."""
    rich = net.balance(CHARLIE)
    honest = [net.transfer(pair=BOB, nonce=nonce) for nonce in range(5)]
    flood = [
        net.transfer(pair=CHARLIE, nonce=nonce, tip=rich * 6 // 10, value=1) for nonce in range(300)
    ]

    async def test(bench: Bench) -> None:
        for data in honest:
            await bench.pool.submit(data, EXTERNAL)
        codes = set()
        for data in flood:
            try:
                await bench.pool.submit(data, EXTERNAL)
            except RpcError as error:
                codes.add(error.code)
        assert codes == {1010}
        assert all(extrinsic_hash(data) in bench.pool.core for data in honest)
        imported = await bench.author()
        body = net.chain.database.body(imported.hash) or ()
        assert set(honest) <= set(body)

    run(net, test, limits=Limits(ready_count=64))


@pytest.mark.parametrize("limit", ["count", "bytes"])
def test_too_many_at_a_time_are_told_to_come_back(
    net: Net, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    first, second, third = (net.transfer() for _ in range(3))
    if limit == "bytes":
        monkeypatch.setattr(shell, "QUEUE_BYTES_MAX", len(first) + len(second))
    else:
        monkeypatch.setattr(shell, "QUEUE_MAX", 2)

    async def test(bench: Bench) -> None:
        pool = shell.TransactionPool(bench.pool._validator, bench.announcements, Limits())
        async with trio.open_nursery() as nursery:
            for data in (first, second):
                nursery.start_soon(pool.submit, data, EXTERNAL)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(RpcError) as caught:
                await pool.submit(third, EXTERNAL)
            assert caught.value.code == -32009
            nursery.start_soon(pool.validate_submissions)
            while pool.submitted_count < 2:
                await trio.testing.wait_all_tasks_blocked()
            await pool.submit(third, EXTERNAL)  # there is room again
            nursery.cancel_scope.cancel()
        assert pool.submitted_count == 3
        assert pool._queue_bytes == 0

    run(net, test)


def test_what_a_reorganisation_takes_out_comes_back(open_net: Net) -> None:
    net = open_net
    genesis = net.chain.best_header()
    data = net.transfer(nonce=0)

    async def test(bench: Bench) -> None:
        with bench.pool.watch(extrinsic_hash(data)) as statuses:
            await bench.pool.submit(data, EXTERNAL)
            slot = net.slot(genesis, FIRST_SLOT)
            first = await bench.author(slot=slot)
            rival, lost = net.author(parent=genesis, slot=net.slot(genesis, slot + 1))
            bench.announcements.tell_imported(lost)
            _, won = net.author(parent=rival.header)
            bench.announcements.tell_imported(won)
            seen = [await statuses.receive() for _ in range(4)]
            assert seen == [
                "ready",
                {"inBlock": f"0x{first.hash.hex()}"},
                {"retracted": f"0x{first.hash.hex()}"},
                "ready",
            ]
        again = await bench.author()
        assert data in (net.chain.database.body(again.hash) or ())

    run(net, test)


def test_a_transaction_that_a_block_made_worthless_is_found(net: Net) -> None:
    rich = net.balance(CHARLIE)
    held = [net.transfer(pair=CHARLIE, nonce=nonce) for nonce in (0, 1)]
    spent = net.transfer(rich - 2 * TCESS, pair=CHARLIE, nonce=0)
    more = net.transfer(pair=CHARLIE, nonce=1, tip=rich // 2)

    async def test(bench: Bench) -> None:
        for data in (*held, more):
            await bench.pool.submit(data, EXTERNAL)
        with bench.pool.watch(extrinsic_hash(more)) as statuses:
            await bench.author(spent)
            assert await statuses.receive() == "invalid"
        assert bench.pool.core.stats() == PoolStats(0, 0, 0, 0)
        with pytest.raises(RpcError) as caught:
            await bench.pool.submit(more, EXTERNAL)
        assert caught.value.code == 1012

    run(net, test)


def test_the_oldest_verdicts_are_looked_at_first(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "REVALIDATED_MAX", 2)
    held = [net.transfer(nonce=nonce) for nonce in range(5)]

    async def test(bench: Bench) -> None:
        for data in held:
            await bench.pool.submit(data, EXTERNAL)
        other = net.transfer(pair=BOB, nonce=0)
        await bench.author(other)
        oldest = [found.data for found in bench.pool.core.oldest_verdicts(3)]
        assert oldest == held[2:5]

    run(net, test)


def test_work_is_counted(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.pool.submit(net.transfer(), EXTERNAL)
        with pytest.raises(RpcError):
            await bench.pool.submit(enveloped(b"junk"), EXTERNAL)
        found = bench.pool
        assert (found.submitted_count, found.refused_count, found.validated_count) == (1, 1, 2)
        assert found.validation_seconds > 0
        assert int(U32(found.submitted_count)) == 1

    run(net, test)
