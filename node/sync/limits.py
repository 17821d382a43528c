"""How much one peer may ask: repeated questions, questions and answered bytes over time.

Bounds: ``SEEN_MAX`` questions are remembered, and ``PEERS_MAX`` peers; the oldest go first.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from primitives.trie.node import hash_of

__all__ = [
    "BURST_BYTES",
    "BURST_REQUESTS",
    "BYTES_PER_S",
    "LIGHT_KEYS_EACH",
    "REQUESTS_PER_S",
    "SAME_REQUESTS_MAX",
    "SAME_REQUEST_S",
    "STATE_COUNTS",
    "WARP_COUNTS",
    "PeerBudget",
    "SeenRequests",
]

SAME_REQUESTS_MAX: Final = 2
"""Times that one question of one peer is answered within ``SAME_REQUEST_S``."""
SAME_REQUEST_S: Final = 60
SEEN_MAX: Final = 8192
PEERS_MAX: Final = 1024

REQUESTS_PER_S: Final = 50
BURST_REQUESTS: Final = 500
WARP_COUNTS: Final = 25
STATE_COUNTS: Final = 5
LIGHT_KEYS_EACH: Final = 32
"""What takes long to answer counts as so many questions: proofs of finality, pieces of a state, and
one more for each so many keys of a light client."""
BYTES_PER_S: Final = 32 << 20
BURST_BYTES: Final = 128 << 20


@dataclass(slots=True)
class _Seen:
    count: int
    since_s: float


class SeenRequests:
    """Questions that were answered, and how often."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()

    @staticmethod
    def _key(peer: str, request: bytes) -> bytes:
        return hash_of(peer.encode() + b"\x00" + request)

    def is_repeated(self, peer: str, request: bytes, now_s: float) -> bool:
        """Whether this was answered as often as it may be."""
        seen = self._seen.get(self._key(peer, request))
        if seen is None or now_s - seen.since_s > SAME_REQUEST_S:
            return False
        return seen.count >= SAME_REQUESTS_MAX

    def answered(self, peer: str, request: bytes, now_s: float) -> None:
        """It was answered once more."""
        key = self._key(peer, request)
        seen = self._seen.pop(key, None)
        if seen is None or now_s - seen.since_s > SAME_REQUEST_S:
            seen = _Seen(0, now_s)
        seen.count += 1
        self._seen[key] = seen
        while len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)


@dataclass(slots=True)
class _Left:
    requests: float
    bytes: float
    at_s: float


class PeerBudget:
    """Questions and bytes that each peer has left; they grow back with time."""

    def __init__(
        self, requests_per_s: int = REQUESTS_PER_S, burst_requests: int = BURST_REQUESTS
    ) -> None:
        self._per_s = requests_per_s
        self._burst = burst_requests
        self._left: OrderedDict[str, _Left] = OrderedDict()

    def take(self, peer: str, now_s: float, count: int = 1) -> bool:
        """Take one question, or one that counts for more; False if too little is left."""
        left = self._left.pop(peer, None) or _Left(self._burst, BURST_BYTES, now_s)
        passed = max(0.0, now_s - left.at_s)
        left.at_s = now_s
        left.requests = min(self._burst, left.requests + passed * self._per_s)
        left.bytes = min(BURST_BYTES, left.bytes + passed * BYTES_PER_S)
        self._left[peer] = left
        while len(self._left) > PEERS_MAX:
            self._left.popitem(last=False)
        if left.requests < count or left.bytes <= 0:
            return False
        left.requests -= count
        return True

    def spend(self, peer: str, byte_count: int) -> None:
        """An answer went out."""
        left = self._left.get(peer)
        if left is not None:
            left.bytes -= byte_count
