"""Transactions of an unmodified substrate-interface, with no node behind it, and ours: they are the
same bytes, and each side takes the other's signature."""

from functools import cache

import pytest
from scalecodec.base import ScaleBytes
from substrateinterface import Keypair, KeypairType, SubstrateInterface

from chain_spec.presets import dev
from node.runtime import VERSION, CessRuntime, build_state, runtime_at
from pallets.frame import DictState
from primitives.crypto.keys import KeyPair, Scheme
from primitives.crypto.signatures import make_multi_signature
from primitives.era import IMMORTAL, Era
from primitives.extrinsic import (
    Implicit,
    MultiAddressId,
    MultiSignature,
    SignedExtra,
    SignedPart,
    UncheckedExtrinsic,
    sign_extrinsic,
    signing_payload,
)
from primitives.scale import U32, U128, encode
from primitives.types import Balance, Hash

CURRENT = 1000
TYPES: dict[Scheme, int] = {"sr25519": KeypairType.SR25519, "ed25519": KeypairType.ED25519}
BOB = KeyPair.from_suri("//Bob").account_id
SEED = "0x" + "2a" * 32
ERAS = pytest.mark.parametrize(
    ("era", "asked"),
    [
        (IMMORTAL, None),
        (Era.mortal(64, CURRENT), {"period": 64, "current": CURRENT}),
        (Era.mortal(8192, CURRENT), {"period": 8192, "current": CURRENT}),
    ],
    ids=["immortal", "64 blocks", "8192 blocks"],
)


def block_hash(number: int) -> Hash:
    return Hash(number.to_bytes(32, "big"))


class Offline(SubstrateInterface):  # type: ignore[misc]
    """A client whose node's answers are known beforehand."""

    def init_runtime(self, *_: object, **__: object) -> None:
        """The runtime is there from the beginning."""

    def get_block_hash(self, block_id: int | None = None) -> str:
        """A hash for every height."""
        return f"0x{block_hash(block_id or 0).hex()}"


@cache
def runtime() -> CessRuntime:
    return runtime_at(DictState(build_state(dev().config())))


@cache
def client() -> Offline:
    made = Offline(url="http://nowhere", ss58_format=11330, auto_discover=False)
    made.runtime_config.clear_type_registry()
    made.reload_type_registry(use_remote_preset=False, auto_discover=False)
    made.runtime_version = int(VERSION.spec_version)
    made.transaction_version = int(VERSION.transaction_version)
    metadata = made.runtime_config.create_scale_object(
        "MetadataVersioned", data=ScaleBytes(runtime().metadata(14))
    )
    metadata.decode()
    made.metadata = metadata
    made.runtime_config.add_portable_registry(metadata)
    made.runtime_config.set_active_spec_version_id(made.runtime_version)
    return made


def call_of(remark: bytes | None) -> tuple[object, bytes]:
    """A call as the client composes it, and ours."""
    if remark is None:
        theirs = client().compose_call(
            "Balances", "transfer_keep_alive", {"dest": f"0x{BOB.hex()}", "value": 12345}
        )
        ours = CessRuntime.calls().make(
            "Balances", "transfer_keep_alive", dest=MultiAddressId(BOB), value=Balance(12345)
        )
    else:
        theirs = client().compose_call("System", "remark", {"remark": f"0x{remark.hex()}"})
        ours = CessRuntime.calls().make("System", "remark", remark=remark)
    return theirs, ours.encode()


def implicit(era: Era) -> Implicit:
    return Implicit(
        spec_version=U32(VERSION.spec_version),
        transaction_version=U32(VERSION.transaction_version),
        genesis_hash=block_hash(0),
        birth_hash=block_hash(era.birth(CURRENT)),
    )


@ERAS
@pytest.mark.parametrize("scheme", ["sr25519", "ed25519"])
@pytest.mark.parametrize("remark", [None, b"", bytes(300)], ids=["transfer", "short", "hashed"])
def test_the_same_transaction_is_the_same_bytes(
    scheme: Scheme, era: Era, asked: dict[str, int] | None, remark: bytes | None
) -> None:
    their_call, our_call = call_of(remark)
    theirs_pair = Keypair.create_from_seed(SEED, crypto_type=TYPES[scheme])
    ours_pair = KeyPair.from_suri(SEED, scheme)
    signature = bytes(range(64))
    theirs = client().create_signed_extrinsic(
        their_call,
        theirs_pair,
        era=None if asked is None else dict(asked),
        nonce=300,
        tip=10**20,
        signature=signature,
    )
    extra = SignedExtra(era=era, nonce=U32(300), tip=U128(10**20))
    part = SignedPart(
        MultiAddressId(ours_pair.account_id), make_multi_signature(scheme, signature), extra
    )
    assert bytes(theirs.data.data) == UncheckedExtrinsic(part, our_call).encode()


@ERAS
@pytest.mark.parametrize("remark", [None, bytes(300)], ids=["transfer", "hashed"])
def test_the_payload_to_sign_is_the_same_bytes(
    era: Era, asked: dict[str, int] | None, remark: bytes | None
) -> None:
    their_call, our_call = call_of(remark)
    theirs = client().generate_signature_payload(
        their_call, era=None if asked is None else dict(asked), nonce=3, tip=7
    )
    extra = SignedExtra(era=era, nonce=U32(3), tip=U128(7))
    assert bytes(theirs.data) == signing_payload(our_call, extra, implicit(era))


@ERAS
@pytest.mark.parametrize("scheme", ["sr25519", "ed25519"])
def test_each_takes_the_others_signature(
    scheme: Scheme, era: Era, asked: dict[str, int] | None
) -> None:
    their_call, our_call = call_of(None)
    theirs_pair = Keypair.create_from_seed(SEED, crypto_type=TYPES[scheme])
    made = client().create_signed_extrinsic(
        their_call, theirs_pair, era=None if asked is None else dict(asked), nonce=0
    )
    extrinsic = UncheckedExtrinsic.decode(bytes(made.data.data))
    payload = extrinsic.signed_payload(implicit(era))
    assert extrinsic.call == our_call
    assert extrinsic.signed is not None
    assert extrinsic.signed.account is not None
    assert payload is not None
    assert extrinsic.signed.signature.verify(extrinsic.signed.account, payload)

    ours = sign_extrinsic(our_call, KeyPair.from_suri(SEED, scheme), 0, 0, era, implicit(era))
    part = UncheckedExtrinsic.decode(ours).signed
    assert part is not None
    assert theirs_pair.verify(payload, encode(MultiSignature, part.signature)[1:])
