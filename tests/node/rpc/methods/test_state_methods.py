"""``state_*``: values, pages, proofs and runtime calls over real states."""

import pytest
import trio
import trio.testing

from node.runtime import VERSION
from primitives import trie
from primitives.errors import RpcError
from primitives.hashing import blake2_256, twox_128
from primitives.types import Hash
from tests.node.bench import Bench, run
from tests.node.net import ALICE, BOB, Net

NUMBER = twox_128(b"System") + twox_128(b"Number")
ACCOUNTS = twox_128(b"System") + twox_128(b"Account")
UNKNOWN = "0x" + "11" * 32


def hex_of(data: bytes) -> str:
    return f"0x{data.hex()}"


def test_values_at_any_kept_block(net: Net) -> None:
    async def test(bench: Bench) -> None:
        first = hex_of((await bench.author()).hash)
        await bench.author()
        key = hex_of(NUMBER)
        assert await bench.ask("state_getStorage", key) == "0x02000000"
        assert await bench.ask("state_getStorage", key, first) == "0x01000000"
        assert await bench.ask("state_getStorageAt", key, first) == "0x01000000"
        assert await bench.ask("state_getStorageSize", key) == 4
        assert await bench.ask("state_getStorageHash", key) == hex_of(blake2_256(b"\x02\0\0\0"))
        assert await bench.ask("state_getStorage", "0x1234") is None
        assert await bench.ask("state_getStorageSize", "0x1234") is None
        assert await bench.ask("state_getStorageSize", hex_of(ACCOUNTS)) > 1000

    run(net, test)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("state_getStorage", ["0x00", UNKNOWN]),
        ("state_getMetadata", [UNKNOWN]),
        ("state_getRuntimeVersion", [UNKNOWN]),
        ("state_getKeysPaged", ["0x", 1, None, UNKNOWN]),
        ("state_call", ["Core_version", "0x", UNKNOWN]),
        ("state_getReadProof", [["0x00"], UNKNOWN]),
        ("state_call", ["Nothing_here", "0x"]),
        ("state_call", ["AccountNonceApi_account_nonce", "0x00"]),
        ("state_call", ["Core_version", "0x00"]),
        ("state_call", ["_", "0x"]),
    ],
)
def test_what_is_not_here_is_a_client_error(net: Net, method: str, params: list[object]) -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(RpcError) as caught:
            await bench.ask(method, *params)
        assert caught.value.code == 4003

    run(net, test)


def test_pages_of_keys_join_to_all_keys(net: Net) -> None:
    async def test(bench: Bench) -> None:
        prefix = hex_of(ACCOUNTS)
        whole = await bench.ask("state_getKeys", prefix)
        joined: list[str] = []
        start = None
        while page := await bench.ask("state_getKeysPaged", prefix, 7, start):
            joined += page
            start = page[-1]
        assert joined == whole == sorted(whole)
        pairs = await bench.ask("state_getPairs", prefix)
        assert [key for key, _ in pairs] == whole

    run(net, test)


@pytest.mark.parametrize(("count", "fits"), [(999, True), (1000, True), (1001, False)])
def test_a_page_is_limited(net: Net, count: int, fits: bool) -> None:
    async def test(bench: Bench) -> None:
        if fits:
            await bench.ask("state_getKeysPaged", "0x", count)
            await bench.ask("state_queryStorageAt", ["0x00"] * count)
        else:
            for method, params in (
                ("state_getKeysPaged", ["0x", count]),
                ("state_queryStorageAt", [["0x00"] * count]),
                ("state_getReadProof", [["0x00"] * count]),
            ):
                with pytest.raises(RpcError, match="count exceeds maximum") as caught:
                    await bench.ask(method, *params)
                assert caught.value.code == 4002

    run(net, test)


def test_several_values_at_once_and_over_a_range(net: Net) -> None:
    async def test(bench: Bench) -> None:
        hashes = [hex_of((await bench.author()).hash) for _ in range(3)]
        key, missing = hex_of(NUMBER), "0x1234"
        assert await bench.ask("state_queryStorageAt", [key, missing]) == [
            {"block": hashes[2], "changes": [[key, "0x03000000"], [missing, None]]}
        ]
        found = await bench.ask("state_queryStorage", [key, missing], hashes[0], hashes[2])
        assert [entry["block"] for entry in found] == hashes
        assert found[1]["changes"] == [[key, "0x02000000"]]
        with pytest.raises(RpcError) as caught:
            await bench.ask("state_queryStorage", [key], hashes[2], hashes[0])
        assert caught.value.code == 4001

    run(net, test)


def test_a_proof_verifies_against_the_header(net: Net) -> None:
    async def test(bench: Bench) -> None:
        imported = await bench.author(net.transfer())
        key = next(iter(net.chain.database.state_at(imported.hash).keys(ACCOUNTS, 1)))
        found = await bench.ask("state_getReadProof", [hex_of(key), "0x1234"])
        assert found["at"] == hex_of(imported.hash)
        nodes = [bytes.fromhex(node[2:]) for node in found["proof"]]
        root = Hash(imported.header.state_root)
        values = trie.verify_proof(root, nodes, [key, b"\x12\x34"])
        assert values == {
            key: net.chain.database.state_at(imported.hash).get(key),
            b"\x12\x34": None,
        }

    run(net, test)


def test_the_runtime_answers_by_name(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.author(net.transfer())
        nonce = "AccountNonceApi_account_nonce"
        who = hex_of(ALICE.account_id)
        assert await bench.ask("state_call", nonce, who, None) == "0x01000000"
        assert await bench.ask("state_callAt", nonce, who) == "0x01000000"
        versions = [
            await bench.ask("state_call", "Metadata_metadata_versions", *rest)
            for rest in ([], [""], ["0x"])
        ]
        assert versions == ["0x080e0000000f000000"] * 3

    run(net, test)


def test_metadata_and_version(net: Net) -> None:
    async def test(bench: Bench) -> None:
        metadata = await bench.ask("state_getMetadata")
        assert metadata.startswith("0x6d6574610e")
        wrapped = await bench.ask("state_call", "Metadata_metadata", "0x")
        assert wrapped.endswith(metadata[2:])
        version = await bench.ask("state_getRuntimeVersion")
        assert version == await bench.ask("chain_getRuntimeVersion")
        assert version["specName"] == VERSION.spec_name
        assert version["specVersion"] == int(VERSION.spec_version)
        assert ["0xdf6acb689907609b", 4] in version["apis"]

    run(net, test)


def test_a_subscription_shows_changed_values_only(net: Net) -> None:
    async def test(bench: Bench) -> None:
        state = net.chain.database.state_at(net.chain.database.best().hash)
        bob = next(key for key in state.keys(ACCOUNTS, 1000) if key.endswith(BOB.account_id))
        await bench.ask("state_subscribeStorage", [hex_of(bob), "0x1234"])
        first = await bench.event()
        assert [key for key, _ in first["changes"]] == [hex_of(bob), "0x1234"]
        await bench.author()
        imported = await bench.author(net.transfer())
        event = await bench.event()
        assert event["block"] == hex_of(imported.hash)
        assert [key for key, _ in event["changes"]] == [hex_of(bob)]

    run(net, test)


def test_a_subscription_without_keys_shows_all_that_blocks_change(net: Net) -> None:
    async def test(bench: Bench) -> None:
        for none in ([], [None]):
            name = await bench.ask("state_subscribeStorage", *none)
            parent = net.chain.database.best().hash
            imported = await bench.author(net.transfer())
            event = await bench.event()
            assert event["block"] == hex_of(imported.hash)
            before, after = (
                dict(net.chain.database.state_at(block).items())
                for block in (parent, imported.hash)
            )
            keys = sorted({*before, *after})
            assert event["changes"] == [
                [hex_of(key), hex_of(after[key]) if key in after else None]
                for key in keys
                if before.get(key) != after.get(key)
            ]
            assert await bench.ask("state_unsubscribeStorage", name) is True

    run(net, test)


def test_a_block_that_changes_too_much_for_an_event_ends_the_subscription(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.rpc.methods.state.CHANGES_MAX", 3)

    async def test(bench: Bench) -> None:
        await bench.ask("state_subscribeStorage")
        await bench.author()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert (len(bench.session.outbox), bench.session.outbox.subscription_count) == (0, 0)

    run(net, test)


@pytest.mark.parametrize(("most", "fits"), [(-1, False), (0, True)])
def test_a_list_of_keys_is_limited(
    net: Net, monkeypatch: pytest.MonkeyPatch, most: int, fits: bool
) -> None:
    held = net.chain.database.state_at(net.chain.database.best().hash).keys(ACCOUNTS, 1000)
    monkeypatch.setattr("node.rpc.methods.state.LISTED_MAX", len(held) + most)

    async def test(bench: Bench) -> None:
        if fits:
            assert len(await bench.ask("state_getKeys", hex_of(ACCOUNTS))) == len(held)
            return
        with pytest.raises(RpcError, match="count exceeds") as caught:
            await bench.ask("state_getKeys", hex_of(ACCOUNTS))
        assert caught.value.code == 4002

    run(net, test, deny_unsafe=True)


def test_the_version_is_shown_once_while_it_does_not_change(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.ask("state_subscribeRuntimeVersion")
        assert (await bench.event())["specVersion"] == int(VERSION.spec_version)
        await bench.author()
        assert len(bench.session.outbox) == 0

    run(net, test)


def test_unbounded_reads_are_for_the_operator(net: Net) -> None:
    async def test(bench: Bench) -> None:
        for method in ("state_getPairs", "state_queryStorage", "state_subscribeStorage"):
            params = [] if method == "state_subscribeStorage" else ["0x"]
            with pytest.raises(RpcError, match="unsafe"):
                await bench.ask(method, *params)
        assert await bench.ask("state_subscribeStorage", [])

    run(net, test, deny_unsafe=True)


def test_child_tries_are_empty_and_their_keys_checked(net: Net) -> None:
    async def test(bench: Bench) -> None:
        child = hex_of(b":child_storage:default:x")
        assert await bench.ask("childstate_getKeys", child) == []
        assert await bench.ask("childstate_getKeysPaged", child, "0x", 5) == []
        assert await bench.ask("childstate_getStorageEntries", child, ["0x01", "0x02"]) == [
            None,
            None,
        ]
        for name in ("getStorage", "getStorageHash", "getStorageSize"):
            assert await bench.ask(f"childstate_{name}", child, "0x01") is None
            for params in (["0x01", "0x01"], [child, "0x01", UNKNOWN]):
                with pytest.raises(RpcError) as caught:
                    await bench.ask(f"childstate_{name}", *params)
                assert caught.value.code == 4003

    run(net, test)


def test_the_keys_that_a_connection_watches_are_bounded(net: Net) -> None:
    async def test(bench: Bench) -> None:
        keys = [hex_of(number.to_bytes(2, "big")) for number in range(1000)]
        first = await bench.ask("state_subscribeStorage", keys)
        for _ in range(3):
            await bench.ask("state_subscribeStorage", keys)
        with pytest.raises(RpcError) as caught:
            await bench.ask("state_subscribeStorage", keys)
        assert caught.value.code == -32006
        assert await bench.ask("state_unsubscribeStorage", first)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await bench.ask("state_subscribeStorage", keys)

    run(net, test)


def test_callers_do_not_use_the_threads_of_consensus(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.author()
        limiter = trio.to_thread.current_default_thread_limiter()
        tokens = range(int(limiter.total_tokens))
        for token in tokens:
            limiter.acquire_on_behalf_of_nowait(token)
        key = hex_of(NUMBER)
        assert await bench.ask("state_getStorage", key) == "0x01000000"
        await bench.ask("state_subscribeStorage", [key])
        assert (await bench.event())["changes"] == [[key, "0x01000000"]]
        assert await bench.ask("system_accountNextIndex", hex_of(ALICE.account_id)) == 0
        for token in tokens:
            limiter.release_on_behalf_of(token)

    run(net, test)


def test_adding_up_lengths_is_bounded(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.rpc.methods.state.SIZES_MAX", 3)

    async def test(bench: Bench) -> None:
        with pytest.raises(RpcError) as caught:
            await bench.ask("state_getStorageSize", "0x")
        assert caught.value.code == 4002

    run(net, test)


def test_nonces_are_those_of_the_block_whatever_was_asked_before(net: Net) -> None:
    async def test(bench: Bench) -> None:
        asked = ("state_call", "AccountNonceApi_account_nonce", hex_of(ALICE.account_id))
        blocks = []
        for number in range(3):
            block = await bench.author(net.transfer(pair=ALICE, nonce=number))
            blocks.append(hex_of(block.hash))
            assert await bench.ask(*asked) == f"0x{number + 1:02x}000000"
        for number in (1, 0, 2, 0):
            assert await bench.ask(*asked, blocks[number]) == f"0x{number + 1:02x}000000"
        assert await bench.ask(*asked) == "0x03000000"
        with pytest.raises(RpcError):
            await bench.ask(*asked, UNKNOWN)
        assert await bench.ask(*asked) == "0x03000000"

    run(net, test)
