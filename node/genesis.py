"""From a chain spec to block 0."""

from pathlib import Path

from chain_spec.errors import ChainSpecError
from chain_spec.presets import PRESETS, preset
from chain_spec.spec import ChainSpec, RawGenesis
from primitives import trie
from primitives.digest import Digest
from primitives.header import Header
from primitives.trie import Layout
from primitives.types import BlockNumber, Hash

__all__ = [
    "CHILD_PREFIX",
    "genesis_header",
    "genesis_state",
    "inspect_spec",
    "load_spec",
    "state_root",
]

CHILD_PREFIX = b":child_storage:default:"


def load_spec(chain: str) -> ChainSpec:
    """The preset of this name, or the spec in this file. Raises: ChainSpecError."""
    return preset(chain) if chain in PRESETS else ChainSpec.load(chain)


def genesis_state(spec: ChainSpec) -> dict[bytes, bytes]:
    """The state of block 0: as a raw spec says it, or as the runtime builds it."""
    if isinstance(spec.genesis, RawGenesis):
        if any(spec.genesis.children_default.values()):
            raise ChainSpecError(
                "genesis.raw.childrenDefault",
                "this runtime keeps no child tries: the spec is another program's",
            )
        return spec.raw_state()
    from node.runtime import build_state

    return build_state(spec.config())


def genesis_header(root: Hash) -> Header:
    """The header of block 0 with this state root."""
    return Header(
        parent_hash=Hash(bytes(32)),
        number=BlockNumber(0),
        state_root=root,
        extrinsics_root=Hash(trie.EMPTY_ROOT),
        digest=Digest(()),
    )


def state_root(genesis: RawGenesis, layout: Layout) -> Hash:
    """The state root of any Substrate raw genesis, child tries included."""
    entries = dict(genesis.top)
    for name, child in genesis.children_default.items():
        if child:
            entries[CHILD_PREFIX + name] = bytes(trie.root(child, layout=layout))
    return trie.root(entries, layout=layout)


def inspect_spec(path: Path, state_version: int) -> dict[str, str | int]:
    """Names, number of keys, state root and genesis hash of a spec. Raises: ChainSpecError."""
    spec = ChainSpec.load(path)
    raw = spec.genesis if isinstance(spec.genesis, RawGenesis) else RawGenesis(genesis_state(spec))
    root = state_root(raw, Layout.V1 if state_version else Layout.V0)
    return {
        "name": spec.name,
        "id": spec.id,
        "keys": len(raw.top),
        "state_root": f"0x{root.hex()}",
        "genesis_hash": f"0x{genesis_header(root).hash().hex()}",
    }
