"""New code for the runtime: who may set it, which, and when it comes."""

from dataclasses import replace

import pytest

from pallets.frame import BadOrigin, Origin
from pallets.frame.code import CODE_BYTES_MAX, MAGIC
from pallets.system import CODE_KEY, System
from pallets.system.pallet import SCHEDULE_BLOCKS_MAX
from primitives.digest import Digest, RuntimeEnvironmentUpdated
from primitives.hashing import blake2_256
from primitives.scale import U32
from primitives.types import BlockNumber
from tests.pallets.modules import code_of, section
from tests.pallets.small_chains import ALICE, VERSION, signed

NEXT = replace(VERSION, spec_version=U32(VERSION.spec_version + 1))
AFTER_NEXT = replace(VERSION, spec_version=U32(VERSION.spec_version + 2))
GOOD = code_of(NEXT)

ATTACKS = {
    "nothing": (b"", System.FailedToExtractRuntimeVersion),
    "garbage": (b"\xff" * 1000, System.FailedToExtractRuntimeVersion),
    "a module without a version": (
        MAGIC + b"".join(section(number, b"\0") for number in (1, 3, 7, 10)),
        System.FailedToExtractRuntimeVersion,
    ),
    "a version without a module": (
        GOOD[: GOOD.index(section(1, b"\0"))],
        System.FailedToExtractRuntimeVersion,
    ),
    "a module that is cut": (GOOD[:-1], System.FailedToExtractRuntimeVersion),
    "bytes after the module": (GOOD + b"\0", System.FailedToExtractRuntimeVersion),
    "the running version": (code_of(VERSION), System.SpecVersionNeedsToIncrease),
    "an older version": (
        code_of(replace(VERSION, spec_version=U32(VERSION.spec_version - 1))),
        System.SpecVersionNeedsToIncrease,
    ),
    "another chain's runtime": (
        code_of(replace(NEXT, spec_name="other")),
        System.InvalidSpecName,
    ),
    "too much": (GOOD + section(0, bytes(CODE_BYTES_MAX)), System.CodeTooLarge),
}


def begin(money, number: int) -> None:
    parent = blake2_256(b"block %d" % (number - 1))
    money.runtime.overlay.events.clear()
    money.runtime.system.initialize(BlockNumber(number), parent, Digest())


def code(money) -> bytes | None:
    return money.runtime.overlay.get(CODE_KEY)


def schedule(money, at: int, what: bytes = GOOD) -> None:
    money.call("System", "schedule_code", Origin.root(), code=what, at=BlockNumber(at))


def test_code_is_set_at_once_and_the_header_says_so(money):
    money.call("System", "set_code", Origin.root(), code=GOOD)
    assert code(money) == GOOD
    assert money.events()[-1] == System.CodeUpdated()
    money.call("System", "set_code", Origin.root(), code=code_of(AFTER_NEXT))
    assert money.runtime.system.current_digest().logs.count(RuntimeEnvironmentUpdated()) == 1


def test_scheduled_code_comes_with_its_block_and_not_before(money):
    schedule(money, 5)
    scheduled = System.UpgradeWasScheduled(spec_version=NEXT.spec_version, at=BlockNumber(5))
    assert money.events()[-1] == scheduled
    for number in (2, 3, 4):
        begin(money, number)
        assert code(money) is None
        assert money.runtime.system.current_digest() == Digest()
    begin(money, 5)
    assert code(money) == GOOD
    assert money.events() == [System.CodeUpdated()]
    assert money.runtime.system.current_digest() == Digest((RuntimeEnvironmentUpdated(),))
    begin(money, 6)
    assert money.runtime.system.current_digest() == Digest()
    assert not money.runtime.system.scheduled_upgrade.exists()
    assert not money.runtime.system.scheduled_code.exists()


def test_a_cancelled_upgrade_does_not_come(money):
    schedule(money, 3)
    money.call("System", "cancel_scheduled_code", Origin.root())
    assert money.events()[-1] == System.UpgradeWasCancelled(spec_version=NEXT.spec_version)
    for number in (2, 3, 4):
        begin(money, number)
    assert code(money) is None
    with pytest.raises(System.NoUpgradeScheduled), money.no_trace():
        money.call("System", "cancel_scheduled_code", Origin.root())


def test_there_is_one_upgrade_at_a_time(money):
    schedule(money, 5)
    with pytest.raises(System.UpgradeScheduled), money.no_trace():
        schedule(money, 6, code_of(AFTER_NEXT))


def test_a_scheduled_upgrade_does_not_undo_a_newer_one(money):
    schedule(money, 5)
    newest = code_of(AFTER_NEXT)
    money.call("System", "set_code", Origin.root(), code=newest)
    config = money.runtime.system.config
    money.runtime.system.config = replace(config, version=AFTER_NEXT)
    begin(money, 5)
    assert code(money) == newest
    assert money.events() == [System.UpgradeWasCancelled(spec_version=NEXT.spec_version)]
    assert not money.runtime.system.scheduled_code.exists()


@pytest.mark.parametrize("at", [0, 1, 2 + SCHEDULE_BLOCKS_MAX, 2**32 - 1])
def test_an_upgrade_is_ahead_and_not_too_far(money, at):
    with pytest.raises(System.UpgradeNotAhead), money.no_trace():
        schedule(money, at)


@pytest.mark.parametrize("origin", [Origin.none(), signed(ALICE)])
def test_only_root_touches_the_code(money, origin):
    for name, arguments in (
        ("set_code", {"code": GOOD}),
        ("schedule_code", {"code": GOOD, "at": BlockNumber(9)}),
        ("cancel_scheduled_code", {}),
    ):
        with pytest.raises(BadOrigin), money.no_trace():
            money.call("System", name, origin, **arguments)


@pytest.mark.parametrize("attack", ATTACKS)
def test_code_that_no_node_could_run_is_refused(money, attack):
    what, problem = ATTACKS[attack]
    with pytest.raises(problem), money.no_trace():
        money.call("System", "set_code", Origin.root(), code=what)
    with pytest.raises(problem), money.no_trace():
        schedule(money, 9, what)


def test_code_weighs_by_its_length(money):
    table = money.runtime.calls()
    short, long = (
        table.make("System", "set_code", code=bytes(size)).info().weight.ref_time
        for size in (0, 10**6)
    )
    assert long - short > 10**9
