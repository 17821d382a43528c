"""Chain specs: the JSON file that says which chain a node is on.

A *plain* spec holds a ``GenesisConfig`` that people can read and edit; a *raw* one holds the state
of block 0, key by key, and is what nodes and light clients of one chain must share: one plain spec
can mean different states to different versions of the program. Raw specs of any Substrate chain can
be read. The format is Substrate's::

    {"name", "id", "chainType", "bootNodes", "telemetryEndpoints", "protocolId", "properties",
     "genesis": {"runtimeGenesis": {"config": {...}}}   or   {"raw": {"top", "childrenDefault"}}}

Known fields of other Substrate chains are kept as they are; unknown ones are refused, as light
clients refuse them.

Bounds: see ``document`` for the size of a file, and the constants below.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self, TypeAlias

from chain_spec.document import Json, Node, parse_document
from chain_spec.errors import ChainSpecError
from chain_spec.genesis import GenesisConfig
from chain_spec.light_sync import LightSyncState

__all__ = ["PROPERTIES", "ChainSpec", "ChainType", "Children", "RawGenesis"]

ChainType: TypeAlias = str
"""``Development``, ``Local``, ``Live``, or any other word: a custom type."""

CHAIN_TYPES: Final = ("Development", "Local", "Live")

PROPERTIES: Final[Mapping[str, Json]] = {
    "ss58Format": 11330,
    "tokenDecimals": 18,
    "tokenSymbol": "TCESS",
}
"""How wallets show accounts and money of CESS."""

NAME_CHARS_MAX: Final = 128
ID_CHARS_MAX: Final = 64
ADDRESS_CHARS_MAX: Final = 512
BOOT_NODES_MAX: Final = 1024
TELEMETRY_MAX: Final = 64

REQUIRED: Final = ("name", "id", "genesis")
OWN: Final = (
    *("chainType", "bootNodes", "telemetryEndpoints", "protocolId", "forkId", "properties"),
    "lightSyncState",
)
KEPT: Final = (
    *("codeSubstitutes", "badBlocks", "forkBlocks", "consensusEngine"),
    *(
        "blockNumberBytes",
        "relay_chain",
        "relayChain",
        "para_id",
        "paraId",
        "evm_since",
        "evmSince",
    ),
)
"""Fields of other Substrate chains: read, not understood, written again."""

# An id names a directory of the node.
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")

Children: TypeAlias = Mapping[bytes, Mapping[bytes, bytes]]
"""The contents of default child tries by their storage key, without its prefix."""


@dataclass(frozen=True, slots=True)
class RawGenesis:
    """The state of block 0."""

    top: Mapping[bytes, bytes]
    children_default: Children = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """A chain: its names, where to find its nodes, and how it begins."""

    name: str
    id: str
    genesis: GenesisConfig | RawGenesis
    chain_type: ChainType = "Live"
    boot_nodes: tuple[str, ...] = ()
    telemetry_endpoints: tuple[tuple[str, int], ...] | None = None
    protocol_id: str | None = None
    fork_id: str | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)
    light_sync_state: LightSyncState | None = None
    """Where light clients begin; nodes begin at block 0 or ask their peers."""
    kept: Mapping[str, Json] = field(default_factory=dict)

    @property
    def is_raw(self) -> bool:
        """Whether the spec holds the state itself."""
        return isinstance(self.genesis, RawGenesis)

    def config(self) -> GenesisConfig:
        """The genesis of a plain spec. Raises: ChainSpecError for a raw one."""
        if isinstance(self.genesis, RawGenesis):
            raise ChainSpecError("genesis", "the spec is raw: its genesis is a state already")
        return self.genesis

    def raw_state(self) -> dict[bytes, bytes]:
        """The state of block 0 of a raw spec. Raises: ChainSpecError for a plain one."""
        if isinstance(self.genesis, GenesisConfig):
            raise ChainSpecError(
                "genesis", "the spec is plain: make it raw with `cess chain-spec build --raw`"
            )
        return dict(self.genesis.top)

    def with_raw(self, state: Mapping[bytes, bytes]) -> "ChainSpec":
        """This spec with its genesis as a state."""
        return replace(self, genesis=RawGenesis(dict(state)))

    def to_json(self) -> str:
        """The document, in the order that Substrate writes."""
        document: dict[str, Json] = {
            "name": self.name,
            "id": self.id,
            "chainType": (
                self.chain_type if self.chain_type in CHAIN_TYPES else {"Custom": self.chain_type}
            ),
            "bootNodes": list(self.boot_nodes),
            "telemetryEndpoints": (
                None
                if self.telemetry_endpoints is None
                else [[address, level] for address, level in self.telemetry_endpoints]
            ),
            "protocolId": self.protocol_id,
        }
        if self.fork_id is not None:
            document["forkId"] = self.fork_id
        document["properties"] = dict(self.properties)
        document.update(self.kept)
        if self.light_sync_state is not None:
            document["lightSyncState"] = self.light_sync_state.to_json()
        document["genesis"] = _genesis_json(self.genesis)
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, data: bytes | str, source: str = "the chain spec") -> Self:
        """Read and check a document. Raises: ChainSpecError, with the place in the document."""
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
        parts = parse_document(raw, source).fields(REQUIRED, (*OWN, *KEPT))
        return cls(
            name=_name(parts["name"]),
            id=_identifier(parts["id"]),
            genesis=_read_genesis(parts["genesis"]),
            chain_type=_read_chain_type(parts.get("chainType")),
            boot_nodes=_read_boot_nodes(parts.get("bootNodes")),
            telemetry_endpoints=_read_telemetry(parts.get("telemetryEndpoints")),
            protocol_id=_optional_text(parts.get("protocolId")),
            fork_id=_optional_text(parts.get("forkId")),
            properties=_read_properties(parts.get("properties")),
            light_sync_state=_read_light_sync(parts.get("lightSyncState")),
            kept={name: parts[name].value for name in KEPT if name in parts},
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file. Raises: ChainSpecError."""
        source = Path(path)
        try:
            with source.open("rb") as file:
                data = file.read(_FILE_BYTES_MAX)
        except OSError as error:
            raise ChainSpecError(str(source), f"cannot be read: {error.strerror}") from None
        try:
            return cls.from_json(data, str(source))
        except ChainSpecError as error:
            if error.path == str(source):
                raise
            raise ChainSpecError(f"{source}: {error.path}", error.problem) from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file in one step: a crash leaves the old one or the new one.

        Raises: ChainSpecError.
        """
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(self.to_json())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise ChainSpecError(str(target), f"cannot be written: {error.strerror}") from None


_FILE_BYTES_MAX: Final = 64 * 1024**2 + 1
"""One byte more than a document may have, so that a longer one is seen."""


def _genesis_json(genesis: GenesisConfig | RawGenesis) -> Json:
    if isinstance(genesis, GenesisConfig):
        return {"runtimeGenesis": {"config": genesis.to_json()}}
    children: dict[str, Json] = {
        _hex(name): _hex_map(genesis.children_default[name])
        for name in sorted(genesis.children_default)
    }
    return {"raw": {"top": _hex_map(genesis.top), "childrenDefault": children}}


def _hex_map(entries: Mapping[bytes, bytes]) -> dict[str, Json]:
    return {_hex(key): _hex(entries[key]) for key in sorted(entries)}


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"


def _read_genesis(node: Node) -> GenesisConfig | RawGenesis:
    members = node.members()
    if "stateRootHash" in members:
        node.fail("it holds a state root only, for light clients: take a spec with the state")
    if "raw" in members:
        parts = node.fields(("raw",))["raw"].fields(("top",), ("childrenDefault", "children"))
        children = parts.get("childrenDefault")
        if "children" in parts and parts["children"].value:
            parts["children"].fail("child tries in the form of 2019 are not read: export it anew")
        return RawGenesis(
            top=_read_map(parts["top"]),
            children_default={} if children is None else _read_children(children),
        )
    runtime = node.fields(("runtimeGenesis",))["runtimeGenesis"]
    if "config" not in runtime.members():
        runtime.fail("it is of another program: only raw specs of other chains are read")
    return GenesisConfig.from_json(runtime.fields(("config",))["config"])


def _read_map(node: Node) -> dict[bytes, bytes]:
    members = node.members()
    entries = {}
    for name, member in members.items():
        entries[Node(name, f"{node.path}.{name[:80]}").hex_bytes()] = member.hex_bytes()
    if len(entries) != len(members):
        node.fail("a key is given twice, in capital and small letters; keep one")
    return entries


def _read_children(node: Node) -> dict[bytes, dict[bytes, bytes]]:
    return {
        Node(name, f"{node.path}.{name[:80]}").hex_bytes(): _read_map(member)
        for name, member in node.members().items()
    }


def _name(node: Node) -> str:
    name = node.text(NAME_CHARS_MAX)
    if not name.strip() or not name.isprintable():
        node.fail("must be a name of printable characters")
    return name


def _identifier(node: Node) -> str:
    name = node.text(ID_CHARS_MAX)
    if not _ID.fullmatch(name):
        node.fail("may have letters, digits, '-', '_' and '.', as it names a directory")
    return name


def _read_chain_type(node: Node | None) -> ChainType:
    if node is None:
        return "Live"
    if isinstance(node.value, dict):
        return node.fields(("Custom",))["Custom"].text(NAME_CHARS_MAX)
    kind = node.text(NAME_CHARS_MAX)
    if kind not in CHAIN_TYPES:
        node.fail(f'must be one of {", ".join(CHAIN_TYPES)} or {{"Custom": name}}')
    return kind


def _read_boot_nodes(node: Node | None) -> tuple[str, ...]:
    if node is None or node.value is None:
        return ()
    addresses = []
    for item in node.items(BOOT_NODES_MAX):
        address = item.text(ADDRESS_CHARS_MAX)
        if not address.startswith("/") or ("/p2p/" not in address and "/ipfs/" not in address):
            item.fail("must be an address like /ip4/1.2.3.4/tcp/30336/p2p/<peer id>")
        addresses.append(address)
    return tuple(addresses)


def _read_telemetry(node: Node | None) -> tuple[tuple[str, int], ...] | None:
    if node is None or node.value is None:
        return None
    endpoints = []
    for item in node.items(TELEMETRY_MAX):
        pair = tuple(item.items(2))
        if len(pair) != 2:
            item.fail("must be a list of an address and a verbosity from 0 to 9")
        endpoints.append((pair[0].text(ADDRESS_CHARS_MAX), pair[1].integer(9)))
    return tuple(endpoints)


def _read_light_sync(node: Node | None) -> LightSyncState | None:
    return None if node is None or node.value is None else LightSyncState.from_json(node)


def _optional_text(node: Node | None) -> str | None:
    return None if node is None or node.value is None else node.text(NAME_CHARS_MAX)


def _read_properties(node: Node | None) -> dict[str, Json]:
    if node is None or node.value is None:
        return {}
    return {name: member.value for name, member in node.members().items()}
