"""Decides which fragments stay, which may be deleted, and which are reported as lost.

Three lists are compared: what the chain says we hold (of a finalized block), what it assigned to
us, and what is on the disk.

- A fragment on the disk that nobody asked for in DROP_AFTER_BLOCKS blocks is deleted. A holding
  that was removed stays listed by the chain, and so stays here, until no open round can ask for it.
- A holding whose bytes are gone is reported, except while the service part of a round is open:
  there the answer declares what is missing. What an answer on its way declares is not reported.
- What was reported or declared stays listed until that block is final. It is reported again only
  when it is listed still SETTLE_BLOCKS later: a second report would fail and cost its fee.
- When at once more than LOSSES_UNASKED_MAX fragments and a quarter of all are gone, that is rather
  a disk which was not mounted: nothing is reported until the operator runs `cess miner repair`.

Bounds: sets of fragment hashes, at most as many as the index and the chain list; one report is
under way at a time.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from primitives.types import FileHash, FragmentHash

from .facts import Ended, HeldFragment, MinerView, Outcome

DROP_AFTER_BLOCKS = 64
LOSSES_UNASKED_MAX = 4
LOSS_SHARE = 4
RETRY_BLOCKS = 16
SETTLE_BLOCKS = 16
"""A report that was taken is in a block at most so far above the last one that we had seen."""


class Absence(Enum):
    """Whether volumes of this miner are away, and if so, whether they are still waited for."""

    none = "none"
    waited_for = "waited for"
    given_up = "given up"


# Facts.


@dataclass(frozen=True, slots=True)
class HoldingsListed:
    """All holdings in the finalized state of block `number`, and the fragments on the disk."""

    number: int
    holdings: tuple[HeldFragment, ...]
    on_disk: tuple[FragmentHash, ...]


@dataclass(frozen=True, slots=True)
class FragmentLost:
    """A fragment's bytes are gone or wrong; its file was removed."""

    fragment_hash: FragmentHash


@dataclass(frozen=True, slots=True)
class FragmentFound:
    """A fragment is on the disk (again)."""

    fragment_hash: FragmentHash


@dataclass(frozen=True, slots=True)
class RestoringNow:
    """Fragments that are being rebuilt and must not be deleted."""

    fragment_hashes: frozenset[FragmentHash]


@dataclass(frozen=True, slots=True)
class VolumesLooked:
    """Whether volumes are away."""

    absence: Absence


@dataclass(frozen=True, slots=True)
class LossesDeclared:
    """An answer that declares these losses is sent; `LossReportEnded` follows for each."""

    fragment_hashes: tuple[FragmentHash, ...]


@dataclass(frozen=True, slots=True)
class LossReportEnded:
    """A report ended, or an answer that declared the loss."""

    fragment_hash: FragmentHash
    ended: Ended


# Effects.


@dataclass(frozen=True, slots=True)
class DropFragment:
    """Delete a fragment."""

    fragment_hash: FragmentHash


@dataclass(frozen=True, slots=True)
class ReportLoss:
    """Tell the chain that a fragment of a file is lost."""

    file_hash: FileHash
    fragment_hash: FragmentHash


Fact: TypeAlias = (
    MinerView
    | HoldingsListed
    | FragmentLost
    | FragmentFound
    | RestoringNow
    | VolumesLooked
    | LossesDeclared
    | LossReportEnded
)
Effect: TypeAlias = DropFragment | ReportLoss


@dataclass(frozen=True, slots=True)
class CustodyStatistics:
    """Counts for status. `is_suspended`: losses are not reported, and `reason` says why."""

    held: int
    lost: int
    unwanted: int
    is_suspended: bool
    reason: str = ""


class Custody:
    """See the module."""

    def __init__(self) -> None:
        self._holdings: dict[FragmentHash, FileHash] = {}
        self._kept: set[FragmentHash] = set()
        self._lost: set[FragmentHash] = set()
        self._certain: set[FragmentHash] = set()
        self._absence = Absence.none
        self._unwanted: dict[FragmentHash, int] = {}
        self._assigned: frozenset[FragmentHash] = frozenset()
        self._restoring: frozenset[FragmentHash] = frozenset()
        self._retry_at: dict[FragmentHash, int] = {}
        self._declared: set[FragmentHash] = set()
        self._settled: dict[FragmentHash, int] = {}
        self._reporting: FragmentHash | None = None
        self._is_round_open = False
        self._number = 0
        self._effects: deque[Effect] = deque()

    def receive(self, what: Fact) -> None:
        """Take note of a fact."""
        match what:
            case MinerView():
                self._number = what.number
                challenge = what.challenge
                self._is_round_open = challenge is not None and not challenge.service_done
                self._assigned = frozenset(item.fragment_hash for item in what.assignments)
            case HoldingsListed():
                self._list(what)
            case FragmentLost(fragment_hash):
                if fragment_hash in self._holdings:
                    self._lost.add(fragment_hash)
                    self._certain.add(fragment_hash)
            case FragmentFound(fragment_hash):
                self._lost.discard(fragment_hash)
                self._certain.discard(fragment_hash)
                self._unwanted.pop(fragment_hash, None)
            case RestoringNow(fragment_hashes):
                self._restoring = fragment_hashes
            case VolumesLooked(absence):
                if absence is Absence.none and self._absence is not Absence.none:
                    # What came back with the volume shows in the next listing.
                    self._lost &= self._certain
                self._absence = absence
            case LossesDeclared(fragment_hashes):
                self._declared.update(fragment_hashes)
            case LossReportEnded(fragment_hash, ended):
                self._report_ended(fragment_hash, ended)
        self._report_next()

    def next_effect(self) -> Effect | None:
        """What is to be done next, if anything."""
        return self._effects.popleft() if self._effects else None

    def next_deadline(self) -> int | None:
        """Nothing here is due by a block."""
        return None

    def statistics(self) -> CustodyStatistics:
        """Counts for status."""
        return CustodyStatistics(
            held=len(self._holdings),
            lost=len(self._lost),
            unwanted=len(self._unwanted),
            is_suspended=self._suspended() != "",
            reason=self._suspended(),
        )

    def lost(self) -> tuple[FragmentHash, ...]:
        """What is missing, ascending."""
        return tuple(sorted(self._lost))

    def is_certainly_lost(self, fragment_hash: FragmentHash) -> bool:
        """Whether a fragment's bytes were seen to be gone, rather than not found."""
        return fragment_hash in self._certain

    # Private.

    def _list(self, listed: HoldingsListed) -> None:
        listed_now = {
            item.fragment_hash: item.file_hash for item in listed.holdings if not item.is_removed
        }
        self._settled = {
            one: number
            for one, number in self._settled.items()
            if one in listed_now and listed.number <= number + SETTLE_BLOCKS
        }
        self._holdings = {one: file for one, file in listed_now.items() if one not in self._settled}
        self._kept = {item.fragment_hash for item in listed.holdings}
        on_disk = frozenset(listed.on_disk)
        self._lost = {one for one in self._holdings if one not in on_disk}
        self._certain &= self._lost
        self._drop_unwanted(listed.number, listed.on_disk)

    def _drop_unwanted(self, number: int, on_disk: Iterable[FragmentHash]) -> None:
        unwanted: dict[FragmentHash, int] = {}
        for fragment_hash in on_disk:
            if (
                fragment_hash in self._kept
                or fragment_hash in self._assigned
                or fragment_hash in self._restoring
            ):
                continue
            since = self._unwanted.get(fragment_hash, number)
            if number - since >= DROP_AFTER_BLOCKS:
                self._effects.append(DropFragment(fragment_hash))
            else:
                unwanted[fragment_hash] = since
        self._unwanted = unwanted

    def _suspended(self) -> str:
        """Why losses are not reported; empty when they are."""
        missing = len(self._lost)
        if self._absence is Absence.waited_for and missing > len(self._certain):
            return (
                f"{missing - len(self._certain)} fragments may lie on a volume that is away: bring "
                "it back, or give it up with `cess miner volumes forget`"
            )
        if (
            self._absence is Absence.none
            and missing > LOSSES_UNASKED_MAX
            and missing * LOSS_SHARE > len(self._holdings)
        ):
            return (
                f"{missing} of {len(self._holdings)} fragments are missing at once: is a disk not "
                "mounted? If they are really lost: `cess miner repair --report-losses`"
            )
        return ""

    def _report_next(self) -> None:
        if self._reporting is not None or self._is_round_open:
            return
        waits = self._suspended() != ""
        if waits and self._absence is Absence.none:
            return
        candidates = self._certain & self._lost if waits else self._lost
        for fragment_hash in sorted(candidates):
            if self._number < self._retry_at.get(fragment_hash, 0):
                continue
            if fragment_hash in self._assigned or fragment_hash in self._restoring:
                continue
            if fragment_hash in self._declared:
                continue
            self._reporting = fragment_hash
            self._effects.append(ReportLoss(self._holdings[fragment_hash], fragment_hash))
            return

    def _report_ended(self, fragment_hash: FragmentHash, ended: Ended) -> None:
        if fragment_hash == self._reporting:
            self._reporting = None
        self._declared.discard(fragment_hash)
        if ended.outcome is Outcome.done:
            self._lost.discard(fragment_hash)
            self._certain.discard(fragment_hash)
            self._holdings.pop(fragment_hash, None)
            self._retry_at.pop(fragment_hash, None)
            self._settled[fragment_hash] = self._number
        else:
            # Refused: it is of a deal still open, reported already, or listed anew later.
            self._retry_at[fragment_hash] = self._number + RETRY_BLOCKS
