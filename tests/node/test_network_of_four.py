"""Four validators as processes: finality with one killed, none with two, and all of it again.

The nodes find each other over loopback by one boot node, and everything is asked of their RPC.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chain_spec.presets import dev, with_validators
from node.network.node_key import NodeKey

NAMES = ("alice", "bob", "charlie", "dave")
RPC_PORT = 31_210
P2P_PORT = 31_220
START_S = 40
CESS = Path(sys.executable).parent / "cess"


class Validators:
    """The processes; ``kill`` and ``start`` them by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = folder / "spec.json"
        replace(with_validators(dev(), len(NAMES)), id="cess_four").save(self.spec)
        self.keys = {name: NodeKey.new() for name in NAMES}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        at = NAMES.index(name)
        boot = f"/ip4/127.0.0.1/tcp/{P2P_PORT}/p2p/{self.keys[NAMES[0]].peer_id}"
        others = [] if at == 0 else ["--bootnodes", boot]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(  # our own program
                [
                    *(str(CESS), "node", "--chain", str(self.spec), f"--{name}"),
                    *("--base-path", str(self.folder / name)),
                    *("--rpc-port", str(RPC_PORT + at), "--no-prometheus"),
                    *("--listen-addr", f"/ip4/127.0.0.1/tcp/{P2P_PORT + at}"),
                    *("--node-key", self.keys[name].seed.hex()),
                    *("--signature-workers", "0", "--log", "debug"),
                    *others,
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def close(self) -> None:
        for process in self.running.values():
            process.send_signal(signal.SIGKILL)
        for process in self.running.values():
            process.wait(10)

    def ask(self, name: str, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(  # a fixed scheme
            f"http://127.0.0.1:{RPC_PORT + NAMES.index(name)}",
            body.encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            found = json.load(answer)
        assert "result" in found, found
        return found["result"]

    def header(self, name: str, hash_: str | None = None) -> int:
        return int(self.ask(name, "chain_getHeader", hash_)["number"], 16)

    def final(self, name: str) -> int:
        try:
            return self.header(name, self.ask(name, "chain_getFinalizedHead"))
        except OSError:
            return -1

    def finals(self) -> dict[str, int]:
        return {name: self.final(name) for name in self.running}

    def until(self, is_so: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > end:
                tails = [
                    f"--- {name}\n" + (self.folder / f"{name}.log").read_text()[-3000:]
                    for name in NAMES
                ]
                pytest.fail(f"it did not come to that: {self.finals()}\n" + "\n".join(tails))
            time.sleep(0.25)

    def until_final(self, number: int, seconds: float) -> None:
        self.until(lambda: all(each >= number for each in self.finals().values()), seconds)


@pytest.fixture
def validators(tmp_path: Path) -> Iterator[Validators]:
    found = Validators(tmp_path)
    try:
        yield found
    finally:
        found.close()
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.integration
def test_four_processes_finalise_stop_safely_and_heal(validators: Validators) -> None:
    for name in NAMES:
        validators.start(name)
    validators.until_final(3, START_S)

    validators.kill("dave")
    reached = max(validators.finals().values())
    validators.until_final(reached + 3, 30)

    validators.kill("charlie")
    time.sleep(2)  # what three had voted may still be counted
    stopped = validators.finals()
    began = max(validators.header(name) for name in validators.running)
    validators.until(
        lambda: max(validators.header(name) for name in validators.running) >= began + 3, 30
    )
    assert validators.finals() == stopped  # blocks go on, finality does not

    for name in ("charlie", "dave"):
        validators.start(name)
    validators.until_final(max(stopped.values()) + 4, START_S)

    # One history: at the lowest final height all have the same block.
    height = min(validators.finals().values())
    hashes = {validators.ask(name, "chain_getBlockHash", height) for name in NAMES}
    assert len(hashes) == 1
    assert validators.ask("dave", "grandpa_roundState")["best"]["totalWeight"] == len(NAMES)
