"""A node whose chain a test makes block by block: real JSON-RPC over WebSocket, real metadata."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

from chain_spec.presets import dev
from node.genesis import genesis_state
from node.runtime import VERSION, runtime_at
from pallets.frame.overlay import DictState
from primitives.digest import Digest
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.types import BlockNumber, Hash

EVENTS_KEY = "0x26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7"


class RpcFaultError(Exception):
    """Answer a request with this error."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **({"data": data} if data else {})}


class DropError(Exception):
    """Close the connection in place of an answer."""


@cache
def genesis() -> dict[bytes, bytes]:
    return genesis_state(dev())


@cache
def metadata() -> str:
    return "0x" + runtime_at(DictState(genesis())).metadata(14).hex()


@dataclass
class Block:
    header: Header
    extrinsics: list[bytes] = field(default_factory=list)
    events: bytes = b"\x00"


class ScriptedNode:
    """Answers like a node of the chain in ``blocks``; ``on`` replaces single methods."""

    def __init__(self, port: int = 0) -> None:
        self.blocks: list[Block] = []
        self.finalized = 0
        self.nonces: dict[str, int] = {}
        self.submitted: list[bytes] = []
        self.requests: list[str] = []
        self.on: dict[str, Callable[[list[Any]], Any]] = {}
        self.state = genesis()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._subscribers: list[tuple[WSConnection, socket.socket, str]] = []
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self.add_block()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def add_block(self, *extrinsics: bytes, events: bytes = b"\x00", fork: int = 0) -> Hash:
        """Put a block on top and finalise it, unless it is told otherwise afterwards."""
        number = len(self.blocks)
        parent = self.blocks[-1].header.hash() if self.blocks else Hash(bytes(32))
        header = Header(
            parent_hash=parent,
            number=BlockNumber(number),
            state_root=Hash(bytes([fork]) * 32),
            extrinsics_root=Hash(bytes(32)),
            digest=Digest(logs=()),
        )
        self.blocks.append(Block(header, list(extrinsics), events))
        self.finalized = number
        return header.hash()

    def announce(self) -> None:
        """Send the best header to every subscriber."""
        for connection, stream, subscription in list(self._subscribers):
            params = {"subscription": subscription, "result": self._header(self.blocks[-1])}
            notice = {"jsonrpc": "2.0", "method": "chain_newHead", "params": params}
            with suppress(OSError):
                stream.sendall(connection.send(TextMessage(json.dumps(notice))))

    def disconnect(self) -> None:
        """Cut every connection."""
        for stream in self._sockets:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()
        self._subscribers.clear()

    def close(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.disconnect()

    def _accept(self) -> None:
        while True:
            try:
                stream, _ = self._server.accept()
            except OSError:
                return
            self._sockets.append(stream)
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream: socket.socket) -> None:
        connection = WSConnection(ConnectionType.SERVER)
        text = ""
        with suppress(OSError, DropError), stream:
            while data := stream.recv(65536):
                connection.receive_data(data)
                for event in connection.events():
                    if isinstance(event, Request):
                        stream.sendall(connection.send(AcceptConnection()))
                    elif isinstance(event, CloseConnection):
                        return
                    elif isinstance(event, TextMessage):
                        text += event.data
                        if event.message_finished:
                            reply = self._reply(json.loads(text), connection, stream)
                            text = ""
                            stream.sendall(connection.send(TextMessage(json.dumps(reply))))

    def _reply(
        self, request: dict[str, Any], connection: WSConnection, stream: socket.socket
    ) -> dict[str, Any]:
        method, params = request["method"], request.get("params") or []
        with self._lock:
            self.requests.append(method)
            answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
            try:
                if method in self.on:
                    return {**answer, "result": self.on[method](params)}
                if method.startswith("chain_subscribe"):
                    self._subscribers.append((connection, stream, "s1"))
                    return {**answer, "result": "s1"}
                return {**answer, "result": getattr(self, f"_{method}")(params)}
            except RpcFaultError as fault:
                return {**answer, "error": fault.error}
            except AttributeError:
                return {**answer, "error": {"code": -32601, "message": "Method not found"}}

    def _header(self, block: Block) -> dict[str, Any]:
        header = block.header
        return {
            "parentHash": f"0x{header.parent_hash.hex()}",
            "number": hex(header.number),
            "stateRoot": f"0x{header.state_root.hex()}",
            "extrinsicsRoot": f"0x{header.extrinsics_root.hex()}",
            "digest": {"logs": []},
        }

    def _find(self, params: list[Any]) -> Block | None:
        if not params or params[0] is None:
            return self.blocks[-1]
        wanted = params[0]
        return next((b for b in self.blocks if f"0x{b.header.hash().hex()}" == wanted), None)

    def _rpc_methods(self, params: list[Any]) -> dict[str, list[str]]:
        return {"methods": ["state_getStorageAt", "state_getRuntimeVersion", "state_call"]}

    def _chain_getBlockHash(self, params: list[Any]) -> str | None:
        number = params[0] if params and params[0] is not None else len(self.blocks) - 1
        if not 0 <= number < len(self.blocks):
            return None
        return f"0x{self.blocks[number].header.hash().hex()}"

    def _chain_getFinalizedHead(self, params: list[Any]) -> str:
        return f"0x{self.blocks[self.finalized].header.hash().hex()}"

    def _chain_getHeader(self, params: list[Any]) -> dict[str, Any] | None:
        block = self._find(params)
        return None if block is None else self._header(block)

    def _chain_getBlock(self, params: list[Any]) -> dict[str, Any] | None:
        block = self._find(params)
        if block is None:
            return None
        extrinsics = [f"0x{data.hex()}" for data in block.extrinsics]
        return {"block": {"header": self._header(block), "extrinsics": extrinsics}}

    def _state_getRuntimeVersion(self, params: list[Any]) -> dict[str, int]:
        return {
            "specVersion": int(VERSION.spec_version),
            "transactionVersion": int(VERSION.transaction_version),
        }

    def _state_getMetadata(self, params: list[Any]) -> str:
        return metadata()

    def _state_getStorage(self, params: list[Any]) -> str | None:
        value = self.state.get(bytes.fromhex(params[0][2:]))
        return None if value is None else f"0x{value.hex()}"

    def _state_getStorageAt(self, params: list[Any]) -> str | None:
        if params[0] == EVENTS_KEY:
            block = self._find(params[1:])
            assert block is not None
            return f"0x{block.events.hex()}"
        return self._state_getStorage(params)

    def _state_queryStorageAt(self, params: list[Any]) -> list[dict[str, Any]]:
        changes = [[key, self._state_getStorage([key])] for key in params[0]]
        return [{"block": params[1], "changes": changes}]

    def _state_getKeysPaged(self, params: list[Any]) -> list[str]:
        prefix, count, start = params[0], params[1], params[2]
        keys = sorted(f"0x{key.hex()}" for key in self.state)
        found = [key for key in keys if key.startswith(prefix) and key > (start or "")]
        return found[:count]

    def _state_call(self, params: list[Any]) -> str:
        method: str = params[0]
        return f"0x{method.encode().hex()}"

    def _system_accountNextIndex(self, params: list[Any]) -> int:
        return self.nonces.get(params[0], 0)

    def _author_submitExtrinsic(self, params: list[Any]) -> str:
        data = bytes.fromhex(params[0][2:])
        self.submitted.append(data)
        return f"0x{blake2_256(data).hex()}"


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    made = ScriptedNode()
    for _ in range(6):
        made.add_block()
    yield made
    made.close()


@pytest.fixture
def scripted() -> type[ScriptedNode]:
    return ScriptedNode


@pytest.fixture
def fault() -> type[RpcFaultError]:
    return RpcFaultError


@pytest.fixture
def drop() -> type[DropError]:
    return DropError


@pytest.fixture
def anyio_backend() -> str:
    return "trio"
