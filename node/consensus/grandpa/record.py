"""What a voter must remember across restarts, so that it never votes twice in a round.

The shell writes the record, synced, before it sends what the voter ordered after it, and gives the
last one back at the start. ``generation`` lets a store that keeps two of them find the newer one.
"""

from primitives.grandpa import CatchUp, SignedVote
from primitives.scale import U64, codec, struct

__all__ = ["VoterRecord"]


@struct
class VoterRecord:
    """A voter's place: its votes in its round, and all votes that it saw in it and the one before.

    What others voted belongs to it, because a vote of ours may rest on votes that nobody else saw.
    """

    set_id: U64
    generation: U64
    own: tuple[SignedVote, ...]
    current: CatchUp
    previous: CatchUp

    def encode(self) -> bytes:
        """The record's bytes."""
        return codec(VoterRecord).encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "VoterRecord":
        """The record that ``data`` encodes. Raises: DecodeError."""
        return codec(VoterRecord).decode(data)
