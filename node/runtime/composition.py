"""CESS's runtime: which pallets it has, at which index, with which constants and neighbours.

Pallets that CESS has are at CESS's indices. The constants of the chain come from its state
(docs/adr/0013-chain-constants-in-genesis.md); what they imply is worked out once for each chain and
kept, so that a runtime for a block costs well under a millisecond.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import ClassVar, Final

from chain_spec.constants import CONSTANTS_KEY, ChainConstants
from node.runtime.apis import API_SPECS
from node.runtime.version import CODE_KEY, VERSION, check_known, version_of
from pallets.audit import Audit
from pallets.babe import Babe
from pallets.balances import BOND, Balances
from pallets.cess_treasury import PUNISH_TREASURY, SPACE_TREASURY, CessTreasury, runtime_account
from pallets.file_bank import FileBank
from pallets.frame import DictState, StateReader, pallet
from pallets.frame.executive import (
    OPERATIONAL_FEE_MULTIPLIER,
    ExecutiveConfig,
    ExecutiveRuntime,
)
from pallets.frame.limits import BLOCK_LENGTH, DB_WEIGHT, BlockWeights, block_weights
from pallets.frame.metadata import metadata_v14, metadata_v15
from pallets.frame.version import RuntimeVersion
from pallets.grandpa import Grandpa
from pallets.historical import Historical
from pallets.mdrc import Mdrc
from pallets.offences import Offences
from pallets.scheduler_credit import SchedulerCredit
from pallets.session import Session
from pallets.sminer import Sminer
from pallets.staking import Staking
from pallets.storage_handler import StorageHandler
from pallets.sudo import Sudo
from pallets.system import System
from pallets.timestamp import Timestamp
from pallets.transaction_payment import TransactionPayment
from pallets.utility import Utility
from primitives.crypto.ss58 import CESS_PREFIX
from primitives.errors import CessError, DecodeError
from primitives.scale import U8, U16, U32, U64, codec
from primitives.types import BlockNumber, Moment

__all__ = [
    "AUTHORITIES_MAX",
    "FEE_TREASURY",
    "RUNTIMES",
    "CessRuntime",
    "NoConstants",
    "runtime_at",
]

BLOCK_HASHES: Final = BlockNumber(2400)
"""Block hashes that are kept: no mortal extrinsic lives longer."""

AUTHORITIES_MAX: Final = U32(1000)
"""Authorities at most, as in a chain spec."""

BATCHED_CALLS_MAX: Final = U32(1000)
"""Calls in one batch at most; the decoder of calls takes no more."""

AUTHOR_PERCENT: Final = U8(20)
"""The block author's part of every fee; the rest goes to ``FEE_TREASURY``."""

FEE_TREASURY: Final = runtime_account(b"py/trsry")
"""Where fees go: the account of Substrate's treasury."""


class NoConstants(CessError):  # noqa: N818  a fact
    """The state holds no constants of a chain: it is damaged, or no state of this program."""


class CessRuntime(ExecutiveRuntime):
    """All pallets of the chain."""

    wire_module = "cess_node_runtime"

    take_unsigned: Callable[[bytes], bool] | None = None
    """Where the node that made this runtime puts extrinsics that the runtime gives it; None for one
    that answers strangers."""
    version: ClassVar[RuntimeVersion] = VERSION
    """Which runtime this is."""

    system: System = pallet(index=0)
    utility: Utility = pallet(index=1)
    babe: Babe = pallet(index=2)
    timestamp: Timestamp = pallet(index=3)
    balances: Balances = pallet(index=6)
    transaction_payment: TransactionPayment = pallet(index=7)
    staking: Staking = pallet(index=11)
    session: Session = pallet(index=12)
    grandpa: Grandpa = pallet(index=16)
    sudo: Sudo = pallet(index=22)
    offences: Offences = pallet(index=25)
    historical: Historical = pallet(index=26)
    cess_treasury: CessTreasury = pallet(index=100)
    scheduler_credit: SchedulerCredit = pallet(index=101)
    file_bank: FileBank = pallet(index=104)
    sminer: Sminer = pallet(index=105)
    audit: Audit = pallet(index=106)
    storage_handler: StorageHandler = pallet(index=107)
    # CESS has no such pallet; its own end at 111.
    mdrc: Mdrc = pallet(index=112)

    def __init__(self, state: StateReader, constants: ChainConstants | None = None) -> None:
        if constants is None:
            constants = _constants_of(state.get(CONSTANTS_KEY))
        self.constants = constants
        self._weights = _weights_of(int(constants.block_ref_time_max))
        super().__init__(state)

    def wire(self) -> None:
        """Give each pallet its constants and its neighbours."""
        self._wire_base()
        self._wire_consensus()
        self._wire_staking()
        self._wire_storage()

    def _wire_base(self) -> None:
        given = self.constants
        self.system.config = System.Config(
            block_weights=self._weights,
            block_length=BLOCK_LENGTH,
            block_hash_count=BLOCK_HASHES,
            db_weight=DB_WEIGHT,
            version=self.version,
            ss58_prefix=U16(CESS_PREFIX),
        )
        self.utility.config = Utility.Config(batched_calls_limit=BATCHED_CALLS_MAX)
        self.timestamp.config = Timestamp.Config(
            minimum_period=Moment(given.slot_duration_ms // 2), slots=self.babe
        )
        self.balances.config = Balances.Config(
            existential_deposit=given.existential_deposit, accounts=self.system
        )
        self.transaction_payment.config = TransactionPayment.Config(
            operational_fee_multiplier=U8(OPERATIONAL_FEE_MULTIPLIER),
            weight_fee=given.weight_fee,
            length_fee=given.length_fee,
            author_share=AUTHOR_PERCENT,
            fee_treasury=FEE_TREASURY,
            currency=self.balances,
            blocks=self.system,
            authors=self.babe,
        )
        self.sudo.config = Sudo.Config(accounts=self.system)

    def _wire_consensus(self) -> None:
        given = self.constants
        # An offence can be proved as long as what was staked behind the offender is liable; a
        # report is worth keeping as long; there is at most one set of voters in a session.
        sessions_kept = int(given.bonding_eras) * int(given.epochs_per_era)
        longevity = U64(sessions_kept * int(given.epoch_slots))
        self.babe.config = Babe.Config(
            epoch_duration=given.epoch_slots,
            expected_block_time=Moment(given.slot_duration_ms),
            max_authorities=AUTHORITIES_MAX,
            report_longevity=longevity,
            chain=self.system,
            sessions=self.session,
            key_owners=self.historical,
            offences=self.offences,
        )
        self.session.config = Session.Config(
            max_validators=AUTHORITIES_MAX,
            manager=self.staking,
            epochs=self.babe,
            finality=self.grandpa,
            history=self.historical,
            accounts=self.system,
        )
        self.grandpa.config = Grandpa.Config(
            max_authorities=AUTHORITIES_MAX,
            max_set_id_session_entries=U64(sessions_kept),
            report_longevity=longevity,
            chain=self.system,
            sessions=self.session,
            authors=self.babe,
            key_owners=self.historical,
            offences=self.offences,
        )
        self.offences.config = Offences.Config(on_offence=self.staking, disabling=self.session)
        self.historical.config = Historical.Config(
            sessions_kept=U32(sessions_kept), sessions=self.session, reports=self.offences
        )

    def _wire_staking(self) -> None:
        given = self.constants
        self.staking.config = Staking.Config(
            history_depth=given.history_eras,
            sessions_per_era=given.epochs_per_era,
            bonding_duration=given.bonding_eras,
            slash_defer_duration=given.slash_defer_eras,
            max_winners=AUTHORITIES_MAX,
            year_one_reward=given.year_one_validator_reward,
            eras_per_year=given.eras_per_year,
            existential_deposit=given.existential_deposit,
            treasury=FEE_TREASURY,
            currency=self.balances.holder(BOND),
            accounts=self.system,
            sessions=self.session,
            authors=self.babe,
            randomness=self.babe,
            credits=self.scheduler_credit,
            clock=self.timestamp,
        )
        self.scheduler_credit.config = SchedulerCredit.Config(
            period_duration=given.credit_period_blocks, slots=self.babe
        )

    def _wire_storage(self) -> None:
        given = self.constants
        self.cess_treasury.config = CessTreasury.Config(
            era_blocks=given.era_blocks,
            eras_per_year=given.eras_per_year,
            year_one_reward=given.year_one_reward,
            currency=self.balances,
        )
        self.file_bank.config = FileBank.Config(
            fragment_bytes=given.fragment_bytes,
            segment_bytes=given.segment_bytes,
            deal_deadline_blocks=given.deal_deadline_blocks,
            deal_attempts_max=given.deal_attempts_max,
            restoral_order_life=given.restoral_order_blocks,
            territories=self.storage_handler,
            miners=self.sminer,
            holdings=self.audit,
            randomness=self.babe,
        )
        self.sminer.config = Sminer.Config(
            item_limit=given.miners_max,
            one_day_block=given.one_day_blocks,
            staking_lock_block=given.staking_lock_blocks,
            exit_lock_block=given.exit_lock_blocks,
            collateral_per_unit=given.collateral_per_unit,
            declaration_unit_bytes=given.declaration_unit_bytes,
            plot_k=given.plot_k,
            cert_draws=given.cert_draws,
            idle_deadline_block=given.idle_deadline_blocks,
            punish_treasury=PUNISH_TREASURY,
            currency=self.balances,
            space=self.storage_handler,
            audits=self.audit,
            rewards=self.cess_treasury,
            randomness=self.babe,
        )
        self.audit.config = Audit.Config(
            fragment_bytes=given.fragment_bytes,
            rows_sampled_max=given.rows_sampled_max,
            plot_k=given.plot_k,
            plot_draws=given.plot_draws,
            challenge_period_blocks=given.challenge_period_blocks,
            service_deadline_blocks=given.service_deadline_blocks,
            idle_deadline_blocks=given.idle_deadline_blocks,
            faults_max=given.faults_max,
            miners=self.sminer,
            files=self.file_bank,
            rewards=self.cess_treasury,
            randomness=self.babe,
        )
        self.storage_handler.config = StorageHandler.Config(
            space_unit_bytes=given.space_unit_bytes,
            one_day=given.one_day_blocks,
            lease_days_min=given.lease_days_min,
            frozen_days=given.frozen_days,
            space_treasury=SPACE_TREASURY,
            currency=self.balances,
        )
        self.mdrc.config = Mdrc.Config(
            deposit=given.certificate_deposit,
            distance_max=given.near_distance_max,
            files=self.file_bank,
            currency=self.balances,
        )

    def executive_config(self) -> ExecutiveConfig:
        """The executive's ports and the limits of a block."""
        return ExecutiveConfig(
            system=self.system,
            payment=self.transaction_payment,
            weights=self._weights,
            length=BLOCK_LENGTH,
            spec_version=int(self.version.spec_version),
            transaction_version=int(self.version.transaction_version),
        )

    def metadata(self, version: int) -> bytes:
        """Metadata of version 14 or 15, with magic and version byte."""
        return _metadata(type(self), codec(ChainConstants).encode(self.constants), version)


def runtime_at(state: StateReader) -> CessRuntime:
    """The runtime over ``state``, for one block or one question.

    Raises:
        RuntimeNotKnown: the next block needs another runtime than this program's.
        NoConstants: the state is none of this program.
    """
    version = version_of(state.get(CODE_KEY))
    check_known(version, RUNTIMES)
    return RUNTIMES[int(version.spec_version)](state)


RUNTIMES: Final[dict[int, type[CessRuntime]]] = {int(VERSION.spec_version): CessRuntime}
"""The runtimes of this program by their spec version.

An upgrade adds one, and the older ones stay: a node that syncs executes every block with the
runtime of its time.
"""


@lru_cache(maxsize=8)
def _constants_of(raw: bytes | None) -> ChainConstants:
    if raw is None:
        raise NoConstants(
            f"the state holds nothing under {CONSTANTS_KEY.decode()}; "
            "make a chain spec with `cess chain-spec build`"
        )
    try:
        constants = codec(ChainConstants).decode(raw)
    except DecodeError as error:
        raise NoConstants(f"the constants of the chain do not decode: {error}") from None
    for each in CessRuntime(DictState({}), constants).pallets:
        each.integrity_test()
    return constants


@lru_cache(maxsize=8)
def _weights_of(ref_time_max: int) -> BlockWeights:
    return block_weights(ref_time_max)


@lru_cache(maxsize=8)
def _metadata(kind: type[CessRuntime], constants: bytes, version: int) -> bytes:
    runtime = kind(DictState({}), codec(ChainConstants).decode(constants))
    return metadata_v14(runtime) if version == 14 else metadata_v15(runtime, API_SPECS)
