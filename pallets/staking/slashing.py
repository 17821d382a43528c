"""Slashes: from a report to the money.

An offence costs a fraction of what stood behind the offender in the era of the offence: of its own
stake and of each nominator's. In one era the largest fraction counts: a second report costs what
it exceeds the first by. What is slashed is worked out from the stakes that are kept of the era,
page by page, ``slash_defer_duration`` eras after the era of the offence; until then root may cancel
it. A part goes to who reported, the rest to the treasury.

Bounds: a report writes one entry for each offender, however many nominators it has; a block applies
``APPLIED_PAGES_PER_BLOCK_MAX`` pages. Nothing here raises.
"""

from typing import TYPE_CHECKING

from pallets.frame import Weight
from pallets.frame.runtime import EXPECTED
from pallets.staking import ledger as ledgers
from pallets.staking import weights
from pallets.staking.types import (
    BILLION,
    OFFENDING_MAX,
    OffendingValidators,
    Reporters,
    SlashCursor,
    UnappliedSlash,
)
from primitives.scale import U32
from primitives.types import AccountId, Balance

if TYPE_CHECKING:
    from pallets.staking.pallet import Staking

__all__ = ["apply_due", "begin_due", "report"]


def report(
    staking: "Staking", who: AccountId, reporters: tuple[AccountId, ...], fraction: U32, era: U32
) -> None:
    """``who`` is to lose ``fraction`` of what stood behind it in ``era``."""
    overview = staking.eras_stakers_overview.get(era, who)
    if overview is None or who in staking.invulnerables.get():
        return
    before = staking.validator_slash_in_era.get(era, who)
    paid = U32(0) if before is None else before[0]
    if fraction <= paid:
        return
    own = int(overview.own) * int(fraction) // BILLION
    staking.validator_slash_in_era[era, who] = (fraction, Balance(own))
    staking.deposit_event(staking.SlashReported(validator=who, fraction=fraction, slash_era=era))
    staking.chill_stash(who)
    _note_offender(staking, who)
    staking.config.credits.record_punishment(who)
    _queue(
        staking,
        UnappliedSlash(
            validator=who,
            era=era,
            paid=paid,
            fraction=fraction,
            reporters=Reporters.first(reporters),
        ),
    )


def _note_offender(staking: "Staking", who: AccountId) -> None:
    """Keep ``who`` out of office in the eras that it is elected for already."""
    planned = staking.current_era.get()
    assert planned is not None, "because an era is active"
    others = [entry for entry in staking.offending_validators.get() if entry[0] != who]
    if len(others) < OFFENDING_MAX:
        staking.offending_validators.put(OffendingValidators((*others, (who, planned))))


def _queue(staking: "Staking", slash: UnappliedSlash) -> None:
    active = staking.active_era.get()
    assert active is not None, "because offences are found in an active era"
    defer = int(staking.config.slash_defer_duration)
    due = max(int(active.index), int(slash.era) + defer + 1 if defer > 0 else 0)
    era = U32(due)
    index = staking.unapplied_slash_count.get(era)
    staking.unapplied_slashes[era, index] = slash
    staking.unapplied_slash_count[era] = U32(index + 1)
    if era == active.index and staking.slash_cursor.get() is None:
        staking.slash_cursor.put(SlashCursor(era=era, index=index, page=U32(0)))


def begin_due(staking: "Staking", era: U32) -> None:
    """The era ``era`` begins: what waited for it is applied from now on."""
    if staking.unapplied_slash_count.get(era) > 0 and staking.slash_cursor.get() is None:
        staking.slash_cursor.put(SlashCursor(era=era, index=U32(0), page=U32(0)))


def apply_due(staking: "Staking") -> Weight:
    """Apply some pages of slashes that are due."""
    used = Weight()
    for _ in range(weights.APPLIED_PAGES_PER_BLOCK_MAX):
        cursor = staking.slash_cursor.get()
        if cursor is None:
            break
        slash = staking.unapplied_slashes.get(cursor.era, cursor.index)
        if slash is None:  # cancelled
            used += Weight(reads=2, writes=1)
        else:
            used += _apply_page(staking, slash, cursor.page)
            overview = staking.eras_stakers_overview.get(slash.era, slash.validator)
            page = U32(cursor.page + 1)
            if overview is not None and page < overview.page_count:
                staking.slash_cursor.put(SlashCursor(era=cursor.era, index=cursor.index, page=page))
                continue
            del staking.unapplied_slashes[cursor.era, cursor.index]
        _advance(staking, cursor)
    return used


def _advance(staking: "Staking", cursor: SlashCursor) -> None:
    """Turn to the next slash that is due, in this era or a later one up to the active."""
    following = U32(cursor.index + 1)
    if following < staking.unapplied_slash_count.get(cursor.era):
        staking.slash_cursor.put(SlashCursor(era=cursor.era, index=following, page=U32(0)))
        return
    del staking.unapplied_slash_count[cursor.era]
    staking.slash_cursor.kill()
    active = staking.active_era.get()
    assert active is not None, "because slashes become due in an active era"
    for era in range(int(cursor.era) + 1, int(active.index) + 1):
        begin_due(staking, U32(era))


def _apply_page(staking: "Staking", slash: UnappliedSlash, page: U32) -> Weight:
    overview = staking.eras_stakers_overview.get(slash.era, slash.validator)
    if overview is None:
        return Weight(reads=1)
    exposed = []
    if page == 0:
        exposed.append((slash.validator, int(overview.own)))
    found = staking.eras_stakers_paged.get(slash.era, slash.validator, page)
    if found is not None:
        exposed += [(each.who, int(each.value)) for each in found.others]
    liable_from = int(slash.era) + int(staking.config.bonding_duration)
    taken = 0
    for who, value in exposed:
        amount = value * int(slash.fraction) // BILLION - value * int(slash.paid) // BILLION
        taken += _take(staking, who, amount, liable_from)
    _reward(staking, slash.reporters, taken)
    return weights.slash_page(len(exposed))


def _take(staking: "Staking", who: AccountId, amount: int, liable_from: int) -> int:
    """Slash one staker; how much there was to take."""
    ledger = staking.ledger.get(who)
    if ledger is None:
        return 0
    left, taken = ledgers.slashed(ledger, amount, liable_from)
    if taken == 0:
        return 0
    moved = staking.config.currency.move_held(who, staking.config.treasury, Balance(taken))
    if moved != taken:  # a treasury that does not exist is given no dust
        return 0
    if left.total == 0:
        staking.kill_stash(who)
    else:
        staking.ledger[who] = left
    staking.deposit_event(staking.Slashed(staker=who, amount=Balance(taken)))
    return taken


def _reward(staking: "Staking", reporters: tuple[AccountId, ...], taken: int) -> None:
    """Hand on the reporters' part of what the treasury just received."""
    if not reporters:
        return
    reward = taken * int(staking.slash_reward_fraction.get()) // BILLION
    each = Balance(reward // len(reporters))
    for who in reporters:
        if each == 0:
            break
        try:
            with staking.overlay.transaction():
                staking.config.currency.transfer(staking.config.treasury, who, each)
        except EXPECTED:  # an account that would hold only dust
            continue
