"""Decides when a miner proves and submits. Holds at most the two parts of one open round.

Drive it: `receive` a fact, then call `next_effect` until it returns None; `next_deadline` is the
block by which something must have been submitted. The chain is the memory: after a restart the next
`MinerView` names the open round, and the work begins again.

Guarantees, tested as properties over any order of facts:
- each part of each round that is seen open ends in exactly one of: a submission that the chain took
  or refused, or a `Miss` with its reason;
- no two submissions of a part are under way at once, and none follows one that the chain answered;
- nothing is submitted that could only be included after its deadline.

Bounds: two `_Work` entries; replies that belong to another round or seed are dropped.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from pallets.audit.types import ChallengeInfo
from primitives.types import Bytes48, Hash

from .facts import Ended, MinerView, Outcome

PROVE_ATTEMPTS_MAX = 5
SUBMIT_ATTEMPTS_MAX = 8


class Part(Enum):
    """The two questions of a round."""

    service = "service"
    idle = "idle"


@dataclass(frozen=True, slots=True)
class RoundKey:
    """Which question an answer belongs to. Two forks may ask one round with different seeds."""

    part: Part
    round_number: int
    seed: Hash


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What goes on chain for the service part; `faulty` are indexes into the positions."""

    faulty: tuple[int, ...]
    y: bytes
    proof: Bytes48


@dataclass(frozen=True, slots=True)
class IdleAnswers:
    """What goes on chain for the idle part: draws with their proofs."""

    answers: tuple[tuple[int, bytes], ...]


Answer: TypeAlias = ServiceAnswer | IdleAnswers


# Facts.


@dataclass(frozen=True, slots=True)
class Proved:
    """An answer is ready."""

    key: RoundKey
    answer: Answer


@dataclass(frozen=True, slots=True)
class ProofFailed:
    """An answer could not be computed this time."""

    key: RoundKey
    reason: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """An answer waits for something outside; it is computed when the next block is seen."""

    key: RoundKey
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """A submission ended."""

    key: RoundKey
    ended: Ended


# Effects.


@dataclass(frozen=True, slots=True)
class Prove:
    """Compute the answer to a part of `challenge`."""

    key: RoundKey
    challenge: ChallengeInfo
    deadline: int


@dataclass(frozen=True, slots=True)
class Submit:
    """Send an answer; it is of use until block `deadline`."""

    key: RoundKey
    answer: Answer
    deadline: int


@dataclass(frozen=True, slots=True)
class Miss:
    """A part will not be answered in time; `reason` is for people."""

    key: RoundKey
    reason: str


Fact: TypeAlias = MinerView | Proved | ProofFailed | Postponed | AnswerEnded
Effect: TypeAlias = Prove | Submit | Miss


class _Stage(Enum):
    waiting = "waiting"
    proving = "proving"
    proved = "proved"
    submitting = "submitting"
    ended = "ended"


@dataclass(slots=True)
class _Work:
    key: RoundKey
    challenge: ChallengeInfo
    deadline: int
    stage: _Stage = _Stage.waiting
    answer: Answer | None = None
    not_before: int = 0
    prove_failures: int = 0
    submit_failures: int = 0
    reason: str = "there was no time"


@dataclass(frozen=True, slots=True)
class ResponderStatistics:
    """Counts since the start of the process, and what is open."""

    submitted: int
    refused: int
    missed: int
    open_parts: tuple[str, ...]


class Responder:
    """See the module."""

    def __init__(self) -> None:
        self._work: dict[Part, _Work] = {}
        self._effects: deque[Effect] = deque()
        self._number = 0
        self._submitted = self._refused = self._missed = 0

    def receive(self, what: Fact) -> None:
        """Take note of a fact."""
        match what:
            case MinerView():
                self._see(what)
            case Proved(key, answer):
                work = self._current(key)
                if work is not None and work.stage is _Stage.proving:
                    work.answer = answer
                    work.stage = _Stage.proved
                    self._advance(work)
            case ProofFailed(key, reason):
                work = self._current(key)
                if work is not None and work.stage is _Stage.proving:
                    self._prove_failed(work, reason)
            case Postponed(key, reason):
                work = self._current(key)
                if work is not None and work.stage is _Stage.proving:
                    work.stage = _Stage.waiting
                    work.reason = reason
                    work.not_before = self._number + 1
                    self._advance(work)
            case AnswerEnded(key, ended):
                work = self._current(key)
                if work is not None and work.stage is _Stage.submitting:
                    self._submit_ended(work, ended)

    def next_effect(self) -> Effect | None:
        """What is to be done next, if anything."""
        return self._effects.popleft() if self._effects else None

    def next_deadline(self) -> int | None:
        """The block by which the next answer is due."""
        due = [work.deadline for work in self._work.values() if work.stage is not _Stage.ended]
        return min(due, default=None)

    def is_open(self, part: Part) -> bool:
        """Whether a part waits for its answer."""
        work = self._work.get(part)
        return work is not None and work.stage is not _Stage.ended

    def statistics(self) -> ResponderStatistics:
        """Counts for status."""
        parts = tuple(
            f"{work.key.part.value}:{work.stage.value}"
            for work in self._work.values()
            if work.stage is not _Stage.ended
        )
        return ResponderStatistics(self._submitted, self._refused, self._missed, parts)

    # Private.

    def _see(self, view: MinerView) -> None:
        self._number = view.number
        challenge = view.challenge
        self._see_part(Part.service, challenge, challenge is None or challenge.service_done)
        self._see_part(Part.idle, challenge, challenge is None or challenge.idle_done)
        for work in self._work.values():
            self._advance(work)

    def _see_part(self, part: Part, challenge: ChallengeInfo | None, is_done: bool) -> None:
        known = self._work.get(part)
        if challenge is None or is_done:
            if known is None or self._may_return(known):
                return
            if known.submit_failures and self._number <= known.deadline:
                # Only an answer closes a part before its deadline: ours arrived after all.
                self._end_answered(known)
            self._end_unanswered(known, "the round was closed")
            del self._work[part]
            return
        key = RoundKey(part, int(challenge.round), challenge.seed)
        if known is not None and known.key == key:
            return
        if known is not None:
            self._end_unanswered(known, "another round took its place")
        deadline = challenge.deadline if part is Part.service else challenge.idle_deadline
        self._work[part] = _Work(key, challenge, int(deadline))

    def _may_return(self, work: _Work) -> bool:
        """A submission under way explains that the part is done; its own end is still to come."""
        return work.stage is _Stage.submitting and self._number <= work.deadline

    def _advance(self, work: _Work) -> None:
        if work.stage is _Stage.ended:
            return
        # What is sent now is in the next block at the earliest.
        if self._number >= work.deadline:
            if work.stage is not _Stage.submitting or self._number > work.deadline:
                self._end_unanswered(work, work.reason)
            return
        if self._number < work.not_before:
            return
        match work.stage:
            case _Stage.waiting:
                work.stage = _Stage.proving
                self._effects.append(Prove(work.key, work.challenge, work.deadline))
            case _Stage.proved:
                assert work.answer is not None, "because it is set with the stage"
                work.stage = _Stage.submitting
                self._effects.append(Submit(work.key, work.answer, work.deadline))
            case _Stage.proving | _Stage.submitting:
                pass

    def _prove_failed(self, work: _Work, reason: str) -> None:
        work.prove_failures += 1
        work.reason = reason
        if work.prove_failures >= PROVE_ATTEMPTS_MAX:
            self._end_unanswered(work, reason)
            return
        work.stage = _Stage.waiting
        work.not_before = self._number + 1
        self._advance(work)

    def _submit_ended(self, work: _Work, ended: Ended) -> None:
        match ended.outcome:
            case Outcome.done:
                self._end_answered(work)
            case Outcome.refused:
                work.stage = _Stage.ended
                self._refused += 1
            case Outcome.lost:
                work.submit_failures += 1
                work.reason = ended.error or "the node could not be reached"
                if work.submit_failures >= SUBMIT_ATTEMPTS_MAX:
                    self._end_unanswered(work, work.reason)
                    return
                # The next view tells whether it arrived after all; only then it is sent again.
                work.stage = _Stage.proved
                work.not_before = self._number + 1

    def _end_answered(self, work: _Work) -> None:
        if work.stage is not _Stage.ended:
            work.stage = _Stage.ended
            self._submitted += 1

    def _end_unanswered(self, work: _Work, reason: str) -> None:
        if work.stage is not _Stage.ended:
            work.stage = _Stage.ended
            self._missed += 1
            self._effects.append(Miss(work.key, reason))

    def _current(self, key: RoundKey) -> _Work | None:
        work = self._work.get(key.part)
        return work if work is not None and work.key == key else None
