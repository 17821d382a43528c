"""A pallet cut to the bone, and a runtime around it, for the tests of the kernel."""

# ruff: noqa: N818  errors are named as pallets name them

from typing import Annotated, Protocol

from pallets.frame import (
    Blake2_128Concat,
    Call,
    Doc,
    FrameRuntime,
    Identity,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    PalletGenesis,
    PostInfo,
    StateReader,
    StorageDoubleMap,
    StorageMap,
    StorageValue,
    Twox64Concat,
    Weight,
    call,
    ensure,
    ensure_root,
    ensure_signed,
    event,
    pallet,
)
from primitives.scale import U8, U32, BoundedBytes
from primitives.types import AccountId, Balance, BlockNumber

ALICE = AccountId(b"\x01" * 32)
BOB = AccountId(b"\x02" * 32)


class Note(BoundedBytes, limit=64):
    """What a guest writes."""


class Deposits(Protocol):
    """What the book needs of a currency."""

    def hold(self, who: AccountId, amount: Balance) -> None:
        """Set ``amount`` aside or raise."""
        ...


class GuestBook(Pallet):
    """A book each account may sign once."""

    class Config(PalletConfig):
        """Constants and the currency."""

        entries_max: Annotated[U32, Doc("The most entries the book can hold.")]
        deposit: Annotated[Balance, Doc("Held while an entry stands, in planck.")]
        currency: Deposits

    class Genesis(PalletGenesis):
        """Entries at the start."""

        entries: tuple[tuple[AccountId, Note], ...] = ()

    config: Config

    # Users choose the keys.
    entries = StorageMap(
        AccountId, Note, hasher=Blake2_128Concat, counted=True, doc="Note of each signer."
    )
    pages = StorageDoubleMap(
        BlockNumber, U8, Note, default=Note(b""), hashers=(Twox64Concat, Identity), doc="Pages."
    )
    count = StorageValue(U32, default=U32(0), doc="How many entries stand.", wire_name="EntryCount")
    last = StorageValue(AccountId, doc="Who signed last.")

    @event(index=0)
    class Signed:
        """``who`` signed the book, which now holds ``count`` entries."""

        who: AccountId
        count: U32

    @event(index=3)
    class Closed:
        """The book is closed."""

    class AlreadySigned(PalletError, index=0):
        """This account has an entry already; sign from another account."""

    class BookFull(PalletError, index=2):
        """The book holds ``entries_max`` entries; it takes no more."""

    def genesis_build(self, genesis: Genesis) -> None:
        """Write the first entries."""
        for who, note in genesis.entries:
            self._insert(who, note)

    def on_initialize(self, n: BlockNumber) -> Weight:
        """Turn a page."""
        self.pages[n, U8(0)] = Note(b"page")
        return Weight(writes=1)

    @call(index=0, weight=Weight(reads=2, writes=3))
    def sign(self, origin: Origin, note: Note) -> None:
        """Write ``note`` under the caller's account. Origin: signed."""
        who = ensure_signed(origin)
        self._insert(who, note)  # before the checks, so that a failure must undo it
        ensure(self.count.get() <= self.config.entries_max, self.BookFull)
        ensure(self.last.get() != who, self.AlreadySigned)
        self.config.currency.hold(who, self.config.deposit)
        self.last.put(who)
        self.deposit_event(self.Signed(who=who, count=self.count.get()))

    @call(index=1, weight=lambda count: Weight(ref_time=int(count) * 1000), pays_fee=False)
    def divide(self, origin: Origin, count: U32) -> Weight:
        """Fail by arithmetic where ``count`` is nothing; return half of what was declared."""
        ensure_signed(origin)
        U32(100) // count
        return Weight(ref_time=int(count) * 500)

    @call(index=4, weight=Weight(), dispatch_class="operational")
    def crash(self, origin: Origin) -> None:
        """Break an assumption."""
        self.count.put(U32(77))
        raise RuntimeError("a programmer's error")

    @call(index=5, weight=Weight(reads=1))
    def both(self, origin: Origin, first: Call, rest: tuple[Call, ...]) -> PostInfo:
        """Dispatch calls; the first must succeed."""
        self.dispatch(first, origin)
        for each in rest:
            self.try_dispatch(each, origin)
        return PostInfo(pays_fee=False)

    @call(index=6, weight=Weight(writes=1))
    def close(self, origin: Origin) -> None:
        """Say so. Origin: root."""
        ensure_root(origin)
        self.deposit_event(self.Closed())

    @call(index=7, weight=lambda count: Weight(ref_time=U32(1) // count))
    def weigh(self, origin: Origin, count: U32) -> None:
        """Have a weight that cannot be told where ``count`` is nothing."""

    def _insert(self, who: AccountId, note: Note) -> None:
        self.entries[who] = note
        self.count.mutate(lambda count: U32(count + 1))


class Purse:
    """Holds whatever it is told to."""

    def __init__(self) -> None:
        self.held: list[tuple[AccountId, Balance]] = []

    def hold(self, who: AccountId, amount: Balance) -> None:
        self.held.append((who, amount))


class Small(FrameRuntime):
    """One book."""

    guest_book: GuestBook = pallet(index=7)

    def __init__(self, state: StateReader) -> None:
        self.purse = Purse()
        super().__init__(state)

    def wire(self) -> None:
        self.guest_book.config = GuestBook.Config(
            entries_max=U32(3), deposit=Balance(5), currency=self.purse
        )
