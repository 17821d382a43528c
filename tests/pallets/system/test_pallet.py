"""References to accounts, the place of a block, its log and its limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.balances import Balances
from pallets.frame import BadOrigin, DictState, DispatchClass, DispatchInfo, Origin, Weight
from pallets.frame.error import (
    ConsumerRemaining,
    DispatchBadOrigin,
    KeyTooLong,
    LookupFailed,
    NoProviders,
    TooManyConsumers,
)
from pallets.frame.genesis import build_genesis
from pallets.frame.limits import PerClassWeight
from pallets.system import CONSUMERS_MAX, System
from pallets.system.pallet import PREFIX_KEYS_MAX
from primitives.digest import Digest, Other
from primitives.extrinsic import MultiAddressIndex, MultiAddressRaw
from primitives.hashing import blake2_256, twox_128
from primitives.scale import U32, encode
from primitives.trie import KEY_BYTES_MAX
from primitives.types import Balance, BlockNumber, Hash
from tests.pallets.small_chains import ALICE, BOB, CHARLIE, HASHES_KEPT, VERSION, Money, signed, to


def hash_of(number: int) -> Hash:
    return blake2_256(b"block %d" % number)


def blocks(runtime, first: int, last: int) -> None:
    for number in range(first, last + 1):
        runtime.system.initialize(BlockNumber(number), hash_of(number - 1), Digest())


# References.


def test_the_first_provider_creates_the_account_and_the_last_removes_it(money):
    system = money.runtime.system
    system.inc_providers(CHARLIE)
    system.inc_providers(CHARLIE)
    assert system.account[CHARLIE].providers == 2
    system.dec_providers(CHARLIE)
    assert CHARLIE in system.account
    system.dec_providers(CHARLIE)
    assert CHARLIE not in system.account
    assert money.events() == [
        System.NewAccount(account=CHARLIE),
        System.KilledAccount(account=CHARLIE),
    ]


def test_an_account_without_providers_cannot_be_consumed(money):
    with pytest.raises(NoProviders), money.no_trace():
        money.runtime.system.inc_consumers(CHARLIE)


def test_the_last_provider_stays_while_consumers_remain(money):
    system = money.runtime.system
    system.inc_consumers(ALICE)
    assert not system.can_dec_provider(ALICE)
    with pytest.raises(ConsumerRemaining), money.no_trace():
        system.dec_providers(ALICE)
    system.inc_providers(ALICE)
    assert system.can_dec_provider(ALICE)
    system.dec_providers(ALICE)
    system.dec_consumers(ALICE)
    assert system.can_dec_provider(ALICE)


def test_consumers_of_an_account_are_limited(money):
    system = money.runtime.system
    for _ in range(CONSUMERS_MAX):
        system.inc_consumers(ALICE)
    with pytest.raises(TooManyConsumers), money.no_trace():
        system.inc_consumers(ALICE)
    system.dec_consumers(ALICE)
    system.inc_consumers(ALICE)


def test_references_are_given_back_only_once(money):
    with pytest.raises(AssertionError):
        money.runtime.system.dec_consumers(ALICE)
    with pytest.raises(AssertionError):
        money.runtime.system.dec_providers(CHARLIE)


def test_money_lies_only_in_accounts_that_exist(money):
    with pytest.raises(AssertionError):
        money.runtime.system.set_data(CHARLIE, money.runtime.system.data(ALICE))


def test_a_removed_account_begins_again_with_nonce_0(money):
    system = money.runtime.system
    system.inc_account_nonce(BOB)
    assert system.nonce_of(BOB) == 1
    system.dec_providers(BOB)
    assert system.nonce_of(BOB) is None
    system.inc_providers(BOB)
    assert system.nonce_of(BOB) == 0


@given(st.lists(st.sampled_from(["+p", "-p", "+c", "-c"]), max_size=60))
def test_an_account_exists_exactly_while_something_provides_for_it(steps):
    system = Money(DictState({})).system
    providers = consumers = 0
    for step in steps:
        if step == "+p":
            system.inc_providers(CHARLIE)
            providers += 1
        elif step == "-p" and providers:
            if providers == 1 and consumers:
                with pytest.raises(ConsumerRemaining):
                    system.dec_providers(CHARLIE)
                continue
            system.dec_providers(CHARLIE)
            providers -= 1
        elif step == "+c":
            if providers and consumers < CONSUMERS_MAX:
                system.inc_consumers(CHARLIE)
                consumers += 1
            else:
                with pytest.raises((NoProviders, TooManyConsumers)):
                    system.inc_consumers(CHARLIE)
        elif step == "-c" and consumers:
            system.dec_consumers(CHARLIE)
            consumers -= 1
        assert (CHARLIE in system.account) == (providers > 0)
        info = system.account[CHARLIE]
        assert (info.providers, info.consumers) == (providers, consumers)


def test_an_account_has_the_80_bytes_that_clients_decode(money):
    system = money.runtime.system
    system.inc_account_nonce(ALICE)
    raw = money.runtime.overlay.get(System.account.key(ALICE))
    assert raw is not None
    assert raw.hex() == (
        "01000000"
        "00000000"
        "01000000"
        "00000000"  # nonce, consumers, providers, sufficients
        + (10_000).to_bytes(16, "little").hex()
        + "00" * 32
        + "00000000000000000000000000000080"
    )


def test_only_addresses_that_are_accounts_are_known(money):
    system = money.runtime.system
    assert system.lookup(to(ALICE)) == ALICE
    for address in (MultiAddressIndex(U32(1)), MultiAddressRaw(b"alice")):
        with pytest.raises(LookupFailed):
            system.lookup(address)


# Blocks.


def test_block_hashes_are_kept_for_a_while_and_genesis_for_ever(money):
    system = money.runtime.system
    last = HASHES_KEPT + 5
    blocks(money.runtime, 1, last)
    kept = [number for number in range(last + 2) if system.block_hash(number) is not None]
    assert kept == [0, *range(last - HASHES_KEPT, last)]
    assert system.block_hash(0) == hash_of(0)
    assert system.block_hash(last - 1) == hash_of(last - 1)
    assert system.block_hash(-1) is None


def test_a_block_begins_without_the_records_of_its_parent(money):
    system = money.runtime.system
    blocks(money.runtime, 1, 1)
    weight = Weight(5, 6).wire()
    system.note_finished_extrinsics(2, 300, PerClassWeight(weight, weight, weight))
    system.deposit_event(System.NewAccount(account=CHARLIE))
    digest = system.finalize()
    assert digest == Digest()
    assert (system.extrinsic_count.get(), system.all_extrinsics_len.get()) == (2, 300)
    assert system.weight_used().normal == weight
    assert system.event_count.get() == len(money.runtime.overlay.events) == 1
    assert system.events.raw() == b"\x04" + money.runtime.overlay.events[0]

    blocks(money.runtime, 2, 2)
    assert system.number.get() == 2
    assert system.parent() == hash_of(1)
    for item in (system.extrinsic_count, system.all_extrinsics_len, system.block_weight):
        assert not item.exists()
    assert system.events.raw() is None
    assert system.event_count.get() == 0


def test_logs_are_added_to_the_digest_that_the_block_began_with(money):
    system = money.runtime.system
    begun, added = Other(b"begun"), Other(b"added")
    system.initialize(BlockNumber(1), hash_of(0), Digest((begun,)))
    system.deposit_log(added)
    assert system.current_digest() == Digest((begun, added))
    assert system.finalize() == Digest((begun, added))


def test_the_first_block_of_a_new_runtime_notes_its_version(money):
    system = money.runtime.system
    noted = system.last_runtime_upgrade.get()
    assert noted is not None
    assert (noted.spec_version, noted.spec_name) == (VERSION.spec_version, "small")
    system.last_runtime_upgrade.kill()
    blocks(money.runtime, 1, 1)
    assert system.last_runtime_upgrade.get() == noted


def test_the_log_tells_how_an_extrinsic_ended_and_what_it_cost(money):
    info = DispatchInfo(Weight(7, 8), DispatchClass.Normal, pays_fee=True)
    money.runtime.system.note_applied_extrinsic(info, None)
    money.runtime.system.note_applied_extrinsic(info, DispatchBadOrigin())
    assert money.events() == [
        System.ExtrinsicSuccess(dispatch_info=info.wire()),
        System.ExtrinsicFailed(dispatch_error=DispatchBadOrigin(), dispatch_info=info.wire()),
    ]


def test_a_chain_must_keep_block_hashes(money):
    system = money.runtime.system
    system.integrity_test()
    system.config = System.Config(
        block_weights=system.config.block_weights,
        block_length=system.config.block_length,
        block_hash_count=BlockNumber(0),
        db_weight=system.config.db_weight,
        version=system.config.version,
        ss58_prefix=system.config.ss58_prefix,
    )
    with pytest.raises(AssertionError):
        system.integrity_test()


# Calls.


def test_a_remark_changes_nothing(money):
    for origin in (signed(ALICE), Origin.root(), Origin.none()):
        with money.no_trace():
            money.call("System", "remark", origin, remark=b"hello")


def test_a_remark_weighs_by_its_length(money):
    table = money.runtime.calls()
    short = table.make("System", "remark", remark=b"").info().weight
    long = table.make("System", "remark_with_event", remark=bytes(1000)).info().weight
    assert short.ref_time == 0
    assert long.ref_time > 0


def test_a_remark_with_event_tells_its_hash(money):
    money.call("System", "remark_with_event", signed(ALICE), remark=b"hello")
    assert money.events() == [System.Remarked(sender=ALICE, hash=blake2_256(b"hello"))]
    with pytest.raises(BadOrigin):
        money.call("System", "remark_with_event", Origin.none(), remark=b"hello")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("set_storage", {"items": ((b"key", b"value"),)}),
        ("kill_storage", {"keys": (b"key",)}),
        ("kill_prefix", {"prefix": b"key", "subkeys": U32(1)}),
    ],
)
def test_only_root_touches_raw_storage(money, name, arguments):
    for origin in (signed(ALICE), Origin.none()):
        with pytest.raises(BadOrigin), money.no_trace():
            money.call("System", name, origin, **arguments)
    money.call("System", name, Origin.root(), **arguments)


def test_root_writes_and_removes_raw_keys(money):
    overlay = money.runtime.overlay
    items = ((b"a", b"1"), (b"b", b"2"))
    money.call("System", "set_storage", Origin.root(), items=items)
    assert (overlay.get(b"a"), overlay.get(b"b")) == (b"1", b"2")
    money.call("System", "kill_storage", Origin.root(), keys=(b"a",))
    assert (overlay.get(b"a"), overlay.get(b"b")) == (None, b"2")


def test_a_key_that_the_state_cannot_hold_is_refused(money):
    """A block with it could never be finished, and its author would stop."""
    for length in (KEY_BYTES_MAX, KEY_BYTES_MAX + 1):
        items = ((b"a", b"1"), (bytes(length), b"1"))
        if length == KEY_BYTES_MAX:
            money.call("System", "set_storage", Origin.root(), items=items)
        else:
            with pytest.raises(KeyTooLong), money.no_trace():
                money.call("System", "set_storage", Origin.root(), items=items)


def test_a_raw_write_is_seen_by_the_pallet_that_reads_it(money):
    system = money.runtime.system
    assert system.number.get() == 1
    key = twox_128(b"System") + twox_128(b"Number")
    raw = encode(BlockNumber, BlockNumber(9))
    money.call("System", "set_storage", Origin.root(), items=((key, raw),))
    assert system.number.get() == 9


def test_kill_prefix_removes_no_more_than_it_says(money):
    overlay = money.runtime.overlay
    for number in range(PREFIX_KEYS_MAX + 3):
        overlay.put(b"many" + number.to_bytes(2, "big"), b"x")
    overlay.put(b"other", b"x")

    def left() -> int:
        return len(overlay.keys(b"many", PREFIX_KEYS_MAX + 10))

    money.call("System", "kill_prefix", Origin.root(), prefix=b"many", subkeys=U32(2))
    assert left() == PREFIX_KEYS_MAX + 1
    money.call("System", "kill_prefix", Origin.root(), prefix=b"many", subkeys=U32(2**32 - 1))
    assert left() == 1
    assert overlay.get(b"other") == b"x"


def test_raw_writes_weigh_by_their_number(money):
    table = money.runtime.calls()

    def writes(name: str, **arguments: object) -> int:
        return table.make("System", name, **arguments).info().weight.ref_time

    assert writes("set_storage", items=((b"a", b"1"), (b"b", b"2"))) == Weight(writes=2).ref_time
    assert writes("kill_storage", keys=(b"a",) * 3) == Weight(writes=3).ref_time
    most = Weight(reads=PREFIX_KEYS_MAX + 1, writes=PREFIX_KEYS_MAX).ref_time
    assert writes("kill_prefix", prefix=b"", subkeys=U32(2**32 - 1)) == most


def test_genesis_says_which_runtime_made_it():
    state = build_genesis(Money(DictState({})), {"balances": Balances.Genesis()})
    assert state[System.last_runtime_upgrade.key()] == b"\x1c" + b"\x14small"
    assert Balance(0) == Money(DictState(state)).balances.total_issuance.get()
