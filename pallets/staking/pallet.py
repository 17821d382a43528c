"""Staking: who may validate, what they and their nominators have at stake, earn and lose.

Money at stake is held by Balances for this pallet alone. An account is its own *stash* and keeps
one ledger: what is *active* counts, what was unbonded stays liable for ``bonding_duration`` eras.
A stash stands for election (``validate``) or stands behind up to 16 candidates (``nominate``).

Each *era*, of ``sessions_per_era`` sessions, has validators of its own: see ``eras`` for when they
are elected, ``election`` for how, ``rewards`` and ``payout`` for what they earn, ``slashing`` for
what an offence costs.

Invariants, tested as properties:
- what is held of a stash is its ledger's ``total``, and that is ``active`` and all chunks;
- no stash is both candidate and nominator; ``eligible_from`` has the keys of ``validators``;
- rewards paid for an era never exceed its payout; slashes move money and never create any;
- stakes of an era are known for as long as they can be slashed.

Not here of Substrate's pallet, because it has no meaning on a chain without its history: separate
controllers and their migration, legacy exposures, slashing spans, bags of voters.

Bounds: ``VALIDATORS_LIMIT`` candidates, ``NOMINATORS_LIMIT`` nominators, 16 nominations and 32
chunks each, 64 nominators to a page, pages slashed and entries pruned by block; see ``weights``.

Ports needed: see ``ports``. Provided: ``SessionManager`` of Session, ``OnOffence`` of Offences.
"""

from dataclasses import replace
from typing import Annotated

from pallets.frame import (
    Blake2_128Concat,
    Doc,
    Holes,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    PalletGenesis,
    StorageDoubleMap,
    StorageMap,
    StorageTripleMap,
    StorageValue,
    Twox64Concat,
    Weight,
    call,
    ensure,
    ensure_root,
    ensure_signed,
    event,
)
from pallets.frame.context import Context
from pallets.staking import eras, rewards, settings, slashing, weights
from pallets.staking import ledger as ledgers
from pallets.staking.election import Support
from pallets.staking.ports import (
    Accounts,
    Authors,
    Clock,
    Credits,
    Currency,
    Randomness,
    Sessions,
)
from pallets.staking.types import (
    BILLION,
    EXPOSURE_PAGE_MAX,
    NO_PREFS,
    NOMINATIONS_MAX,
    UNLOCKING_MAX,
    ActiveEraInfo,
    BalanceOp,
    BondedEras,
    ClaimedPages,
    EraRewardPoints,
    ExposurePage,
    Forcing,
    Invulnerables,
    Nominations,
    NominationTargets,
    NumberOp,
    OffendingValidators,
    PagedExposureMetadata,
    PayController,
    PayStaked,
    PayStash,
    PercentOp,
    RewardDestination,
    SlashCursor,
    StakingLedger,
    UnappliedSlash,
    ValidatorPrefs,
)
from primitives.extrinsic import MultiAddress
from primitives.scale import U8, U32, U64, Compact
from primitives.types import AccountId, Balance, BlockNumber

__all__ = ["Staking"]

ZERO = Balance(0)
PERCENT = 100


class Staking(Pallet):
    """Stakes, eras, elections, rewards and slashes."""

    # Calls about controllers and the migration away from them; events and errors of those, of
    # snapshots and of what only a damaged state can raise.
    holes = Holes(calls=(8,), events=(14, 15), errors=(3, 12, 16, 17, 18))

    class Config(PalletConfig):
        """Constants of the chain, and the neighbours."""

        history_depth: Annotated[U32, Doc("Eras for which rewards and stakes are remembered.")]
        sessions_per_era: Annotated[U32, Doc("Sessions of an era.")]
        bonding_duration: Annotated[U32, Doc("Eras for which unbonded stake stays liable.")]
        slash_defer_duration: Annotated[U32, Doc("Eras between an offence and its slash.")]
        max_exposure_page_size: Annotated[U32, Doc("Nominators of one page.")] = U32(
            EXPOSURE_PAGE_MAX
        )
        max_unlocking_chunks: Annotated[U32, Doc("Amounts that a stash can unbond at a time.")] = (
            U32(UNLOCKING_MAX)
        )
        max_winners: Annotated[U32, Doc("The most validators of an era.")]
        year_one_reward: Annotated[Balance, Doc("What validators earn in year one, in planck.")]
        eras_per_year: Annotated[U32, Doc("Eras of a year.")]
        existential_deposit: Annotated[Balance, Doc("The least bond, in planck.")]
        treasury: Annotated[AccountId, Doc("Where slashes and remainders go.")]
        currency: Currency
        accounts: Accounts
        sessions: Sessions
        authors: Authors
        randomness: Randomness
        credits: Credits
        clock: Clock

    class Genesis(PalletGenesis):
        """Who validates at the start, each with its own stake, and what an election needs."""

        stakers: tuple[tuple[AccountId, Balance], ...] = ()
        validator_count: U32 = U32(1)
        minimum_validator_count: U32 = U32(1)
        min_validator_bond: Balance = ZERO
        min_nominator_bond: Balance = ZERO
        slash_reward_fraction: U32 = U32(BILLION // 10)

    config: Config

    validator_count = StorageValue(U32, default=U32(0), doc="Seats of an election.")
    minimum_validator_count = StorageValue(
        U32, default=U32(0), doc="An election of fewer candidates fails."
    )
    invulnerables = StorageValue(
        Invulnerables, default=Invulnerables(), doc="Validators that are not slashed."
    )
    # Accounts are chosen by users; eras, pages and indices cannot be crafted.
    bonded = StorageMap(
        AccountId, AccountId, hasher=Blake2_128Concat, doc="Who controls a stash: itself."
    )
    min_nominator_bond = StorageValue(Balance, default=ZERO, doc="The least active nomination.")
    min_validator_bond = StorageValue(Balance, default=ZERO, doc="A candidate's least own stake.")
    min_commission = StorageValue(U32, default=U32(0), doc="The least commission, of 10^9.")
    ledger = StorageMap(
        AccountId, StakingLedger, hasher=Blake2_128Concat, doc="What each stash has at stake."
    )
    payee = StorageMap(
        AccountId,
        RewardDestination,
        hasher=Blake2_128Concat,
        default=PayStash(),
        doc="Where the rewards of a stash go.",
    )
    validators = StorageMap(
        AccountId,
        ValidatorPrefs,
        hasher=Blake2_128Concat,
        counted=True,
        doc="The candidates of elections.",
    )
    eligible_from = StorageMap(
        AccountId,
        U32,
        hasher=Blake2_128Concat,
        default=U32(0),
        doc="The first session that each candidate can be elected for.",
    )
    max_validators_count = StorageValue(U32, doc="The most candidates, below the pallet's limit.")
    nominators = StorageMap(
        AccountId,
        Nominations,
        hasher=Blake2_128Concat,
        counted=True,
        doc="Nominators and whom they stand behind.",
    )
    max_nominators_count = StorageValue(U32, doc="The most nominators, below the pallet's limit.")
    current_era = StorageValue(U32, doc="The era planned last: the active one or the next.")
    active_era = StorageValue(ActiveEraInfo, doc="The era whose validators are in office.")
    eras_start_session_index = StorageMap(
        U32, U32, hasher=Twox64Concat, doc="The first session of each era."
    )
    eras_stakers_overview = StorageDoubleMap(
        U32,
        AccountId,
        PagedExposureMetadata,
        hashers=(Twox64Concat, Twox64Concat),
        doc="What stood behind each validator of an era.",
    )
    eras_stakers_paged = StorageTripleMap(
        (U32, AccountId, U32),
        ExposurePage,
        hashers=(Twox64Concat, Twox64Concat, Twox64Concat),
        doc="The nominators behind each validator of an era, in pages.",
    )
    claimed_rewards = StorageDoubleMap(
        U32,
        AccountId,
        ClaimedPages,
        hashers=(Twox64Concat, Twox64Concat),
        default=ClaimedPages(),
        doc="Pages of an era whose rewards are paid.",
    )
    eras_validator_prefs = StorageDoubleMap(
        U32,
        AccountId,
        ValidatorPrefs,
        hashers=(Twox64Concat, Twox64Concat),
        doc="What validators asked for when they were elected.",
    )
    eras_validator_reward = StorageMap(
        U32, Balance, hasher=Twox64Concat, doc="The payout of each finished era."
    )
    eras_reward_points = StorageMap(
        U32,
        EraRewardPoints,
        hasher=Twox64Concat,
        default=EraRewardPoints(total=U32(0), individual=()),
        doc="What the payout of an era is shared by.",
    )
    eras_total_stake = StorageMap(
        U32, Balance, hasher=Twox64Concat, default=ZERO, doc="All stake behind validators."
    )
    earliest_era = StorageValue(U32, default=U32(0), doc="The first era that is remembered.")
    force_era = StorageValue(Forcing, default=Forcing.NotForcing, doc="Whether eras end on time.")
    max_staked_rewards = StorageValue(
        U8, doc="The percentage of a payout that stakers get; the treasury gets the rest."
    )
    slash_reward_fraction = StorageValue(
        U32, default=U32(0), doc="The part of a slash that reporters get, of 10^9."
    )
    unapplied_slashes = StorageDoubleMap(
        U32,
        U32,
        UnappliedSlash,
        hashers=(Twox64Concat, Twox64Concat),
        doc="Slashes by the era in which they are due, and number.",
    )
    unapplied_slash_count = StorageMap(
        U32,
        U32,
        hasher=Twox64Concat,
        default=U32(0),
        doc="Numbers given to slashes that are due in an era.",
    )
    slash_cursor = StorageValue(SlashCursor, doc="The slash that is being applied.")
    bonded_eras = StorageValue(
        BondedEras, default=BondedEras(), doc="Eras that can be slashed, with their first session."
    )
    validator_slash_in_era = StorageDoubleMap(
        U32,
        AccountId,
        tuple[U32, Balance],
        hashers=(Twox64Concat, Twox64Concat),
        doc="The largest fraction of an era that a validator lost, and of its own stake.",
    )
    offending_validators = StorageValue(
        OffendingValidators,
        default=OffendingValidators(),
        doc="Offenders, each with the last era that it was elected for.",
    )
    chill_threshold = StorageValue(
        U8, doc="The percentage of places taken above which those below the least stake can go."
    )

    @event(index=0)
    class EraPaid:
        """An era ended: ``validator_payout`` can be claimed, ``remainder`` went to the treasury."""

        era_index: U32
        validator_payout: Balance
        remainder: Balance

    @event(index=1)
    class Rewarded:
        """``amount`` was created for ``stash``."""

        stash: AccountId
        dest: RewardDestination
        amount: Balance

    @event(index=2)
    class Slashed:
        """``staker`` lost ``amount``."""

        staker: AccountId
        amount: Balance

    @event(index=3)
    class SlashReported:
        """``validator`` is to lose ``fraction`` of what stood behind it in ``slash_era``."""

        validator: AccountId
        fraction: U32
        slash_era: U32

    @event(index=4)
    class OldSlashingReportDiscarded:
        """An offence in ``session_index`` came too late to be punished."""

        session_index: U32

    @event(index=5)
    class StakersElected:
        """The validators of the next era are elected."""

    @event(index=6)
    class Bonded:
        """``amount`` is at stake now."""

        stash: AccountId
        amount: Balance

    @event(index=7)
    class Unbonded:
        """``amount`` is unlocking now."""

        stash: AccountId
        amount: Balance

    @event(index=8)
    class Withdrawn:
        """``amount`` is free again."""

        stash: AccountId
        amount: Balance

    @event(index=9)
    class Kicked:
        """``nominator`` was turned away by ``stash``."""

        nominator: AccountId
        stash: AccountId

    @event(index=10)
    class StakingElectionFailed:
        """There were too few candidates; the validators stay."""

    @event(index=11)
    class Chilled:
        """``stash`` stands neither for election nor behind anybody now."""

        stash: AccountId

    @event(index=12)
    class PayoutStarted:
        """The rewards of a page of ``validator_stash`` are paid."""

        era_index: U32
        validator_stash: AccountId

    @event(index=13)
    class ValidatorPrefsSet:
        """``stash`` stands for election with ``prefs``."""

        stash: AccountId
        prefs: ValidatorPrefs

    @event(index=16)
    class ForceEra:
        """Root decided when eras end."""

        mode: Forcing

    class NotController(PalletError, index=0):
        """This account has bonded nothing; call `bond` first."""

    class NotStash(PalletError, index=1):
        """This account is no stash, or did not validate in that era."""

    class AlreadyBonded(PalletError, index=2):
        """This account has a bond; call `bond_extra` to add to it."""

    class EmptyTargets(PalletError, index=4):
        """Name at least one."""

    class DuplicateIndex(PalletError, index=5):
        """One is named twice."""

    class InvalidSlashIndex(PalletError, index=6):
        """There is no such slash, or it is being applied; read `UnappliedSlashes`."""

    class InsufficientBond(PalletError, index=7):
        """Less would be at stake than the least for this role: bond more, or `chill` first."""

    class NoMoreChunks(PalletError, index=8):
        """Too many amounts are unlocking; wait until one is free, or unbond later in one."""

    class NoUnlockChunk(PalletError, index=9):
        """Nothing is unlocking."""

    class FundedTarget(PalletError, index=10):
        """This stash has money at stake; it can withdraw it itself."""

    class InvalidEraToReward(PalletError, index=11):
        """This era is not over, or its rewards are forgotten."""

    class NotSortedAndUnique(PalletError, index=13):
        """Give the numbers in rising order, each once."""

    class AlreadyClaimed(PalletError, index=14):
        """These rewards are paid."""

    class InvalidPage(PalletError, index=15):
        """This validator had fewer pages of nominators in that era."""

    class TooManyTargets(PalletError, index=19):
        """A nomination names at most 16 candidates."""

    class BadTarget(PalletError, index=20):
        """One of these is no candidate, or takes no nominators."""

    class CannotChillOther(PalletError, index=21):
        """Only who is below the least stake can be chilled, and only while places are scarce."""

    class TooManyNominators(PalletError, index=22):
        """No place is free; somebody below the least stake may be chilled with `chill_other`."""

    class TooManyValidators(PalletError, index=23):
        """No place is free, or that is more than an era can have."""

    class CommissionTooLow(PalletError, index=24):
        """The commission is below `MinCommission`."""

    class BoundNotMet(PalletError, index=25):
        """The value is beyond what the runtime can bear."""

    class ControllerDeprecated(PalletError, index=26):
        """A stash has no controller but itself; choose `Stash` or `Account`."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.spent = Weight()
        """What sessions that began in this block took; reported by ``on_initialize``."""
        self.founders: tuple[AccountId, ...] | None = None
        """The validators of the chain spec in their order, while genesis is built."""

    def integrity_test(self) -> None:
        """A slash comes before the stake is gone, and finds it."""
        config = self.config
        assert config.sessions_per_era > 0, "because an era must end"
        assert config.eras_per_year > 0, "because a year is divided by it"
        assert config.slash_defer_duration + 1 < config.bonding_duration, "or stake is gone"
        assert config.bonding_duration < config.history_depth, "or stakes are forgotten"
        assert config.max_exposure_page_size == EXPOSURE_PAGE_MAX, "because pages are bounded"
        assert config.max_unlocking_chunks == UNLOCKING_MAX, "because chunks are bounded"

    def genesis_build(self, genesis: Genesis) -> None:
        """Bond the validators and plan era 0 with them."""
        self.validator_count.put(genesis.validator_count)
        self.minimum_validator_count.put(genesis.minimum_validator_count)
        self.min_validator_bond.put(genesis.min_validator_bond)
        self.min_nominator_bond.put(genesis.min_nominator_bond)
        self.slash_reward_fraction.put(genesis.slash_reward_fraction)
        if not genesis.stakers:
            return  # a runtime that is only asked questions, or a test of another pallet
        for who, amount in genesis.stakers:
            assert who not in self.ledger, "a chain spec bonds an account twice"
            self.config.currency.hold(who, amount)
            self.bonded[who] = who
            self.ledger[who] = ledgers.new_ledger(who, int(amount))
            self.payee[who] = PayStaked()
            self.validators[who] = NO_PREFS
            self.eligible_from[who] = U32(0)
        supports = tuple(Support(who, int(amount), ()) for who, amount in genesis.stakers)
        eras.plan_era(self, U32(0), U32(0), supports)
        self.founders = tuple(who for who, _ in genesis.stakers)

    # Hooks.

    def on_initialize(self, n: BlockNumber) -> Weight:  # noqa: ARG002 - a hook
        """Give the author its points, apply slashes that are due, forget old eras."""
        author = self.config.authors.author()
        if author is not None:
            rewards.note_author(self, author)
        used = self.spent + weights.BLOCK
        self.spent = Weight()
        return used + slashing.apply_due(self) + eras.prune(self)

    def on_finalize(self, n: BlockNumber) -> None:  # noqa: ARG002 - a hook
        """Note when the era began: its first block knows the time only now."""
        active = self.active_era.get()
        if active is not None and active.start is None:
            self.active_era.put(replace(active, start=U64(self.config.clock.time_of_block())))

    # Calls.

    @call(index=0, weight=Weight(reads=5, writes=5))
    def bond(
        self, origin: Origin, value: Annotated[Balance, Compact], payee: RewardDestination
    ) -> None:
        """Put ``value`` of the caller at stake, or what it can; rewards go to ``payee``.

        *Origin*: signed by the stash. *Errors*: AlreadyBonded, InsufficientBond,
        ControllerDeprecated. *Events*: Bonded.
        """
        stash = ensure_signed(origin)
        ensure(stash not in self.ledger, self.AlreadyBonded)
        ensure(not isinstance(payee, PayController), self.ControllerDeprecated)
        amount = Balance(min(value, self.config.currency.spendable(stash)))
        ensure(amount >= self._least_ledger(), self.InsufficientBond)
        self.config.currency.hold(stash, amount)
        self.bonded[stash] = stash
        self.payee[stash] = payee
        self.ledger[stash] = ledgers.new_ledger(stash, int(amount))
        self.deposit_event(self.Bonded(stash=stash, amount=amount))

    @call(index=1, weight=Weight(reads=4, writes=3))
    def bond_extra(self, origin: Origin, max_additional: Annotated[Balance, Compact]) -> None:
        """Put up to ``max_additional`` more at stake.

        *Origin*: signed by the stash. *Errors*: NotController. *Events*: Bonded.
        """
        stash = ensure_signed(origin)
        ledger = self._ledger_of(stash)
        amount = Balance(min(max_additional, self.config.currency.spendable(stash)))
        if amount == 0:
            return
        self.config.currency.hold(stash, amount)
        self.ledger[stash] = ledgers.bonded(ledger, int(amount))
        self.deposit_event(self.Bonded(stash=stash, amount=amount))

    @call(index=2, weight=Weight(reads=10, writes=4))
    def unbond(self, origin: Origin, value: Annotated[Balance, Compact]) -> None:
        """Unlock ``value``: it does not count from the next election on, and is free later.

        What would be left below the existential deposit is unlocked as well.
        *Origin*: signed by the stash. *Errors*: NotController, InsufficientBond, NoMoreChunks.
        *Events*: Unbonded, and Withdrawn where an unlocked amount made room.
        """
        stash = ensure_signed(origin)
        ledger = self._ledger_of(stash)
        if len(ledger.unlocking) == UNLOCKING_MAX:
            ledger = self._withdraw(stash, ledger)
        amount = Balance(min(value, ledger.active))
        if amount == 0:
            return
        if ledger.active - amount < self._least_ledger():
            amount = ledger.active
        ensure(ledger.active - amount >= self._least_active(stash), self.InsufficientBond)
        free_in = int(self.current_era.get() or 0) + int(self.config.bonding_duration)
        left = ledgers.unbonded(ledger, int(amount), free_in)
        if left is None:
            raise self.NoMoreChunks
        self.ledger[stash] = left
        self.deposit_event(self.Unbonded(stash=stash, amount=amount))

    @call(index=3, weight=Weight(reads=6, writes=4) + weights.KILLED)
    def withdraw_unbonded(
        self,
        origin: Origin,
        num_slashing_spans: U32,  # noqa: ARG002 - for clients; there are no spans
    ) -> None:
        """Free what has been unlocking long enough; the last of it removes the stash.

        *Origin*: signed by the stash. *Errors*: NotController. *Events*: Withdrawn.
        """
        stash = ensure_signed(origin)
        ledger = self._withdraw(stash, self._ledger_of(stash))
        if ledger.total == 0:
            self.kill_stash(stash)

    @call(index=4, weight=Weight(reads=9, writes=6))
    def validate(self, origin: Origin, prefs: ValidatorPrefs) -> None:
        """Stand for election with ``prefs``; set keys in Session as well, or nobody elects you.

        *Origin*: signed by the stash. *Errors*: NotController, InsufficientBond, CommissionTooLow,
        TooManyValidators, BoundNotMet. *Events*: ValidatorPrefsSet.
        """
        stash = ensure_signed(origin)
        ledger = self._ledger_of(stash)
        ensure(ledger.active >= self.min_validator_bond.get(), self.InsufficientBond)
        ensure(prefs.commission >= self.min_commission.get(), self.CommissionTooLow)
        ensure(prefs.commission <= BILLION, self.BoundNotMet)
        if stash not in self.validators:
            places = self.places(of_nominators=False)
            ensure(self.validators.count() < places, self.TooManyValidators)
            session = self.config.sessions.index()
            self.eligible_from[stash] = U32(session + eras.FRESHNESS_SESSIONS)
        self.nominators.take(stash)
        self.validators[stash] = prefs
        self.deposit_event(self.ValidatorPrefsSet(stash=stash, prefs=prefs))

    @call(index=5, weight=weights.nominating)
    def nominate(self, origin: Origin, targets: tuple[MultiAddress, ...]) -> None:
        """Stand behind ``targets`` with all that is active; a candidate stops being one.

        *Origin*: signed by the stash. *Errors*: NotController, InsufficientBond, EmptyTargets,
        TooManyTargets, TooManyNominators, BadTarget.
        """
        stash = ensure_signed(origin)
        ledger = self._ledger_of(stash)
        ensure(ledger.active >= self.min_nominator_bond.get(), self.InsufficientBond)
        ensure(len(targets) > 0, self.EmptyTargets)
        ensure(len(targets) <= NOMINATIONS_MAX, self.TooManyTargets)
        before = self.nominators.get(stash)
        if before is None:
            places = self.places(of_nominators=True)
            ensure(self.nominators.count() < places, self.TooManyNominators)
        chosen = dict.fromkeys(self.config.accounts.lookup(target) for target in targets)
        for who in chosen:
            prefs = self.validators.get(who)
            is_old = before is not None and who in before.targets
            ensure(is_old or (prefs is not None and not prefs.blocked), self.BadTarget)
        self._stand_down(stash)
        self.nominators[stash] = Nominations(
            targets=NominationTargets(chosen),
            submitted_in=self.current_era.get() or U32(0),
            suppressed=False,
        )

    @call(index=6, weight=Weight(reads=5, writes=5))
    def chill(self, origin: Origin) -> None:
        """Stand neither for election nor behind anybody, from the next election on.

        *Origin*: signed by the stash. *Errors*: NotController. *Events*: Chilled.
        """
        stash = ensure_signed(origin)
        self._ledger_of(stash)
        self.chill_stash(stash)

    @call(index=7, weight=Weight(reads=2, writes=1))
    def set_payee(self, origin: Origin, payee: RewardDestination) -> None:
        """Have rewards go to ``payee``.

        *Origin*: signed by the stash. *Errors*: NotController, ControllerDeprecated.
        """
        stash = ensure_signed(origin)
        self._ledger_of(stash)
        ensure(not isinstance(payee, PayController), self.ControllerDeprecated)
        self.payee[stash] = payee

    @call(index=9, weight=Weight(reads=1, writes=1))
    def set_validator_count(self, origin: Origin, new: Annotated[U32, Compact]) -> None:
        """Set the seats of an election. *Origin*: root. *Errors*: TooManyValidators."""
        ensure_root(origin)
        self._set_validator_count(int(new))

    @call(index=10, weight=Weight(reads=1, writes=1))
    def increase_validator_count(self, origin: Origin, additional: Annotated[U32, Compact]) -> None:
        """Add seats. *Origin*: root. *Errors*: TooManyValidators."""
        ensure_root(origin)
        self._set_validator_count(int(self.validator_count.get()) + int(additional))

    @call(index=11, weight=Weight(reads=1, writes=1))
    def scale_validator_count(self, origin: Origin, factor: U8) -> None:
        """Add ``factor`` percent of the seats. *Origin*: root. *Errors*: TooManyValidators."""
        ensure_root(origin)
        seats = int(self.validator_count.get())
        self._set_validator_count(seats + seats * int(factor) // PERCENT)

    @call(index=12, weight=Weight(writes=1))
    def force_no_eras(self, origin: Origin) -> None:
        """Let no further era begin. *Origin*: root. *Events*: ForceEra."""
        self._force(origin, Forcing.ForceNone)

    @call(index=13, weight=Weight(writes=1))
    def force_new_era(self, origin: Origin) -> None:
        """Plan an era when the next session begins. *Origin*: root. *Events*: ForceEra."""
        self._force(origin, Forcing.ForceNew)

    @call(index=14, weight=Weight(writes=1))
    def set_invulnerables(self, origin: Origin, invulnerables: Invulnerables) -> None:
        """Name the validators that are not slashed. *Origin*: root."""
        ensure_root(origin)
        self.invulnerables.put(invulnerables)

    @call(index=15, weight=Weight(reads=2, writes=2) + weights.KILLED)
    def force_unstake(
        self,
        origin: Origin,
        stash: AccountId,
        num_slashing_spans: U32,  # noqa: ARG002 - for clients; there are no spans
    ) -> None:
        """Free all stake of ``stash`` at once. *Origin*: root. *Errors*: NotStash."""
        ensure_root(origin)
        ensure(stash in self.ledger, self.NotStash)
        self.kill_stash(stash)

    @call(index=16, weight=Weight(writes=1))
    def force_new_era_always(self, origin: Origin) -> None:
        """Plan an era with every session. *Origin*: root. *Events*: ForceEra."""
        self._force(origin, Forcing.ForceAlways)

    @call(
        index=17,
        weight=lambda _era, indices: Weight(reads=1 + len(indices), writes=len(indices)),
    )
    def cancel_deferred_slash(
        self, origin: Origin, era: U32, slash_indices: tuple[U32, ...]
    ) -> None:
        """Drop slashes that are due in ``era``.

        *Origin*: root. *Errors*: EmptyTargets, NotSortedAndUnique, InvalidSlashIndex.
        """
        ensure_root(origin)
        ensure(len(slash_indices) > 0, self.EmptyTargets)
        ensure(list(slash_indices) == sorted(dict.fromkeys(slash_indices)), self.NotSortedAndUnique)
        active = self.active_era.get()
        ensure(active is None or era > active.index, self.InvalidSlashIndex)
        for index in slash_indices:
            ensure((era, index) in self.unapplied_slashes, self.InvalidSlashIndex)
            del self.unapplied_slashes[era, index]

    @call(index=18, weight=weights.PAYOUT)
    def payout_stakers(self, origin: Origin, validator_stash: AccountId, era: U32) -> Weight:
        """Pay the next page of rewards of a validator and its nominators. *Origin*: signed.

        *Errors*: InvalidEraToReward, NotStash, AlreadyClaimed. *Events*: PayoutStarted, Rewarded.
        """
        ensure_signed(origin)
        ensure(era in self.eras_validator_reward, self.InvalidEraToReward)
        page = rewards.next_page(self, validator_stash, era)
        return rewards.pay_page(self, validator_stash, era, page)

    @call(index=19, weight=Weight(reads=3, writes=2))
    def rebond(self, origin: Origin, value: Annotated[Balance, Compact]) -> None:
        """Make up to ``value`` of what is unlocking active again.

        *Origin*: signed by the stash. *Errors*: NotController, NoUnlockChunk, InsufficientBond.
        *Events*: Bonded.
        """
        stash = ensure_signed(origin)
        ledger = self._ledger_of(stash)
        ensure(len(ledger.unlocking) > 0, self.NoUnlockChunk)
        made, amount = ledgers.rebonded(ledger, int(value))
        ensure(made.active >= self._least_ledger(), self.InsufficientBond)
        self.ledger[stash] = made
        self.deposit_event(self.Bonded(stash=stash, amount=Balance(amount)))

    @call(index=20, weight=Weight(reads=2) + weights.KILLED)
    def reap_stash(
        self,
        origin: Origin,
        stash: AccountId,
        num_slashing_spans: U32,  # noqa: ARG002 - for clients; there are no spans
    ) -> None:
        """Remove a stash of which slashes left less than the existential deposit.

        *Origin*: signed. *Errors*: NotStash, FundedTarget.
        """
        ensure_signed(origin)
        ledger = self.ledger.get(stash)
        if ledger is None:
            raise self.NotStash
        ensure(ledger.total < self._least_ledger(), self.FundedTarget)
        self.kill_stash(stash)

    @call(index=21, weight=weights.kicking)
    def kick(self, origin: Origin, who: tuple[MultiAddress, ...]) -> None:
        """Turn nominators away; blocked or not, they may come again unless ``blocked`` is set.

        *Origin*: signed by a bonded stash. *Errors*: NotController. *Events*: Kicked.
        """
        stash = ensure_signed(origin)
        self._ledger_of(stash)
        for address in who:
            nominator = self.config.accounts.lookup(address)
            found = self.nominators.get(nominator)
            if found is None or stash not in found.targets:
                continue
            left = [target for target in found.targets if target != stash]
            if left:
                self.nominators[nominator] = replace(found, targets=NominationTargets(left))
            else:
                del self.nominators[nominator]
            self.deposit_event(self.Kicked(nominator=nominator, stash=stash))

    @call(index=22, weight=Weight(writes=7))
    def set_staking_configs(
        self,
        origin: Origin,
        min_nominator_bond: BalanceOp,
        min_validator_bond: BalanceOp,
        max_nominator_count: NumberOp,
        max_validator_count: NumberOp,
        chill_threshold: PercentOp,
        min_commission: NumberOp,
        max_staked_rewards: PercentOp,
    ) -> None:
        """Change what elections ask for. *Origin*: root. *Errors*: BoundNotMet."""
        ensure_root(origin)
        bounded: tuple[tuple[NumberOp | PercentOp, int], ...] = (
            (max_nominator_count, weights.NOMINATORS_LIMIT),
            (max_validator_count, weights.VALIDATORS_LIMIT),
            (chill_threshold, PERCENT),
            (min_commission, BILLION),
            (max_staked_rewards, PERCENT),
        )
        for change, limit in bounded:
            ensure(settings.is_within(change, limit), self.BoundNotMet)
        settings.apply(self.min_nominator_bond, min_nominator_bond)
        settings.apply(self.min_validator_bond, min_validator_bond)
        settings.apply(self.max_nominators_count, max_nominator_count)
        settings.apply(self.max_validators_count, max_validator_count)
        settings.apply(self.chill_threshold, chill_threshold)
        settings.apply(self.min_commission, min_commission)
        settings.apply(self.max_staked_rewards, max_staked_rewards)

    @call(index=23, weight=Weight(reads=9, writes=5))
    def chill_other(self, origin: Origin, stash: AccountId) -> None:
        """Chill a stash below the least stake, while more than ``ChillThreshold`` of the places of
        its kind are taken.

        *Origin*: signed. *Errors*: NotController, CannotChillOther. *Events*: Chilled.
        """
        who = ensure_signed(origin)
        ledger = self._ledger_of(stash)
        if who != stash:
            is_nominator = stash in self.nominators
            ensure(is_nominator or stash in self.validators, self.CannotChillOther)
            threshold = self.chill_threshold.get()
            taken = self.nominators.count() if is_nominator else self.validators.count()
            places = self.places(of_nominators=is_nominator)
            is_scarce = threshold is not None and int(taken) * PERCENT > places * int(threshold)
            ensure(is_scarce, self.CannotChillOther)
            ensure(ledger.active < self._least_active(stash), self.CannotChillOther)
        self.chill_stash(stash)

    @call(index=24, weight=Weight(reads=2, writes=1))
    def force_apply_min_commission(self, origin: Origin, validator_stash: AccountId) -> None:
        """Raise the commission of a candidate to the least. *Origin*: signed. *Errors*: NotStash.

        *Events*: ValidatorPrefsSet.
        """
        ensure_signed(origin)
        prefs, least = self.validators.get(validator_stash), self.min_commission.get()
        if prefs is None:
            raise self.NotStash
        if prefs.commission < least:
            raised = replace(prefs, commission=least)
            self.validators[validator_stash] = raised
            self.deposit_event(self.ValidatorPrefsSet(stash=validator_stash, prefs=raised))

    @call(index=25, weight=Weight(writes=1))
    def set_min_commission(self, origin: Origin, new: U32) -> None:
        """Set the least commission. *Origin*: root. *Errors*: BoundNotMet."""
        ensure_root(origin)
        ensure(new <= BILLION, self.BoundNotMet)
        self.min_commission.put(new)

    @call(index=26, weight=weights.PAYOUT)
    def payout_stakers_by_page(
        self, origin: Origin, validator_stash: AccountId, era: U32, page: U32
    ) -> Weight:
        """Pay a page of rewards of a validator and its nominators. *Origin*: signed.

        *Errors*: InvalidEraToReward, NotStash, InvalidPage, AlreadyClaimed. *Events*:
        PayoutStarted, Rewarded.
        """
        ensure_signed(origin)
        return rewards.pay_page(self, validator_stash, era, page)

    # Port of Session.

    def new_session(self, index: U32) -> tuple[AccountId, ...] | None:
        """The validators of session ``index``; None: as before. Never raises."""
        return eras.plan_session(self, index)

    def start_session(self, index: U32) -> None:
        """Session ``index`` begins. Never raises."""
        eras.begin_session(self, index)

    def end_session(self, index: U32) -> None:
        """Session ``index`` ends. Never raises."""
        eras.end_session(self, index)

    # Port of Offences.

    def on_offence(
        self,
        offenders: tuple[tuple[AccountId, tuple[AccountId, ...]], ...],
        slash_perbill: tuple[U32, ...],
        session: U32,
        kind: bytes,  # noqa: ARG002 - in an era the largest fraction counts, of whatever kind
    ) -> None:
        """Punish offenders for what they did in ``session``. Never raises."""
        eras_known = [era for era, first in self.bonded_eras.get() if first <= session]
        if not eras_known:
            self.deposit_event(self.OldSlashingReportDiscarded(session_index=session))
            return
        for (who, reporters), fraction in zip(offenders, slash_perbill, strict=True):
            slashing.report(self, who, reporters, fraction, eras_known[-1])

    # Views, and what the modules of this pallet share.

    def places(self, *, of_nominators: bool) -> int:
        """How many nominators, or candidates, there may be."""
        if of_nominators:
            limit, chosen = weights.NOMINATORS_LIMIT, self.max_nominators_count.get()
        else:
            limit, chosen = weights.VALIDATORS_LIMIT, self.max_validators_count.get()
        return limit if chosen is None else min(limit, int(chosen))

    def chill_stash(self, stash: AccountId) -> None:
        """Take ``stash`` out of the next elections."""
        if stash in self.nominators:
            del self.nominators[stash]
        elif not self._stand_down(stash):
            return
        self.deposit_event(self.Chilled(stash=stash))

    def kill_stash(self, stash: AccountId) -> None:
        """Remove ``stash`` and free what is still held of it."""
        self.chill_stash(stash)
        del self.bonded[stash]
        del self.ledger[stash]
        del self.payee[stash]
        self.config.currency.release(stash, self.config.currency.held(stash))

    # Private.

    def _ledger_of(self, stash: AccountId) -> StakingLedger:
        ledger = self.ledger.get(stash)
        if ledger is None:
            raise self.NotController
        return ledger

    def _least_ledger(self) -> Balance:
        return self.config.existential_deposit

    def _least_active(self, stash: AccountId) -> Balance:
        """What ``stash`` must have active for what it does."""
        if stash in self.validators:
            return self.min_validator_bond.get()
        return self.min_nominator_bond.get() if stash in self.nominators else ZERO

    def _stand_down(self, stash: AccountId) -> bool:
        """Make ``stash`` no candidate; whether it was one."""
        if stash not in self.validators:
            return False
        del self.validators[stash]
        del self.eligible_from[stash]
        return True

    def _withdraw(self, stash: AccountId, ledger: StakingLedger) -> StakingLedger:
        """Free what is no longer liable: what no report of a past era can reach.

        A slash that came late may still be at its pages when its era's stake would be free.
        """
        active = self.active_era.get()
        reached = 0 if active is None else int(active.index)
        if self.slash_cursor.exists():
            reached -= 1
        left, amount = ledgers.withdrawn(ledger, reached)
        if amount == 0:
            return ledger
        self.config.currency.release(stash, Balance(amount))
        self.ledger[stash] = left
        self.deposit_event(self.Withdrawn(stash=stash, amount=Balance(amount)))
        return left

    def _set_validator_count(self, seats: int) -> None:
        ensure(0 < seats <= self.config.max_winners, self.TooManyValidators)
        self.validator_count.put(U32(seats))

    def _force(self, origin: Origin, mode: Forcing) -> None:
        ensure_root(origin)
        self.force_era.put(mode)
        self.deposit_event(self.ForceEra(mode=mode))
