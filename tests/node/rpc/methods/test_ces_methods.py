"""``ces_*``: replaying what the blocks changed gives their states."""

import pytest

from node.rpc.methods.ces import BLOCKS_MAX, StorageChanges
from primitives import trie
from primitives.errors import RpcError
from primitives.scale import decode
from tests.node.bench import Bench, run
from tests.node.net import Net


def text(data: bytes) -> str:
    return f"0x{data.hex()}"


def test_replaying_all_changes_gives_every_state(net: Net) -> None:
    async def test(bench: Bench) -> None:
        for _ in range(3):
            await bench.author(net.transfer())
        first, last = await bench.ask("chain_getBlockHash", [0, 3])
        found = await bench.ask("ces_getStorageChangesWithRoot", first, last)
        assert len(found) == 4
        state: dict[bytes, bytes] = {}
        for entry in found:
            for key, value in entry["changes"]["mainStorageChanges"]:
                if value is None:
                    del state[bytes.fromhex(key[2:])]
                else:
                    state[bytes.fromhex(key[2:])] = bytes.fromhex(value[2:])
            assert list(trie.root(state)) == entry["stateRoot"]
            assert entry["changes"]["childStorageChanges"] == []
        plain = await bench.ask("ces_getStorageChanges", first, last)
        assert plain == [entry["changes"] for entry in found]
        raw = await bench.ask("ces_getStorageChangesAt", last)
        changes = decode(StorageChanges, bytes.fromhex(raw[2:])).main_storage_changes
        assert [[text(key), value and text(value)] for key, value in changes] == (
            plain[-1]["mainStorageChanges"]
        )

    run(net, test)


def test_bad_ranges_have_cess_codes(net: Net) -> None:
    async def test(bench: Bench) -> None:
        made = await bench.author()
        genesis, last = text(net.chain.database.genesis_hash), text(made.hash)
        for params, code in (((last, genesis), 20003), ((genesis, "0x" + "12" * 32), 20005)):
            with pytest.raises(RpcError) as caught:
                await bench.ask("ces_getStorageChanges", *params)
            assert caught.value.code == code

    run(net, test)


def test_a_range_is_bounded(net: Net) -> None:
    async def test(bench: Bench) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("node.rpc.methods.ces.BLOCKS_MAX", 2)
            assert BLOCKS_MAX == 1000
            for _ in range(2):
                await bench.author()
            hashes = await bench.ask("chain_getBlockHash", [0, 1, 2])
            assert len(await bench.ask("ces_getStorageChanges", *hashes[1:])) == 2
            with pytest.raises(RpcError) as caught:
                await bench.ask("ces_getStorageChanges", hashes[0], hashes[2])
            assert caught.value.code == 20004

    run(net, test)


def test_an_answer_is_bounded_in_bytes(net: Net) -> None:
    async def test(bench: Bench) -> None:
        genesis = text(net.chain.database.genesis_hash)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("node.rpc.methods.ces.CHANGES_BYTES_MAX", 1000)
            with pytest.raises(RpcError) as caught:
                await bench.ask("ces_getStorageChanges", genesis, genesis)
            assert caught.value.code == 20004

    run(net, test)
