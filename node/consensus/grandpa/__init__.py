"""Voting on finality between nodes: GRANDPA, as cores without I/O.

``voter.Voter`` is what a shell drives; ``round.Round`` counts the votes of one round;
``ports.Chain`` is what both ask about blocks.
"""

from node.consensus.grandpa.events import (
    AuthoritiesChanged,
    BlockImported,
    Broadcast,
    Conflict,
    Effect,
    Equivocated,
    Fetch,
    Finalized,
    FinalizedAlone,
    FinalizedElsewhere,
    Input,
    Misbehaved,
    Offence,
    PeerLeft,
    Persist,
    Received,
    Send,
    Ticked,
)
from node.consensus.grandpa.ports import Chain
from node.consensus.grandpa.record import VoterRecord
from node.consensus.grandpa.voter import Statistics, Timing, Voter
from node.consensus.grandpa.voters import Voters

__all__ = [
    "AuthoritiesChanged",
    "BlockImported",
    "Broadcast",
    "Chain",
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
    "Statistics",
    "Ticked",
    "Timing",
    "Voter",
    "VoterRecord",
    "Voters",
]
