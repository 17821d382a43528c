"""A small chain of space: money, treasury, miners, audits, files and territories, all real.

Its beacon stands for Babe: randomness that a test can foresee and nobody in the chain can. A unit
of declared space is four plots and a day ten blocks, so that every limit is near.
"""

import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

from pallets.audit import Audit
from pallets.balances import Balances
from pallets.cess_treasury import (
    PUNISH_TREASURY,
    RESERVE_REWARD,
    REWARD_POT,
    SPACE_TREASURY,
    CessTreasury,
)
from pallets.file_bank import FileBank
from pallets.file_bank.types import IdleAnswer, IdleAnswers, IdleProofBytes
from pallets.frame import FrameRuntime, Origin, StateReader, pallet
from pallets.frame.testing import GENESIS_HASH, TestExternalities
from pallets.sminer import EndPoint, Sminer, certification
from pallets.storage_handler import StorageHandler, TerrName
from pallets.system import System
from primitives.hashing import blake2_256
from primitives.scale import U8, U16, U32, U64, U128
from primitives.types import AccountId, Balance, BlockNumber, Hash
from proofs.pois.challenge import idle_draws
from proofs.pois.params import plot_bytes
from proofs.pois.plot import PlotFile, create_plot, plot_seed
from tests.pallets.small_chains import SYSTEM

ALICE, BOB, CHARLIE, DAVE, EVE = (AccountId(bytes([seed]) * 32) for seed in range(1, 6))
TREASURIES = (PUNISH_TREASURY, SPACE_TREASURY, REWARD_POT, RESERVE_REWARD)
TOKEN = 10**18
DEPOSIT = Balance(TOKEN)
RICH = Balance(1_000_000 * TOKEN)
PLOT_K = 18
PLOT = plot_bytes(PLOT_K)
PLOTS_PER_UNIT = 4
UNIT = PLOTS_PER_UNIT * PLOT
PER_UNIT = Balance(4_000 * TOKEN)
ITEM_LIMIT = 6
DAY = 10
STAKING_LOCK = 5
EXIT_LOCK = 4
CERT_DRAWS = 64
IDLE_DEADLINE = 3
ERA = 20
ERAS_PER_YEAR = 1_000
YEAR_ONE = Balance(1_000_000 * TOKEN)
GIB = 1 << 20
PRICE = Balance(2 * TOKEN)
LEASE_DAYS_MIN = 2
FROZEN_DAYS = 1
FRAGMENT = 1 << 20
URL = EndPoint(b"http://127.0.0.1:15001")
HOME = TerrName(b"home")


class Beacon:
    """Randomness of a block: its number, stirred."""

    def __init__(self, runtime: "SpaceChain") -> None:
        self.runtime = runtime

    def random(self, subject: bytes) -> Hash:
        number = self.runtime.context.number()
        return Hash(blake2_256(b"beacon" + number.to_bytes(4, "little") + subject))


class SpaceChain(FrameRuntime):
    """Everything that space and its money go through."""

    system: System = pallet(index=0)
    balances: Balances = pallet(index=6)
    cess_treasury: CessTreasury = pallet(index=100)
    file_bank: FileBank = pallet(index=104)
    sminer: Sminer = pallet(index=105)
    audit: Audit = pallet(index=106)
    storage_handler: StorageHandler = pallet(index=107)

    def __init__(self, state: StateReader) -> None:
        self.beacon = Beacon(self)
        super().__init__(state)

    def wire(self) -> None:
        self.system.config = System.Config(**SYSTEM)
        self.balances.config = Balances.Config(existential_deposit=DEPOSIT, accounts=self.system)
        self.cess_treasury.config = CessTreasury.Config(
            era_blocks=BlockNumber(ERA),
            eras_per_year=U32(ERAS_PER_YEAR),
            year_one_reward=YEAR_ONE,
            currency=self.balances,
        )
        self.file_bank.config = FileBank.Config(
            fragment_bytes=U64(FRAGMENT),
            segment_bytes=U64(4 * FRAGMENT),
            deal_deadline_blocks=BlockNumber(10),
            deal_attempts_max=U8(3),
            restoral_order_life=BlockNumber(10),
            territories=self.storage_handler,
            miners=self.sminer,
            holdings=self.audit,
            randomness=self.beacon,
        )
        self.sminer.config = Sminer.Config(
            item_limit=U32(ITEM_LIMIT),
            one_day_block=BlockNumber(DAY),
            staking_lock_block=BlockNumber(STAKING_LOCK),
            exit_lock_block=BlockNumber(EXIT_LOCK),
            collateral_per_unit=PER_UNIT,
            declaration_unit_bytes=U128(UNIT),
            plot_k=U8(PLOT_K),
            cert_draws=U16(CERT_DRAWS),
            idle_deadline_block=BlockNumber(IDLE_DEADLINE),
            punish_treasury=PUNISH_TREASURY,
            currency=self.balances,
            space=self.storage_handler,
            audits=self.audit,
            rewards=self.cess_treasury,
            randomness=self.beacon,
        )
        # Rounds are rare enough not to disturb a test that is not about them.
        self.audit.config = Audit.Config(
            fragment_bytes=U64(FRAGMENT),
            rows_sampled_max=U16(460),
            plot_k=U8(PLOT_K),
            plot_draws=U16(CERT_DRAWS),
            challenge_period_blocks=BlockNumber(10**9),
            service_deadline_blocks=BlockNumber(5),
            idle_deadline_blocks=BlockNumber(5),
            faults_max=U32(3),
            miners=self.sminer,
            files=self.file_bank,
            rewards=self.cess_treasury,
            randomness=self.beacon,
        )
        self.storage_handler.config = StorageHandler.Config(
            space_unit_bytes=U128(GIB),
            one_day=BlockNumber(DAY),
            lease_days_min=U32(LEASE_DAYS_MIN),
            frozen_days=U32(FROZEN_DAYS),
            space_treasury=SPACE_TREASURY,
            currency=self.balances,
        )


class World(TestExternalities[SpaceChain]):
    """The chain, and the acts that tests are made of."""

    @property
    def sminer(self) -> Sminer:
        return self.runtime.sminer

    @property
    def balances(self) -> Balances:
        return self.runtime.balances

    @property
    def treasury(self) -> CessTreasury:
        return self.runtime.cess_treasury

    @property
    def space(self) -> StorageHandler:
        return self.runtime.storage_handler

    def pass_blocks(self, count: int) -> None:
        self.run_to_block(self.block + count)

    def by(self, who: AccountId, pallet: str, name: str, **arguments: object) -> None:
        self.call(pallet, name, Origin.signed(who), **arguments)

    def register(self, who: AccountId = ALICE, units: int = 1, staking: int | None = None) -> None:
        self.by(
            who,
            "Sminer",
            "regnstk",
            beneficiary=who,
            endpoint=URL,
            staking_val=Balance(int(PER_UNIT) * units if staking is None else staking),
            tib_count=U32(units),
        )

    def request(self, who: AccountId, count: int) -> None:
        self.by(who, "FileBank", "cert_idle_space", count=U64(count))

    def prove(self, who: AccountId, answers: IdleAnswers) -> None:
        self.by(who, "FileBank", "prove_idle_space", answers=answers)

    def certify(self, who: AccountId = ALICE, count: int = PLOTS_PER_UNIT) -> None:
        """Make ``count`` plots idle space as if every answer were right."""
        self.request(who, count)
        self.pass_blocks(1)
        with proofs_hold():
            self.prove(who, answers_of(dict.fromkeys(range(CERT_DRAWS), b"p")))

    def store(self, who: AccountId = ALICE, size: int = FRAGMENT) -> None:
        """Let ``who`` hold ``size`` bytes of fragments, the way a deal does it."""
        self.sminer.lock_space(who, U128(size))
        self.sminer.lock_to_service(who, U128(size))

    def leave(self, who: AccountId = ALICE) -> None:
        """Let ``who`` announce its exit and wait for it."""
        self.pass_blocks(STAKING_LOCK)
        self.by(who, "Sminer", "miner_exit_prep", miner=who)
        self.pass_blocks(EXIT_LOCK)

    def mint(
        self, who: AccountId = ALICE, units: int = 1, name: bytes = HOME, days: int = LEASE_DAYS_MIN
    ) -> None:
        self.by(
            who,
            "StorageHandler",
            "mint_territory",
            gib_count=U32(units),
            territory_name=TerrName(name),
            days=U32(days),
        )

    def earn(self, who: AccountId, power: int = 100) -> None:
        """Let ``who`` be audited in this era and wait for its end."""
        self.treasury.record_power(who, U128(power))
        self.end_era()

    def end_era(self) -> None:
        self.run_to_block((self.block // ERA + 1) * ERA)

    def total(self) -> int:
        """All money there is, counted account by account."""
        return sum(
            int(info.data.free) + int(info.data.reserved)
            for _, info in self.runtime.system.account.items(limit=100)
        )


def start(
    owners: tuple[AccountId, ...] = (ALICE, BOB, CHARLIE, DAVE),
    treasuries: tuple[AccountId, ...] = TREASURIES,
) -> World:
    """Owners with a million, treasuries with the existential deposit, and no event yet."""
    money = (*((who, RICH) for who in owners), *((who, DEPOSIT) for who in treasuries))
    world = World(
        SpaceChain,
        balances=Balances.Genesis(balances=money),
        storage_handler=StorageHandler.Genesis(price=PRICE),
    )
    world.clear_events()
    return world


@contextmanager
def proofs_hold():
    """Every answer is taken for right; the tests of certification show what is not."""

    def taken(_genesis, _miner, _k, _seed, _front, _rear, _draws, answers):
        return len(answers)

    with patch.object(certification, "verify_answers", taken):
        yield


def answers_of(proofs: dict[int, bytes]) -> IdleAnswers:
    return IdleAnswers(
        IdleAnswer(t=U16(t), proof=IdleProofBytes(proof)) for t, proof in proofs.items()
    )


@cache
def plots(who: AccountId = ALICE, count: int = 2) -> tuple[PlotFile, ...]:
    """Real plots of this chain, made once for each machine: two seconds each."""
    kept = Path(tempfile.gettempdir()) / "cess-test-plots"
    return tuple(
        PlotFile(create_plot(kept, kept, plot_seed(GENESIS_HASH, who, index, PLOT_K), PLOT_K))
        for index in range(count)
    )


def honest_answers(seed: bytes, count: int = 2, draws: int = CERT_DRAWS) -> dict[int, bytes]:
    """What Alice's plots 0..count-1 answer to the draws of ``seed``."""
    made = plots()
    found = {
        draw.t: made[draw.index].prove(draw.challenge) if draw.index < len(made) else None
        for draw in idle_draws(seed, 0, count, draws)
    }
    return {t: proof for t, proof in found.items() if proof is not None}


def drawn_seed(world: World, who: AccountId = ALICE) -> bytes:
    pending = world.sminer.pending_idle[who]
    assert pending.seed is not None
    return pending.seed
