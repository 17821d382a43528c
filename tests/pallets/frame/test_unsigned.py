"""Calls that nobody signs: only those that their pallet takes, each time it is asked."""

from dataclasses import replace
from functools import cache

import pytest

from pallets.frame import (
    Call,
    DictState,
    Origin,
    Pallet,
    PalletConfig,
    StateReader,
    StorageValue,
    Weight,
    call,
    ensure_none,
    pallet,
)
from pallets.frame.dispatch import RuntimePanic
from pallets.frame.executive import Executive
from pallets.frame.validity import (
    CallNotExpected,
    ExhaustsResources,
    NoUnsignedValidator,
    Stale,
    TransactionInvalid,
    TransactionSource,
    TransactionUnknown,
    ValidTransaction,
)
from primitives import trie
from primitives.digest import Digest
from primitives.errors import InvalidBlock
from primitives.extrinsic import UncheckedExtrinsic
from primitives.scale import U32, U64
from primitives.types import BlockNumber
from tests.pallets.frame.ledger import GENESIS_HASH, Block, Ledger, genesis, transfer


class Bell(Pallet):
    """It rings once for each number above the last, and nobody pays."""

    class Config(PalletConfig):
        """Nothing."""

    rung = StorageValue(U32, default=U32(0), doc="The last number.")

    def validate_unsigned(self, source: TransactionSource, call: Call) -> ValidTransaction | None:
        if call.name not in ("ring", "crack"):
            return None
        if source is TransactionSource.External:
            raise TransactionInvalid(CallNotExpected())
        if call.args[0] <= self.rung.get():
            raise TransactionInvalid(Stale())
        return ValidTransaction(
            priority=U64(9), requires=(), provides=(b"bell",), longevity=U64(5), propagate=False
        )

    @call(index=0, weight=Weight(reads=1, writes=1))
    def ring(self, origin: Origin, number: U32) -> None:
        ensure_none(origin)
        self.rung.put(number)

    @call(index=1, weight=Weight(ref_time=3 * 10**12))
    def crack(self, origin: Origin, number: U32) -> None:
        ensure_none(origin)

    @call(index=2, weight=Weight(ref_time=1))
    def hush(self, origin: Origin, number: U32) -> None:
        ensure_none(origin)


class BellTower(Ledger):
    """The small chain with a bell."""

    bell: Bell = pallet(index=201)

    def wire(self) -> None:
        super().wire()
        self.bell.config = Bell.Config()


def bare(name: str, number: int) -> bytes:
    made = BellTower.calls().make("Bell", name, number=U32(number))
    return UncheckedExtrinsic(signed=None, call=made.encode()).encode()


@cache
def state() -> DictState:
    return genesis("Alice", "Bob")


class Tower(Block):
    """A block of that chain, being built."""

    def __init__(self, parent_state: StateReader) -> None:
        self.state = parent_state
        self.runtime = BellTower(parent_state)
        self.executive = Executive(self.runtime)
        self.parent = GENESIS_HASH
        self.number = BlockNumber(1)
        self.body = []
        self.executive.initialize_block(self.parent, self.number, Digest())


@pytest.fixture
def block() -> Tower:
    made = Tower(state())
    made.put_inherents()
    return made


def test_a_call_that_its_pallet_takes_is_run_for_nothing(block):
    outcome = block.apply(bare("ring", 3))
    assert outcome.error is None
    assert block.runtime.bell.rung.get() == 3
    names = [type(event).__name__ for event in block.events()]
    assert names == ["ExtrinsicSuccess"] * 2  # no fee is taken


def test_it_is_asked_again_before_it_is_run(block):
    block.apply(bare("ring", 3))
    with pytest.raises(TransactionInvalid) as caught:
        block.apply(bare("ring", 3))
    assert caught.value.reason == Stale()
    assert len(block.body) == 2


def test_a_call_that_no_pallet_takes_is_refused(block):
    with pytest.raises(TransactionUnknown) as caught:
        block.apply(bare("hush", 3))
    assert caught.value.reason == NoUnsignedValidator()


def test_its_weight_counts_and_must_fit(block):
    before = block.executive._normal.time
    block.apply(bare("ring", 1))
    assert block.executive._normal.time > before
    with pytest.raises(TransactionInvalid) as caught:
        block.apply(bare("crack", 2))
    assert caught.value.reason == ExhaustsResources()


def test_it_comes_after_the_inherents_and_no_inherent_after_it(block):
    with pytest.raises(InvalidBlock, match="Timestamp"):
        Tower(state()).apply(bare("ring", 1))
    inherent = block.body[0]
    block.apply(bare("ring", 1))
    with pytest.raises(TransactionInvalid) as caught:
        block.apply(inherent)
    assert caught.value.reason == CallNotExpected()
    block.apply(transfer("Alice", 0, "Bob", 10**18))
    block.apply(bare("ring", 2))


def test_an_importer_repeats_it_and_refuses_a_stale_one(block):
    block.apply(bare("ring", 1))
    header, after = block.finish()
    changes = Executive(BellTower(state())).execute_block(header, block.body)
    assert state().after(changes).entries() == after.entries()
    twice = [*block.body, block.body[-1]]
    forged = replace(header, extrinsics_root=trie.ordered_root(twice))
    with pytest.raises(InvalidBlock, match="outdated"):
        Executive(BellTower(state())).execute_block(forged, twice)


def judge(ext: bytes, source: TransactionSource = TransactionSource.Local):
    return Executive(BellTower(state())).examine_transaction(ext, GENESIS_HASH, source)


def test_the_pool_is_told_what_the_pallet_says_and_that_nobody_pays():
    found = judge(bare("ring", 1))
    assert (found.signer, found.fee) == (None, 0)
    assert found.validity.provides == (b"bell",)
    assert found.validity.longevity == 5
    same = Executive(BellTower(state())).validate_transaction(
        TransactionSource.Local, bare("ring", 1), GENESIS_HASH
    )
    assert same == found.validity


def test_the_pool_refuses_what_is_from_elsewhere_too_heavy_or_of_no_pallet():
    with pytest.raises(TransactionInvalid) as caught:
        judge(bare("ring", 1), TransactionSource.External)
    assert caught.value.reason == CallNotExpected()
    with pytest.raises(TransactionInvalid) as caught:
        judge(bare("crack", 1))
    assert caught.value.reason == ExhaustsResources()
    with pytest.raises(TransactionUnknown):
        judge(bare("hush", 1))


def test_a_pallet_that_breaks_over_it_drops_it_and_nothing_more(block, monkeypatch):
    def broken(source, call):
        raise InvalidBlock("a mistake of the pallet")

    monkeypatch.setattr(block.runtime.bell, "validate_unsigned", broken)
    with pytest.raises(RuntimePanic):
        block.apply(bare("ring", 1))
    assert len(block.body) == 1
