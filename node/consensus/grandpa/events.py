"""What a voter is told, and what it orders.

Inputs are facts, effects are orders; the shell carries effects out in their order. A ``Persist``
must be on disk, synced, before the effects after it are carried out.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from node.consensus.grandpa.record import VoterRecord
from primitives.grandpa import Block, Equivocation, GossipMessage
from primitives.justification import GrandpaJustification

__all__ = [
    "AuthoritiesChanged",
    "BlockImported",
    "Broadcast",
    "Conflict",
    "Effect",
    "Equivocated",
    "Fetch",
    "Finalized",
    "FinalizedAlone",
    "FinalizedElsewhere",
    "Input",
    "Misbehaved",
    "Offence",
    "PeerLeft",
    "Persist",
    "Received",
    "Send",
    "Ticked",
]


@dataclass(frozen=True, slots=True)
class Received:
    """A peer sent this."""

    peer: str
    message: GossipMessage


@dataclass(frozen=True, slots=True)
class BlockImported:
    """The chain has one more block."""

    hash: bytes


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class AuthoritiesChanged:
    """``base`` is final, and from it on others vote: keys with their weights."""

    authorities: tuple[tuple[bytes, int], ...]
    set_id: int
    base: Block


@dataclass(frozen=True, slots=True)
class FinalizedElsewhere:
    """The chain knows by a justification that this block is final."""

    block: Block


@dataclass(frozen=True, slots=True)
class FinalizedAlone:
    """This node made the block final by its own keys, which are more than two thirds."""

    block: Block
    set_id: int
    justification: GrandpaJustification


@dataclass(frozen=True, slots=True)
class PeerLeft:
    """The peer is gone."""

    peer: str


Input: TypeAlias = (
    Received
    | BlockImported
    | Ticked
    | AuthoritiesChanged
    | FinalizedElsewhere
    | FinalizedAlone
    | PeerLeft
)


@dataclass(frozen=True, slots=True)
class Persist:
    """Put this in the place of the last record, synced."""

    record: VoterRecord


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send this to all voting peers but one, from whom it came."""

    message: GossipMessage
    except_peer: str | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send this to one peer."""

    peer: str
    message: GossipMessage


@dataclass(frozen=True, slots=True)
class Fetch:
    """Import this block with its ancestors: somebody voted for it. The peer has it, if honest."""

    peer: str
    block: Block


@dataclass(frozen=True, slots=True)
class Finalized:
    """This block and all below it are final; each is a descendant of the last."""

    block: Block
    set_id: int
    justification: GrandpaJustification


class Offence(Enum):
    """What a peer did."""

    BAD_SIGNATURE = "sent a vote whose signature is not valid"
    NOT_A_VOTER = "sent a vote of somebody who may not vote"
    WRONG_HEIGHT = "sent a vote that names another height than its block has"
    BAD_COMMIT = "sent a commit that proves nothing"
    BAD_CATCH_UP = "sent a state of a round that proves nothing"
    UNASKED_CATCH_UP = "sent a state of a round that nobody asked for"


@dataclass(frozen=True, slots=True)
class Misbehaved:
    """A peer sent what no honest peer sends."""

    peer: str
    offence: Offence


@dataclass(frozen=True, slots=True)
class Equivocated:
    """A voter signed two votes; this is the proof."""

    proof: Equivocation


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two thirds finalized ``block`` against ``finalized``: a third misbehaves; stop and report."""

    finalized: Block
    block: Block
    justification: GrandpaJustification


Effect: TypeAlias = (
    Persist | Broadcast | Send | Fetch | Finalized | Misbehaved | Equivocated | Conflict
)
