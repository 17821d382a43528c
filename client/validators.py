"""Validators of a network on one machine: their names, keys, ports and command lines.

They are those of ``cess chain-spec build --validators``: ``//Alice`` to ``//Ferdie``, then
``//Validator6`` and so on. Each has its session keys in its own keystore and a node key of its own,
both made at the first start and kept; ports are chosen anew at each start.

Bounds: ``VALIDATORS_MAX``, because each is a process of a hundred megabytes that executes every
block. A node seeks ``SOUGHT_PEERS`` others; with more validators not all are connected with all.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from primitives.errors import CessError
from primitives.keystore import Keystore, generate_node_key, load_node_key, node_public_key
from primitives.peer_id import peer_id_of
from primitives.types import BABE_KEY_TYPE, GRANDPA_KEY_TYPE

__all__ = [
    "SOUGHT_PEERS",
    "VALIDATORS_MAX",
    "InvalidSpec",
    "Seat",
    "node_arguments",
    "read_spec",
    "take_seat",
    "validator_name",
    "validator_suri",
    "write_boot_nodes",
]

VALIDATORS_MAX: Final = 32
SOUGHT_PEERS: Final = 8
"""As many peers a node dials by itself, see ``--out-peers``."""
RPC_CONNECTIONS: Final = 2000
SPEC_BYTES_MAX: Final = 64 << 20

_NAMES: Final = ("Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie")
_NODE_KEY: Final = "secret_ed25519"


class InvalidSpec(CessError):
    """The chain spec of a network is not what it was made as."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One validator before it runs."""

    name: str
    directory: Path
    node_key: Path
    peer_id: str
    rpc_port: int
    p2p_port: int

    @property
    def rpc(self) -> str:
        """Where it answers."""
        return f"ws://127.0.0.1:{self.rpc_port}"

    @property
    def listens_at(self) -> str:
        """Where it meets its peers, on this machine only."""
        return f"/ip4/127.0.0.1/tcp/{self.p2p_port}"

    @property
    def address(self) -> str:
        """How others find it."""
        return f"{self.listens_at}/p2p/{self.peer_id}"


def validator_name(index: int) -> str:
    """``alice`` ... ``ferdie``, ``validator6`` ..."""
    return validator_suri(index)[2:].lower()


def validator_suri(index: int) -> str:
    """The secret URI of a validator, as the chain spec has it."""
    return f"//{_NAMES[index]}" if index < len(_NAMES) else f"//Validator{index}"


def take_seat(index: int, base: Path, chain_id: str, *, rpc_port: int, p2p_port: int) -> Seat:
    """Make what is missing of a validator's keys and say who it is. Raises: InvalidKey."""
    name = validator_name(index)
    directory = base / name
    chain = directory / "chains" / chain_id
    keystore = Keystore(chain / "keystore")
    if not keystore.public_keys(BABE_KEY_TYPE):
        keystore.insert(BABE_KEY_TYPE, validator_suri(index), "sr25519")
    if not keystore.public_keys(GRANDPA_KEY_TYPE):
        keystore.insert(GRANDPA_KEY_TYPE, validator_suri(index), "ed25519")
    node_key = chain / "network" / _NODE_KEY
    if not node_key.exists():
        node_key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        generate_node_key(node_key)
    seed = load_node_key(node_key)
    peer = peer_id_of(node_public_key(seed))
    return Seat(name, directory, node_key, peer, rpc_port, p2p_port)


def node_arguments(seat: Seat, spec: Path, *, is_alone: bool) -> list[str]:
    """The arguments of ``cess node`` for a validator, which finds the others by the chain spec."""
    # Nodes that share two processors check signatures in their own processes.
    sharing = () if is_alone else ("--signature-workers", "0")
    return [
        "--validator",
        *("--name", seat.name.capitalize()),
        *("--chain", str(spec)),
        *("--base-path", str(seat.directory)),
        *("--node-key-file", str(seat.node_key)),
        *("--listen-addr", seat.listens_at),
        *("--rpc-port", str(seat.rpc_port)),
        *("--rpc-max-connections", str(RPC_CONNECTIONS)),
        "--no-prometheus",
        *sharing,
    ]


def read_spec(spec: Path) -> tuple[str, int | None]:
    """A chain's id, and how many validators it begins with; None of a raw spec.

    Raises: InvalidSpec.
    """
    document = _load(spec)
    try:
        genesis = document["genesis"]
        if "runtimeGenesis" not in genesis:
            return str(document["id"]), None
        return str(document["id"]), len(genesis["runtimeGenesis"]["config"]["authorities"])
    except (KeyError, TypeError) as error:
        raise InvalidSpec(f"{spec} is no chain spec: it has no {error}") from None


def write_boot_nodes(spec: Path, addresses: list[str]) -> None:
    """Name the network's nodes in its chain spec, for whoever joins. Raises: InvalidSpec."""
    document = _load(spec)
    document["bootNodes"] = addresses
    unfinished = spec.with_name(spec.name + ".part")
    unfinished.write_text(json.dumps(document, indent=2) + "\n")
    unfinished.replace(spec)


def _load(spec: Path) -> dict[str, Any]:
    try:
        if spec.stat().st_size > SPEC_BYTES_MAX:
            raise InvalidSpec(f"{spec} is larger than {SPEC_BYTES_MAX >> 20} MiB")
        found = json.loads(spec.read_text())
    except (OSError, ValueError) as error:
        raise InvalidSpec(f"{spec} cannot be read ({error}); choose another base path") from None
    if not isinstance(found, dict):
        raise InvalidSpec(f"{spec} is no chain spec; choose another base path")
    return found
