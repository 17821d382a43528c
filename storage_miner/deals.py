"""Decides what happens with fragments of open deals: received, committed, co-signed, reported.

Drive it like every core: `receive`, then `next_effect` until None. What is assigned comes with each
`MinerView`; what is on the disk and what was co-signed is told once at the start and then as it
comes. Nothing here is lost by a crash: assignments are on chain, fragments, commitments and
co-signatures on disk.

Bounds: ASSIGNMENTS_MAX places, one co-signature for each; REPORTS_OUTSTANDING_MAX reports under
way, one for a deal; REPORT_PLACES_MAX places in a report. A co-signature whose place is not
assigned for FORGET_AFTER_BLOCKS is dropped.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from primitives.types import FileHash, FragmentHash

from .facts import Assignment, Ended, MinerView, Outcome, Place
from .store.records import Cosignature

REPORT_PLACES_MAX = 8
REPORTS_OUTSTANDING_MAX = 4
COMMITS_OUTSTANDING_MAX = 8
FORGET_AFTER_BLOCKS = 8
RETRY_BLOCKS_MAX = 16
STATE_RETRY_BLOCKS = 16
COMMIT_FAILURES_MAX = 5

# Errors that say: this place will never be taken from us, with this signature.
FINAL_ERRORS = frozenset(
    {
        "NonExistent",
        "NotAssigned",
        "Expired",
        "AlreadyReported",
        "CommitmentCount",
        "InvalidCommitment",
        "InvalidCoSignature",
    }
)


# Facts.


@dataclass(frozen=True, slots=True)
class FragmentStored:
    """A fragment is on the disk; `is_committed` when its commitments are, too."""

    fragment_hash: FragmentHash
    is_committed: bool = False


@dataclass(frozen=True, slots=True)
class FragmentGone:
    """A fragment is no longer on the disk."""

    fragment_hash: FragmentHash


@dataclass(frozen=True, slots=True)
class Committed:
    """A fragment's commitments are on the disk."""

    fragment_hash: FragmentHash


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """The commitments could not be computed this time."""

    fragment_hash: FragmentHash
    reason: str


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A sender's signature is on the disk."""

    item: Cosignature


@dataclass(frozen=True, slots=True)
class ReportEnded:
    """A report of `items` ended."""

    file_hash: FileHash
    items: tuple[Cosignature, ...]
    ended: Ended


# Effects.


@dataclass(frozen=True, slots=True)
class Commit:
    """Compute a fragment's commitments and keep them."""

    fragment_hash: FragmentHash
    deadline: int


@dataclass(frozen=True, slots=True)
class Report:
    """Submit a transfer report of `items`, all of one deal."""

    file_hash: FileHash
    items: tuple[Cosignature, ...]
    deadline: int


@dataclass(frozen=True, slots=True)
class DropCosignature:
    """Forget a co-signature that was reported, or that is of no use."""

    item: Cosignature


Fact: TypeAlias = (
    MinerView | FragmentStored | FragmentGone | Committed | CommitFailed | Cosigned | ReportEnded
)
Effect: TypeAlias = Commit | Report | DropCosignature


@dataclass(slots=True)
class _Signed:
    item: Cosignature
    failures: int = 0
    not_before: int = 0
    is_alone: bool = False
    is_out: bool = False
    unassigned_since: int | None = None


@dataclass(frozen=True, slots=True)
class DealStatistics:
    """How many assigned places stand where."""

    assigned: int
    awaited: int
    stored: int
    cosigned: int
    reported: int


class Deals:
    """See the module."""

    def __init__(self) -> None:
        self._assigned: dict[Place, Assignment] = {}
        self._stored: dict[FragmentHash, bool] = {}
        self._committing: set[FragmentHash] = set()
        self._commit_failures: dict[FragmentHash, int] = {}
        self._commit_after: dict[FragmentHash, int] = {}
        self._signed: dict[Place, _Signed] = {}
        self._reporting: set[FileHash] = set()
        self._effects: deque[Effect] = deque()
        self._number = 0
        self._reported = 0

    def receive(self, what: Fact) -> None:
        """Take note of a fact."""
        match what:
            case MinerView():
                self._see(what)
            case FragmentStored(fragment_hash, is_committed):
                self._stored[fragment_hash] = is_committed
            case FragmentGone(fragment_hash):
                self._stored.pop(fragment_hash, None)
            case Committed(fragment_hash):
                self._committing.discard(fragment_hash)
                self._commit_failures.pop(fragment_hash, None)
                if fragment_hash in self._stored:
                    self._stored[fragment_hash] = True
            case CommitFailed(fragment_hash):
                self._committing.discard(fragment_hash)
                failures = self._commit_failures.get(fragment_hash, 0) + 1
                self._commit_failures[fragment_hash] = failures
                self._commit_after[fragment_hash] = self._number + min(
                    1 << failures, RETRY_BLOCKS_MAX
                )
            case Cosigned(item):
                place = place_of(item)
                if place in self._assigned or self._number == 0:
                    self._signed[place] = _Signed(item)
                else:
                    self._effects.append(DropCosignature(item))
            case ReportEnded(file_hash, items, ended):
                self._reporting.discard(file_hash)
                self._report_ended(items, ended)
        self._advance()

    def next_effect(self) -> Effect | None:
        """What is to be done next, if anything."""
        return self._effects.popleft() if self._effects else None

    def next_deadline(self) -> int | None:
        """The block by which the next assigned place must be reported."""
        return min((item.deadline for item in self._assigned.values()), default=None)

    def places_of(self, fragment_hash: bytes) -> tuple[Assignment, ...]:
        """The assigned places of a fragment, as of the last view."""
        return tuple(
            item for item in self._assigned.values() if item.fragment_hash == fragment_hash
        )

    def statistics(self) -> DealStatistics:
        """Counts for status."""
        stored = sum(item.fragment_hash in self._stored for item in self._assigned.values())
        return DealStatistics(
            assigned=len(self._assigned),
            awaited=len(self._assigned) - stored,
            stored=stored,
            cosigned=len(self._signed),
            reported=self._reported,
        )

    # Private.

    def _see(self, view: MinerView) -> None:
        self._number = view.number
        self._assigned = {item.place: item for item in view.assignments}
        for place, signed in list(self._signed.items()):
            if place in self._assigned:
                signed.unassigned_since = None
            elif signed.is_out:
                pass  # its own end tells
            elif signed.unassigned_since is None:
                signed.unassigned_since = view.number
            elif view.number - signed.unassigned_since >= FORGET_AFTER_BLOCKS:
                self._drop(place)
        wanted = {item.fragment_hash for item in view.assignments}
        for waits in (self._commit_failures, self._commit_after):
            for fragment_hash in [one for one in waits if one not in wanted]:
                del waits[fragment_hash]

    def _advance(self) -> None:
        self._start_commits()
        self._start_reports()

    def _start_commits(self) -> None:
        for item in self._assigned.values():
            if len(self._committing) >= COMMITS_OUTSTANDING_MAX:
                return
            fragment_hash = item.fragment_hash
            if self._stored.get(fragment_hash) is not False or fragment_hash in self._committing:
                continue
            if self._commit_failures.get(fragment_hash, 0) >= COMMIT_FAILURES_MAX:
                continue
            if self._number < self._commit_after.get(fragment_hash, 0):
                continue
            self._committing.add(fragment_hash)
            self._effects.append(Commit(fragment_hash, item.deadline))

    def _start_reports(self) -> None:
        for place, signed in self._signed.items():
            if len(self._reporting) >= REPORTS_OUTSTANDING_MAX:
                return
            if place.file_hash in self._reporting or not self._is_ready(place, signed):
                continue
            batch = [signed] if signed.is_alone else list(self._companions(place.file_hash))
            for one in batch:
                one.is_out = True
            self._reporting.add(place.file_hash)
            items = tuple(one.item for one in batch)
            deadline = min(self._assigned[place_of(item)].deadline for item in items)
            self._effects.append(Report(place.file_hash, items, deadline))

    def _companions(self, file_hash: FileHash) -> Iterable[_Signed]:
        count = 0
        for place, signed in self._signed.items():
            if place.file_hash != file_hash or signed.is_alone:
                continue
            if self._is_ready(place, signed):
                yield signed
                count += 1
                if count == REPORT_PLACES_MAX:
                    return

    def _is_ready(self, place: Place, signed: _Signed) -> bool:
        """Assigned, on the disk with its commitments, not under way and not waiting."""
        assignment = self._assigned.get(place)
        return (
            assignment is not None
            and self._number < assignment.deadline
            and not signed.is_out
            and self._number >= signed.not_before
            and self._stored.get(signed.item.fragment_hash) is True
        )

    def _report_ended(self, items: tuple[Cosignature, ...], ended: Ended) -> None:
        for item in items:
            place = place_of(item)
            signed = self._signed.get(place)
            if signed is None:
                continue
            signed.is_out = False
            match ended.outcome:
                case Outcome.done:
                    self._reported += 1
                    self._assigned.pop(place, None)
                    self._drop(place)
                case Outcome.refused if ended.error in FINAL_ERRORS and len(items) == 1:
                    self._drop(place)
                case Outcome.refused if ended.error in FINAL_ERRORS:
                    # One of them is wrong; the others must not suffer for it.
                    signed.is_alone = True
                case Outcome.refused:
                    signed.not_before = self._number + STATE_RETRY_BLOCKS
                case Outcome.lost:
                    signed.failures += 1
                    wait = min(1 << (signed.failures - 1), RETRY_BLOCKS_MAX)
                    signed.not_before = self._number + wait

    def _drop(self, place: Place) -> None:
        self._effects.append(DropCosignature(self._signed.pop(place).item))


def place_of(item: Cosignature) -> Place:
    """The place that a co-signature is for."""
    return Place(item.file_hash, item.segment_index, item.fragment_index)
