"""A small chain with money, time and a guest book, and its users: for tests of the executive."""

from dataclasses import replace
from functools import cache

from pallets.balances import Balances
from pallets.frame import DictState, InherentData, StateReader, pallet
from pallets.frame.executive import Executive, ExecutiveConfig, ExecutiveRuntime
from pallets.frame.genesis import build_genesis
from pallets.frame.limits import BLOCK_LENGTH, DB_WEIGHT, block_weights
from pallets.frame.version import RuntimeVersion
from pallets.system import System
from pallets.timestamp import Timestamp
from pallets.transaction_payment import TransactionPayment
from primitives.crypto.keys import KeyPair
from primitives.digest import Digest
from primitives.era import Era
from primitives.extrinsic import Implicit, MultiAddressId, UncheckedExtrinsic, sign_extrinsic
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.scale import U8, U16, U32
from primitives.types import AccountId, Balance, BlockNumber, Hash, Moment
from tests.pallets.frame.guest_book import GuestBook, Purse

TREASURY = AccountId(b"\x7f" * 32)
SLOT_MS = 6_000
WEIGHTS = block_weights(2 * 10**12)
GENESIS_HASH = blake2_256(b"a genesis")
COIN = 10**18
VERSION = RuntimeVersion(
    spec_name="ledger",
    impl_name="ledger",
    authoring_version=U32(1),
    spec_version=U32(7),
    impl_version=U32(1),
    apis=(),
    transaction_version=U32(3),
    system_version=U8(1),
)


class Anyone:
    """No consensus: every time is right and nobody is the author."""

    def on_timestamp_set(self, moment: Moment) -> None: ...

    def author(self) -> AccountId | None:
        return None


class Ledger(ExecutiveRuntime):
    """System, time, money, fees and a book."""

    system: System = pallet(index=0)
    timestamp: Timestamp = pallet(index=3)
    balances: Balances = pallet(index=6)
    transaction_payment: TransactionPayment = pallet(index=7)
    guest_book: GuestBook = pallet(index=200)

    def __init__(self, state: StateReader) -> None:
        self.purse = Purse()
        super().__init__(state)

    def wire(self) -> None:
        self.system.config = System.Config(
            block_weights=WEIGHTS,
            block_length=BLOCK_LENGTH,
            block_hash_count=BlockNumber(8),
            db_weight=DB_WEIGHT,
            version=VERSION,
            ss58_prefix=U16(11330),
        )
        self.timestamp.config = Timestamp.Config(
            minimum_period=Moment(SLOT_MS // 2), slots=Anyone()
        )
        self.balances.config = Balances.Config(
            existential_deposit=Balance(1000), accounts=self.system
        )
        self.transaction_payment.config = TransactionPayment.Config(
            operational_fee_multiplier=U8(5),
            weight_fee=Balance(10),
            length_fee=Balance(1_000_000),
            author_share=U8(20),
            fee_treasury=TREASURY,
            currency=self.balances,
            blocks=self.system,
            authors=Anyone(),
        )
        self.guest_book.config = GuestBook.Config(
            entries_max=U32(1000), deposit=Balance(5), currency=self.purse
        )

    def executive_config(self) -> ExecutiveConfig:
        return ExecutiveConfig(
            system=self.system,
            payment=self.transaction_payment,
            weights=WEIGHTS,
            length=BLOCK_LENGTH,
            spec_version=int(VERSION.spec_version),
            transaction_version=int(VERSION.transaction_version),
        )


@cache
def user(name: str) -> KeyPair:
    return KeyPair.from_suri(f"//{name}")


def genesis(*names: str) -> DictState:
    rich = tuple((user(name).account_id, Balance(1000 * COIN)) for name in names)
    given = {"balances": Balances.Genesis(balances=((TREASURY, Balance(COIN)), *rich))}
    return DictState(build_genesis(Ledger(DictState({})), given))


class Block:
    """A block being built upon ``state``, and how users sign for it."""

    def __init__(
        self, state: StateReader, number: int = 1, parent: Hash = GENESIS_HASH, **options: object
    ) -> None:
        self.state = state
        self.runtime = Ledger(state)
        self.executive = Executive(self.runtime, **options)  # type: ignore[arg-type]
        self.parent = parent
        self.number = BlockNumber(number)
        self.body: list[bytes] = []
        self.executive.initialize_block(parent, self.number, Digest())

    def put_inherents(self) -> None:
        data = InherentData(timestamp_ms=1_000_000 + int(self.number) * SLOT_MS)
        for ext in self.executive.inherent_extrinsics(data):
            self.apply(ext)

    def apply(self, ext: bytes):
        outcome = self.executive.apply_extrinsic(ext)
        self.body.append(ext)
        return outcome

    def finish(self) -> tuple[Header, DictState]:
        done = self.executive.finalize_block()
        header = Header(
            parent_hash=self.parent,
            number=self.number,
            state_root=Hash(bytes(32)),
            extrinsics_root=done.extrinsics_root,
            digest=done.digest,
        )
        assert isinstance(self.state, DictState)
        return header, self.state.after(done.changes)

    def events(self) -> list[object]:
        return [record.event for record in self.runtime.event_records()]


def started(*names: str, **options: object) -> Block:
    """Block 1 with its inherents in."""
    block = Block(genesis(*names), **options)
    block.put_inherents()
    return block


def implicit(**changes: object) -> Implicit:
    return replace(
        Implicit(
            spec_version=VERSION.spec_version,
            transaction_version=VERSION.transaction_version,
            genesis_hash=GENESIS_HASH,
            birth_hash=GENESIS_HASH,
        ),
        **changes,
    )


def signed(
    name: str,
    nonce: int,
    pallet_name: str,
    call_name: str,
    /,
    *,
    tip: int = 0,
    era: Era | None = None,
    implied: Implicit | None = None,
    **arguments: object,
) -> bytes:
    call = Ledger.calls().make(pallet_name, call_name, **arguments).encode()
    return sign_extrinsic(
        call, user(name), nonce, tip, era or Era.immortal(), implied or implicit()
    )


def transfer(name: str, nonce: int, to: str, value: int, **options: object) -> bytes:
    dest = MultiAddressId(user(to).account_id)
    return signed(
        name, nonce, "Balances", "transfer_keep_alive", dest=dest, value=Balance(value), **options
    )


def bare(pallet_name: str, call_name: str, **arguments: object) -> bytes:
    call = Ledger.calls().make(pallet_name, call_name, **arguments).encode()
    return UncheckedExtrinsic(signed=None, call=call).encode()
