"""What clients ask about stakes and validators, by ``state_call``.

``StakingApi`` is Substrate's. ``ValidatorsApi`` is for people: what a stash has, whether it can be
elected and if not, why, and how it stands against the others.

Bounds: lists hold ``LISTED_MAX`` entries at most.
"""

from typing import Final, Protocol

from pallets.frame.runtime_api import runtime_api
from pallets.staking import election, eras
from pallets.staking.pallet import Staking
from pallets.staking.types import NOMINATIONS_MAX, StakingLedger, ValidatorPrefs
from primitives.scale import U32, ScaleEnum, struct
from primitives.types import AccountId, Balance

__all__ = [
    "LISTED_MAX",
    "CandidateView",
    "StakingApi",
    "Standing",
    "ValidatorView",
    "ValidatorsApi",
]

LISTED_MAX: Final = 1000


class Host(Protocol):
    """A runtime with this pallet."""

    staking: Staking


class Standing(ScaleEnum, path="pallet_staking::api::Standing"):
    """Whether a stash can be elected next, or the first reason why not."""

    Eligible = 0
    NotBonded = 1
    NotCandidate = 2
    BondTooLow = 3
    NoSessionKeys = 4
    TooNew = 5


@struct(path="pallet_staking::api::ValidatorView")
class ValidatorView:
    """A stash as its owner wants to see it.

    ``is_active``: it validates in this era. ``exposure``: what stands behind it in this era.
    ``points``: of this era. ``credit``: 0 to 1000. ``eligible_from``: the first session that it can
    be elected for.
    """

    standing: Standing
    ledger: StakingLedger | None
    prefs: ValidatorPrefs | None
    eligible_from: U32
    is_active: bool
    exposure: Balance
    points: U32
    credit: U32


@struct(path="pallet_staking::api::CandidateView")
class CandidateView:
    """A candidate of the next election, with its scores of 0 to 1000.

    ``certain`` is 50 times the credit and 30 times the stake score; chance adds up to 20,000.
    """

    who: AccountId
    own: Balance
    backed: Balance
    credit: U32
    stake: U32
    certain: U32


@runtime_api(version=1)
class StakingApi:
    """Runtime api for accessing information about staking."""

    def __init__(self, runtime: Host) -> None:
        self._pallet = runtime.staking

    def nominations_quota(self, balance: Balance) -> U32:  # noqa: ARG002 - the same for all
        """Returns the nominations quota for a nominator with a given balance."""
        return U32(NOMINATIONS_MAX)

    def eras_stakers_page_count(self, era: U32, account: AccountId) -> U32:
        """Returns the page count of exposures for a validator `account` in a given era."""
        overview = self._pallet.eras_stakers_overview.get(era, account)
        return U32(0) if overview is None else overview.page_count

    def pending_rewards(self, era: U32, account: AccountId) -> bool:
        """Returns true if validator `account` has pages to be claimed for the given era."""
        pallet = self._pallet
        overview = pallet.eras_stakers_overview.get(era, account)
        if overview is None or era not in pallet.eras_validator_reward:
            return False
        return len(pallet.claimed_rewards.get(era, account)) < overview.page_count


@runtime_api(version=1)
class ValidatorsApi:
    """How validators and candidates stand."""

    def __init__(self, runtime: Host) -> None:
        self._pallet = runtime.staking

    def validator(self, stash: AccountId) -> ValidatorView:
        """What a stash has, and whether it can be elected."""
        pallet = self._pallet
        active = pallet.active_era.get()
        era = U32(0) if active is None else active.index
        overview = pallet.eras_stakers_overview.get(era, stash)
        points = dict(pallet.eras_reward_points.get(era).individual)
        return ValidatorView(
            standing=self._standing(stash),
            ledger=pallet.ledger.get(stash),
            prefs=pallet.validators.get(stash),
            eligible_from=pallet.eligible_from.get(stash),
            is_active=overview is not None,
            exposure=Balance(0) if overview is None else overview.total,
            points=points.get(stash, U32(0)),
            credit=pallet.config.credits.credit(stash),
        )

    def candidates(self, limit: U32) -> tuple[CandidateView, ...]:
        """Up to ``limit`` candidates of the next election, those with the best prospects first."""
        pallet = self._pallet
        standing = eras.candidates(pallet, self._next_session())
        backed = election.back(standing, eras.votes(pallet))
        largest = max(backed.values(), default=0)
        views = []
        for candidate in standing:
            stake = election.stake_score(backed[candidate.who], largest)
            views.append(
                CandidateView(
                    who=candidate.who,
                    own=Balance(candidate.own),
                    backed=Balance(backed[candidate.who]),
                    credit=U32(candidate.credit),
                    stake=U32(stake),
                    certain=U32(election.total_score(candidate.credit, stake, 0)),
                )
            )
        views.sort(key=lambda view: (-int(view.certain), view.who))
        return tuple(views[: min(int(limit), LISTED_MAX)])

    def _next_session(self) -> int:
        """The session that the next election may be for: planned when the next one begins."""
        return int(self._pallet.config.sessions.index()) + 2

    def _standing(self, stash: AccountId) -> Standing:
        pallet = self._pallet
        ledger = pallet.ledger.get(stash)
        if ledger is None:
            return Standing.NotBonded
        if stash not in pallet.validators:
            return Standing.NotCandidate
        if ledger.active < pallet.min_validator_bond.get():
            return Standing.BondTooLow
        if pallet.config.sessions.keys_of(stash) is None:
            return Standing.NoSessionKeys
        if pallet.eligible_from.get(stash) > self._next_session():
            return Standing.TooNew
        return Standing.Eligible
