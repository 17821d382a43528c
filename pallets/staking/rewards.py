"""Rewards: points for authors, and paying what an era brought when somebody claims it.

Money is created when it is claimed and for who claims it; what nobody claims within the history
never exists.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from pallets.frame import Weight, ensure
from pallets.frame.runtime import EXPECTED
from pallets.staking import ledger as ledgers
from pallets.staking import weights
from pallets.staking.payout import page_rewards, validator_payout
from pallets.staking.types import (
    NO_PREFS,
    ClaimedPages,
    EraRewardPoints,
    PayNone,
    PayOther,
    PayStaked,
)
from primitives.scale import U32
from primitives.types import AccountId, Balance

if TYPE_CHECKING:
    from pallets.staking.pallet import Staking

__all__ = ["next_page", "note_author", "pay_page"]

AUTHOR_POINTS: Final = 20
"""Points of a block, as in Substrate."""


def note_author(staking: "Staking", who: AccountId) -> None:
    """``who`` made this block."""
    active = staking.active_era.get()
    if active is None:
        return
    before = staking.eras_reward_points.get(active.index)
    entries = list(before.individual)
    at = bisect_left(entries, who, key=lambda entry: entry[0])
    if at < len(entries) and entries[at][0] == who:
        entries[at] = (who, U32(entries[at][1] + AUTHOR_POINTS))
    else:
        entries.insert(at, (who, U32(AUTHOR_POINTS)))
    staking.eras_reward_points[active.index] = EraRewardPoints(
        total=U32(before.total + AUTHOR_POINTS), individual=tuple(entries)
    )


def next_page(staking: "Staking", stash: AccountId, era: U32) -> U32:
    """The first page of rewards that is not paid, or raise NotStash or AlreadyClaimed."""
    overview = staking.eras_stakers_overview.get(era, stash)
    if overview is None:
        raise staking.NotStash
    claimed = staking.claimed_rewards.get(era, stash)
    for page in range(int(overview.page_count)):
        if page not in claimed:
            return U32(page)
    raise staking.AlreadyClaimed


def pay_page(staking: "Staking", stash: AccountId, era: U32, page: U32) -> Weight:
    """Pay the rewards of a page, once.

    Raises: InvalidEraToReward, NotStash, InvalidPage, AlreadyClaimed.
    """
    payout = staking.eras_validator_reward.get(era)
    forgotten = int(staking.current_era.get() or 0) - int(staking.config.history_depth)
    ensure(payout is not None and era >= forgotten, staking.InvalidEraToReward)
    overview = staking.eras_stakers_overview.get(era, stash)
    if overview is None or payout is None:
        raise staking.NotStash
    ensure(page < overview.page_count, staking.InvalidPage)
    claimed = staking.claimed_rewards.get(era, stash)
    ensure(page not in claimed, staking.AlreadyClaimed)
    staking.claimed_rewards[era, stash] = ClaimedPages((*claimed, page))
    staking.deposit_event(staking.PayoutStarted(era_index=era, validator_stash=stash))

    points = staking.eras_reward_points.get(era)
    own_points = dict(points.individual).get(stash, U32(0))
    amount = validator_payout(int(payout), int(own_points), int(points.total))
    prefs = staking.eras_validator_prefs.get(era, stash) or NO_PREFS
    found = staking.eras_stakers_paged.get(era, stash, page)
    others = () if found is None else tuple((it.who, int(it.value)) for it in found.others)
    to_validator, to_others = page_rewards(
        amount,
        commission=int(prefs.commission),
        total=int(overview.total),
        own=int(overview.own),
        others=others,
        is_first=page == 0,
    )
    for who, reward in ((stash, to_validator), *to_others):
        _pay(staking, who, reward)
    return weights.page(1 + len(others))


def _pay(staking: "Staking", who: AccountId, amount: int) -> None:
    """Create ``amount`` where ``who`` wants it; nothing where it would be dust."""
    payee = staking.payee.get(who)
    if amount == 0 or isinstance(payee, PayNone):
        return
    reward = Balance(amount)
    to = payee.account if isinstance(payee, PayOther) else who
    ledger = staking.ledger.get(who)
    currency = staking.config.currency
    try:
        with staking.overlay.transaction():
            currency.mint_into(to, reward)
            if isinstance(payee, PayStaked) and ledger is not None:
                currency.hold(who, reward)
                staking.ledger[who] = ledgers.bonded(ledger, amount)
    except EXPECTED:
        return
    staking.deposit_event(staking.Rewarded(stash=who, dest=payee, amount=reward))
