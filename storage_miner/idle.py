"""Decides which plots a miner makes, certifies, retires and deletes.

The wanted plots are those that the chain counts (front up to rear), those of a certification under
way, and the next batch for which declared space, quota and `plots_max` have room. A missing or
damaged one is made again: a plot follows from its index. A batch is certified when all of it is on
the disk. Displaced plots are retired while no idle round is open and deleted when the chain's front
has passed them in a finalized view, so that no fork asks for a plot that is gone.

While the operator has plotting paused none is begun; certifying and retiring go on.

Bounds: one plot is made at a time, one submission is under way; BATCH_MAX plots in a certification.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pallets.sminer.types import MinerState
from primitives.types import Hash
from proofs.pois.params import plot_bytes

from .facts import ChainFacts, Ended, MinerView, Outcome

BATCH_MIN = 4
"""The first certification is of so many plots at least; then batches double."""

BATCH_MAX = 64
RETRY_BLOCKS = 8
PAUSED = "plotting is paused; `cess miner plots resume` lets it go on"
NO_ROOM = "no volume has room for the temporary files of a plot"
PROVE_FAILURES_MAX = 3


# Facts.


@dataclass(frozen=True, slots=True)
class PlotsListed:
    """The plots on the disk, by index, as of the start."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SpaceMeasured:
    """How many plots more the volumes have room for, and whether one can be begun now.

    Fragments arrive before the plots that they displace are retired; their headroom is left out.
    """

    plots: int
    can_begin: bool
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class PlotMade:
    """A plot is on the disk."""

    index: int


@dataclass(frozen=True, slots=True)
class PlotFailed:
    """A plot could not be made."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class PlotsDamaged:
    """Plots that do not answer as they should, or are missing."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlotDeleted:
    """A plot is no longer on the disk."""

    index: int


@dataclass(frozen=True, slots=True)
class FrontFinalized:
    """In the finalized state of block `number` no plot before `front` can be asked for."""

    number: int
    front: int


@dataclass(frozen=True, slots=True)
class CertificateProved:
    """The answers to a certification are ready."""

    seed: Hash
    answers: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class CertificateFailed:
    """The answers to a certification could not be computed this time."""

    seed: Hash
    reason: str


@dataclass(frozen=True, slots=True)
class IdleCallEnded:
    """A submission of this core ended."""

    ended: Ended


# Effects.


@dataclass(frozen=True, slots=True)
class MakePlot:
    """Make the plot of `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class DeletePlot:
    """Delete the plot of `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class RequestCertificate:
    """Ask the chain to certify `count` plots more."""

    count: int


@dataclass(frozen=True, slots=True)
class ProveCertificate:
    """Compute the answers for plots `first` up to, not including, `end`."""

    seed: Hash
    first: int
    end: int
    deadline: int


@dataclass(frozen=True, slots=True)
class SubmitCertificate:
    """Send the answers of a certification."""

    answers: tuple[tuple[int, bytes], ...]
    deadline: int


@dataclass(frozen=True, slots=True)
class RetirePlots:
    """Tell the chain that the `count` oldest plots go."""

    count: int


Fact: TypeAlias = (
    MinerView
    | PlotsListed
    | SpaceMeasured
    | PlotMade
    | PlotFailed
    | PlotsDamaged
    | PlotDeleted
    | FrontFinalized
    | CertificateProved
    | CertificateFailed
    | IdleCallEnded
)
Effect: TypeAlias = (
    MakePlot | DeletePlot | RequestCertificate | ProveCertificate | SubmitCertificate | RetirePlots
)


@dataclass(frozen=True, slots=True)
class IdleStatistics:
    """What status tells. `reason` says why no plot is being made, if none is."""

    plots: int
    certified: int
    wanted: int
    making: int | None
    reason: str


class Idle:
    """See the module."""

    def __init__(self, chain: ChainFacts, plots_max: int | None) -> None:
        self._k = chain.plot_k
        self._plots_max = plots_max
        self._on_disk: set[int] = set()
        self._is_listed = False
        self._view: MinerView | None = None
        self._space = SpaceMeasured(0, False)
        self._finalized_front = 0
        self._making: int | None = None
        self._make_after = 0
        self._deleting: set[int] = set()
        self._is_calling = False
        self._call_after = 0
        self._proving: Hash | None = None
        self._prove_failures = 0
        self._answers: CertificateProved | None = None
        self._failure = ""
        self._effects: deque[Effect] = deque()

    def receive(self, what: Fact) -> None:
        """Take note of a fact."""
        match what:
            case MinerView():
                self._view = what
                self._forget_old_certificate(what)
            case PlotsListed(indexes):
                self._on_disk = set(indexes)
                self._is_listed = True
            case SpaceMeasured():
                self._space = what
            case PlotMade(index):
                self._making = None
                self._failure = ""
                self._on_disk.add(index)
            case PlotFailed(_, reason):
                self._making = None
                self._failure = reason
                self._make_after = self._number() + RETRY_BLOCKS
            case PlotsDamaged(indexes):
                self._on_disk.difference_update(indexes)
            case PlotDeleted(index):
                self._deleting.discard(index)
                self._on_disk.discard(index)
            case FrontFinalized(_, front):
                self._finalized_front = max(front, self._finalized_front)
            case CertificateProved(seed):
                if self._proving == seed:
                    self._answers = what
                    self._proving = None
            case CertificateFailed(seed, reason):
                if self._proving == seed:
                    self._proving = None
                    self._prove_failures += 1
                    self._failure = reason
                    self._call_after = self._number() + 1
            case IdleCallEnded(ended):
                self._call_ended(ended)
        self._advance()

    def next_effect(self) -> Effect | None:
        """What is to be done next, if anything."""
        return self._effects.popleft() if self._effects else None

    def next_deadline(self) -> int | None:
        """The block by which an open certification must be answered."""
        pending = None if self._view is None else self._view.pending_idle
        return None if pending is None or pending.seed is None else int(pending.deadline)

    def statistics(self) -> IdleStatistics:
        """Counts for status."""
        front, rear = self._certified()
        wanted = rear - front
        batch = 0
        reason = self._failure
        if self._view is not None and self._view.info is not None:
            batch, why = self._next_batch(self._view)
            reason = reason or why
        if self._space.is_paused:
            reason = PAUSED
        return IdleStatistics(len(self._on_disk), wanted, wanted + batch, self._making, reason)

    # Private.

    def _number(self) -> int:
        return 0 if self._view is None else self._view.number

    def _certified(self) -> tuple[int, int]:
        if self._view is None or self._view.info is None:
            return 0, 0
        plots = self._view.info.space_proof_info
        return int(plots.front), int(plots.rear)

    def _forget_old_certificate(self, view: MinerView) -> None:
        pending = view.pending_idle
        if pending is None or self._answers is None or self._answers.seed != pending.seed:
            self._answers = None
        if pending is None or pending.seed is None:
            self._prove_failures = 0

    def _advance(self) -> None:
        view = self._view
        if view is None or not self._is_listed:
            return
        self._delete_old(view)
        if view.info is None:
            return
        if view.info.state in (MinerState.Positive, MinerState.Frozen, MinerState.Lock):
            self._make_missing(view)
        if not self._is_calling and view.number >= self._call_after:
            self._call(view)

    def _make_missing(self, view: MinerView) -> None:
        if self._making is not None or view.number < self._make_after:
            return
        missing = next((i for i in self._wanted(view) if i not in self._on_disk), None)
        if missing is None or missing in self._deleting:
            return
        if self._space.is_paused:
            return
        if not self._space.can_begin:
            self._failure = NO_ROOM
            return
        self._making = missing
        self._effects.append(MakePlot(missing))

    def _wanted(self, view: MinerView) -> Iterable[int]:
        front, rear = self._certified()
        yield from range(front, rear)
        pending = view.pending_idle
        if pending is not None:
            yield from range(int(pending.from_index), int(pending.to_index))
            return
        count, _ = self._next_batch(view)
        yield from range(rear, rear + count)

    def _next_batch(self, view: MinerView) -> tuple[int, str]:
        """How many plots to certify next, and if none, why."""
        info = view.info
        if info is None or info.state != MinerState.Positive:
            return 0, "the miner is not positive"
        size = plot_bytes(self._k)
        used = int(info.idle_space + info.service_space + info.lock_space)
        front, rear = self._certified()
        declared = (int(info.declaration_space) - used) // size
        if declared <= 0:
            return 0, "the declared space is in use"
        # Plots on the disk beyond the rear are of this batch and take no more space.
        ahead = sum(1 for index in self._on_disk if index >= rear)
        free = self._space.plots
        if free + ahead <= 0:
            return 0, "the configured space or the disk is full"
        live = rear - front
        allowed = BATCH_MAX if self._plots_max is None else self._plots_max - live
        if allowed <= 0:
            return 0, "`idle_plots` is reached"
        batch = min(declared, free + ahead, allowed, BATCH_MAX, max(BATCH_MIN, live))
        return batch, ""

    def _call(self, view: MinerView) -> None:
        info = view.info
        assert info is not None, "because _advance looked"
        if info.state != MinerState.Positive:
            return
        pending = view.pending_idle
        if pending is not None and pending.seed is None:
            return
        if pending is not None and pending.seed is not None and view.number < pending.deadline:
            self._answer(
                pending.seed, int(pending.from_index), int(pending.to_index), int(pending.deadline)
            )
            return
        if self._retire(view):
            return
        _, rear = self._certified()
        count, _ = self._next_batch(view)
        if count and all(index in self._on_disk for index in range(rear, rear + count)):
            self._is_calling = True
            self._effects.append(RequestCertificate(count))

    def _answer(self, seed: Hash, first: int, end: int, deadline: int) -> None:
        if self._proving is not None or self._prove_failures >= PROVE_FAILURES_MAX:
            return
        if self._answers is not None and self._answers.seed == seed:
            self._is_calling = True
            self._effects.append(SubmitCertificate(self._answers.answers, deadline))
            return
        if all(index in self._on_disk for index in range(first, end)):
            self._proving = seed
            self._effects.append(ProveCertificate(seed, first, end, deadline))

    def _retire(self, view: MinerView) -> bool:
        challenge = view.challenge
        if challenge is not None and not challenge.idle_done:
            return False
        front, rear = self._certified()
        count = min(view.pending_replacements // plot_bytes(self._k), rear - front)
        if count <= 0:
            return False
        self._is_calling = True
        self._effects.append(RetirePlots(count))
        return True

    def _delete_old(self, view: MinerView) -> None:
        """Plots before the finalized front, unless an open round still asks for them."""
        limit = self._finalized_front
        challenge = view.challenge
        if challenge is not None and not challenge.idle_done:
            limit = min(limit, int(challenge.idle_front))
        for index in sorted(self._on_disk):
            if index >= limit:
                return
            if index not in self._deleting and index != self._making:
                self._deleting.add(index)
                self._effects.append(DeletePlot(index))

    def _call_ended(self, ended: Ended) -> None:
        self._is_calling = False
        # The chain's answer shows in the next view; nothing is sent before it.
        wait = 1
        if ended.outcome is Outcome.refused:
            self._failure = f"the chain refused: {ended.error}"
            self._answers = None
            wait = RETRY_BLOCKS
        elif ended.outcome is Outcome.done:
            self._failure = ""
        self._call_after = self._number() + wait
