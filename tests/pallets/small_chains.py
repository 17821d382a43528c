"""Two small chains for the tests of the pallets of every chain: one of money, one of slots."""

from functools import cache

from pallets.babe import Babe, SlotEpoch, secondary_author
from pallets.balances import Balances
from pallets.frame import FrameRuntime, Origin, StateReader, pallet
from pallets.frame.context import FINALIZATION, INITIALIZATION
from pallets.frame.genesis import build_genesis
from pallets.frame.limits import BLOCK_LENGTH, DB_WEIGHT, block_weights
from pallets.frame.overlay import DictState
from pallets.frame.version import RuntimeVersion
from pallets.grandpa import Grandpa
from pallets.session import Session, SessionKeys
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


class Slots(FrameRuntime):
    """Slots, sessions and finality."""

    system: System = pallet(index=0)
    babe: Babe = pallet(index=2)
    timestamp: Timestamp = pallet(index=3)
    session: Session = pallet(index=12)
    grandpa: Grandpa = pallet(index=16)

    def wire(self) -> None:
        self.system.config = System.Config(**SYSTEM)
        self.babe.config = Babe.Config(
            epoch_duration=U64(EPOCH_SLOTS),
            expected_block_time=Moment(SLOT_MS),
            max_authorities=U32(4),
            chain=self.system,
            sessions=self.session,
        )
        self.timestamp.config = Timestamp.Config(
            minimum_period=Moment(SLOT_MS // 2), slots=self.babe
        )
        self.session.config = Session.Config(epochs=self.babe, finality=self.grandpa)
        self.grandpa.config = Grandpa.Config(max_authorities=U32(4))


@cache
def pair_of(seed: int) -> KeyPair:
    """The key that authority ``seed`` authors with."""
    return KeyPair.from_seed(bytes([0x10 + seed]) * 32)


@cache
def keys_of(seed: int) -> SessionKeys:
    return SessionKeys(
        babe=AuthorityKey(pair_of(seed).public),
        grandpa=AuthorityKey(bytes([0x20 + seed]) * 32),
    )


VALIDATORS = tuple((who, keys_of(seed)) for seed, who in enumerate((ALICE, BOB, CHARLIE)))


class SlotChain:
    """Blocks of ``Slots``, one after the other, without extrinsics."""

    def __init__(
        self,
        validators: tuple[tuple[AccountId, SessionKeys], ...] = VALIDATORS,
        randomness: bytes = bytes(32),
    ) -> None:
        genesis = {
            "session": Session.Genesis(validators=validators),
            "babe": Babe.Genesis(randomness=Randomness(randomness)),
        }
        self.state = DictState(build_genesis(Slots(DictState({})), genesis))
        self.runtime = Slots(self.state)
        self.number = 0
        self.hash = Hash(blake2_256(b"block 0"))
        self.digest = Digest()

    def owner(self, slot: int) -> int:
        """Whose slot it is, for the next block."""
        epoch = self.runtime.babe.authorities_at(slot)
        return secondary_author(slot, epoch.randomness, len(epoch.authorities))

    def begin(self, digest: Digest) -> None:
        """Begin the next block; a refused one leaves nothing behind."""
        runtime = Slots(self.state)
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
        chosen = self.owner(slot) if author is None else author
        return claim(slot, chosen, self.runtime.babe.authorities_at(slot), kind)

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
        self.runtime = Slots(self.state)
        self.hash = Hash(blake2_256(b"block" + self.hash + self.number.to_bytes(4, "little")))

    def block(self, slot: int) -> None:
        """A whole block, by whoever may."""
        self.begin_at(slot)
        self.finish()


def signature_of(slot: int, author: int, epoch: SlotEpoch) -> VrfSignature:
    """The output of ``author`` for ``slot``, proved."""
    output, proof = pair_of(author).vrf_key().sign(epoch.transcript(slot))
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
