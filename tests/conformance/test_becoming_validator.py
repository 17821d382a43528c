"""The steps of the validators' guide, with an unmodified substrate-interface and a live node."""

from collections.abc import Iterator
from typing import Any

import pytest
from substrateinterface import Keypair, SubstrateInterface

from pallets.staking.api import Standing, ValidatorView
from primitives.scale import decode
from tests.conformance.live import LiveNode, running

pytestmark = pytest.mark.integration

TCESS = 10**18


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    with running(tmp_path_factory.mktemp("node")) as found:
        found.wait_height(1)
        yield found


def test_an_account_becomes_a_candidate_and_leaves_again(node: LiveNode) -> None:
    chain = SubstrateInterface(url=node.url)
    bob = Keypair.create_from_uri("//Bob", ss58_format=11330)

    def submit(module: str, function: str, **params: Any) -> Any:
        call = chain.compose_call(module, function, params)
        signed = chain.create_signed_extrinsic(call, bob, era={"period": 64})
        receipt = chain.submit_extrinsic(signed, wait_for_inclusion=True)
        assert receipt.is_success, receipt.error_message
        return receipt

    def standing() -> ValidatorView:
        raw = node.ask("state_call", "ValidatorsApi_validator", "0x" + bob.public_key.hex())
        return decode(ValidatorView, bytes.fromhex(raw[2:]))

    assert standing().standing == Standing.NotBonded
    least = chain.query("Staking", "MinValidatorBond").value
    submit("Staking", "bond", value=2 * least, payee="Staked")
    held = chain.query("Balances", "Holds", [bob.ss58_address]).value
    assert held == [{"id": {"Staking": "Staking"}, "amount": 2 * least}]
    ledger = chain.query("Staking", "Ledger", [bob.ss58_address]).value
    assert ledger["active"] == ledger["total"] == 2 * least

    made = node.ask("author_rotateKeysWithOwner", "0x" + bob.public_key.hex())
    keys = bytes.fromhex(made["keys"][2:])
    assert node.ask("author_hasSessionKeys", made["keys"])
    both = {"babe": "0x" + keys[:32].hex(), "grandpa": "0x" + keys[32:].hex()}
    submit("Session", "set_keys", keys=both, proof=made["proof"])
    submit("Staking", "validate", prefs={"commission": 50_000_000, "blocked": False})
    prefs = chain.query("Staking", "Validators", [bob.ss58_address]).value
    assert prefs == {"commission": 50_000_000, "blocked": False}
    assert standing().standing in (Standing.TooNew, Standing.Eligible)

    submit("Staking", "chill")
    submit("Staking", "unbond", value=2 * least)
    submit("Session", "purge_keys")
    assert standing().standing == Standing.NotCandidate
    (chunk,) = chain.query("Staking", "Ledger", [bob.ss58_address]).value["unlocking"]
    duration = chain.get_constant("Staking", "BondingDuration").value
    assert chunk == {"value": 2 * least, "era": chunk["era"]}
    assert chunk["era"] >= duration
    chain.close()
