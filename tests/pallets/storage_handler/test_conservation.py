"""Leased space and its money are conserved, whatever is done in whatever order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pallets.cess_treasury import SPACE_TREASURY
from pallets.frame.runtime import EXPECTED
from pallets.storage_handler import StorageHandler, TerritoryState, TerrName
from primitives.scale import U32, U128
from tests.pallets.sminer.space_chain import ALICE, BOB, DAY, DEPOSIT, GIB, start

CAPACITY = 12
people = st.sampled_from([ALICE, BOB])
names = st.sampled_from([TerrName(b"a"), TerrName(b"b")])
units = st.integers(0, 6)
days = st.integers(0, 4)
sizes = st.sampled_from([0, 1, GIB // 2, GIB, 3 * GIB])
TAKING = st.sampled_from(["lock_user_space", "add_used_space"])
LEASED = (TerritoryState.Active, TerritoryState.Frozen)


class Leases(RuleBasedStateMachine):
    """Calls of owners, and what files do with their space."""

    def __init__(self):
        super().__init__()
        self.world = start()
        self.world.space.add_total_idle_space(U128(CAPACITY * GIB))
        self.issued = self.world.total()

    def attempt(self, act):
        """Do it, or find that nothing changed."""
        world = self.world
        before, events = world.changes(), len(world.events())
        try:
            act()
        except EXPECTED:
            assert world.changes() == before
            assert len(world.events()) == events

    def all(self):
        return self.world.space.territory.items(limit=20)

    @rule(who=people, name=names, count=units, time=days)
    def mint(self, who, name, count, time):
        self.attempt(lambda: self.world.mint(who, count, name, time))
        assert self.world.space.purchased_space.get() <= CAPACITY * GIB

    @rule(who=people, name=names, count=units)
    def expand(self, who, name, count):
        self.attempt(
            lambda: self.world.by(
                who,
                "StorageHandler",
                "expanding_territory",
                territory_name=name,
                gib_count=U32(count),
            )
        )
        assert self.world.space.purchased_space.get() <= CAPACITY * GIB

    @rule(who=people, name=names, time=days)
    def renew(self, who, name, time):
        self.attempt(
            lambda: self.world.by(
                who,
                "StorageHandler",
                "renewal_territory",
                territory_name=name,
                days_count=U32(time),
            )
        )

    @rule(who=people, name=names, size=sizes, how=TAKING)
    def take(self, who, name, size, how):
        self.attempt(lambda: getattr(self.world.space, how)(who, name, U128(size)))

    @rule(who=people, name=names, used=st.booleans())
    def end_deal(self, who, name, used):
        info = self.world.space.territory.get(who, name)
        if info is None:
            return
        act = self.world.space.unlock_and_use if used else self.world.space.unlock_user_space
        act(who, name, info.locked_space)

    @rule(who=people, name=names)
    def delete_files(self, who, name):
        info = self.world.space.territory.get(who, name)
        if info is not None:
            self.world.space.sub_used_space(who, name, info.used_space)

    @rule(count=st.sampled_from([1, DAY - 1, DAY, 2 * DAY]))
    def wait(self, count):
        self.world.pass_blocks(count)

    @invariant()
    def every_byte_is_used_locked_or_left(self):
        for _, info in self.all():
            parts = info.used_space + info.locked_space + info.remaining_space
            assert info.total_space == parts

    @invariant()
    def what_is_sold_is_the_sum_of_active_and_frozen_leases(self):
        sold = sum(info.total_space for _, info in self.all() if info.state in LEASED)
        assert self.world.space.purchased_space.get() == sold

    @invariant()
    def tokens_and_names_are_two_directions_of_one_relation(self):
        forth = {info.token: key for key, info in self.all()}
        assert len(forth) == len(self.all())
        assert dict(self.world.space.territory_key.items(limit=20)) == forth

    @invariant()
    def every_lease_waits_for_its_next_transition_and_nothing_else_does(self):
        space = self.world.space
        queues = {
            TerritoryState.Active: (space.territory_frozen, space.frozen_cursor.get()),
            TerritoryState.Frozen: (space.territory_expired, space.expired_cursor.get()),
        }
        schedule = dict(space.territory_schedule.items(limit=20))
        for state, (queue, cursor) in queues.items():
            waiting = {token: block for block, token in queue.keys(limit=20)}
            tokens = {info.token for _, info in self.all() if info.state == state}
            assert waiting == {token: schedule[token] for token in tokens}
            assert all(block >= cursor for block in waiting.values())
        leased = [info for _, info in self.all() if info.state in LEASED]
        assert len(schedule) == len(leased)

    @invariant()
    def every_expired_lease_waits_once_to_be_cleared_and_nothing_else_does(self):
        space = self.world.space
        waiting = sorted(key for _, key in space.clearing.items(limit=20))
        expired = sorted(k for k, info in self.all() if info.state == TerritoryState.Expired)
        assert waiting == expired
        head, tail = space.clearing_head.get(), space.clearing_tail.get()
        assert sorted(space.clearing.keys(limit=20)) == list(range(head, tail))

    @invariant()
    def every_payment_arrives_at_the_treasury(self):
        paying = (
            StorageHandler.MintTerritory,
            StorageHandler.ExpansionTerritory,
            StorageHandler.RenewalTerritory,
        )
        spent = sum(int(e.spend) for e in self.world.events() if isinstance(e, paying))
        assert self.world.balances.free(SPACE_TREASURY) == DEPOSIT + spent
        assert self.world.total() == self.issued


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
