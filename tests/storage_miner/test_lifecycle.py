"""How a miner enters and how its registration is kept as configured."""

import pytest

from pallets.sminer.types import MinerState
from storage_miner.lifecycle import (
    RETRY_BLOCKS,
    AddCollateral,
    IncreaseDeclaration,
    Lifecycle,
    LifecycleCallEnded,
    Phase,
    Register,
    UpdateBeneficiary,
    UpdateEndpoint,
    Wish,
)
from tests.storage_miner.kit import (
    ACCOUNT,
    DONE,
    FACTS,
    LOST,
    OTHER,
    UNIT,
    effects,
    info,
    refused,
    view,
)

URL = "http://127.0.0.1:15001"


def wish(units: int | None = 1, *, endpoint: str = URL, beneficiary: object = None) -> Wish:
    return Wish(ACCOUNT, endpoint, beneficiary, units)  # type: ignore[arg-type]


def test_a_stranger_registers_with_the_collateral_of_its_units() -> None:
    core = Lifecycle(FACTS, wish(3))
    core.receive(view(5, info=None))
    assert effects(core) == [Register(URL, ACCOUNT, 3, 13_200)]
    core.receive(view(6, info=None))
    assert effects(core) == []
    assert core.phase is Phase.registering


def test_without_units_it_waits_and_says_what_to_do() -> None:
    core = Lifecycle(FACTS, wish(None))
    core.receive(view(5, info=None))
    assert effects(core) == []
    assert core.phase is Phase.waiting
    assert "cess miner register" in core.reason


def test_a_refused_registration_is_repeated_later_and_its_cause_shown() -> None:
    core = Lifecycle(FACTS, wish())
    core.receive(view(5, info=None))
    effects(core)
    core.receive(LifecycleCallEnded(refused("InsufficientBalance")))
    core.receive(view(5 + RETRY_BLOCKS - 1, info=None))
    assert effects(core) == []
    assert core.reason == "InsufficientBalance"
    core.receive(view(5 + RETRY_BLOCKS, info=None))
    assert len(effects(core)) == 1


def test_a_lost_call_is_repeated_soon() -> None:
    core = Lifecycle(FACTS, wish())
    core.receive(view(5, info=None))
    effects(core)
    core.receive(LifecycleCallEnded(LOST))
    core.receive(view(7, info=None))
    assert len(effects(core)) == 1


def test_a_registered_miner_as_configured_does_nothing() -> None:
    core = Lifecycle(FACTS, wish())
    core.receive(view(5))
    assert effects(core) == []
    assert core.phase is Phase.working
    assert core.reason == ""


def test_another_endpoint_is_announced() -> None:
    core = Lifecycle(FACTS, wish(endpoint="http://127.0.0.1:2"))
    core.receive(view(5))
    assert effects(core) == [UpdateEndpoint("http://127.0.0.1:2")]


def test_another_beneficiary_is_registered_only_when_one_is_configured() -> None:
    core = Lifecycle(FACTS, wish(beneficiary=OTHER))
    core.receive(view(5))
    assert effects(core) == [UpdateBeneficiary(OTHER)]


def test_a_larger_declaration_is_paid_for_first() -> None:
    core = Lifecycle(FACTS, wish(2))
    core.receive(view(5, info=info(collateral=4000)))
    assert effects(core) == [AddCollateral(4800)]
    core.receive(LifecycleCallEnded(DONE))
    core.receive(view(7, info=info(collateral=8000)))
    assert effects(core) == [IncreaseDeclaration(1)]
    core.receive(LifecycleCallEnded(DONE))
    core.receive(view(9, info=info(collateral=8000, declared=2 * UNIT)))
    assert effects(core) == []


def test_a_miner_that_left_and_withdrew_does_not_come_back_by_itself() -> None:
    core = Lifecycle(FACTS, wish())
    core.receive(view(5, info=info(state=MinerState.Lock)))
    core.receive(view(50, info=info(state=MinerState.Exit)))
    core.receive(view(90, info=None))
    assert effects(core) == []
    assert core.phase is Phase.waiting


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        (MinerState.Frozen, Phase.frozen),
        (MinerState.Lock, Phase.leaving),
        (MinerState.Exit, Phase.left),
        (MinerState.Offline, Phase.thrown_out),
    ],
)
def test_each_state_has_a_word_and_a_cure(state: MinerState, phase: Phase) -> None:
    core = Lifecycle(FACTS, wish())
    core.receive(view(5, info=info(state=state)))
    assert core.phase is phase
    assert core.reason
