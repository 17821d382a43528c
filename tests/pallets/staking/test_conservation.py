"""Whatever is called in whatever order, money and ledgers add up; rewards stay below payouts."""

from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pallets.frame.runtime import EXPECTED
from pallets.staking import PayNone, PayOther, PayStaked, PayStash
from primitives.scale import U32
from primitives.types import Balance
from tests.pallets.staking.stake_chain import (
    ANN,
    BEN,
    BILLION,
    CAT,
    DAN,
    EVERYBODY,
    FOUNDERS,
    NIA,
    NORA,
    REPORTER,
    YEAR_ONE,
    StakeWorld,
)

people = st.sampled_from((ANN, BEN, CAT, DAN, NIA, NORA))
amounts = st.one_of(st.integers(0, 20_000), st.sampled_from([99, 100, 499, 500, 10**30]))
payees = st.sampled_from([PayStaked(), PayStash(), PayNone(), PayOther(account=DAN)])


class Stakers(RuleBasedStateMachine):
    """Calls, offences, blocks and sessions in any order."""

    def __init__(self):
        super().__init__()
        self.stake = StakeWorld()
        self.claimed = {}

    def attempt(self, name, who, **arguments):
        world = self.stake.world
        before, events = world.changes(), len(world.events())
        try:
            self.stake.call(name, who, **arguments)
        except EXPECTED:
            assert world.changes() == before
            assert len(world.events()) == events

    @rule(who=people, amount=amounts, payee=payees)
    def bond(self, who, amount, payee):
        self.attempt("bond", who, value=Balance(amount), payee=payee)

    @rule(who=people, amount=amounts)
    def bond_extra(self, who, amount):
        self.attempt("bond_extra", who, max_additional=Balance(amount))

    @rule(who=people, amount=amounts)
    def unbond(self, who, amount):
        self.attempt("unbond", who, value=Balance(amount))

    @rule(who=people, amount=amounts)
    def rebond(self, who, amount):
        self.attempt("rebond", who, value=Balance(amount))

    @rule(who=people)
    def withdraw(self, who):
        self.attempt("withdraw_unbonded", who, num_slashing_spans=U32(0))

    @rule(who=people, commission=st.integers(0, BILLION))
    def validate(self, who, commission):
        with suppress(*EXPECTED):
            self.stake.validate(who, commission)

    @rule(who=people, named=st.lists(people, max_size=4))
    def nominate(self, who, named):
        with suppress(*EXPECTED):
            self.stake.nominate(who, *named)

    @rule(who=people)
    def chill(self, who):
        self.attempt("chill", who)

    @rule(who=people)
    def force_unstake(self, who):
        self.attempt("force_unstake", None, stash=who, num_slashing_spans=U32(0))

    @rule(who=people)
    def reap(self, who):
        self.attempt("reap_stash", REPORTER, stash=who, num_slashing_spans=U32(0))

    @rule(who=people, era=st.integers(0, 6))
    def claim(self, who, era):
        before = int(self.stake.runtime.balances.total_issuance.get())
        self.attempt("payout_stakers", REPORTER, validator_stash=who, era=U32(era))
        made = int(self.stake.runtime.balances.total_issuance.get()) - before
        self.claimed[era] = self.claimed.get(era, 0) + made
        payout = self.stake.staking.eras_validator_reward.get(U32(era))
        assert made == 0 if payout is None else self.claimed[era] <= payout
        assert self.claimed[era] <= YEAR_ONE

    @rule(
        who=st.sampled_from(FOUNDERS),
        fraction=st.integers(1, BILLION),
        back=st.integers(0, 4),
        reporters=st.sampled_from([(), (REPORTER,), (REPORTER, DAN)]),
    )
    def offend(self, who, fraction, back, reporters):
        issued = self.stake.runtime.balances.total_issuance.get()
        session = max(0, self.stake.around.session - back)
        self.stake.offend(who, fraction, session=session, reporters=reporters)
        assert self.stake.runtime.balances.total_issuance.get() == issued

    @rule(author=st.sampled_from(FOUNDERS))
    def block(self, author):
        issued = self.stake.runtime.balances.total_issuance.get()
        self.stake.block(author)
        assert self.stake.runtime.balances.total_issuance.get() == issued

    @rule(count=st.integers(1, 3))
    def sessions(self, count):
        for _ in range(count):
            self.stake.next_session()

    @invariant()
    def money_and_ledgers_add_up(self):
        self.stake.check_money()

    @invariant()
    def somebody_validates_and_nobody_twice(self):
        for validators in (self.stake.validators, self.stake.queued):
            assert 0 < len(validators) == len(set(validators)) <= 5

    @invariant()
    def stakes_are_known_while_they_can_be_slashed(self):
        staking = self.stake.staking
        for era, _ in staking.bonded_eras.get():
            assert staking.eras_stakers_overview.prefix_keys(era, limit=1)
            assert era >= staking.earliest_era.get()

    @invariant()
    def nobody_is_forgotten(self):
        assert len(EVERYBODY) == len(self.stake.runtime.system.account.items(limit=99))


Stakers.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestStakers = Stakers.TestCase
