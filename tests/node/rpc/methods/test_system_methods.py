"""``system_*``, ``payment_*``, ``grandpa_*`` and ``babe_*``."""

from pathlib import Path

import pytest

from node.rpc.methods.grandpa import FinalityProof
from primitives.crypto.ss58 import ss58_encode
from primitives.errors import RpcError
from primitives.justification import GrandpaJustification, verify_justification
from primitives.keystore import Keystore
from primitives.scale import decode
from tests.node.bench import Bench, run
from tests.node.net import ALICE, ALICE_GRANDPA, FIRST_SLOT, Net


def hex_of(data: bytes) -> str:
    return f"0x{data.hex()}"


def test_the_node_says_who_it_is(net: Net) -> None:
    async def test(bench: Bench) -> None:
        assert await bench.ask("system_name") == "CESS Node"
        assert await bench.ask("system_version") == "1.2.3"
        assert await bench.ask("system_chain") == "CESS Development"
        assert await bench.ask("system_chainType") == "Development"
        assert await bench.ask("system_properties") == {
            "ss58Format": 11330,
            "tokenDecimals": 18,
            "tokenSymbol": "TCESS",
        }
        assert await bench.ask("system_health") == {
            "peers": 0,
            "isSyncing": False,
            "shouldHavePeers": False,
        }
        assert await bench.ask("system_nodeRoles") == ["Authority"]
        assert await bench.ask("system_peers") == []
        assert await bench.ask("system_localListenAddresses") == []
        await bench.author()
        assert await bench.ask("system_syncState") == {
            "startingBlock": 0,
            "currentBlock": 1,
            "highestBlock": 1,
        }

    run(net, test)


def test_the_next_nonce_counts_the_pool(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.author(net.transfer())
        for _ in range(2):
            await bench.ask("author_submitExtrinsic", hex_of(net.transfer()))
        for name in ("system_accountNextIndex", "account_nextIndex"):
            for text in (ss58_encode(ALICE.account_id), ss58_encode(ALICE.account_id, 42)):
                assert await bench.ask(name, text) == 3
        assert await bench.ask("system_accountNextIndex", "0x" + "11" * 32) == 0

    run(net, test)


def test_a_dry_run_changes_nothing(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.author()
        root = net.chain.best_header().state_root
        assert await bench.ask("system_dryRun", hex_of(net.transfer(nonce=0))) == "0x0000"
        stale = await bench.ask("system_dryRun", hex_of(net.transfer(nonce=9)))
        assert stale.startswith("0x01")
        assert net.chain.best_header().state_root == root

    run(net, test)


def test_fees_are_quoted_as_they_are_charged(net: Net) -> None:
    async def test(bench: Bench) -> None:
        data = net.transfer()
        info = await bench.ask("payment_queryInfo", hex_of(data))
        assert info["class"] == "normal"
        assert info["weight"]["ref_time"] > 0
        details = (await bench.ask("payment_queryFeeDetails", hex_of(data)))["inclusionFee"]
        assert sum(int(part, 16) for part in details.values()) == int(info["partialFee"])
        before = net.balance(ALICE)
        await bench.author(data)
        # Alice authors the block, so a fifth of the fee comes back to her.
        paid = before - net.balance(ALICE) - 10**18
        assert paid == int(info["partialFee"]) - int(info["partialFee"]) * 20 // 100
        with pytest.raises(RpcError) as caught:
            await bench.ask("payment_queryInfo", "0x1234")
        assert caught.value.code == 2

    run(net, test)


def test_finality_is_proved_by_a_justification(net: Net) -> None:
    async def test(bench: Bench) -> None:
        first = await bench.author()
        await bench.author()
        raw = await bench.ask("grandpa_proveFinality", 1)
        proof = decode(FinalityProof, bytes.fromhex(raw[2:]))
        assert proof.block == first.hash
        verify_justification(
            GrandpaJustification.decode(proof.justification), [ALICE_GRANDPA.public], 0
        )
        with pytest.raises(RpcError, match="not finalized yet"):
            await bench.ask("grandpa_proveFinality", 3)
        state = await bench.ask("grandpa_roundState")
        assert state["setId"] == 0
        assert state["best"]["thresholdWeight"] == 1

    run(net, test)


def test_a_block_without_its_own_justification_is_proved_by_a_later_one(open_net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.author()
        second = await bench.author()
        open_net.chain._finalizes = True
        open_net.chain.finalize_best()
        raw = await bench.ask("grandpa_proveFinality", 1)
        proof = decode(FinalityProof, bytes.fromhex(raw[2:]))
        assert proof.block == second.hash
        assert [header.hash() for header in proof.unknown_headers] == [second.hash]

    run(open_net, test)


def test_justifications_are_announced(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.ask("grandpa_subscribeJustifications")
        imported = await bench.author()
        found = GrandpaJustification.decode(bytes.fromhex((await bench.event())[2:]))
        assert found.commit.target_hash == imported.hash

    run(net, test)


def test_own_slots_of_the_epoch(net: Net, tmp_path: Path) -> None:
    keystore = Keystore(tmp_path)
    keystore.insert(b"babe", "//Alice", "sr25519")

    async def test(bench: Bench) -> None:
        await bench.author()
        found = await bench.ask("babe_epochAuthorship")
        slots = found[ss58_encode(ALICE.public)]
        assert slots["secondary"] == []
        assert 0 < len(slots["primary"]) < 30
        own = sorted(slots["primary"] + slots["secondary_vrf"])
        assert own == list(range(FIRST_SLOT, FIRST_SLOT + 30))

    run(net, test, keystore=keystore)
