"""Calls and hooks are weighed for all that they touch: keys are counted while they run."""

from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import pytest

from pallets.frame import Origin
from pallets.frame.overlay import Overlay
from pallets.frame.weight import Weight
from pallets.sminer import MinerState
from primitives.scale import U32, U64, U128
from primitives.types import Balance, BlockNumber
from tests.pallets.sminer.space_chain import (
    ALICE,
    BOB,
    CHARLIE,
    DAY,
    ERA,
    EVE,
    FRAGMENT,
    GIB,
    HOME,
    PER_UNIT,
    PLOT,
    PLOTS_PER_UNIT,
    URL,
    World,
    answers_of,
    drawn_seed,
    honest_answers,
    start,
)


class Touched:
    """Keys read and written, each counted once."""

    def __init__(self) -> None:
        self.reads: set[bytes] = set()
        self.writes: set[bytes] = set()

    def weight(self) -> Weight:
        return Weight(reads=len(self.reads), writes=len(self.writes))


@contextmanager
def counting():
    touched = Touched()
    real = {name: getattr(Overlay, name) for name in ("get_value", "get", "put", "delete")}
    put_value, next_key = Overlay.put_value, Overlay.next_key

    def watch(name, seen):
        def watched(self, key, *rest):
            seen.add(key)
            return real[name](self, key, *rest)

        return patch.object(Overlay, name, watched)

    def written(self, key, raw, value):
        touched.writes.add(key)
        put_value(self, key, raw, value)

    def walked(self, key):
        touched.reads.add(key)
        return next_key(self, key)

    with (
        watch("get_value", touched.reads),
        watch("get", touched.reads),
        watch("put", touched.writes),
        watch("delete", touched.writes),
        patch.object(Overlay, "put_value", written),
        patch.object(Overlay, "next_key", walked),
    ):
        yield touched


def leased() -> World:
    world = start()
    world.space.add_total_idle_space(U128(1_000 * GIB))
    world.mint(name=b"home")
    world.pass_blocks(DAY)
    return world


def miner() -> World:
    """Alice has plots and fragments, a reward of 90 days, a past era to settle, and debt."""
    world = start()
    world.register(units=3, staking=4 * PER_UNIT)
    world.certify()
    world.store(size=2 * PLOT)
    for _ in range(50):
        world.treasury.record_power(ALICE, U128(5))
        world.run_to_block(world.block + ERA)
        world.by(ALICE, "Sminer", "receive_reward")
    world.treasury.record_power(ALICE, U128(5))
    world.end_era()
    world.by(ALICE, "Sminer", "update_beneficiary", beneficiary=EVE)
    info = world.sminer.miner_items[ALICE]
    world.sminer.miner_items[ALICE] = replace(info, debt=Balance(1), state=MinerState.Lock)
    return world


def frozen() -> World:
    world = miner()
    info = world.sminer.miner_items[ALICE]
    world.sminer.miner_items[ALICE] = replace(info, state=MinerState.Frozen)
    return world


def positive() -> World:
    world = miner()
    info = world.sminer.miner_items[ALICE]
    world.sminer.miner_items[ALICE] = replace(info, state=MinerState.Positive, debt=Balance(0))
    return world


def gone() -> World:
    """Alice has left and has only to withdraw; another era waits to be settled."""
    world = positive()
    world.register(BOB)
    world.sminer.release_service(ALICE, U128(2 * PLOT))
    world.by(ALICE, "Sminer", "miner_exit_prep", miner=ALICE)
    world.pass_blocks(10 * DAY)
    world.treasury.record_power(ALICE, U128(5))
    world.treasury.record_power(BOB, U128(5))
    world.end_era()
    info = world.sminer.miner_items[ALICE]
    world.sminer.miner_items[ALICE] = replace(info, debt=Balance(1))
    return world


def asked() -> World:
    world = start()
    world.register()
    world.request(ALICE, 2)
    world.pass_blocks(1)
    return world


def registration() -> dict[str, object]:
    return {"beneficiary": BOB, "endpoint": URL, "staking_val": PER_UNIT, "tib_count": U32(1)}


CALLS = [
    (start, "Sminer", "regnstk", registration()),
    (frozen, "Sminer", "increase_collateral", {"miner": ALICE, "collaterals": Balance(5)}),
    (positive, "Sminer", "update_beneficiary", {"beneficiary": BOB}),
    (positive, "Sminer", "update_endpoint", {"endpoint": URL}),
    (positive, "Sminer", "decrease_declaration_space", {"tib_count": U32(1)}),
    (positive, "Sminer", "increase_declaration_space", {"tib_count": U32(1)}),
    (miner, "Sminer", "receive_reward", {}),
    (positive, "Sminer", "miner_exit_prep", {"miner": ALICE}),
    (gone, "Sminer", "miner_withdraw", {}),
    (positive, "FileBank", "cert_idle_space", {"count": U64(1)}),
    (positive, "FileBank", "replace_idle_space", {"count": U64(1)}),
    (start, "StorageHandler", "mint_territory", None),
    (
        leased,
        "StorageHandler",
        "expanding_territory",
        {"territory_name": HOME, "gib_count": U32(1)},
    ),
    (
        leased,
        "StorageHandler",
        "renewal_territory",
        {"territory_name": HOME, "days_count": U32(1)},
    ),
    (start, "CessTreasury", "send_funds_to_pid", {"funds": Balance(1)}),
    (start, "CessTreasury", "send_funds_to_sid", {"funds": Balance(1)}),
]


@pytest.mark.parametrize(("begin", "pallet", "name", "arguments"), CALLS)
def test_a_call_touches_no_more_than_it_is_weighed_for(begin, pallet, name, arguments):
    world = begin()
    if arguments is None:
        world.space.add_total_idle_space(U128(GIB))
        arguments = {"gib_count": U32(1), "territory_name": HOME, "days": U32(2)}
    call = world.runtime.calls().make(pallet, name, **arguments)
    with counting() as touched:
        world.dispatch(call, Origin.signed(ALICE))
    assert touched.weight().fits(call.info().weight), (len(touched.reads), len(touched.writes))


def test_a_certification_touches_no_more_than_it_is_weighed_for():
    world = asked()
    answers = answers_of(honest_answers(drawn_seed(world)))
    call = world.runtime.calls().make("FileBank", "prove_idle_space", answers=answers)
    with counting() as touched:
        world.dispatch(call, Origin.signed(ALICE))
    assert len(touched.reads) <= 10
    assert touched.weight().fits(call.info().weight)


def test_exits_and_seeds_are_weighed_for_what_they_touch():
    world = start()
    for who in (ALICE, BOB):
        world.register(who, units=2)
        world.certify(who, count=PLOTS_PER_UNIT)
        world.store(who, FRAGMENT)
    world.pass_blocks(5)
    for who in (ALICE, BOB):
        world.by(who, "Sminer", "miner_exit_prep", miner=who)
    due = world.sminer.miner_lock[ALICE]
    world.run_to_block(int(due) - 1)
    world.register(CHARLIE)
    world.request(CHARLIE, 1)
    with counting() as touched:
        spent = world.sminer.on_initialize(due)
    assert world.sminer.is_leaving(BOB)
    assert world.sminer.pending_idle[CHARLIE].seed is not None
    assert touched.weight().fits(spent)


@pytest.mark.parametrize("blocks", [2 * DAY, 3 * DAY])
def test_the_transitions_of_leases_are_weighed_for_what_they_touch(blocks):
    world = start()
    world.space.add_total_idle_space(U128(1_000 * GIB))
    for name in (b"a", b"b", b"home"):
        world.mint(name=name)
    world.space.add_used_space(ALICE, HOME, U128(1))
    world.pass_blocks(blocks - 1)
    with counting() as touched:
        spent = world.space.on_initialize(BlockNumber(1 + blocks))
    assert touched.weight().fits(spent)


def test_the_first_block_of_an_era_is_weighed_for_what_it_touches():
    world = start()
    world.treasury.record_power(ALICE, U128(5))
    with counting() as touched:
        spent = world.treasury.on_initialize(BlockNumber(ERA))
    assert touched.weight().fits(spent)
    with counting() as touched:
        spent = world.treasury.on_initialize(BlockNumber(2 * ERA))
    assert touched.weight().fits(spent)
    with counting() as touched:
        spent = world.treasury.on_initialize(BlockNumber(2 * ERA + 1))
    assert touched.weight().fits(spent)
