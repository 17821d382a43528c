"""``archive_v1_*``."""

from typing import Any

import pytest

from node.rpc.methods.archive import DIFFERENCES_MAX
from primitives.errors import RpcError
from primitives.header import Header
from primitives.scale import decode
from tests.node.bench import Bench, run
from tests.node.net import FIRST_SLOT, Net

CODE = "0x3a636f6465"
UNKNOWN = "0x" + "12" * 32


def text(data: bytes) -> str:
    return f"0x{data.hex()}"


async def collect(bench: Bench, method: str, *params: Any) -> list[Any]:
    """All events of one query."""
    await bench.ask(method, *params)
    events = [await bench.event()]
    while events[-1]["event"] in ("storage", "storageDiff"):
        events.append(await bench.event())
    return events


def test_blocks_are_read_by_hash_and_height(net: Net) -> None:
    async def test(bench: Bench) -> None:
        made = await bench.author(net.transfer())
        at = text(made.hash)
        genesis = text(net.chain.database.genesis_hash)
        assert await bench.ask("archive_v1_genesisHash") == genesis
        assert await bench.ask("archive_v1_finalizedHeight") == 1
        assert await bench.ask("archive_v1_hashByHeight", 1) == [at]
        assert await bench.ask("archive_v1_hashByHeight", 2) == []
        assert await bench.ask("archive_v1_hashByHeight", 1 << 40) == []
        header = await bench.ask("archive_v1_header", at)
        assert decode(Header, bytes.fromhex(header[2:])).hash() == made.hash
        body = await bench.ask("archive_v1_body", at)
        assert body == (await bench.ask("chain_getBlock", at))["block"]["extrinsics"]
        for method in ("header", "body"):
            assert await bench.ask(f"archive_v1_{method}", UNKNOWN) is None

    run(net, test)


def test_every_fork_is_at_its_height(open_net: Net) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.author()
        left = await bench.author()
        right = await bench.author(parent=first.header, slot=FIRST_SLOT + 40)
        found = await bench.ask("archive_v1_hashByHeight", 2)
        assert found == [text(left.hash), text(right.hash)]

    run(open_net, test)


def test_calls_succeed_or_say_why_not(net: Net) -> None:
    async def test(bench: Bench) -> None:
        at = text(net.chain.database.genesis_hash)
        good = await bench.ask("archive_v1_call", at, "Metadata_metadata_versions", "")
        assert good == {"success": True, "value": "0x080e0000000f000000"}
        bad = await bench.ask("archive_v1_call", at, "No_such", "0x")
        assert bad["success"] is False
        assert "No_such" in bad["error"]
        assert await bench.ask("archive_v1_call", UNKNOWN, "Core_version", "0x") is None

    run(net, test)


def test_storage_comes_item_by_item(net: Net) -> None:
    async def test(bench: Bench) -> None:
        at = text(net.chain.database.genesis_hash)
        items = [
            {"key": CODE, "type": "value"},
            {"key": "0xdead", "type": "value"},
            {"key": CODE, "type": "hash"},
        ]
        code = await bench.ask("state_getStorage", CODE)
        hashed = await bench.ask("state_getStorageHash", CODE)
        assert await collect(bench, "archive_v1_storage", at, items) == [
            {"event": "storage", "key": CODE, "value": code},
            {"event": "storage", "key": CODE, "hash": hashed},
            {"event": "storageDone"},
        ]
        child = await collect(bench, "archive_v1_storage", at, items, "0x01")
        assert child == [{"event": "storageDone"}]

    run(net, test)


def test_a_long_answer_waits_for_its_reader_and_can_begin_in_the_middle(net: Net) -> None:
    async def test(bench: Bench) -> None:
        at = text(net.chain.database.genesis_hash)
        keys = [
            text(key)
            for key, _ in net.chain.database.state_at(net.chain.database.best().hash).items()
        ]
        assert len(keys) > 64, "more than can wait for a reader"
        items = [{"key": "0x", "type": "descendantsHashes"}]
        events = await collect(bench, "archive_v1_storage", at, items)
        assert [event["key"] for event in events[:-1]] == keys
        items[0]["paginationStartKey"] = keys[-3]
        events = await collect(bench, "archive_v1_storage", at, items)
        assert [event["key"] for event in events[:-1]] == keys[-2:]

    run(net, test)


def test_a_query_can_be_stopped(net: Net) -> None:
    async def test(bench: Bench) -> None:
        at = text(net.chain.database.genesis_hash)
        items = [{"key": "0x", "type": "descendantsValues"}]
        name = await bench.ask("archive_v1_storage", at, items)
        assert await bench.ask("archive_v1_stopStorage", name) is None
        assert bench.session.outbox.subscription_count == 0

    run(net, test)


def test_failures_are_events(net: Net) -> None:
    async def test(bench: Bench) -> None:
        genesis = text(net.chain.database.genesis_hash)
        (event,) = await collect(bench, "archive_v1_storage", UNKNOWN, [])
        assert event["event"] == "storageError"
        for params in ((UNKNOWN,), (genesis,), (genesis, None, UNKNOWN)):
            (event,) = await collect(bench, "archive_v1_storageDiff", *params)
            assert event["event"] == "storageDiffError"
            assert event["error"]

    run(net, test)


def test_a_difference_lists_what_a_block_changed(net: Net) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.author()
        second = await bench.author(net.transfer())
        database = net.chain.database
        before, after = (dict(database.state_at(one.hash).items()) for one in (first, second))
        events = await collect(bench, "archive_v1_storageDiff", text(second.hash))
        assert events[-1] == {"event": "storageDiffDone"}
        found = {event["key"]: event for event in events[:-1]}
        for key in {*before, *after}:
            if before.get(key) == after.get(key):
                assert text(key) not in found
                continue
            event = found.pop(text(key))
            assert event.get("value") == (None if key not in after else text(after[key]))
            kinds = {(False, True): "added", (True, False): "deleted", (True, True): "modified"}
            assert event["type"] == kinds[key in before, key in after]
        assert found == {}
        items = [{"key": "0x26aa394eea5630e07c48ae0c9558cef7", "returnType": "hash"}]
        system = await collect(bench, "archive_v1_storageDiff", text(second.hash), items)
        assert 1 < len(system) < len(events)
        assert all("hash" in event for event in system[:-1] if event["type"] != "deleted")
        genesis = text(database.genesis_hash)
        longer = await collect(bench, "archive_v1_storageDiff", text(second.hash), None, genesis)
        assert len(longer) >= len(events)
        nothing = await collect(
            bench, "archive_v1_storageDiff", text(second.hash), None, text(second.hash)
        )
        assert nothing == [{"event": "storageDiffDone"}]

    run(net, test)


def test_wrong_items_are_refused(net: Net) -> None:
    async def test(bench: Bench) -> None:
        at = text(net.chain.database.genesis_hash)
        wrong: list[tuple[str, Any]] = [
            ("archive_v1_storage", [{"key": CODE, "type": "value", "paginationStartKey": "0x"}]),
            ("archive_v1_storage", [7]),
            ("archive_v1_storage", [{"key": CODE, "type": "value"}] * 1025),
            ("archive_v1_storageDiff", [7]),
            ("archive_v1_storageDiff", [{"returnType": "both"}]),
            ("archive_v1_storageDiff", [{"returnType": "hash", "childTrieKey": 7}]),
            ("archive_v1_storageDiff", [{"returnType": "hash"}] * 1025),
        ]
        for method, items in wrong:
            with pytest.raises(RpcError) as caught:
                await bench.ask(method, at, items)
            assert caught.value.code == -32602

    run(net, test)


def test_differences_of_one_connection_are_counted(net: Net) -> None:
    async def test(bench: Bench) -> None:
        at = text((await bench.author()).hash)
        everything = [{"returnType": "value"}] * 40
        for _ in range(DIFFERENCES_MAX):
            await bench.ask("archive_v1_storageDiff", at, everything)
        with pytest.raises(RpcError) as caught:
            await bench.ask("archive_v1_storageDiff", at)
        assert caught.value.code == -32009

    run(net, test)
