"""Four validators as processes: what they do when some of them die, are away, or come anew.

The tests share one network, whose epochs are ten slots, so sets of authorities change meanwhile.
Each begins by bringing back whoever the one before left dead.
"""

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.chain.blocks import header_of_json
from primitives.digest import BABE_ENGINE, BabePreDigest, PreRuntime
from primitives.header import Header
from primitives.scale import decode
from tests.node.validators import NAMES, Validators

pytestmark = pytest.mark.integration

KILLS = 8
AWAY_BLOCKS = 12


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validators]:
    folder: Path = tmp_path_factory.mktemp("four")
    found = Validators(folder, rpc_port=31_610, p2p_port=31_620, epoch_slots=10)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def validators(network: Validators) -> Validators:
    """All four, making blocks final."""
    network.kill(*(name for name in network.running if name not in NAMES))
    network.start(*(name for name in NAMES if name not in network.running))
    network.until(lambda: min(network.finals().values()) >= 0)
    network.until_final(max(network.finals().values()) + 2)
    return network


def test_finality_goes_on_without_one_stops_without_two_and_resumes(
    validators: Validators,
) -> None:
    validators.kill("dave")
    reached = max(validators.finals().values())
    validators.until_final(reached + 3)

    validators.kill("charlie")
    stopped = validators.settle()
    began = max(validators.height(name) for name in validators.running)
    validators.until(
        lambda: max(validators.height(name) for name in validators.running) >= began + 3
    )
    assert validators.finals() == stopped  # blocks go on, finality does not

    validators.start("charlie", "dave")
    validators.until_final(max(stopped.values()) + 4)
    validators.check_one_history()
    assert validators.ask("dave", "grandpa_roundState")["best"]["totalWeight"] == len(NAMES)
    assert validators.two_votes() == []


def test_a_validator_that_was_away_catches_up(validators: Validators) -> None:
    validators.kill("bob")
    left = max(validators.finals().values())
    validators.transfer("alice", "//Bob")
    validators.until_final(left + AWAY_BLOCKS)
    validators.start("bob")
    validators.until_final(left + AWAY_BLOCKS + 2)
    for number in range(left, left + AWAY_BLOCKS):
        found = validators.hash_at("bob", number)
        assert found == validators.hash_at("alice", number)
        assert validators.ask("bob", "chain_getBlock", found) is not None
    assert validators.nonce_of("bob", "//Bob") == validators.nonces["//Bob"]


@pytest.mark.parametrize("mode", ["full", "warp"])
def test_a_new_node_joins(validators: Validators, mode: str) -> None:
    guest = f"guest-{mode}"
    reached = max(validators.finals().values())
    validators.join(guest, "--sync", mode)
    validators.until(lambda: validators.final(guest) >= reached + 2)
    validators.check_one_history()
    first = validators.ask(guest, "chain_getBlock", validators.hash_at("alice", 1))
    assert (first is None) == (mode == "warp")  # warp sync needs no block but the latest


def test_kills_in_a_loop_lose_nothing_and_sign_nothing_twice(validators: Validators) -> None:
    moments = random.Random(4)
    with validators.subscribed("alice", "chain_subscribeAllHeads") as heard:
        for kill in range(KILLS):
            validators.transfer("alice", "//Eve")
            time.sleep(moments.uniform(0.3, 3.0))
            best = header_of_json(validators.ask("dave", "chain_getHeader"))
            promised = validators.final("dave")
            promised_hash = validators.hash_at("dave", promised)
            validators.kill("dave")
            validators.start("dave")
            validators.until(lambda: validators.final("dave") >= 0)
            # What it had called final is final; what it had imported it still has.
            assert validators.final("dave") >= promised
            assert validators.hash_at("dave", promised) == promised_hash
            known = validators.ask("dave", "chain_getHeader", f"0x{best.hash().hex()}")
            assert known is not None or validators.final("dave") >= best.number  # a lost fork
            if kill % 4 == 3:
                validators.until_final(promised + 1)
        validators.until_final(max(validators.finals().values()) + 2)
    validators.check_one_history()
    assert validators.nonce_of("dave", "//Eve") == validators.nonces["//Eve"] == KILLS

    by_claim = defaultdict(set)
    for header in map(header_of_json, heard):
        by_claim[claim_of(header)].add(header.hash())
    assert len(by_claim) > KILLS
    assert [claim for claim, hashes in by_claim.items() if len(hashes) > 1] == []
    assert validators.two_votes() == []


def claim_of(header: Header) -> tuple[int, int]:
    """The slot and the author of a block."""
    data = next(
        item.data
        for item in header.digest.logs
        if isinstance(item, PreRuntime) and item.engine == BABE_ENGINE
    )
    claim = decode(BabePreDigest, bytes(data))
    return claim.claimed_slot, claim.author
