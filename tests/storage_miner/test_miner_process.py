"""A real node, a real miner process: it registers, certifies, is killed, goes on, and stops."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

PATIENCE_S = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Any) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            found = condition()
        except (OSError, ValueError):
            found = None
        if found:
            return found
        time.sleep(0.25)
    raise AssertionError("it did not happen in time")


class Miner:
    def __init__(self, root: Path, rpc: int) -> None:
        self.port = free_port()
        self.root = root
        self.config = root / "miner.toml"
        self.config.write_text(
            f'rpc = "ws://127.0.0.1:{rpc}"\nsuri = "//Miner1"\n'
            f"declared_units = 1\nidle_plots = 1\nport = {self.port}\n"
            '[[volumes]]\npath = "one"\nspace = "128MiB"\n'
            '[[volumes]]\npath = "two"\nspace = "256MiB"\n'
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "storage_miner.cli", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
            )

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=5) as reply:
            document: dict[str, Any] = json.load(reply)
            return document

    def end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def rpc(tmp_path: Path) -> Iterator[int]:
    """The port of a development node."""
    port = free_port()
    with (tmp_path / "node.log").open("ab") as log:
        node = subprocess.Popen(
            [
                *(sys.executable, "-m", "node.cli", "--dev", "--no-prometheus"),
                *("--base-path", str(tmp_path / "node"), "--rpc-port", str(port)),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield port
    finally:
        node.terminate()
        node.wait(20)


def test_a_miner_survives_being_killed_and_stops_when_told(tmp_path: Path, rpc: int) -> None:
    miner = Miner(tmp_path, rpc)
    miner.start()
    try:
        wait_until(lambda: miner.status()["plots"]["certified"] == 1)
        assert miner.end(signal.SIGKILL) == -signal.SIGKILL
        miner.start()
        status = wait_until(lambda: (s := miner.status())["state"] == "working" and s)
        assert status["plots"]["on_disk"] == 1
        assert status["pid"] != os.getpid()
        started = time.monotonic()
        assert miner.end(signal.SIGTERM) == 0
        assert time.monotonic() - started < 10
    finally:
        if miner.process is not None and miner.process.poll() is None:
            miner.process.kill()
            miner.process.wait()
