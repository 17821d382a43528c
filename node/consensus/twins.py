"""Twins: whether somebody else signs with the keys of this node. The core.

Keys that are on two machines sign two blocks for a slot, or two votes in a round, and are punished.
So a node *listens* before it signs with a key: what that key signed for slots that began after the
key came here, and that was not signed here, a twin signed. Then nothing is signed any more, until
the operator has stopped one of the two and started this node anew. It looks on while it signs.

Only what cannot be of an earlier life counts: blocks of slots beyond the one that the key came in
(with the margin by which clocks may differ) and beyond the last slot that the file says was signed,
and votes for such blocks. So neither what peers still have of this node, nor the keys of a machine
that was switched off, nor what somebody sends once more, is taken for a twin.

Listening to a key ends
- when a block is final that was made ``HEARD_SLOTS`` after it began: others vote, and were heard;
- when nobody made a block in ``QUIET_SLOTS``: there is nobody to hear, all begin together;
- after ``LISTEN_SLOTS_MAX`` in any case, so that a network goes on that waits for its own finality.
The first two take ``patience`` slots more, drawn by whoever starts the node: of twins that start
together one hears the other. Only slots count in which the node could hear: with peers, and not far
behind them. Who has all keys does not listen; nobody else could go on without it.

Drive it: ``meet`` the keys that are here and ``listen`` now and then, tell it what was signed here
and what was seen, and ask ``may_sign`` before signing. Calls may come from several threads.
Two nodes that start in the same moment, or cannot hear each other, still sign twice.
Bounds: ``OWN_MAX`` own signatures are remembered, ``WAITING_MAX`` votes wait for their block.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import Final

from node.consensus.verification import FUTURE_SLOTS_MAX
from primitives.errors import CessError

__all__ = [
    "HEARD_SLOTS",
    "LISTEN_SLOTS_MAX",
    "OWN_MAX",
    "PATIENCE_SLOTS_MAX",
    "QUIET_SLOTS",
    "WAITING_MAX",
    "KeySignsElsewhere",
    "SeenVote",
    "Twin",
    "TwinState",
    "TwinWatch",
]

HEARD_SLOTS: Final = 2
QUIET_SLOTS: Final = 4
PATIENCE_SLOTS_MAX: Final = 2
LISTEN_SLOTS_MAX: Final = 8
"""So many slots at most does a validator miss that starts, once it is in step with its peers."""

OWN_MAX: Final = 4096
WAITING_MAX: Final = 64


class TwinState(Enum):
    """What the watch has to say of the node."""

    OFF = "off"
    LISTENING = "listening"
    ALONE = "alone"
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class Twin:
    """What somebody else signed with a key of this node."""

    key: bytes
    slot: int
    """Of the block that was signed, or voted for."""
    block: bytes
    is_vote: bool


class KeySignsElsewhere(CessError):  # noqa: N818  a fact
    """Somebody else signs with a key of this node; the text says which, and what to do."""

    def __init__(self, twin: Twin) -> None:
        what = "the vote for block" if twin.is_vote else "block"
        super().__init__(
            f"somebody else signs with this node's key 0x{twin.key.hex()}: {what} "
            f"0x{twin.block.hex()} of slot {twin.slot} was not signed here. This node signs "
            "nothing more, because whoever signs twice loses stake. Find the other machine that "
            "has this key, stop one of the two for good or give one new keys, then start this "
            "node again"
        )


@dataclass(frozen=True, slots=True)
class SeenVote:
    """A vote by its place and content, without its signature."""

    key: bytes
    set_id: int
    round: int
    kind: int
    block: bytes


@dataclass(slots=True)
class _Key:
    since: int
    """The last slot for which a signature may be of an earlier life."""
    heard: int = 0
    """Slots that were listened to."""
    counted: int = -1
    is_cleared: bool = False


class TwinWatch:
    """See the module's text."""

    def __init__(self, *, last_signed: int = -1, patience: int = 0, is_on: bool = True) -> None:
        """``last_signed``: the last slot that the node's file says it signed."""
        assert 0 <= patience <= PATIENCE_SLOTS_MAX, "because more would be no bound"
        self._last_signed = last_signed
        self._patience = patience
        self._is_on = is_on
        self._lock = Lock()
        self._keys: dict[bytes, _Key] = {}
        self._own: OrderedDict[bytes | SeenVote, None] = OrderedDict()
        self._waiting: OrderedDict[SeenVote, None] = OrderedDict()
        self._newest = -1
        """The newest slot of somebody else's block."""
        self._final = -1
        self._twin: Twin | None = None

    @property
    def twin(self) -> Twin | None:
        """What proves that there is a twin."""
        return self._twin

    @property
    def state(self) -> TwinState:
        """What the watch has to say."""
        if not self._is_on:
            return TwinState.OFF
        if self._twin is not None:
            return TwinState.SEEN
        with self._lock:
            is_over = all(key.is_cleared for key in self._keys.values())
        return TwinState.ALONE if is_over else TwinState.LISTENING

    def may_sign(self, key: bytes, *, is_alone: bool = False) -> bool:
        """Whether to sign with a key; ``is_alone``: this node has all keys that matter."""
        if not self._is_on:
            return True
        if self._twin is not None:
            return False
        if is_alone:
            return True
        with self._lock:
            known = self._keys.get(key)
            return known is not None and known.is_cleared

    # The keys and the time.

    def knows(self, key: bytes) -> bool:
        """Whether a key is one of this node's."""
        return key in self._keys

    def meet(self, keys: Iterable[bytes], slot: int) -> None:
        """These keys are here now, in ``slot``: those that were not are listened to from now on."""
        with self._lock:
            since = max(slot + FUTURE_SLOTS_MAX, self._last_signed)
            for key in keys:
                self._keys.setdefault(bytes(key), _Key(since))

    def listen(self, slot: int, final_slot: int, *, is_hearing: bool) -> None:
        """It is ``slot``, and the last final block is of ``final_slot``."""
        with self._lock:
            self._final = max(self._final, final_slot)
            for key in self._keys.values():
                if key.is_cleared or not is_hearing or slot <= key.counted:
                    continue
                if key.counted >= 0:
                    key.heard += 1  # the slot that was counted last is over
                key.counted = slot
                key.is_cleared = self._is_heard(key)

    def _is_heard(self, key: _Key) -> bool:
        if key.heard >= LISTEN_SLOTS_MAX:
            return True
        if self._final >= key.since + HEARD_SLOTS + self._patience:
            return True
        is_quiet = self._newest <= key.since
        return is_quiet and key.heard >= QUIET_SLOTS + self._patience

    # What was signed.

    def signed(self, what: bytes | SeenVote) -> None:
        """This node signed a block, by its hash, or a vote."""
        with self._lock:
            self._own[what] = None
            self._own.move_to_end(what)
            if len(self._own) > OWN_MAX:
                self._own.popitem(last=False)

    def saw_block(self, slot: int, author: bytes, block: bytes) -> None:
        """A block came from elsewhere, whose seal is its author's."""
        with self._lock:
            if block in self._own:
                return
            self._newest = max(self._newest, slot)
            self._judge(author, slot, block, is_vote=False)
            for vote in [vote for vote in self._waiting if vote.block == block]:
                del self._waiting[vote]
                self._judge(vote.key, slot, block, is_vote=True)

    def wants_vote(self, vote: SeenVote) -> bool:
        """Whether to look at a vote: cheap, and mostly no."""
        with self._lock:
            is_wanted = self._is_on and self._twin is None and vote.key in self._keys
            return is_wanted and vote not in self._own and vote not in self._waiting

    def is_later(self, key: bytes, slot: int) -> bool:
        """Whether what a key says of a block of this slot is no echo of an earlier life."""
        known = self._keys.get(key)
        return known is not None and slot > known.since

    def saw_vote(self, vote: SeenVote, slot: int | None) -> None:
        """A vote came from elsewhere, which was wanted and whose signature is its key's.

        ``slot``: of the block that it is for; None if that is not known here yet.
        """
        with self._lock:
            if vote in self._own:
                return
            if slot is not None:
                self._judge(vote.key, slot, vote.block, is_vote=True)
                return
            self._waiting[vote] = None
            if len(self._waiting) > WAITING_MAX:
                self._waiting.popitem(last=False)

    def _judge(self, key: bytes, slot: int, block: bytes, *, is_vote: bool) -> None:
        if self._is_on and self._twin is None and self.is_later(key, slot):
            self._twin = Twin(key, slot, block, is_vote)
