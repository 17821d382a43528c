"""Validators as real processes that a test starts, asks, kills and starts again.

They find each other by their boot nodes; everything is asked of their RPC. Each writes a log that
a failing test shows the end of.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import websocket

from chain_spec.presets import custom, dev, with_validators
from node.network.node_key import NodeKey
from node.runtime import CessRuntime
from pallets.system import System
from primitives.crypto.keys import KeyPair
from primitives.extrinsic import MultiAddressId
from primitives.scale import U32, U64, decode
from primitives.types import AccountId, Balance, Hash
from tests.node.net import TCESS, sign_call

NAMES = ("alice", "bob", "charlie", "dave")
START_S = 180
ANSWER_S = 60
POLL_S = 0.25
SETTLED_S = 3
CESS = Path(sys.executable).parent / "cess"


class Validators:
    """Four of them; ``start`` and ``kill`` them by name."""

    def __init__(
        self, folder: Path, *, rpc_port: int, p2p_port: int, epoch_slots: int = 30
    ) -> None:
        self.folder = folder
        self.spec = folder / "spec.json"
        self.rpc_port, self.p2p_port = rpc_port, p2p_port
        base = with_validators(dev(), len(NAMES))
        constants = replace(base.config().constants, epoch_slots=U64(epoch_slots))
        replace(custom(base, constants=constants), id="cess_four").save(self.spec)
        self.keys = {name: NodeKey.new() for name in NAMES}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.rpc: dict[str, int] = {name: rpc_port + at for at, name in enumerate(NAMES)}
        self.nonces: dict[str, int] = {}

    # Processes.

    def listens_at(self, name: str) -> str:
        return f"/ip4/127.0.0.1/tcp/{self.p2p_port + NAMES.index(name)}"

    def address(self, name: str) -> str:
        return f"{self.listens_at(name)}/p2p/{self.keys[name].peer_id}"

    def start(self, *names: str) -> None:
        for name in names:
            self.launch(
                name,
                *(f"--{name}", "--node-key", self.keys[name].seed.hex()),
                *("--listen-addr", self.listens_at(name)),
                *(flag for other in NAMES for flag in ("--bootnodes", self.address(other))),
            )

    def join(self, name: str, *flags: str) -> None:
        """Start a node that is no validator."""
        self.rpc[name] = self.rpc_port + len(self.rpc)
        self.launch(
            name,
            *("--listen-addr", "/ip4/127.0.0.1/tcp/0"),
            *(flag for other in NAMES for flag in ("--bootnodes", self.address(other))),
            *flags,
        )

    def launch(self, name: str, *flags: str) -> None:
        with self.log(name).open("ab") as log:
            self.running[name] = self.spawn(
                name,
                [
                    *(str(CESS), "node", "--chain", str(self.spec)),
                    *("--base-path", str(self.folder / name), "--no-prometheus"),
                    *("--rpc-port", str(self.rpc[name]), "--signature-workers", "0"),
                    *("--log", "debug", *flags),
                ],
                log.fileno(),
            )

    def spawn(self, name: str, arguments: list[str], log: int) -> subprocess.Popen[bytes]:
        del name
        return subprocess.Popen(
            arguments, stdout=log, stderr=log, env={**os.environ, "PYTHONHASHSEED": "0"}
        )

    def kill(self, *names: str) -> None:
        """As a power cut."""
        found = [self.running.pop(name) for name in names]
        for process in found:
            process.send_signal(signal.SIGKILL)
        for process in found:
            process.wait(ANSWER_S)

    def close(self) -> None:
        self.kill(*self.running)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    # Questions.

    def ask(self, name: str, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.rpc[name]}",
            body.encode(),
            {"content-type": "application/json"},
        )
        found = json.loads(self.fetch(name, request))
        assert "result" in found, found
        return found["result"]

    def fetch(self, name: str, request: urllib.request.Request) -> bytes:
        del name
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            found: bytes = answer.read()
        return found

    def height(self, name: str, hash_: str | None = None) -> int:
        return int(self.ask(name, "chain_getHeader", hash_)["number"], 16)

    def final(self, name: str) -> int:
        """The height of its last final block; -1 while it does not answer."""
        try:
            return self.height(name, self.ask(name, "chain_getFinalizedHead"))
        except OSError:
            return -1

    def finals(self) -> dict[str, int]:
        return {name: self.final(name) for name in self.running}

    def hash_at(self, name: str, number: int) -> str | None:
        found: str | None = self.ask(name, "chain_getBlockHash", number)
        return found

    def nonce_of(self, name: str, suri: str, at: str | None = None) -> int:
        """How many transactions of an account are in the chain up to a block."""
        account = KeyPair.from_suri(suri).account_id
        key = System.account.key(account)
        raw = self.ask(name, "state_getStorage", "0x" + key.hex(), at)
        return 0 if raw is None else int(decode(U32, bytes.fromhex(raw[2:])[:4]))

    def round(self, name: str) -> int:
        """The round of GRANDPA that is being voted in."""
        return int(self.ask(name, "grandpa_roundState")["best"]["round"])

    def two_votes(self) -> list[str]:
        """What any node said of an authority that signed twice."""
        words = ("cast two votes", "an offence was reported", "equivocation")
        return [
            line
            for path in self.folder.glob("*.log")
            for line in path.read_text(errors="replace").splitlines()
            if any(word in line for word in words)
        ]

    # Acts.

    def transfer(self, name: str, suri: str) -> str:
        """Submit a transfer by a node; its hash, once the node has it."""
        nonce = self.nonces.get(suri, 0)
        genesis = Hash(bytes.fromhex(str(self.hash_at(name, 0))[2:]))
        call = CessRuntime.calls().make(
            "Balances",
            "transfer_keep_alive",
            dest=MultiAddressId(value=AccountId(b"\x07" * 32)),
            value=Balance(TCESS),
        )
        signed = sign_call(call.encode(), KeyPair.from_suri(suri), nonce, genesis)
        found: str = self.ask(name, "author_submitExtrinsic", "0x" + signed.hex())
        self.nonces[suri] = nonce + 1
        return found

    def connect(self, name: str) -> websocket.WebSocket:
        return websocket.create_connection(f"ws://127.0.0.1:{self.rpc[name]}", timeout=ANSWER_S)

    @contextmanager
    def subscribed(self, name: str, method: str) -> Iterator[list[Any]]:
        """Whatever a subscription brings meanwhile."""
        heard: list[Any] = []
        socket = self.connect(name)
        socket.settimeout(None)  # nothing may be said for long
        socket.send(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}))

        def listen() -> None:
            while True:
                try:
                    said = orjson.loads(socket.recv())
                except (websocket.WebSocketException, OSError, ValueError):
                    return
                if "params" in said:
                    heard.append(said["params"]["result"])

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            socket.close()
            thread.join(10)

    # Waiting.

    def until(self, is_so: Callable[[], bool], seconds: float = START_S) -> float:
        """Wait for it; how long that took."""
        began = time.monotonic()
        while not is_so():
            if time.monotonic() > began + seconds:
                tails = [
                    f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}"
                    for path in sorted(self.folder.glob("*.log"))
                ]
                pytest.fail(f"it did not come to that: {self.finals()}\n" + "\n".join(tails))
            time.sleep(POLL_S)
        return time.monotonic() - began

    def until_final(self, number: int, seconds: float = START_S) -> float:
        """Wait until every running node has a final block of this height."""
        return self.until(lambda: all(each >= number for each in self.finals().values()), seconds)

    def settle(self) -> dict[str, int]:
        """The final heights, once what was under way is counted and they stay as they are."""
        seen = self.finals()
        looked = time.monotonic()

        def is_settled() -> bool:
            nonlocal seen, looked
            found = self.finals()
            if found != seen:
                seen, looked = found, time.monotonic()
            return time.monotonic() > looked + SETTLED_S

        self.until(is_settled)
        return seen

    def check_one_history(self) -> None:
        """At the lowest final height all have the same block."""
        height = min(self.finals().values())
        assert height >= 0
        assert len({self.hash_at(name, height) for name in self.running}) == 1
