"""A node process whose chain goes on with a runtime that it does not have."""

from pathlib import Path

import pytest

from node.runtime import CessRuntime
from primitives.types import Hash
from tests.conformance.live import LiveNode
from tests.node.net import ALICE, sign_call
from tests.node.runtime.next_runtime import NextRuntime, next_code

pytestmark = pytest.mark.integration

STOP_S = 120


def upgrade(node: LiveNode) -> bytes:
    """Alice, who has the root key, sets the next code at once."""
    table = CessRuntime.calls()
    inner = table.make("System", "set_code", code=next_code())
    call = table.make("Sudo", "sudo", call=inner).encode()
    genesis = Hash(bytes.fromhex(node.ask("chain_getBlockHash", 0)[2:]))
    return sign_call(call, ALICE, 0, genesis)


def end_of(node: LiveNode) -> tuple[int, str]:
    """The exit code, and the log."""
    code = node.process.wait(STOP_S)
    return code, node.log_path.read_text()


def test_a_node_without_the_version_stops_and_says_what_to_install(tmp_path: Path) -> None:
    said = f"cess-node {NextRuntime.version.spec_version}, and this program has cess-node 1"
    node = LiveNode(tmp_path)
    try:
        node.wait_height(1)
        node.ask("author_submitExtrinsic", f"0x{upgrade(node).hex()}")
        code, log = end_of(node)
    finally:
        node.kill()
    assert code != 0
    assert said in log
    assert "Traceback" not in log
    assert "install the release that has it" in log
    last = log.rindex("Imported #")
    height = int(log[last + len("Imported #") :].split()[0])
    # At the next start it says so again, and makes no block.
    with pytest.raises(AssertionError, match="install the release that has it"):
        LiveNode(tmp_path)
    assert f"Imported #{height + 1}" not in node.log_path.read_text()
