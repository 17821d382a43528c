"""The core of synchronisation: scenarios, and models of many nodes under loss and lies."""

from dataclasses import replace

import pytest

from node.database import BlockId
from node.network.transport import Cost, Roles
from node.network.wire import BlockFields, BlockRequest, Direction
from node.sync.core import FUTURE_SLOTS_KEPT, HELD_BYTES_MAX, SyncCore
from node.sync.events import (
    Announced,
    BlockImported,
    BlocksArrived,
    Charge,
    Effect,
    Failure,
    FetchWanted,
    FinalizedTo,
    ImportBlocks,
    ImportFailed,
    ImportJustification,
    JustificationRefused,
    NotAsked,
    PeerJoined,
    PeerLeft,
    RequestBlocks,
    RequestFailed,
    Ticked,
)
from node.sync.proofs import PROOF_RETRY_MS
from node.sync.wants import WANTS_MAX, WANTS_PER_PEER_MAX
from primitives.header import Header
from primitives.types import Hash
from tests.node.sync.world import BAD, GENESIS, Node, Tree, World, child, incoming, line


class Rig:
    """One core by itself."""

    def __init__(self, *own: Header) -> None:
        self.tree = Tree()
        self.tree.extend(*own)
        self.core = SyncCore(self.tree, lambda header: bool(header.digest.logs))
        self.now = 0

    def give(self, what: object, after_ms: int = 0) -> list[Effect]:
        self.now += after_ms
        self.core.receive(what, self.now)  # type: ignore[arg-type]
        found = []
        while (effect := self.core.next_effect()) is not None:
            found.append(effect)
        return found

    def join(self, name: str, best: Header) -> list[Effect]:
        return self.give(PeerJoined(name, Roles.FULL, BlockId(best.hash(), int(best.number))))

    def announce(self, name: str, header: Header, ahead: int | None = 0) -> list[Effect]:
        return self.give(Announced(name, header, header.hash(), True, ahead))

    def land(self, *headers: Header) -> list[Effect]:
        found: list[Effect] = []
        for header in headers:
            is_best = self.tree.add(header)
            found += self.give(BlockImported(header.hash(), int(header.number), is_best))
        return found


def request_of(effects: list[Effect]) -> RequestBlocks:
    (found,) = [each for each in effects if isinstance(each, RequestBlocks)]
    return found


def arrived(request: RequestBlocks, *headers: Header) -> BlocksArrived:
    return BlocksArrived(request.request_id, tuple(incoming(each) for each in headers))


def costs(effects: list[Effect]) -> list[Cost]:
    return [each.cost for each in effects if isinstance(each, Charge)]


# Finding out what to ask.


def test_a_node_at_genesis_asks_for_ranges_at_once() -> None:
    chain = line(GENESIS, 300)
    rig = Rig()
    asked = request_of(rig.join("a", chain[-1])).request
    assert (asked.start, asked.max_blocks, asked.direction) == (1, 128, Direction.ASCENDING)


def test_the_common_ancestor_is_found_by_halving() -> None:
    trunk = line(GENESIS, 1000)
    ours, theirs = line(trunk[-1], 37, b"o"), line(trunk[-1], 500, b"t")
    rig = Rig(*trunk, *ours)
    world = Tree()
    world.extend(*trunk, *theirs)
    effects, probes = rig.join("a", theirs[-1]), 0
    while (asked := request_of(effects)).request.max_blocks == 1:
        probes += 1
        effects = rig.give(BlocksArrived(asked.request_id, world.answer(asked.request)))
    assert asked.request.start == 1001
    assert probes <= 14


def test_a_peer_with_another_final_chain_pays_and_is_asked_less_and_less() -> None:
    ours, theirs = line(GENESIS, 20, b"o"), line(GENESIS, 40, b"t")
    rig = Rig(*ours)
    rig.tree.finalize(20)
    asked = request_of(rig.join("a", theirs[-1]))
    pauses = []
    for _ in range(6):
        effects = rig.give(arrived(asked, theirs[19]))
        assert costs(effects) == [Cost.UNKNOWN_ANCESTOR]
        assert not any(isinstance(each, RequestBlocks) for each in effects)
        pauses.append(rig.core.next_deadline() - rig.now)
        asked = request_of(rig.give(Ticked(), pauses[-1]))
    # The first is short: one that was cut off may only not have heard what became final.
    assert pauses == [4_000, 8_000, 16_000, 32_000, 60_000, 60_000]


def test_a_light_peer_is_never_asked() -> None:
    rig = Rig()
    assert rig.give(PeerJoined("a", Roles.LIGHT, BlockId(Hash(b"x" * 32), 9))) == []
    assert rig.announce("a", child(GENESIS)) == []


# News.


def test_an_announced_block_is_asked_for_alone_and_imported() -> None:
    rig, block = Rig(), child(GENESIS)
    rig.join("a", GENESIS)
    asked = request_of(rig.announce("a", block))
    assert (asked.request.start, asked.request.max_blocks) == (block.hash(), 1)
    (order,) = rig.give(arrived(asked, block))
    assert order == ImportBlocks("a", (incoming(block),))
    assert costs(rig.land(block)) == [Cost.USEFUL_BLOCK]


def test_a_block_announced_by_many_is_asked_of_one_and_of_the_next_if_that_fails() -> None:
    rig, block = Rig(), child(GENESIS)
    for name in ("a", "b"):
        rig.join(name, GENESIS)
    asked = request_of(rig.announce("a", block))
    assert rig.announce("b", block) == []
    failed = RequestFailed(asked.request_id, NotAsked.TIMED_OUT)
    again = request_of(rig.give(failed))
    assert (asked.peer, again.peer) == ("a", "b")


def test_a_fork_is_fetched_down_to_what_is_known() -> None:
    trunk = line(GENESIS, 10)
    fork = line(trunk[3], 9, b"f")
    rig = Rig(*trunk)
    rig.join("a", trunk[-1])
    asked = request_of(rig.announce("a", fork[-1]))
    assert asked.request.direction is Direction.DESCENDING
    answer = [*reversed(fork), trunk[3]][: asked.request.max_blocks]
    if len(answer) < len(fork):
        # It asked down to its best block only: the fork hangs in the air, so it searches.
        effects = rig.give(arrived(asked, *answer))
        tree = Tree()
        tree.extend(*trunk[:4], *fork)
        while not any(isinstance(each, ImportBlocks) for each in effects):
            asked = request_of(effects)
            effects = rig.give(BlocksArrived(asked.request_id, tree.answer(asked.request)))
    else:
        effects = rig.give(arrived(asked, *answer))
    (order,) = [each for each in effects if isinstance(each, ImportBlocks)]
    assert [block.header for block in order.blocks] == fork


def test_a_vote_for_an_unknown_block_fetches_it() -> None:
    rig, block = Rig(), child(GENESIS)
    rig.join("a", GENESIS)
    wanted = FetchWanted("a", BlockId(block.hash(), 1))
    asked = request_of(rig.give(wanted))
    assert asked.request.start == block.hash()
    assert rig.give(wanted) == []


@pytest.mark.parametrize("late", ["nothing", "silence"])
def test_a_late_failure_of_a_liar_does_not_undo_what_others_were_asked(late: str) -> None:
    rig, block, junk = Rig(), child(GENESIS), child(GENESIS, BAD)
    rig.join("liar", GENESIS)
    asked = request_of(rig.announce("liar", junk))
    rig.give(arrived(asked, junk))
    wanted = BlockId(block.hash(), 1)
    first = request_of(rig.give(FetchWanted("liar", wanted)))
    assert costs(rig.give(ImportFailed(junk.hash(), Failure.BAD))) == [Cost.BAD_BLOCK]
    rig.join("honest", GENESIS)
    second = request_of(rig.give(FetchWanted("honest", wanted)))
    if late == "nothing":
        rig.give(BlocksArrived(first.request_id, ()))
    else:
        rig.give(RequestFailed(first.request_id, NotAsked.TIMED_OUT))
    effects = rig.give(arrived(second, block))
    assert [each.blocks[0].header for each in effects if isinstance(each, ImportBlocks)] == [block]


@pytest.mark.parametrize(
    ("ahead", "cost"), [(FUTURE_SLOTS_KEPT + 1, Cost.UNKNOWN_ANCESTOR), (None, Cost.BAD_BLOCK)]
)
def test_nothing_is_asked_for_a_header_of_the_far_future_or_without_a_slot(
    ahead: int | None, cost: Cost
) -> None:
    rig = Rig()
    rig.join("a", GENESIS)
    assert rig.announce("a", child(GENESIS), ahead) == [Charge("a", cost)]


def test_a_block_a_little_early_is_imported_later_once() -> None:
    rig, block = Rig(), child(GENESIS)
    rig.join("a", GENESIS)
    asked = request_of(rig.announce("a", block, 2))
    rig.give(arrived(asked, block))
    assert rig.give(ImportFailed(block.hash(), Failure.FUTURE)) == []
    assert rig.announce("a", block, 2) == []
    assert rig.core.next_deadline() == 1_000
    (order,) = rig.give(Ticked(), 1_000)
    assert isinstance(order, ImportBlocks)
    rig.give(ImportFailed(block.hash(), Failure.FUTURE))
    assert rig.core.statistics()["early"] == 0


# Lies.


def lies(asked: RequestBlocks, chain: list[Header]) -> dict[str, tuple[Header, ...]]:
    return {
        "too many": tuple(chain[:129]),
        "from elsewhere": tuple(chain[5:20]),
        "with a hole": (chain[0], chain[2]),
        "not linked": (chain[0], replace(chain[1], parent_hash=Hash(b"x" * 32))),
        "backwards": tuple(reversed(chain[:9])),
    }


@pytest.mark.parametrize(
    "kind", ["too many", "from elsewhere", "with a hole", "not linked", "backwards"]
)
def test_blocks_that_were_not_asked_for_cost_their_sender_and_are_asked_of_another(
    kind: str,
) -> None:
    chain = line(GENESIS, 300)
    rig = Rig()
    asked = request_of(rig.join("liar", chain[-1]))
    rig.join("b", chain[-1])
    effects = rig.give(arrived(asked, *lies(asked, chain)[kind]))
    assert costs(effects) == [Cost.UNASKED]
    assert not any(isinstance(each, ImportBlocks) for each in effects)
    assert rig.core.statistics()["held_bytes"] == 0


def test_an_answer_to_nothing_is_ignored() -> None:
    rig = Rig()
    rig.join("a", GENESIS)
    assert rig.give(BlocksArrived(77, (incoming(child(GENESIS)),))) == []


def test_who_sends_a_bad_block_is_never_asked_again_and_others_are() -> None:
    bad = child(GENESIS, BAD)
    good = child(GENESIS)
    rig = Rig()
    rig.join("liar", GENESIS)
    rig.join("b", GENESIS)
    asked = request_of(rig.announce("liar", bad))
    rig.give(arrived(asked, bad))
    assert costs(rig.give(ImportFailed(bad.hash(), Failure.BAD))) == [Cost.BAD_BLOCK]
    assert rig.announce("liar", good) == []
    assert costs(rig.announce("b", bad)) == [Cost.BAD_BLOCK]
    assert costs(rig.announce("b", child(bad))) == [Cost.BAD_BLOCK]
    assert request_of(rig.announce("b", good)).peer == "b"


def test_the_bad_block_in_a_run_is_blamed_on_its_sender_alone() -> None:
    chain = line(GENESIS, 400)
    fake = [*chain[:128], *line(chain[127], 128, BAD)]
    rig = Rig()
    one = request_of(rig.join("honest", chain[-1]))
    two = request_of(rig.join("liar", chain[-1]))
    rig.give(arrived(two, *fake[128:256]))
    effects = rig.give(arrived(one, *chain[:128]))
    assert [each.peer for each in effects if isinstance(each, ImportBlocks)] == ["honest", "liar"]
    rig.land(*chain[:128])
    effects = rig.give(ImportFailed(fake[128].hash(), Failure.BAD))
    assert Charge("liar", Cost.BAD_BLOCK) in effects
    assert rig.core.statistics()["ordered"] == 0
    world = World()
    node = world.node("x", lie=lambda n, r: None)
    assert node.reputation == {}


def test_blocks_of_slots_to_come_do_not_hold_a_run_up() -> None:
    chain = line(GENESIS, 1000)
    rig = Rig()
    asked = request_of(rig.join("liar", chain[-1]))
    fake = line(GENESIS, 128, b"early")
    rig.give(arrived(asked, *fake))
    effects = rig.join("honest", chain[-1])
    effects = rig.give(ImportFailed(fake[0].hash(), Failure.FUTURE))
    assert costs(effects) == [Cost.UNKNOWN_ANCESTOR]
    assert rig.core.statistics()["early"] == 0
    for _ in range(50):
        effects = rig.give(Ticked(), 1_000)
        assert not any(isinstance(each, RequestBlocks) and each.peer == "liar" for each in effects)


def test_a_liar_of_two_runs_that_leaves_is_in_neither_of_them() -> None:
    chain, fork = line(GENESIS, 20), line(GENESIS, 1000, b"f")
    far = line(chain[-1], 1000)
    rig = Rig(*chain)
    rig.tree.add(fork[0])
    begun = {}
    for name in ("honest", "liar"):
        begun[name] = request_of(rig.give(arrived(request_of(rig.join(name, far[-1])), chain[-1])))
    later = far[128 : 2 * 128]
    alien = line(replace(later[0], parent_hash=Hash(b"x" * 32)), 127)
    alien = [replace(later[0], parent_hash=Hash(b"x" * 32)), *alien]
    third = request_of(rig.give(arrived(begun["liar"], *alien)))
    rig.give(RequestFailed(third.request_id, NotAsked.REFUSED))
    rig.announce("liar", fork[0])  # known, and not of the best chain: the next run begins there
    assert request_of(rig.announce("liar", fork[-1])).request.start == 2
    rig.give(arrived(begun["honest"], *far[:128]))  # what the liar sent before does not fit
    rig.give(PeerLeft("liar"))
    rig.tree.finalize(20)
    rig.give(FinalizedTo(rig.tree.finalized()))
    assert rig.core.statistics()["runs"] == 1


def test_a_claim_without_blocks_is_not_believed_twice() -> None:
    rig = Rig()
    asked = request_of(rig.join("liar", line(GENESIS, 1000)[-1]))
    effects = rig.give(BlocksArrived(asked.request_id, ()))
    assert costs(effects) == [Cost.NOT_ANSWERED]
    assert rig.give(Ticked(), 120_000) == []
    assert rig.core.best_seen() == 0


def test_a_slow_peer_is_doubled_so_that_it_holds_nothing_up() -> None:
    chain = line(GENESIS, 256)
    rig = Rig()
    slow = request_of(rig.join("slow", chain[-1]))
    fast = request_of(rig.join("fast", chain[-1]))
    effects = rig.give(arrived(fast, *chain[128:256]))
    assert effects == []
    assert rig.core.next_deadline() == 500
    again = request_of(rig.give(Ticked(), 500))
    assert (again.peer, again.request.start) == ("fast", slow.request.start)
    effects = rig.give(arrived(again, *chain[:128]))
    assert [type(each) for each in effects] == [ImportBlocks, ImportBlocks]
    assert costs(rig.give(arrived(slow, *chain[:128]))) == []


def test_who_announces_first_and_says_nothing_delays_a_block_by_a_second() -> None:
    rig, block = Rig(), child(GENESIS)
    for name in ("silent", "mute", "honest"):
        rig.join(name, GENESIS)
        rig.announce(name, block)
    assert rig.core.next_deadline() == 1_000
    second = request_of(rig.give(Ticked(), 1_000))
    third = request_of(rig.give(Ticked(), 1_000))
    assert (second.peer, third.peer) == ("mute", "honest")
    (order,) = rig.give(arrived(third, block))
    assert isinstance(order, ImportBlocks)
    assert rig.give(arrived(second, block)) == []


def test_a_hundred_silent_peers_hold_an_honest_one_up_for_little() -> None:
    chain = line(GENESIS, 1000)
    world = World(timeout_ms=20_000)
    for at in range(100):
        claim = BlockId(Hash(bytes([at]) * 32), 5000)
        world.node(f"sybil{at}", lie=silence, claim=claim)
    honest = world.node("honest")
    honest.tree.extend(*chain)
    new = world.node("new")
    for node in list(world.nodes.values()):
        if node is not new:
            world.connect(new, node)
    world.run(180_000)
    assert new.tree.best().number == 1000


def test_a_flood_of_announcements_takes_bounded_room_and_nobody_elses() -> None:
    rig = Rig()
    for number in range(30):
        rig.join(f"flood{number}", GENESIS)
        for salt in range(100):
            rig.announce(f"flood{number}", child(GENESIS, b"%d %d" % (number, salt)))
    assert rig.core.statistics()["wants"] <= WANTS_MAX
    quiet = Rig()
    quiet.join("flood", GENESIS)
    for salt in range(1000):
        quiet.announce("flood", child(GENESIS, b"%d" % salt))
    assert quiet.core.statistics()["wants"] <= WANTS_PER_PEER_MAX
    quiet.join("honest", GENESIS)
    assert request_of(quiet.announce("honest", child(GENESIS))).peer == "honest"


def test_what_becomes_final_frees_all_that_was_below() -> None:
    trunk = line(GENESIS, 50)
    rig = Rig(*trunk)
    rig.join("a", trunk[-1])
    for salt in range(10):
        rig.announce("a", child(trunk[salt], b"fork %d" % salt))
    assert rig.core.statistics()["wants"] > 0
    rig.give(FinalizedTo(rig.tree.finalize(40)))
    assert rig.core.statistics()["wants"] == 0


def test_a_peer_that_leaves_takes_everything_of_it_along() -> None:
    chain = line(GENESIS, 600)
    rig = Rig()
    rig.join("a", chain[-1])
    rig.give(PeerLeft("a"))
    rest = rig.core.statistics()
    assert not any(rest.values())


# Finality.


def test_a_set_change_that_voting_did_not_prove_is_asked_for_until_it_is() -> None:
    rig = Rig()
    change = child(GENESIS, b"change")
    rig.tree.add(change)
    for name in ("a", "b"):
        rig.join(name, change)
    changed = BlockImported(change.hash(), 1, is_best=True, changes_set=True)
    assert rig.give(changed) == []
    asked = request_of(rig.give(Ticked(), 10_000))
    assert asked.request.start == change.hash()
    other = request_of(rig.give(BlocksArrived(asked.request_id, (incoming(change),))))
    proof = incoming(change, b"proof")
    (order,) = rig.give(BlocksArrived(other.request_id, (proof,)))
    assert order == ImportJustification(other.peer, BlockId(change.hash(), 1), b"proof")
    effects = rig.give(JustificationRefused(change.hash(), other.peer))
    assert costs(effects) == [Cost.BAD_JUSTIFICATION]
    rig.give(FinalizedTo(rig.tree.finalize(1)))
    assert rig.core.statistics()["proofs"] == 0


def test_peers_that_cannot_have_a_proof_do_not_keep_others_from_being_asked_again() -> None:
    change = child(GENESIS, b"change")
    rig = Rig(change)
    rig.core.want_proofs([BlockId(change.hash(), 1)])
    rig.join("a", change)
    rig.join("behind", GENESIS)
    asked = request_of(rig.give(Ticked(), PROOF_RETRY_MS))
    assert asked.peer == "a"
    assert rig.give(BlocksArrived(asked.request_id, (incoming(change),))) == []
    assert rig.give(Ticked(), PROOF_RETRY_MS - 1) == []
    assert request_of(rig.give(Ticked(), 1)).peer == "a"


def test_a_node_that_starts_again_asks_for_the_proofs_that_it_waited_for() -> None:
    change = child(GENESIS, b"change")
    rig = Rig(change)
    rig.now = 1_000_000
    rig.core.want_proofs([BlockId(change.hash(), 1)])
    asked = request_of(rig.join("a", change))
    assert asked.request.start == change.hash()
    assert asked.request.fields & BlockFields.JUSTIFICATION


def test_only_useful_proofs_are_checked_in_bulk() -> None:
    chain = line(GENESIS, 128)
    chain = [*chain[:60], *line(chain[59], 1, b"set change")]
    chain += line(chain[-1], 67)
    rig = Rig()
    asked = request_of(rig.join("a", line(chain[-1], 200)[-1]))
    blocks = tuple(incoming(each, b"proof") for each in chain)
    (order,) = [
        each
        for each in rig.give(BlocksArrived(asked.request_id, blocks))
        if isinstance(each, ImportBlocks)
    ]
    assert [block.number for block in order.blocks if block.justification] == [61, 128]


def test_syncing_is_major_only_when_most_say_so() -> None:
    chain = line(GENESIS, 100)
    rig = Rig(*chain)
    for name in ("a", "b", "c"):
        rig.join(name, chain[-1])
    rig.give(PeerJoined("liar", Roles.FULL, BlockId(Hash(b"l" * 32), 1 << 31)))
    assert not rig.core.is_major_syncing()
    ahead = line(chain[-1], 7)[-1]
    for name in ("a", "b"):
        rig.announce(name, ahead)
    assert rig.core.is_major_syncing()


def test_liars_that_are_most_of_the_peers_stop_a_validator_only_for_a_while() -> None:
    chain = line(GENESIS, 20)
    far = line(chain[-1], 1000)
    rig = Rig(*chain)
    for name in ("a", "b", "c"):
        rig.join(name, chain[-1])
    major = 0
    for second in range(600):
        # Each connects anew, claims, says nothing and is gone before it is not believed any more.
        for liar in range(4):
            if (second + liar) % 15 == 0:
                rig.give(PeerLeft(f"liar {liar}"))
                rig.join(f"liar {liar}", far[-1])
        rig.give(Ticked(), 1_000)
        major += rig.core.is_major_syncing(rig.now)
        if second % 6 == 0:  # others go on
            rig.land(far[second // 6])
    assert major < 600 // 4


def test_syncing_is_major_as_long_as_blocks_come() -> None:
    far = line(GENESIS, 1000)
    rig = Rig()
    rig.join("a", far[-1])
    for header in far[:900]:
        rig.land(header)
        assert rig.core.is_major_syncing(rig.now)
        rig.give(Ticked(), 900)


def test_syncing_is_major_until_what_was_fetched_is_imported() -> None:
    chain = line(GENESIS, 60)
    rig = Rig()
    asked = request_of(rig.join("a", chain[-1]))
    rig.give(arrived(asked, *reversed(chain)))
    rig.land(*chain[:50])
    assert rig.core.is_major_syncing()
    rig.land(*chain[50:55])
    assert not rig.core.is_major_syncing()


def test_higher_blocks_of_forks_that_are_here_are_nothing_to_wait_for() -> None:
    # Finality may have chosen the lower fork; after a partition all nodes have both.
    chain = line(GENESIS, 20)
    rig = Rig(*chain)
    for name in ("a", "b", "c"):
        rig.join(name, chain[-1])
    rig.tree._best = BlockId(chain[9].hash(), 10)
    assert rig.core.best_seen() == 20
    assert not rig.core.is_major_syncing()


# Many nodes.


def fake_chain(node: Node, request: BlockRequest) -> tuple:  # type: ignore[type-arg]
    return node.tree.answer(request)


def silence(node: Node, request: BlockRequest) -> None:
    return None


def refusal(node: Node, request: BlockRequest) -> NotAsked:
    return NotAsked.REFUSED


def junk(node: Node, request: BlockRequest) -> NotAsked:
    return NotAsked.MALFORMED


def nothing(node: Node, request: BlockRequest) -> tuple:  # type: ignore[type-arg]
    return ()


def elsewhere(node: Node, request: BlockRequest) -> tuple:  # type: ignore[type-arg]
    return tuple(incoming(each) for each in line(GENESIS, 3, b"elsewhere"))


LIES = [fake_chain, silence, refusal, junk, nothing, elsewhere]


def add_liars(world: World, fake: Header, length: int) -> None:
    for at, lie in enumerate(LIES):
        liar = world.node(f"liar{at}", lie=lie)
        chain = line(fake, length, BAD + b"%d" % at)
        path, below = [], fake
        while below.number:
            path.append(below)
            below = next(
                tree.headers[below.parent_hash]
                for tree in (node.tree for node in world.nodes.values())
                if below.parent_hash in tree.headers
            )
        liar.tree.extend(*reversed(path), *chain)
        liar.claim = BlockId(chain[-1].hash(), int(chain[-1].number))


@pytest.mark.parametrize("seed", range(4))
def test_all_honest_nodes_converge_under_loss_and_lies(seed: int) -> None:
    world = World(seed, loss=0.1)
    trunk = line(GENESIS, 40)
    tops: list[BlockId] = []
    for at in range(5):
        node = world.node(f"n{at}")
        node.tree.extend(*trunk)
        branch = line(trunk[-1 - at * 3], world.source.randrange(1, 300), b"branch %d" % at)
        node.tree.extend(*branch)
        tops.append(node.tree.best())
    for at in range(2):
        world.node(f"new{at}")
    add_liars(world, trunk[10], 900)
    world.connect_all()
    world.run(600_000)
    highest = max(top.number for top in tops)
    honest = [node for node in world.nodes.values() if node.lie is None]
    assert {node.tree.best().number for node in honest} == {highest}
    assert all(node.tree.best() in tops for node in honest)
    for node in honest:
        assert node.peak_held < HELD_BYTES_MAX
        pays = {peer for peer, cost in node.costs if cost.change <= Cost.BAD_BLOCK.change}
        assert all(name.startswith("liar") for name in pays)


def test_new_blocks_reach_everybody_while_a_new_node_catches_up() -> None:
    world = World(3)
    trunk = line(GENESIS, 1500)
    for at in range(4):
        world.node(f"n{at}").tree.extend(*trunk)
    late = world.node("late")
    world.connect_all()
    tip = trunk[-1]
    for second in range(1, 61):
        tip = child(tip)
        author = world.nodes[f"n{second % 4}"]
        world.at(second * 1000, lambda a=author, h=tip: world.imported(a, h))  # type: ignore[misc]
    world.run(120_000)
    assert {node.tree.best().hash for node in world.nodes.values()} == {tip.hash()}
    peers = {peer for peer, request in late.asked if request.max_blocks == 128}
    assert len(peers) == 4


def test_the_same_seed_gives_the_same_trace() -> None:
    def trace() -> list[str]:
        world = World(9, loss=0.2)
        for at in range(4):
            world.node(f"n{at}").tree.extend(*line(GENESIS, 50 + at, b"%d" % at))
        world.connect_all()
        world.run(60_000)
        return world.trace

    assert trace() == trace()


def test_a_node_syncs_from_peers_that_prove_finality_on_the_way() -> None:
    world = World(1)
    trunk = line(GENESIS, 700)
    full = world.node("full")
    full.tree.extend(*trunk)
    for number in range(1, 701):
        full.tree.proofs[trunk[number - 1].hash()] = b"proof"
    full.tree.finalize(700)
    new = world.node("new")
    world.connect_all()
    world.run(60_000)
    assert new.tree.best() == full.tree.best()
    assert new.tree.finalized().number == 700
