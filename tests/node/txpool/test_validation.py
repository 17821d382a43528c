"""Verdicts of the real runtime upon the best block."""

import pytest

from node.runtime import babe_report
from node.txpool.validation import Judged, Validator, check_envelope
from pallets.frame.executive import Executive
from pallets.frame.validity import TransactionSource
from primitives.crypto.keys import KeyPair
from primitives.errors import RpcError, StorageCorrupt
from primitives.extrinsic import extrinsic_hash
from tests.node.bench import Bench, run
from tests.node.net import ALICE, TCESS, Net
from tests.pallets.equivocations import double_block


def judge(net: Net, data: bytes) -> Judged:
    entry = (extrinsic_hash(data), data, TransactionSource.External)
    (found,) = Validator(net.chain).judge([entry])
    return found


def test_a_good_transaction_says_what_it_needs(net: Net) -> None:
    found = judge(net, net.transfer(nonce=2)).transaction
    assert found is not None
    assert found.sender == ALICE.account_id
    assert found.validity.requires == (bytes(ALICE.account_id) + b"\x01\0\0\0",)
    assert found.validity.provides == (bytes(ALICE.account_id) + b"\x02\0\0\0",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("stale", "Transaction is outdated"),
        ("signature", "Transaction has a bad signature"),
        ("poor", "Inability to pay some fees (e.g. account balance too low)"),
    ],
)
def test_a_bad_transaction_says_why_and_is_banned(net: Net, name: str, text: str) -> None:
    net.author(net.transfer(nonce=0))
    good = net.transfer(nonce=1)
    data = {
        "stale": net.transfer(nonce=0, value=TCESS + 1),
        "signature": good[:40] + bytes((good[40] ^ 1,)) + good[41:],
        "poor": net.transfer(nonce=0, pair=KeyPair.from_suri("//Poor")),
    }[name]
    found = judge(net, data)
    assert found.error is not None
    assert (found.error.code, found.error.data) == (1010, text)
    assert found.bans


@pytest.mark.parametrize("junk", [b"\x10junk", b"\x0c\x84\x00\x01", b"\x04\x04", b"\x00"])
def test_junk_in_a_good_envelope_is_a_verification_error(net: Net, junk: bytes) -> None:
    check_envelope(junk)
    found = judge(net, junk)
    assert found.error is not None
    assert found.error.code == 1002


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x08a", b"\x04ab", b"\x03\0\0\0\0", b"\xff" * 9])
def test_a_wrong_length_prefix_is_a_bad_format(data: bytes) -> None:
    with pytest.raises(RpcError) as caught:
        check_envelope(data)
    assert caught.value.code == 1001


def test_verdicts_follow_the_best_block(net: Net) -> None:
    validator = Validator(net.chain)
    data = net.transfer(nonce=0)
    entry = (extrinsic_hash(data), data, TransactionSource.External)
    assert validator.judge([entry])[0].transaction is not None
    net.author(data)
    assert validator.judge([entry])[0].error is not None


def test_a_block_names_the_tags_that_it_provided(net: Net) -> None:
    built, imported = net.author(net.transfer(), net.transfer())
    validator = Validator(net.chain)
    assert validator.body_of(imported.hash) == built.body
    assert validator.tags_of(imported.hash, built.body) == [
        bytes(ALICE.account_id) + nonce.to_bytes(4, "little") for nonce in (0, 1)
    ]


def test_a_trap_in_the_runtime_refuses_one_transaction_only(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trap(*_: object) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(Executive, "examine_transaction", trap)
    found = judge(net, net.transfer(nonce=0))
    assert found.error is not None
    assert (found.error.code, found.error.data) == (1002, "KeyError")


def test_a_damaged_disk_is_nobodys_transaction(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object) -> None:
        raise StorageCorrupt("bad disk")

    monkeypatch.setattr(Executive, "examine_transaction", damaged)
    with pytest.raises(StorageCorrupt):
        judge(net, net.transfer(nonce=0))


def test_a_state_that_is_pruned_meanwhile_is_no_fault_of_the_transaction(net: Net) -> None:
    database = net.chain.database
    database._state_pruning = 1
    validator = Validator(net.chain)
    first = net.transfer(nonce=0)
    validator.judge([(extrinsic_hash(first), first, TransactionSource.External)])
    built, imported = net.author(first)
    assert validator.tags_of(imported.hash, built.body) == []
    second = net.transfer(nonce=1)
    entry = (extrinsic_hash(second), second, TransactionSource.External)
    (found,) = validator.judge([entry])
    assert found.transaction is not None


def report(net: Net) -> bytes:
    """That Alice sealed two blocks for the slot of the best one."""
    runtime = net.chain.runtime(net.chain.database.best().hash)
    proof = double_block(ALICE, int(runtime.babe.current_slot.get()))
    owner = runtime.babe.prove_owner(proof.offender)
    assert owner is not None
    return babe_report(runtime, proof, owner)


def test_what_nobody_signs_is_taken_from_the_node_itself_only(net: Net) -> None:
    net.author()
    data = report(net)
    validator = Validator(net.chain)
    verdicts = {
        source: validator.judge([(extrinsic_hash(data), data, source)])[0]
        for source in TransactionSource
    }
    for source in (TransactionSource.Local, TransactionSource.InBlock):
        found = verdicts[source].transaction
        assert found is not None
        assert (found.sender, found.fee, found.funds) == (None, 0, None)
        assert not found.validity.propagate
    error = verdicts[TransactionSource.External].error
    assert error is not None
    assert error.data == "Transaction call is not expected"


def test_a_report_is_carried_by_the_next_block_and_leaves_the_pool(net: Net) -> None:
    net.author()
    data = report(net)

    async def test(bench: Bench) -> None:
        await bench.pool.submit(data, TransactionSource.Local)
        assert bench.pool.pending() == [data]
        imported = await bench.author()
        assert bench.pool.pending() == []
        validator = Validator(net.chain)
        assert len(validator.tags_of(imported.hash, (data,))) == 1
        with pytest.raises(RpcError):
            await bench.pool.submit(data, TransactionSource.Local)

    run(net, test)
