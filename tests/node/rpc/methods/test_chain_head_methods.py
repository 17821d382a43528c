"""``chainHead_v1_*`` over a real chain: what is sent, in which order, and what is refused."""

from typing import Any

import pytest
import trio.testing

from node.rpc import storage_items
from node.rpc.follow import OPERATIONS_MAX, PIN_AGE_MAX
from primitives.errors import RpcError
from primitives.header import Header
from primitives.scale import decode
from tests.node.bench import Bench, run
from tests.node.net import FIRST_SLOT, Net

PAGE = 10


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The development chain has too few keys for a real page."""
    monkeypatch.setattr(storage_items, "PAGE_ITEMS", PAGE)


def text(data: bytes) -> str:
    return f"0x{data.hex()}"


async def opened(bench: Bench, *, with_runtime: bool = True) -> tuple[str, list[Any]]:
    """A subscription, and its first events up to the best block."""
    name = await bench.ask("chainHead_v1_follow", with_runtime)
    events = [await bench.event()]
    while events[-1]["event"] != "bestBlockChanged":
        events.append(await bench.event())
    return name, events


async def refused(bench: Bench, method: str, *params: Any) -> int:
    with pytest.raises(RpcError) as caught:
        await bench.ask(method, *params)
    return caught.value.code


def test_it_begins_with_what_is_final_and_its_runtime(net: Net) -> None:
    async def test(bench: Bench) -> None:
        hashes = [net.chain.database.genesis_hash]
        for _ in range(3):
            hashes.append((await bench.author()).hash)
        _, (first, best) = await opened(bench)
        assert first["event"] == "initialized"
        assert first["finalizedBlockHashes"] == [text(hash_) for hash_ in hashes]
        spec = first["finalizedBlockRuntime"]["spec"]
        assert first["finalizedBlockRuntime"]["type"] == "valid"
        assert spec["specVersion"] == 1
        assert spec["apis"]["0xdf6acb689907609b"] == 4
        assert best == {"event": "bestBlockChanged", "bestBlockHash": text(hashes[-1])}

    run(net, test)


def test_only_the_last_sixteen_final_blocks_are_reported(net: Net) -> None:
    async def test(bench: Bench) -> None:
        for _ in range(20):
            await bench.author()
        _, events = await opened(bench)
        assert len(events[0]["finalizedBlockHashes"]) == 16

    run(net, test)


def test_every_fork_is_reported_after_its_parent_and_then_the_best_block(open_net: Net) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.author()
        left = await bench.author()
        slot = open_net.slot(first.header, FIRST_SLOT + 40)
        right = await bench.author(parent=first.header, slot=slot)
        _, events = await opened(bench, with_runtime=False)
        blocks = [(event["blockHash"], event["parentBlockHash"]) for event in events[1:-1]]
        genesis = open_net.chain.database.genesis_hash
        assert blocks == [
            (text(first.hash), text(genesis)),
            (text(left.hash), text(first.hash)),
            (text(right.hash), text(first.hash)),
        ]
        assert events[-1]["bestBlockHash"] == text(left.hash)

    run(open_net, test)


def test_a_new_block_is_new_then_best_then_final(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await opened(bench)
        made = await bench.author()
        events = [await bench.event() for _ in range(3)]
        assert [event["event"] for event in events] == ["newBlock", "bestBlockChanged", "finalized"]
        assert events[0]["newRuntime"] is None
        assert events[2] == {
            "event": "finalized",
            "finalizedBlockHashes": [text(made.hash)],
            "prunedBlockHashes": [],
        }

    run(net, test)


def test_headers_and_bodies_of_pinned_blocks_are_read(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name, _ = await opened(bench)
        made = await bench.author(net.transfer())
        for _ in range(3):
            await bench.event()
        raw = await bench.ask("chainHead_v1_header", name, text(made.hash))
        assert decode(Header, bytes.fromhex(raw[2:])).hash() == made.hash
        answer = await bench.ask("chainHead_v1_body", name, text(made.hash))
        assert answer == {"result": "started", "operationId": "0"}
        done = await bench.event()
        body = net.chain.database.body(made.hash)
        assert body is not None
        assert done["event"] == "operationBodyDone"
        assert done["value"] == [text(data) for data in body]

    run(net, test)


def test_the_runtime_answers_and_its_failures_are_told(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name, events = await opened(bench)
        at = events[-1]["bestBlockHash"]
        for function, params, expected in (
            ("Metadata_metadata_versions", "", "operationCallDone"),
            ("Metadata_metadata_at_version", "0x0f000000", "operationCallDone"),
            ("Nothing_at_all", "0x", "operationError"),
            ("AccountNonceApi_account_nonce", "0x01", "operationError"),
            ("SessionKeys_generate_session_keys", "0x00", "operationError"),
        ):
            answer = await bench.ask("chainHead_v1_call", name, at, function, params)
            done = await bench.event()
            assert (done["event"], done["operationId"]) == (expected, answer["operationId"])
            assert expected == "operationCallDone" or done["error"]

    run(net, test)


CODE = "0x3a636f6465"


def test_storage_is_read_in_every_way(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name, events = await opened(bench)
        at = events[-1]["bestBlockHash"]
        state = net.chain.database.state_at(net.chain.database.best().hash)
        kinds = ("value", "hash", "closestDescendantMerkleValue", "descendantsValues")
        items = [{"key": CODE, "type": kind} for kind in (*kinds, "descendantsHashes")]
        answer = await bench.ask("chainHead_v1_storage", name, at, items, None)
        assert answer == {"result": "started", "operationId": "0", "discardedItems": 0}
        found = []
        while (event := await bench.event())["event"] == "operationStorageItems":
            found += event["items"]
        assert event == {"event": "operationStorageDone", "operationId": "0"}
        code = await bench.ask("state_getStorage", CODE)
        hashed = await bench.ask("state_getStorageHash", CODE)
        merkle = state.closest_merkle(b":code")
        assert merkle is not None
        assert found == [
            {"key": CODE, "value": code},
            {"key": CODE, "hash": hashed},
            {"key": CODE, "closestDescendantMerkleValue": text(merkle)},
            {"key": CODE, "value": code},
            {"key": CODE, "hash": hashed},
        ]
        absent = [{"key": "0xdead", "type": kind} for kind in kinds]
        await bench.ask("chainHead_v1_storage", name, at, absent)
        assert (await bench.event())["event"] == "operationStorageDone"
        child = [{"key": CODE, "type": "value"}]
        await bench.ask("chainHead_v1_storage", name, at, child, "0x01")
        assert (await bench.event())["event"] == "operationStorageDone", "child tries are empty"

    run(net, test)


def test_descendants_come_in_pages_that_the_client_asks_for(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name, events = await opened(bench)
        at = events[-1]["bestBlockHash"]
        answer = await bench.ask(
            "chainHead_v1_storage", name, at, [{"key": "0x", "type": "descendantsHashes"}]
        )
        operation = answer["operationId"]
        keys: list[str] = []
        while True:
            event = await bench.event()
            if event["event"] == "operationStorageItems":
                assert len(event["items"]) <= PAGE
                keys += [item["key"] for item in event["items"]]
            elif event["event"] == "operationWaitingForContinue":
                await trio.testing.wait_all_tasks_blocked(0.01)
                assert not len(bench.session.outbox), "nothing more comes before it is asked for"
                assert await bench.ask("chainHead_v1_continue", name, operation) is None
            else:
                break
        assert event["event"] == "operationStorageDone"
        state = net.chain.database.state_at(net.chain.database.best().hash)
        assert keys == [text(key) for key, _ in state.items()]
        assert len(keys) > PAGE

    run(net, test)


def test_an_operation_that_waits_can_be_stopped_and_nothing_else_continues(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name, events = await opened(bench)
        at = events[-1]["bestBlockHash"]
        items = [{"key": "0x", "type": "descendantsHashes"}]
        operation = (await bench.ask("chainHead_v1_storage", name, at, items))["operationId"]
        while (await bench.event())["event"] != "operationWaitingForContinue":
            pass
        assert await bench.ask("chainHead_v1_stopOperation", name, operation) is None
        assert await bench.ask("chainHead_v1_continue", name, operation) is None
        assert await bench.ask("chainHead_v1_stopOperation", name, "none") is None
        body = (await bench.ask("chainHead_v1_body", name, at))["operationId"]
        code = await refused(bench, "chainHead_v1_continue", name, body)
        assert code == -32803

    run(net, test)


def test_sixteen_operations_are_taken_and_no_more(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name, events = await opened(bench)
        at = events[-1]["bestBlockHash"]
        paged = {"key": "0x", "type": "descendantsHashes"}
        for _ in range(OPERATIONS_MAX - 1):
            answer = await bench.ask("chainHead_v1_storage", name, at, [paged])
            assert answer["result"] == "started"
        answer = await bench.ask("chainHead_v1_storage", name, at, [paged, paged, paged])
        assert answer["discardedItems"] == 2
        for method, more in (
            ("chainHead_v1_body", ()),
            ("chainHead_v1_call", ("Core_version", "")),
            ("chainHead_v1_storage", ([paged],)),
        ):
            assert await bench.ask(method, name, at, *more) == {"result": "limitReached"}
        await bench.ask("chainHead_v1_stopOperation", name, answer["operationId"])
        assert (await bench.ask("chainHead_v1_body", name, at))["result"] == "started"

    run(net, test)


def test_a_third_subscription_is_refused(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name, _ = await opened(bench)
        await opened(bench, with_runtime=False)
        assert await refused(bench, "chainHead_v1_follow", True) == -32800
        assert await bench.ask("chainHead_v1_unfollow", name) is None
        await opened(bench)

    run(net, test)


def test_errors_have_the_codes_of_the_specification(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name, events = await opened(bench)
        plain, _ = await opened(bench, with_runtime=False)
        at, other = events[-1]["bestBlockHash"], "0x" + "12" * 32
        assert await refused(bench, "chainHead_v1_header", name, other) == -32801
        assert await refused(bench, "chainHead_v1_body", name, other) == -32801
        assert await refused(bench, "chainHead_v1_storage", name, other, []) == -32801
        assert await refused(bench, "chainHead_v1_call", name, other, "Core_version", "") == -32801
        assert await refused(bench, "chainHead_v1_call", plain, at, "Core_version", "") == -32802
        assert await refused(bench, "chainHead_v1_unpin", name, [at, at]) == -32804
        assert await refused(bench, "chainHead_v1_unpin", name, [at, other]) == -32801
        assert await refused(bench, "chainHead_v1_unpin", name, 7) == -32602
        for items in ("x", [1], [{"key": "0x"}], [{"type": "value"}], [{"key": "0x", "type": "?"}]):
            assert await refused(bench, "chainHead_v1_storage", name, at, items) == -32602
        for params in ([], [None], ["yes"], [1]):
            assert await refused(bench, "chainHead_v1_follow", *params) == -32602
        assert await bench.ask("chainHead_v1_unpin", name, at) is None
        assert await refused(bench, "chainHead_v1_header", name, at) == -32801
        assert await bench.ask("chainHead_v1_header", plain, at), "pins are each subscription's"

    run(net, test)


def test_a_subscription_that_is_over_answers_without_errors(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name, events = await opened(bench)
        at = events[-1]["bestBlockHash"]
        await bench.ask("chainHead_v1_unfollow", name)
        await trio.testing.wait_all_tasks_blocked(0.01)
        limit = {"result": "limitReached"}
        for over in (name, "never"):
            assert await bench.ask("chainHead_v1_header", over, at) is None
            assert await bench.ask("chainHead_v1_body", over, at) == limit
            assert await bench.ask("chainHead_v1_call", over, at, "Core_version", "") == limit
            assert await bench.ask("chainHead_v1_storage", over, at, []) == limit
            for method in ("unpin", "continue", "stopOperation"):
                more = at if method == "unpin" else "0"
                assert await bench.ask(f"chainHead_v1_{method}", over, more) is None
            assert await bench.ask("chainHead_v1_unfollow", over) is None
        assert bench.session.follows == {}

    run(net, test)


def test_a_client_that_never_unpins_is_stopped_in_time(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name, _ = await opened(bench)
        last: Any = None
        for _ in range(PIN_AGE_MAX + 1):
            await bench.author()
            while len(bench.session.outbox):
                last = await bench.event()
        assert last == {"event": "stop"}
        assert name not in bench.session.follows
        await opened(bench)

    run(net, test)


def test_a_reader_that_takes_nothing_is_stopped(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await opened(bench)
        for _ in range(30):
            await bench.author()
        events = []
        while len(bench.session.outbox):
            events.append(await bench.event())
        assert events[-1] == {"event": "stop"}
        assert len(events) <= 65
        assert bench.session.follows == {}

    run(net, test)
