"""Four validators as processes, and machines that have a key of one of them as well."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.consensus.twins import LISTEN_SLOTS_MAX
from node.network.node_key import NodeKey
from primitives.crypto.keys import KeyPair
from tests.node.validators import NAMES, Validators

pytestmark = pytest.mark.integration

SAID = "somebody else signs"
HEARD = "nobody else signs"
QUIET_S = 6


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validators]:
    folder: Path = tmp_path_factory.mktemp("twins")
    found = Validators(folder, rpc_port=31_640, p2p_port=31_670)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def validators(network: Validators) -> Validators:
    """All four, making blocks final, and nobody else."""
    network.kill(*(name for name in network.running if name not in NAMES))
    for name in NAMES:
        if name in network.running and SAID in log(network, name):
            network.kill(name)
    network.start(*(name for name in NAMES if name not in network.running))
    network.until(lambda: min(network.finals().values()) >= 0)
    network.until_final(max(network.finals().values()) + 2)
    return network


def log(network: Validators, name: str) -> str:
    return network.log(name).read_text(errors="replace")


def readiness(network: Validators, name: str) -> tuple[int, dict[str, object]]:
    place = f"http://127.0.0.1:{network.rpc[name]}/health/readiness"
    try:
        with urllib.request.urlopen(place) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def goes_on(network: Validators) -> None:
    """Finality does, of the four."""
    reached = max(network.final(name) for name in NAMES if name in network.running)
    network.until(lambda: network.final("alice") >= reached + 3)


def authored(network: Validators, name: str) -> int:
    return log(network, name).count("Prepared block for proposing")


def test_one_that_starts_again_listens_for_a_few_slots(
    validators: Validators, record_property: Callable[[str, object], None]
) -> None:
    validators.kill("bob")
    before = log(validators, "bob").count(HEARD)
    validators.start("bob")
    validators.until(lambda: validators.final("bob") >= 0)
    took_s = validators.until(lambda: log(validators, "bob").count(HEARD) > before)
    record_property("listened s", round(took_s, 1))
    print(f"listened for {took_s:.1f} s")
    made = authored(validators, "bob")
    validators.until(lambda: authored(validators, "bob") > made)
    assert took_s < 3 * LISTEN_SLOTS_MAX, "because a slot is a second, and the machine may be slow"
    assert validators.two_votes() == []


def test_all_that_start_again_at_once_make_blocks_final_again(validators: Validators) -> None:
    reached = max(validators.finals().values())
    validators.kill(*NAMES)
    validators.start(*NAMES)
    validators.until(lambda: min(validators.finals().values()) >= 0)
    print(f"final again after {validators.until_final(reached + 2):.1f} s")
    assert not any(SAID in log(validators, name) for name in NAMES)
    assert validators.two_votes() == []


def twin_of(network: Validators, name: str, *flags: str) -> str:
    """Start a second machine with the keys of a validator."""
    twin = f"twin-of-{name}"
    network.join(twin, f"--{name}", "--node-key", NodeKey.new().seed.hex(), *flags)
    return twin


def test_a_machine_with_copied_keys_signs_nothing_and_says_so(validators: Validators) -> None:
    twin = twin_of(validators, "dave")
    validators.until(lambda: SAID in log(validators, twin))
    assert readiness(validators, "dave")[0] == 200
    status, body = readiness(validators, twin)
    assert (status, body["keysSignElsewhere"]) == (503, True)
    goes_on(validators)
    assert authored(validators, twin) == 0
    assert "voting on finality as" not in log(validators, twin)
    assert SAID not in log(validators, "dave")
    assert validators.two_votes() == []


def test_a_key_that_is_inserted_while_it_signs_elsewhere_is_not_used(
    validators: Validators,
) -> None:
    guest = "guest"
    validators.join(guest, "--validator", "--unsafe-force-node-key-generation")
    validators.until(lambda: validators.final(guest) >= 0)
    for kind, scheme in (("babe", "sr25519"), ("gran", "ed25519")):
        public = KeyPair.from_suri("//Charlie", scheme).public  # type: ignore[arg-type]
        validators.ask(guest, "author_insertKey", kind, "//Charlie", f"0x{public.hex()}")
    validators.until(lambda: SAID in log(validators, guest))
    assert authored(validators, guest) == 0
    assert "voting on finality as" not in log(validators, guest)
    goes_on(validators)
    assert validators.two_votes() == []


def test_a_validator_stops_when_a_machine_signs_that_does_not_listen(
    validators: Validators,
) -> None:
    twin_of(validators, "dave", "--no-twin-watch")
    validators.until(lambda: SAID in log(validators, "dave"))
    assert readiness(validators, "dave")[0] == 503
    made = authored(validators, "dave")
    time.sleep(QUIET_S)
    assert authored(validators, "dave") == made
    goes_on(validators)
