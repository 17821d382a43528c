"""Eras in the whole runtime: merit and chance change the validators, and both engines follow."""

from dataclasses import replace

import pytest

from chain_spec.presets import custom, dev, validator_suri, with_validators
from node.consensus.authorities import epoch_for, voters_of
from node.consensus.slots import claim_slot
from node.runtime import CessRuntime, build_state, runtime_at
from pallets.balances import BOND
from pallets.frame import DictState, InherentData, Origin
from pallets.frame.executive import Executive
from pallets.staking import Staking
from primitives.crypto.keys import KeyPair
from primitives.digest import BABE_ENGINE, BabePreDigest, Digest, PreRuntime
from primitives.hashing import blake2_256
from primitives.scale import U32, U64, encode
from primitives.types import AccountId, BlockNumber, Hash

VALIDATORS, SEATS = 6, 4
EPOCH, ERA = 8, 2
PERIOD = EPOCH * ERA
FERDIE = VALIDATORS - 1


class Eras:
    """Slot after slot of a chain of six validators with four seats; the last one is never there."""

    def __init__(self) -> None:
        base = with_validators(dev(), VALIDATORS)
        constants = replace(
            base.config().constants,
            epoch_slots=U64(EPOCH),
            epochs_per_era=U32(ERA),
            credit_period_blocks=BlockNumber(PERIOD),
        )
        staking = replace(base.config().staking, validator_count=U32(SEATS))
        spec = custom(base, constants=constants, staking=staking)
        self.stashes = [authority.account for authority in spec.config().authorities]
        self.pairs = [KeyPair.from_suri(validator_suri(at)) for at in range(VALIDATORS)]
        self.state = DictState(build_state(spec.config()))
        self.slot, self.number, self.hash = 500_000, 0, Hash(blake2_256(b"block 0"))
        self.events: list[object] = []
        self.sets: dict[int, tuple[AccountId, ...]] = {}
        self.runtime = self.now()

    def now(self) -> CessRuntime:
        return runtime_at(self.state)

    def next_slot(self) -> bool:
        """Make the block of the next slot, if somebody who is there has it."""
        self.slot += 1
        runtime = self.now()
        claim = claim_slot(self.slot, epoch_for(runtime, self.slot), self.pairs[:FERDIE])
        if claim is None:
            return False
        self.number += 1
        executive = Executive(runtime)
        pre = PreRuntime(BABE_ENGINE, encode(BabePreDigest, claim.pre_digest))
        executive.initialize_block(self.hash, BlockNumber(self.number), Digest((pre,)))
        duration = int(runtime.constants.slot_duration_ms)
        now = InherentData(timestamp_ms=self.slot * duration + duration // 2, slot=self.slot)
        for inherent in executive.inherent_extrinsics(now):
            executive.apply_extrinsic(inherent)
        self.events += [record.event for record in runtime.event_records()]
        self.state = self.state.after(executive.finalize_block().changes)
        self.hash = Hash(blake2_256(self.hash))
        self.runtime = self.now()
        return True

    def to_era(self, era: int) -> None:
        while self.era < era:
            self.next_slot()

    @property
    def era(self) -> int:
        active = self.now().staking.active_era.get()
        assert active is not None
        return int(active.index)

    def in_office(self) -> tuple[AccountId, ...]:
        return self.now().session.validators.get()


@pytest.fixture(scope="module")
def eras() -> Eras:
    """Ten eras of it; tests only look."""
    made = Eras()
    while made.era < 10:
        made.next_slot()
        runtime = made.now()
        made.sets.setdefault(made.era, made.in_office())
        keys = [bytes(runtime.session.keys_of(who).babe) for who in made.in_office()]
        assert [bytes(key) for key, _ in runtime.babe.authorities.get()] == keys
        voting = [bytes(key) for key, _ in voters_of(runtime).authorities]
        assert voting == [bytes(runtime.session.keys_of(who).grandpa) for who in made.in_office()]
    return made


def test_all_of_genesis_are_in_office_until_the_first_election(eras: Eras) -> None:
    sets = eras.sets
    assert list(sets[0]) == eras.stashes
    assert all(len(sets[era]) == SEATS for era in range(1, 11))


def test_the_validators_change_with_eras(eras: Eras) -> None:
    sets = [frozenset(found) for found in eras.sets.values()]
    assert len(set(sets)) > 2
    changes = sum(
        before != after
        for before, after in zip(
            list(eras.sets.values())[:-1],
            list(eras.sets.values())[1:],
            strict=True,
        )
    )
    assert voters_of(eras.now()).set_id >= changes > 2


def test_who_is_never_there_loses_credit_and_its_seat(eras: Eras) -> None:
    ferdie = eras.stashes[FERDIE]
    served = [era for era, found in eras.sets.items() if ferdie in found]
    others = [sum(who in found for found in eras.sets.values()) for who in eras.stashes[:FERDIE]]
    # It is out as soon as an election knows of a period in which it was to serve, and comes back
    # only when that is mostly forgotten.
    assert len(served) < min(others) or len(served) <= 4
    credit = eras.now().scheduler_credit
    assert all(credit.credit(who) >= 750 for who in eras.stashes[:FERDIE])
    values = {
        period: credit.history_credit_values.get(U32(period), ferdie)
        for period in range(credit.period())
    }
    assert all(value in (None, 0) for value in values.values())


def test_each_era_pays_and_what_is_claimed_is_at_stake(eras: Eras) -> None:
    paid = [event for event in eras.events if isinstance(event, Staking.EraPaid)]
    assert [int(event.era_index) for event in paid] == list(range(10))
    assert len({int(event.validator_payout) for event in paid}) == 1
    runtime = eras.now()
    staking, balances = runtime.staking, runtime.balances
    before = int(balances.total_issuance.get())
    last = U32(9)
    for who in eras.sets[9]:
        staking.payout_stakers(Origin.signed(who), who, last)
    made = int(balances.total_issuance.get()) - before
    payout = staking.eras_validator_reward.get(last)
    assert payout is not None
    assert 0 <= int(payout) - made < 10
    for who in eras.stashes:
        ledger = staking.ledger.get(who)
        assert ledger is not None
        assert ledger.total == balances.held(who, BOND)


def test_points_are_the_blocks_of_the_era(eras: Eras) -> None:
    points = eras.now().staking.eras_reward_points.get(U32(9))
    in_office = eras.sets[9]
    assert {who for who, _ in points.individual} <= set(in_office)
    assert 0 < points.total <= 20 * EPOCH * ERA
    assert points.total == sum(int(each) for _, each in points.individual)
