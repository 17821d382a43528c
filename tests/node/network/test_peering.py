"""Peer sets: slots are kept, Sybils get few of them, and nobody is dialled in a storm."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.network import address_book
from node.network.addresses import Address, subnet
from node.network.peering import (
    DIALS_MAX,
    EFFECTS_MAX,
    GREETING_S,
    HOST_MAX,
    OUT_OF_SUBNET_MAX,
    SPARE,
    Asked,
    Connected,
    Dial,
    DialFailed,
    Disconnect,
    Disconnected,
    Effect,
    Found,
    LetIn,
    Peering,
    PeeringConfig,
    Reported,
    Ticked,
)
from node.network.transport import Cost, Roles
from primitives.peer_id import peer_id_of


def name(number: int) -> str:
    return peer_id_of(number.to_bytes(32, "big"))


LOCAL = name(0)


class World:
    """A core, and a shell that does at once what it is told."""

    def __init__(self, **config: object) -> None:
        self.core = Peering(PeeringConfig(local_peer=LOCAL, **config))  # type: ignore[arg-type]
        self.now = 0.0
        self.number = 0
        self.open: dict[int, str] = {}
        self.let_in: list[int] = []
        self.dials: list[Dial] = []
        self.reasons: Counter[str] = Counter()

    def put(self, what: object) -> list[Effect]:
        self.core.receive(what, self.now)  # type: ignore[arg-type]
        done = []
        while (effect := self.core.next_effect()) is not None:
            done.append(effect)
            match effect:
                case Dial():
                    self.dials.append(effect)
                case LetIn():
                    self.let_in.append(effect.connection)
                case Disconnect():
                    self.reasons[effect.reason] += 1
        for effect in done:
            if isinstance(effect, Disconnect) and self.open.pop(effect.connection, None):
                self.put(Disconnected(effect.connection))
        return done

    def comes(self, peer: str, host: str, *, asks: Roles | None = Roles.FULL) -> int:
        self.number += 1
        number = self.number
        self.open[number] = peer
        self.put(Connected(number, peer, host, is_inbound=True))
        if asks is not None and number in self.open:
            self.put(Asked(number, asks))
        return number

    def dialled(self, dial: Dial) -> int:
        self.number += 1
        self.open[self.number] = dial.peer
        self.put(Connected(self.number, dial.peer, dial.address.host, False, dial.address))
        return self.number

    def has_slot(self, number: int) -> bool:
        return number in self.open and number in self.let_in

    def slots(self) -> int:
        return sum(map(self.has_slot, self.open))


def address(number: int, host: str | None = None) -> Address:
    host = host or f"{20 + number // 250}.{number % 250}.0.1"
    return Address("ip4", host, 30333, peer=name(number))


def test_full_and_light_peers_have_places_of_their_own() -> None:
    world = World(in_peers=3, in_peers_light=2)
    for number in range(1, 10):
        world.comes(name(number), f"{number + 20}.0.0.1")
    assert world.slots() == 3
    for number in range(10, 20):
        world.comes(name(number), f"{number + 20}.0.0.1", asks=Roles.LIGHT)
    assert world.slots() == 5
    assert world.reasons["all places are taken"] == 6 + 8


def test_a_place_is_free_again_when_its_peer_leaves() -> None:
    world = World(in_peers=1)
    first = world.comes(name(1), "20.0.0.1")
    assert not world.has_slot(world.comes(name(2), "21.0.0.1"))
    world.open.pop(first)
    world.put(Disconnected(first))
    assert world.has_slot(world.comes(name(3), "22.0.0.1"))


def test_a_thousand_sybils_of_three_subnets_leave_places_for_others() -> None:
    world = World(boot=(address(5000),))
    for number in range(1, 1001):
        host = f"66.6.{number % 3}.{number % 200 + 1}"
        world.comes(name(number), host)
        for told in range(4):
            far = address(10_000 + number * 20 + told, f"66.6.{told % 3}.9")
            world.put(Found(far, name(number)))
    by_subnet = Counter(number % 3 for number in world.let_in)
    assert max(by_subnet.values()) <= 8
    assert world.slots() <= 24
    assert world.core.connection_count <= world.core.connections_max
    assert len(world.core.book) <= address_book.PEERS_MAX
    honest = [world.comes(name(2000 + n), f"{30 + n}.1.1.1") for n in range(8)]
    assert all(map(world.has_slot, honest))
    # What the node dials itself stays its own choice: the boot node, and few of each subnet.
    world.now = 100
    world.put(Ticked())
    assert name(5000) in [dial.peer for dial in world.dials]
    places = Counter(subnet(dial.address.host) for dial in world.dials)
    assert max(places.values()) <= OUT_OF_SUBNET_MAX


def test_sybils_of_one_address_are_refused_before_their_handshake() -> None:
    world = World()
    for number in range(1, 100):
        world.comes(name(number), "66.6.6.6", asks=None)
    assert len(world.open) == HOST_MAX
    assert not world.core.may_accept("66.6.6.6")
    assert world.core.may_accept("66.6.6.7")


def test_a_machine_of_ones_own_may_have_many_peers() -> None:
    world = World(in_peers=20)
    for number in range(1, 30):
        world.comes(name(number), "127.0.0.1")
    assert world.slots() == 20


def test_connections_that_do_not_greet_make_room_and_end() -> None:
    world = World(in_peers=2, out_peers=0, in_peers_light=0)
    first = world.comes(name(1), "20.0.0.1", asks=None)
    for number in range(2, 2 + SPARE + 10):
        world.comes(name(number), f"20.{number}.0.1", asks=None)
    assert world.core.connection_count == world.core.connections_max
    assert first not in world.open
    world.now = GREETING_S + 1
    world.put(Ticked())
    assert not world.open


def test_who_has_a_place_is_not_pushed_out_by_newcomers() -> None:
    world = World(in_peers=2)
    kept = [world.comes(name(number), f"20.{number}.0.1") for number in (1, 2)]
    for number in range(3, 500):
        world.comes(name(number), f"{20 + number // 250}.{number % 250}.0.1", asks=None)
    assert all(number in world.open for number in kept)


def test_peers_are_dialled_until_the_slots_are_full_and_few_at_a_time() -> None:
    world = World(out_peers=12)
    for number in range(1, 100):
        world.put(Found(address(number), "teller"))
    world.put(Ticked())
    assert len(world.dials) == DIALS_MAX
    for _ in range(5):
        for dial in world.dials:
            world.dialled(dial)
        world.dials.clear()
        world.put(Ticked())
    assert world.slots() == 12
    assert not world.dials
    assert not world.core.needs_peers()


def test_a_dead_address_is_tried_seldom_and_then_the_next_one() -> None:
    world = World()
    world.put(Found(address(1), "a"))
    world.put(Found(address(1, "9.9.9.9"), "b"))
    for second in range(3600):
        world.now = second
        world.put(Ticked())
        if len(world.dials) > world.number:
            world.number = len(world.dials)
            world.put(DialFailed(name(1)))
    assert 10 < len(world.dials) < 25
    assert {dial.address.host for dial in world.dials} == {"9.9.9.9", address(1).host}


def test_reserved_peers_are_dialled_first_and_always_let_in() -> None:
    reserved = address(1)
    world = World(reserved=(reserved,), in_peers=0, out_peers=0)
    world.put(Ticked())
    assert [dial.peer for dial in world.dials] == [name(1)]
    for _ in range(100):  # it is down for a while, and tried every 30 seconds
        world.put(DialFailed(name(1)))
        world.now += 31
        world.put(Ticked())
    assert len(world.dials) == 101
    assert world.has_slot(world.comes(name(1), "66.6.6.6"))


def test_reserved_only_lets_nobody_else_in_and_dials_nobody_else() -> None:
    world = World(reserved=(address(1),), boot=(address(2),), reserved_only=True)
    world.put(Found(address(3), "x"))
    world.put(Ticked())
    assert [dial.peer for dial in world.dials] == [name(1)]
    assert world.comes(name(4), "20.0.0.1") not in world.open
    assert world.comes(name(1), "20.0.0.1") in world.open


def test_a_banned_peer_is_cut_off_refused_and_not_dialled_until_it_has_decayed() -> None:
    world = World()
    number = world.comes(name(1), "20.0.0.1")
    for _ in range(4):
        world.put(Reported(name(1), Cost.BAD_BLOCK.change))
    assert number not in world.open
    assert world.comes(name(1), "20.0.0.1") not in world.open
    world.put(Found(address(1), "x"))
    world.put(Ticked())
    assert not world.dials
    world.now = 600
    assert world.has_slot(world.comes(name(1), "20.0.0.1"))


def test_a_node_does_not_talk_to_itself() -> None:
    world = World(boot=(address(0),))
    world.put(Found(address(0), "x"))
    world.put(Ticked())
    assert not world.dials
    assert world.comes(LOCAL, "20.0.0.1") not in world.open


@pytest.mark.parametrize("ours_first", [True, False])
def test_two_nodes_that_dial_each_other_keep_the_same_connection(ours_first: bool) -> None:
    low, high = sorted((name(1), name(2)))
    kept = []
    for local, other in ((low, high), (high, low)):
        core = Peering(PeeringConfig(local_peer=local))
        inputs = [
            Connected(1, other, "20.0.0.1", is_inbound=False),
            Connected(2, other, "20.0.0.1", is_inbound=True),
        ]
        ended = set()
        for one in inputs if ours_first else inputs[::-1]:
            core.receive(one, 0.0)
        while (effect := core.next_effect()) is not None:
            if isinstance(effect, Disconnect):
                ended.add(effect.connection)
        (connection,) = {1, 2} - ended
        kept.append(local if connection == 1 else other)
        assert core.connection_of(other) == connection
    assert kept == [low, low]  # both keep the one that the lower id dialled


def test_a_peer_that_restarted_takes_the_place_of_its_dead_connection() -> None:
    world = World()
    world.put(Found(address(1), "x"))
    world.put(Ticked())
    old = world.dialled(world.dials[0])
    world.now = 60
    new = world.comes(name(1), "20.0.0.1")
    assert old not in world.open
    assert world.has_slot(new)
    assert world.core.connection_of(name(1)) == new


def test_what_one_peer_tells_fills_a_bounded_share_of_the_book() -> None:
    world = World()
    for number in range(1, 1000):
        world.put(Found(address(number), "liar"))
    assert len(world.core.book) == address_book.TOLD_MAX


def test_hearsay_pushes_out_nobody_who_ever_answered() -> None:
    book = address_book.AddressBook(peers_max=10)
    for number in range(10):
        assert book.told(name(number), address(number), f"t{number}")
    for number in range(5):
        book.proven(name(number), address(number))
    assert not book.told(name(99), address(99), "x")
    for number in range(10):
        book.failed(name(number), 0)
    for number in range(100, 200):
        book.told(name(number), address(number), f"x{number}")
        book.failed(name(number), 0)
    assert len(book) == 10
    assert all(book.get(name(number)) is not None for number in range(5))


def test_the_book_does_not_grow_by_reserving_and_unreserving() -> None:
    boot = address(1)
    core = Peering(PeeringConfig(local_peer=LOCAL, boot=(boot,)))
    for number in range(1, 200):
        core.reserve(name(number), address(number))
        core.unreserve(name(number))
    assert [peer for peer, _ in core.book] == [name(1)], "a boot node stays"
    assert core.reserved() == ()


def test_others_do_not_replace_the_addresses_that_work() -> None:
    book = address_book.AddressBook()
    book.told(name(1), address(1), "x")
    book.proven(name(1), address(1).without_peer())
    for number in range(50):
        book.told(name(1), address(1, f"66.6.6.{number}"), "liar")
        book.told(name(1), address(1, f"66.6.7.{number}"), name(1))
    known = book.get(name(1))
    assert known is not None
    assert len(known.addresses) == address_book.ADDRESSES_MAX
    assert known.addresses[0] == address(1).without_peer()


steps = st.lists(
    st.tuples(
        st.sampled_from(["in", "ask", "light", "leave", "tick", "found", "bad", "dialled", "fail"]),
        st.integers(0, 40),
    ),
    max_size=120,
)


@given(steps)
@settings(max_examples=150)
def test_slots_and_counts_hold_under_any_order_of_events(history: list[tuple[str, int]]) -> None:
    world = World(in_peers=4, out_peers=3, in_peers_light=2, reserved=(address(1),))
    for what, number in history:
        world.now += 1
        numbers = sorted(world.open)
        pick = numbers[number % len(numbers)] if numbers else None
        if what == "in":
            world.comes(name(number), f"20.{number % 5}.0.{number}", asks=None)
        elif what in ("ask", "light") and pick is not None:
            world.put(Asked(pick, Roles.FULL if what == "ask" else Roles.LIGHT))
        elif what == "leave" and pick is not None:
            world.open.pop(pick)
            world.put(Disconnected(pick))
        elif what == "tick":
            world.now += number
            world.put(Ticked())
        elif what == "found":
            world.put(Found(address(number), "x"))
        elif what == "bad":
            world.put(Reported(name(number), Cost.BAD_BLOCK.change))
        elif what in ("dialled", "fail") and world.dials:
            dial = world.dials.pop()
            if what == "fail":
                world.put(DialFailed(dial.peer))
            else:
                world.dialled(dial)
        core = world.core
        assert core.connection_count == len(world.open) <= core.connections_max + 1
        assert core.dial_count == len(world.dials) <= DIALS_MAX
        assert world.slots() <= 4 + 3 + 2 + 1
        assert len(set(world.open.values())) == len(world.open), "one connection for each peer"
    for number in list(world.open):
        world.open.pop(number)
        world.put(Disconnected(number))
    assert not any(world.core._slots.values())
    assert not world.core._counts.hosts
    assert not world.core._counts.subnets


def test_a_flood_of_events_leaves_no_effects_behind() -> None:
    world = World()
    for number in range(EFFECTS_MAX + 10):
        world.put(Reported(name(1), number))
    assert world.core.next_effect() is None
