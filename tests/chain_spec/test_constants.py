from dataclasses import fields, replace
from types import SimpleNamespace

import pytest

from chain_spec.constants import (
    BLOCK_REF_TIME_MIN,
    BLOCKS_MAX,
    CONSTANTS_KEY,
    HISTORY_ERAS_MAX,
    MAY_BE_ZERO,
    TCESS,
    ChainConstants,
    check_constants,
)
from chain_spec.errors import ChainSpecError
from chain_spec.presets import DEV_CONSTANTS, LIVE_CONSTANTS
from pallets.audit.rounds import DRAWS_PER_BLOCK_MAX
from pallets.audit.types import IDLE_ANSWERS_MAX, POSITIONS_MAX
from pallets.audit.weights import idle_proof, service_proof
from pallets.file_bank.types import REPORTS_MAX, SEGMENT_COUNT_MAX
from pallets.file_bank.weights import (
    FIND_FRAGMENT,
    declaration,
    idle_certificate,
    transfer_report,
)
from primitives.errors import DecodeError
from primitives.scale import U32, decode, encode
from proofs.podr2.params import row_count
from proofs.pois.params import plot_bytes

BOTH = pytest.mark.parametrize("constants", [DEV_CONSTANTS, LIVE_CONSTANTS], ids=["dev", "live"])
NAMES = [field.name for field in fields(ChainConstants)]


def changed(**values: int) -> ChainConstants:
    kinds = {name: type(getattr(DEV_CONSTANTS, name)) for name in values}
    return replace(DEV_CONSTANTS, **{name: kinds[name](value) for name, value in values.items()})


def refused(name: str, constants: ChainConstants) -> None:
    with pytest.raises(ChainSpecError) as caught:
        check_constants(constants)
    assert caught.value.path == f"constants.{name}"


@BOTH
def test_constants_come_back_from_state(constants: ChainConstants) -> None:
    data = encode(ChainConstants, constants)
    assert decode(ChainConstants, data) == constants
    with pytest.raises(DecodeError):
        decode(ChainConstants, data[:-1])


def test_the_key_is_what_the_runtime_reads() -> None:
    assert CONSTANTS_KEY == b":cess:constants"


@BOTH
def test_every_constant_has_its_words(constants: ChainConstants) -> None:
    assert ChainConstants.__doc__ is not None
    assert [name for name in NAMES if f"``{name}``" not in ChainConstants.__doc__] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MAY_BE_ZERO])
def test_a_constant_that_would_stop_the_chain_at_zero_is_refused(name: str) -> None:
    refused(name, changed(**{name: 0}))


@pytest.mark.parametrize("name", sorted(MAY_BE_ZERO))
def test_a_constant_that_may_be_none_is_taken(name: str) -> None:
    check_constants(changed(**{name: 0}))


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(("_blocks", "_days"))])
def test_times_leave_room_in_block_numbers(name: str) -> None:
    check_constants(changed(**{name: BLOCKS_MAX}))
    refused(name, changed(**{name: BLOCKS_MAX + 1}))


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("plot_k", 17, False),
        ("plot_k", 32, True),
        ("plot_k", 33, False),
        ("rows_sampled_max", 460, True),
        ("rows_sampled_max", 461, False),
        ("plot_draws", 256, True),
        ("plot_draws", 257, False),
        ("cert_draws", 256, True),
        ("cert_draws", 257, False),
        ("near_distance_max", 64, True),
        ("near_distance_max", 65, False),
        ("segment_bytes", 4 * 1024**2 + 1, False),
        ("slot_duration_ms", 399, False),
        ("slot_duration_ms", 3_600_001, False),
        ("block_ref_time_max", BLOCK_REF_TIME_MIN, True),
        ("block_ref_time_max", BLOCK_REF_TIME_MIN - 1, False),
        ("block_ref_time_max", 10**12, True),
        ("block_ref_time_max", 10**12 + 1, False),
        ("epochs_per_era", BLOCKS_MAX // 30, True),
        ("epochs_per_era", BLOCKS_MAX // 30 + 1, False),
    ],
)
def test_bounds(name: str, value: int, fits: bool) -> None:
    constants = changed(**{name: value})
    if fits:
        check_constants(constants)
    else:
        refused(name, constants)


def test_a_fragment_of_too_many_rows_is_refused() -> None:
    size = 128 * 126_976
    check_constants(changed(fragment_bytes=size, segment_bytes=4 * size))
    refused("fragment_bytes", changed(fragment_bytes=size + 1, segment_bytes=4 * size + 4))


@BOTH
def test_the_heaviest_calls_fit_into_a_block(constants: ChainConstants) -> None:
    report = SimpleNamespace(
        commitments=range(row_count(int(constants.fragment_bytes))), co_signature=None
    )
    heaviest = (
        idle_certificate(range(IDLE_ANSWERS_MAX)),  # type: ignore[arg-type]
        idle_proof(None, range(IDLE_ANSWERS_MAX)),  # type: ignore[arg-type]
        service_proof(None, range(POSITIONS_MAX), None, None),  # type: ignore[arg-type]
        FIND_FRAGMENT,
        declaration(None, range(SEGMENT_COUNT_MAX), None, None),  # type: ignore[arg-type]
        transfer_report(None, [report] * REPORTS_MAX),  # type: ignore[arg-type]
    )
    for weight in heaviest:
        assert weight.ref_time < BLOCK_REF_TIME_MIN * 3 // 4
    assert constants.block_ref_time_max >= BLOCK_REF_TIME_MIN


@BOTH
def test_every_miner_can_be_challenged_in_its_period(constants: ChainConstants) -> None:
    reached = DRAWS_PER_BLOCK_MAX * int(constants.challenge_period_blocks)
    assert constants.miners_max <= reached


@BOTH
def test_eras_share_out_a_years_reward(constants: ChainConstants) -> None:
    era_ms = int(constants.era_blocks) * int(constants.slot_duration_ms)
    year_ms = int(constants.eras_per_year) * era_ms
    assert year_ms == 365 * 86_400_000 + 86_400_000 // 4
    assert constants.year_one_reward == 477_000_000 * TCESS


@BOTH
def test_a_declared_unit_holds_a_plot(constants: ChainConstants) -> None:
    assert plot_bytes(int(constants.plot_k)) <= constants.declaration_unit_bytes


def test_dev_runs_in_minutes() -> None:
    minute = 60_000 // int(DEV_CONSTANTS.slot_duration_ms)
    for name in NAMES:
        if name.endswith("_blocks"):
            assert getattr(DEV_CONSTANTS, name) <= minute, name
    assert DEV_CONSTANTS.era_blocks <= minute


def test_live_keeps_what_owners_were_promised() -> None:
    day = 86_400_000 // int(LIVE_CONSTANTS.slot_duration_ms)
    assert LIVE_CONSTANTS.one_day_blocks == day
    assert LIVE_CONSTANTS.lease_days_min == 30
    assert LIVE_CONSTANTS.frozen_days == 7
    assert LIVE_CONSTANTS.segment_bytes == 32 * 1024**2


def test_a_slash_comes_before_the_stake_is_gone() -> None:
    check_constants(changed(bonding_eras=10, slash_defer_eras=8))
    refused("slash_defer_eras", changed(bonding_eras=10, slash_defer_eras=9))


def test_stakes_are_remembered_while_they_can_be_slashed() -> None:
    check_constants(changed(bonding_eras=10, history_eras=11))
    refused("history_eras", changed(bonding_eras=10, history_eras=10))
    check_constants(changed(history_eras=HISTORY_ERAS_MAX))
    refused("history_eras", changed(history_eras=HISTORY_ERAS_MAX + 1))


def test_sessions_whose_offences_can_be_proved_can_be_counted() -> None:
    long = changed(epoch_slots=1, bonding_eras=512, history_eras=1024, epochs_per_era=2**22)
    check_constants(long)
    refused("bonding_eras", replace(long, epochs_per_era=U32(2**22 + 1)))
