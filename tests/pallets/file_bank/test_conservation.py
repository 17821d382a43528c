"""Random sequences of calls and blocks: nothing is counted twice, lost or left behind.

An expected refusal is as good as a success; everything else that a call or a hook raises, or a law
of ``conservation`` that is broken, is a defect.
"""

from contextlib import suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pallets.frame.error import DispatchFailure
from primitives.scale import U32
from tests.pallets.file_bank.conservation import ALL, check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    DAY,
    DEADLINE,
    MINERS,
    OWNERS,
    World,
    made_file,
    twin_file,
)

STORED, PAIR = made_file("one"), made_file("two", 2)
FILES = (STORED, PAIR, twin_file(STORED, "twin"))
VALUES = {key: value for file in FILES for key, value in file.values.items()}
MINER_COUNT = 14

owners = st.sampled_from(OWNERS)
files = st.sampled_from(FILES)
miners = st.sampled_from(MINERS[:MINER_COUNT])
picks = st.integers(0, 1000)
refusals = suppress(DispatchFailure)


class Storage(RuleBasedStateMachine):
    """Owners, miners and time, in any order."""

    @initialize()
    def begin(self) -> None:
        self.world = World(miners=MINER_COUNT)
        self.issued = self.world.runtime.balances.total_issuance.get()
        self.world.store(ALICE, STORED)
        self.world.declare(BOB, PAIR)
        self.world.go()
        self.world.report_all(BOB, PAIR, but=1)
        self.world.leave(self.world.holder(STORED, 0, 0))
        self.lose(self.world.holder(STORED, 0, 1), 0)

    # Owners.

    @rule(owner=owners, file=files)
    def declare(self, owner, file) -> None:
        with refusals:
            self.world.declare(owner, file)

    @rule(file=files, but=st.sampled_from((0, 0, 1, 7)))
    def report(self, file, but) -> None:
        deal = self.world.bank.deal_map.get(file.fid)
        if deal is not None:
            owner = next(each for each in OWNERS if each.account_id == deal.user.user)
            with refusals, suppress(AssertionError):  # nobody was drawn
                self.world.report_all(owner, file, but=but)

    @rule(owner=owners, file=files)
    def delete(self, owner, file) -> None:
        with refusals:
            who = owner.account_id
            self.world.call("FileBank", "delete_file", owner, owner=who, file_hash=file.fid)

    @rule(blocks=st.sampled_from((1, 1, 1, 2, DEADLINE + 1, 2 * DAY)))
    def wait(self, blocks) -> None:
        self.world.go(blocks)

    # Audits.

    @rule(who=miners)
    def challenge(self, who) -> None:
        sminer = self.world.miners
        if who in sminer.miner_items and not self.world.audit.is_challenged(who):
            front, rear = sminer.idle_range(who)
            if rear > front or sminer.service_space(who) > 0:
                self.world.begin_round(who)

    @precondition(lambda self: self.world.audit.challenge_snap_shot.keys(limit=1))
    @rule(pick=picks, lost=st.integers(0, 2), is_wrong=st.integers(0, 4))
    def answer(self, pick, lost, is_wrong) -> None:
        challenged = self.world.audit.challenge_snap_shot.keys(limit=ALL)
        who = challenged[pick % len(challenged)]
        faulty = sorted(self.world.asked(who))[:lost]
        proof = self.world.proof(who, VALUES, () if is_wrong == 0 else faulty)
        with refusals:
            self.world.submit(who, proof, faulty=faulty)

    # Loss and repair.

    @rule(who=miners, pick=picks)
    def lose_one(self, who, pick) -> None:
        self.lose(who, pick)

    def lose(self, who, pick) -> None:
        held = self.live(who)
        if held:
            holding = held[pick % len(held)]
            with refusals:
                self.world.call(
                    "FileBank",
                    "generate_restoral_order",
                    who,
                    file_hash=holding.file_hash,
                    restoral_fragment=holding.fragment_hash,
                )

    def live(self, who):
        return [
            holding
            for _, holding in self.world.audit.holdings.prefix(who, limit=ALL)
            if holding.removed is None
        ]

    @precondition(lambda self: self.world.bank.restoral_order.keys(limit=1))
    @rule(first=picks, pick=picks, is_done=st.booleans())
    def restore(self, first, pick, is_done) -> None:
        orders = self.world.bank.restoral_order.keys(limit=ALL)
        number = orders[pick % len(orders)]
        for step in range(MINER_COUNT):
            who = MINERS[(first + step) % MINER_COUNT]
            with refusals:
                self.world.call("FileBank", "claim_restoral_order", who, order_id=number)
                if is_done:
                    self.world.call("FileBank", "restoral_order_complete", who, order_id=number)
                return

    @precondition(lambda self: self.world.miners.restoral_target.keys(limit=1))
    @rule(first=picks, pick=picks, is_done=st.booleans())
    def take_from_leaver(self, first, pick, is_done) -> None:
        leavers = self.world.miners.restoral_target.keys(limit=ALL)
        leaver = leavers[pick % len(leavers)]
        for step, holding in enumerate(self.live(leaver)[:3]):
            who = MINERS[(first + step) % MINER_COUNT]
            before = set(self.world.bank.restoral_order.keys(limit=ALL))
            with refusals:
                self.world.call(
                    "FileBank",
                    "claim_restoral_noexist_order",
                    who,
                    miner=leaver,
                    file_hash=holding.file_hash,
                    restoral_fragment=holding.fragment_hash,
                )
                (number,) = set(self.world.bank.restoral_order.keys(limit=ALL)) - before
                if is_done:
                    self.world.call("FileBank", "restoral_order_complete", who, order_id=number)

    @rule(who=miners)
    def leave(self, who) -> None:
        if len(self.world.miners.restoral_target.keys(limit=ALL)) < 2:
            with refusals:
                self.world.call("Sminer", "miner_exit_prep", who, miner=who)
                self.world.go(3)

    @rule(who=miners)
    def withdraw(self, who) -> None:
        with refusals:
            self.world.call("Sminer", "miner_withdraw", who)

    @invariant()
    def laws_hold(self) -> None:
        check(self.world)
        assert self.world.runtime.balances.total_issuance.get() == self.issued


TestStorage = Storage.TestCase
TestStorage.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_a_lease_that_ends_takes_its_files_and_deals_along() -> None:
    world = World()
    world.store(ALICE, STORED)
    world.declare(ALICE, PAIR)
    world.go()
    world.report_all(ALICE, PAIR, but=1)
    due = int(world.territory(ALICE).deadline) + DAY
    while world.block < due + 8:
        world.go(min(97, due + 8 - world.block))
        check(world)
    assert world.territory(ALICE) is None
    assert not world.bank.file.keys(limit=1)
    assert not world.bank.file_segments.keys(limit=1)
    assert all(world.miners.service_space(who) == 0 for who in MINERS[:MINER_COUNT])
    assert U32(0) == sum(world.audit.holding_count.get(who) for who in MINERS)
