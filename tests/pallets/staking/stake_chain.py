"""A chain of money and stakes whose sessions, authors, credits and chance a test decides."""

from pallets.balances import BOND, Balances
from pallets.frame import FrameRuntime, Origin, StateReader, pallet
from pallets.frame.testing import TestExternalities, ext
from pallets.staking import PayStaked, RewardDestination, Staking
from pallets.staking.types import ValidatorPrefs
from pallets.system import System
from primitives.extrinsic import MultiAddressId
from primitives.hashing import blake2_256
from primitives.scale import U32
from primitives.types import AccountId, Balance, Hash, Moment
from tests.pallets.small_chains import DEPOSIT, SYSTEM

ANN, BEN, CAT = (AccountId(bytes([0x10 + at]) * 32) for at in range(3))
"""The validators of genesis."""

NIA, NORA, NOA = (AccountId(bytes([0x20 + at]) * 32) for at in range(3))
"""People who may nominate."""

DAN, EVA = (AccountId(bytes([0x30 + at]) * 32) for at in range(2))
"""People who may validate later."""

TREASURY = AccountId(b"t" * 32)
REPORTER = AccountId(b"r" * 32)
FOUNDERS = (ANN, BEN, CAT)
EVERYBODY = (*FOUNDERS, NIA, NORA, NOA, DAN, EVA, TREASURY, REPORTER)
MONEY = 100_000
BOND_EACH = 10_000
MIN_VALIDATOR, MIN_NOMINATOR = 5_000, 500
SESSIONS_PER_ERA = 2
BONDING, DEFER, HISTORY = 4, 1, 5
YEAR_ONE, ERAS_PER_YEAR = 1_000_000, 10
BILLION = 10**9


class Surroundings:
    """What Staking asks of its neighbours."""

    def __init__(self) -> None:
        self.session = 0
        self.who: AccountId | None = None
        self.without_keys: list[AccountId] = []
        self.disabled: list[AccountId] = []
        self.credits: dict[AccountId, int] = {}
        self.punished: list[AccountId] = []
        self.seed = b"chance"
        self.time = 1_000

    def index(self) -> U32:
        return U32(self.session)

    def keys_of(self, who: AccountId) -> object | None:
        return None if who in self.without_keys else b"keys"

    def disable(self, who: AccountId) -> bool:
        self.disabled.append(who)
        return True

    def author(self) -> AccountId | None:
        return self.who

    def random(self, subject: bytes) -> Hash:
        return blake2_256(subject + self.seed)

    def credit(self, who: AccountId) -> U32:
        return U32(self.credits.get(who, 800))

    def record_punishment(self, who: AccountId) -> None:
        self.punished.append(who)

    def time_of_block(self) -> Moment:
        return Moment(self.time)


class Stakes(FrameRuntime):
    """Accounts, money and stakes."""

    system: System = pallet(index=0)
    balances: Balances = pallet(index=6)
    staking: Staking = pallet(index=11)

    def __init__(self, state: StateReader) -> None:
        self.around = Surroundings()
        super().__init__(state)

    def wire(self) -> None:
        self.system.config = System.Config(**SYSTEM)
        self.balances.config = Balances.Config(existential_deposit=DEPOSIT, accounts=self.system)
        self.staking.config = Staking.Config(
            history_depth=U32(HISTORY),
            sessions_per_era=U32(SESSIONS_PER_ERA),
            bonding_duration=U32(BONDING),
            slash_defer_duration=U32(DEFER),
            max_winners=U32(5),
            year_one_reward=Balance(YEAR_ONE),
            eras_per_year=U32(ERAS_PER_YEAR),
            existential_deposit=DEPOSIT,
            treasury=TREASURY,
            currency=self.balances.holder(BOND),
            accounts=self.system,
            sessions=self.around,
            authors=self.around,
            randomness=self.around,
            credits=self.around,
            clock=self.around,
        )


class StakeWorld:
    """A chain of ``Stakes`` with sessions as Session makes them."""

    def __init__(self, **genesis: object) -> None:
        options: dict[str, object] = {
            "stakers": tuple((who, Balance(BOND_EACH)) for who in FOUNDERS),
            "validator_count": U32(3),
            "minimum_validator_count": U32(2),
            "min_validator_bond": Balance(MIN_VALIDATOR),
            "min_nominator_bond": Balance(MIN_NOMINATOR),
            **genesis,
        }
        self.world: TestExternalities[Stakes] = ext(
            Stakes,
            balances=Balances.Genesis(balances=tuple((who, Balance(MONEY)) for who in EVERYBODY)),
            staking=Staking.Genesis(**options),  # type: ignore[arg-type]
        )
        self.runtime = self.world.runtime
        self.staking = self.runtime.staking
        self.around = self.runtime.around
        # What Session asks at genesis; the first two answers come from the chain spec.
        self.validators: tuple[AccountId, ...] = FOUNDERS
        self.queued: tuple[AccountId, ...] = FOUNDERS
        self.staking.new_session(U32(1))
        self.staking.start_session(U32(0))
        self.world.clear_events()

    def call(self, name: str, who: AccountId | None, /, **arguments: object) -> object:
        """A call of Staking, signed by ``who``; by root for nobody."""
        origin = Origin.root() if who is None else Origin.signed(who)
        return self.world.call("Staking", name, origin, **arguments)

    def block(self, author: AccountId | None = None) -> None:
        """Another block, by ``author``."""
        self.around.who = author
        self.world.run_to_block(self.world.block + 1)

    def next_session(self) -> None:
        """End this session and begin the next, as Session does."""
        staking, ended = self.staking, self.around.session
        staking.end_session(U32(ended))
        self.around.session = ended + 1
        self.validators = self.queued
        staking.start_session(U32(ended + 1))
        named = staking.new_session(U32(ended + 2))
        self.queued = self.validators if named is None else named

    def to_era(self, era: int) -> None:
        """Let sessions go by until ``era`` is the active one."""
        for _ in range(200):
            if self.active >= era:
                break
            self.next_session()
        assert self.active == era

    @property
    def active(self) -> int:
        active = self.staking.active_era.get()
        assert active is not None
        return int(active.index)

    def bond(self, who: AccountId, amount: int, payee: RewardDestination | None = None) -> None:
        self.call("bond", who, value=Balance(amount), payee=payee or PayStaked())

    def validate(self, who: AccountId, commission: int = 0, *, blocked: bool = False) -> None:
        prefs = ValidatorPrefs(commission=U32(commission), blocked=blocked)
        self.call("validate", who, prefs=prefs)

    def nominate(self, who: AccountId, *targets: AccountId) -> None:
        self.call("nominate", who, targets=tuple(MultiAddressId(each) for each in targets))

    def offend(
        self,
        who: AccountId,
        fraction: int,
        *,
        session: int | None = None,
        reporters: tuple[AccountId, ...] = (),
    ) -> None:
        """``who`` is reported for this session, or an earlier one."""
        at = self.around.session if session is None else session
        self.staking.on_offence(((who, reporters),), (U32(fraction),), U32(at), b"kind")

    def events(self, *kinds: type[object]) -> list[object]:
        """Events of Staking since they were last cleared, or those of these kinds."""
        wanted = kinds or Staking.event_types
        return [each for each in self.world.events() if isinstance(each, wanted)]

    def free(self, who: AccountId) -> int:
        return int(self.runtime.balances.free(who))

    def held(self, who: AccountId) -> int:
        return int(self.runtime.balances.held(who, BOND))

    def check_money(self) -> None:
        """The laws of money and ledgers."""
        balances, staking = self.runtime.balances, self.staking
        accounts = self.runtime.system.account.items(limit=1_000)
        money = sum(int(info.data.free) + int(info.data.reserved) for _, info in accounts)
        assert money == balances.total_issuance.get()
        ledgers = dict(staking.ledger.items(limit=1_000))
        for who, _ in accounts:
            total = int(ledgers[who].total) if who in ledgers else 0
            assert self.held(who) == balances.reserved(who) == total
        for who, ledger in ledgers.items():
            assert ledger.stash == who
            parts = int(ledger.active) + sum(int(chunk.value) for chunk in ledger.unlocking)
            assert ledger.total == parts
            assert all(chunk.value > 0 for chunk in ledger.unlocking)
            eras = [int(chunk.era) for chunk in ledger.unlocking]
            assert eras == sorted(set(eras))
        validators = dict(staking.validators.items(limit=1_000))
        nominators = dict(staking.nominators.items(limit=1_000))
        assert not validators.keys() & nominators.keys()
        assert validators.keys() | nominators.keys() <= ledgers.keys()
        assert validators.keys() == dict(staking.eligible_from.items(limit=1_000)).keys()
        assert dict(staking.bonded.items(limit=1_000)) == {who: who for who in ledgers}
        assert staking.validators.count() == len(validators)
        assert staking.nominators.count() == len(nominators)
