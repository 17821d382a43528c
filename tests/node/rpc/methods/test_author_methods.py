"""``author_*``: submitting and watching through the whole pool, and keys."""

from pathlib import Path

import pytest

from node.runtime import CessRuntime
from node.txpool.pool import Limits
from pallets.session import Session, SessionKeys
from pallets.session.types import is_possession_proof
from primitives.crypto.keys import KeyPair
from primitives.errors import RpcError
from primitives.extrinsic import extrinsic_hash
from primitives.keystore import Keystore
from primitives.scale import decode
from tests.node.bench import Bench, run
from tests.node.net import ALICE, FIRST_SLOT, TCESS, Net


def hex_of(data: bytes) -> str:
    return f"0x{data.hex()}"


async def refusal(bench: Bench, data: bytes) -> tuple[int, str, str | None]:
    with pytest.raises(RpcError) as caught:
        await bench.ask("author_submitExtrinsic", hex_of(data))
    return caught.value.code, caught.value.message, caught.value.data


def test_a_submitted_transaction_waits_and_is_included(net: Net) -> None:
    async def test(bench: Bench) -> None:
        data = net.transfer()
        assert await bench.ask("author_submitExtrinsic", hex_of(data)) == hex_of(
            extrinsic_hash(data)
        )
        assert await bench.ask("author_pendingExtrinsics") == [hex_of(data)]
        assert await bench.ask("system_accountNextIndex", hex_of(ALICE.account_id)) == 1
        await bench.author()
        assert await bench.ask("author_pendingExtrinsics") == []

    run(net, test)


def test_watching_tells_the_whole_road(net: Net) -> None:
    async def test(bench: Bench) -> None:
        data = net.transfer()
        await bench.ask("author_submitAndWatchExtrinsic", hex_of(data))
        assert await bench.event() == "ready"
        block = hex_of((await bench.author()).hash)
        assert await bench.event() == {"inBlock": block}
        assert await bench.event() == {"finalized": block}
        assert bench.session.outbox.subscription_count == 0

    run(net, test)


def test_a_gap_in_nonces_waits(net: Net) -> None:
    async def test(bench: Bench) -> None:
        late, early = net.transfer(nonce=1), net.transfer(nonce=0)
        await bench.ask("author_submitAndWatchExtrinsic", hex_of(late))
        assert await bench.event() == "future"
        await bench.ask("author_submitExtrinsic", hex_of(early))
        assert await bench.event() == "ready"

    run(net, test)


def test_a_dearer_transaction_usurps(net: Net) -> None:
    async def test(bench: Bench) -> None:
        cheap, dear = net.transfer(nonce=0), net.transfer(nonce=0, tip=TCESS)
        await bench.ask("author_submitAndWatchExtrinsic", hex_of(cheap))
        assert await bench.event() == "ready"
        await bench.ask("author_submitExtrinsic", hex_of(dear))
        assert await bench.event() == {"usurped": hex_of(extrinsic_hash(dear))}
        code, message, _ = await refusal(bench, net.transfer(nonce=0, value=TCESS + 1))
        assert code == 1014
        assert message.startswith("Priority is too low: (")

    run(net, test)


def test_refusals_have_substrates_codes(net: Net) -> None:
    async def test(bench: Bench) -> None:
        first = net.transfer(nonce=0)
        await bench.ask("author_submitExtrinsic", hex_of(first))
        assert (await refusal(bench, first))[0] == 1013
        await bench.author()
        assert (await refusal(bench, first))[:2] == (1012, "Transaction is temporarily banned")
        stale = net.transfer(nonce=0, value=TCESS + 1)
        assert await refusal(bench, stale) == (
            1010,
            "Invalid Transaction",
            "Transaction is outdated",
        )
        assert (await refusal(bench, stale))[0] == 1012
        forged = net.transfer(nonce=1)
        forged = forged[:40] + bytes((forged[40] ^ 1,)) + forged[41:]
        assert (await refusal(bench, forged))[2] == "Transaction has a bad signature"
        assert (await refusal(bench, b"\x10junk"))[0] == 1002
        assert (await refusal(bench, b"junk"))[0] == 1001

    run(net, test)


def test_a_full_pool_refuses_the_worst(net: Net) -> None:
    async def test(bench: Bench) -> None:
        for nonce in range(2):
            await bench.ask("author_submitExtrinsic", hex_of(net.transfer(nonce=nonce)))
        assert (await refusal(bench, net.transfer(nonce=2)))[:2] == (1016, "Immediately Dropped")

    run(net, test, limits=Limits(ready_count=2))


def test_a_reorganisation_retracts_and_includes_again(open_net: Net) -> None:
    async def test(bench: Bench) -> None:
        genesis = open_net.chain.best_header()
        data = open_net.transfer()
        await bench.ask("author_submitAndWatchExtrinsic", hex_of(data))
        assert await bench.event() == "ready"
        slot = open_net.slot(genesis, FIRST_SLOT)
        lost = hex_of((await bench.author(slot=slot)).hash)
        assert await bench.event() == {"inBlock": lost}
        rival = await bench.author(b"\x10junk", parent=genesis, slot=slot + 1)
        slot = open_net.slot(rival.header, slot + 2, primary=True)
        await bench.author(b"\x10junk", parent=rival.header, slot=slot)
        assert await bench.event() == {"retracted": lost}
        assert await bench.event() == "ready"
        block = await bench.author()
        assert await bench.event() == {"inBlock": hex_of(block.hash)}

    run(open_net, test)


def test_unwatching_leaves_the_transaction_in_the_pool(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name = await bench.ask("author_submitAndWatchExtrinsic", hex_of(net.transfer()))
        assert await bench.ask("author_unwatchExtrinsic", name) is True
        assert len(await bench.ask("author_pendingExtrinsics")) == 1

    run(net, test)


def test_the_operator_may_remove_transactions(net: Net) -> None:
    async def test(bench: Bench) -> None:
        one, two = net.transfer(nonce=0), net.transfer(nonce=1)
        for data in (one, two):
            await bench.ask("author_submitExtrinsic", hex_of(data))
        named = [{"hash": hex_of(extrinsic_hash(two))}, {"extrinsic": "0x00"}]
        assert await bench.ask("author_removeExtrinsic", named) == [hex_of(extrinsic_hash(two))]
        assert await bench.ask("author_pendingExtrinsics") == [hex_of(one)]
        with pytest.raises(RpcError):
            await bench.ask("author_removeExtrinsic", [7])

    run(net, test)


# Keys.


def test_keys_are_inserted_found_and_rotated(net: Net, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        public = hex_of(ALICE.public)
        assert await bench.ask("author_hasKey", public, "babe") is False
        await bench.ask("author_insertKey", "babe", "//Alice", public)
        assert await bench.ask("author_hasKey", public, "babe") is True
        joined = await bench.ask("author_rotateKeys")
        assert len(joined) == 2 + 2 * 64
        assert await bench.ask("author_hasSessionKeys", joined) is True
        assert await bench.ask("author_hasSessionKeys", "0x" + "11" * 64) is False

    run(net, test, keystore=Keystore(tmp_path / "keys"))


def test_rotated_keys_prove_that_they_work_for_their_owner(net: Net, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        made = await bench.ask("author_rotateKeysWithOwner", hex_of(ALICE.public))
        keys = decode(SessionKeys, bytes.fromhex(made["keys"][2:]))
        proof = bytes.fromhex(made["proof"][2:])
        assert is_possession_proof(proof, ALICE.account_id, keys)
        assert not is_possession_proof(proof, KeyPair.from_suri("//Bob").account_id, keys)
        assert await bench.ask("author_hasSessionKeys", made["keys"]) is True
        with pytest.raises(RpcError, match="32 bytes"):
            await bench.ask("author_rotateKeysWithOwner", "0x1234")

    run(net, test, keystore=Keystore(tmp_path / "keys"))


def test_rotated_keys_are_set_on_chain_as_they_come(net: Net, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        made = await bench.ask("author_rotateKeysWithOwner", hex_of(ALICE.account_id))
        keys = decode(SessionKeys, bytes.fromhex(made["keys"][2:]))
        proof = bytes.fromhex(made["proof"][2:])
        call = CessRuntime.calls().make("Session", "set_keys", keys=keys, proof=proof)
        await bench.ask("author_submitExtrinsic", hex_of(net.signed(call.encode())))
        await bench.author()
        key = hex_of(Session.next_keys.key(ALICE.account_id))
        assert await bench.ask("state_getStorage", key) == made["keys"]
        assert await bench.ask("author_hasSessionKeys", made["keys"]) is True

    run(net, test, keystore=Keystore(tmp_path / "keys"))


def test_a_key_must_fit_its_secret(net: Net, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bob = hex_of(KeyPair.from_suri("//Bob").public)
        for params in (
            ("babe", "//Alice", bob),
            ("babe", "no secret", bob),
            ("none", "//Bob", bob),
        ):
            with pytest.raises(RpcError) as caught:
                await bench.ask("author_insertKey", *params)
            assert "//Alice" not in str(caught.value)

    run(net, test, keystore=Keystore(tmp_path / "keys"))


def test_keys_are_for_the_operator(net: Net) -> None:
    async def test(bench: Bench) -> None:
        for method in (
            "author_insertKey",
            "author_rotateKeys",
            "author_rotateKeysWithOwner",
            "author_hasKey",
        ):
            with pytest.raises(RpcError, match="unsafe"):
                await bench.ask(method)

    run(net, test, deny_unsafe=True)
