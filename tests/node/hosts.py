"""Validators on hosts of their own: each in a network namespace, see ``namespaces``."""

import subprocess
import urllib.request
from pathlib import Path

from tests.node.namespaces import Switchboard
from tests.node.validators import Validators

P2P_PORT = 30_333
RPC_PORT = 31_630


class Hosts(Validators):
    """Each validator on a host of its own."""

    def __init__(self, folder: Path, board: Switchboard) -> None:
        super().__init__(folder, rpc_port=RPC_PORT, p2p_port=P2P_PORT)
        self.board = board

    def listens_at(self, name: str) -> str:
        return f"/ip4/{self.board.ip(name)}/tcp/{P2P_PORT}"

    def spawn(self, name: str, arguments: list[str], log: int) -> subprocess.Popen[bytes]:
        make = super().spawn
        return self.board.inside(name, lambda: make(name, arguments, log))

    def fetch(self, name: str, request: urllib.request.Request) -> bytes:
        make = super().fetch
        return self.board.inside(name, lambda: make(name, request))
