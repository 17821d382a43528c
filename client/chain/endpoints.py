"""Decides which of several nodes a client uses. No I/O: looks in, choices out.

A node is used when its genesis is ours, its head is not more than ``lag_blocks_max`` behind those
of the others, and it has what was seen already: our last final block as its own, and a head as high
as ours. The nodes that came first in the list are preferred; one that failed is returned to after
it was well for ``settle_s``.

Heights are compared within one round of looks, by answers that came within ``quick_look_s``. Of
three or more nodes the highest claim counts only when a second one confirms it, so that one liar
does not make the honest ones look late; between two nodes the higher one is believed.

What was final once is final: a node that answers with an older final block, or with another block
at that height, is refused. The other facts that a node tells are believed as ever.

Drive it: make the looks that `to_look` orders, all at once, and ``receive`` how they ended; ask
``in_use``; then call ``next_effect`` until it returns None. Do so again at `next_due` and whenever
a node failed.

Bounds: ENDPOINTS_MAX nodes, of each one record. A node that fails again and again is looked at
after delays that double up to ``reconnect_delay_max_s``; its record is clean after ``settle_s``
without failure. A state of affairs is told of when it begins, at most once in TELL_EVERY_S.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from client.addresses import ENDPOINTS_MAX
from client.chain.limits import ChainLimits
from primitives.types import Hash

__all__ = [
    "TELL_EVERY_S",
    "BestSeen",
    "Changed",
    "Effect",
    "EndpointReport",
    "Endpoints",
    "Failed",
    "Final",
    "FinalSeen",
    "Look",
    "LookFailed",
    "Looked",
    "NobodyUsable",
    "Refused",
    "Sighting",
    "Standing",
    "Unfit",
]

TELL_EVERY_S: Final = 60.0
_DOUBLINGS_MAX: Final = 16


class Standing(Enum):
    """What is known of a node. Only a good one is used."""

    unknown = "not looked at"
    good = "good"
    unreachable = "unreachable"
    other_chain = "other chain"
    behind = "behind"
    other_blocks = "other final blocks"


# Orders to look.


@dataclass(frozen=True, slots=True)
class Look:
    """Look at node ``index``: its heads, its genesis, and its block at height ``mark``.

    ``mark`` and ``best`` are the final and the best height that we had seen when it was ordered.
    """

    index: int
    mark: int
    best: int


# Facts.


@dataclass(frozen=True, slots=True)
class Sighting:
    """A look that was answered, after ``took_s``. ``at_mark``: its block at that height, if any."""

    look: Look
    genesis: Hash
    best: int
    finalized: int
    at_mark: Hash | None
    took_s: float


@dataclass(frozen=True, slots=True)
class LookFailed:
    """A look that was not answered."""

    look: Look
    why: str


@dataclass(frozen=True, slots=True)
class Looked:
    """How the looks of one order ended."""

    found: tuple[Sighting | LookFailed, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """A connection to node ``index`` broke while it was used."""

    index: int
    why: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """Node ``index`` gave an answer that no node of our chain gives."""

    index: int
    standing: Standing
    why: str


@dataclass(frozen=True, slots=True)
class FinalSeen:
    """The node in use told its last final block."""

    number: int
    hash: Hash


@dataclass(frozen=True, slots=True)
class BestSeen:
    """The node in use told its best block."""

    number: int


Fact: TypeAlias = Looked | Failed | Unfit | FinalSeen | BestSeen


# Effects.


@dataclass(frozen=True, slots=True)
class Changed:
    """Another node is used now, or one is again."""

    url: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A node answers and must not be used; ``why`` is for people."""

    url: str
    standing: Standing
    why: str


@dataclass(frozen=True, slots=True)
class NobodyUsable:
    """There is no node to use now; ``why`` names each."""

    why: str


Effect: TypeAlias = Changed | Refused | NobodyUsable


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """A node for status. ``lag_blocks``: behind the others at the last look; None: not seen."""

    url: str
    standing: Standing
    why: str
    is_in_use: bool
    best: int | None
    finalized: int | None
    lag_blocks: int | None


@dataclass(slots=True)
class _Node:
    url: str
    standing: Standing = Standing.unknown
    why: str = ""
    best: int | None = None
    finalized: int | None = None
    lag: int | None = None
    failures: int = 0
    retry_at: float = 0.0
    steady_since: float = math.inf
    is_level: bool = False
    """Whether it had all that we have seen, at the last look."""
    told: Standing | None = None
    told_at: float = -math.inf

    @property
    def is_good(self) -> bool:
        return self.standing is Standing.good


class Endpoints:
    """See the module. ``genesis``: of our chain; None: that of the first node which answers."""

    def __init__(
        self, urls: Sequence[str], limits: ChainLimits, genesis: Hash | None = None
    ) -> None:
        assert 1 <= len(urls) <= ENDPOINTS_MAX, "because parse_endpoints sees to it"
        self._nodes = [_Node(url) for url in urls]
        self._limits = limits
        self.genesis = genesis
        self.in_use: int | None = None
        self.mark: tuple[int, Hash] | None = None
        self._best = 0
        self._needed_since: float | None = None
        self._look_at = 0.0
        self._told: int | None = None
        self._told_nobody_at = -math.inf
        self._is_nobody_told = False
        self._effects: deque[Effect] = deque()

    @property
    def urls(self) -> tuple[str, ...]:
        """All addresses, the preferred one first."""
        return tuple(node.url for node in self._nodes)

    def receive(self, what: Fact, now: float) -> None:
        """Take note of a fact; ``now`` is in seconds of a clock that does not go back."""
        match what:
            case Looked(found):
                self._judge(found, now)
                self._choose(now)
            case Failed(index, why):
                if index == self.in_use:
                    self._fail(index, Standing.unreachable, why, now)
                    if len(self._nodes) == 1 or self._nodes[index].failures == 1:
                        self._nodes[index].retry_at = now  # it may have been this connection only
                    self._leave(now)
            case Unfit(index, standing, why):
                self._fail(index, standing, why, now)
                if index == self.in_use:
                    self._leave(now)
            case FinalSeen(number, block):
                if self.mark is None or number > self.mark[0]:
                    self.mark = (number, block)
            case BestSeen(number):
                self._best = max(self._best, number)

    def next_effect(self) -> Effect | None:
        """What is to be told next, if anything."""
        return self._effects.popleft() if self._effects else None

    def to_look(self, now: float) -> tuple[Look, ...]:
        """The looks that are due: at those whose delay is over, and all good ones beside them."""
        due = [not node.is_good and node.retry_at <= now for node in self._nodes]
        if not any(due) and not (self._look_at <= now and any(n.is_good for n in self._nodes)):
            return ()
        looks = self.all_looks()
        return tuple(
            look
            for look, node, is_due in zip(looks, self._nodes, due, strict=True)
            if is_due or node.is_good
        )

    def all_looks(self) -> tuple[Look, ...]:
        """One look at each node, whether it is due or not."""
        mark = 0 if self.mark is None else self.mark[0]
        return tuple(Look(index, mark, self._best) for index in range(len(self._nodes)))

    def next_due(self) -> float:
        """When looks are due next; infinite while the only node is well."""
        due = [node.retry_at for node in self._nodes if not node.is_good]
        if any(node.is_good for node in self._nodes):
            due.append(self._look_at)
        return min(due, default=math.inf)

    def mismatch(self) -> str:
        """Why no node can ever be used: each follows another chain. Empty while one may do."""
        if any(node.standing is not Standing.other_chain for node in self._nodes):
            return ""
        return self._reasons() + "; give the address of a node of your chain with --rpc"

    def why(self) -> str:
        """Why no node is in use."""
        return self._reasons()

    def reports(self) -> tuple[EndpointReport, ...]:
        """Every node, in the order of preference."""
        return tuple(
            EndpointReport(
                url=node.url,
                standing=node.standing,
                why=node.why,
                is_in_use=index == self.in_use,
                best=node.best,
                finalized=node.finalized,
                lag_blocks=node.lag,
            )
            for index, node in enumerate(self._nodes)
        )

    # Private.

    def _judge(self, found: Iterable[Sighting | LookFailed], now: float) -> None:
        seen = []
        for item in found:
            if isinstance(item, LookFailed):
                self._fail(item.look.index, Standing.unreachable, item.why, now)
            else:
                seen.append(item)
        seen.sort(key=lambda item: item.look.index)
        if seen and self.genesis is None:
            self.genesis = seen[0].genesis
        ours = [item for item in seen if item.genesis == self.genesis]
        best, finalized = self._reference(ours)
        for item in seen:
            node = self._nodes[item.look.index]
            node.best, node.finalized = item.best, item.finalized
            is_ours = item.genesis == self.genesis
            node.lag = max(best - item.best, finalized - item.finalized, 0) if is_ours else None
            standing, why = self._verdict(item, node.lag or 0, now)
            if standing is Standing.good:
                self._approve(item, now)
            else:
                self._fail(item.look.index, standing, why, now)
                self._tell_refused(node, now)

    def _reference(self, ours: Sequence[Sighting]) -> tuple[int, int]:
        """The best and the final height that a node should have."""
        quick = [item for item in ours if item.took_s <= self._limits.quick_look_s]
        rank = 1 if len(quick) > 2 else 0
        if not quick:
            return 0, 0
        best = sorted((item.best for item in quick), reverse=True)[rank]
        return best, sorted((item.finalized for item in quick), reverse=True)[rank]

    def _verdict(self, item: Sighting, lag: int, now: float) -> tuple[Standing, str]:
        if item.genesis != self.genesis:
            assert self.genesis is not None, "because the first look sets it"
            theirs, ours = item.genesis.hex(), self.genesis.hex()
            why = f"it follows the chain with genesis 0x{theirs}, not 0x{ours}"
            return Standing.other_chain, why
        mark, most = item.look.mark, self._limits.lag_blocks_max
        if (
            self.mark is not None
            and self.mark[0] == mark
            and item.at_mark is not None
            and item.finalized >= mark
            and item.at_mark != self.mark[1]
        ):
            return Standing.other_blocks, self._conflict(mark)
        if lag > most:
            return (
                Standing.behind,
                f"it is {lag} blocks behind the others, and {most} are allowed",
            )
        is_patient = item.look.index != self.in_use and mark - item.finalized <= most
        if item.finalized < mark and (not is_patient or self._is_need_long(now)):
            return Standing.behind, f"its last final block is {item.finalized}, ours is {mark}"
        return Standing.good, ""

    def _conflict(self, number: int) -> str:
        return (
            f"its block {number} is not the one that is final; if the chain was begun anew, "
            "restart this program"
        )

    def _approve(self, item: Sighting, now: float) -> None:
        node = self._nodes[item.look.index]
        if not node.is_good:
            node.steady_since = now
        elif now - node.steady_since >= self._limits.settle_s:
            node.failures = 0
        node.standing, node.why, node.told = Standing.good, "", None
        node.is_level = item.finalized >= item.look.mark and (
            item.best >= item.look.best or self._is_need_long(now)
        )

    def _fail(self, index: int, standing: Standing, why: str, now: float) -> None:
        node = self._nodes[index]
        if node.is_good and now - node.steady_since >= self._limits.settle_s:
            node.failures = 0
        node.failures += 1
        least, most = self._limits.reconnect_delay_min_s, self._limits.reconnect_delay_max_s
        delay = least * float(1 << min(node.failures - 1, _DOUBLINGS_MAX))
        node.retry_at = now + min(delay, most)
        node.standing, node.why = standing, why
        node.steady_since = math.inf
        node.is_level = False
        if standing is Standing.unreachable:
            node.best = node.finalized = node.lag = None

    def _leave(self, now: float) -> None:
        """Use nobody until the others were looked at."""
        self.in_use = None
        self._look_at = now
        if self._needed_since is None:
            self._needed_since = now

    def _is_need_long(self, now: float) -> bool:
        since = self._needed_since
        return since is not None and now - since >= self._limits.catch_up_s

    def _choose(self, now: float) -> None:
        current = None if self.in_use is None else self._nodes[self.in_use]
        if current is not None and not current.is_good:
            self.in_use = current = None
        for index, node in enumerate(self._nodes):
            if index == self.in_use:
                break
            is_settled = now - node.steady_since >= self._limits.settle_s
            if node.is_good and node.is_level and (current is None or is_settled):
                self._use(index)
                break
        if self.in_use is not None:
            self._needed_since = None
            is_alone = len(self._nodes) == 1
            self._look_at = math.inf if is_alone else now + self._limits.look_every_s
            return
        if self._needed_since is None:
            self._needed_since = now
        self._look_at = now + self._limits.catch_up_poll_s
        if not any(node.is_good for node in self._nodes):
            self._tell_nobody(now)

    def _use(self, index: int) -> None:
        if self._is_need_over_best(index):
            self._best = 0
        self.in_use = index
        if self._told is not None and (self._is_nobody_told or self._told != index):
            self._effects.append(Changed(self._nodes[index].url))
        self._told = index
        self._is_nobody_told = False

    def _is_need_over_best(self, index: int) -> bool:
        """Whether a node is taken that never had the best block which another one told of."""
        best = self._nodes[index].best
        return best is not None and best < self._best

    def _tell_nobody(self, now: float) -> None:
        if self._is_nobody_told or now - self._told_nobody_at < TELL_EVERY_S:
            return
        self._is_nobody_told = True
        self._told_nobody_at = now
        self._told = -1 if self._told is None else self._told
        self._effects.append(NobodyUsable(self._reasons()))

    def _tell_refused(self, node: _Node, now: float) -> None:
        if node.standing is not node.told and now - node.told_at >= TELL_EVERY_S:
            node.told, node.told_at = node.standing, now
            self._effects.append(Refused(node.url, node.standing, node.why))

    def _reasons(self) -> str:
        if len(self._nodes) == 1:
            return self._nodes[0].why or self._nodes[0].standing.value
        return "; ".join(f"{node.url}: {node.why or node.standing.value}" for node in self._nodes)
