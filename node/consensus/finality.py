"""Finality by a local supermajority: GRANDPA justifications that this node can make alone.

While more than two thirds of the authorities' weight is in this node's keystore (a chain with one
authority, or a development chain), each block that becomes best is finalised at once: the local
keys sign the precommits of a round and the justification is stored with the block. Its bytes are
those of GRANDPA, so light clients verify it. With less weight the node votes (``grandpa.shell``).

The round is ``SOLE_ROUNDS`` and the block's height: it grows, is never used for two blocks of one
chain, needs no memory across restarts, and is none that voters ever reach. So keys that are moved
to several nodes, or together, in the middle of a set do not sign for one round twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from primitives.crypto.keys import KeyPair
from primitives.header import Header
from primitives.justification import make_justification
from primitives.keystore import Keystore
from primitives.types import GRANDPA_KEY_TYPE, Hash

__all__ = ["SOLE_ROUNDS", "FinalityKeys", "VoterSet"]

SOLE_ROUNDS: Final = 1 << 32
"""Rounds from here on are of finality by one node; voters count from 1."""


@dataclass(frozen=True, slots=True)
class VoterSet:
    """Who finalises: ed25519 public keys with their weights, and the number of the set."""

    authorities: tuple[tuple[bytes, int], ...]
    set_id: int

    @property
    def threshold(self) -> int:
        """The weight that a justification needs: more than two thirds."""
        total = sum(weight for _, weight in self.authorities)
        return total - (total - 1) // 3


class FinalityKeys:
    """The finality keys that this node holds."""

    def __init__(self, keystore: Keystore | None, extra: Sequence[KeyPair] = ()) -> None:
        self._keystore = keystore
        self._extra = {pair.public: pair for pair in extra}

    def publics(self) -> frozenset[bytes]:
        """All public keys; keys inserted while the node runs count too."""
        stored = () if self._keystore is None else self._keystore.public_keys(GRANDPA_KEY_TYPE)
        return frozenset((*self._extra, *stored))

    def pairs(self, voters: VoterSet) -> tuple[KeyPair, ...]:
        """The local keys that are in the set, in its order."""
        own = self.publics()
        found = (self._pair(public) for public, _ in voters.authorities if public in own)
        return tuple(pair for pair in found if pair is not None)

    def _pair(self, public: bytes) -> KeyPair | None:
        found = self._extra.get(public)
        if found is None and self._keystore is not None:
            found = self._keystore.pair(GRANDPA_KEY_TYPE, public)
            if found is not None:
                self._extra[public] = found
        return found

    def can_finalize(self, voters: VoterSet) -> bool:
        """Whether the local keys alone are more than two thirds."""
        weights = dict(voters.authorities)
        return sum(weights[pair.public] for pair in self.pairs(voters)) >= voters.threshold

    def justify(self, header: Header, hash_: Hash, voters: VoterSet) -> bytes | None:
        """A justification of this block; None while the local keys are too few."""
        weights, pairs = dict(voters.authorities), self.pairs(voters)
        if sum(weights[pair.public] for pair in pairs) < voters.threshold:
            return None
        number = int(header.number)
        round_number = SOLE_ROUNDS + number
        return make_justification(hash_, number, round_number, voters.set_id, pairs).encode()
