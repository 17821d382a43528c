from dataclasses import replace
from functools import cache
from typing import Annotated, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scalecodec.base import RuntimeConfigurationObject
from scalecodec.type_registry import load_type_registry_preset

from primitives.crypto.keys import SCHEMES, KeyPair, Scheme
from primitives.era import IMMORTAL, Era
from primitives.errors import ArithmeticOverflow, DecodeError
from primitives.extrinsic import (
    EXTRINSIC_BYTES_MAX,
    SIGNED_EXTENSIONS,
    Address20,
    Address32,
    EcdsaSignature,
    Ed25519Signature,
    Implicit,
    MultiAddress,
    MultiAddress20,
    MultiAddress32,
    MultiAddressId,
    MultiAddressIndex,
    MultiAddressRaw,
    MultiSignature,
    RecoverableSignatureBytes,
    SignatureBytes,
    SignedExtra,
    SignedPart,
    Sr25519Signature,
    UncheckedExtrinsic,
    extrinsic_hash,
    sign_extrinsic,
    signing_payload,
)
from primitives.hashing import blake2_256
from primitives.scale import U32, U128, Compact, codec, decode, encode
from primitives.scale.type_info import Registry, Variants
from primitives.types import AccountId, Hash

ALICE = KeyPair.from_suri("//Alice")
BOB = KeyPair.from_suri("//Bob")
GENESIS = Hash(b"\x0a" * 32)
IMPLICIT = Implicit(U32(100), U32(1), GENESIS, Hash(b"\x0b" * 32))
CALL = bytes([6, 3]) + b"some arguments"

ERAS = st.builds(Era.mortal, st.integers(4, 65536), st.integers(0, 2**32 - 1)) | st.just(IMMORTAL)
EXTRAS = st.builds(
    SignedExtra,
    era=ERAS,
    nonce=st.integers(0, 2**32 - 1).map(U32),
    tip=st.integers(0, 2**128 - 1).map(U128),
)
SIGNATURES: st.SearchStrategy[MultiSignature] = st.one_of(
    st.binary(min_size=64, max_size=64).map(lambda raw: Sr25519Signature(SignatureBytes(raw))),
    st.binary(min_size=64, max_size=64).map(lambda raw: Ed25519Signature(SignatureBytes(raw))),
    st.binary(min_size=65, max_size=65).map(
        lambda raw: EcdsaSignature(RecoverableSignatureBytes(raw))
    ),
)
ADDRESSES: st.SearchStrategy[MultiAddress] = st.one_of(
    st.binary(min_size=32, max_size=32).map(lambda raw: MultiAddressId(AccountId(raw))),
    st.integers(0, 2**32 - 1).map(lambda index: MultiAddressIndex(U32(index))),
    st.binary(max_size=50).map(MultiAddressRaw),
    st.binary(min_size=32, max_size=32).map(lambda raw: MultiAddress32(Address32(raw))),
    st.binary(min_size=20, max_size=20).map(lambda raw: MultiAddress20(Address20(raw))),
)
PARTS = st.builds(SignedPart, address=ADDRESSES, signature=SIGNATURES, extra=EXTRAS)
EXTRINSICS = st.builds(UncheckedExtrinsic, signed=st.none() | PARTS, call=st.binary(max_size=300))


@cache
def oracle_types() -> RuntimeConfigurationObject:
    config = RuntimeConfigurationObject()
    config.update_type_registry(load_type_registry_preset("legacy"))
    return config


class Raw(bytes):
    """A subclass, as hashes and bounded bytes are."""


ALICE_PART = SignedPart(
    MultiAddressId(ALICE.account_id),
    Sr25519Signature(SignatureBytes(bytes(64))),
    SignedExtra(IMMORTAL, U32(0), U128(0)),
)


def oracle(kind: str, value: object) -> bytes:
    return bytes(oracle_types().create_scale_object(kind).encode(value).data)


# Wire form.


def test_a_known_inherent() -> None:
    """Timestamp.set of a Polkadot block: bare, version 4, pallet 2, call 0, a compact moment."""
    data = bytes.fromhex("280402000b50055ee97001")
    extrinsic = UncheckedExtrinsic.decode(data)
    assert extrinsic == UncheckedExtrinsic(None, bytes.fromhex("02000b50055ee97001"))
    assert extrinsic.encode() == data


@settings(max_examples=25, deadline=None)  # the oracle is slow
@given(extra=EXTRAS, signature=st.binary(min_size=64, max_size=64))
def test_a_transaction_is_the_bytes_of_scalecodec(extra: SignedExtra, signature: bytes) -> None:
    part = SignedPart(
        MultiAddressId(ALICE.account_id), Sr25519Signature(SignatureBytes(signature)), extra
    )
    era: object = "00" if extra.era.is_immortal else (extra.era.period, extra.era.phase)
    body = (
        b"\x84"
        + oracle("MultiAddress", {"Id": f"0x{ALICE.public.hex()}"})
        + oracle("MultiSignature", {"Sr25519": f"0x{signature.hex()}"})
        + oracle("Era", era)
        + oracle("Compact<u32>", int(extra.nonce))
        + oracle("Compact<u128>", int(extra.tip))
        + CALL
    )
    expected = oracle("Compact<u32>", len(body)) + body
    assert UncheckedExtrinsic(part, CALL).encode() == expected


@given(EXTRINSICS)
def test_extrinsics_come_back(extrinsic: UncheckedExtrinsic) -> None:
    data = extrinsic.encode()
    assert UncheckedExtrinsic.decode(data) == extrinsic
    assert extrinsic_hash(data) == blake2_256(data)


@given(st.lists(EXTRINSICS, max_size=3).map(tuple))
def test_a_body_of_extrinsics_comes_back(body: tuple[UncheckedExtrinsic, ...]) -> None:
    kind = codec(tuple[UncheckedExtrinsic, ...])
    assert kind.decode(kind.encode(body)) == body


@given(EXTRINSICS, st.data())
def test_truncated_and_extended_extrinsics_are_refused(
    extrinsic: UncheckedExtrinsic, data: st.DataObject
) -> None:
    encoded = extrinsic.encode()
    cut = data.draw(st.integers(0, len(encoded) - 1))
    for bad in (encoded[:cut], encoded + b"\0"):
        with pytest.raises(DecodeError):
            UncheckedExtrinsic.decode(bad)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_extrinsic_or_refused(data: bytes) -> None:
    try:
        extrinsic = UncheckedExtrinsic.decode(data)
    except DecodeError:
        return
    assert extrinsic.encode() == data


@given(st.binary(max_size=160))
def test_any_signed_part_is_one_or_refused(rest: bytes) -> None:
    """The length and the version are right, so the rest is reached."""
    body = b"\x84\x00" + rest
    data = encode(Annotated[U32, Compact], U32(len(body))) + body
    try:
        extrinsic = UncheckedExtrinsic.decode(data)
    except DecodeError:
        return
    assert extrinsic.encode() == data


@pytest.mark.parametrize(
    "data",
    ["", "00", "0400", "0405", "0485", "0444", "0c040000ff", "01000400", "4104", "fd"],
)
def test_malformed_extrinsics_are_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        UncheckedExtrinsic.decode(bytes.fromhex(data))


def test_only_version_4_is_known() -> None:
    for version in range(256):
        if version in (0x04, 0x84):
            continue
        with pytest.raises(DecodeError, match="version 4"):
            UncheckedExtrinsic.decode(bytes([12, version, 0, 0]))


@pytest.mark.parametrize(("more", "fits"), [(-1, True), (0, True), (1, False)])
def test_the_limit_of_an_extrinsic(more: int, fits: bool) -> None:
    data = UncheckedExtrinsic(None, bytes(EXTRINSIC_BYTES_MAX - 5 + more)).encode()
    assert len(data) == EXTRINSIC_BYTES_MAX + more
    if fits:
        UncheckedExtrinsic.decode(data)
    else:
        with pytest.raises(DecodeError, match="at most"):
            UncheckedExtrinsic.decode(data)


# Signing.


def signed(call: bytes = CALL, pair: KeyPair = ALICE, nonce: int = 7) -> UncheckedExtrinsic:
    era = Era.mortal(64, 1000)
    return UncheckedExtrinsic.decode(sign_extrinsic(call, pair, nonce, 5, era, IMPLICIT))


def is_valid(extrinsic: UncheckedExtrinsic, implicit: Implicit = IMPLICIT) -> bool:
    part = extrinsic.signed
    assert part is not None
    assert part.account is not None
    payload = extrinsic.signed_payload(implicit)
    assert payload is not None
    return part.signature.verify(part.account, payload)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [0, 200, 5000])
def test_a_signed_extrinsic_is_valid(scheme: Scheme, size: int) -> None:
    pair = KeyPair.from_suri("//Alice", scheme)
    extrinsic = signed(CALL + bytes(size), pair)
    assert extrinsic.signed is not None
    assert extrinsic.signed.account == pair.account_id
    assert extrinsic.signed.extra == SignedExtra(Era.mortal(64, 1000), U32(7), U128(5))
    assert extrinsic.call == CALL + bytes(size)
    assert is_valid(extrinsic)


def test_the_payload_is_call_extra_and_implicit() -> None:
    extra = SignedExtra(IMMORTAL, U32(1), U128(2))
    expected = (
        CALL
        + bytes([0, 1 << 2, 2 << 2])
        + (100).to_bytes(4, "little")
        + (1).to_bytes(4, "little")
        + b"\x0a" * 32
        + b"\x0b" * 32
    )
    assert signing_payload(CALL, extra, IMPLICIT) == expected


@pytest.mark.parametrize(("total", "is_hashed"), [(255, False), (256, False), (257, True)])
def test_a_long_payload_is_hashed(total: int, is_hashed: bool) -> None:
    extra = SignedExtra(IMMORTAL, U32(1), U128(2))
    call = bytes(total - len(signing_payload(b"", extra, IMPLICIT)))
    payload = signing_payload(call, extra, IMPLICIT)
    assert len(payload) == (32 if is_hashed else total)
    if is_hashed:
        whole = call + encode(SignedExtra, extra) + encode(Implicit, IMPLICIT)
        assert payload == blake2_256(whole)


def test_a_transaction_with_another_call_is_not_valid() -> None:
    extrinsic = signed()
    assert not is_valid(replace(extrinsic, call=CALL + b"!"))


@pytest.mark.parametrize(
    "change", [{"nonce": U32(8)}, {"tip": U128(0)}, {"era": IMMORTAL}, {"era": Era(64, 1)}]
)
def test_a_transaction_with_another_extra_is_not_valid(change: dict[str, object]) -> None:
    extrinsic = signed()
    part = extrinsic.signed
    assert part is not None
    extra = SignedExtra(**{**_fields(part.extra), **change})  # type: ignore[arg-type]
    forged = replace(extrinsic, signed=replace(part, extra=extra))
    assert not is_valid(forged)


def _fields(extra: SignedExtra) -> dict[str, object]:
    return {"era": extra.era, "nonce": extra.nonce, "tip": extra.tip}


@pytest.mark.parametrize(
    "implicit",
    [
        Implicit(U32(101), U32(1), GENESIS, IMPLICIT.birth_hash),
        Implicit(U32(100), U32(2), GENESIS, IMPLICIT.birth_hash),
        Implicit(U32(100), U32(1), Hash(bytes(32)), IMPLICIT.birth_hash),
        Implicit(U32(100), U32(1), GENESIS, GENESIS),
    ],
    ids=["spec", "transaction version", "genesis", "birth"],
)
def test_a_transaction_is_not_valid_on_another_chain_version_or_fork(implicit: Implicit) -> None:
    assert not is_valid(signed(), implicit)


def test_a_transaction_in_the_name_of_another_is_not_valid() -> None:
    extrinsic = signed()
    part = extrinsic.signed
    assert part is not None
    forged = replace(extrinsic, signed=replace(part, address=MultiAddressId(BOB.account_id)))
    assert not is_valid(forged)


def test_a_bare_extrinsic_has_no_payload() -> None:
    assert UncheckedExtrinsic(None, CALL).signed_payload(IMPLICIT) is None


@pytest.mark.parametrize(
    "address",
    [
        MultiAddressIndex(U32(0)),
        MultiAddressRaw(ALICE.public),
        MultiAddress32(Address32(ALICE.public)),
        MultiAddress20(Address20(bytes(20))),
    ],
)
def test_only_an_id_names_an_account(address: MultiAddress) -> None:
    extra = SignedExtra(IMMORTAL, U32(0), U128(0))
    assert SignedPart(address, Sr25519Signature(SignatureBytes(bytes(64))), extra).account is None


@pytest.mark.parametrize(("nonce", "tip"), [(2**32, 0), (-1, 0), (0, 2**128), (0, -1)])
def test_a_nonce_or_tip_out_of_range_is_refused(nonce: int, tip: int) -> None:
    with pytest.raises(ArithmeticOverflow):
        sign_extrinsic(CALL, ALICE, nonce, tip, IMMORTAL, IMPLICIT)


# The list of extensions.


def test_extra_and_implicit_are_what_the_extensions_list() -> None:
    extra = [each.extra_type for each in SIGNED_EXTENSIONS if each.extra_type is not None]
    implicit = [
        each.additional_signed_type
        for each in SIGNED_EXTENSIONS
        if each.additional_signed_type is not None
    ]
    assert list(get_type_hints(SignedExtra, include_extras=True).values()) == extra
    assert list(get_type_hints(Implicit, include_extras=True).values()) == implicit
    assert all(get_origin(kind) in (None, Annotated) for kind in extra)


def test_extensions_are_in_the_order_that_clients_expect() -> None:
    assert [each.identifier for each in SIGNED_EXTENSIONS] == [
        "CheckNonZeroSender",
        "CheckSpecVersion",
        "CheckTxVersion",
        "CheckGenesis",
        "CheckMortality",
        "CheckNonce",
        "CheckWeight",
        "ChargeTransactionPayment",
    ]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (MultiAddress, ["Id", "Index", "Raw", "Address32", "Address20"]),
        (MultiSignature, ["Ed25519", "Sr25519", "Ecdsa"]),
        (Era, ["Immortal", *(f"Mortal{index}" for index in range(1, 256))]),
    ],
)
def test_metadata_of_what_clients_know_by_heart(kind: type, names: list[str]) -> None:
    registry = Registry()
    number = registry.type_id(kind)
    definition = registry.types()[number].definition
    assert isinstance(definition, Variants)
    assert [case.name for case in definition.variants] == names
    assert [case.index for case in definition.variants] == list(range(len(names)))
    assert all(field.name is None for case in definition.variants for field in case.fields)


@pytest.mark.parametrize("address", [b"\x05" + bytes(32), b"\x00" + bytes(31), b""])
def test_malformed_addresses_are_refused(address: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(MultiAddress, address)


@pytest.mark.parametrize("wrap", [bytearray, memoryview, Raw])
def test_views_and_subclasses_of_bytes_are_decoded_to_bytes(wrap: type) -> None:
    for signed in (ALICE_PART, None):
        whole = UncheckedExtrinsic(signed, CALL)
        found = UncheckedExtrinsic.decode(wrap(whole.encode()))
        assert found == whole
        assert type(found.call) is bytes
