"""What Staking keeps and takes, in Substrate's wire form.

Money is in planck, fractions are parts of 10^9 (``Perbill``) or of 100 (``Percent``), eras and
sessions count from 0.
"""

from typing import Annotated, Final

from primitives.scale import (
    U8,
    U32,
    U64,
    BoundedVec,
    Compact,
    ScaleEnum,
    Variant,
    struct,
)
from primitives.scale.type_info import Registry, TypeInfo
from primitives.tuple_like import tuple_like
from primitives.types import AccountId, Balance

__all__ = [
    "BILLION",
    "EXPOSURE_PAGE_MAX",
    "NOMINATIONS_MAX",
    "NO_PREFS",
    "UNLOCKING_MAX",
    "ActiveEraInfo",
    "BalanceNoop",
    "BalanceOp",
    "BalanceRemove",
    "BalanceSet",
    "BondedEras",
    "ClaimedPages",
    "EraRewardPoints",
    "ExposurePage",
    "Forcing",
    "IndividualExposure",
    "Invulnerables",
    "NominationTargets",
    "Nominations",
    "NumberNoop",
    "NumberOp",
    "NumberRemove",
    "NumberSet",
    "OffendingValidators",
    "PagedExposureMetadata",
    "PayController",
    "PayNone",
    "PayOther",
    "PayStaked",
    "PayStash",
    "PercentNoop",
    "PercentOp",
    "PercentRemove",
    "PercentSet",
    "RewardDestination",
    "SlashCursor",
    "StakingLedger",
    "UnappliedSlash",
    "UnlockChunk",
    "UnlockChunks",
    "ValidatorPrefs",
]

BILLION: Final = 10**9
"""The whole, where a fraction is a ``Perbill``."""

NOMINATIONS_MAX: Final = 16
UNLOCKING_MAX: Final = 32
EXPOSURE_PAGE_MAX: Final = 64
"""Nominators whose rewards one call pays and whose stakes one step slashes."""

INVULNERABLES_MAX: Final = 32
BONDED_ERAS_MAX: Final = 1025
OFFENDING_MAX: Final = 2048
CLAIMED_PAGES_MAX: Final = 2048
REPORTERS_MAX: Final = 16


@struct(path="pallet_staking::UnlockChunk")
class UnlockChunk:
    """``value`` that is liable until era ``era`` and free from then on."""

    value: Annotated[Balance, Compact]
    era: Annotated[U32, Compact]


class UnlockChunks(BoundedVec[UnlockChunk], limit=UNLOCKING_MAX):
    """What was unbonded, the oldest first."""


@struct(path="pallet_staking::StakingLedger")
class StakingLedger:
    """Money at stake: ``total`` is ``active``, which counts in elections, and what is unlocking."""

    stash: AccountId
    total: Annotated[Balance, Compact]
    active: Annotated[Balance, Compact]
    unlocking: UnlockChunks


@struct(path="pallet_staking::ValidatorPrefs")
class ValidatorPrefs:
    """``commission`` is the part of rewards that the validator takes before all share them.

    ``blocked`` refuses new nominators.
    """

    commission: Annotated[U32, Compact]
    blocked: bool


NO_PREFS: Final = ValidatorPrefs(commission=U32(0), blocked=False)


class NominationTargets(BoundedVec[AccountId], limit=NOMINATIONS_MAX):
    """Whom a nominator stands behind."""


@struct(path="pallet_staking::Nominations")
class Nominations:
    """A nomination; ``suppressed`` is never true here and kept for clients."""

    targets: NominationTargets
    submitted_in: U32
    suppressed: bool


class RewardDestination(Variant, path="pallet_staking::RewardDestination"):
    """Where rewards go."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(RewardDestination, "pallet_staking::RewardDestination", registry)


class PayStaked(RewardDestination, index=0, name="Staked"):
    """To the stash, and at stake at once."""


class PayStash(RewardDestination, index=1, name="Stash"):
    """To the stash."""


class PayController(RewardDestination, index=2, name="Controller"):
    """Refused: a stash has no other controller than itself."""


class PayOther(RewardDestination, index=3, name="Account"):
    """To another account."""

    account: AccountId


class PayNone(RewardDestination, index=4, name="None"):
    """To nobody: they are not minted."""


@struct(path="pallet_staking::ActiveEraInfo")
class ActiveEraInfo:
    """The era that goes on; ``start`` is its first block's time in milliseconds."""

    index: U32
    start: U64 | None


@struct(path="pallet_staking::EraRewardPoints")
class EraRewardPoints:
    """Points of an era; ``individual`` is sorted by account."""

    total: U32
    individual: tuple[tuple[AccountId, U32], ...]


@struct(path="sp_staking::IndividualExposure")
class IndividualExposure:
    """What one nominator has at stake behind a validator."""

    who: AccountId
    value: Annotated[Balance, Compact]


class _Others(BoundedVec[IndividualExposure], limit=EXPOSURE_PAGE_MAX):
    """Nominators of one page."""


@struct(path="sp_staking::ExposurePage")
class ExposurePage:
    """Up to ``EXPOSURE_PAGE_MAX`` nominators of a validator."""

    page_total: Annotated[Balance, Compact]
    others: _Others

    @classmethod
    def of(cls, others: tuple[tuple[AccountId, int], ...]) -> "ExposurePage":
        """The page of these nominators."""
        made = _Others(IndividualExposure(who=who, value=Balance(value)) for who, value in others)
        return cls(page_total=Balance(sum(value for _, value in others)), others=made)


@struct(path="sp_staking::PagedExposureMetadata")
class PagedExposureMetadata:
    """What stands behind a validator: ``own`` and ``nominator_count`` others, ``total`` in all."""

    total: Annotated[Balance, Compact]
    own: Annotated[Balance, Compact]
    nominator_count: U32
    page_count: U32


class ClaimedPages(BoundedVec[U32], limit=CLAIMED_PAGES_MAX):
    """Pages whose rewards are paid."""


class Forcing(ScaleEnum, path="pallet_staking::Forcing"):
    """Whether eras end on time."""

    NotForcing = 0
    ForceNew = 1
    ForceNone = 2
    ForceAlways = 3


class Invulnerables(BoundedVec[AccountId], limit=INVULNERABLES_MAX):
    """Validators that are not slashed."""


class BondedEras(BoundedVec[tuple[U32, U32]], limit=BONDED_ERAS_MAX):
    """Eras with their first session, the oldest first."""


class OffendingValidators(BoundedVec[tuple[AccountId, U32]], limit=OFFENDING_MAX):
    """Offenders, each with the last era whose validators were elected before the offence."""


class Reporters(BoundedVec[AccountId], limit=REPORTERS_MAX):
    """Who reported an offence."""

    @classmethod
    def first(cls, reporters: tuple[AccountId, ...]) -> "Reporters":
        """As many of ``reporters`` as share a reward."""
        return cls(reporters[:REPORTERS_MAX])


@struct(path="pallet_staking::UnappliedSlash")
class UnappliedSlash:
    """A slash that waits: from what was behind ``validator`` in ``era``.

    ``fraction`` is taken of it less ``paid``, the fraction that an earlier slash took.
    """

    validator: AccountId
    era: U32
    paid: U32
    fraction: U32
    reporters: Reporters


@struct
class SlashCursor:
    """The slash that is being applied and its next page."""

    era: U32
    index: U32
    page: U32


class BalanceOp(Variant, path="pallet_staking::pallet::pallet::ConfigOp"):
    """A change of an amount."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(BalanceOp, "pallet_staking::pallet::pallet::ConfigOp", registry)


class BalanceNoop(BalanceOp, index=0, name="Noop"):
    """None."""


class BalanceSet(BalanceOp, index=1, name="Set"):
    """To ``value``."""

    value: Balance


class BalanceRemove(BalanceOp, index=2, name="Remove"):
    """To the default."""


class NumberOp(Variant, path="pallet_staking::pallet::pallet::ConfigOp"):
    """A change of a number."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(NumberOp, "pallet_staking::pallet::pallet::ConfigOp", registry)


class NumberNoop(NumberOp, index=0, name="Noop"):
    """None."""


class NumberSet(NumberOp, index=1, name="Set"):
    """To ``value``."""

    value: U32


class NumberRemove(NumberOp, index=2, name="Remove"):
    """To the default."""


class PercentOp(Variant, path="pallet_staking::pallet::pallet::ConfigOp"):
    """A change of a fraction of 100."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(PercentOp, "pallet_staking::pallet::pallet::ConfigOp", registry)


class PercentNoop(PercentOp, index=0, name="Noop"):
    """None."""


class PercentSet(PercentOp, index=1, name="Set"):
    """To ``value``."""

    value: U8


class PercentRemove(PercentOp, index=2, name="Remove"):
    """To the default."""
