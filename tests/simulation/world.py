"""One world: a clock that jumps, a heap of events, nodes on a network, and checkers that watch.

``World(plan)`` and ``run`` are all. Everything follows from the plan, and a plan from its seed: the
heap is ordered by time and then by the order in which events were made, and all randomness comes
from generators that the seed begins. ``trace`` sums up what happened, so two runs can be compared.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from node.consensus.grandpa import Conflict, Offence, Timing
from node.consensus.grandpa.shell import CONFLICT_NOTE
from node.database import genesis_state_root
from node.genesis import genesis_header
from node.network.transport import Cost
from node.txpool.pool import Transaction
from primitives.errors import CessError, StateUnreadable, StorageCorrupt
from primitives.grandpa import (
    CommitMessage,
    Equivocation,
    GossipMessage,
    VoteMessage,
    encode_message,
)
from tests.simulation import faults as faults_module
from tests.simulation.checkers import HEAL_ROUNDS, Checkers, Violation, round_ms
from tests.simulation.disk import CrashNow
from tests.simulation.faults import Fault, Traitor
from tests.simulation.network import FAIR, Network, Weather
from tests.simulation.substance import FIRST_SLOT, SLOT_MS, Substance, TinySubstance
from tests.simulation.validator import NOWHERE, Validator

DEFAULT_TIMING = Timing(gossip_ms=1000, repeat_ms=5000)
REPAIR_MS = 4000
"""How long an operator takes to remove a damaged database."""
CONNECT_MS = 300
LEFT_MS = 20
GIVE_UP_MS = 8000
"""After so long a time without a word a connection is given up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run follows from."""

    seed: int
    validators: int = 4
    in_set: int = 4
    rotation: int = 0
    length_ms: int = 3_600_000
    timing: Timing = DEFAULT_TIMING
    weather: Weather = FAIR
    traitors: tuple[tuple[int, tuple[str, ...]], ...] = ()
    faults: tuple[Fault, ...] = ()
    is_wired: bool = False
    """Whether votes are encoded and decoded on their way, and ``Spreading`` sends them."""
    repeats_gossip: bool = False
    """Whether a vote is passed on to those whom it reached."""
    state_pruning: int = 64
    is_betrayed: bool = False
    """Whether the traitors are more than a set tolerates: what is asked of nodes then is other."""

    def __str__(self) -> str:
        first = (
            f"seed {self.seed}: {self.validators} validators, {self.in_set} in a set, "
            f"a change every {self.rotation} blocks, {self.timing}, traitors {self.traitors}"
        )
        return "\n".join([first, *(f"  {fault}" for fault in self.faults)])


class World:
    """See the module's text."""

    def __init__(self, plan: Plan, substance: Substance | None = None) -> None:
        self.plan = plan
        self.substance = substance or TinySubstance(
            plan.seed, plan.validators, plan.in_set, plan.rotation
        )
        self.draw = random.Random(plan.seed)
        self.now = self.began = FIRST_SLOT * SLOT_MS
        self._heap: list[tuple[int, int, Validator | None, int, Callable[..., None], Any]] = []
        self._sequence = 0
        self.trace = 0
        self.story = blake2b(digest_size=16)
        self.network = Network(random.Random(self.draw.random()), plan.weather)
        self.genesis_state = self.substance.genesis
        self.genesis_header = genesis_header(genesis_state_root(self.genesis_state))
        traitors = dict(plan.traitors)
        honest = tuple(index not in traitors for index in range(plan.validators))
        self.checkers = Checkers(honest, self.substance.issued, plan.is_betrayed)
        self.nodes = [
            Validator(self, index, self.substance.pairs(index)) for index in range(plan.validators)
        ]
        for node in self.nodes:
            if node.index in traitors:
                node.traitor = Traitor(node, traitors[node.index], self.draw.random())
        self._spread: dict[int, tuple[object, int]] = {}
        self.active = 0
        self.parted: dict[int, int] = {}
        self.excused: dict[int, int] = {}
        self.heal_from = 0
        self.heal_target = 0
        self.heals: list[int] = []
        self.counts: dict[str, int] = {}
        self.events = 0

    # Time.

    def at(self, time: int, node: Validator | None, call: Callable[..., None], *what: Any) -> None:
        """Call at ``time``, unless ``node`` begins another life before."""
        self._sequence += 1
        life = 0 if node is None else node.life
        heapq.heappush(self._heap, (time, self._sequence, node, life, call, what))

    def run(self) -> "World":
        """Live through the plan. Raises: Violation."""
        for fault in self.plan.faults:
            self.at(self.began + fault.at_ms, None, self._begin, fault)
            self.at(self.began + fault.until_ms, None, self._end, fault)
        for node in self.nodes:
            node.life += 1
            self.at(self.now, None, self._first_start, node)
        self.run_until(self.began + self.plan.length_ms)
        return self

    def _first_start(self, node: Validator) -> None:
        self.restart(node)

    def run_until(self, end: int) -> None:
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= end:
            time, sequence, node, life, call, what = pop(heap)
            if time > self.now:
                self.now = time
            if node is None:
                call(*what)
                continue
            if life != node.life:
                continue
            self.events += 1
            self.trace = (self.trace * 1_000_003 ^ time ^ sequence) & 0xFFFFFFFFFFFFFFFF
            try:
                if node.effects_to_crash is not None:
                    node.step()
                call(*what)
            except CrashNow:
                self.crash(node)
            except (StorageCorrupt, StateUnreadable) as error:
                self.fatal(node, error)
            except Violation:
                raise
            except Exception as error:  # whatever it is, no node may die of it
                raise Violation(f"node {node.index} died of {error!r}") from error
        self.now = end

    def guard(self, node: Validator, call: Callable[..., None], *what: Any) -> None:
        """Call, and let the node die of what kills nodes."""
        try:
            call(*what)
        except CrashNow:
            self.crash(node)
        except (StorageCorrupt, StateUnreadable) as error:
            self.fatal(node, error)

    # Faults.

    def _begin(self, fault: Fault) -> None:
        self.active += 1
        self.heal_from = 0
        self.count(f"fault {fault.kind}")
        faults_module.begin(self, fault)

    def _end(self, fault: Fault) -> None:
        faults_module.end(self, fault)
        self.active -= 1
        self.maybe_healing()

    def maybe_healing(self) -> None:
        """All is well again: from now on finality must come back."""
        if self.active:
            return
        for node in self.nodes:
            if not node.is_up:
                self.restart(node)
        self.heal_from = self.now
        self.heal_target = self.checkers.highest
        patience = HEAL_ROUNDS * round_ms(self.plan.timing)
        if self.plan.weather.loss:
            patience += self.plan.timing.repeat_ms  # what is lost even in fair weather comes again
        if self.plan.is_betrayed:
            self.at(self.now + patience, None, self.checkers.on_met)
        else:
            self.at(self.now + patience, None, self._check_healed, self.now)

    def _must_follow(self) -> list[Validator]:
        """Who must finalize soon: honest nodes whose questions were not lost in their own queue.

        The synchroniser asks peers that did not answer more and more rarely, up to a minute.
        """
        return [
            node
            for node in self.nodes
            if not node.is_byzantine and self.excused.get(node.index, 0) <= self.now
        ]

    def _check_healed(self, since: int) -> None:
        if self.heal_from == since:
            finals = {node.index: node.said["final"][1] for node in self._must_follow()}
            if all(number > self.heal_target for number in finals.values()):
                return
            raise Violation(
                f"{(self.now - self.began) / 1000:.1f} s: {HEAL_ROUNDS} rounds after the last "
                f"fault not all finalized more than block {self.heal_target}: {finals}"
            )

    def finalized(self, node: Validator, number: int) -> None:
        """A node made blocks final."""
        if not self.heal_from or number <= self.heal_target:
            return
        if all(
            other.is_up and other.said["final"][1] > self.heal_target
            for other in self._must_follow()
        ):
            self.heals.append(self.now - self.heal_from)
            self.heal_from = 0

    def crash(self, node: Validator) -> None:
        """The power of a node goes."""
        if not node.is_up:
            return
        self.count("crash")
        self.note("crash", node.index, 0, b"")
        node.effects_to_crash = node.disk.writes_to_crash = None
        node.stop()
        self._unlink_all(node)
        if not self.active:
            self.active += 1
            self.heal_from = 0
            self.at(self.now + REPAIR_MS, None, self._repaired, node)

    def wipe(self, node: Validator) -> None:
        """The power of a node goes, and its operator removes the database; the promises stay."""
        self.crash(node)
        node.disk.wipe()
        node.said = dict(NOWHERE)

    def restart(self, node: Validator) -> None:
        """A node comes back, unless it stopped for good."""
        if node.is_up or node.index in self.checkers.stopped:
            return
        self.note("restart", node.index, 0, b"")
        self.guard(node, node.start)
        if node.is_up:
            for other in self.nodes:
                self.at(self.now + CONNECT_MS, node, self.connect, node, other)

    def fatal(self, node: Validator, error: CessError) -> None:
        """The node stops; its operator removes what is damaged."""
        self.count(type(error).__name__)
        self.note(type(error).__name__, node.index, 0, b"")
        if isinstance(error, StorageCorrupt):
            if not node.disk.rotten:
                raise Violation(f"node {node.index}: nothing rotted, and yet: {error}")
            node.stop()
            node.disk.wipe()
            node.said = dict(NOWHERE)
        else:
            node.stop()
        self._unlink_all(node)
        self.active += 1
        self.heal_from = 0
        self.at(self.now + REPAIR_MS, None, self._repaired, node)

    def _repaired(self, node: Validator) -> None:
        node.disk.room_bytes = None
        self.restart(node)
        self.active -= 1
        self.maybe_healing()

    # Connections.

    def connect(self, one: Validator, other: Validator) -> None:
        """Let two nodes greet each other, if they can."""
        if (
            one is other
            or other.index in one.linked
            or not (one.is_up and other.is_up)
            or self.network.is_cut(one.index, other.index)
            or one.index in self.parted
            or other.index in self.parted
        ):
            return
        one.linked[other.index] = other.linked[one.index] = None
        bests = one.database.best(), other.database.best()
        self.at(self.now, one, one.on_joined, other.index, bests[1])
        self.at(self.now, other, other.on_joined, one.index, bests[0])

    def disconnect(self, one: Validator, other: Validator) -> None:
        """The connection is lost; those that are up notice."""
        if other.index in one.linked:
            del one.linked[other.index], other.linked[one.index]
            for node, peer in ((one, other), (other, one)):
                if node.is_up:
                    self.at(self.now + LEFT_MS, node, node.on_left, peer.index)

    def _unlink_all(self, node: Validator) -> None:
        for index in list(node.linked):
            self.disconnect(node, self.nodes[index])

    def cut(self, sender: int, receiver: int) -> None:
        """Nothing arrives from here to there; after a while the connection is given up."""
        self.network.cut_link(sender, receiver)
        self.at(self.now + GIVE_UP_MS, None, self._give_up, sender, receiver)

    def _give_up(self, one: int, other: int) -> None:
        if self.network.is_cut(one, other):
            self.disconnect(self.nodes[one], self.nodes[other])

    def mend(self, sender: int, receiver: int) -> None:
        """It arrives again, and they find each other."""
        self.network.mend_link(sender, receiver)
        one, other = self.nodes[sender], self.nodes[receiver]
        self.at(self.now + CONNECT_MS, None, self.connect, one, other)

    def part(self, node: Validator) -> None:
        """A node loses all its peers."""
        self.parted[node.index] = self.parted.get(node.index, 0) + 1
        self._unlink_all(node)

    def join(self, node: Validator) -> None:
        """It finds them again."""
        self.parted[node.index] -= 1
        if not self.parted[node.index]:
            del self.parted[node.index]
        for other in self.nodes:
            self.at(self.now + CONNECT_MS, None, self.connect, node, other)

    # Messages.

    def send(self, node: Validator, peer: int, kind: str, what: Any, size_bytes: int) -> bool:
        """Put a message on its way; whether it will arrive."""
        if peer not in node.linked:
            return False
        receiver = self.nodes[peer]
        if not receiver.is_up:
            return False
        arrivals = self.network.arrivals(
            node.index, peer, self.now, size_bytes, is_reliable=kind in ("ask", "answer")
        )
        for at in arrivals:
            self._sequence += 1
            heapq.heappush(
                self._heap,
                (at, self._sequence, receiver, receiver.life, receiver.on_message,
                 (node.index, kind, what)),
            )  # fmt: skip
        return bool(arrivals)

    def gossip(
        self, node: Validator, message: GossipMessage, but: int | None, size_bytes: int
    ) -> None:
        """Send to all peers but one; a vote that is passed on only to those it did not reach."""
        mark: object = message.signed if isinstance(message, VoteMessage) else message
        reached = 0
        if not self.plan.repeats_gossip and isinstance(message, VoteMessage | CommitMessage):
            if but is not None:
                known = self._spread.get(id(mark))
                if known is not None and known[0] is mark:
                    reached = known[1]
            if len(self._spread) > 4096:
                self._spread.clear()
        what = self.carried(message)
        spread = reached
        for peer in node.linked:
            if peer == but or reached >> peer & 1:
                continue
            if self.send(node, peer, "vote", what, size_bytes):
                spread |= 1 << peer
        self._spread[id(mark)] = mark, spread | 1 << node.index

    def carried(self, message: GossipMessage) -> Any:
        """A message as it goes over the wire: its bytes, or itself where that costs too much."""
        return encode_message(message) if self.plan.is_wired else message

    # What nodes tell.

    def note(self, what: str, node: int, number: int, hash_: bytes) -> None:
        self.story.update(b"%b %d %d %d %b;" % (what.encode(), self.now, node, number, hash_))

    def count(self, what: str, by: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + by

    def transactions(self, node: Validator) -> list[Transaction]:
        """What a node's pool offers for its block."""
        return self.substance.transactions(node.chain, self.draw)

    def issuance(self, state: Any) -> int:
        return self.substance.issuance(state)

    def refused(self, node: Validator, peer: int, error: CessError) -> None:
        """A node refuses what it imported from a peer."""
        self.count(f"refused: {type(error).__name__}")

    def charged(self, node: Validator, peer: int, cost: Cost) -> None:
        """The synchroniser of a node charges a peer."""
        self.count(f"charged: {cost.name}")

    def equivocated(self, node: Validator, proof: Equivocation) -> None:
        """A voter was caught with two votes."""
        self.count("equivocations proven")
        guilty = [
            other.index
            for other in self.nodes
            if other.grandpa.public == bytes(proof.first.authority)
        ]
        if not self.nodes[guilty[0]].is_byzantine:
            raise Violation(f"node {guilty[0]} is honest and cast two votes: {proof}")

    def misbehaved(self, node: Validator, peer: int, offence: Offence) -> None:
        """A node accuses a peer."""
        self.count(f"accused: {offence.name}")
        if offence is Offence.UNASKED_CATCH_UP:
            return  # the network delivers some answers twice, which streams do not
        if not self.nodes[peer].is_byzantine and not node.is_byzantine:
            raise Violation(f"node {node.index} accuses {peer}, who is honest: {offence.value}")

    def conflict(self, node: Validator, found: Conflict) -> None:
        """A voter saw two thirds for two histories: an honest node keeps the proof and stops."""
        if node.is_byzantine:
            return
        self.count("conflict")
        node.database.put_note(CONFLICT_NOTE, found.justification.encode())
        proof = node.database.note(CONFLICT_NOTE)
        voters, _ = node.chain.voting_set()
        keys = tuple(key for key, _ in voters.authorities)
        self.checkers.on_conflict(node.index, found.block, proof or b"", keys, voters.set_id)
        self.note("stopped", node.index, found.block.number, found.block.hash)
        raise CrashNow

    @property
    def digest(self) -> str:
        """What happened, in 32 digits."""
        return f"{self.story.hexdigest()}-{self.trace:016x}"
