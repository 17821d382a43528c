"""An unmodified substrate-interface against a live node."""

from collections.abc import Iterator
from typing import Any

import pytest
from substrateinterface import Keypair, SubstrateInterface
from substrateinterface.exceptions import SubstrateRequestException

from primitives import trie
from primitives.errors import ProofRejected
from primitives.types import Hash
from tests.conformance.live import LiveNode, running

pytestmark = pytest.mark.integration

TCESS = 10**18


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with running(tmp_path_factory.mktemp("node")) as found:
        found.wait_height(1)
        yield found


@pytest.fixture(scope="module")
def chain(node: LiveNode) -> Iterator[SubstrateInterface]:
    found = SubstrateInterface(url=node.url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def alice() -> Keypair:
    return Keypair.create_from_uri("//Alice", ss58_format=11330)


@pytest.fixture(scope="module")
def bob() -> Keypair:
    return Keypair.create_from_uri("//Bob", ss58_format=11330)


def transfer(chain: SubstrateInterface, to: Keypair, value: int = TCESS) -> Any:
    call = {"dest": to.ss58_address, "value": value}
    return chain.compose_call("Balances", "transfer_keep_alive", call)


def free(chain: SubstrateInterface, who: Keypair, block_hash: str | None = None) -> int:
    account = chain.query("System", "Account", [who.ss58_address], block_hash=block_hash)
    return int(account.value["data"]["free"])


def test_it_connects_and_reads_the_chain(chain: SubstrateInterface) -> None:
    assert chain.chain == "CESS Development"
    assert chain.ss58_format == 11330
    assert chain.token_symbol == "TCESS"
    assert chain.token_decimals == 18
    chain.init_runtime()
    assert chain.runtime_version == 1


def test_a_transfer_moves_money_and_its_events_decode(
    chain: SubstrateInterface, alice: Keypair, bob: Keypair
) -> None:
    call = transfer(chain, bob)
    quoted = chain.get_payment_info(call, alice)["partialFee"]
    before = free(chain, bob)
    extrinsic = chain.create_signed_extrinsic(call, alice)
    receipt = chain.submit_extrinsic(extrinsic, wait_for_inclusion=True)
    assert receipt.is_success, receipt.error_message
    assert free(chain, bob, receipt.block_hash) == before + TCESS
    events = [
        (event.value["module_id"], event.value["event_id"]) for event in receipt.triggered_events
    ]
    assert ("Balances", "Transfer") in events
    assert ("System", "ExtrinsicSuccess") in events
    assert 0 < receipt.total_fee_amount <= quoted * 2
    moved = next(
        event.value["attributes"]
        for event in receipt.triggered_events
        if event.value["event_id"] == "Transfer"
    )
    assert moved == {"from": alice.ss58_address, "to": bob.ss58_address, "amount": TCESS}


def test_a_mortal_transfer_waits_for_finality(
    chain: SubstrateInterface, alice: Keypair, bob: Keypair
) -> None:
    extrinsic = chain.create_signed_extrinsic(transfer(chain, bob), alice, era={"period": 16})
    receipt = chain.submit_extrinsic(extrinsic, wait_for_finalization=True)
    assert receipt.is_success
    assert receipt.finalized
    final = chain.get_block_number(chain.get_chain_finalised_head())
    assert chain.get_block_number(receipt.block_hash) <= final


def test_a_batch_runs_all_its_calls(
    chain: SubstrateInterface, alice: Keypair, bob: Keypair
) -> None:
    before = free(chain, bob)
    call = chain.compose_call(
        "Utility", "batch_all", {"calls": [transfer(chain, bob), transfer(chain, bob, 2 * TCESS)]}
    )
    receipt = chain.submit_extrinsic(
        chain.create_signed_extrinsic(call, alice), wait_for_inclusion=True
    )
    assert receipt.is_success
    assert free(chain, bob) == before + 3 * TCESS


def test_a_failing_call_says_why(chain: SubstrateInterface, alice: Keypair, bob: Keypair) -> None:
    call = chain.compose_call("Sminer", "receive_reward", {})
    receipt = chain.submit_extrinsic(
        chain.create_signed_extrinsic(call, alice), wait_for_inclusion=True
    )
    assert not receipt.is_success
    assert receipt.error_message["type"] == "Module"
    assert receipt.error_message["name"]
    poor = transfer(chain, bob, 10**30)
    receipt = chain.submit_extrinsic(
        chain.create_signed_extrinsic(poor, alice), wait_for_inclusion=True
    )
    assert not receipt.is_success


def test_maps_are_read_in_pages(chain: SubstrateInterface) -> None:
    accounts = list(chain.query_map("System", "Account", page_size=10))
    assert len({who.value for who, _ in accounts}) == len(accounts) >= 44
    assert all(int(info.value["data"]["free"]) > 0 for _, info in accounts)


def test_several_values_are_read_at_once(
    chain: SubstrateInterface, alice: Keypair, bob: Keypair
) -> None:
    keys = [
        chain.create_storage_key("System", "Account", [who.ss58_address]) for who in (alice, bob)
    ]
    found = [value.value["data"]["free"] for _, value in chain.query_multi(keys)]
    assert found[1] == free(chain, bob)


def test_constants_and_errors_are_in_metadata(chain: SubstrateInterface) -> None:
    assert chain.get_constant("Balances", "ExistentialDeposit").value == TCESS
    assert chain.get_constant("System", "SS58Prefix").value == 11330
    assert {"FileBank", "Sminer", "Audit", "StorageHandler", "Mdrc"} <= {
        pallet.name for pallet in chain.metadata.pallets
    }


def test_blocks_and_heads_decode(chain: SubstrateInterface) -> None:
    seen = []

    def take(block: dict[str, Any], update: int, _id: str) -> bool | None:
        seen.append(block["header"]["number"])
        return True if update >= 2 else None

    chain.subscribe_block_headers(take)
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    block = chain.get_block(chain.get_chain_head())
    assert block["extrinsics"][0].value["call"]["call_function"] == "set"


def test_a_subscription_to_storage_sees_a_transfer(
    chain: SubstrateInterface, alice: Keypair, bob: Keypair
) -> None:
    extrinsic = chain.create_signed_extrinsic(transfer(chain, bob), alice)
    seen: list[int] = []

    def take(value: Any, update: int, _id: str) -> bool | None:
        seen.append(int(value.value["data"]["free"]))
        if update == 0:
            chain.rpc_request("author_submitExtrinsic", [str(extrinsic.data)])
            return None
        return True

    chain.query("System", "Account", [bob.ss58_address], subscription_handler=take)
    assert seen[1] == seen[0] + TCESS


def test_a_read_proof_verifies_against_the_header(
    chain: SubstrateInterface, node: LiveNode, bob: Keypair
) -> None:
    key = bytes(chain.create_storage_key("System", "Account", [bob.ss58_address]).data)
    at = node.ask("chain_getFinalizedHead")
    root = bytes.fromhex(node.ask("chain_getHeader", at)["stateRoot"][2:])
    proof = node.ask("state_getReadProof", [f"0x{key.hex()}"], at)
    nodes = [bytes.fromhex(one[2:]) for one in proof["proof"]]
    value = trie.verify_proof(Hash(root), nodes, [key])[key]
    assert value is not None
    assert f"0x{value.hex()}" == node.ask("state_getStorage", f"0x{key.hex()}", at)
    with pytest.raises(ProofRejected):
        trie.verify_proof(Hash(bytes(32)), nodes, [key])


def refusal(chain: SubstrateInterface, data: str) -> dict[str, Any]:
    with pytest.raises(SubstrateRequestException) as caught:
        chain.rpc_request("author_submitExtrinsic", [data])
    found: dict[str, Any] = caught.value.args[0]
    return found


def test_refusals_have_substrates_codes(
    chain: SubstrateInterface, alice: Keypair, bob: Keypair
) -> None:
    call = transfer(chain, bob)
    stale = chain.create_signed_extrinsic(call, alice, nonce=0)
    assert refusal(chain, str(stale.data)) == {
        "code": 1010,
        "message": "Invalid Transaction",
        "data": "Transaction is outdated",
    }
    good = bytes(chain.create_signed_extrinsic(call, alice).data.data)
    forged = good[:60] + bytes((good[60] ^ 1,)) + good[61:]
    assert refusal(chain, f"0x{forged.hex()}")["data"] == "Transaction has a bad signature"
    poor = Keypair.create_from_uri("//Nobody", ss58_format=11330)
    unpaid = chain.create_signed_extrinsic(call, poor)
    assert refusal(chain, str(unpaid.data))["data"].startswith("Inability to pay some fees")
    assert refusal(chain, "0x1068656c6f")["code"] in (1001, 1002)
    assert refusal(chain, "0x106a756e6b")["code"] == 1002
    assert refusal(chain, "0x6a756e6b")["code"] == 1001


def test_http_serves_the_same_client(node: LiveNode, bob: Keypair) -> None:
    found = SubstrateInterface(url=f"http://127.0.0.1:{node.port}")
    assert found.chain == "CESS Development"
    assert free(found, bob) > 0


def test_it_listed_only_methods_that_work(node: LiveNode) -> None:
    for name in node.ask("rpc_methods")["methods"]:
        answer = node.answer(name)
        assert answer.get("error", {}).get("message") != "Internal error", name
        if "ubscribe" not in name and "Watch" not in name:
            assert answer.get("error", {}).get("code") != -32601, name
