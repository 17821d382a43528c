"""``kill -9`` at any moment, and abuse of the port: nothing acknowledged is lost."""

import socket
import threading
import time
from pathlib import Path

import pytest

from node.runtime import CessRuntime
from primitives.extrinsic import MultiAddressId
from primitives.types import Balance, Hash
from tests.conformance.live import START_S, LiveNode, running
from tests.node.net import ALICE, BOB, sign_call

pytestmark = pytest.mark.integration

ROUNDS = 8


class Spammer:
    """Submits transfers of Alice until the node is gone; remembers what blocks clients saw."""

    def __init__(self, node: LiveNode) -> None:
        self.seen: dict[int, str] = {}
        self.has_seen = threading.Event()
        self._node = node
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        node = self._node
        try:
            genesis = Hash(bytes.fromhex(node.ask("chain_getBlockHash", 0)[2:]))
            call = CessRuntime.calls().make(
                "Balances",
                "transfer_keep_alive",
                dest=MultiAddressId(value=BOB.account_id),
                value=Balance(10**18),
            )
            nonce = node.ask("system_accountNextIndex", f"0x{ALICE.account_id.hex()}")
            while not self._stop.is_set():
                for _ in range(10):
                    data = sign_call(call.encode(), ALICE, nonce, genesis)
                    node.ask("author_submitExtrinsic", f"0x{data.hex()}")
                    nonce += 1
                head = node.ask("chain_getFinalizedHead")
                header = node.ask("chain_getHeader", head)
                self.seen[int(header["number"], 16)] = head
                self.has_seen.set()
        except Exception:  # noqa: BLE001 - the node was killed in the middle of a call
            return

    def end(self) -> None:
        self._stop.set()
        self._thread.join(30)


def test_kill_9_loses_no_block_that_anybody_saw(tmp_path: Path) -> None:
    known: dict[int, str] = {}
    for round_ in range(ROUNDS):
        node = LiveNode(tmp_path)
        try:
            hashes = node.hashes()
            for number, hash_ in known.items():
                assert hashes[number] == hash_, f"block {number} changed after a crash"
            spammer = Spammer(node)
            node.wait_height(len(hashes) + 1)
            assert spammer.has_seen.wait(START_S), node.log_path.read_text()[-5000:]
            # Each round ends at another moment of a slot.
            time.sleep(round_ / ROUNDS)
        finally:
            node.kill()
        spammer.end()
        known |= spammer.seen
    with running(tmp_path) as node:
        height = node.height
        assert height >= max(known)
        node.wait_height(height + 2)
        hashes = node.hashes()
        assert all(hashes[number] == hash_ for number, hash_ in known.items())
        assert node.stop() == 0


def test_a_polite_stop_is_clean_and_the_chain_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        node.wait_height(2)
        before = node.hashes()
        assert node.stop() == 0
    with running(tmp_path) as node:
        node.wait_height(len(before) + 1)
        assert node.hashes()[: len(before)] == before


def test_one_process_has_a_base_path(tmp_path: Path) -> None:
    with running(tmp_path), pytest.raises(AssertionError, match=r"Error: .*(lock|open)"):
        LiveNode(tmp_path)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    with running(tmp_path_factory.mktemp("node"), "--rpc-max-request-size", "1") as found:
        found.wait_height(1)
        yield found


ABUSES = {
    "half a head": b"POST / HT",
    "half a body": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 5000\r\n\r\n{",
    "a huge promise": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 99999999999999\r\n\r\n",
    "a deep body": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 500000\r\n\r\n" + b"[" * 500_000,
    "a wide body": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 900001\r\n\r\n[" + b"{}," * 300_000,
    "a huge head": b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 1_000_000,
    "binary": bytes(range(256)) * 400,
    "a socket of junk": b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
    b"Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    + b"\xff"
    * 5000,
    "a frame of 2^62 bytes": b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n\x81\xff\x3f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"
    + b"x"
    * 3_000_000,
}


@pytest.mark.parametrize("name", ABUSES)
def test_abuse_of_the_port_hurts_nobody_else(node: LiveNode, name: str) -> None:
    sockets = []
    for _ in range(30):
        one = socket.create_connection(("127.0.0.1", node.port), timeout=60)
        sockets.append(one)
        try:
            one.sendall(ABUSES[name])
        except OSError:
            continue
    started = time.monotonic()
    assert node.ask("system_chain") == "CESS Development"
    height = node.height
    assert time.monotonic() - started < 20
    for one in sockets:
        one.close()
    node.wait_height(height + 1)
