"""npm's smoldot, unmodified: a light client believes our chain only by proofs that it checks.

It gets a raw chain spec, computes the hash of block 0 from it, runs the shim in ``:code``, warps to
the head over the real network by justifications, and checks every header after that: epochs, VRFs,
seals, and that it is final. What it reads of a state comes with a proof.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chain_spec.light_sync import LightSyncState
from chain_spec.presets import dev, validator_suri, with_validators
from chain_spec.spec import ChainSpec
from node.config import NodeConfig
from node.genesis import genesis_header, genesis_state
from node.light_sync import AuthoritySet
from node.network.node_key import NodeKey
from node.runtime import CessRuntime
from pallets.system import AccountInfo, System
from primitives import trie
from primitives.crypto.keys import KeyPair
from primitives.digest import AuthorityKey, BabePreDigest, DigestItem, PreRuntime
from primitives.keystore import Keystore
from primitives.scale import U64, decode, encode
from primitives.types import BlockNumber, Hash
from tests.conformance.environments.build import node_command
from tests.conformance.live import LiveNode, running
from tests.conformance.past import ROTATION_BLOCKS, write_past
from tests.node.net import ALICE, sign_call
from tests.node.runtime.next_runtime import NextRuntime, next_code
from tests.node.sync.chains import VOTERS

pytestmark = pytest.mark.integration

CLIENT_S = 400
PORT = 31_300
TCESS = str(10**18)
UPGRADE_AHEAD = 12
BOB = KeyPair.from_suri("//Bob").account_id
RATHER_MORE_THAN_SMOLDOT_SKIPS = 40
"""It does not warp over 32 blocks or fewer, and tells nothing before it has warped."""


def run(script: str, *arguments: str) -> dict[str, Any]:
    """What the client saw."""
    done = subprocess.run(
        [*node_command(script), *arguments],
        timeout=CLIENT_S,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


class Served:
    """A node with a past that listens to peers, and the chain spec that leads there."""

    def __init__(self, node: LiveNode, spec: ChainSpec, folder: Path) -> None:
        self.node = node
        self.spec = spec
        self.path = folder / "spec.json"
        spec.save(self.path)

    def follow(
        self, finals: int = 3, path: Path | None = None, *, patience_ms: int = 120_000
    ) -> dict[str, Any]:
        """smoldot's report."""
        key = f"0x{System.account.key(BOB).hex()}"
        where = str(path or self.path)
        return run("smoldot.mjs", where, key, f"0x{BOB.hex()}", str(finals), str(patience_ms))


@contextmanager
def served(
    folder: Path,
    blocks: int,
    port: int,
    *,
    rotations: int = 0,
    ws: bool = False,
    program: str = "node.cli",
) -> Iterator[Served]:
    """A node upon a chain of so many blocks, whose voters change for the last time when it runs if
    the chain is shorter than two sessions."""
    is_pending = blocks < 2 * ROTATION_BLOCKS
    ended = write_past(folder, blocks, rotations=rotations, keeps_last=is_pending)
    assert ended == (0 if is_pending else rotations)
    key = NodeKey.new()
    address = f"/ip4/127.0.0.1/tcp/{port}" + ("/ws" if ws else "")
    spec = dev().with_raw(genesis_state(dev()))
    spec = replace(spec, boot_nodes=(f"{address}/p2p/{key.peer_id}",))
    flags = ("--listen-addr", address, "--node-key", key.seed.hex())
    with running(folder, *flags, program=program) as node:
        yield Served(node, spec, folder)


def check(found: dict[str, Any], at: Served) -> None:
    """Everything that smoldot took for true is what our node says."""
    ask = at.node.ask
    # It tries the proofs of headers that it has not linked yet, and says so.
    assert [each for each in found["failures"] if "UnknownTargetBlock" not in each] == []
    assert found["genesis"] == ask("chain_getBlockHash", 0)
    assert found["runtime"]["type"] == "valid"
    assert found["runtime"]["spec"]["specName"] == "cess-node"
    assert found["storage"] == ask(
        "state_getStorage", f"0x{System.account.key(BOB).hex()}", found["hash"]
    )
    for name, output in found["calls"].items():
        parameters = f"0x{BOB.hex()}" if name.startswith("AccountNonce") else "0x"
        assert output == ask("state_call", name, parameters, found["hash"]), name
    numbers = [int(ask("chain_getHeader", each)["number"], 16) for each in found["finals"]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [ask("chain_getBlockHash", number) for number in numbers] == found["finals"]
    assert set(found["finals"]) <= set(found["news"])


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A chain whose voters never changed."""
    folder = tmp_path_factory.mktemp("young")
    with served(folder, RATHER_MORE_THAN_SMOLDOT_SKIPS, PORT) as found:
        yield found


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A chain whose voters changed four times."""
    with served(tmp_path_factory.mktemp("old"), 200, PORT + 1, rotations=4) as found:
        yield found


def test_the_spec_is_accepted_and_means_our_block_0(tmp_path: Path) -> None:
    state = genesis_state(dev())
    path = tmp_path / "spec.json"
    dev().with_raw(state).save(path)
    seen = run("smoldot_genesis.mjs", str(path))
    assert seen["genesis"] == f"0x{genesis_header(trie.root(state)).hash().hex()}"
    assert seen["name"] == "CESS Development"
    assert seen["properties"] == dict(dev().properties)
    # Level 1 is an error, 2 a warning: there are no boot nodes in it.
    assert [text for level, _, text in seen["log"] if level == 1] == []


def test_it_warps_to_the_head_and_follows_it(young: Served) -> None:
    found = young.follow()
    check(found, young)
    assert found["warp"] >= 1


def test_it_does_so_over_websockets(tmp_path: Path) -> None:
    with served(tmp_path, RATHER_MORE_THAN_SMOLDOT_SKIPS, PORT + 2, ws=True) as at:
        check(at.follow(), at)


def test_it_follows_changes_of_the_voters(old: Served) -> None:
    found = old.follow()
    check(found, old)
    set_id = int.from_bytes(
        bytes.fromhex(found["calls"]["GrandpaApi_current_set_id"][2:]), "little"
    )
    assert set_id == 4
    # One proof for each change, and the head.
    assert found["warp"] >= 5


def test_it_follows_a_change_of_the_voters_that_it_sees_come(tmp_path: Path) -> None:
    # As few blocks as can be warped over: the change comes 60 slots after the first of them, and
    # the client is to be there before.
    with served(tmp_path, RATHER_MORE_THAN_SMOLDOT_SKIPS - 5, PORT + 3, rotations=1) as at:
        new = VOTERS[0]
        at.node.ask("author_insertKey", "gran", "//Alice//0", f"0x{new.public.hex()}")
        found = at.follow(finals=35)
        check(found, at)
        sets = [
            at.node.ask("state_call", "GrandpaApi_current_set_id", "0x", each)
            for each in (found["finals"][0], found["finals"][-1])
        ]
        assert sets == [f"0x{set_id:02x}00000000000000" for set_id in (0, 1)]


def test_it_follows_blocks_and_votes_of_several_validators(tmp_path: Path) -> None:
    count = 4
    suris = [validator_suri(index) for index in range(count)]
    spec = with_validators(dev(), count)
    write_past(tmp_path, 40, spec=spec, validators=suris)
    keystore = Keystore(NodeConfig(base_path=tmp_path).keystore_directory(spec.id))
    for suri in suris:
        keystore.insert(b"babe", suri, "sr25519")
        keystore.insert(b"gran", suri, "ed25519")
    key, address = NodeKey.new(), f"/ip4/127.0.0.1/tcp/{PORT + 4}"
    raw = spec.with_raw(genesis_state(spec))
    raw = replace(raw, boot_nodes=(f"{address}/p2p/{key.peer_id}",))
    path = tmp_path / "spec.json"
    raw.save(path)
    flags = ("--listen-addr", address, "--node-key", key.seed.hex(), "--force-authoring")
    with running(tmp_path, *flags, chain=("--chain", str(path), "--validator")) as node:
        at = Served(node, raw, tmp_path)
        found = at.follow(finals=12)
        check(found, at)
        authors = set()
        for each in found["finals"]:
            first = node.ask("chain_getHeader", each)["digest"]["logs"][0]
            item = decode(DigestItem, bytes.fromhex(first[2:]))
            assert isinstance(item, PreRuntime)
            authors.add(decode(BabePreDigest, item.data).author)
        assert len(authors) > 1


def test_it_goes_over_to_the_next_runtime(tmp_path: Path) -> None:
    with served(tmp_path, 40, PORT + 6, program="tests.conformance.next_node") as at:
        table, node = CessRuntime.calls(), at.node
        height = node.height + UPGRADE_AHEAD
        inner = table.make("System", "schedule_code", code=next_code(), at=BlockNumber(height))
        nonce = node.ask("system_accountNextIndex", f"0x{ALICE.account_id.hex()}")
        genesis = Hash(bytes.fromhex(node.ask("chain_getBlockHash", 0)[2:]))
        call = table.make("Sudo", "sudo", call=inner).encode()
        made = sign_call(call, ALICE, nonce, genesis)
        node.ask("author_submitExtrinsic", f"0x{made.hex()}")
        found = at.follow(finals=UPGRADE_AHEAD + 3)
        check(found, at)
        upgraded = node.ask("chain_getBlockHash", height)
        assert found["upgrades"] == [
            {"hash": upgraded, "version": NextRuntime.version.spec_version}
        ]
        told = node.ask("state_getRuntimeVersion", found["finals"][-1])
        assert told["specVersion"] == NextRuntime.version.spec_version == 2


def checkpoint(at: Served, path: Path, change: Callable[[LightSyncState], LightSyncState]) -> None:
    """Save a spec with the node's checkpoint, changed."""
    made = at.node.ask("sync_state_genSyncSpec", True)
    spec = ChainSpec.from_json(json.dumps({**made, "bootNodes": list(at.spec.boot_nodes)}))
    assert spec.light_sync_state is not None
    replace(spec, light_sync_state=change(spec.light_sync_state)).save(path)


def test_it_begins_at_a_checkpoint(old: Served, tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    checkpoint(old, path, lambda found: found)
    found = old.follow(path=path)
    check(found, old)
    assert found["warp"] == 0
    assert not any("starting at: " + found["genesis"][:6] in line for line in found["log"])


def test_a_checkpoint_may_be_in_the_first_epoch(tmp_path: Path) -> None:
    with served(tmp_path, 4, PORT + 5) as at:
        path = tmp_path / "checkpoint.json"
        checkpoint(at, path, lambda found: found)
        found = at.follow(path=path)
        check(found, at)


def other_voters(found: LightSyncState) -> LightSyncState:
    """Somebody else's key stands where that of the voter was."""
    voters = decode(AuthoritySet, found.grandpa_authority_set)
    stranger = AuthorityKey(KeyPair.from_suri("//Stranger", "ed25519").public)
    changed = replace(voters, current_authorities=((stranger, U64(1)),))
    return replace(found, grandpa_authority_set=encode(AuthoritySet, changed))


def other_authors(found: LightSyncState) -> LightSyncState:
    """Somebody else's key stands where that of the author was."""
    stranger = KeyPair.from_suri("//Stranger").public
    author = KeyPair.from_suri("//Alice").public
    changed = found.babe_epoch_changes.replace(author, stranger)
    assert changed != found.babe_epoch_changes
    return replace(found, babe_epoch_changes=changed)


def test_votes_and_seals_of_strangers_are_not_believed(old: Served, tmp_path: Path) -> None:
    """What our node sends is a forgery to whoever expects other authorities."""
    path = tmp_path / "spec.json"
    for change in (other_voters, other_authors):
        checkpoint(old, path, change)
        found = old.follow(finals=1, path=path, patience_ms=8_000)
        assert found["finals"] == []
        assert any("erify" in each for each in found["failures"]), found["failures"]


def test_papi_works_on_it(young: Served) -> None:
    seen = run("papi_smoldot.mjs", str(young.path))
    ask = young.node.ask
    assert seen["name"] == "CESS Development"
    assert seen["deposit"] == TCESS
    raw = ask("state_getStorage", f"0x{System.account.key(BOB).hex()}", seen["block"]["hash"])
    assert int(seen["free"]) == decode(AccountInfo, bytes.fromhex(raw[2:])).data.free
    assert seen["accounts"] >= 20
    assert seen["versions"] == [14, 15]
    assert int(seen["fee"]) > 0
    # The shim judges: nothing of these reaches a node.
    assert "Stale" in seen["stale"]
    assert "BadProof" in seen["forged"]
    first = seen["finalized"][0]
    assert seen["finalized"] == [first, first + 1, first + 2]


def test_transactions_sent_through_it_are_included(young: Served) -> None:
    seen = run("papi_smoldot.mjs", str(young.path), "submit")
    ask = young.node.ask
    assert seen["statuses"] == ["signed", "broadcasted", "txBestBlocksState", "finalized"]
    assert seen["ok"]
    assert set(seen["events"]) >= {"Balances.Transfer", "System.ExtrinsicSuccess"}
    assert seen["moved"] == TCESS
    assert ask("chain_getBlockHash", seen["included"]["number"]) == seen["included"]["hash"]
