"""Which peer is sent which message of finality, and when; 21 voters that know a few peers each."""

import random

import pytest

from node.consensus.grandpa import Timing
from node.consensus.grandpa.spreading import (
    KNOWN_MAX,
    RELAY_PART,
    WAITING_MAX,
    Spreading,
    relays_for,
)
from primitives.grandpa import (
    Block,
    CommitMessage,
    GossipMessage,
    VoteKind,
    VoteMessage,
    compact_commit,
    decode_message,
    encode_message,
    make_vote,
    neighbour_of,
    sign_vote,
)
from primitives.justification import make_justification
from primitives.scale import U64
from tests.node.consensus.grandpa.mesh import Mesh
from tests.node.consensus.grandpa.world import pairs

GOSSIP_MS = 80
RELAY_MS = GOSSIP_MS // RELAY_PART


def vote(number: int, who: int = 0) -> VoteMessage:
    block = Block(number.to_bytes(32, "big"), number)
    signed = sign_vote(make_vote(VoteKind.PREVOTE, block), 1, 0, pairs(who + 1)[who])
    return VoteMessage(round=U64(1), set_id=U64(0), signed=signed)


def commit(number: int) -> CommitMessage:
    made = make_justification(bytes(32), number, 1, 0, pairs(3))
    return CommitMessage(round=U64(1), set_id=U64(0), commit=compact_commit(made.commit))


def spreading(*full: str, light: tuple[str, ...] = ()) -> Spreading:
    made = Spreading(GOSSIP_MS, random.Random(1))
    made.relays_max = relays_for(21)
    for peer in (*full, *light):
        made.joined(peer, is_light=peer in light)
    return made


def sent(made: Spreading, now_ms: int) -> dict[str, list[GossipMessage]]:
    """What leaves at this time, by peer."""
    found: dict[str, list[GossipMessage]] = {}
    for peer, data in made.take_due(now_ms):
        found.setdefault(peer, []).append(decode_message(data))
    return found


def heard(made: Spreading, peer: str, message: GossipMessage) -> None:
    made.heard(peer, encode_message(message), message)


def test_votes_of_ours_leave_at_once_to_all_that_can_pass_them_on() -> None:
    made = spreading("a", "b", light=("light",))
    made.spread(vote(1), 1000, is_ours=True)
    assert sent(made, 1000) == {"a": [vote(1)], "b": [vote(1)]}
    assert made.next_deadline() is None


def test_votes_of_others_leave_together_with_where_we_stand_after_them() -> None:
    made = spreading("a", "b", light=("light",))
    made.spread(vote(1), 1000, is_ours=False)
    made.spread(neighbour_of(2, 0, 0), 1004, is_ours=True)
    made.spread(vote(2), 1005, is_ours=False)
    made.spread(neighbour_of(3, 0, 1), 1006, is_ours=True)
    assert sent(made, 1000 + RELAY_MS - 1) == {}
    assert made.next_deadline() == 1000 + RELAY_MS
    everything = [vote(1), vote(2), neighbour_of(3, 0, 1)]
    assert sent(made, 1000 + RELAY_MS) == {
        "a": everything,
        "b": everything,
        "light": everything[2:],
    }
    assert sent(made, 9999) == {}


def test_who_sent_a_vote_or_sends_it_meanwhile_is_not_sent_it() -> None:
    made = spreading("a", "b", "c")
    heard(made, "a", vote(1))
    made.spread(vote(1), 1000, is_ours=False)
    heard(made, "b", vote(1))
    assert sent(made, 2000) == {"c": [vote(1)]}


def test_a_peer_that_comes_again_is_sent_what_it_had() -> None:
    made = spreading("a", "b")
    heard(made, "a", vote(1))
    made.left("a")
    made.joined("a", is_light=False)
    made.spread(vote(1), 1000, is_ours=False)
    assert set(sent(made, 2000)) == {"a", "b"}


def test_a_vote_is_passed_on_to_so_many_and_to_others_each_time() -> None:
    peers = tuple(f"p{at}" for at in range(40))
    made = spreading(*peers)
    reached = []
    for number in range(60):
        made.spread(vote(number), 1000 * number, is_ours=False)
        reached.append(frozenset(sent(made, 1000 * number + RELAY_MS)))
    assert {len(each) for each in reached} == {relays_for(21)}
    assert len(set(reached)) > 55
    assert frozenset().union(*reached) == set(peers)


@pytest.mark.parametrize(("voters", "relays"), [(1, 1), (4, 4), (21, 7), (100, 10), (1000, 15)])
def test_relays_grow_with_the_logarithm_of_the_voters(voters: int, relays: int) -> None:
    assert relays_for(voters) == relays
    assert voters**2 < 2.7182 ** relays_for(voters) or voters == 1


def test_a_commit_of_ours_waits_and_leaves_to_those_who_do_not_know() -> None:
    made = spreading("told", "sent one", "behind", "silent", light=("light",))
    made.spread(commit(7), 1000, is_ours=True)
    heard(made, "told", neighbour_of(9, 0, 7))
    heard(made, "sent one", commit(8))
    heard(made, "behind", neighbour_of(9, 0, 6))
    assert sent(made, 1000 + GOSSIP_MS - 1) == {}
    assert set(sent(made, 1000 + GOSSIP_MS)) == {"behind", "silent", "light"}


def test_a_commit_of_others_leaves_with_the_votes_and_the_higher_one_only() -> None:
    made = spreading("a")
    made.spread(commit(7), 1000, is_ours=True)
    made.spread(commit(9), 1005, is_ours=False)
    made.spread(commit(8), 1006, is_ours=True)
    assert sent(made, 1005 + RELAY_MS) == {"a": [commit(9)]}
    assert made.next_deadline() is None


def test_what_nobody_else_can_tell_leaves_at_once() -> None:
    made = spreading("a", light=("light",))
    made.spread(commit(7), 1000, is_ours=True, is_urgent=True)
    made.spread(neighbour_of(1, 0, 7), 1000, is_ours=True, is_urgent=True)
    found = sent(made, 1000)
    assert {peer: len(messages) for peer, messages in found.items()} == {"a": 2, "light": 2}


def test_what_waits_and_what_is_remembered_is_bounded() -> None:
    made = spreading("a", "b")
    for number in range(WAITING_MAX - 1):
        made.spread(vote(number), 1000, is_ours=False)
    assert made.take_due(1000) == []
    made.spread(vote(WAITING_MAX), 1000, is_ours=False)
    assert len(made.take_due(1000)) == 2 * WAITING_MAX
    for number in range(KNOWN_MAX + 1):
        heard(made, "a", vote(number))
    made.spread(vote(0), 2000, is_ours=False)  # forgotten
    made.spread(vote(KNOWN_MAX), 2000, is_ours=False)
    assert sent(made, 3000)["a"] == [vote(0)]


def test_a_peer_that_is_not_there_changes_nothing() -> None:
    made = spreading()
    heard(made, "nobody", vote(1))
    made.left("nobody")
    made.spread(commit(7), 1000, is_ours=True, is_urgent=True)
    assert made.take_due(1000) == []


# Voters that know a few peers each. Nothing is lost, so nothing needs to be repeated.

TIMING = Timing(gossip_ms=400, repeat_ms=3000, idle_ms=6000)
SLOT_MS = 6000


@pytest.mark.parametrize("degree", [4, 5, 6, 12])
@pytest.mark.parametrize("down", [0, 6])
def test_21_voters_with_few_peers_finalise_each_block_before_anything_is_repeated(
    degree: int, down: int
) -> None:
    mesh = Mesh(21, degree, seed=degree, timing=TIMING, down=down)
    for height in range(1, 6):
        mesh.produce()
        mesh.run(TIMING.repeat_ms - 1)  # less than the time after which votes are repeated
        assert mesh.finals() == {height}
        mesh.run(SLOT_MS - TIMING.repeat_ms + 1)
    assert mesh.round() <= 7  # one for each block


def test_with_too_few_relays_votes_stay_unheard_until_they_are_repeated() -> None:
    mesh = Mesh(21, 6, seed=6, timing=TIMING, down=6, relays=1)
    mesh.produce()
    mesh.run(TIMING.repeat_ms - 1)
    assert mesh.finals() == {0}
    mesh.run(20 * TIMING.repeat_ms)
    assert mesh.finals() == {1}  # repetition is slow, and it is safe


def first_ones(chosen: list[str], count: int) -> list[str]:
    """The same peers for all whose lists are alike."""
    return chosen[:count]


@pytest.mark.parametrize("is_drawn", [True, False])
def test_peers_are_drawn_by_each_node_as_the_same_ones_for_all_would_leave_others_out(
    is_drawn: bool,
) -> None:
    mesh = Mesh(60, 24, seed=1, timing=TIMING, down=19)  # 41 are needed, and 41 are there
    if not is_drawn:
        for node in mesh.nodes.values():
            node.spreading._draw.sample = first_ones  # type: ignore[assignment]
    mesh.produce()
    mesh.run(TIMING.repeat_ms - 1)
    assert (mesh.finals() == {1}) == is_drawn
