"""``state_call`` over the whole runtime."""

from dataclasses import replace

import pytest

from node.runtime import API_SPECS, VERSION, apis
from node.runtime.apis import (
    ApplyExtrinsicResult,
    Block,
    CheckInherentsResult,
    InherentData,
    InherentIdentifier,
    OpaqueMetadata,
    RuntimeDispatchInfo,
)
from pallets.babe.types import BabeConfiguration, Epoch
from pallets.frame.dispatch import RuntimePanic
from pallets.frame.runtime_api import UnknownRuntimeApi
from pallets.frame.signatures import ECDSA_WEIGHT
from pallets.frame.validity import BadProof, InvalidValidity, Stale, TransactionValidity
from pallets.frame.version import RuntimeVersion
from pallets.session import SessionKeys
from pallets.transaction_payment.types import FeeDetails
from primitives.crypto.keys import KeyPair
from primitives.crypto.signatures import EcdsaSignature, RecoverableSignatureBytes
from primitives.digest import AuthorityKey
from primitives.errors import DecodeError, InvalidBlock
from primitives.extrinsic import UncheckedExtrinsic
from primitives.scale import U32, U64, Err, Ok, codec, decode, encode
from primitives.types import Balance, KeyTypeId, Nonce
from tests.node.runtime.chain import COIN, Chain, pair

SUBSTRATES_IDS = {
    "Core": "df6acb689907609b",
    "Metadata": "37e397fc7c91f5e4",
    "BlockBuilder": "40fe3ad401f8959a",
    "TaggedTransactionQueue": "d2bc9897eed08f15",
    "AccountNonceApi": "bc9d89904f5b923f",
    "TransactionPaymentApi": "37c8bb1350a9a2a8",
    "GrandpaApi": "ed99c5acb25eedf5",
    "BabeApi": "cbca25e39f142387",
    "SessionKeys": "ab3c0572291feb8b",
    "GenesisBuilder": "fbc577b9d747efd6",
    "StakingApi": "18ef58a3b67ba770",
}
OWN = (
    *("FilesApi", "MinersApi", "AuditsApi", "TerritoriesApi", "CertificatesApi"),
    "ValidatorsApi",
)


def test_apis_have_substrates_ids() -> None:
    ids = {name: spec.id.hex() for name, spec in API_SPECS.items()}
    assert {name: ids[name] for name in ids if name not in OWN} == SUBSTRATES_IDS
    assert set(OWN) <= set(ids)
    assert [(api.hex(), int(version)) for api, version in VERSION.apis] == [
        (ids[name], spec.version) for name, spec in API_SPECS.items()
    ]


def test_every_function_has_types_and_a_text() -> None:
    for spec in API_SPECS.values():
        assert spec.doc
        for method in spec.methods.values():
            assert method.doc
            codec(method.output)
            for _, kind in method.inputs:
                codec(kind)


def test_the_version_is_told() -> None:
    assert decode(RuntimeVersion, Chain().ask("Core_version")) == VERSION


def test_metadata_is_opaque_and_of_two_versions() -> None:
    chain = Chain()
    made = chain.now()
    plain = decode(OpaqueMetadata, chain.ask("Metadata_metadata"))
    assert plain.data == made.metadata(14)
    assert chain.ask("Metadata_metadata_versions") == encode(tuple[U32, ...], (U32(14), U32(15)))
    newest = chain.ask("Metadata_metadata_at_version", encode(U32, U32(15)))
    found = decode(OpaqueMetadata | None, newest)
    assert found is not None
    assert found.data == made.metadata(15)
    assert chain.ask("Metadata_metadata_at_version", encode(U32, U32(16))) == b"\x00"


def test_nonces_are_told_for_accounts_that_exist_and_not() -> None:
    chain = Chain()
    alice = bytes(pair("Alice").account_id)
    assert chain.ask("AccountNonceApi_account_nonce", alice) == encode(Nonce, Nonce(0))
    chain.block(chain.transfer("Alice", "Bob", COIN))
    assert chain.ask("AccountNonceApi_account_nonce", alice) == encode(Nonce, Nonce(1))
    assert chain.ask("AccountNonceApi_account_nonce", bytes(32)) == encode(Nonce, Nonce(0))


def validate(chain: Chain, ext: bytes) -> object:
    params = b"\x02" + ext + chain.head.hash()
    raw = chain.ask("TaggedTransactionQueue_validate_transaction", params)
    return decode(TransactionValidity, raw)


def test_transactions_are_validated_upon_any_block() -> None:
    chain = Chain()
    ext = chain.transfer("Alice", "Bob", COIN)
    assert isinstance(validate(chain, ext), Ok)
    chain.block(ext)
    assert validate(chain, ext) == Err(InvalidValidity(error=Stale()))
    forged = ext[:-1] + bytes((ext[-1] ^ 1,))
    assert validate(chain, forged) == Err(InvalidValidity(error=BadProof()))


@pytest.mark.parametrize("garbage", [b"", b"\x02", b"\x02\x10garb" + bytes(32), b"\x09" * 99])
def test_garbage_does_not_decode(garbage: bytes) -> None:
    with pytest.raises(DecodeError):
        Chain().ask("TaggedTransactionQueue_validate_transaction", garbage)


def test_the_fee_told_is_the_fee_paid() -> None:
    chain = Chain()
    alice = pair("Alice").account_id
    ext = chain.transfer("Alice", "Bob", COIN, tip=7)
    params = ext + encode(U32, U32(len(ext)))
    info = decode(RuntimeDispatchInfo, chain.ask("TransactionPaymentApi_query_info", params))
    details = decode(FeeDetails, chain.ask("TransactionPaymentApi_query_fee_details", params))
    before = chain.now().balances.free(alice)
    chain.block(ext)
    assert details.tip == 7
    assert details.inclusion_fee is not None
    parts = details.inclusion_fee
    fee = int(parts.base_fee) + int(parts.len_fee) + int(parts.adjusted_weight_fee)
    assert info.partial_fee == fee > 0
    paid = int(before) - int(chain.now().balances.free(alice)) - COIN
    assert paid == fee + 7


def test_the_weight_told_has_that_of_the_signature() -> None:
    chain = Chain()
    ext = UncheckedExtrinsic.decode(chain.transfer("Alice", "Bob", COIN))
    assert ext.signed is not None
    slow = replace(
        ext,
        signed=replace(ext.signed, signature=EcdsaSignature(RecoverableSignatureBytes(bytes(65)))),
    )

    def weight(asked: UncheckedExtrinsic) -> int:
        params = asked.encode() + encode(U32, U32(200))
        info = decode(RuntimeDispatchInfo, chain.ask("TransactionPaymentApi_query_info", params))
        return int(info.weight.ref_time)

    assert weight(slow) - weight(ext) == ECDSA_WEIGHT.ref_time


def test_bare_extrinsics_cost_nothing() -> None:
    chain = Chain()
    ext = UncheckedExtrinsic(None, chain.call("Timestamp", "set", now=U64(5))).encode()
    params = ext + encode(U32, U32(len(ext)))
    info = decode(RuntimeDispatchInfo, chain.ask("TransactionPaymentApi_query_info", params))
    assert info.partial_fee == 0
    raw = chain.ask("TransactionPaymentApi_query_fee_details", params)
    assert decode(FeeDetails, raw).inclusion_fee is None


def test_weights_and_lengths_have_prices() -> None:
    chain = Chain()
    length = chain.ask("TransactionPaymentApi_query_length_to_fee", encode(U32, U32(10)))
    assert decode(Balance, length) == 10 * chain.now().constants.length_fee
    weight = chain.ask("TransactionPaymentApi_query_weight_to_fee", b"\x04\x00")
    assert decode(Balance, weight) == chain.now().constants.weight_fee


def test_consensus_is_told_to_light_clients() -> None:
    chain = Chain()
    chain.block()
    babe = decode(BabeConfiguration, chain.ask("BabeApi_configuration"))
    assert babe.slot_duration == chain.now().constants.slot_duration_ms
    assert babe.authorities[0][0] == bytes(pair("Alice").public)
    current = decode(Epoch, chain.ask("BabeApi_current_epoch"))
    coming = decode(Epoch, chain.ask("BabeApi_next_epoch"))
    assert (current.epoch_index, coming.epoch_index) == (0, 1)
    start = decode(U64, chain.ask("BabeApi_current_epoch_start"))
    assert start == current.start_slot == 1_000_000
    voters = decode(
        tuple[tuple[AuthorityKey, U64], ...], chain.ask("GrandpaApi_grandpa_authorities")
    )
    assert len(voters) == 1
    assert chain.ask("GrandpaApi_current_set_id") == bytes(8)


def test_consensus_can_be_asked_upon_genesis() -> None:
    chain = Chain()
    for method in ("configuration", "current_epoch", "next_epoch", "current_epoch_start"):
        assert chain.ask(f"BabeApi_{method}")


def test_session_keys_are_decoded() -> None:
    keys = SessionKeys(babe=AuthorityKey(b"\x01" * 32), grandpa=AuthorityKey(b"\x02" * 32))
    params = encode(bytes, encode(SessionKeys, keys))
    raw = Chain().ask("SessionKeys_decode_session_keys", params)
    assert decode(tuple[tuple[bytes, KeyTypeId], ...] | None, raw) == (
        (b"\x01" * 32, KeyTypeId(b"babe")),
        (b"\x02" * 32, KeyTypeId(b"gran")),
    )
    assert Chain().ask("SessionKeys_decode_session_keys", encode(bytes, b"short")) == b"\x00"


def test_session_keys_come_from_a_seed_and_never_from_nowhere() -> None:
    raw = Chain().ask("SessionKeys_generate_session_keys", encode(bytes | None, b"//Alice"))
    keys = decode(SessionKeys, decode(bytes, raw))
    assert keys.babe == pair("Alice").public
    assert keys.grandpa == KeyPair.from_suri("//Alice", "ed25519").public
    for seed in (None, b"no words at all", b"\xff"):
        with pytest.raises(RuntimePanic):
            Chain().ask("SessionKeys_generate_session_keys", encode(bytes | None, seed))


def test_blocks_can_be_executed_and_begun() -> None:
    chain = Chain()
    header, body = chain.author(chain.transfer("Alice", "Bob", COIN))
    extrinsics = tuple(UncheckedExtrinsic.decode(each) for each in body)
    block = Block(header=header, extrinsics=extrinsics)
    assert chain.ask("Core_execute_block", encode(Block, block)) == b""
    assert chain.ask("Core_initialize_block", header.encode()) == b""
    with pytest.raises(InvalidBlock):
        chain.ask("Core_execute_block", encode(Block, Block(header=header, extrinsics=())))


def test_an_extrinsic_can_be_tried() -> None:
    chain = Chain()
    chain.block()  # upon block 0 its own hash is not in the state, so no signature can be judged
    good = chain.ask("BlockBuilder_apply_extrinsic", chain.transfer("Alice", "Bob", COIN))
    assert decode(ApplyExtrinsicResult, good) == Ok(Ok(None))
    poor = chain.ask("BlockBuilder_apply_extrinsic", chain.transfer("Alice", "Bob", 10**30))
    assert isinstance(decode(ApplyExtrinsicResult, poor), Ok)
    assert isinstance(decode(ApplyExtrinsicResult, poor).value, Err)
    late = chain.transfer("Alice", "Bob", COIN, nonce=4)
    assert isinstance(
        decode(ApplyExtrinsicResult, chain.ask("BlockBuilder_apply_extrinsic", late)), Err
    )


def test_inherents_are_made_and_checked() -> None:
    chain = Chain()
    time = (InherentIdentifier(b"timstap0"), encode(U64, U64(5_000_000)))
    data = InherentData(data=(time,))
    raw = chain.ask("BlockBuilder_inherent_extrinsics", encode(InherentData, data))
    made = decode(tuple[UncheckedExtrinsic, ...], raw)
    assert len(made) == 1
    header, _ = chain.author()
    block = Block(header=header, extrinsics=made)
    params = encode(Block, block) + encode(InherentData, data)
    good = decode(CheckInherentsResult, chain.ask("BlockBuilder_check_inherents", params))
    assert good.okay
    early = InherentData(data=((time[0], encode(U64, U64(1))),))
    params = encode(Block, block) + encode(InherentData, early)
    bad = decode(CheckInherentsResult, chain.ask("BlockBuilder_check_inherents", params))
    assert (bad.okay, bad.fatal_error) == (False, False)
    with pytest.raises(DecodeError, match="hold 0 times"):
        chain.ask("BlockBuilder_inherent_extrinsics", b"\x00")


def test_unknown_functions_are_refused() -> None:
    with pytest.raises(UnknownRuntimeApi):
        apis(Chain().now()).call("BlockBuilder_finalize_block", b"")
