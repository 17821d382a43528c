"""A real `cess node --dev` process for benchmarks, and the thinnest WebSocket client there is.

The client masks with zeros, which the protocol allows, so it costs next to nothing beside the node.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

START_S = 60.0
STOP_S = 30.0
HEAD_END = b"\r\n\r\n"


class Socket:
    """One WebSocket; `send` and `receive` whole texts."""

    def __init__(self, port: int) -> None:
        self.stream = socket.create_connection(("127.0.0.1", port), timeout=START_S)
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._sending = threading.Lock()
        self.stream.sendall(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            % port
        )
        while HEAD_END not in self._buffer:
            self.fill()
        head, _, rest = bytes(self._buffer).partition(HEAD_END)
        if b" 101 " not in head.splitlines()[0]:
            raise ConnectionError(head.decode(errors="replace"))
        self._buffer = bytearray(rest)

    def __enter__(self) -> "Socket":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stream.close()

    def fill(self) -> None:
        """Wait for more bytes."""
        data = self.stream.recv(1 << 18)
        if not data:
            raise ConnectionError("the node closed the socket")
        self._buffer += data

    @staticmethod
    def frame(text: bytes, kind: int = 1) -> bytes:
        size = len(text)
        if size < 126:
            head = bytes((0x80 | kind, 0x80 | size))
        elif size < 1 << 16:
            head = bytes((0x80 | kind, 0x80 | 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((0x80 | kind, 0x80 | 127)) + size.to_bytes(8, "big")
        return head + bytes(4) + text

    def send(self, text: bytes) -> None:
        self.put(self.frame(text))

    def put(self, frame: bytes) -> None:
        """Send a whole frame: one thread may send while another receives and answers pings."""
        with self._sending:
            self.stream.sendall(frame)

    def pop(self) -> bytes | None:
        """A text that has arrived."""
        while True:
            buffer = self._buffer
            if len(buffer) < 2:
                return None
            size, at = buffer[1] & 0x7F, 2
            if size >= 126:
                at = 4 if size == 126 else 10
                if len(buffer) < at:
                    return None
                size = int.from_bytes(buffer[2:at], "big")
            if len(buffer) < at + size:
                return None
            kind, text = buffer[0] & 0x0F, bytes(buffer[at : at + size])
            del buffer[: at + size]
            if kind == 9:
                self.put(self.frame(text, 10))
            elif kind == 8:
                raise ConnectionError(f"the node closed the socket: {text!r}")
            else:
                return text

    def receive_text(self) -> bytes:
        while (text := self.pop()) is None:
            self.fill()
        return text

    def receive(self) -> Any:
        return json.loads(self.receive_text())

    def ask(self, method: str, *params: Any) -> Any:
        """The result of one call, on a socket without subscriptions."""
        self.send(call(method, *params))
        answer = self.receive()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]


def call(method: str, *params: Any, number: int = 1) -> bytes:
    """The text of one call."""
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()


class DevNode:
    """The process, its port and its memory."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def _processes(self) -> list[int]:
        own = self.process.pid
        lists = Path(f"/proc/{own}/task").glob("*/children")
        return [own, *(int(child) for each in lists for child in each.read_text().split())]

    def memory_mib(self, field: str = "VmHWM") -> float:
        """The largest memory of the node and of its workers, together."""
        found = 0
        for process in self._processes():
            for line in Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    found += int(line.split()[1])
        return found / 1024

    def cpu_s(self) -> float:
        """Processor time of the node and of its workers so far."""
        ticks = 0
        for process in self._processes():
            parts = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(parts[11]) + int(parts[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def dev_node(*flags: str) -> Iterator[DevNode]:
    """Run a development chain on disk until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "node.cli", "--dev", "--base-path", folder),
            *("--rpc-port", "0", "--no-prometheus", *flags),
        ]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            yield DevNode(process, _port(process))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None, "because it is a pipe"
    said = []
    for line in process.stderr:
        said.append(line)
        found = re.search(r"addr=127\.0\.0\.1:(\d+)", line)
        if found:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return int(found.group(1))
    raise RuntimeError("the node did not start:\n" + "".join(said))
