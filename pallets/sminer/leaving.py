"""How a miner leaves: its announced exit, being thrown out, and the return of its collateral.

Exits wait in a queue by block. A cursor walks it: in a block at most ``EXITS_PER_BLOCK_MAX`` exits
are carried out and ``CURSOR_STEPS_MAX`` blocks of the queue passed; the next one does what is left.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pallets.frame import ensure
from pallets.sminer import listing
from pallets.sminer.rewards import unpaid
from pallets.sminer.types import MinerInfo, MinerState, RestoralTargetInfo
from primitives.scale import U128
from primitives.types import AccountId, Balance, BlockNumber

if TYPE_CHECKING:
    from pallets.sminer.pallet import Sminer

__all__ = ["COOLING_DAYS_MAX", "EXITS_PER_BLOCK_MAX", "carry_out_exits", "throw_out", "withdraw"]

EXITS_PER_BLOCK_MAX: Final = 16
"""Announced exits that are carried out in one block."""

CURSOR_STEPS_MAX: Final = 256
"""Blocks of the exit queue that one block may pass."""

COOLING_DAYS_MAX: Final = 180
"""The longest cooling time: a day for each unit of declared space and one more, up to this."""


def carry_out_exits(sminer: "Sminer", n: BlockNumber) -> tuple[int, int]:
    """Carry out what is due by ``n``; return how many exits and how many blocks of the queue.

    Never raises.
    """
    block = sminer.exit_cursor.get()
    made = steps = 0
    while block <= n and made < EXITS_PER_BLOCK_MAX and steps < CURSOR_STEPS_MAX:
        wanted = EXITS_PER_BLOCK_MAX - made
        due = sminer.exit_schedule.prefix_keys(block, limit=wanted)
        for who in due:
            del sminer.exit_schedule[block, who]
            _leave(sminer, who, sminer.miner_items[who], MinerState.Exit)
        made += len(due)
        steps += 1
        if len(due) < wanted:
            block = BlockNumber(block + 1)
    sminer.exit_cursor.put(block)
    return made, steps


def throw_out(sminer: "Sminer", who: AccountId) -> None:
    """Make ``who`` offline: it is drawn and paid no more. Never raises."""
    info = sminer.miner_items.get(who)
    if info is None or info.state == MinerState.Offline:
        return
    listing.leave(sminer, who)
    lost = unpaid(sminer.reward_of(who))
    sminer.reward_map.take(who)
    sminer.config.rewards.forfeit(who, lost)
    due = sminer.miner_lock.get(who)
    if due is not None:
        del sminer.exit_schedule[due, who]
    _leave(sminer, who, info, MinerState.Offline)


def withdraw(sminer: "Sminer", who: AccountId) -> None:
    """Return the collateral, pay what is owed and forget the miner.

    Errors: NotMiner, NotExisted, Cooling, NotRestored, Challenged.
    """
    info = sminer.existing(who)
    target = sminer.restoral_target.get(who)
    if target is None:
        raise sminer.NotExisted
    ensure(sminer.now() >= target.cooling_block, sminer.Cooling)
    ensure(info.service_space == 0 and info.lock_space == 0, sminer.NotRestored)
    ensure(not sminer.config.audits.is_challenged(who), sminer.Challenged)

    rewards = sminer.config.rewards
    if info.state == MinerState.Exit:
        earned = rewards.take_earned(who)
        sminer.pay_reward(who, info, Balance(unpaid(sminer.reward_of(who)) + earned))
    rewards.forfeit(who, Balance(0))
    sminer.config.currency.unreserve(info.staking_account, info.collaterals)
    listing.leave(sminer, who)
    del sminer.miner_items[who]
    del sminer.restoral_target[who]
    sminer.reward_map.take(who)
    sminer.missed_reports.take(who)
    sminer.config.audits.forget(who)


def _leave(sminer: "Sminer", who: AccountId, info: MinerInfo, state: MinerState) -> None:
    """Give up the plots. What is locked stays counted until its deals let go of it."""
    if who not in sminer.restoral_target:
        units = -(-int(info.declaration_space) // int(sminer.config.declaration_unit_bytes))
        days = min(units + 1, COOLING_DAYS_MAX)
        sminer.restoral_target[who] = RestoralTargetInfo(
            service_space=info.service_space,
            cooling_block=sminer.now().saturating_add(days * int(sminer.config.one_day_block)),
        )
    sminer.config.space.sub_total_idle_space(info.idle_space)
    sminer.pending_idle.take(who)
    sminer.pending_replacements.take(who)
    sminer.miner_lock.take(who)
    plots = info.space_proof_info
    sminer.miner_items[who] = replace(
        info, state=state, idle_space=U128(0), space_proof_info=replace(plots, front=plots.rear)
    )
    listing.leave_if_empty(sminer, who)
    sminer.deposit_event(
        sminer.MinerExited(miner=who, state=state, service_space=info.service_space)
    )
