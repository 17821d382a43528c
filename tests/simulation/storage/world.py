"""A whole storage network in one process: a chain, miners, owners, and what goes wrong.

``StoragePlan`` says everything; ``plan_of`` makes one of a seed. ``StorageWorld.run`` lives through
it block by block and raises ``Violation``; ``digest`` is the trace. Faults end ``QUIET_BLOCKS``
before the end, so that what can heal has to.
"""

import hashlib
import random
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial

from primitives.crypto.keys import KeyPair
from primitives.scale import U32
from storage_miner.chain import Head
from tests.pallets.file_bank.storage_world import made_file
from tests.simulation.checkers import Violation
from tests.simulation.storage import substance
from tests.simulation.storage.chain import Line, SimChain
from tests.simulation.storage.checkers import Checkers
from tests.simulation.storage.client import Owner
from tests.simulation.storage.miner import Lie, Miner
from tests.simulation.storage.substance import SLOT_MS
from tests.simulation.storage.tasks import Clock

OWNERS = ("//Alice", "//Bob", "//Charlie")
QUIET_BLOCKS = 200
BEGIN_BLOCKS = 20
HEAD_DELAY_MS = (50, 2500)
AFTERMATH_BLOCKS = 11
"""A call that was lost in a disturbance is given up a minute after it."""

MINER_FAULTS = ("crash", "offline", "lossy", "lose", "disk", "full", "betray")
OWNER_FAULTS = ("owner crash", "owner lossy", "owner slow")


@dataclass(frozen=True, slots=True)
class StorageFault:
    """What goes wrong with whom, from block ``at`` on for ``length`` blocks."""

    kind: str
    who: int
    at: int
    length: int


@dataclass(frozen=True, slots=True)
class StoragePlan:
    """Everything that a world depends on."""

    seed: int
    miners: int
    segments: tuple[int, ...]
    blocks: int
    liars: tuple[tuple[int, Lie], ...] = ()
    faults: tuple[StorageFault, ...] = ()


def plan_of(seed: int, blocks: int = 420) -> StoragePlan:
    """The plan of a seed."""
    draw = random.Random(f"storage/{seed}")
    miners = draw.choice((14, 15, 16, 18))
    segments = tuple(draw.choice((1, 1, 2, 3)) for _ in OWNERS)
    lies = draw.choices(list(Lie), k=draw.choice((0, 1, 1, 2)))
    liars = tuple(zip(draw.sample(range(miners), len(lies)), lies, strict=True))
    last = max(blocks - QUIET_BLOCKS, BEGIN_BLOCKS + 1)
    faults = []
    for _ in range(draw.randrange(last // 12)):
        kind = draw.choice(("crash", "crash", "offline", "lossy", "lose", "lose", "disk", "full"))
        length = draw.choice((1, 3, 10, 30, 60))
        faults.append(_fault(draw, kind, miners, last, length))
    for _ in range(draw.randrange(6)):
        kind = draw.choice(OWNER_FAULTS)
        faults.append(_fault(draw, kind, len(OWNERS), last, draw.choice((2, 10, 30))))
    for index, lie in liars:
        if lie is not Lie.bends:
            faults.append(StorageFault("betray", index, draw.randrange(last * 2 // 3, last), 0))
    ordered = sorted(faults, key=lambda each: (each.at, each.kind, each.who))
    return StoragePlan(seed, miners, segments, blocks, liars, tuple(ordered))


def _fault(draw: random.Random, kind: str, count: int, last: int, length: int) -> StorageFault:
    at = draw.randrange(BEGIN_BLOCKS, last)
    return StorageFault(kind, draw.randrange(count), at, min(length, last - at))


class StorageWorld:
    """See the module."""

    def __init__(self, plan: StoragePlan) -> None:
        self.plan = plan
        self.chain = SimChain(plan.seed)
        self.clock = Clock(self.chain.slot * SLOT_MS)
        self._draw = random.Random(f"{plan.seed}/world")
        lies = dict(plan.liars)
        self._endpoints: dict[str, Miner] = {}
        self.miners = [
            Miner(index, self.chain, self.clock, plan.seed, self._find, lies.get(index))
            for index in range(plan.miners)
        ]
        self._endpoints = {miner.endpoint: miner for miner in self.miners}
        self.owners = []
        for index, segments in enumerate(plan.segments):
            pair = KeyPair.from_suri(OWNERS[index])
            file = made_file(f"file {index}", segments)
            self.owners.append(
                Owner(index, pair, file, self.chain, self.clock, plan.seed, self._find)
            )
        self.troubled: dict[int, set[int]] = {index: set() for index in range(plan.miners)}
        self.checkers = Checkers(
            self.chain,
            self.miners,
            [owner.pair for owner in self.owners],
            {bytes(owner.file.fid): owner.file for owner in self.owners},
            self.troubled,
        )
        self._trace = hashlib.blake2b(digest_size=16)
        self._actors: tuple[Miner | Owner, ...] = (*self.miners, *self.owners)
        for actor in self._actors:
            actor.trace = self._note
        for owner in self.owners:
            owner.on_read = self._was_read

    @property
    def digest(self) -> str:
        """What happened so far, in short."""
        return self._trace.hexdigest()

    def run(self) -> None:
        """Live through the plan. Raises: Violation."""
        while self.chain.number < self.plan.blocks:
            self.clock.run_until((self.chain.slot + 1) * SLOT_MS)
            self._disturb(self.chain.number + 1)
            self.chain.produce()
            for line in (str(self.chain.hashes[-1].hex()), *self.chain.calls):
                self._note(line)
            self._see_head()
            self.checkers.look()
        for actor in self._actors:
            actor.tasks.cancel()
        self._finish()

    def _note(self, line: str) -> None:
        self._trace.update(f"{self.clock.now} {line}\n".encode())

    def _find(self, endpoint: str) -> Miner | None:
        miner = self._endpoints.get(endpoint)
        return miner if miner is not None and miner.is_reachable else None

    # Heads.

    def _see_head(self) -> None:
        head = Head(self.chain.number, self.chain.hashes[-1])
        for miner in self.miners:
            delay = self._draw.randint(*HEAD_DELAY_MS)
            self.clock.at(self.clock.now + delay, partial(self._miner_sees, miner, head))
        for owner in self.owners:
            delay = self._draw.randint(*HEAD_DELAY_MS)
            self.clock.at(self.clock.now + delay, partial(self._owner_sees, owner, head))

    def _miner_sees(self, miner: Miner, head: Head) -> None:
        if miner.is_reachable:
            miner.node.head = head.hash
            miner.tasks.start(miner.see(head))

    def _owner_sees(self, owner: Owner, head: Head) -> None:
        if owner.is_up and head.number >= BEGIN_BLOCKS:
            owner.node.head = head.hash
            owner.tasks.start(owner.see(head.number, head.hash))

    # Faults.

    def _disturb(self, number: int) -> None:
        for fault in self.plan.faults:
            is_owner = fault.kind in OWNER_FAULTS
            if is_owner:
                owner = self.owners[fault.who]
                if fault.at == number:
                    self._begin_owner(owner, fault)
                if fault.at + fault.length == number:
                    self._end_owner(owner, fault)
                continue
            miner = self.miners[fault.who]
            if fault.at <= number <= fault.at + fault.length + AFTERMATH_BLOCKS:
                self.checkers.last_trouble = number
                if fault.kind in ("crash", "offline", "lossy"):
                    self.troubled[fault.who].add(number)
            if fault.at == number:
                self._begin(miner, fault, number)
            if fault.at + fault.length == number:
                self._end(miner, fault)

    def _begin(self, miner: Miner, fault: StorageFault, number: int) -> None:
        self.checkers.note(fault.kind)
        match fault.kind:
            case "crash":
                miner.crash()
            case "offline":
                miner.is_online, miner.node.is_cut = False, True
            case "lossy":
                miner.node.line = Line(lost=300, unheard=200, doubled=300, delay_ms=(100, 15_000))
            case "lose" | "disk":
                held = sorted(miner.disk.elements)
                count = len(held) if fault.kind == "disk" else min(len(held), 1 + number % 2)
                for fragment_hash in self._draw.sample(held, count):
                    miner.lose(fragment_hash, number)
            case "full":
                miner.disk.is_full = True
            case "betray":
                miner.betray(number)

    def _end(self, miner: Miner, fault: StorageFault) -> None:
        match fault.kind:
            case "crash" if not miner.is_up:
                miner.start()
            case "offline":
                miner.is_online, miner.node.is_cut = True, False
            case "lossy":
                miner.node.line = Line()
            case "full":
                miner.disk.is_full = False

    def _begin_owner(self, owner: Owner, fault: StorageFault) -> None:
        self.checkers.note(fault.kind)
        match fault.kind:
            case "owner crash":
                owner.crash()
            case "owner lossy":
                owner.loss = 300
                owner.node.line = Line(lost=300, unheard=200, doubled=300)
            case "owner slow":
                owner.delay_ms = (2000, 20_000)

    def _end_owner(self, owner: Owner, fault: StorageFault) -> None:
        match fault.kind:
            case "owner crash" if not owner.is_up:
                owner.start()
            case "owner lossy":
                owner.loss, owner.node.line = 0, Line()
            case "owner slow":
                owner.delay_ms = (20, 800)

    # What owners get.

    def _was_read(self, owner: Owner, is_read: bool, since: int) -> None:
        self.checkers.note("reads" if is_read else "failed reads")
        is_calm = all(
            not fault.at <= number <= fault.at + fault.length
            for fault in self.plan.faults
            for number in range(since, self.chain.number + 1)
        )
        if not is_read and is_calm and self._is_readable(owner):
            raise Violation(f"owner {owner.index} could not read a file that is there")

    def _is_readable(self, owner: Owner) -> bool:
        bank = self.chain.runtime().file_bank
        by_account = self.checkers.by_account
        for index in range(len(owner.file.segments)):
            segment = bank.file_segments.get(owner.file.fid, U32(index))
            if segment is None:
                return False
            able = 0
            for held in segment.fragment_list:
                miner = by_account[held.miner]
                able += (
                    held.avail
                    and miner.lie is None
                    and miner.is_reachable
                    and miner.disk.holds(held.hash)
                )
            if able < substance.DATA:
                return False
        return True

    def _finish(self) -> None:
        """After the quiet time: files are stored, and nothing honest is wrongly out."""
        for owner in self.owners:
            if not owner.was_active:
                raise Violation(f"the file of owner {owner.index} was not stored")


def live(
    plan: StoragePlan, twins: Iterable[AbstractContextManager[object]] = ()
) -> tuple[StorageWorld, str | None]:
    """Live through a plan; the world, and what went wrong. ``twins`` break defences meanwhile."""
    with ExitStack() as stack:
        stack.enter_context(substance.ideal_plots())
        for twin in twins:
            stack.enter_context(twin)
        world = StorageWorld(plan)
        try:
            world.run()
        except Violation as violation:
            return world, f"block {world.chain.number}: {violation}"
        return world, None


def report(plan: StoragePlan, failure: str) -> str:
    """What a failing run prints."""
    return (
        f"storage seed {plan.seed}: {failure}\n"
        f"replay: python -m tests.simulation.storage.campaign --seed {plan.seed} "
        f"--blocks {plan.blocks}\n{plan}"
    )


def fewer_faults(plan: StoragePlan, failure: str) -> StoragePlan:
    """The same plan with as few faults as still lead to a failure of the same kind."""
    kind, at = failure.partition(": ")[2][:30], 0
    while at < len(plan.faults):
        fewer = replace(plan, faults=plan.faults[:at] + plan.faults[at + 1 :])
        _, again = live(fewer)
        if again is not None and again.partition(": ")[2][:30] == kind:
            plan = fewer
        else:
            at += 1
    return plan
