"""Transactions: signed once, sent until known, found by hash, and never executed twice."""

from typing import Any

import anyio
import pytest

from client.chain import (
    CallFailed,
    ChainClient,
    ChainLimits,
    MetadataMismatch,
    PreparedCall,
    SubmitTimeout,
    TransactionLost,
    TransactionRefused,
    prepare,
)
from client.tasks import one_failure_group
from node.runtime import CessRuntime
from pallets.balances import Balances
from pallets.file_bank import FileBank
from pallets.frame.dispatch import DispatchInfo
from pallets.frame.error import DispatchModule, ErrorBytes, ModuleError
from pallets.frame.weight import Weight
from pallets.system import System
from primitives.crypto.keys import KeyPair
from primitives.extrinsic import MultiAddressId, UncheckedExtrinsic
from primitives.hashing import blake2_256
from primitives.scale import U8, encode
from primitives.types import Balance, FileHash

ALICE = KeyPair.from_suri("//Alice")
QUICK = ChainLimits(
    request_timeout_s=20.0, reconnect_delay_min_s=0.01, poll_interval_s=0.01, era_blocks=16
)
CALL = prepare(FileBank.delete_file, owner=ALICE.account_id, file_hash=FileHash(bytes(32)))

pytestmark = pytest.mark.anyio


def outcome(index: int, event: Any, pallet: int = 0, number: int = 0) -> bytes:
    """One event of extrinsic ``index``, as ``System.Events`` holds it."""
    head = b"\x00" + index.to_bytes(4, "little") + bytes((pallet, number))
    return b"\x04" + head + encode(type(event), event) + b"\x00"


SUCCESS = System.ExtrinsicSuccess(dispatch_info=DispatchInfo(Weight()).wire())


async def include_soon(node: Any, *, events: bytes, skip: int = 0) -> None:
    """Put the first transaction that comes into a block behind ``skip`` empty ones."""
    while not node.submitted:
        await anyio.sleep(0.01)
    for _ in range(skip):
        node.add_block()
    node.add_block(b"\x00", node.submitted[0], events=events)


async def submitted(node: Any, *, events: bytes, wait: Any = "included", **more: Any) -> Any:
    async with ChainClient.open(node.url, limits=QUICK) as chain, one_failure_group() as tasks:
        tasks.start_soon(lambda: include_soon(node, events=events))
        with anyio.fail_after(60):
            return await chain.submit(CALL, ALICE, wait=wait, **more)


@pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
async def test_an_included_call_has_a_receipt(node: Any) -> None:
    receipt = await submitted(node, events=outcome(1, SUCCESS))
    assert receipt.extrinsic_hash == blake2_256(node.submitted[0])
    assert receipt.block_hash == node.blocks[-1].header.hash()
    assert (receipt.block_number, receipt.extrinsic_index) == (7, 1)
    assert [item.name for item in receipt.events] == ["ExtrinsicSuccess"]


async def test_what_is_sent_is_our_encoding_with_a_valid_signature(node: Any) -> None:
    await submitted(node, events=outcome(1, SUCCESS))
    sent = UncheckedExtrinsic.decode(node.submitted[0])
    assert sent.call[2:] == CALL.encoded
    assert sent.signed is not None


async def test_a_failed_call_names_the_pallets_error_and_its_documentation(node: Any) -> None:
    number = CessRuntime.index_of(FileBank)
    error = DispatchModule(
        error=ModuleError(index=U8(number), error=ErrorBytes(b"\x02\x00\x00\x00"))
    )
    failed = System.ExtrinsicFailed(
        dispatch_error=error, dispatch_info=DispatchInfo(Weight()).wire()
    )
    with pytest.raises(CallFailed) as caught:
        await submitted(node, events=outcome(1, failed, number=1))
    assert (caught.value.pallet, caught.value.name) == ("FileBank", "FileNonExistent")
    assert "no active file" in caught.value.docs


async def test_many_calls_of_one_account_get_nonces_in_turn(node: Any) -> None:
    taken: set[int] = set()

    def submit(params: list[Any]) -> str:
        data = bytes.fromhex(params[0][2:])
        signed = UncheckedExtrinsic.decode(data).signed
        assert signed is not None
        nonce = int(signed.extra.nonce)
        assert nonce not in taken
        taken.add(nonce)
        return f"0x{blake2_256(data).hex()}"

    node.on["author_submitExtrinsic"] = submit
    node.on["system_accountNextIndex"] = lambda params: len(taken)
    async with ChainClient.open(node.url, limits=QUICK) as chain, one_failure_group() as tasks:
        for _ in range(6):
            tasks.start_soon(lambda: chain.submit(CALL, ALICE, wait=None))
    assert taken == set(range(6))


@pytest.mark.parametrize(("code", "data"), [(1014, "too low"), (1010, "Transaction is outdated")])
async def test_a_nonce_that_another_program_took_is_left_to_it(
    node: Any, fault: Any, code: int, data: str
) -> None:
    nonces: list[int] = []

    def submit(params: list[Any]) -> str:
        raw = bytes.fromhex(params[0][2:])
        signed = UncheckedExtrinsic.decode(raw).signed
        assert signed is not None
        nonces.append(int(signed.extra.nonce))
        if len(nonces) < 3:
            raise fault(code, "Invalid Transaction", data)
        return f"0x{blake2_256(raw).hex()}"

    node.on["author_submitExtrinsic"] = submit
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        await chain.submit(CALL, ALICE, wait=None)
    assert nonces == [0, 1, 2]


async def test_a_refused_transaction_is_not_signed_again(node: Any, fault: Any) -> None:
    def refuse(_params: list[Any]) -> str:
        raise fault(1010, "Invalid Transaction", "Inability to pay some fees")

    node.on["author_submitExtrinsic"] = refuse
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        with pytest.raises(TransactionRefused, match="Inability") as caught:
            await chain.submit(CALL, ALICE)
    assert caught.value.code == 1010
    assert node.requests.count("author_submitExtrinsic") == 1


async def test_a_connection_lost_while_sending_sends_the_same_bytes_again(
    node: Any, fault: Any, drop: Any
) -> None:
    """The node took it and died before it said so: a second signature would execute twice."""

    def submit(params: list[Any]) -> str:
        data = bytes.fromhex(params[0][2:])
        node.submitted.append(data)
        if len(node.submitted) == 1:
            raise drop
        raise fault(1013, "Transaction Already Imported")

    node.on["author_submitExtrinsic"] = submit
    receipt = await submitted(node, events=outcome(1, SUCCESS))
    assert receipt.block_number == 7
    assert len(node.submitted) >= 2
    assert len(set(node.submitted)) == 1


@pytest.mark.parametrize(
    ("code", "data"),
    [(1010, "Transaction is outdated"), (1012, "banned"), (1014, "priority too low")],
)
async def test_a_call_that_was_included_while_its_answer_was_lost_is_not_signed_again(
    node: Any, fault: Any, drop: Any, code: int, data: str
) -> None:
    """The node took it, died, and included it before it was asked again: its nonce is used now."""

    def submit(params: list[Any]) -> str:
        raw = bytes.fromhex(params[0][2:])
        node.submitted.append(raw)
        if len(node.submitted) == 1:
            raise drop
        if raw == node.submitted[0]:
            raise fault(code, "Invalid Transaction", data)
        return f"0x{blake2_256(raw).hex()}"

    node.on["author_submitExtrinsic"] = submit
    receipt = await submitted(node, events=outcome(1, SUCCESS))
    assert receipt.extrinsic_hash == blake2_256(node.submitted[0])
    assert len(set(node.submitted)) == 1


async def test_a_transaction_in_no_block_is_sent_again_as_it_is(node: Any) -> None:
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        with pytest.raises(SubmitTimeout) as caught:
            await chain.submit(CALL, ALICE, timeout_s=5.0)
    assert len(node.submitted) > 1
    assert len(set(node.submitted)) == 1
    assert caught.value.extrinsic_hash == blake2_256(node.submitted[0])


async def test_a_transaction_is_lost_only_when_its_era_is_final(node: Any) -> None:
    async def grow() -> None:
        while not node.submitted:
            await anyio.sleep(0.01)
        for _ in range(QUICK.era_blocks + 4):
            node.add_block()
            node.finalized = 6  # best alone decides nothing
            await anyio.sleep(0.005)
        await anyio.sleep(0.2)
        states.append("not final")
        node.finalized = len(node.blocks) - 1

    states: list[str] = []
    async with ChainClient.open(node.url, limits=QUICK) as chain, one_failure_group() as tasks:
        tasks.start_soon(grow)
        with anyio.fail_after(60), pytest.raises(TransactionLost, match="safely"):
            await chain.submit(CALL, ALICE)
    assert states == ["not final"]


async def test_finalized_waits_for_the_block_that_stays(node: Any) -> None:
    """The first block with the transaction is replaced by a fork that has it later."""

    async def reorganise() -> None:
        while not node.submitted:
            await anyio.sleep(0.01)
        node.add_block(b"\x00", node.submitted[0], events=outcome(1, SUCCESS))
        node.finalized = 6
        await anyio.sleep(0.1)
        node.blocks.pop()
        node.add_block(fork=1)
        node.add_block(b"\x00", b"\x01", node.submitted[0], events=outcome(2, SUCCESS))

    async with ChainClient.open(node.url, limits=QUICK) as chain, one_failure_group() as tasks:
        tasks.start_soon(reorganise)
        with anyio.fail_after(60):
            receipt = await chain.submit(CALL, ALICE, wait="finalized")
    assert (receipt.block_number, receipt.extrinsic_index) == (8, 2)


async def test_a_chain_that_describes_the_call_otherwise_is_refused(node: Any) -> None:
    odd = PreparedCall(CALL.pallet, CALL.name, CALL.arguments, CALL.encoded + b"\x00")
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        with pytest.raises(MetadataMismatch, match="otherwise"):
            await chain.submit(odd, ALICE)
    assert node.submitted == []


async def test_every_shape_of_argument_is_encoded_as_the_metadata_says(node: Any) -> None:
    transfer = prepare(
        Balances.transfer_keep_alive, dest=MultiAddressId(ALICE.account_id), value=Balance(7)
    )
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        await chain.submit(transfer, ALICE, wait=None)
    assert UncheckedExtrinsic.decode(node.submitted[0]).call.endswith(transfer.encoded)


async def test_ed25519_signs_and_ecdsa_says_that_it_cannot(node: Any) -> None:
    async with ChainClient.open(node.url, limits=QUICK) as chain:
        await chain.submit(CALL, KeyPair.from_suri("//Alice", "ed25519"), wait=None)
        with pytest.raises(TransactionRefused, match="sr25519"):
            await chain.submit(CALL, KeyPair.from_suri("//Alice", "ecdsa"), wait=None)
    assert len(node.submitted) == 1
