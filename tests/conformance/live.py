"""A real ``cess-node`` process for tests: started, asked, killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

READY = re.compile(r"Running JSON-RPC server: addr=127\.0\.0\.1:(\d+)")
START_S = 180
STOP_S = 60
ANSWER_S = 60


class LiveNode:
    """One process; ``kill`` is the power cut, ``stop`` is polite."""

    def __init__(
        self,
        base_path: Path,
        *flags: str,
        chain: tuple[str, ...] = ("--dev",),
        program: str = "node.cli",
    ) -> None:
        self.log_path = base_path / "node.log"
        self._log = self.log_path.open("ab")
        begin = self._log.tell()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", program, *chain, "--base-path", str(base_path)),
                *("--rpc-port", "0", "--no-prometheus", *flags),
            ],
            stderr=self._log,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.client = httpx.Client(timeout=ANSWER_S)
        try:
            self.port = int(self._wait(lambda: self._port(begin)))
        except BaseException:
            self.kill()
            raise
        self.client.base_url = f"http://127.0.0.1:{self.port}"

    def _port(self, begin: int) -> str | None:
        with self.log_path.open("rb") as file:
            file.seek(begin)
            found = READY.search(file.read().decode())
        return None if found is None else found.group(1)

    def _wait(self, look: Callable[[], Any]) -> Any:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if (found := look()) is not None:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"the node did not get there:\n{self.log_path.read_text()[-5000:]}")

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def answer(self, method: str, *params: Any) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        found: dict[str, Any] = self.client.post("/", json=body).json()
        return found

    def ask(self, method: str, *params: Any) -> Any:
        found = self.answer(method, *params)
        assert "error" not in found, found
        return found["result"]

    @property
    def height(self) -> int:
        return int(self.ask("chain_getHeader")["number"], 16)

    def wait_height(self, height: int) -> None:
        """Wait until the best block is at least this high."""
        self._wait(lambda: True if self.height >= height else None)

    def hashes(self) -> list[str]:
        """The hashes of all blocks from genesis to the best one."""
        numbers = list(range(self.height + 1))
        found: list[str] = []
        for start in range(0, len(numbers), 500):
            found += self.ask("chain_getBlockHash", numbers[start : start + 500])
        return found

    def kill(self) -> None:
        """As a power cut: nothing of ours runs any more."""
        self.process.send_signal(signal.SIGKILL)
        self._close()

    def stop(self) -> int:
        """As an operator: the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._close()

    def _close(self) -> int:
        try:
            return self.process.wait(STOP_S)
        finally:
            self.client.close()
            self._log.close()


@contextmanager
def running(
    base_path: Path,
    *flags: str,
    chain: tuple[str, ...] = ("--dev",),
    program: str = "node.cli",
) -> Iterator[LiveNode]:
    """A node that is stopped at the end, whatever happens."""
    node = LiveNode(base_path, *flags, chain=chain, program=program)
    try:
        yield node
    finally:
        node.kill()
