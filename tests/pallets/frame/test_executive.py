"""Blocks from extrinsics: what may enter, what stays, what a block must be."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.frame import DictState, DispatchClass, InherentData, RuntimePanic, TransactionSource
from pallets.frame.error import DispatchModule
from pallets.frame.executive import Executive, InherentRejected
from pallets.frame.limits import BLOCK_BYTES_MAX, BLOCK_LENGTH
from pallets.frame.signatures import ECDSA_WEIGHT, SignatureCheck, check_signature
from pallets.frame.validity import (
    LONGEST,
    AncientBirthBlock,
    BadMandatory,
    BadProof,
    BadSigner,
    CallNotExpected,
    CannotLookup,
    ExhaustsResources,
    Future,
    InvalidTransaction,
    MandatoryValidation,
    NoUnsignedValidator,
    Payment,
    Stale,
    TransactionInvalid,
    TransactionUnknown,
)
from pallets.system import System
from pallets.transaction_payment import TransactionPayment
from primitives import trie
from primitives.crypto.keys import KeyPair
from primitives.digest import BABE_ENGINE, Consensus, Digest, Other, PreRuntime, Seal
from primitives.era import Era
from primitives.errors import DecodeError, InvalidBlock, StateUnreadable, StorageCorrupt
from primitives.extrinsic import (
    MultiAddressId,
    MultiAddressRaw,
    SignedExtra,
    SignedPart,
    UncheckedExtrinsic,
    sign_extrinsic,
    signing_payload,
)
from primitives.hashing import blake2_256
from primitives.scale import U32, U128
from primitives.types import AccountId, Balance, BlockNumber, Hash, Moment
from tests.pallets.frame import ledger
from tests.pallets.frame.guest_book import GuestBook, Note
from tests.pallets.frame.ledger import (
    COIN,
    GENESIS_HASH,
    Block,
    Ledger,
    bare,
    genesis,
    implicit,
    signed,
    started,
    transfer,
    user,
)

LOCAL = TransactionSource.Local


def refusal(block: Block, ext: bytes) -> InvalidTransaction:
    """Why ``ext`` cannot enter, having seen that nothing changed."""
    before, events = block.runtime.overlay.changes(), list(block.runtime.overlay.events)
    with pytest.raises(TransactionInvalid) as caught:
        block.apply(ext)
    assert block.runtime.overlay.changes() == before
    assert block.runtime.overlay.events == events
    return caught.value.reason


def test_a_transfer_moves_money_and_costs_a_fee() -> None:
    block = started("Alice", "Bob")
    before = block.runtime.balances.free(user("Alice").account_id)
    assert block.apply(transfer("Alice", 0, "Bob", COIN)).error is None
    paid = [e for e in block.events() if isinstance(e, TransactionPayment.TransactionFeePaid)]
    assert len(paid) == 1
    assert paid[0].actual_fee > 0
    after = block.runtime.balances.free(user("Alice").account_id)
    assert after == before - COIN - paid[0].actual_fee
    assert block.runtime.balances.free(user("Bob").account_id) == 1001 * COIN
    assert isinstance(block.events()[-1], System.ExtrinsicSuccess)
    assert block.runtime.event_records()[-1].extrinsic == 1


def test_a_failed_call_leaves_nonce_fee_and_event_and_nothing_else() -> None:
    block = started("Alice")
    alice = user("Alice").account_id
    before = block.runtime.balances.free(alice)
    assert block.apply(signed("Alice", 0, "GuestBook", "sign", note=Note(b"a"))).error is None
    between, count = block.runtime.balances.free(alice), block.runtime.guest_book.count.get()
    failed = block.apply(signed("Alice", 1, "GuestBook", "sign", note=Note(b"b")))
    assert isinstance(failed.error, DispatchModule)
    assert block.runtime.guest_book.entries[alice] == b"a"
    assert block.runtime.guest_book.count.get() == count
    assert block.runtime.balances.free(alice) < between < before
    assert block.runtime.system.nonce_of(alice) == 2
    last = block.events()[-1]
    assert isinstance(last, System.ExtrinsicFailed)
    assert last.dispatch_error == failed.error


def test_what_is_not_used_is_given_back() -> None:
    block = started("Alice", "Bob")
    alice = user("Alice").account_id
    block.apply(signed("Alice", 0, "GuestBook", "sign", note=Note(b"a")))
    inner = Ledger.calls().make("GuestBook", "divide", count=U32(4))
    before = block.runtime.balances.free(alice)
    block.apply(signed("Alice", 1, "GuestBook", "both", first=inner, rest=()))
    assert block.runtime.balances.free(alice) == before  # pays_fee=False in its PostInfo
    block.apply(signed("Alice", 2, "GuestBook", "divide", count=U32(1_000_000)))
    info = block.events()[-1].dispatch_info
    base = int(ledger.WEIGHTS.per_class.normal.base_extrinsic.ref_time)
    assert int(info.weight.ref_time) == base + 500_000_000


@pytest.mark.parametrize(
    ("nonce", "reason"), [(0, Stale), (2, Future), (7, Future)], ids=["stale", "next", "later"]
)
def test_a_nonce_is_used_once_and_in_order(nonce: int, reason: type[InvalidTransaction]) -> None:
    block = started("Alice", "Bob")
    block.apply(transfer("Alice", 0, "Bob", COIN))
    assert isinstance(refusal(block, transfer("Alice", nonce, "Bob", COIN)), reason)


def test_a_replayed_extrinsic_is_stale() -> None:
    block = started("Alice", "Bob")
    ext = transfer("Alice", 0, "Bob", COIN)
    block.apply(ext)
    assert isinstance(refusal(block, ext), Stale)


@pytest.mark.parametrize(
    "change",
    [
        {"spec_version": U32(8)},
        {"transaction_version": U32(4)},
        {"genesis_hash": blake2_256(b"another chain")},
        {"birth_hash": blake2_256(b"another fork")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_signature_for_another_runtime_chain_or_fork_is_bad(change: dict[str, object]) -> None:
    block = started("Alice", "Bob")
    ext = transfer("Alice", 0, "Bob", COIN, implied=implicit(**change))
    assert isinstance(refusal(block, ext), BadProof)


def test_a_flipped_byte_anywhere_makes_the_signature_bad_or_the_bytes_undecodable() -> None:
    block = started("Alice", "Bob")
    ext = transfer("Alice", 0, "Bob", COIN)
    before = block.runtime.overlay.changes()
    for at in range(0, len(ext), 7):
        forged = bytearray(ext)
        forged[at] ^= 1
        with pytest.raises((TransactionInvalid, TransactionUnknown, DecodeError)):
            block.apply(bytes(forged))
    assert block.runtime.overlay.changes() == before


def test_a_signature_by_somebody_else_is_bad() -> None:
    block = started("Alice", "Bob", "Mallory")
    call = UncheckedExtrinsic.decode(transfer("Alice", 0, "Mallory", COIN)).call
    extra = SignedExtra(era=Era.immortal(), nonce=U32(0), tip=U128(0))
    signature = user("Mallory").multi_signature(signing_payload(call, extra, implicit()))
    address = MultiAddressId(user("Alice").account_id)
    ext = UncheckedExtrinsic(SignedPart(address, signature, extra), call).encode()
    assert isinstance(refusal(block, ext), BadProof)


def test_the_signature_is_judged_before_everything_else() -> None:
    block = started("Alice", "Bob")
    ext = transfer("Nobody", 9, "Bob", COIN, implied=implicit(spec_version=U32(8)))
    assert isinstance(refusal(block, ext), BadProof)


def test_an_address_must_be_an_account() -> None:
    block = started("Alice", "Bob")
    extrinsic = UncheckedExtrinsic.decode(transfer("Alice", 0, "Bob", COIN))
    assert extrinsic.signed is not None
    part = replace(extrinsic.signed, address=MultiAddressRaw(b"alice"))
    with pytest.raises(TransactionUnknown) as caught:
        block.apply(UncheckedExtrinsic(part, extrinsic.call).encode())
    assert isinstance(caught.value.reason, CannotLookup)


def test_the_account_of_zeros_signs_nothing() -> None:
    block = started("Alice", "Bob", verifier=lambda check: True)
    extrinsic = UncheckedExtrinsic.decode(transfer("Alice", 0, "Bob", COIN))
    assert extrinsic.signed is not None
    part = replace(extrinsic.signed, address=MultiAddressId(AccountId(bytes(32))))
    assert isinstance(refusal(block, UncheckedExtrinsic(part, extrinsic.call).encode()), BadSigner)


def test_an_account_that_does_not_exist_cannot_pay() -> None:
    block = started("Alice", "Bob")
    assert isinstance(refusal(block, transfer("Nobody", 0, "Bob", COIN)), Payment)


def test_a_tip_beyond_the_balance_cannot_be_paid() -> None:
    block = started("Alice", "Bob")
    assert isinstance(refusal(block, transfer("Alice", 0, "Bob", 1, tip=2000 * COIN)), Payment)
    assert block.apply(transfer("Alice", 0, "Bob", 1, tip=COIN)).error is None


def test_mortal_extrinsics_live_for_their_era_and_only_on_their_fork() -> None:
    state, parent = genesis("Alice", "Bob"), GENESIS_HASH
    hashes = {0: GENESIS_HASH}
    for number in range(1, 12):
        block = Block(state, number, parent)
        block.put_inherents()
        header, state = block.finish()
        parent = header.hash()
        hashes[number] = parent
    block = Block(state, 12, parent)
    block.put_inherents()
    good = Era.mortal(4, 11)
    birth = hashes[good.birth(12)]
    nonces = iter(range(9))
    ext = transfer("Alice", next(nonces), "Bob", 1, era=good, implied=implicit(birth_hash=birth))
    assert block.apply(ext).error is None
    other = implicit(birth_hash=hashes[9])
    forked = transfer("Alice", 1, "Bob", 1, era=good, implied=other)
    assert isinstance(refusal(block, forked), BadProof)
    old = Era.mortal(16, 3)  # born in block 3, whose hash is forgotten after eight blocks
    past = implicit(birth_hash=hashes[3])
    ancient = transfer("Alice", 1, "Bob", 1, era=old, implied=past)
    assert isinstance(refusal(block, ancient), AncientBirthBlock)
    passed = implicit(birth_hash=hashes[5])  # an era of blocks 5 to 8, read as one from 9 on
    dead = transfer("Alice", 1, "Bob", 1, era=Era.mortal(4, 5), implied=passed)
    assert isinstance(refusal(block, dead), BadProof)


def test_a_block_is_full_by_weight_at_three_quarters_for_users() -> None:
    block = started("Alice")
    normal = block.executive._normal
    normal.time = normal.class_time - normal.base_time - 8000
    over = signed("Alice", 0, "GuestBook", "divide", count=U32(9))
    assert isinstance(refusal(block, over), ExhaustsResources)
    assert block.apply(signed("Alice", 0, "GuestBook", "divide", count=U32(8))).error is None
    # Half of the declared weight was given back, and counts for nothing.
    assert normal.class_time - normal.time == 4000
    assert isinstance(
        refusal(block, signed("Alice", 1, "GuestBook", "divide", count=U32(1))), ExhaustsResources
    )


def test_an_extrinsic_larger_than_a_block_is_refused_in_pool_and_block() -> None:
    block = started("Alice")
    most = int(ledger.WEIGHTS.per_class.normal.max_extrinsic.ref_time) // 1000
    over = signed("Alice", 0, "GuestBook", "divide", count=U32(most + 1))
    assert isinstance(refusal(block, over), ExhaustsResources)
    with pytest.raises(TransactionInvalid):
        pool().validate_transaction(LOCAL, over, GENESIS_HASH)
    at = signed("Alice", 0, "GuestBook", "divide", count=U32(most))
    assert pool().validate_transaction(LOCAL, at, GENESIS_HASH).priority > 0


def test_a_block_is_full_by_length_at_three_quarters_for_users() -> None:
    block = started("Alice", verifier=lambda check: True)
    normal = int(BLOCK_LENGTH.max.normal)
    remark = bytes(normal // 2 - 100)
    block.apply(signed("Alice", 0, "System", "remark", remark=remark))
    assert isinstance(
        refusal(block, signed("Alice", 1, "System", "remark", remark=remark)), ExhaustsResources
    )
    overhead = len(signed("Alice", 1, "System", "remark", remark=bytes(100_000))) - 100_000
    rest = normal - block.executive._length - overhead
    over = signed("Alice", 1, "System", "remark", remark=bytes(rest + 1))
    assert isinstance(refusal(block, over), ExhaustsResources)
    exact = signed("Alice", 1, "System", "remark", remark=bytes(rest))
    assert block.apply(exact).error is None


def test_what_is_longer_than_a_block_is_not_even_decoded() -> None:
    block = started("Alice")
    assert isinstance(refusal(block, bytes(BLOCK_BYTES_MAX + 1)), ExhaustsResources)


def test_operational_calls_may_use_what_users_leave() -> None:
    block = started("Alice")
    normal, operational = block.executive._normal, block.executive._operational
    normal.time = normal.class_time
    one = signed("Alice", 0, "GuestBook", "divide", count=U32(1))
    assert isinstance(refusal(block, one), ExhaustsResources)
    items = tuple((b"k%d" % index, b"v") for index in range(3000))
    info = Ledger.calls().make("System", "set_storage", items=items).info()
    assert info.dispatch_class is DispatchClass.Operational
    ext = signed("Alice", 0, "System", "set_storage", items=items)
    assert block.apply(ext).error is not None  # BadOrigin, but it was let in
    assert operational.time == info.weight.ref_time + operational.base_time
    # The quarter that is kept for them is theirs even in a block that is too full.
    normal.time = block.executive._max_time
    assert block.apply(signed("Alice", 1, "System", "set_storage", items=items[:9])).error
    operational.time = operational.reserved_time
    again = signed("Alice", 2, "System", "set_storage", items=items[:9])
    assert isinstance(refusal(block, again), ExhaustsResources)


def test_a_panic_drops_the_extrinsic_and_not_the_block() -> None:
    block = started("Alice", "Bob")
    before = block.runtime.overlay.changes()
    with pytest.raises(RuntimePanic, match="programmer's error") as caught:
        block.apply(signed("Alice", 0, "GuestBook", "crash"))
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert block.runtime.overlay.changes() == before
    assert block.apply(transfer("Alice", 0, "Bob", COIN)).error is None
    block.finish()


def test_a_weight_that_cannot_be_told_is_a_panic_in_block_and_pool() -> None:
    ext = signed("Alice", 0, "GuestBook", "weigh", count=U32(0))
    with pytest.raises(RuntimePanic, match="weighing"):
        started("Alice").apply(ext)
    with pytest.raises(RuntimePanic, match="weighing"):
        pool().validate_transaction(LOCAL, ext, GENESIS_HASH)


@pytest.mark.parametrize(
    "failure",
    [
        StorageCorrupt("a node is missing"),
        StateUnreadable("the disk is gone"),
        MemoryError(),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_bad_disk_is_not_a_failed_call(failure: Exception) -> None:
    class Broken:
        def __init__(self, state: DictState) -> None:
            self.state, self.is_broken = state, False

        def get(self, key: bytes) -> bytes | None:
            if self.is_broken:
                raise failure
            return self.state.get(key)

        def next_key(self, key: bytes) -> bytes | None:
            return self.state.next_key(key)

    state = Broken(genesis("Alice", "Bob"))
    block = Block(state)  # type: ignore[arg-type]
    block.put_inherents()
    block.apply(transfer("Alice", 0, "Bob", COIN))
    state.is_broken = True
    with pytest.raises(type(failure)):
        block.apply(signed("Alice", 1, "GuestBook", "sign", note=Note(b"x")))


@pytest.mark.parametrize("name", ["remark", "both"])
def test_an_ecdsa_signature_weighs_and_costs_what_it_takes(name: str) -> None:
    """A block of calls that weigh nothing would hold up its importers for longer than a slot."""
    pair, block = KeyPair.from_suri("//Slow", "ecdsa"), started("Alice")
    dest = MultiAddressId(pair.account_id)
    give = {"dest": dest, "value": Balance(100 * COIN)}
    block.apply(signed("Alice", 0, "Balances", "transfer_keep_alive", **give))
    table = Ledger.calls()
    call = table.make("System", "remark", remark=b"")
    if name == "both":
        call = table.make("GuestBook", "both", first=call, rest=())

    def used(signer: KeyPair, nonce: int) -> tuple[int, int, int]:
        ext = sign_extrinsic(call.encode(), signer, nonce, 0, Era.immortal(), implicit())
        before = block.executive._normal.time
        block.apply(ext)
        shown = block.events()[-1]
        assert isinstance(shown, System.ExtrinsicSuccess)
        paid = block.events()[-2]
        cost = int(paid.actual_fee) if hasattr(paid, "actual_fee") else 0
        return block.executive._normal.time - before, int(shown.dispatch_info.weight.ref_time), cost

    fast, slow = used(user("Alice"), 1), used(pair, 0)
    assert slow[0] - fast[0] == slow[1] - fast[1] == ECDSA_WEIGHT.ref_time
    if name == "remark":
        assert slow[2] > fast[2]


# Inherents.


def test_the_time_comes_first_and_once() -> None:
    block = Block(genesis("Alice", "Bob"))
    with pytest.raises(InvalidBlock, match="Timestamp"):
        block.apply(transfer("Alice", 0, "Bob", COIN))
    block.put_inherents()
    again = bare("Timestamp", "set", now=Moment(99_000_000))
    assert isinstance(refusal(block, again), CallNotExpected)
    block.apply(transfer("Alice", 0, "Bob", COIN))
    assert isinstance(refusal(block, again), CallNotExpected)


def test_a_block_without_the_time_cannot_be_finished() -> None:
    with pytest.raises(InvalidBlock, match="Timestamp"):
        Block(genesis("Alice")).executive.finalize_block()


def test_nobody_but_a_provider_puts_bare_extrinsics_into_a_block() -> None:
    block = started("Alice", "Bob")
    dest = MultiAddressId(user("Bob").account_id)
    theft = bare("Balances", "transfer_keep_alive", dest=dest, value=Balance(1))
    with pytest.raises(TransactionUnknown) as caught:
        block.apply(theft)
    assert isinstance(caught.value.reason, NoUnsignedValidator)


def test_a_signed_inherent_is_refused() -> None:
    block = started("Alice")
    ext = signed("Alice", 0, "Timestamp", "set", now=Moment(99_000_000))
    assert isinstance(refusal(block, ext), BadMandatory)
    with pytest.raises(TransactionInvalid) as caught:
        pool().validate_transaction(LOCAL, ext, GENESIS_HASH)
    assert isinstance(caught.value.reason, MandatoryValidation)


def test_an_importer_refuses_a_time_from_the_future_but_may_wait() -> None:
    block = Block(genesis("Alice", "Bob"))
    body = [bare("Timestamp", "set", now=Moment(10_000_000)), transfer("Alice", 0, "Bob", 1)]
    block.executive.check_inherents(body, InherentData(timestamp_ms=10_000_000))
    with pytest.raises(InherentRejected) as caught:
        block.executive.check_inherents(body, InherentData(timestamp_ms=1_000))
    assert caught.value.too_early
    with pytest.raises(InvalidBlock, match="does not decode"):
        block.executive.check_inherents([b"\x00"], InherentData(timestamp_ms=0))


# Somebody else's block.


def built() -> tuple[DictState, Block, "ledger.Header", DictState]:
    state = genesis("Alice", "Bob")
    block = Block(state)
    block.put_inherents()
    block.apply(transfer("Alice", 0, "Bob", COIN))
    block.apply(signed("Bob", 0, "GuestBook", "sign", note=Note(b"hi")))
    block.apply(signed("Bob", 1, "GuestBook", "sign", note=Note(b"hi")))
    header, after = block.finish()
    return state, block, header, after


def executive(state: DictState) -> "ledger.Executive":
    return ledger.Executive(Ledger(state))


def test_a_repeated_block_gives_the_same_changes() -> None:
    state, block, header, after = built()
    changes = executive(state).execute_block(header, block.body)
    assert state.after(changes).entries() == after.entries()
    assert trie.root(state.after(changes).entries()) == trie.root(after.entries())
    raw = after.get(System.events.key())
    assert raw is not None
    assert Ledger.decode_events(raw) == block.runtime.event_records()


def test_a_seal_is_not_looked_at() -> None:
    state, block, header, _ = built()
    sealed = header.sealed(Seal(BABE_ENGINE, bytes(64)))
    executive(state).execute_block(sealed, block.body)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda h, b: (replace(h, number=BlockNumber(2)), b), "block 2 upon block 0"),
        (lambda h, b: (replace(h, extrinsics_root=Hash(bytes(32))), b), "extrinsics have the root"),
        (lambda h, b: (h, b[:-1]), "extrinsics have the root"),
        (lambda h, b: (h, [b[0], b[2], b[1], b[3]]), "extrinsics have the root"),
        (lambda h, b: (replace(h, digest=Digest((Other(b""),))), b), "the digest is"),
        (
            lambda h, b: (replace(h, digest=Digest((Consensus(BABE_ENGINE, b"x"),))), b),
            "the digest is",
        ),
    ],
)
def test_a_block_that_differs_from_its_header_is_invalid(change, text: str) -> None:
    state, block, header, _ = built()
    header, body = change(header, list(block.body))
    with pytest.raises(InvalidBlock, match=text):
        executive(state).execute_block(header, body)


def rooted(header, body: list[bytes]):
    return replace(header, extrinsics_root=trie.ordered_root(body)), body


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda b: b[1:], "lacks the inherent"),
        (lambda b: [b[1], b[0], *b[2:]], "lacks the inherent"),
        (lambda b: [*b, b[1]], "outdated"),
        (lambda b: [*b, b"garbage"], "extrinsic 4"),
        (lambda b: [b[0], b[0], *b[1:]], "not expected"),
        (lambda b: [*b, transfer("Alice", 5, "Bob", 1)], "future"),
        (lambda b: [*b, signed("Alice", 1, "GuestBook", "crash")], "panics"),
    ],
)
def test_a_block_with_a_bad_body_is_invalid(change, text: str) -> None:
    state, block, header, _ = built()
    header, body = rooted(header, change(list(block.body)))
    with pytest.raises(InvalidBlock, match=text):
        executive(state).execute_block(header, body)


def test_items_known_before_execution_are_given_to_the_pallets() -> None:
    state = genesis("Alice")
    block = Block.__new__(Block)
    block.state, block.runtime = state, Ledger(state)
    block.executive = ledger.Executive(block.runtime)
    block.parent, block.number, block.body = GENESIS_HASH, BlockNumber(1), []
    digest = Digest((PreRuntime(BABE_ENGINE, b"slot"),))
    block.executive.initialize_block(GENESIS_HASH, BlockNumber(1), digest)
    assert block.runtime.system.digest.get() == digest
    block.put_inherents()
    header, _ = block.finish()
    assert header.digest == digest
    executive(state).execute_block(header, block.body)


def test_the_weight_of_the_block_is_stored() -> None:
    _, block, _, after = built()
    stored = System.block_weight.decode_value(after.get(System.block_weight.key()))
    assert stored is not None
    assert int(stored.normal.ref_time) == block.executive._normal.time > 0
    assert int(stored.mandatory.ref_time) > 0
    count = System.extrinsic_count.decode_value(after.get(System.extrinsic_count.key()))
    assert count is None or count == 4


# The pool.


def pool(state: DictState | None = None) -> "ledger.Executive":
    return executive(state or genesis("Alice", "Bob"))


def test_a_valid_transaction_tells_what_it_needs_and_gives() -> None:
    alice = user("Alice").account_id
    judge = pool()
    first = judge.validate_transaction(LOCAL, transfer("Alice", 0, "Bob", 1), GENESIS_HASH)
    assert first.requires == ()
    assert first.provides == (bytes(alice) + bytes(4),)
    assert first.longevity == LONGEST - 1
    assert first.propagate
    later = judge.validate_transaction(LOCAL, transfer("Alice", 3, "Bob", 1), GENESIS_HASH)
    assert later.requires == (bytes(alice) + bytes.fromhex("02000000"),)


def test_a_larger_tip_gives_a_larger_priority() -> None:
    judge = pool()
    low = judge.validate_transaction(LOCAL, transfer("Alice", 0, "Bob", 1), GENESIS_HASH)
    high = judge.validate_transaction(LOCAL, transfer("Alice", 0, "Bob", 1, tip=5), GENESIS_HASH)
    assert high.priority > low.priority
    rich = judge.validate_transaction(
        LOCAL, transfer("Alice", 0, "Bob", 1, tip=500 * COIN), GENESIS_HASH
    )
    assert rich.priority == LONGEST


def test_validation_changes_nothing() -> None:
    runtime = Ledger(genesis("Alice", "Bob"))
    judge = ledger.Executive(runtime)
    judge.validate_transaction(LOCAL, transfer("Alice", 0, "Bob", 1), GENESIS_HASH)
    before = runtime.overlay.changes()
    judge.validate_transaction(LOCAL, transfer("Alice", 0, "Bob", 1), GENESIS_HASH)
    assert runtime.overlay.changes() == before


@pytest.mark.parametrize(
    ("ext", "reason"),
    [
        (transfer("Nobody", 0, "Bob", 1), Payment),
        (transfer("Alice", 0, "Bob", 1, tip=9999 * COIN), Payment),
        (transfer("Alice", 0, "Bob", 1, implied=implicit(spec_version=U32(1))), BadProof),
    ],
)
def test_the_pool_refuses_what_a_block_would(ext: bytes, reason: type[InvalidTransaction]) -> None:
    with pytest.raises(TransactionInvalid) as caught:
        pool().validate_transaction(LOCAL, ext, GENESIS_HASH)
    assert isinstance(caught.value.reason, reason)


def test_the_pool_takes_nothing_unsigned() -> None:
    ext = bare("GuestBook", "sign", note=Note(b"x"))
    with pytest.raises(TransactionUnknown):
        pool().validate_transaction(TransactionSource.External, ext, GENESIS_HASH)


def test_the_pool_refuses_what_is_stale_and_undecodable() -> None:
    _, block, header, after = built()
    judge = executive(after)
    with pytest.raises(TransactionInvalid) as caught:
        judge.validate_transaction(LOCAL, block.body[1], header.hash())
    assert isinstance(caught.value.reason, Stale)
    with pytest.raises(DecodeError):
        judge.validate_transaction(LOCAL, b"\x10garb", header.hash())


def test_a_mortal_transaction_tells_when_it_dies() -> None:
    _, _, header, after = built()
    era = Era.mortal(8, 1)
    ext = transfer("Alice", 1, "Bob", 1, era=era, implied=implicit(birth_hash=header.hash()))
    valid = executive(after).validate_transaction(LOCAL, ext, header.hash())
    assert valid.longevity == era.death(2) - 2


# Signatures apart.


def test_signatures_can_be_checked_ahead() -> None:
    asked: list[object] = []

    def verifier(check: object) -> bool:
        asked.append(check)
        return True

    block = started("Alice", "Bob", verifier=verifier)
    ext = transfer("Alice", 0, "Bob", COIN)
    ahead = block.executive.signature_check(ext)
    block.apply(ext)
    assert asked == [ahead]
    assert block.executive.signature_check(bare("Timestamp", "set", now=Moment(1))) is None
    assert block.executive.signature_check(b"garbage") is None


def test_a_verifier_hears_of_a_block_before_it_is_asked() -> None:
    parent, block, header, _ = built()
    told: list[object] = []

    def expect(checks: Sequence[SignatureCheck]) -> None:
        told.append(tuple(checks))

    def verifier(check: SignatureCheck) -> bool:
        told.append(check)
        return check_signature(check)

    again = Executive(Ledger(parent), verifier=verifier, expect=expect)
    again.execute_block(header, block.body)
    assert told == [tuple(told[1:]), *told[1:]]
    assert len(told) == 4


def test_a_verifier_hears_of_transactions_and_not_of_junk() -> None:
    told: list[Sequence[SignatureCheck]] = []
    judge = Executive(Ledger(genesis("Alice", "Bob")), expect=told.append)
    good = transfer("Alice", 0, "Bob", COIN)
    batch = [good, b"\x10garb", bare("Timestamp", "set", now=Moment(1)), bytes(BLOCK_BYTES_MAX + 1)]
    judge.expect_transactions(batch, GENESIS_HASH)
    assert [check.signer for check in told[0]] == [user("Alice").account_id]
    assert judge.examine_transaction(good, GENESIS_HASH).signer == user("Alice").account_id
    assert judge.examine_transaction(good, GENESIS_HASH).fee > 0


def test_the_fee_that_the_pool_is_told_is_what_a_block_takes() -> None:
    ext = transfer("Alice", 0, "Bob", COIN, tip=5)
    fee = pool().examine_transaction(ext, GENESIS_HASH).fee
    block = started("Alice", "Bob")
    block.apply(ext)
    paid = [e for e in block.events() if isinstance(e, TransactionPayment.TransactionFeePaid)]
    assert int(paid[0].actual_fee) == fee


def test_a_book_can_be_signed_by_many() -> None:
    names = [f"Guest{index}" for index in range(5)]
    block = started(*names)
    for name in names:
        assert block.apply(signed(name, 0, "GuestBook", "sign", note=Note(b"n"))).error is None
    assert len([e for e in block.events() if isinstance(e, GuestBook.Signed)]) == 5


def test_a_book_of_extrinsics_is_tried_without_a_block() -> None:
    judge = pool()
    assert judge.dry_run(transfer("Alice", 0, "Bob", COIN), GENESIS_HASH).error is None
    assert judge.dry_run(transfer("Alice", 1, "Bob", 10**30), GENESIS_HASH).error is not None
    with pytest.raises(TransactionInvalid):
        judge.dry_run(transfer("Alice", 9, "Bob", COIN), GENESIS_HASH)


def test_operational_transactions_come_before_users_and_long_ones_fit_nowhere() -> None:
    judge = pool()
    items = ((b"key", b"value"),)
    first = judge.validate_transaction(
        LOCAL, signed("Alice", 0, "System", "set_storage", items=items), GENESIS_HASH
    )
    plain = judge.validate_transaction(LOCAL, transfer("Alice", 0, "Bob", COIN), GENESIS_HASH)
    assert first.priority > plain.priority
    long = signed("Alice", 0, "System", "remark", remark=bytes(int(BLOCK_LENGTH.max.normal)))
    with pytest.raises(TransactionInvalid) as caught:
        judge.validate_transaction(LOCAL, long, GENESIS_HASH)
    assert isinstance(caught.value.reason, ExhaustsResources)


def test_inherents_count_for_the_length_of_a_block() -> None:
    block = Block(genesis("Alice"))
    block.executive._length = BLOCK_BYTES_MAX
    time = bare("Timestamp", "set", now=Moment(99_000_000))
    assert isinstance(refusal(block, time), ExhaustsResources)


NAMES = ("Alice", "Bob", "Nobody")
ACTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("transfer"),
            st.sampled_from(NAMES),
            st.integers(0, 3),
            st.sampled_from(NAMES),
            st.sampled_from((0, 1, COIN, 999 * COIN, 10**30)),
        ),
        st.tuples(
            st.just("sign"), st.sampled_from(NAMES), st.integers(0, 3), st.binary(max_size=64)
        ),
        st.tuples(st.just("crash"), st.sampled_from(NAMES), st.integers(0, 3)),
        st.tuples(st.just("divide"), st.sampled_from(NAMES), st.integers(0, 3), st.integers(0, 9)),
    ),
    max_size=8,
)


def extrinsic(action: tuple[object, ...]) -> bytes:
    match action:
        case ("transfer", str(name), int(nonce), str(to), int(value)):
            return transfer(name, nonce, to, value)
        case ("sign", str(name), int(nonce), bytes(note)):
            return signed(name, nonce, "GuestBook", "sign", note=Note(note))
        case ("crash", str(name), int(nonce)):
            return signed(name, nonce, "GuestBook", "crash")
        case (_, str(name), int(nonce), int(count)):
            return signed(name, nonce, "GuestBook", "divide", count=U32(count))
    raise AssertionError(action)


@settings(max_examples=60, deadline=None)
@given(actions=ACTIONS)
def test_whatever_an_author_gets_into_a_block_an_importer_repeats(
    actions: list[tuple[object, ...]],
) -> None:
    state = genesis("Alice", "Bob")
    block = Block(state)
    block.put_inherents()
    for action in actions:
        before = block.runtime.overlay.changes()
        try:
            block.apply(extrinsic(action))
        except (TransactionInvalid, RuntimePanic):
            assert block.runtime.overlay.changes() == before
    header, after = block.finish()
    changes = executive(state).execute_block(header, block.body)
    assert state.after(changes).entries() == after.entries()
    accounts = Ledger(after).system.account.items(limit=99)
    issued = Ledger(after).balances.total_issuance.get()
    assert sum(int(info.data.free) for _, info in accounts) == int(issued)
