"""Voters in a network that loses, delays, reorders and splits, crash, and lie.

``World.check`` runs after each step: no two final blocks conflict, no honest voter votes twice.
"""

import random

import pytest

from primitives.grandpa import Block, verify_vote
from tests.node.consensus.grandpa.world import Network, World, authorities


def test_voters_finalize_what_they_build() -> None:
    world = World(1, 4)
    world.play(12)
    assert world.lowest_final() >= 11
    assert not any(node.accused or node.proofs for node in world.honest())


def test_a_single_voter_finalizes_alone() -> None:
    world = World(2, 1)
    world.play(8)
    assert world.lowest_final() >= 7


def test_forks_are_decided() -> None:
    world = World(3, 4)
    world.play(12, authors=3)
    world.play(3)
    assert world.lowest_final() >= 10


def test_an_observer_follows() -> None:
    world = World(4, 4, observers=2)
    world.play(10)
    assert world.nodes["n5"].finalized[-1].number >= 8


def test_a_third_that_is_gone_does_not_stop_the_others() -> None:
    world = World(5, 7)
    for name in ("n2", "n6"):
        world.crash(world.nodes[name])
    world.play(12)
    assert world.lowest_final() >= 9


def test_one_more_stops_them_until_it_is_back() -> None:
    world = World(6, 7)
    for name in ("n2", "n4", "n6"):
        world.crash(world.nodes[name])
    world.play(8)
    assert world.lowest_final() == 0
    world.start(world.nodes["n4"])
    world.play(10)
    assert world.lowest_final() >= 15


def test_an_equivocator_is_proven_and_stops_nobody() -> None:
    world = World(7, 4, equivocators=1)
    world.play(15)
    assert world.lowest_final() >= 12
    liar = world.nodes["n3"].pair
    assert liar is not None
    proofs = [found.proof for node in world.honest() for found in node.proofs]
    assert proofs
    for proof in proofs:
        assert proof.first.authority == proof.second.authority == liar.public
        assert proof.first.vote.kind == proof.second.vote.kind
        assert proof.first.vote != proof.second.vote
        assert verify_vote(proof.first, proof.round, proof.set_id)
        assert verify_vote(proof.second, proof.round, proof.set_id)


def test_a_majority_goes_on_and_the_rest_catches_up() -> None:
    world = World(8, 4)
    world.network.groups = {"n3": 1}
    world.play(12)
    assert world.nodes["n0"].finalized[-1].number >= 5
    assert world.nodes["n3"].finalized[-1].number == 0
    world.network = Network()
    world.play(12)
    assert world.lowest_final() >= 14


def test_halves_finalize_nothing_until_they_meet() -> None:
    world = World(9, 4)
    world.play(3)
    before = max(node.finalized[-1].number for node in world.honest())
    world.network.groups = {"n2": 1, "n3": 1}
    world.play(10)
    assert max(node.finalized[-1].number for node in world.honest()) <= before + 1
    world.network = Network()
    world.play(16)
    assert world.lowest_final() > before + 8


def test_all_crash_at_once_and_nobody_votes_twice() -> None:
    world = World(10, 4)
    for _ in range(6):
        world.play(2, each_ms=170)
        for node in world.honest():
            world.crash(node)
        for node in world.honest():
            world.start(node)
    world.play(12)
    assert world.lowest_final() >= 12
    assert not any(node.proofs for node in world.honest())


def test_a_set_hands_over_at_its_block() -> None:
    # Voters 0 to 3, then 2 to 5; nobody of the old set votes beyond the block of the change.
    world = World(11, 6, first_set=4)
    world.play(4)
    change = world.produce()
    world.change_set(change, authorities(6)[2:])
    world.play(14)
    assert {node.set_id for node in world.honest()} == {1}
    assert world.lowest_final() >= change.number + 8
    for node in world.honest():
        assert change in node.finalized


def test_a_set_hands_over_although_messages_are_lost() -> None:
    world = World(12, 6, first_set=4)
    world.network = Network(delay_ms=(5, 300), loss=0.3)
    world.play(4)
    change = world.produce()
    for name in world.nodes:
        world.give(world.nodes[name], change)
    world.change_set(change, authorities(6)[2:])
    world.play(12)
    world.network = Network()
    world.play(15)
    assert {node.set_id for node in world.honest()} == {1}
    assert world.lowest_final() > change.number


def test_a_seed_tells_the_whole_story() -> None:
    def story() -> tuple[list[list[Block]], int]:
        world = World(13, 4, equivocators=1)
        world.network = Network(delay_ms=(5, 400), loss=0.2)
        world.play(8, authors=2)
        return [node.finalized for node in world.honest()], world.sent

    assert story() == story()


@pytest.mark.parametrize("seed", range(10))
def test_faults_break_no_promise_and_end(seed: int) -> None:
    draw = random.Random(seed)
    count, liars = draw.choice([(4, 1), (7, 2), (4, 0), (7, 1), (5, 1)])
    world = World(seed, count, equivocators=liars, observers=draw.choice([0, 1]))
    for _ in range(draw.randint(2, 5)):
        world.network = Network(
            delay_ms=draw.choice([(1, 20), (5, 400), (100, 1500)]),
            loss=draw.choice([0, 0.1, 0.4]),
            groups={name: draw.choice([0, 0, 1]) for name in world.nodes}
            if draw.random() < 0.5
            else {},
        )
        for node in world.honest():
            if node.voter is not None and draw.random() < 0.15:
                world.crash(node)
            elif node.voter is None and draw.random() < 0.5:
                world.start(node)
        if any(node.voter is not None for node in world.honest()):
            world.play(draw.randint(2, 6), draw.choice([100, 300, 900]), draw.choice([1, 2, 3]))
    heal(world)


@pytest.mark.parametrize("seed", range(100, 108))
def test_an_erratic_choice_of_chains_breaks_no_promise(seed: int) -> None:
    draw = random.Random(seed)
    count, liars = draw.choice([(4, 1), (4, 1), (7, 2), (4, 0)])
    world = World(seed, count, equivocators=liars)
    forks = [world.tree.chain(world.tree.genesis, 4, mark) for mark in (1, 2, 3)]
    for node in world.nodes.values():
        node.view.whim = random.Random(draw.random())
        for fork in forks:
            if draw.random() < 0.8:
                world.give(node, fork[-1])
    for _ in range(5):
        world.network = Network(
            delay_ms=draw.choice([(1, 20), (50, 600), (100, 3000)]),
            loss=draw.choice([0, 0.2, 0.5]),
            groups={name: draw.choice([0, 0, 1]) for name in world.nodes}
            if draw.random() < 0.5
            else {},
        )
        for _ in range(3):
            upon = draw.choice(draw.choice(forks))
            forks.append(world.tree.chain(upon, draw.randint(1, 3), draw.randrange(10**6)))
            for node in world.nodes.values():
                if draw.random() < 0.8:
                    world.give(node, forks[-1][-1])
            world.run(draw.choice([100, 500, 1500]))
    for node in world.nodes.values():
        node.view.whim = None
    heal(world)


def heal(world: World) -> None:
    """The network works again and everybody is there: blocks are final again, for everybody."""
    world.network = Network()
    for node in world.honest():
        if node.voter is None:
            world.start(node)
    before = max(node.finalized[-1].number for node in world.honest())
    world.play(22)
    assert world.lowest_final() > before
    assert not any(node.accused for node in world.honest()), "an honest voter was accused"
