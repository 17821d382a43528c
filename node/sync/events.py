"""What the synchronisation core is told, and what it orders; and the limits of both.

Times are milliseconds of any clock that only goes forward, except ``Announced.slots_ahead``, which
the shell works out from the wall clock.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from node.database import BlockId
from node.network.transport import Cost, Roles
from node.network.wire import BlockRequest
from primitives.header import Header
from primitives.types import Hash

__all__ = [
    "BLOCKS_PER_REQUEST",
    "Announced",
    "BlockImported",
    "BlocksArrived",
    "Charge",
    "Effect",
    "Failure",
    "FetchWanted",
    "FinalizedTo",
    "ImportBlocks",
    "ImportFailed",
    "ImportJustification",
    "IncomingBlock",
    "Input",
    "JustificationRefused",
    "NotAsked",
    "PeerJoined",
    "PeerLeft",
    "RequestBlocks",
    "RequestFailed",
    "Ticked",
]

BLOCKS_PER_REQUEST: Final = 128


@dataclass(frozen=True, slots=True)
class IncomingBlock:
    """A block that a peer sent: decoded, its hash computed, nothing else checked."""

    hash: Hash
    header: Header
    body: tuple[bytes, ...]
    justification: bytes | None
    byte_count: int

    @property
    def number(self) -> int:
        """Its height."""
        return int(self.header.number)

    @property
    def id(self) -> BlockId:
        """Its hash and height."""
        return BlockId(self.hash, self.number)


class Failure(Enum):
    """Why an import failed."""

    BAD = auto()
    """The block breaks a rule: whoever sent it is at fault."""
    BAD_PROOF = auto()
    """The block may be good, the proof that it is final is not."""
    UNKNOWN_PARENT = auto()
    FUTURE = auto()
    """Its slot has not begun here."""
    REFUSED = auto()
    """Nobody's fault, or ours."""


class NotAsked(Enum):
    """Why a request brought nothing."""

    TIMED_OUT = auto()
    REFUSED = auto()
    """The peer would not answer, or it is gone."""
    MALFORMED = auto()
    """The answer does not decode, or is none to the question."""


@dataclass(frozen=True, slots=True)
class PeerJoined:
    """A peer is here, with what it says of itself."""

    peer: str
    roles: Roles
    best: BlockId


@dataclass(frozen=True, slots=True)
class PeerLeft:
    """A peer is gone; its requests need not be reported any more."""

    peer: str


@dataclass(frozen=True, slots=True)
class Announced:
    """A peer has a block; ``slots_ahead``: of the slot that is now, None without a sound claim."""

    peer: str
    header: Header
    hash: Hash
    is_best: bool
    slots_ahead: int | None


@dataclass(frozen=True, slots=True)
class BlocksArrived:
    """The answer to a request."""

    request_id: int
    blocks: tuple[IncomingBlock, ...]


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request brought no answer."""

    request_id: int
    reason: NotAsked


@dataclass(frozen=True, slots=True)
class BlockImported:
    """A block is in the database: one that was ordered, our own, or anybody's."""

    hash: Hash
    number: int
    is_best: bool
    changes_set: bool = False


@dataclass(frozen=True, slots=True)
class ImportFailed:
    """A block that was ordered is not imported, nor are those after it in its batch."""

    hash: Hash
    kind: Failure


@dataclass(frozen=True, slots=True)
class JustificationRefused:
    """A justification that was ordered proves nothing; None: nobody's fault."""

    hash: Hash
    peer: str | None


@dataclass(frozen=True, slots=True)
class FinalizedTo:
    """This block and all below it are final."""

    block: BlockId


@dataclass(frozen=True, slots=True)
class FetchWanted:
    """Somebody needs a block that this peer must have."""

    peer: str
    block: BlockId


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed."""


Input: TypeAlias = (
    PeerJoined
    | PeerLeft
    | Announced
    | BlocksArrived
    | RequestFailed
    | BlockImported
    | ImportFailed
    | JustificationRefused
    | FinalizedTo
    | FetchWanted
    | Ticked
)


@dataclass(frozen=True, slots=True)
class RequestBlocks:
    """Ask this peer; answer with ``BlocksArrived`` or ``RequestFailed``."""

    request_id: int
    peer: str
    request: BlockRequest


@dataclass(frozen=True, slots=True)
class ImportBlocks:
    """Import these, each upon the one before; stop at the first that fails."""

    peer: str
    blocks: tuple[IncomingBlock, ...]


@dataclass(frozen=True, slots=True)
class ImportJustification:
    """Finalise by this."""

    peer: str
    block: BlockId
    justification: bytes


@dataclass(frozen=True, slots=True)
class Charge:
    """Change a peer's reputation."""

    peer: str
    cost: Cost


Effect: TypeAlias = RequestBlocks | ImportBlocks | ImportJustification | Charge
