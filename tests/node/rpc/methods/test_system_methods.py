"""``system_*``, ``payment_*``, ``grandpa_*`` and ``babe_*``."""

from pathlib import Path

import pytest
import structlog

from node.consensus.grandpa.voter import Statistics
from node.database import BlockId
from node.logging import configure
from node.network.transport import PeerInfo, Roles, Status
from node.rpc.methods.grandpa import FinalityProof
from primitives.crypto.ss58 import ss58_encode
from primitives.errors import CessError, RpcError
from primitives.grandpa import Block
from primitives.justification import GrandpaJustification, verify_justification
from primitives.keystore import Keystore
from primitives.scale import decode
from primitives.types import Hash
from tests.node.bench import Bench, run
from tests.node.net import ALICE, ALICE_GRANDPA, BOB, FIRST_SLOT, Net


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


class Wire:
    """A network as operators see it."""

    local_peer = "12D3KooWAlice"

    def __init__(self) -> None:
        self.kept: list[str] = []

    def peers(self) -> tuple[PeerInfo, ...]:
        kinds = (Roles.AUTHORITY, Roles.FULL, Roles.LIGHT)
        return tuple(
            PeerInfo(f"peer{at}", Status(roles, at, Hash(bytes([at]) * 32)), -5, is_inbound=at == 0)
            for at, roles in enumerate(kinds)
        )

    def addresses(self) -> tuple[str, ...]:
        return ("/ip4/127.0.0.1/tcp/30333/p2p/12D3KooWAlice",)

    def reserve(self, text: str) -> str:
        if not text.startswith("/"):
            raise CessError(f"{text!r} is no address")
        self.kept.append(text.rpartition("/")[2])
        return self.kept[-1]

    def unreserve(self, peer: str) -> None:
        self.kept.remove(peer)

    def reserved(self) -> tuple[str, ...]:
        return tuple(self.kept)


class Behind:
    """A node that is far behind."""

    def is_major_syncing(self) -> bool:
        return True

    def best_seen(self) -> int:
        return 77

    def best_of(self, peer: str) -> BlockId | None:
        return BlockId(Hash(b"\x4d" * 32), 77) if peer == "peer2" else None


def test_the_network_is_told_of(net: Net) -> None:
    async def test(bench: Bench) -> None:
        peers = await bench.ask("system_peers")
        assert [each["roles"] for each in peers] == ["AUTHORITY", "FULL", "LIGHT"]
        assert peers[1] == {
            "peerId": "peer1",
            "roles": "FULL",
            "bestHash": "0x" + "01" * 32,
            "bestNumber": 1,
        }
        assert peers[2]["bestHash"] == "0x" + "4d" * 32, "it announced a block since it greeted"
        assert peers[2]["bestNumber"] == 77
        assert (await bench.ask("system_health"))["peers"] == 3
        assert (await bench.ask("system_health"))["isSyncing"]
        assert await bench.ask("system_localPeerId") == "12D3KooWAlice"
        assert len(await bench.ask("system_localListenAddresses")) == 1
        assert (await bench.ask("system_syncState"))["highestBlock"] == 77
        state = await bench.ask("system_unstable_networkState")
        assert state["connectedPeers"]["peer0"]["endpoint"] == "listening"

    run(net, test, network=Wire(), sync=Behind())


def test_peers_are_reserved_while_the_node_runs(net: Net) -> None:
    async def test(bench: Bench) -> None:
        await bench.ask("system_addReservedPeer", "/ip4/10.0.0.1/tcp/30333/p2p/bob")
        assert await bench.ask("system_reservedPeers") == ["bob"]
        with pytest.raises(RpcError, match="no address") as refused:
            await bench.ask("system_addReservedPeer", "bob")
        assert refused.value.code == 2002
        await bench.ask("system_removeReservedPeer", "bob")
        assert await bench.ask("system_reservedPeers") == []

    run(net, test, network=Wire())


def test_without_a_network_peers_cannot_be_reserved(net: Net) -> None:
    async def test(bench: Bench) -> None:
        for method, given in (("system_localPeerId", ()), ("system_addReservedPeer", ("/x",))):
            with pytest.raises(RpcError, match="Server error"):
                await bench.ask(method, *given)

    run(net, test)


def test_the_round_is_told_of_with_those_who_have_not_voted(net: Net) -> None:
    voting = Statistics(
        set_id=3,
        round=9,
        finalized=Block(bytes(32), 5),
        total_weight=4,
        threshold=3,
        prevote_weight=3,
        precommit_weight=1,
        missing_prevotes=(BOB.public,),
        missing_precommits=(),
        waiting_votes=0,
        waiting_commits=0,
        peers=3,
    )

    async def test(bench: Bench) -> None:
        assert await bench.ask("grandpa_roundState") == {
            "setId": 3,
            "best": {
                "round": 9,
                "totalWeight": 4,
                "thresholdWeight": 3,
                "prevotes": {"currentWeight": 3, "missing": [ss58_encode(BOB.public)]},
                "precommits": {"currentWeight": 1, "missing": []},
            },
            "background": [],
        }

    run(net, test, finality=lambda: voting)


def test_before_voting_begins_there_is_no_round(net: Net) -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(RpcError, match="not ready"):
            await bench.ask("grandpa_roundState")

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
        # The author's part of the fee goes to the stash of the validator, another account.
        assert before - net.balance(ALICE) - 10**18 == int(info["partialFee"])
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
        with pytest.raises(RpcError, match="not yet finalized"):
            await bench.ask("grandpa_proveFinality", 3)

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


def test_levels_of_the_log_change_while_the_node_runs(
    net: Net, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(bench: Bench) -> None:
        configure(("info",))
        assert await bench.ask("system_addLogFilter", "rpc=debug") is None
        structlog.get_logger("rpc").debug("shown")
        assert await bench.ask("system_resetLogFilter") is None
        structlog.get_logger("rpc").debug("hidden")
        with pytest.raises(RpcError, match="loud"):
            await bench.ask("system_addLogFilter", "rpc=loud")

    run(net, test)
    text = capsys.readouterr().err
    assert "shown" in text
    assert "hidden" not in text
