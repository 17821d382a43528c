"""Validators on hosts of their own: each in a network namespace, see ``namespaces``."""

import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import websocket

from primitives.justification import GrandpaJustification
from primitives.scale import decode
from tests.node.namespaces import Switchboard
from tests.node.validators import Validators

P2P_PORT = 30_333
RPC_PORT = 31_630


class Hosts(Validators):
    """Each validator on a host of its own."""

    def __init__(self, folder: Path, board: Switchboard) -> None:
        # One set of voters throughout, so that rounds can be counted.
        super().__init__(folder, rpc_port=RPC_PORT, p2p_port=P2P_PORT, epoch_slots=600)
        self.board = board

    def listens_at(self, name: str) -> str:
        return f"/ip4/{self.board.ip(name)}/tcp/{P2P_PORT}"

    def spawn(self, name: str, arguments: list[str], log: int) -> subprocess.Popen[bytes]:
        make = super().spawn
        return self.board.inside(name, lambda: make(name, arguments, log))

    def connect(self, name: str) -> websocket.WebSocket:
        make = super().connect
        return self.board.inside(name, lambda: make(name))

    def rounds_to(self, number: int, begun: int, justifications: list[Any]) -> int:
        """How many rounds after ``begun``, which was under way, made this height final."""
        rounds: list[int] = []

        def is_heard() -> bool:
            for text in justifications:
                found = decode(GrandpaJustification, bytes.fromhex(text[2:]))
                if found.commit.target_number >= number:
                    rounds.append(int(found.round) - begun)
            return bool(rounds)

        self.until(is_heard)
        return rounds[0]

    def fetch(self, name: str, request: urllib.request.Request) -> bytes:
        make = super().fetch
        return self.board.inside(name, lambda: make(name, request))
