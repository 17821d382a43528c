"""A real miner whose node is killed while a round is open answers it over the other node."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PATIENCE_S = 300


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(OSError, ValueError):
            if found := condition():
                return found
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


@contextmanager
def running(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "client.cli", *arguments], stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
        process.kill()
        process.wait()


def ask(url: str, method: str) -> Any:
    """One request over HTTP to a node."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).encode()
    request = urllib.request.Request(
        url.replace("ws:", "http:"), body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)["result"]


def height(url: str) -> int:
    return int(ask(url, "chain_getHeader")["number"], 16)


def test_a_round_that_is_open_when_the_node_dies_is_answered_over_the_other(
    tmp_path: Path,
) -> None:
    author, follower = (f"ws://127.0.0.1:{free_port()}" for _ in range(2))
    p2p, port = free_port(), free_port()
    config = tmp_path / "miner.toml"
    config.write_text(
        f'rpc = ["{follower}", "{author}"]\nsuri = "//Miner1"\ndata_dir = "data"\n'
        f'space = "256MiB"\ndeclared_units = 1\nidle_plots = 1\nport = {port}\n'
    )

    def status() -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=30) as reply:
            found: dict[str, Any] = json.load(reply)
            return found

    def used() -> str | None:
        return next((node["url"] for node in status()["nodes"] if node["is_in_use"]), None)

    first = ("--base-path", str(tmp_path / "first"), "--port", str(p2p))
    with running(
        *(tmp_path / "author.log", "node", "--dev", "--no-prometheus", *first),
        *("--rpc-port", author.rsplit(":", 1)[1]),
    ):
        peer = wait_until(lambda: ask(author, "system_localPeerId"))
        with running(
            *(tmp_path / "follower.log", "node", "--chain", "dev", "--no-prometheus"),
            *("--base-path", str(tmp_path / "second"), "--port", str(free_port())),
            *("--bootnodes", f"/ip4/127.0.0.1/tcp/{p2p}/p2p/{peer}"),
            *("--rpc-port", follower.rsplit(":", 1)[1]),
        ) as node:
            wait_until(lambda: height(follower) >= 2)
            with running(tmp_path / "miner.log", "miner", "run", "--config", str(config)) as miner:
                wait_until(lambda: status()["plots"]["certified"] == 1)
                wait_until(lambda: used() == follower)
                before = status()["audits"]
                opened = wait_until(
                    lambda: (
                        (s := status())["audits"]["open_round"] is not None
                        and s["audits"]["open"]
                        and s["audits"]
                    )
                )
                node.send_signal(signal.SIGKILL)
                node.wait()
                wait_until(lambda: used() == author)
                # That round and the one after it.
                wait_until(lambda: status()["audits"]["submitted"] >= before["submitted"] + 2)
                found = status()
                assert found["audits"]["rounds"] > opened["rounds"]
                assert (found["audits"]["faults"], found["audits"]["missed"]) == (0, 0)
                assert found["state"] == "working"
                known = {item["url"]: item for item in found["nodes"]}
                assert known[follower]["state"] == "unreachable"
                asked = subprocess.run(
                    [
                        *(sys.executable, "-m", "client.cli", "miner", "status"),
                        *("--config", str(config), "--json"),
                    ],
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=PATIENCE_S,
                )
                assert asked.returncode == 0, asked.stderr
                told = json.loads(asked.stdout)["nodes"]
                assert [item["state"] for item in told] == ["unreachable", "good"]
                assert miner.poll() is None
    log = (tmp_path / "miner.log").read_text()
    assert log.count("using another node") == 1
    assert "no node can be used" not in log.split("stopping")[0]
