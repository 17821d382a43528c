"""Money is conserved, whatever is done in whatever order: the laws of the pallet's docstring."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pallets.balances import BOND, Balances
from pallets.frame import Origin
from pallets.frame.runtime import EXPECTED
from pallets.frame.testing import ext
from pallets.system import System
from primitives.types import Balance
from tests.pallets.small_chains import ALICE, BOB, CHARLIE, DAVE, DEPOSIT, Money, to

OWNERS = (ALICE, BOB, CHARLIE, DAVE)
people = st.sampled_from(OWNERS)
amounts = st.one_of(
    st.integers(0, 1_500), st.sampled_from([99, 100, 101, 900, 2**64, 2**128 - 1])
).map(Balance)


class Bank(RuleBasedStateMachine):
    """Calls and ports in any order; a model keeps the total."""

    def __init__(self):
        super().__init__()
        owners = ((ALICE, Balance(1_000)), (BOB, Balance(500)))
        self.world = ext(Money, balances=Balances.Genesis(balances=owners))
        self.minted = self.burned = 0

    def attempt(self, act):
        """Do it, or find that nothing changed."""
        world = self.world
        before, events = world.changes(), len(world.events())
        try:
            act()
        except EXPECTED:
            assert world.changes() == before
            assert len(world.events()) == events

    def total(self):
        return sum(self.each().values())

    def each(self):
        system = self.world.runtime.system
        data = {who: system.data(who) for who in OWNERS}
        return {who: int(d.free) + int(d.reserved) for who, d in data.items()}

    @rule(src=people, dst=people, amount=amounts, dies=st.booleans())
    def transfer(self, src, dst, amount, dies):
        name = "transfer_allow_death" if dies else "transfer_keep_alive"
        self.attempt(
            lambda: self.world.call(
                "Balances", name, Origin.signed(src), dest=to(dst), value=amount
            )
        )

    @rule(src=people, dst=people, keep_alive=st.booleans())
    def transfer_all(self, src, dst, keep_alive):
        self.attempt(
            lambda: self.world.call(
                "Balances", "transfer_all", Origin.signed(src), dest=to(dst), keep_alive=keep_alive
            )
        )

    @rule(who=people, amount=amounts)
    def set_balance(self, who, amount):
        self.attempt(
            lambda: self.world.call(
                "Balances", "force_set_balance", Origin.root(), who=to(who), new_free=amount
            )
        )

    @rule(who=people, amount=amounts)
    def reserve(self, who, amount):
        self.attempt(lambda: self.world.runtime.balances.reserve(who, amount))

    @rule(who=people, amount=amounts)
    def unreserve(self, who, amount):
        balances = self.world.runtime.balances
        before = balances.reserved(who)
        held = balances.held(who, BOND)
        left = balances.unreserve(who, amount)
        assert balances.held(who, BOND) == held
        assert balances.reserved(who) == before - (amount - left)

    @rule(src=people, dst=people, amount=amounts)
    def repatriate(self, src, dst, amount):
        balances = self.world.runtime.balances
        before, total = balances.reserved(src), self.total()
        left = balances.repatriate_reserved(src, dst, amount)
        assert balances.reserved(src) == before - (amount - left)
        assert self.total() == total

    @rule(who=people, amount=amounts)
    def hold(self, who, amount):
        self.attempt(lambda: self.world.runtime.balances.hold(who, BOND, amount))

    @rule(who=people, amount=amounts)
    def release(self, who, amount):
        balances = self.world.runtime.balances
        before, reserved = balances.held(who, BOND), balances.reserved(who)
        actual = balances.release(who, BOND, amount)
        assert actual == min(before, amount)
        assert balances.held(who, BOND) == before - actual
        assert balances.reserved(who) == reserved - actual

    @rule(src=people, dst=people, amount=amounts)
    def move_held(self, src, dst, amount):
        balances = self.world.runtime.balances
        before, reserved, total = balances.held(src, BOND), balances.reserved(src), self.total()
        moved = balances.move_held(src, dst, BOND, amount)
        assert moved <= min(before, amount)
        assert balances.held(src, BOND) == before - moved
        assert balances.reserved(src) == reserved - moved
        assert self.total() == total

    @rule(who=people, amount=amounts)
    def mint(self, who, amount):
        self.attempt(lambda: self.world.runtime.balances.mint_into(who, amount))

    @rule(who=people, amount=amounts)
    def burn(self, who, amount):
        self.attempt(lambda: self.world.runtime.balances.burn_from(who, amount))

    @rule(payer=people, receiver=people, amount=amounts)
    def pay_a_fee(self, payer, receiver, amount):
        balances, total = self.world.runtime.balances, self.total()
        if balances.can_withdraw(payer, amount):
            balances.withdraw(payer, amount)
            assert self.total() == total - amount
            kept = balances.deposit(receiver, amount)
            assert self.total() == (total if kept else total - amount)
        else:
            self.attempt(lambda: balances.withdraw(payer, amount))
            assert self.total() == total

    @rule()
    def end_the_block(self):
        self.world.run_to_block(self.world.block + 1)

    @invariant()
    def the_issuance_is_the_sum_of_all_accounts(self):
        assert self.world.runtime.balances.total_issuance.get() == self.total()

    @invariant()
    def what_is_held_is_reserved(self):
        balances = self.world.runtime.balances
        for who in OWNERS:
            assert balances.held(who, BOND) <= balances.reserved(who)

    @invariant()
    def no_account_holds_dust_and_references_follow_money(self):
        system = self.world.runtime.system
        for who in OWNERS:
            info = system.account[who]
            if who in system.account:
                assert info.data.free >= DEPOSIT
                assert info.providers == 1
                assert info.consumers == (1 if info.data.reserved else 0)
            else:
                assert int(info.data.free) + int(info.data.reserved) == 0

    @invariant()
    def events_tell_who_came_and_went(self):
        alive = {ALICE, BOB}
        for record in self.world.events():
            if isinstance(record, System.NewAccount):
                assert record.account not in alive
                alive.add(record.account)
            elif isinstance(record, System.KilledAccount):
                alive.remove(record.account)
        assert alive == {who for who in OWNERS if who in self.world.runtime.system.account}


TestBank = Bank.TestCase
TestBank.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
