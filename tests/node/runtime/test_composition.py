"""The whole runtime: indices, wiring, blocks."""

import pytest

from chain_spec.constants import CONSTANTS_KEY, ChainConstants
from chain_spec.presets import dev, local
from node.runtime import (
    CODE_KEY,
    CessRuntime,
    NoConstants,
    RuntimeNotKnown,
    build_state,
    runtime_at,
)
from pallets.balances import Balances
from pallets.frame import DictState, RuntimePanic
from pallets.frame.executive import Executive
from pallets.sudo import Sudo
from pallets.system import System
from pallets.transaction_payment import TransactionPayment
from pallets.utility.types import NoneOrigin, SystemOrigin
from primitives.digest import Digest
from primitives.errors import InvalidBlock
from primitives.scale import U32, decode, encode
from primitives.types import BlockNumber
from tests.node.runtime.chain import COIN, Chain, genesis_state, pair

CESS_INDICES = {
    "System": 0,
    "Utility": 1,
    "Babe": 2,
    "Timestamp": 3,
    "Balances": 6,
    "TransactionPayment": 7,
    "Staking": 11,
    "Session": 12,
    "Grandpa": 16,
    "Sudo": 22,
    "Offences": 25,
    "Historical": 26,
    "CessTreasury": 100,
    "SchedulerCredit": 101,
    "FileBank": 104,
    "Sminer": 105,
    "Audit": 106,
    "StorageHandler": 107,
}
"""Indices of CESS's public test network."""

CESS_LAST_INDEX = 111


def test_pallets_that_cess_has_are_at_its_indices() -> None:
    ours = {slot.kind.__name__: slot.index for slot in CessRuntime.slots}
    assert ours.items() >= CESS_INDICES.items()
    for name, index in ours.items():
        assert name in CESS_INDICES or index > CESS_LAST_INDEX, f"{name} takes a pallet's place"


def test_every_pallet_is_wired_and_sound() -> None:
    for state in (genesis_state(), DictState(build_state(local().config()))):
        for each in runtime_at(state).pallets:
            each.integrity_test()
            kind = type(each)
            if "Config" in kind.__dict__:
                assert isinstance(each.config, kind.__dict__["Config"])


def test_constants_come_from_the_state() -> None:
    raw = genesis_state().get(CONSTANTS_KEY)
    assert raw is not None
    constants = decode(ChainConstants, raw)
    runtime = runtime_at(genesis_state())
    assert runtime.constants == constants == dev().config().constants
    assert runtime.file_bank.config.fragment_bytes == constants.fragment_bytes
    changed = genesis_state().after(
        {CONSTANTS_KEY: raw.replace(encode(U32, U32(60)), encode(U32, U32(61)), 1)}
    )
    assert runtime_at(changed).constants != constants


def test_a_state_without_sound_constants_is_refused() -> None:
    with pytest.raises(NoConstants, match="holds nothing under :cess:constants"):
        runtime_at(genesis_state().after({CONSTANTS_KEY: None}))
    with pytest.raises(NoConstants, match="do not decode"):
        runtime_at(genesis_state().after({CONSTANTS_KEY: b"\x00"}))


def test_a_state_of_another_runtime_is_refused() -> None:
    with pytest.raises(RuntimeNotKnown, match="no runtime"):
        runtime_at(genesis_state().after({CODE_KEY: None}))


def test_a_block_of_transfers_is_authored_and_imported() -> None:
    chain = Chain()
    alice, bob = pair("Alice").account_id, pair("Bob").account_id
    before = chain.now().balances.free(bob)
    chain.block(
        chain.transfer("Alice", "Bob", COIN, nonce=0), chain.transfer("Alice", "Bob", COIN, nonce=1)
    )
    assert chain.now().balances.free(bob) == before + 2 * COIN
    assert chain.now().system.nonce_of(alice) == 2
    kinds = [type(each) for each in chain.events()]
    assert kinds.count(Balances.Transfer) == 2
    assert kinds.count(TransactionPayment.TransactionFeePaid) == 2
    assert kinds.count(System.ExtrinsicSuccess) == 3


def test_money_is_conserved_over_blocks() -> None:
    chain = Chain()
    for number in range(4):
        chain.block(chain.transfer("Alice", "Charlie", COIN + number))
    runtime = chain.now()
    accounts = runtime.system.account.items(limit=1000)
    total = sum(int(info.data.free) + int(info.data.reserved) for _, info in accounts)
    assert total == int(runtime.balances.total_issuance.get())


def test_the_chain_passes_epochs_and_eras() -> None:
    chain = Chain()
    constants = chain.now().constants
    for _ in range(int(constants.era_blocks) + 3):
        chain.block()
    assert chain.now().babe.epoch_index.get() == 2
    assert chain.now().session.current_index.get() == 2
    assert chain.now().cess_treasury.current_era.get() >= 1
    assert chain.head.number == constants.era_blocks + 3


def test_slots_may_be_missed_but_not_repeated() -> None:
    chain = Chain()
    chain.block()
    header, body = chain.author(skip=5)
    chain.import_block(header, body)
    assert chain.now().babe.lateness.get() == 5
    chain.slot = 1_000_000
    with pytest.raises(InvalidBlock, match="does not follow"):
        chain.author()


def test_a_block_without_a_slot_is_invalid() -> None:
    chain = Chain()
    with pytest.raises(InvalidBlock, match="no slot"):
        Executive(chain.now()).initialize_block(chain.head.hash(), BlockNumber(1), Digest())


def test_an_imported_block_must_have_the_digest_that_execution_gives() -> None:
    chain = Chain()
    header, body = chain.author()
    assert len(header.digest.logs) == 2  # the slot, and the announcement of block 1
    cut = Digest(header.digest.logs[:1])
    forged = type(header)(
        parent_hash=header.parent_hash,
        number=header.number,
        state_root=header.state_root,
        extrinsics_root=header.extrinsics_root,
        digest=cut,
    )
    with pytest.raises(InvalidBlock, match="the digest is"):
        chain.import_block(forged, body)


def test_root_acts_through_sudo_only() -> None:
    chain = Chain()
    inner = CessRuntime.calls().make("System", "set_storage", items=((b"k", b"v"),))
    chain.block(chain.sign("Bob", chain.call("Sudo", "sudo", call=inner)))
    assert chain.state.get(b"k") is None
    assert any(isinstance(each, System.ExtrinsicFailed) for each in chain.events())
    chain.block(chain.sign("Alice", chain.call("Sudo", "sudo", call=inner)))
    assert chain.state.get(b"k") == b"v"
    assert any(isinstance(each, Sudo.Sudid) for each in chain.events())


def test_nobody_sets_the_time_through_a_nested_call() -> None:
    chain = Chain()
    chain.block()
    time = CessRuntime.calls().make("Timestamp", "set", now=chain.now().timestamp.moment.get())
    before = chain.now().timestamp.moment.get()
    chain.block(
        chain.sign("Bob", chain.call("Utility", "batch", calls=(time,))),
        chain.sign("Alice", chain.call("Sudo", "sudo", call=time)),
    )
    step = int(chain.now().constants.slot_duration_ms)
    assert chain.now().timestamp.moment.get() == before + step


def test_a_deeply_nested_call_is_refused_before_it_costs_anything() -> None:
    chain = Chain()
    head = CessRuntime.calls().make("Utility", "batch", calls=()).encode()[:2] + b"\x04"
    bomb = chain.sign("Alice", head * 500 + head[:2] + b"\x00")
    with pytest.raises(Exception, match="nested"):
        chain.author(bomb)


def test_no_call_weighs_more_than_a_block_of_any_preset() -> None:
    # Calls with a fixed weight must be possible on every chain.
    for spec in (dev(), local()):
        runtime = CessRuntime(DictState({}), spec.config().constants)
        limit = runtime.executive_config().weights.per_class.normal.max_extrinsic
        assert limit is not None
        for slot in CessRuntime.slots:
            for call in slot.kind.call_specs:
                if not callable(call.weight):
                    assert call.weight.ref_time <= int(limit.ref_time), f"{spec.id} {call.name}"


def test_root_cannot_spoil_a_block_with_the_time_of_another_origin() -> None:
    chain = Chain()
    chain.block()
    time = CessRuntime.calls().make("Timestamp", "set", now=chain.now().timestamp.moment.get())
    nobody = CessRuntime.calls().make(
        "Utility", "dispatch_as", as_origin=SystemOrigin(NoneOrigin()), call=time
    )
    extrinsic = chain.sign("Alice", chain.call("Sudo", "sudo", call=nobody))
    with pytest.raises(RuntimePanic, match="set twice"):
        chain.author(extrinsic)
    chain.block()
