"""Finality by one node is told to all others."""

from node.consensus.grandpa import (
    AuthoritiesChanged,
    Broadcast,
    Effect,
    FinalizedAlone,
    FinalizedElsewhere,
    PeerLeft,
    Received,
    Send,
    Ticked,
    Timing,
)
from node.consensus.grandpa.sole import SoleVoter
from node.consensus.grandpa.voter import PEERS_MAX
from primitives.crypto.keys import KeyPair
from primitives.grandpa import Block, CommitMessage, neighbour_of
from primitives.justification import make_justification

PAIR = KeyPair.from_suri("//Alice", "ed25519")
GENESIS = Block(bytes(32), 0)
SET = ((PAIR.public, 1),)
TIMING = Timing(gossip_ms=100, repeat_ms=500)


def sole() -> SoleVoter:
    return SoleVoter(SET, 0, GENESIS, None, now_ms=0, timing=TIMING)


def block(number: int) -> FinalizedAlone:
    hash_ = number.to_bytes(32, "big")
    proof = make_justification(hash_, number, number, 0, [PAIR])
    return FinalizedAlone(Block(hash_, number), 0, proof)


def effects(core: SoleVoter) -> list[Effect]:
    found = []
    while (effect := core.next_effect()) is not None:
        found.append(effect)
    return found


def test_each_final_block_is_a_commit_and_a_packet() -> None:
    core = sole()
    core.receive(Ticked(), 0)
    effects(core)
    core.receive(block(3), 1)
    first, second = effects(core)
    assert isinstance(first, Broadcast)
    assert isinstance(first.message, CommitMessage)
    assert first.message.commit.target_number == 3
    assert second == Broadcast(neighbour_of(1, 0, 3))
    core.receive(block(2), 2)  # below what was told
    assert effects(core) == []


def test_where_it_stands_is_repeated() -> None:
    core = sole()
    for now_ms in (0, 499, 500, 999, 1000):
        core.receive(Ticked(), now_ms)
    assert effects(core) == [Broadcast(neighbour_of(1, 0, 0))] * 3
    assert core.next_deadline() == 1500


def test_who_is_behind_gets_the_commit_now_and_then() -> None:
    core = sole()
    core.receive(block(3), 1)
    effects(core)
    told = Received("bob", neighbour_of(9, 0, 2))
    for _ in range(5):
        core.receive(told, 10)
    (sent,) = effects(core)
    assert isinstance(sent, Send)
    assert sent.peer == "bob"
    core.receive(Received("bob", neighbour_of(9, 0, 3)), 500)  # not behind
    core.receive(Received("bob", neighbour_of(9, 1, 0)), 500)  # of another set
    assert not [effect for effect in effects(core) if isinstance(effect, Send)]
    core.receive(told, 511)
    assert [effect for effect in effects(core) if isinstance(effect, Send)] == [sent]


def test_a_thousand_askers_are_forgotten_when_they_leave() -> None:
    core = sole()
    core.receive(block(3), 1)
    for at in range(PEERS_MAX + 10):
        core.receive(Received(f"peer{at}", neighbour_of(1, 0, 0)), 2)
    assert core.statistics().peers == PEERS_MAX
    core.receive(PeerLeft("peer0"), 3)
    assert core.statistics().peers == PEERS_MAX - 1


def test_another_set_begins_anew() -> None:
    core = sole()
    core.receive(block(3), 1)
    core.receive(AuthoritiesChanged(SET, 1, Block(bytes(32), 4)), 2)
    assert core.neighbour() == neighbour_of(1, 1, 4)
    effects(core)
    core.receive(Received("bob", neighbour_of(1, 1, 0)), 3)
    assert effects(core) == []  # the old commit is of the old set
    core.receive(FinalizedElsewhere(Block(bytes(32), 9)), 4)
    assert core.statistics().finalized.number == 9
