"""The shim executed: what it answers is what the native runtime answers, to the byte."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from chain_spec.presets import dev, local
from node.runtime import CessRuntime, build_state, runtime_at
from node.runtime.shim import FEES, SHIM_METHODS, VALIDATE, shim_code, shim_reads
from node.runtime.version import CODE_KEY
from pallets.frame import DictState, Weight
from pallets.frame.code import CODE_BYTES_MAX, check_shape
from primitives.crypto.keys import KeyPair, Scheme
from primitives.digest import AllowedSlots, NextConfigV1
from primitives.era import Era
from primitives.errors import DecodeError
from primitives.extrinsic import (
    Implicit,
    MultiAddressId,
    MultiAddressIndex,
    SignedPart,
    UncheckedExtrinsic,
    sign_extrinsic,
)
from primitives.hashing import blake2_256
from primitives.scale import U32, U64, U128, encode
from primitives.types import AccountId, Balance, Moment
from tests.node.runtime.chain import COIN, Chain, genesis_state, pair
from tests.node.runtime.wasm_host import ShimHost

SCHEMES: tuple[Scheme, ...] = ("sr25519", "ed25519", "ecdsa")
NOBODY = AccountId(b"\x77" * 32)
EMPTY_METHODS = [
    name
    for name in SHIM_METHODS
    if name.partition("_")[0] in ("Core", "BabeApi", "GrandpaApi", "Metadata")
    and name != "Metadata_metadata_at_version"
]


@cache
def host() -> ShimHost:
    code = genesis_state().get(CODE_KEY)
    assert code is not None
    return ShimHost(code)


@pytest.fixture(scope="module", autouse=True)
def _end_host() -> Iterator[None]:
    yield
    host.cache_clear()


@pytest.fixture(scope="module")
def chain() -> Chain:
    made = Chain()
    for name in ("ed25519", "ecdsa"):
        to = KeyPair.from_suri("//Alice", name).account_id
        call = made.call(
            "Balances", "transfer_keep_alive", dest=MultiAddressId(to), value=Balance(100 * COIN)
        )
        made.block(made.sign("Alice", call))
    return made


def compare(chain: Chain, method: str, params: bytes = b"") -> bytes:
    """The answer of both, which read no more than is said."""
    answer = host().call(chain.state, method, params)
    assert answer == chain.ask(method, params)
    keys = shim_reads(method, params, chain.state)
    assert keys is not None
    assert set(host().reads) <= set(keys)
    return answer


def signed(
    chain: Chain,
    call: bytes,
    keys: KeyPair,
    *,
    era: Era = Era.immortal(),  # noqa: B008 - it is a value
    nonce: int | None = None,
    tip: int = 0,
) -> bytes:
    version = CessRuntime.version
    runtime = chain.now()
    if nonce is None:
        nonce = int(runtime.system.nonce_of(keys.account_id) or 0)
    born = era.birth(int(runtime.system.number.get()) + 1)
    implicit = Implicit(
        spec_version=version.spec_version,
        transaction_version=version.transaction_version,
        genesis_hash=chain.headers[0].hash(),
        birth_hash=chain.headers[min(born, len(chain.headers) - 1)].hash(),
    )
    return sign_extrinsic(call, keys, nonce, tip, era, implicit)


def remark(chain: Chain, data: bytes = b"") -> bytes:
    return chain.call("System", "remark", remark=data)


def transfer(chain: Chain, value: int = COIN) -> bytes:
    dest = MultiAddressId(pair("Bob").account_id)
    return chain.call("Balances", "transfer_keep_alive", dest=dest, value=Balance(value))


def judge(chain: Chain, extrinsic: bytes) -> bytes:
    return compare(chain, VALIDATE, b"\2" + extrinsic + chain.head.hash())


# Consensus, nonces and metadata.


@pytest.mark.parametrize("method", EMPTY_METHODS)
def test_what_is_asked_without_parameters_is_answered_as_natively(method: str) -> None:
    chain = Chain()
    compare(chain, method)
    chain.block()
    compare(chain, method)
    # Into the next epoch, then over several of them.
    epoch = int(chain.now().constants.epoch_slots)
    for skip in (epoch, 3 * epoch + 1):
        chain.import_block(*chain.author(skip=skip))
        chain.slot += skip
        compare(chain, method)


def test_announced_rules_for_slots_are_told() -> None:
    made = Chain()
    config = NextConfigV1(c=(U64(1), U64(2)), allowed_slots=AllowedSlots.PrimarySlots)
    inner = made.now().calls().make("Babe", "plan_config_change", config=config)
    made.block(made.sign("Alice", made.call("Sudo", "sudo", call=inner)))
    epoch = int(made.now().constants.epoch_slots)
    before = compare(made, "BabeApi_next_epoch")
    made.slot += epoch
    made.block()
    assert compare(made, "BabeApi_next_epoch")[-17:] != before[-17:]
    assert compare(made, "BabeApi_current_epoch")[-17:] == before[-17:]


@pytest.mark.parametrize("version", [0, 13, 14, 15, 16, 2**32 - 1])
def test_metadata_are_those_of_the_native_runtime(chain: Chain, version: int) -> None:
    compare(chain, "Metadata_metadata_at_version", encode(U32, U32(version)))


@pytest.mark.parametrize("who", [pair("Alice").account_id, pair("Bob").account_id, NOBODY])
def test_nonces_are_those_of_the_state(chain: Chain, who: AccountId) -> None:
    compare(chain, "AccountNonceApi_account_nonce", encode(AccountId, who))


# Transactions.


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [0, 63, 64, 300, 20_000])
def test_good_transactions_are_good(chain: Chain, scheme: Scheme, size: int) -> None:
    keys = KeyPair.from_suri("//Alice", scheme)
    assert judge(chain, signed(chain, transfer(chain), keys, tip=size))[0] == 0
    # A remark weighs by its length, which the shim only estimates.
    params = b"\2" + signed(chain, remark(chain, bytes(size)), keys) + bytes(32)
    answer, native = host().call(chain.state, VALIDATE, params), chain.ask(VALIDATE, params)
    assert answer[0] == native[0] == 0
    assert answer[9:] == native[9:]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_forged_signatures_are_refused(chain: Chain, scheme: Scheme) -> None:
    good = signed(chain, remark(chain), KeyPair.from_suri("//Alice", scheme))
    for at in (40, 70, len(good) - 1):
        forged = good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]
        answer = host().call(chain.state, VALIDATE, b"\2" + forged + chain.head.hash())
        assert answer == b"\1\0\4"


@pytest.mark.parametrize("ahead", [-1, 0, 1, 70, 20_000, 2**31])
@pytest.mark.parametrize("tip", [0, 1, 10**17, 10**30, 2**128 - 1])
def test_nonces_and_tips_count_as_natively(chain: Chain, ahead: int, tip: int) -> None:
    nonce = int(chain.now().system.nonce_of(pair("Alice").account_id) or 0)
    judge(chain, signed(chain, transfer(chain), pair("Alice"), nonce=nonce + ahead, tip=tip))


@pytest.mark.parametrize("period", [4, 64, 4096, 65536])
@pytest.mark.parametrize("current", [0, 1, 2, 3, 4, 60])
def test_eras_count_as_natively(chain: Chain, period: int, current: int) -> None:
    era = Era.mortal(period, current)
    judge(chain, signed(chain, transfer(chain), pair("Alice"), era=era))


def test_hashes_that_the_next_block_forgets_are_forgotten(chain: Chain) -> None:
    runtime = chain.now()
    kept = int(runtime.system.config.block_hash_count)
    for number in (kept, kept + 1, kept + 2, kept + 3):
        later = Chain()
        later.headers = chain.headers
        later.state = chain.state.after(
            {runtime.system.number.entry.key(): encode(U32, U32(number))}
        )
        for born in (0, 1, 2):
            era = Era(4096, born)
            judge(later, signed(chain, transfer(chain), pair("Alice"), era=era))


def test_who_does_not_exist_or_is_poor_cannot_pay(chain: Chain) -> None:
    poor = KeyPair.from_suri("//Alice", "ed25519")
    assert judge(chain, signed(chain, transfer(chain), KeyPair.from_suri("//Nobody")))[2] == 1
    assert judge(chain, signed(chain, transfer(chain), poor, tip=100 * COIN))[2] == 1


def test_accounts_are_named_by_id_only(chain: Chain) -> None:
    good = UncheckedExtrinsic.decode(signed(chain, transfer(chain), pair("Alice")))
    assert good.signed is not None
    address = MultiAddressIndex(U32(5))
    other = SignedPart(address, good.signed.signature, good.signed.extra)
    assert judge(chain, UncheckedExtrinsic(other, good.call).encode()) == b"\1\1\0"


def test_nobody_may_send_what_only_authors_may(chain: Chain) -> None:
    call = chain.call("Timestamp", "set", now=Moment(1))
    assert judge(chain, UncheckedExtrinsic(None, call).encode()) == b"\1\0\x09"
    assert judge(chain, signed(chain, call, pair("Alice"))) == b"\1\0\x09"
    assert judge(chain, UncheckedExtrinsic(None, remark(chain)).encode()) == b"\1\1\1"


def test_what_fits_into_no_block_is_refused(chain: Chain) -> None:
    for size in (3_932_160, 5_242_880, 5_242_881):
        body = UncheckedExtrinsic(None, remark(chain, bytes(size))).encode()
        assert host().call(chain.state, VALIDATE, b"\2" + body + bytes(32))[0] == 1
    long = signed(chain, remark(chain, bytes(4_000_000)), pair("Alice"))
    assert judge(chain, long) == b"\1\0\6"


def fixed_calls() -> list[bytes]:
    """A call with arguments of zeros for each whose weight does not depend on them."""
    found = []
    for slot in CessRuntime.slots:
        for spec in slot.kind.call_specs:
            head = bytes((slot.index, spec.index))
            if isinstance(spec.weight, Weight):
                found.append(head)
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
def test_fees_are_exact_where_weights_are_fixed(chain: Chain, scheme: Scheme) -> None:
    table, compared = CessRuntime.calls(), 0
    for head in fixed_calls():
        for zeros in range(200):
            try:
                table.decode(head + bytes(zeros))
                break
            except DecodeError:
                continue
        else:
            continue
        compared += 1
        keys = KeyPair.from_suri("//Alice", scheme)
        extrinsic = signed(chain, head + bytes(zeros), keys)
        bare = UncheckedExtrinsic(None, head + bytes(zeros)).encode()
        for each in (extrinsic, bare):
            for length in (0, len(each), 2**32 - 1):
                for method in FEES:
                    compare(chain, method, each + encode(U32, U32(length)))
        judge(chain, extrinsic)
    assert compared > 30


def test_fees_follow_the_multiplier_and_saturate(chain: Chain) -> None:
    later = Chain()
    later.headers = chain.headers
    key = chain.now().transaction_payment.next_fee_multiplier.entry.key()
    extrinsic = signed(chain, transfer(chain), pair("Alice"))
    for value in (0, 1, 10**18 + 1, 2**64, 2**127, 2**128 - 1):
        later.state = chain.state.after({key: encode(U128, U128(value))})
        for method in FEES:
            compare(later, method, extrinsic + encode(U32, U32(200)))
        judge(later, extrinsic)


# Bad input.


@given(st.binary(max_size=200))
def test_garbage_ends_in_a_trap_or_an_answer(data: bytes) -> None:
    state = genesis_state()
    for method in (VALIDATE, *FEES, "AccountNonceApi_account_nonce"):
        try:
            host().call(state, method, data)
        except wasmtime.Trap:
            continue


def test_a_transaction_that_is_cut_is_none(chain: Chain) -> None:
    good = signed(chain, transfer(chain), pair("Alice"), tip=10**20)
    for end in range(len(good)):
        with pytest.raises(DecodeError):
            chain.ask(VALIDATE, b"\2" + good[:end] + bytes(32))
        with pytest.raises(wasmtime.Trap):
            host().call(chain.state, VALIDATE, b"\2" + good[:end] + bytes(32))


def test_unknown_functions_have_no_keys(chain: Chain) -> None:
    assert shim_reads("FilesApi_file", bytes(32), chain.state) is None
    assert shim_reads("nonsense", b"", chain.state) is None
    with pytest.raises(DecodeError):
        shim_reads(VALIDATE, bytes(20), chain.state)


# The module.


def test_the_module_is_small_and_whole() -> None:
    code = shim_code(runtime_at(genesis_state()))
    check_shape(code)
    assert len(code) < 100_000 < CODE_BYTES_MAX


def test_another_chain_has_another_module_and_the_same_one_the_same() -> None:
    ours, theirs = (build_state(each().config()) for each in (dev, local))
    again = runtime_at(DictState(ours))
    assert shim_code(again) == ours[CODE_KEY]
    assert theirs[CODE_KEY] != ours[CODE_KEY] or ours == theirs


def test_the_module_does_not_depend_on_the_process() -> None:
    script = (
        "from chain_spec.presets import dev; from node.runtime import build_state;"
        "from primitives.hashing import blake2_256;"
        "print(blake2_256(build_state(dev().config())[b':code']).hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code = genesis_state().get(CODE_KEY)
    assert code is not None
    assert done.stdout.strip() == blake2_256(code).hex()
