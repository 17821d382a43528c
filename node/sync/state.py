"""Fetching the state of a final block from peers that nobody trusts, piece by piece.

Each piece comes with a proof that it is the next one under the block's state root, so pieces may
come from different peers and after a restart. ``StateFetch`` says what to ask for and checks the
answers; it holds no entries.

Bounds: one answer (``node.network.protocols``) of ``ENTRIES_MAX`` entries.
"""

from dataclasses import dataclass
from typing import Final

from node.network.wire import PROOF_NODES_MAX, StateRequest, StateResponse
from primitives.errors import DecodeError, ProofRejected
from primitives.header import Header
from primitives.scale import codec
from primitives.trie import verify_range
from primitives.types import Hash

__all__ = [
    "ENTRIES_MAX",
    "StateFetch",
    "StatePiece",
    "decode_compact_proof",
    "encode_compact_proof",
]

ENTRIES_MAX: Final = 1 << 17

_PROOF: Final = codec(tuple[bytes, ...])


def encode_compact_proof(nodes: tuple[bytes, ...]) -> bytes:
    """The proof as it stands in an answer."""
    return _PROOF.encode(nodes)


def decode_compact_proof(data: bytes) -> tuple[bytes, ...]:
    """The parts of a proof. Raises: DecodeError."""
    nodes = _PROOF.decode(data)
    if len(nodes) > PROOF_NODES_MAX:
        raise DecodeError(f"a proof has at most {PROOF_NODES_MAX} nodes, not {len(nodes)}")
    return nodes


@dataclass(frozen=True, slots=True)
class StatePiece:
    """Entries that were proven to come next; with ``is_complete`` nothing comes after them."""

    entries: tuple[tuple[bytes, bytes], ...]
    is_complete: bool


class StateFetch:
    """Where the fetching of one block's state stands."""

    def __init__(self, target: Header, last_key: bytes | None = None) -> None:
        self.target = target
        self.hash: Hash = target.hash()
        self.last_key = last_key

    def request(self) -> StateRequest:
        """What to ask for next."""
        return StateRequest(self.hash, () if self.last_key is None else (self.last_key,))

    def check(self, response: StateResponse) -> StatePiece:
        """The next entries, proven. Changes nothing: any thread. Raises: ProofRejected."""
        try:
            nodes = decode_compact_proof(response.proof)
        except DecodeError as error:
            raise ProofRejected(f"a piece of state: {error}") from error
        found = verify_range(self.target.state_root, nodes, self.last_key)
        if not found.entries and not found.is_complete:
            raise ProofRejected("a piece of state that brings nothing new")
        if len(found.entries) > ENTRIES_MAX:
            raise ProofRejected(f"a piece of state with more than {ENTRIES_MAX} entries")
        return StatePiece(found.entries, found.is_complete)

    def advance(self, piece: StatePiece) -> None:
        """This piece is kept: go on after it."""
        if piece.entries:
            self.last_key = piece.entries[-1][0]
