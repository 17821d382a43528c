"""The WebAssembly module in ``:code``: our runtime as far as light clients ask it something.

Nodes execute blocks with the native runtime (docs/adr/0010-native-runtime.md). A light client has
no such thing: it runs the code that it finds in the state, so that it learns who may author and who
votes, what the metadata are, the nonce of an account, and whether a transaction is good. The shim
answers that, with the native answers; docs/specs/light-client.md has the list.

``shim_code(runtime)`` makes the module from the declarations of the runtime and from nothing else.
It is the same on every machine: it is part of the genesis of a chain. ``shim_reads`` says what of
the state a function of the shim reads, so that a node can prove it to a light client. Whoever
changes what a native answer reads changes both; tests execute the module and compare.

Bounds: ``CODE_BYTES_MAX`` bytes.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from chain_spec.constants import ChainConstants
from node.runtime.packing import pack
from node.runtime.shim_code import AnswerPart, Computed, Fallback, Part, Program, Stored
from node.runtime.shim_transactions import (
    CallWeight,
    FeeRules,
    TransactionRules,
    Transactions,
)
from pallets.babe import Babe
from pallets.frame import DictState, DispatchClass
from pallets.frame.code import APIS_SECTION, CODE_BYTES_MAX, VERSION_SECTION
from pallets.frame.executive import OPERATIONAL_FEE_MULTIPLIER
from pallets.frame.limits import ClassLimits
from pallets.frame.overlay import StateReader
from pallets.frame.signatures import ECDSA_WEIGHT
from pallets.frame.storage import StorageEntry
from pallets.frame.version import RuntimeVersion
from pallets.frame.weight import Weight
from pallets.grandpa import Grandpa
from pallets.system import System
from pallets.transaction_payment import TransactionPayment
from primitives.errors import DecodeError
from primitives.extrinsic import UncheckedExtrinsic
from primitives.scale import U32, U64, codec, encode
from primitives.types import AccountId, BlockNumber

if TYPE_CHECKING:
    from node.runtime.composition import CessRuntime

__all__ = ["SHIM_METHODS", "shim_code", "shim_reads"]

ACCOUNT_NONCE: Final = "AccountNonceApi_account_nonce"
VALIDATE: Final = "TaggedTransactionQueue_validate_transaction"
FEES: Final = ("TransactionPaymentApi_query_info", "TransactionPaymentApi_query_fee_details")

_FIXED: Final = (
    "Core_version",
    *("Metadata_metadata", "Metadata_metadata_at_version", "Metadata_metadata_versions"),
)

ESTIMATE: Final = Weight(ref_time=1_000_000_000, reads=10, writes=10)
"""What a call whose weight depends on its arguments is taken to weigh, for fees only."""

SOURCE_BYTES: Final = 1
HASH_BYTES: Final = 32
CHANCE_BYTES: Final = 16
RULES_BYTES: Final = 17
"""Of Babe's rules for slots: the chance of a primary one, then which slots are allowed."""


def shim_code(runtime: "CessRuntime") -> bytes:
    """The module for the chain and the version of ``runtime``."""
    constants = codec(ChainConstants).encode(runtime.constants)
    return _code(type(runtime), constants)


@lru_cache(maxsize=8)
def _code(kind: "type[CessRuntime]", constants: bytes) -> bytes:
    runtime = kind(DictState({}), codec(ChainConstants).decode(constants))
    version = runtime.version
    program = Program()
    apis = b"".join(bytes(name) + encode(U32, of) for name, of in version.apis)
    bare = replace(version, apis=())
    program.module.custom(VERSION_SECTION.decode(), encode(RuntimeVersion, bare))
    program.module.custom(APIS_SECTION.decode(), apis)
    program.add_fixed("Core_version", encode(RuntimeVersion, version))
    for name, parts in _joined(runtime).items():
        program.add_joined(name, parts)
    program.add_nonce(ACCOUNT_NONCE, System.account.prefix_key())
    Transactions(program, _fee_rules(runtime), _transaction_rules(runtime))
    older, newest = (b"\1" + encode(bytes, runtime.metadata(each)) for each in (14, 15))
    versions = encode(tuple[U32, ...], (U32(14), U32(15)))
    program.add_metadata(pack(newest + older), newest, older, versions)
    code = program.module.encode()
    assert len(code) <= CODE_BYTES_MAX, "because a chain takes no larger code"
    return code


def shim_reads(method: str, params: bytes, state: StateReader) -> tuple[bytes, ...] | None:
    """The keys that a function of the shim may read; None if the shim has no such function.

    Raises: DecodeError: the parameters are not what the function takes.
    """
    if method in _FIXED:
        return ()
    found = _JOINED.get(method)
    if found is not None:
        return tuple(entry.key() for entry in found)
    if method == ACCOUNT_NONCE:
        return (System.account.key(codec(AccountId).decode(params)),)
    if method in FEES:
        return (TransactionPayment.next_fee_multiplier.key(),)
    if method == VALIDATE:
        return _validation_reads(params, state)
    return None


def _validation_reads(params: bytes, state: StateReader) -> tuple[bytes, ...]:
    """The keys that judging a transaction takes: at most five."""
    if len(params) < SOURCE_BYTES + HASH_BYTES:
        raise DecodeError("the parameters are a source, a transaction and a hash")
    extrinsic = UncheckedExtrinsic.decode(params[SOURCE_BYTES:-HASH_BYTES])
    keys = [System.number.key(), TransactionPayment.next_fee_multiplier.key()]
    if extrinsic.signed is not None:
        number = System.number.decode_value(state.get(keys[0])) or 0
        birth = extrinsic.signed.extra.era.birth(int(number) + 1)
        keys += [System.block_hashes.key(BlockNumber(each)) for each in sorted({0, birth})]
        if extrinsic.signed.account is not None:
            keys.append(System.account.key(extrinsic.signed.account))
    return tuple(keys)


_JOINED: Final[dict[str, tuple[StorageEntry[Any], ...]]] = {
    "BabeApi_configuration": (Babe.epoch_config, Babe.authorities, Babe.randomness),
    "BabeApi_current_epoch_start": (Babe.epoch_index, Babe.genesis_slot),
    "BabeApi_current_epoch": (
        *(Babe.epoch_index, Babe.genesis_slot),
        *(Babe.authorities, Babe.randomness, Babe.epoch_config),
    ),
    "BabeApi_next_epoch": (
        *(Babe.epoch_index, Babe.genesis_slot),
        *(Babe.next_authorities, Babe.next_randomness),
        *(Babe.next_epoch_config, Babe.epoch_config),
    ),
    "GrandpaApi_grandpa_authorities": (Grandpa.authorities,),
    "GrandpaApi_current_set_id": (Grandpa.current_set_id,),
}
"""What the functions read whose answer is put together from the state."""

SHIM_METHODS: Final = (*_FIXED, *_JOINED, ACCOUNT_NONCE, *FEES, VALIDATE)
"""The functions of the shim."""


def _stored(entry: StorageEntry[Any]) -> Stored:
    """What ``entry`` holds, as bytes."""
    assert not entry.key_types, "because a map has many values"
    default = entry.value_codec.encode(entry.default) if entry.has_default else b""
    return Stored(entry.key(), default)


def _joined(
    runtime: "CessRuntime",
) -> dict[str, tuple[AnswerPart, ...]]:
    """The answers that are put together from the state: what follows what."""
    config = runtime.babe.config
    slot = encode(U64, U64(config.expected_block_time))
    length = int(config.epoch_duration)
    duration = encode(U64, config.epoch_duration)
    index, first = _stored(Babe.epoch_index), _stored(Babe.genesis_slot)
    rules = _stored(Babe.epoch_config)

    def start(ahead: int) -> Computed:
        return Computed(ahead * length, ((index, length), (first, 1)))

    return {
        "BabeApi_configuration": (
            *(slot, duration, Part(rules, 0, CHANCE_BYTES)),
            *(_stored(Babe.authorities), _stored(Babe.randomness)),
            Part(rules, CHANCE_BYTES, RULES_BYTES),
        ),
        "BabeApi_current_epoch_start": (start(0),),
        "BabeApi_current_epoch": (
            *(Computed(0, ((index, 1),)), start(0), duration),
            *(_stored(Babe.authorities), _stored(Babe.randomness), rules),
        ),
        "BabeApi_next_epoch": (
            *(Computed(1, ((index, 1),)), start(1), duration),
            *(_stored(Babe.next_authorities), _stored(Babe.next_randomness)),
            Fallback(Babe.next_epoch_config.key(), rules),
        ),
        "GrandpaApi_grandpa_authorities": (_stored(Grandpa.authorities),),
        "GrandpaApi_current_set_id": (_stored(Grandpa.current_set_id),),
    }


def _call_weights(runtime: "CessRuntime") -> Iterator[CallWeight]:
    for slot in runtime.slots:
        for spec in slot.kind.call_specs:
            weight = spec.weight if isinstance(spec.weight, Weight) else ESTIMATE
            yield CallWeight(
                pallet=slot.index,
                call=spec.index,
                kind=encode(DispatchClass, spec.dispatch_class)[0],
                pays=spec.pays_fee,
                ref_time=weight.ref_time,
                proof_size=weight.proof_size,
            )


def _classes(runtime: "CessRuntime") -> tuple[ClassLimits, ...]:
    limits = runtime.system.config.block_weights.per_class
    return limits.normal, limits.operational, limits.mandatory


def _fee_rules(runtime: "CessRuntime") -> FeeRules:
    payment = runtime.transaction_payment
    bases = (Weight.from_wire(each.base_extrinsic) for each in _classes(runtime))
    return FeeRules(
        base_fees=tuple(int(payment.weight_to_fee(each)) for each in bases),
        length_fee=int(payment.config.length_fee),
        weight_fee=int(payment.config.weight_fee),
        ref_time_max=int(runtime.system.config.block_weights.max_block.ref_time),
        ecdsa_ref_time=ECDSA_WEIGHT.ref_time,
        multiplier=_stored(TransactionPayment.next_fee_multiplier),
        calls=tuple(_call_weights(runtime)),
    )


def _transaction_rules(runtime: "CessRuntime") -> TransactionRules:
    system, version = runtime.system.config, runtime.version
    lengths = system.block_length.max
    most = (each.max_extrinsic for each in _classes(runtime))
    return TransactionRules(
        number=_stored(System.number),
        account_prefix=System.account.prefix_key(),
        hash_prefix=System.block_hashes.prefix_key(),
        hashes_kept=int(system.block_hash_count),
        versions=encode(U32, version.spec_version) + encode(U32, version.transaction_version),
        length_max=(int(lengths.normal), int(lengths.operational), int(lengths.mandatory)),
        call_ref_time_max=tuple(
            (1 << 64) - 1 if each is None else int(each.ref_time) for each in most
        ),
        deposit=int(runtime.balances.config.existential_deposit),
        operational_multiplier=OPERATIONAL_FEE_MULTIPLIER,
    )
