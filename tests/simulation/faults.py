"""What goes wrong, and when: faults as data, so that a run can be repeated and its list shrunk.

A ``Fault`` begins at a moment and is over at another; ``begin`` and ``end`` carry it out on a
world. ``draw_faults`` writes the list of a seed: episodes of one to four faults, then a quiet time
in which finality must come back. ``Traitor`` is what a Byzantine node does all the time: it runs
the production cores as everybody, and lies where its messages leave it.
"""

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from node.consensus.grandpa import Received
from node.consensus.slots import SlotClaim, claim_slot
from node.consensus.verification import slot_of
from primitives.digest import BABE_ENGINE, BabePreDigest, Other, Primary, Seal
from primitives.grandpa import (
    Block,
    GossipMessage,
    VoteKind,
    VoteMessage,
    make_vote,
    sign_vote,
)
from primitives.header import Header
from primitives.scale import U64, decode
from primitives.types import Hash
from tests.simulation.network import FAIR, Weather

if TYPE_CHECKING:
    from tests.simulation.validator import Validator
    from tests.simulation.world import World

SECOND = 1000
EXCUSED_MS = 75_000
"""How long after its uplink was narrow a node may be behind: the longest pause of the
synchroniser after failures, and a round."""
WEATHERS = (
    Weather(delay_ms=(5, 60), loss=0.1, twice=0.1, late=0.05),
    Weather(delay_ms=(100, 1500), loss=0.05),
    Weather(delay_ms=(5, 400), loss=0.4),
    Weather(delay_ms=(500, 4000), twice=0.3, late=0.2),
    Weather(delay_ms=(1, 20), loss=0.0, twice=0.5, late=0.3),
)
KINDS = (
    "crash", "crash", "crash_at", "crash_at", "crash_write", "partition", "partition", "oneway",
    "weather", "weather", "slow", "skew", "leave", "rot", "full", "crash_all",
)  # fmt: skip
TREASONS = ("double_author", "withhold", "double_vote", "fork_vote", "liar", "silent")
TWO_FACED = "two_faced"
"""Votes for whatever anybody cut off builds: of use only to more traitors than a set tolerates."""
TWO_FACED_MS = 1000
CHOOSY = "choosy"
"""Builds beside a block whose draw it dislikes, where it has a chance to leave it out."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong from ``at_ms`` to ``until_ms`` after the start."""

    at_ms: int
    until_ms: int
    kind: str
    detail: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.at_ms / 1000:.1f}-{self.until_ms / 1000:.1f} s {self.kind}{self.detail}"


def draw_faults(draw: random.Random, count: int, length_ms: int) -> tuple[Fault, ...]:
    """The faults of a run of ``length_ms`` with ``count`` nodes."""
    found: list[Fault] = []
    at = 20 * SECOND
    while at < length_ms - 60 * SECOND:
        end = at
        for _ in range(draw.choice((1, 1, 2, 2, 3, 4))):
            begin = at + draw.randrange(20 * SECOND)
            lasts = draw.choice((2, 10, 30, 60, 120)) * SECOND + draw.randrange(SECOND)
            kind = draw.choice(KINDS)
            found.append(Fault(begin, begin + lasts, kind, _detail(draw, kind, count)))
            end = max(end, begin + lasts)
        at = end + draw.choice((25, 40, 90)) * SECOND
    return tuple(sorted(found, key=lambda fault: (fault.at_ms, fault.kind)))


def _detail(draw: random.Random, kind: str, count: int) -> tuple[Any, ...]:
    node = draw.randrange(count)
    match kind:
        case "crash" | "leave" | "rot":
            return (node,)
        case "crash_all":
            return tuple(index for index in range(count) if draw.random() < 0.8)
        case "crash_at":
            return node, draw.randrange(60)
        case "crash_write":
            return node, draw.randrange(30)
        case "partition":
            return tuple(draw.randrange(2) for _ in range(count))
        case "oneway":
            links = [(one, two) for one in range(count) for two in range(count) if one != two]
            return tuple(link for link in links if draw.random() < 0.4)
        case "weather":
            return (draw.randrange(len(WEATHERS)),)
        case "slow":
            return node, draw.choice((200, 1000, 5000))
        case "skew":
            return node, draw.choice((-20_000, -5000, -900, 900, 5000, 20_000))
        case "full":
            return node, draw.randrange(20_000)
    raise AssertionError(kind)


def begin(world: "World", fault: Fault) -> None:
    """Let a fault begin."""
    nodes, network, detail = world.nodes, world.network, fault.detail
    match fault.kind:
        case "crash":
            world.crash(nodes[detail[0]])
        case "crash_all":
            for index in detail:
                world.crash(nodes[index])
        case "wipe":
            world.wipe(nodes[detail[0]])
        case "crash_at":
            nodes[detail[0]].effects_to_crash = detail[1]
        case "crash_write":
            nodes[detail[0]].disk.writes_to_crash = detail[1]
        case "partition":
            for one, two in _apart(detail):
                world.cut(one, two)
        case "oneway":
            for one, two in detail:
                world.cut(one, two)
        case "weather":
            network.weather = WEATHERS[detail[0]]
        case "slow":
            network.bytes_per_s[detail[0]] = detail[1]
            world.excused[detail[0]] = world.now + fault.until_ms
        case "skew":
            nodes[detail[0]].skew_ms = detail[1]
        case "leave":
            world.part(nodes[detail[0]])
        case "rot":
            nodes[detail[0]].disk.rot()
        case "full":
            nodes[detail[0]].disk.room_bytes = detail[1]
        case _:
            raise AssertionError(fault.kind)


def end(world: "World", fault: Fault) -> None:
    """Let it be over."""
    nodes, network, detail = world.nodes, world.network, fault.detail
    match fault.kind:
        case "crash" | "wipe":
            world.restart(nodes[detail[0]])
        case "crash_all":
            for index in detail:
                world.restart(nodes[index])
        case "crash_at":
            nodes[detail[0]].effects_to_crash = None
            world.restart(nodes[detail[0]])
        case "crash_write":
            nodes[detail[0]].disk.writes_to_crash = None
            world.restart(nodes[detail[0]])
        case "partition":
            for one, two in _apart(detail):
                world.mend(one, two)
        case "oneway":
            for one, two in detail:
                world.mend(one, two)
        case "weather":
            network.weather = world.plan.weather
        case "slow":
            network.bytes_per_s.pop(detail[0], None)
            world.excused[detail[0]] = world.now + EXCUSED_MS
        case "skew":
            nodes[detail[0]].skew_ms = 0
        case "leave":
            world.join(nodes[detail[0]])
        case "rot":
            pass
        case "full":
            nodes[detail[0]].disk.room_bytes = None
            world.restart(nodes[detail[0]])
        case _:
            raise AssertionError(fault.kind)


def _apart(groups: tuple[int, ...]) -> list[tuple[int, int]]:
    count = range(len(groups))
    return [(one, two) for one in count for two in count if groups[one] != groups[two]]


def author_of(header: Header) -> int:
    """Who made a block, by its place in the epoch's list."""
    return _pre_digest(header).author


def is_primary(header: Header) -> bool:
    """Whether a block's slot was won by its author, and not given to it."""
    return isinstance(_pre_digest(header), Primary)


def _pre_digest(header: Header) -> BabePreDigest:
    data = header.digest.pre_runtime(BABE_ENGINE)
    assert data is not None, "because a genesis is not asked about"
    return decode(BabePreDigest, data)


class Traitor:
    """What a Byzantine node does with what its cores order."""

    def __init__(self, node: "Validator", treasons: tuple[str, ...], seed: float) -> None:
        self.node = node
        self.treasons = treasons
        self.draw = random.Random(seed)
        self.withheld = 0
        self.lies = 0
        self.own_head: Header | None = None
        self.disliked: list[Header] = []
        """Blocks of others with bad draws upon which it should have built."""
        self.beside: dict[Header, bool] = {}
        """Those that it built beside, and whether it had the next slot too."""

    def has(self, treason: str) -> bool:
        return treason in self.treasons

    def author(self, parent: Header, slot: int) -> Header | None:
        """A second block for a slot that this node authors in; it keeps both."""
        node = self.node
        claim = claim_slot(slot, node.chain.epoch_after(parent, slot), [node.babe])
        if claim is None:
            return None
        signed, node.chain.signed = node.chain.signed, None
        try:
            built, imported = node.chain.build(
                parent,
                claim,
                node.transactions()[:1],
                now_ms=node.slots.moment_in(slot, node.clock()) + 1,
                is_late=lambda: False,
            )
        finally:
            node.chain.signed = signed
        self.lies += 1
        node.sync.own(imported.header, imported.hash, is_best=imported.is_best)
        return built.header

    def parent(self, best: Header, claim: SlotClaim) -> Header:
        """What a choosy author builds upon: its own fork, or beside a block that it dislikes.

        It tries that where it can win: by a primary slot against a secondary one, if such a block
        weighs more, or by having the next slot too.
        """
        node, own = self.node, self.own_head
        if not self.has(CHOOSY) or best == own:
            return best
        if own is not None and own.number >= best.number and own.hash() in node.chain.forks:
            return own
        self.own_head = None
        if best.number == 0 or author_of(best) == claim.authority_index or best.hash()[0] & 1:
            return best
        self.disliked.append(best)
        if node.database.finalized().number >= best.number:
            return best
        slot = claim.slot + 1
        has_next = claim_slot(slot, node.chain.epoch_after(best, slot), [node.babe]) is not None
        if has_next or (isinstance(claim.pre_digest, Primary) and not is_primary(best)):
            self.beside[best] = has_next
            return node.chain.header(best.parent_hash)
        return best

    def vote(self, message: GossipMessage) -> bool:
        """Send this vote of ours, or others, to each as it pleases; True if that was done."""
        node = self.node
        if not isinstance(message, VoteMessage):
            return self.has("silent")
        signed = message.signed
        if signed.authority != node.grandpa.public:
            return self.has("silent")
        if self.has("silent"):
            return True
        if not (self.has("double_vote") or self.has("fork_vote")):
            return False
        for peer in node.linked:
            for _ in range(self.draw.choice((0, 1, 1, 2)) if self.has("double_vote") else 1):
                block = self.draw.choice(self.candidates())
                vote = make_vote(signed.vote.kind, block)
                lie = sign_vote(vote, int(message.round), int(message.set_id), node.grandpa)
                self.lies += 1
                bent = VoteMessage(round=message.round, set_id=message.set_id, signed=lie)
                node.send(peer, "vote", node.world.carried(bent), 200)
        return True

    def flatter(self) -> None:
        """Vote in the round of each honest node that is cut off, for what it would like best."""
        node, world = self.node, self.node.world
        world.at(world.now + TWO_FACED_MS, node, self.flatter)
        for victim in world.nodes:
            if victim.is_byzantine or not victim.is_up or victim.index in node.linked:
                continue
            play = victim.voter._play.votes
            best = victim.database.best()
            wishes = [(VoteKind.PREVOTE, Block(bytes(best.hash), best.number))]
            if play.state.ghost is not None:
                wishes.append((VoteKind.PRECOMMIT, play.state.ghost))
            for kind, block in wishes:
                set_id, number = victim.voter._set_id, play.number
                signed = sign_vote(make_vote(kind, block), number, set_id, node.grandpa)
                message = VoteMessage(round=U64(number), set_id=U64(set_id), signed=signed)
                self.lies += 1
                world.at(world.now, victim, victim.tell, Received(str(node.index), message))

    def candidates(self) -> list[Block]:
        database = self.node.database
        final = database.finalized()
        found = [Block(bytes(final.hash), final.number)]
        for number in range(final.number + 1, database.best().number + 1):
            found += [Block(bytes(hash_), number) for hash_ in database.hashes_at(number)]
        return found[-8:]

    def answer(self, pieces: list[Any]) -> list[Any]:
        """What a lying peer makes of a good answer."""
        draw = self.draw
        self.lies += 1
        match draw.randrange(6):
            case 0:
                return []
            case 1:
                return pieces[: len(pieces) // 2]
            case 2:
                return [self.bent(piece) for piece in pieces]
            case 3:
                draw.shuffle(pieces)
                return pieces
            case 4:
                return [replace(piece, justification=b"junk") for piece in pieces]
        return [replace(piece, body=piece.body[:-1]) for piece in pieces]

    def bent(self, piece: Any) -> Any:
        """A block with another header under the old seal."""
        bare, seal = piece.header.split_seal()
        if not isinstance(seal, Seal):
            return piece
        changed = Header(
            parent_hash=bare.parent_hash,
            number=bare.number,
            state_root=Hash(bytes(32)),
            extrinsics_root=bare.extrinsics_root,
            digest=bare.digest.pushed(Other(data=b"bent")),
        ).sealed(seal)
        return replace(piece, header=changed, hash=changed.hash())


__all__ = [
    "FAIR",
    "KINDS",
    "TREASONS",
    "Fault",
    "Traitor",
    "begin",
    "draw_faults",
    "end",
    "slot_of",
]
