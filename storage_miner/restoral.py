"""Decides which lost fragments of others this miner rebuilds, and leads each to its end.

An open order is claimed, the fragment is rebuilt from any four survivors, and the order completed.
Miners look at orders in an order of their own, so that they seldom claim the same one.

Bounds: TASKS_MAX candidates are looked at in one listing; one fragment is worked on at a time; what
failed or was refused is left alone for SKIP_BLOCKS, at most SKIPPED_MAX of them remembered.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TypeAlias

from pallets.sminer.types import MinerState
from primitives.hashing import blake2_256
from primitives.types import AccountId, FragmentHash

from .facts import ChainFacts, Ended, MinerView, Outcome, Place, RestoralTask

TASKS_MAX = 512
SKIPPED_MAX = 1024
SKIP_BLOCKS = 64
SUBMIT_ATTEMPTS_MAX = 4


# Facts.


@dataclass(frozen=True, slots=True)
class TasksListed:
    """Fragments to restore, in the state of block `number`."""

    number: int
    tasks: tuple[RestoralTask, ...]


@dataclass(frozen=True, slots=True)
class ClaimEnded:
    """A claim ended."""

    fragment_hash: FragmentHash
    ended: Ended


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A fragment is on the disk, with the right hash."""

    fragment_hash: FragmentHash


@dataclass(frozen=True, slots=True)
class RebuildFailed:
    """A fragment could not be rebuilt this time."""

    fragment_hash: FragmentHash
    reason: str


@dataclass(frozen=True, slots=True)
class CompletionEnded:
    """The report of a rebuilt fragment ended."""

    fragment_hash: FragmentHash
    ended: Ended


# Effects.


@dataclass(frozen=True, slots=True)
class ClaimOrder:
    """Undertake to restore a fragment."""

    task: RestoralTask


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Rebuild a fragment from survivors; of use until block `deadline`."""

    task: RestoralTask
    deadline: int


@dataclass(frozen=True, slots=True)
class CompleteOrder:
    """Tell the chain that a restored fragment is held."""

    task: RestoralTask
    deadline: int


Fact: TypeAlias = MinerView | TasksListed | ClaimEnded | Rebuilt | RebuildFailed | CompletionEnded
Effect: TypeAlias = ClaimOrder | Rebuild | CompleteOrder


@dataclass(slots=True)
class _Current:
    task: RestoralTask
    deadline: int
    stage: str
    attempts: int = 0
    not_before: int = 0


@dataclass(frozen=True, slots=True)
class RestoralStatistics:
    """Counts for status."""

    working_on: str | None
    restored: int
    failed: int


class Restoral:
    """See the module."""

    def __init__(self, chain: ChainFacts, account: AccountId) -> None:
        self._chain = chain
        self._account = account
        self._view: MinerView | None = None
        self._tasks: tuple[RestoralTask, ...] = ()
        self._current: _Current | None = None
        self._skipped: OrderedDict[Place, int] = OrderedDict()
        self._effects: deque[Effect] = deque()
        self._restored = self._failed = 0

    def receive(self, what: Fact) -> None:
        """Take note of a fact."""
        match what:
            case MinerView():
                self._view = what
                self._watch_deadline(what.number)
            case TasksListed(_, tasks):
                self._tasks = self._in_own_order(tasks)
            case ClaimEnded(fragment_hash, ended):
                if self._is_at(fragment_hash, "claiming"):
                    self._claim_ended(ended)
            case Rebuilt(fragment_hash):
                if self._is_at(fragment_hash, "rebuilding"):
                    self._to_completion()
            case RebuildFailed(fragment_hash):
                if self._is_at(fragment_hash, "rebuilding"):
                    self._give_up()
            case CompletionEnded(fragment_hash, ended):
                if self._is_at(fragment_hash, "completing"):
                    self._completion_ended(ended)
        self._advance()

    def next_effect(self) -> Effect | None:
        """What is to be done next, if anything."""
        return self._effects.popleft() if self._effects else None

    def next_deadline(self) -> int | None:
        """The block by which the claimed fragment must be held."""
        return None if self._current is None else self._current.deadline

    def working_on(self) -> frozenset[FragmentHash]:
        """Fragments that must not be deleted."""
        if self._current is None:
            return frozenset()
        return frozenset({self._current.task.fragment_hash})

    def statistics(self) -> RestoralStatistics:
        """Counts for status."""
        current = self._current
        working_on = None if current is None else f"{current.task.fragment_hash.hex()}"
        return RestoralStatistics(working_on, self._restored, self._failed)

    # Private.

    def _number(self) -> int:
        return 0 if self._view is None else self._view.number

    def _is_at(self, fragment_hash: FragmentHash, stage: str) -> bool:
        current = self._current
        return (
            current is not None
            and current.stage == stage
            and current.task.fragment_hash == fragment_hash
        )

    def _in_own_order(self, tasks: tuple[RestoralTask, ...]) -> tuple[RestoralTask, ...]:
        def rank(task: RestoralTask) -> bytes:
            return blake2_256(bytes(self._account) + bytes(task.fragment_hash))

        return tuple(sorted(tasks[:TASKS_MAX], key=rank))

    def _advance(self) -> None:
        if self._current is None:
            self._choose()
            return
        current = self._current
        if current.stage == "completion" and self._number() >= current.not_before:
            current.stage = "completing"
            self._effects.append(CompleteOrder(current.task, current.deadline))

    def _choose(self) -> None:
        view = self._view
        if view is None or view.info is None or view.info.state != MinerState.Positive:
            return
        if view.info.idle_space < self._chain.fragment_bytes:
            return
        number = view.number
        for task in self._tasks:
            if number < self._skipped.get(task.place, 0):
                continue
            if task.claimed_by == self._account and number < task.deadline:
                # Claimed before a restart: go on.
                self._current = _Current(task, task.deadline, "rebuilding")
                self._effects.append(Rebuild(task, task.deadline))
                return
            if task.claimed_by is not None and (
                task.claimed_by == self._account or number <= task.deadline
            ):
                continue
            deadline = number + self._chain.restoral_order_life
            self._current = _Current(task, deadline, "claiming")
            self._effects.append(ClaimOrder(task))
            return

    def _claim_ended(self, ended: Ended) -> None:
        current = self._current
        assert current is not None, "because _is_at looked"
        if ended.outcome is Outcome.lost:
            # It may have counted, and a claim that lapses is fined: the next listing tells.
            self._tasks = tuple(one for one in self._tasks if one.place != current.task.place)
            self._current = None
            return
        if ended.outcome is not Outcome.done:
            self._skip()
            return
        current.stage = "rebuilding"
        self._effects.append(Rebuild(current.task, current.deadline))

    def _to_completion(self) -> None:
        current = self._current
        assert current is not None, "because _is_at looked"
        current.stage = "completion"

    def _completion_ended(self, ended: Ended) -> None:
        current = self._current
        assert current is not None, "because _is_at looked"
        if ended.outcome is Outcome.done:
            self._restored += 1
            self._skip()
        elif ended.outcome is Outcome.lost and current.attempts < SUBMIT_ATTEMPTS_MAX:
            current.attempts += 1
            current.not_before = self._number() + 1
            current.stage = "completion"
        else:
            self._give_up()

    def _watch_deadline(self, number: int) -> None:
        current = self._current
        if current is not None and number > current.deadline and current.stage != "completing":
            self._give_up()

    def _give_up(self) -> None:
        self._failed += 1
        self._skip()

    def _skip(self) -> None:
        """Leave the current fragment alone for a while, however it ended."""
        assert self._current is not None, "because something was being worked on"
        self._skipped[self._current.task.place] = self._number() + SKIP_BLOCKS
        while len(self._skipped) > SKIPPED_MAX:
            self._skipped.popitem(last=False)
        self._current = None
