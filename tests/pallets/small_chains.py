"""Two small chains for the tests of the pallets of every chain: one of money, one of slots."""

from functools import cache

from pallets.babe import Babe, SlotEpoch, secondary_author, wins_primary
from pallets.balances import Balances
from pallets.frame import FrameRuntime, Origin, PostInfo, StateReader, pallet
from pallets.frame.context import FINALIZATION, INITIALIZATION
from pallets.frame.genesis import build_genesis
from pallets.frame.limits import BLOCK_LENGTH, DB_WEIGHT, block_weights
from pallets.frame.overlay import DictState
from pallets.frame.version import RuntimeVersion
from pallets.grandpa import Grandpa
from pallets.historical import Historical
from pallets.offences import Offences
from pallets.session import Session, SessionKeys, prove_possession
from pallets.sudo import Sudo
from pallets.system import System
from pallets.timestamp import Timestamp
from pallets.transaction_payment import TransactionPayment
from pallets.utility import Utility
from primitives.crypto.keys import KeyPair
from primitives.digest import (
    BABE_ENGINE,
    AuthorityKey,
    BabePreDigest,
    Digest,
    PreRuntime,
    Primary,
    Randomness,
    SecondaryVrf,
    VrfPreOutput,
    VrfProof,
    VrfSignature,
)
from primitives.extrinsic import MultiAddress, MultiAddressId
from primitives.hashing import blake2_256
from primitives.scale import U8, U16, U32, U64, codec
from primitives.types import AccountId, Balance, BlockNumber, Hash, Moment

ALICE, BOB, CHARLIE, DAVE = (AccountId(bytes([seed]) * 32) for seed in (1, 2, 3, 4))
TREASURY, AUTHOR = AccountId(b"t" * 32), AccountId(b"a" * 32)
DEPOSIT = Balance(100)
SLOT_MS = 6_000
EPOCH_SLOTS = 5
VALIDATORS_MAX = 7
SESSIONS_KEPT = 4
SETS_KEPT = 3
WEIGHTS = block_weights(2 * 10**12)
HASHES_KEPT = 8
VERSION = RuntimeVersion(
    spec_name="small",
    impl_name="small",
    authoring_version=U32(1),
    spec_version=U32(7),
    impl_version=U32(1),
    apis=(),
    transaction_version=U32(3),
    system_version=U8(1),
)
SYSTEM = {
    "block_weights": WEIGHTS,
    "block_length": BLOCK_LENGTH,
    "block_hash_count": BlockNumber(HASHES_KEPT),
    "db_weight": DB_WEIGHT,
    "version": VERSION,
    "ss58_prefix": U16(11330),
}


def to(who: AccountId) -> MultiAddress:
    return MultiAddressId(who)


def signed(who: AccountId) -> Origin:
    return Origin.signed(who)


class Wall:
    """What consensus tells the chain of money: every time is right; who is the author."""

    def __init__(self) -> None:
        self.who: AccountId | None = AUTHOR

    def on_timestamp_set(self, moment: Moment) -> None: ...

    def author(self) -> AccountId | None:
        return self.who


class Money(FrameRuntime):
    """Accounts, money, fees, batches and a key to everything."""

    system: System = pallet(index=0)
    utility: Utility = pallet(index=1)
    timestamp: Timestamp = pallet(index=3)
    balances: Balances = pallet(index=6)
    transaction_payment: TransactionPayment = pallet(index=7)
    sudo: Sudo = pallet(index=22)

    def __init__(self, state: StateReader) -> None:
        self.wall = Wall()
        super().__init__(state)

    def wire(self) -> None:
        self.system.config = System.Config(**SYSTEM)
        self.utility.config = Utility.Config(batched_calls_limit=U32(4))
        self.timestamp.config = Timestamp.Config(
            minimum_period=Moment(SLOT_MS // 2), slots=self.wall
        )
        self.balances.config = Balances.Config(existential_deposit=DEPOSIT, accounts=self.system)
        self.transaction_payment.config = TransactionPayment.Config(
            operational_fee_multiplier=U8(5),
            weight_fee=Balance(2),
            length_fee=Balance(1_000),
            author_share=U8(20),
            fee_treasury=TREASURY,
            currency=self.balances,
            blocks=self.system,
            authors=self.wall,
        )
        self.sudo.config = Sudo.Config(accounts=self.system)


class Elector:
    """A manager of sessions whose answers a test writes down; it notes what it is told."""

    def __init__(self) -> None:
        self.answers: dict[int, tuple[AccountId, ...]] = {}
        self.told: list[tuple[str, int]] = []

    def new_session(self, index: U32) -> tuple[AccountId, ...] | None:
        self.told.append(("new", int(index)))
        return self.answers.get(int(index))

    def start_session(self, index: U32) -> None:
        self.told.append(("start", int(index)))

    def end_session(self, index: U32) -> None:
        self.told.append(("end", int(index)))


class Judge:
    """Notes what offenders are punished with."""

    def __init__(self) -> None:
        self.cases: list[tuple[tuple[AccountId, ...], int, int, bytes]] = []
        self.reporters: list[tuple[AccountId, ...]] = []

    def on_offence(
        self,
        offenders: tuple[tuple[AccountId, tuple[AccountId, ...]], ...],
        slash_perbill: tuple[U32, ...],
        session: U32,
        kind: bytes,
    ) -> None:
        assert len(set(slash_perbill)) == 1
        assert len(slash_perbill) == len(offenders)
        self.reporters = [reporters for _, reporters in offenders]
        who = tuple(offender for offender, _ in offenders)
        self.cases.append((who, int(slash_perbill[0]), int(session), kind))


class Slots(FrameRuntime):
    """Slots, sessions, finality and offences."""

    system: System = pallet(index=0)
    babe: Babe = pallet(index=2)
    timestamp: Timestamp = pallet(index=3)
    session: Session = pallet(index=12)
    grandpa: Grandpa = pallet(index=16)
    offences: Offences = pallet(index=25)
    historical: Historical = pallet(index=26)

    def __init__(
        self, state: StateReader, elector: Elector | None = None, judge: Judge | None = None
    ) -> None:
        self.elector = Elector() if elector is None else elector
        self.judge = Judge() if judge is None else judge
        super().__init__(state)

    def wire(self) -> None:
        self.system.config = System.Config(**SYSTEM)
        self.babe.config = Babe.Config(
            epoch_duration=U64(EPOCH_SLOTS),
            expected_block_time=Moment(SLOT_MS),
            max_authorities=U32(VALIDATORS_MAX),
            report_longevity=U64(100),
            chain=self.system,
            sessions=self.session,
            key_owners=self.historical,
            offences=self.offences,
        )
        self.timestamp.config = Timestamp.Config(
            minimum_period=Moment(SLOT_MS // 2), slots=self.babe
        )
        self.session.config = Session.Config(
            max_validators=U32(VALIDATORS_MAX),
            manager=self.elector,
            epochs=self.babe,
            finality=self.grandpa,
            history=self.historical,
            accounts=self.system,
        )
        self.grandpa.config = Grandpa.Config(
            max_authorities=U32(VALIDATORS_MAX),
            max_set_id_session_entries=U64(SETS_KEPT),
            report_longevity=U64(100),
            chain=self.system,
            sessions=self.session,
            authors=self.babe,
            key_owners=self.historical,
            offences=self.offences,
        )
        self.offences.config = Offences.Config(on_offence=self.judge, disabling=self.session)
        self.historical.config = Historical.Config(
            sessions_kept=U32(SESSIONS_KEPT), sessions=self.session, reports=self.offences
        )


@cache
def pair_of(seed: int) -> KeyPair:
    """The key that authority ``seed`` authors with."""
    return KeyPair.from_seed(bytes([0x10 + seed]) * 32)


@cache
def voter_of(seed: int) -> KeyPair:
    """The key that authority ``seed`` votes with."""
    return KeyPair.from_seed(bytes([0x20 + seed]) * 32, "ed25519")


@cache
def keys_of(seed: int) -> SessionKeys:
    return SessionKeys(
        babe=AuthorityKey(pair_of(seed).public),
        grandpa=AuthorityKey(voter_of(seed).public),
    )


def proof_of(seed: int, who: AccountId) -> bytes:
    """That the keys of ``seed`` work for ``who``."""
    return prove_possession(who, pair_of(seed), voter_of(seed))


VALIDATORS = tuple((who, keys_of(seed)) for seed, who in enumerate((ALICE, BOB, CHARLIE)))
MANY = tuple((AccountId(bytes([seed + 1]) * 32), keys_of(seed)) for seed in range(VALIDATORS_MAX))
"""As many validators as a session may have."""


class SlotChain:
    """Blocks of ``Slots``, one after the other, without extrinsics."""

    def __init__(
        self,
        validators: tuple[tuple[AccountId, SessionKeys], ...] = VALIDATORS,
        randomness: bytes = bytes(32),
        elected: dict[int, tuple[AccountId, ...]] | None = None,
    ) -> None:
        genesis = {
            "session": Session.Genesis(validators=validators),
            "babe": Babe.Genesis(randomness=Randomness(randomness)),
        }
        self.elector, self.judge = Elector(), Judge()
        self.elector.answers.update(elected or {})
        made = Slots(DictState({}), self.elector, self.judge)
        self.state = DictState(build_genesis(made, genesis))
        self.runtime = self._runtime()
        self.number = 0
        self.hash = Hash(blake2_256(b"block 0"))
        self.digest = Digest()

    def _runtime(self) -> Slots:
        return Slots(self.state, self.elector, self.judge)

    def owner(self, slot: int) -> int:
        """Whose slot it is, for the next block."""
        epoch = self.runtime.babe.authorities_at(slot)
        return secondary_author(slot, epoch.randomness, len(epoch.authorities))

    def begin(self, digest: Digest) -> None:
        """Begin the next block; a refused one leaves nothing behind."""
        runtime = self._runtime()
        runtime.context.phase = INITIALIZATION
        number = BlockNumber(self.number + 1)
        runtime.system.initialize(number, self.hash, digest)
        for each in runtime.pallets:
            each.on_initialize(number)
        self.runtime, self.number = runtime, int(number)

    def claim(
        self, slot: int, author: int | None = None, kind: type[BabePreDigest] = SecondaryVrf
    ) -> Digest:
        """A claim of ``slot`` with the output that ``author``, or its owner, has for it."""
        epoch = self.runtime.babe.authorities_at(slot)
        if author is None and self.owner(slot) in epoch.disabled:
            author, kind = self._winner(slot), Primary
        return claim(slot, self.owner(slot) if author is None else author, epoch, kind)

    def _winner(self, slot: int) -> int:
        """Who won a slot whose owner is disabled."""
        epoch = self.runtime.babe.authorities_at(slot)
        return next(
            at
            for at in range(len(epoch.authorities))
            if at not in epoch.disabled
            and wins_primary(seat(epoch, at).vrf_key().evaluate(epoch.transcript(slot)), epoch, at)
        )

    def begin_at(self, slot: int) -> None:
        """Begin the next block, by whoever may."""
        self.begin(self.claim(slot))

    def finish(self) -> None:
        """Finish it."""
        self.runtime.context.phase = FINALIZATION
        for each in self.runtime.pallets:
            each.on_finalize(BlockNumber(self.number))
        self.digest = self.runtime.system.finalize()
        self.state = self.state.after(self.runtime.overlay.changes())
        self.runtime = self._runtime()
        self.hash = Hash(blake2_256(b"block" + self.hash + self.number.to_bytes(4, "little")))

    def block(self, slot: int) -> None:
        """A whole block, by whoever may."""
        self.begin_at(slot)
        self.finish()

    def call(self, pallet: str, name: str, origin: Origin, **arguments: object) -> PostInfo:
        """Dispatch a call in the block that is begun, through its wire form."""
        table = self.runtime.calls()
        return self.runtime.dispatch(
            table.decode(table.make(pallet, name, **arguments).encode()), origin
        )

    def events(self) -> list[object]:
        """The events of the block that is begun."""
        return [record.event for record in self.runtime.event_records()]


def seat(epoch: SlotEpoch, index: int) -> KeyPair:
    """The key pair of authority ``index`` of an epoch; some pair where there is none."""
    key = epoch.authorities[index] if index < len(epoch.authorities) else None
    found = (pair_of(seed) for seed in range(16) if pair_of(seed).public == key)
    return next(found, pair_of(index))


def signature_of(slot: int, author: int, epoch: SlotEpoch) -> VrfSignature:
    """The output of ``author`` for ``slot``, proved."""
    output, proof = seat(epoch, author).vrf_key().sign(epoch.transcript(slot))
    return VrfSignature(pre_output=VrfPreOutput(output.pre_output), proof=VrfProof(proof))


def claim(
    slot: int, author: int, epoch: SlotEpoch, kind: type[BabePreDigest] = SecondaryVrf
) -> Digest:
    assert kind in (Primary, SecondaryVrf)
    made = kind(  # type: ignore[call-arg]
        authority_index=U32(author),
        slot=U64(slot),
        vrf_signature=signature_of(slot, author, epoch),
    )
    return digest_of(made)


def digest_of(claim: BabePreDigest) -> Digest:
    return raw_claim(codec(BabePreDigest).encode(claim))


def raw_claim(data: bytes) -> Digest:
    return Digest((PreRuntime(engine=BABE_ENGINE, data=data),))
