"""Signed transfers that are decoded and encoded in a second: ours and scalecodec's, in one run.

A transfer is an extrinsic of version 4: length, 0x84, address, sr25519 signature, immortal era,
nonce, tip, and the call with its two indexes, destination and amount. Both decode to values of
every field and encode from such values. The node's own way is `UncheckedExtrinsic.decode` and the
arguments of the call after it.
"""

import time
from collections.abc import Callable
from typing import Annotated

from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset

from primitives.era import IMMORTAL, Era
from primitives.extrinsic import (
    MultiAddress,
    MultiAddressId,
    MultiSignature,
    SignatureBytes,
    SignedExtra,
    SignedPart,
    Sr25519Signature,
    UncheckedExtrinsic,
)
from primitives.scale import U8, U32, U128, Compact, codec, struct
from primitives.types import AccountId, Balance

ROUNDS = 5
SECONDS_PER_ROUND = 0.4


@struct
class TransferCall:
    pallet: U8
    variant: U8
    dest: MultiAddress
    value: Annotated[Balance, Compact]


@struct
class Transfer:
    length: Annotated[U32, Compact]
    version: U8
    address: MultiAddress
    signature: MultiSignature
    era: Era
    nonce: Annotated[U32, Compact]
    tip: Annotated[U128, Compact]
    call: TransferCall


def rate(work: Callable[[], object]) -> float:
    """The best of some rounds, in runs per second."""
    work()
    best = 0.0
    for _ in range(ROUNDS):
        count, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < SECONDS_PER_ROUND:
            for _ in range(50):
                work()
            count += 50
        best = max(best, count / elapsed)
    return best


def oracle() -> RuntimeConfigurationObject:
    config = RuntimeConfigurationObject(ss58_format=42)
    config.update_type_registry(load_type_registry_preset("core"))
    config.update_type_registry(
        {
            "types": {
                "Address_": {
                    "type": "enum",
                    "type_mapping": [["Id", "[u8; 32]"], ["Index", "Compact<u32>"]],
                },
                "Signature_": {
                    "type": "enum",
                    "type_mapping": [["Ed25519", "[u8; 64]"], ["Sr25519", "[u8; 64]"]],
                },
                "Call_": {
                    "type": "struct",
                    "type_mapping": [
                        ["pallet", "u8"],
                        ["variant", "u8"],
                        ["dest", "Address_"],
                        ["value", "Compact<u128>"],
                    ],
                },
                "Transfer_": {
                    "type": "struct",
                    "type_mapping": [
                        ["length", "Compact<u32>"],
                        ["version", "u8"],
                        ["address", "Address_"],
                        ["signature", "Signature_"],
                        ["era", "u8"],
                        ["nonce", "Compact<u32>"],
                        ["tip", "Compact<u128>"],
                        ["call", "Call_"],
                    ],
                },
            }
        }
    )
    return config


def main() -> None:
    call = TransferCall(
        U8(6), U8(3), MultiAddressId(AccountId(bytes(range(32)))), Balance(1_234_567 * 10**18)
    )
    extra = SignedExtra(IMMORTAL, U32(42), U128(0))
    part = SignedPart(
        MultiAddressId(AccountId(b"a" * 32)), Sr25519Signature(SignatureBytes(b"s" * 64)), extra
    )
    call_codec, transfer_codec = codec(TransferCall), codec(Transfer)
    extrinsic = UncheckedExtrinsic(part, call_codec.encode(call))
    data = extrinsic.encode()
    transfer = transfer_codec.decode(data)
    assert transfer_codec.encode(transfer) == data
    assert transfer.call == call

    config = oracle()

    def decode_theirs() -> object:
        return config.create_scale_object("Transfer_", ScaleBytes(data)).decode()

    value = decode_theirs()
    assert bytes(config.create_scale_object("Transfer_").encode(value).data) == data

    def decode_as_node() -> object:
        found = UncheckedExtrinsic.decode(data)
        return found, call_codec.decode(found.call)

    def encode_as_node() -> bytes:
        return UncheckedExtrinsic(part, call_codec.encode(call)).encode()

    rows = [
        (
            "decode",
            rate(lambda: transfer_codec.decode(data)),
            rate(decode_as_node),
            rate(decode_theirs),
        ),
        (
            "encode",
            rate(lambda: transfer_codec.encode(transfer)),
            rate(encode_as_node),
            rate(lambda: config.create_scale_object("Transfer_").encode(value)),
        ),
    ]
    print(f"Signed transfers per second on one core ({len(data)} bytes each).\n")
    head = ("", "one record", "node's way", "scalecodec", "record / scalecodec")
    print(f"{head[0]:8}{head[1]:>12}{head[2]:>12}{head[3]:>12}{head[4]:>22}")
    for name, ours, node, theirs in rows:
        print(f"{name:8}{ours:>12,.0f}{node:>12,.0f}{theirs:>12,.0f}{ours / theirs:>21.0f}x")


if __name__ == "__main__":
    main()
