"""What must hold after every block of a storage network; ``Violation`` says which promise broke.

The laws of territories, slots, spaces and lists are those of ``tests.pallets.file_bank
.conservation``. What follows here needs to know who is honest, who was cut off, and what is really
on whose disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from unittest.mock import patch

from node.runtime import CessRuntime
from pallets.audit import Audit
from pallets.audit.rounds import is_counted
from pallets.audit.types import FaultKind
from pallets.file_bank import FileBank
from pallets.sminer import Sminer
from pallets.sminer.types import MinerState
from primitives.crypto.keys import KeyPair
from primitives.scale import U32
from primitives.types import AccountId
from tests.pallets.file_bank import conservation
from tests.pallets.file_bank.storage_world import FRAGMENT, MadeFile
from tests.simulation.checkers import Violation
from tests.simulation.storage import substance
from tests.simulation.storage.chain import SimChain
from tests.simulation.storage.miner import Miner

ALL = 10_000
CALM_BLOCKS = 16
"""So long undisturbed, a miner answers: proving, a lost call of a minute, two blocks of delay."""
SILENT_BLOCKS_MAX = 60
DRAWN_MIN = 12
RESTORED_WITHIN = 180
LAPSE_BLOCKS = 150
"""A claim lives 40 blocks, and the next one may come as late as miners look away from an order."""
SERVICE_FAULTS = (FaultKind.ServiceMissed, FaultKind.ServiceRejected, FaultKind.ServiceDeclared)


class Watched:
    """One state, as ``conservation`` wants it."""

    def __init__(self, runtime: CessRuntime) -> None:
        self.runtime = runtime
        self.bank, self.miners, self.audit = runtime.file_bank, runtime.sminer, runtime.audit


@dataclass(slots=True)
class Round:
    """An open round, and what was lost before it began."""

    start: int
    open_parts: set[str]
    missing: tuple[bytes, ...]


@dataclass(slots=True)
class Checkers:
    """See the module. ``troubled[index]`` are the blocks in which a miner was disturbed."""

    chain: SimChain
    miners: Sequence[Miner]
    owners: Sequence[KeyPair]
    files: Mapping[bytes, MadeFile]
    troubled: dict[int, set[int]]
    rounds: dict[tuple[AccountId, int], Round] = field(default_factory=dict)
    by_account: dict[AccountId, Miner] = field(default_factory=dict)
    orders: dict[bytes, int] = field(default_factory=dict)
    last_drawn: int = 0
    last_trouble: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_account = {miner.account: miner for miner in self.miners}

    def note(self, what: str) -> None:
        """Count something for the report."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def look(self) -> None:
        """Check the state after a block. Raises: Violation."""
        world = Watched(self.chain.runtime())
        number = self.chain.number
        self._conserved(world)
        self._events(world, number)
        self._rounds(world, number)
        self._files(world)
        self._orders(world, number)

    # Money and space.

    def _conserved(self, world: Watched) -> None:
        runtime = world.runtime
        with (
            patch.object(conservation, "MINERS", tuple(self.by_account)),
            patch.object(conservation, "OWNERS", tuple(self.owners)),
        ):
            try:
                conservation.check(world)  # type: ignore[arg-type]
            except AssertionError as error:
                raise Violation(f"a law of storage is broken: {error}") from error
        held = sum(
            int(account.data.free) + int(account.data.reserved)
            for _, account in runtime.system.account.items(limit=ALL)
        )
        if int(runtime.balances.total_issuance.get()) != held:
            raise Violation("money was made or lost")

    # Audits.

    def _events(self, world: Watched, number: int) -> None:
        punished = {
            event.miner for event in self.chain.events if isinstance(event, Sminer.Punished)
        }
        faulty = {event.miner for event in self.chain.events if isinstance(event, Audit.Fault)}
        for who in sorted(punished - faulty):
            self._lapsed(self.by_account[who], number)
        for event in self.chain.events:
            match event:
                case Audit.ChallengeIssued():
                    self._issued(world, event.miner, int(event.round), number)
                case Audit.ServiceProofAccepted():
                    self._accepted(event.miner, int(event.round))
                case Audit.IdleProofAccepted():
                    self._end_part(event.miner, int(event.round), "idle")
                    self.note("idle proofs")
                case Audit.Fault():
                    self._fault(world, event, number, is_fined=event.miner in punished)
                case FileBank.GenerateRestoralOrder():
                    self.note("orders")
                case FileBank.RecoveryCompleted():
                    self.note("restored")
                case _:
                    pass

    def _issued(self, world: Watched, who: AccountId, number: int, block: int) -> None:
        self.last_drawn = block
        info = world.audit.challenge_snap_shot[who]
        parts: set[str] = set()
        if not info.service_done:
            parts.add("service")
        if not info.idle_done:
            parts.add("idle")
        miner = self.by_account[who]
        missing = []
        for slot in range(int(info.slots)):
            holding = world.audit.holdings.get(who, U32(slot))
            lost_at = None if holding is None else miner.lost.get(holding.fragment_hash)
            if holding is not None and is_counted(holding, block) and lost_at is not None:
                missing.append(bytes(holding.fragment_hash))
        self.rounds[who, number] = Round(block, parts, tuple(missing))

    def _accepted(self, who: AccountId, number: int) -> None:
        self.note("service proofs")
        round_ = self._end_part(who, number, "service")
        lost = {bytes(one) for one in self.by_account[who].lost}
        if any(one in lost for one in round_.missing):
            raise Violation(f"miner {self.by_account[who].index} proved what it has lost")

    def _fault(self, world: Watched, event: Audit.Fault, number: int, *, is_fined: bool) -> None:
        who, kind = event.miner, event.kind
        miner = self.by_account[who]
        self.note(f"{'liar' if miner.lie else 'honest'} {kind.name}")
        part = "service" if kind in SERVICE_FAULTS else "idle"
        round_ = self._end_part(who, int(event.round), part)
        in_row = int(
            world.audit.counted_clear.get(who) + world.audit.counted_service_failed.get(who)
        )
        costs = kind in (FaultKind.ServiceRejected, FaultKind.ServiceDeclared) or (
            kind is FaultKind.ServiceMissed and in_row > 1
        )
        if costs and not is_fined:
            raise Violation(f"a fault of miner {miner.index} was not charged")
        if miner.lie is not None:
            return
        if kind in (FaultKind.ServiceRejected, FaultKind.IdleRejected):
            raise Violation(f"a proof of the honest miner {miner.index} was rejected")
        if kind is FaultKind.ServiceDeclared:
            if not miner.lost:
                raise Violation(f"the honest miner {miner.index} declared a loss it has not had")
            return
        if self._longest_calm(miner.index, round_.start, number - 1) >= CALM_BLOCKS:
            raise Violation(
                f"the honest miner {miner.index} could be reached and missed a round: "
                f"{miner.missed[-1:]}"
            )

    def _lapsed(self, miner: Miner, number: int) -> None:
        """A fine without a fault is for a loss that was reported, or for a claim that lapsed."""
        if miner.lost:
            self.note("reported losses")
            return
        self.note("lapsed claims")
        if miner.lie is None and number - self.last_trouble > LAPSE_BLOCKS:
            raise Violation(f"the honest miner {miner.index} was fined and nothing had gone wrong")

    def _longest_calm(self, index: int, first: int, last: int) -> int:
        best = run = 0
        for block in range(first, last + 1):
            run = 0 if block in self.troubled[index] else run + 1
            best = max(best, run)
        return best

    def _end_part(self, who: AccountId, number: int, part: str) -> Round:
        round_ = self.rounds[who, number]
        if part not in round_.open_parts:
            raise Violation(f"the {part} part of a round ended twice, or asked nothing")
        round_.open_parts.discard(part)
        return round_

    def _rounds(self, world: Watched, number: int) -> None:
        open_rounds = dict(world.audit.challenge_snap_shot.items(limit=ALL))
        for who, info in open_rounds.items():
            if (not info.service_done and info.deadline < number) or (
                not info.idle_done and info.idle_deadline < number
            ):
                raise Violation(f"a part of a round of miner {self._index(who)} has no end")
        for (who, round_number), round_ in list(self.rounds.items()):
            still = open_rounds.get(who)
            if still is not None and int(still.round) == round_number:
                continue
            if round_.open_parts and not world.miners.is_leaving(who):
                raise Violation(f"a round of miner {self._index(who)} was closed unjudged")
            del self.rounds[who, round_number]
        listed = int(world.miners.count())
        if listed < DRAWN_MIN:
            self.last_drawn = number
        if number - self.last_drawn > SILENT_BLOCKS_MAX:
            raise Violation(f"nobody was audited for {SILENT_BLOCKS_MAX} blocks")

    def _index(self, who: AccountId) -> int:
        return self.by_account[who].index

    # Files.

    def _files(self, world: Watched) -> None:
        """Any four fragments that are where the chain says rebuild a segment."""
        for (fid, index), segment in world.bank.file_segments.items(limit=ALL):
            made = self.files[bytes(fid)]
            good: dict[int, bytes] = {}
            for position, fragment in enumerate(segment.fragment_list):
                miner = self.by_account.get(fragment.miner)
                if fragment.avail and miner is not None and miner.disk.holds(fragment.hash):
                    good[position] = miner.disk.elements[fragment.hash]
            if len(good) < substance.DATA:
                self.note("segments beyond repair")
                continue
            start = self.chain.number % len(good)
            some = dict(islice([*good.items(), *good.items()], start, start + substance.DATA))
            for position in range(substance.DATA):
                want = made.values[made.hash_at(int(index), position)]
                data = some.get(position) or substance.rebuilt(some, position)
                if int.from_bytes(data, "big") != want:
                    raise Violation("four fragments did not rebuild a segment")

    def _orders(self, world: Watched, number: int) -> None:
        """An order ends while four survivors and a stranger are there, undisturbed."""
        seen: dict[bytes, int] = {}
        for order_number, order in world.bank.restoral_order.items(limit=ALL):
            key = bytes(order_number)
            segment = world.bank.file_segments[order.file_hash, order.segment_index]
            holders = {held.miner for held in segment.fragment_list if held.avail}
            survivors = [
                self.by_account[held.miner]
                for held in segment.fragment_list
                if held.avail and self.by_account[held.miner].disk.holds(held.hash)
            ]
            able = sum(each.is_reachable and each.lie is None for each in survivors)
            strangers = [
                miner
                for miner in self.miners
                if miner.account not in holders and self._may_restore(world, miner, number)
            ]
            is_possible = able >= substance.DATA and bool(strangers)
            seen[key] = self.orders.get(key, number) if is_possible else number
            if number - seen[key] > RESTORED_WITHIN:
                raise Violation("an order was not carried out, though it could be")
        self.orders = seen

    def _may_restore(self, world: Watched, miner: Miner, number: int) -> bool:
        info = world.miners.miner_items.get(miner.account)
        return (
            miner.lie is None
            and miner.is_reachable
            and not miner.disk.is_full
            and number not in self.troubled[miner.index]
            and info is not None
            and info.state == MinerState.Positive
            and int(info.idle_space) >= FRAGMENT
        )
