"""The constants of one chain: everything in which a chain of seconds and a live one differ.

They are consensus. ``ChainConstants`` is a SCALE value in the state of block 0 under
``CONSTANTS_KEY``, so the genesis hash covers it (docs/adr/0013-chain-constants-in-genesis.md), and
the runtime reads it from there. Versions of the runtime and limits of its containers are the
program's, not a chain's, and are not here.

Units are in the names: ``_ms``, ``_slots``, ``_blocks``, ``_days``, ``_bytes``; money is in planck,
10^18 of which are one TCESS. There is at most one block in a slot, so blocks count time from above.

``check`` refuses combinations in which an honest participant could not keep the rules.
"""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from chain_spec.errors import ChainSpecError
from pallets.audit.types import IDLE_ANSWERS_MAX, POSITIONS_MAX
from primitives.scale import U8, U16, U32, U64, U128, struct
from primitives.types import Balance, BlockNumber
from proofs.podr2.params import ROW_BYTES, row_count
from proofs.pois.challenge import DRAWS_MAX
from proofs.pois.params import PLOT_K_MAX, PLOT_K_MIN

__all__ = ["CONSTANTS_KEY", "GIB", "MIB", "TCESS", "TIB", "ChainConstants", "check_constants"]

CONSTANTS_KEY: Final = b":cess:constants"
"""Where the state of block 0 holds the constants, SCALE encoded."""

TCESS: Final = 10**18
"""Planck of one token."""

MIB: Final = 1024**2
GIB: Final = 1024**3
TIB: Final = 1024**4


@struct(path="chain_spec::ChainConstants")
class ChainConstants:
    """Every constant that differs between chains; the order of fields is the wire order.

    Time
        ``slot_duration_ms``: length of a slot. ``epoch_slots``: slots of an epoch, which is also a
        session. ``epochs_per_era``: epochs of an era, after which rewards are shared and the
        validators of another one elected.
        ``one_day_blocks``: blocks of a day of lease, of a reward's daily parts and of cooling.
        ``eras_per_year``: eras over which the reward of a year is spread. ``block_ref_time_max``:
        computing time that the weights of a block may add up to, in picoseconds.

    Money
        ``existential_deposit``: the least balance of an account that exists, in planck.
        ``length_fee``: planck for each byte of an extrinsic. ``weight_fee``: planck for
        each picosecond of its weight. ``year_one_reward``: what miners earn in year one, in planck.
        ``year_one_validator_reward``: the same of validators.

    Validators
        ``bonding_eras``: eras for which stake stays liable after it was unbonded.
        ``slash_defer_eras``: eras between an offence and its slash, in which root may cancel it.
        ``history_eras``: eras for which rewards can be claimed and stakes are remembered.
        ``credit_period_blocks``: blocks over which one credit value of a validator is counted.

    Files
        ``fragment_bytes``, ``segment_bytes``: sizes of a fragment and of the segment that twelve
        fragments carry. ``deal_deadline_blocks``: time to report up to eight segments of a deal;
        each further eight add as much. ``deal_attempts_max``: draws of missing holders before a
        deal is dropped. ``restoral_order_blocks``: time to complete a claimed restoral order.

    Leases
        ``space_unit_bytes``: the unit that leases are sold in. ``lease_days_min``: the shortest
        lease. ``frozen_days``: days between the end of a lease and the clearing of its files.

    Miners
        ``miners_max``: the most miners registered at a time. ``declaration_unit_bytes``: the unit
        in which space is declared. ``collateral_per_unit``: planck of collateral for each unit.
        ``staking_lock_blocks``: from registration to the earliest announcement of an exit.
        ``exit_lock_blocks``: from the announcement to the exit. ``plot_k``: size parameter of
        plots. ``cert_draws``: draws that a certification of plots must answer.

    Audits
        ``rows_sampled_max``: the most rows that a service round samples. ``plot_draws``: draws of
        an idle round. ``challenge_period_blocks``: blocks between two rounds of a miner, on
        average. ``service_deadline_blocks``, ``idle_deadline_blocks``: time to answer each part;
        the latter also for a certification. ``faults_max``: service faults in a row after which a
        miner is thrown out.

    Certificates
        ``certificate_deposit``: planck reserved for each certificate of ownership.
        ``near_distance_max``: codes of 256 bits that differ in at most so many bits are near.
    """

    slot_duration_ms: U64
    epoch_slots: U64
    epochs_per_era: U32
    one_day_blocks: BlockNumber
    eras_per_year: U32
    block_ref_time_max: U64

    existential_deposit: Balance
    length_fee: Balance
    weight_fee: Balance
    year_one_reward: Balance
    year_one_validator_reward: Balance

    bonding_eras: U32
    slash_defer_eras: U32
    history_eras: U32
    credit_period_blocks: BlockNumber

    fragment_bytes: U64
    segment_bytes: U64
    deal_deadline_blocks: BlockNumber
    deal_attempts_max: U8
    restoral_order_blocks: BlockNumber

    space_unit_bytes: U128
    lease_days_min: U32
    frozen_days: U32

    miners_max: U32
    declaration_unit_bytes: U128
    collateral_per_unit: Balance
    staking_lock_blocks: BlockNumber
    exit_lock_blocks: BlockNumber
    plot_k: U8
    cert_draws: U16

    rows_sampled_max: U16
    plot_draws: U16
    challenge_period_blocks: BlockNumber
    service_deadline_blocks: BlockNumber
    idle_deadline_blocks: BlockNumber
    faults_max: U32

    certificate_deposit: Balance
    near_distance_max: U16

    @property
    def era_blocks(self) -> BlockNumber:
        """Blocks of an era in which no slot is missed."""
        return BlockNumber(int(self.epoch_slots) * int(self.epochs_per_era))


MAY_BE_ZERO: Final = frozenset(
    {
        "length_fee",
        "weight_fee",
        "year_one_reward",
        "year_one_validator_reward",
        "slash_defer_eras",
        "frozen_days",
        "collateral_per_unit",
        "staking_lock_blocks",
        "certificate_deposit",
        "near_distance_max",
    }
)
"""Constants for which zero means "none"; for all others it would stop the chain or divide by it."""

DATA_FRAGMENTS: Final = 4
"""Of the twelve fragments of a segment, how many rebuild it."""

NEAR_DISTANCE_LIMIT: Final = 64
"""Unrelated codes of 256 bits differ in 128, give or take 8: none is within 64 by chance."""

HISTORY_ERAS_MAX: Final = 1024
"""Each era that is remembered holds the stakes of all its validators and nominators."""

PICOSECONDS_PER_MS: Final = 10**9
BLOCK_REF_TIME_MIN: Final = 400 * PICOSECONDS_PER_MS
"""Three quarters of it hold the heaviest calls: 16 reports of fragments, or a service proof."""

SLOT_MS_MIN: Final = 400
SLOT_MS_MAX: Final = 3_600_000
# Where one count of a chain is multiplied by another, 2^31 leaves room in a u32 block number.
BLOCKS_MAX: Final = 2**31


def check_constants(constants: ChainConstants, path: str = "constants") -> None:
    """Refuse constants that no chain can run with.

    Raises: ChainSpecError, which names the constant below ``path`` and the bound.
    """
    for name, problem in _problems(constants):
        raise ChainSpecError(f"{path}.{name}", problem)


def _problems(it: ChainConstants) -> Iterator[tuple[str, str]]:
    for field in fields(it):
        value = getattr(it, field.name)
        if value == 0 and field.name not in MAY_BE_ZERO:
            yield field.name, "is 0; it must be at least 1"
        if field.name.endswith(("_blocks", "_slots", "_days")) and value > BLOCKS_MAX:
            yield field.name, f"is {value}; it must be at most {BLOCKS_MAX}"
    if not SLOT_MS_MIN <= it.slot_duration_ms <= SLOT_MS_MAX:
        yield "slot_duration_ms", f"must be from {SLOT_MS_MIN} to {SLOT_MS_MAX} milliseconds"
    slot_ref_time = int(it.slot_duration_ms) * PICOSECONDS_PER_MS
    if not BLOCK_REF_TIME_MIN <= it.block_ref_time_max <= slot_ref_time:
        bounds = f"{BLOCK_REF_TIME_MIN} (the heaviest call) to {slot_ref_time} (the slot)"
        yield "block_ref_time_max", f"must be from {bounds} picoseconds"
    if int(it.epoch_slots) * int(it.epochs_per_era) > BLOCKS_MAX:
        yield "epochs_per_era", f"an era has at most {BLOCKS_MAX} slots"
    yield from _staking_problems(it)
    yield from _size_problems(it)
    yield from _audit_problems(it)


def _staking_problems(it: ChainConstants) -> Iterator[tuple[str, str]]:
    if it.slash_defer_eras + 1 >= it.bonding_eras:
        yield "slash_defer_eras", "must be at least 2 less than bonding_eras: stake would be gone"
    if not it.bonding_eras < it.history_eras <= HISTORY_ERAS_MAX:
        bounds = f"more than bonding_eras (stakes that can be slashed), at most {HISTORY_ERAS_MAX}"
        yield "history_eras", f"must be {bounds}"
    if int(it.bonding_eras) * int(it.epochs_per_era) > BLOCKS_MAX:
        yield "bonding_eras", f"bonds stay at most {BLOCKS_MAX} epochs"


def _size_problems(it: ChainConstants) -> Iterator[tuple[str, str]]:
    try:
        row_count(int(it.fragment_bytes))
    except ValueError as error:
        yield "fragment_bytes", f"{error} (a row has {ROW_BYTES} bytes)"
    expected = int(it.fragment_bytes) * DATA_FRAGMENTS
    if it.segment_bytes != expected:
        yield "segment_bytes", f"must be {DATA_FRAGMENTS} fragments, {expected} bytes"
    if not PLOT_K_MIN <= it.plot_k <= PLOT_K_MAX:
        yield "plot_k", f"must be from {PLOT_K_MIN} to {PLOT_K_MAX}"


def _audit_problems(it: ChainConstants) -> Iterator[tuple[str, str]]:
    limits = {
        "rows_sampled_max": POSITIONS_MAX,
        "plot_draws": IDLE_ANSWERS_MAX,
        "cert_draws": min(DRAWS_MAX, IDLE_ANSWERS_MAX),
        "near_distance_max": NEAR_DISTANCE_LIMIT,
    }
    for name, limit in limits.items():
        if getattr(it, name) > limit:
            yield name, f"must be at most {limit}"
