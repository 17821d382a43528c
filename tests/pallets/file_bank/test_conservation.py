"""Random sequences of calls and blocks: nothing is counted twice, lost or left behind.

An expected refusal is as good as a success; everything else that a call or a hook raises, or a law
of ``conservation`` that is broken, is a defect.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pallets.frame.error import DispatchFailure
from primitives.scale import U32
from tests.pallets.file_bank.conservation import ALL, check
from tests.pallets.file_bank.storage_world import (
    DAY,
    DEADLINE,
    HOME,
    MINERS,
    OWNERS,
    World,
    made_file,
    twin_file,
)

FILES = [made_file("one"), made_file("two", 2), twin_file(made_file("one"), "twin")]
VALUES = {key: value for file in FILES for key, value in file.values.items()}
MINER_COUNT = 15

owners = st.sampled_from(OWNERS)
files = st.sampled_from(FILES)
miners = st.sampled_from(MINERS[:MINER_COUNT])
picks = st.integers(0, 1000)


class Storage(RuleBasedStateMachine):
    """Owners, miners and time, in any order."""

    @initialize()
    def begin(self) -> None:
        self.world = World(miners=MINER_COUNT)
        self.issued = self.world.runtime.balances.total_issuance.get()

    def try_call(self, pallet: str, name: str, who, **arguments) -> None:
        try:
            self.world.call(pallet, name, who, **arguments)
        except DispatchFailure:
            pass

    @rule(owner=owners, file=files)
    def declare(self, owner, file) -> None:
        try:
            self.world.declare(owner, file)
        except DispatchFailure:
            pass

    @rule(file=files, count=st.integers(1, 24))
    def report(self, file, count) -> None:
        deal = self.world.bank.deal_map.get(file.fid)
        if deal is None:
            return
        owner = next(each for each in OWNERS if each.account_id == deal.user.user)
        for segment in range(len(file.segments)):
            for position in range(12):
                pending = self.world.bank.deal_segments.get(file.fid, U32(segment))
                if pending is None or count == 0:
                    break
                item = pending.fragments[position]
                if item.miner is not None and not item.reported:
                    count -= 1
                    try:
                        self.world.report(owner, file, segment, position)
                    except DispatchFailure:
                        pass

    @rule(owner=owners, file=files)
    def delete(self, owner, file) -> None:
        self.try_call(
            "FileBank", "delete_file", owner, owner=owner.account_id, file_hash=file.fid
        )

    @rule(blocks=st.sampled_from((1, 1, 1, 2, 5, DEADLINE + 1)))
    def wait(self, blocks) -> None:
        self.world.go(blocks)

    @rule()
    def let_leases_end(self) -> None:
        self.world.go(35 * DAY - self.world.block % (35 * DAY))
        for owner in OWNERS:
            if self.world.territory(owner) is None:
                self.world.mint(owner, HOME, 40)

    @rule(who=miners)
    def challenge(self, who) -> None:
        if who in self.world.miners.miner_items and not self.world.audit.is_challenged(who):
            self.world.begin_round(who) if self.has_something(who) else None

    def has_something(self, who) -> bool:
        front, rear = self.world.miners.idle_range(who)
        return rear > front or self.world.miners.service_space(who) > 0

    @rule(who=miners, lost=st.integers(0, 3), is_wrong=st.booleans())
    def answer(self, who, lost, is_wrong) -> None:
        if not self.world.audit.is_challenged(who):
            return
        faulty = sorted(self.world.asked(who))[:lost]
        try:
            proof = self.world.proof(who, VALUES, () if is_wrong else faulty)
            self.world.submit(who, proof, faulty=faulty)
        except DispatchFailure:
            pass

    @rule(who=miners, pick=picks)
    def lose(self, who, pick) -> None:
        held = [
            holding
            for _, holding in self.world.audit.holdings.prefix(who, limit=ALL)
            if holding.removed is None
        ]
        if held:
            holding = held[pick % len(held)]
            self.try_call(
                "FileBank",
                "generate_restoral_order",
                who,
                file_hash=holding.file_hash,
                restoral_fragment=holding.fragment_hash,
            )

    @rule(who=miners, pick=picks)
    def claim(self, who, pick) -> None:
        orders = self.world.bank.restoral_order.keys(limit=ALL)
        if orders:
            self.try_call(
                "FileBank", "claim_restoral_order", who, order_id=orders[pick % len(orders)]
            )

    @rule(who=miners, leaver=miners, pick=picks)
    def claim_of_leaver(self, who, leaver, pick) -> None:
        held = self.world.audit.holdings.prefix(leaver, limit=ALL)
        if held:
            _, holding = held[pick % len(held)]
            self.try_call(
                "FileBank",
                "claim_restoral_noexist_order",
                who,
                miner=leaver,
                file_hash=holding.file_hash,
                restoral_fragment=holding.fragment_hash,
            )

    @rule()
    def complete_orders(self) -> None:
        for number, order in self.world.bank.restoral_order.items(limit=ALL):
            self.try_call("FileBank", "restoral_order_complete", order.miner, order_id=number)

    @rule(who=miners)
    def leave(self, who) -> None:
        self.try_call("Sminer", "miner_exit_prep", who, miner=who)

    @rule(who=miners)
    def withdraw(self, who) -> None:
        self.try_call("Sminer", "miner_withdraw", who)

    @invariant()
    def laws_hold(self) -> None:
        check(self.world)
        assert self.world.runtime.balances.total_issuance.get() == self.issued


TestStorage = Storage.TestCase
TestStorage.settings = settings(
    max_examples=12,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
