"""Space and money of miners are conserved, whatever is done in whatever order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pallets.cess_treasury import PUNISH_TREASURY, REWARD_POT, CessTreasury
from pallets.frame.runtime import EXPECTED
from pallets.sminer import MinerState
from pallets.sminer.rewards import unpaid
from primitives.scale import U32, U64, U128
from primitives.types import Balance
from tests.pallets.sminer.space_chain import (
    ALICE,
    BOB,
    CHARLIE,
    DEPOSIT,
    FRAGMENT,
    PER_UNIT,
    PLOT,
    STAKING_LOCK,
    TOKEN,
    start,
)

OWNERS = (ALICE, BOB, CHARLIE)
people = st.sampled_from(OWNERS)
units = st.integers(1, 3)
plot_counts = st.integers(1, 4)
sizes = st.sampled_from([1, FRAGMENT, PLOT - 1, PLOT, PLOT + 1, 3 * PLOT])
planck = st.sampled_from([0, 1, TOKEN, 300 * TOKEN, int(PER_UNIT), 3 * int(PER_UNIT)])


class Miners(RuleBasedStateMachine):
    """Calls of miners, and what files and audits do to them; models keep the sums.

    Alice and Bob begin as miners with fragments and may leave at once; Charlie is none yet.
    """

    def __init__(self):
        super().__init__()
        self.world = start()
        self.issued = self.world.total()
        self.fined = self.forgotten = 0
        for who in (ALICE, BOB):
            self.world.register(who, 3)
            self.world.certify(who, 8)
            self.world.store(who, 3 * PLOT)
        self.world.pass_blocks(STAKING_LOCK)

    def attempt(self, act):
        """Do it, or find that nothing changed."""
        world = self.world
        before, events = world.changes(), len(world.events())
        try:
            act()
        except EXPECTED:
            assert world.changes() == before
            assert len(world.events()) == events
            return False
        return True

    def info(self, who):
        return self.world.sminer.miner_items.get(who)

    # Calls.

    def is_one(self, *states):
        """Whether somebody is in one of ``states``, so that a rule has an effect."""
        miners = self.world.sminer.miner_items.items(limit=10)
        return any(info.state in states for _, info in miners)

    @precondition(lambda self: any(self.info(who) is None for who in OWNERS))
    @rule(who=people, count=units, more=planck)
    def register(self, who, count, more):
        self.attempt(lambda: self.world.register(who, count, int(PER_UNIT) * count + more))

    @rule(who=people, count=plot_counts)
    def certify(self, who, count):
        info = self.info(who)
        pending = self.world.sminer.pending_idle.get(who)
        if info is None or info.state != MinerState.Positive or pending is not None:
            return
        used = info.idle_space + info.lock_space + info.service_space
        if used + count * PLOT <= info.declaration_space:
            self.world.certify(who, count)

    @rule(who=people, count=plot_counts)
    def replace(self, who, count):
        self.attempt(lambda: self.world.by(who, "FileBank", "replace_idle_space", count=U64(count)))

    @rule(who=people, amount=planck)
    def increase_collateral(self, who, amount):
        self.attempt(
            lambda: self.world.by(
                who, "Sminer", "increase_collateral", miner=who, collaterals=Balance(amount)
            )
        )

    @rule(who=people, count=units, up=st.booleans())
    def declare(self, who, count, up):
        name = "increase_declaration_space" if up else "decrease_declaration_space"
        self.attempt(lambda: self.world.by(who, "Sminer", name, tib_count=U32(count)))

    @rule(who=people)
    def claim(self, who):
        self.attempt(lambda: self.world.by(who, "Sminer", "receive_reward"))

    @precondition(lambda self: self.is_one(MinerState.Positive))
    @rule(who=people)
    def announce(self, who):
        self.attempt(lambda: self.world.by(who, "Sminer", "miner_exit_prep", miner=who))

    @precondition(lambda self: self.is_one(MinerState.Exit, MinerState.Offline))
    @rule(who=people)
    def withdraw(self, who):
        info, fines = self.info(who), self.world.balances.free(PUNISH_TREASURY)
        if self.attempt(lambda: self.world.by(who, "Sminer", "miner_withdraw")):
            paid = self.world.balances.free(PUNISH_TREASURY) - fines
            self.forgotten += int(info.debt) - paid

    # What files and audits do, within the promises of their pallets.

    @rule(who=people, size=sizes)
    def lock(self, who, size):
        if self.world.sminer.can_hold(who, size):
            self.world.sminer.lock_space(who, U128(size))

    @rule(who=people, size=sizes)
    def restore(self, who, size):
        if self.world.sminer.can_hold(who, size):
            self.world.sminer.idle_to_service(who, U128(size))

    @rule(who=people, size=sizes, name=st.sampled_from(["unlock_space", "lock_to_service"]))
    def end_promise(self, who, size, name):
        info = self.info(who)
        if info is not None and info.lock_space >= size:
            getattr(self.world.sminer, name)(who, U128(size))

    @precondition(lambda self: self.world.space.total_service_space.get() > 0)
    @rule(who=people, all_of_it=st.booleans(), size=sizes)
    def release(self, who, all_of_it, size):
        info = self.info(who)
        size = int(info.service_space) if info is not None and all_of_it else size
        if info is not None and info.service_space >= size > 0:
            self.world.sminer.release_service(who, U128(size))

    @rule(who=people, permille=st.sampled_from([1, 2, 10, 50, 150, 1000]))
    def punish(self, who, permille):
        self.fined += int(self.world.sminer.punish(who, permille))

    @rule(who=people)
    def throw_out(self, who):
        self.world.sminer.force_exit(who)

    @rule(who=people, power=st.integers(0, 3 * PLOT))
    def audit(self, who, power):
        info = self.info(who)
        if info is not None and info.state != MinerState.Offline:
            self.world.treasury.record_power(who, U128(power))

    @rule(count=st.sampled_from([1, 1, 5, 20, 50]))
    def wait(self, count):
        self.world.pass_blocks(count)

    # The laws.

    @invariant()
    def space_fits_the_declaration_and_plots_stand_for_it(self):
        sminer = self.world.sminer
        for who, info in sminer.miner_items.items(limit=10):
            assert info.idle_space + info.service_space + info.lock_space <= info.declaration_space
            plots = info.space_proof_info
            if not sminer.is_leaving(who):
                pending = sminer.pending_replacements.get(who)
                stand = int(plots.rear - plots.front) * PLOT
                assert info.idle_space + info.lock_space + pending == stand
            else:
                assert info.idle_space == 0
                assert plots.front == plots.rear

    @invariant()
    def totals_are_the_sums_over_all_miners(self):
        miners = [info for _, info in self.world.sminer.miner_items.items(limit=10)]
        space = self.world.space
        assert space.total_idle_space.get() == sum(m.idle_space + m.lock_space for m in miners)
        assert space.total_service_space.get() == sum(m.service_space for m in miners)

    @invariant()
    def the_index_is_dense_and_its_inverse_is_right(self):
        sminer = self.world.sminer
        listed = [sminer.miner_at(index) for index in range(sminer.count())]
        assert len(sminer.all_miner.keys(limit=10)) == len(listed)
        assert dict(sminer.miner_index.items(limit=10)) == {
            who: index for index, who in enumerate(listed)
        }
        wanted = {
            who
            for who, info in sminer.miner_items.items(limit=10)
            if info.state != MinerState.Offline
            and info.space_proof_info.rear > 0
            and (not sminer.is_leaving(who) or info.service_space + info.lock_space > 0)
        }
        assert set(listed) == wanted

    @invariant()
    def collateral_is_what_is_reserved(self):
        for who in OWNERS:
            info = self.info(who)
            held = info.collaterals if info is not None else 0
            assert self.world.balances.reserved(who) == held

    @invariant()
    def every_fine_is_paid_owed_or_forgotten_with_its_miner(self):
        owed = sum(int(info.debt) for _, info in self.world.sminer.miner_items.items(limit=10))
        paid = self.world.balances.free(PUNISH_TREASURY) - DEPOSIT
        assert self.fined == paid + owed + self.forgotten

    @invariant()
    def the_pot_holds_what_is_earned_and_unpaid_to_the_planck(self):
        treasury, sminer = self.world.treasury, self.world.sminer
        owed = sum(int(amount) for _, amount in treasury.earned.items(limit=10))
        owed += sum(int(unpaid(reward)) for _, reward in sminer.reward_map.items(limit=10))
        for _, pool in treasury.round_reward.items(limit=1_000):
            assert pool.issued <= pool.total
            owed += int(pool.total) - int(pool.issued)
        assert treasury.currency_reward.get() == owed
        assert self.world.balances.free(REWARD_POT) >= owed + DEPOSIT

    @invariant()
    def money_appears_only_as_the_pool_of_an_era(self):
        minted = sum(
            int(event.total)
            for event in self.world.events()
            if isinstance(event, CessTreasury.EraRewarded)
        )
        assert self.world.total() == self.issued + minted
        assert self.world.balances.total_issuance.get() == self.issued + minted

    @invariant()
    def an_announced_exit_waits_in_the_queue_and_nothing_else_does(self):
        sminer = self.world.sminer
        waiting = {who: due for due, who in sminer.exit_schedule.keys(limit=10)}
        assert waiting == dict(sminer.miner_lock.items(limit=10))
        locked = {
            who for who, info in sminer.miner_items.items(limit=10) if info.state == MinerState.Lock
        }
        assert set(waiting) == locked
        assert all(due >= sminer.exit_cursor.get() for due in waiting.values())

    @invariant()
    def whoever_is_forgotten_leaves_nothing(self):
        sminer = self.world.sminer
        here = {who for who, _ in sminer.miner_items.items(limit=10)}
        for entry in (sminer.pending_idle, sminer.pending_replacements, sminer.restoral_target):
            assert set(entry.keys(limit=10)) <= here
        assert set(sminer.reward_map.keys(limit=10)) <= here

    @invariant()
    def frozen_is_who_lacks_collateral_or_owes(self):
        for _, info in self.world.sminer.miner_items.items(limit=10):
            covered = info.debt == 0 and info.collaterals >= self.world.sminer.limit(
                info.declaration_space
            )
            if info.state == MinerState.Positive:
                assert covered
            elif info.state == MinerState.Frozen:
                assert not covered


TestMiners = Miners.TestCase
TestMiners.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
