"""Eras: when they begin and end, who is elected for them, and what is forgotten of them.

An era is planned in the session before it: the election is held when that session begins, with the
randomness of all blocks before it. Only candidates that stood before the last whole session of
that randomness began are taken, so nobody can choose an account by what it would draw.

Nothing here raises: an election that cannot be held leaves the validators in office.
"""

from typing import TYPE_CHECKING, Final

from pallets.frame import Weight
from pallets.frame.runtime import EXPECTED
from pallets.staking import election, slashing, weights
from pallets.staking.payout import era_payout
from pallets.staking.types import (
    EXPOSURE_PAGE_MAX,
    NO_PREFS,
    ActiveEraInfo,
    BondedEras,
    ExposurePage,
    Forcing,
    OffendingValidators,
    PagedExposureMetadata,
)
from primitives.scale import U32
from primitives.types import AccountId, Balance

if TYPE_CHECKING:
    from pallets.staking.pallet import Staking

__all__ = [
    "FRESHNESS_SESSIONS",
    "begin_session",
    "candidates",
    "end_session",
    "plan_era",
    "plan_session",
    "prune",
    "votes",
]

ELECTION_SUBJECT: Final = b"cess/election/v1"

GENESIS_SESSIONS: Final = 2
"""Sessions whose validators a chain spec names."""

FRESHNESS_SESSIONS: Final = 3
"""A candidate that stood up in session ``s`` can be elected for session ``s + 3`` at the earliest:
the draw for that session contains all blocks of session ``s + 1``."""


def plan_session(staking: "Staking", index: U32) -> tuple[AccountId, ...] | None:
    """Who validates in session ``index``; None: as before."""
    current = staking.current_era.get()
    if current is None:
        return None
    if index < GENESIS_SESSIONS:
        return staking.founders if index == 0 else None
    length = int(index) - int(staking.eras_start_session_index[current])
    force = staking.force_era.get()
    is_due = length >= staking.config.sessions_per_era
    is_forced = force in (Forcing.ForceNew, Forcing.ForceAlways)
    if force == Forcing.ForceNone or not (is_due or is_forced):
        return None
    supports = _elected(staking, index)
    if not supports:
        staking.deposit_event(staking.StakingElectionFailed())
        return None
    if force == Forcing.ForceNew:
        staking.force_era.kill()
    plan_era(staking, U32(current + 1), index, supports)
    return tuple(support.who for support in supports)


def plan_era(
    staking: "Staking", era: U32, first_session: U32, supports: tuple[election.Support, ...]
) -> None:
    """Keep what stands behind the validators of ``era``."""
    staking.current_era.put(era)
    staking.eras_start_session_index[era] = first_session
    staked = 0
    for support in supports:
        pages = [
            support.others[at : at + EXPOSURE_PAGE_MAX]
            for at in range(0, len(support.others), EXPOSURE_PAGE_MAX)
        ]
        staking.eras_stakers_overview[era, support.who] = PagedExposureMetadata(
            total=Balance(support.total),
            own=Balance(support.own),
            nominator_count=U32(len(support.others)),
            page_count=U32(max(1, len(pages))),
        )
        for at, others in enumerate(pages):
            staking.eras_stakers_paged[era, support.who, U32(at)] = ExposurePage.of(others)
        staking.eras_validator_prefs[era, support.who] = (
            staking.validators.get(support.who) or NO_PREFS
        )
        staked += support.total
    staking.eras_total_stake[era] = Balance(staked)
    staking.deposit_event(staking.StakersElected())


def candidates(staking: "Staking", index: int) -> list[election.Candidate]:
    """Who can be elected for session ``index``: known long enough, with keys and the least bond."""
    config, least = staking.config, staking.min_validator_bond.get()
    found = []
    for who in staking.validators.keys(limit=weights.VALIDATORS_LIMIT):
        ledger = staking.ledger.get(who)
        if ledger is None or ledger.active < least or ledger.active == 0:
            continue
        if staking.eligible_from.get(who) > index:
            continue
        if config.sessions.keys_of(who) is None:
            continue
        credit = int(config.credits.credit(who))
        found.append(election.Candidate(who, int(ledger.active), credit))
    return found


def votes(staking: "Staking") -> list[election.Vote]:
    """What nominators have at stake, and behind whom."""
    found = []
    for who, nominations in staking.nominators.items(limit=weights.NOMINATORS_LIMIT):
        ledger = staking.ledger.get(who)
        if ledger is not None and ledger.active > 0:
            found.append(election.Vote(who, int(ledger.active), tuple(nominations.targets)))
    return found


def _elected(staking: "Staking", index: U32) -> tuple[election.Support, ...]:
    """The winners for session ``index`` with what stands behind them; nobody where it fails."""
    standing, cast = candidates(staking, int(index)), votes(staking)
    staking.spent += weights.election(len(standing), len(cast), 0, 0)
    if len(standing) < staking.minimum_validator_count.get():
        return ()
    backed = election.back(standing, cast)
    seats = min(int(staking.validator_count.get()), int(staking.config.max_winners))
    subject = ELECTION_SUBJECT + index.to_bytes(4, "little")
    randomness = staking.config.randomness.random(subject)
    winners = election.elect(standing, backed, seats=seats, randomness=randomness)
    supports = election.assign([won.who for won in winners], standing, cast)
    pages = sum(len(support.others) // EXPOSURE_PAGE_MAX + 1 for support in supports)
    staking.spent += weights.election(0, 0, len(supports), pages)
    return supports


def begin_session(staking: "Staking", index: U32) -> None:
    """Session ``index`` begins, and perhaps an era with it."""
    active = staking.active_era.get()
    following = U32(0) if active is None else U32(active.index + 1)
    first = staking.eras_start_session_index.get(following)
    if first is not None and first <= index:
        _begin_era(staking, following, first)
    for who, _ in staking.offending_validators.get():
        staking.config.sessions.disable(who)


def _begin_era(staking: "Staking", era: U32, first_session: U32) -> None:
    staking.active_era.put(ActiveEraInfo(index=era, start=None))
    oldest = int(era) - int(staking.config.bonding_duration)
    kept = [entry for entry in staking.bonded_eras.get() if entry[0] > oldest]
    staking.bonded_eras.put(BondedEras((*kept, (era, first_session))))
    offending = staking.offending_validators.get()
    if offending:
        staking.offending_validators.put(
            OffendingValidators(entry for entry in offending if entry[1] >= era)
        )
    slashing.begin_due(staking, era)


def end_session(staking: "Staking", index: U32) -> None:
    """Session ``index`` ends, and perhaps an era with it: what it brings is fixed now."""
    active = staking.active_era.get()
    if active is None:
        return
    following = staking.eras_start_session_index.get(U32(active.index + 1))
    if following != index + 1:
        return
    config = staking.config
    total = era_payout(
        int(config.year_one_reward),
        int(config.eras_per_year),
        int(active.index),
        sessions=int(following) - int(staking.eras_start_session_index[active.index]),
        sessions_per_era=int(config.sessions_per_era),
    )
    percent = staking.max_staked_rewards.get()
    staked = total if percent is None else total * int(percent) // 100
    remainder = total - staked
    if remainder > 0 and not _is_minted(staking, config.treasury, remainder):
        remainder = 0
    staking.eras_validator_reward[active.index] = Balance(staked)
    staking.deposit_event(
        staking.EraPaid(
            era_index=active.index, validator_payout=Balance(staked), remainder=Balance(remainder)
        )
    )


def _is_minted(staking: "Staking", who: AccountId, amount: int) -> bool:
    """Create ``amount``. False, and nothing changed, where the currency refuses."""
    try:
        with staking.overlay.transaction():
            staking.config.currency.mint_into(who, Balance(amount))
    except EXPECTED:
        return False
    return True


def prune(staking: "Staking") -> Weight:
    """Remove some of what is kept of eras beyond the history."""
    current, era = staking.current_era.get(), staking.earliest_era.get()
    if current is None or int(era) + int(staking.config.history_depth) >= int(current):
        return Weight()
    left = weights.PRUNED_PER_BLOCK_MAX
    for items in (
        staking.eras_stakers_paged,
        staking.eras_stakers_overview,
        staking.eras_validator_prefs,
        staking.claimed_rewards,
        staking.validator_slash_in_era,
    ):
        left -= items.clear_prefix(era, limit=left)
        if left == 0:
            return Weight(reads=weights.PRUNED_PER_BLOCK_MAX, writes=weights.PRUNED_PER_BLOCK_MAX)
    del staking.eras_validator_reward[era]
    del staking.eras_reward_points[era]
    del staking.eras_total_stake[era]
    del staking.eras_start_session_index[era]
    staking.earliest_era.put(U32(era + 1))
    done = weights.PRUNED_PER_BLOCK_MAX - left
    return Weight(reads=done + 10, writes=done + 5)
