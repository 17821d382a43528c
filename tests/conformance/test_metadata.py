"""The runtime's metadata in the hands of scalecodec, the decoder of substrate-interface; and the
wire of the chain as a text that shows every change.

After an intended change: ``CESS_UPDATE_SNAPSHOTS=1 pytest tests/conformance/test_metadata.py``.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset

from chain_spec.presets import dev
from node.runtime import API_SPECS, VERSION, CessRuntime, build_state, runtime_at
from pallets.frame import Call, DictState
from pallets.frame.metadata import metadata_v14, metadata_v15
from pallets.frame.storage import EventsEntry
from primitives import metadata as wire
from primitives.crypto.keys import KeyPair
from primitives.era import Era
from primitives.extrinsic import Implicit, MultiAddressId, sign_extrinsic
from primitives.hashing import blake2_256
from primitives.scale import Ok, decode, encode
from primitives.scale.shapes import (
    ArrayShape,
    BoolShape,
    BytesShape,
    CompactShape,
    CustomShape,
    EnumShape,
    IntShape,
    OptionShape,
    ResultShape,
    StrShape,
    StructShape,
    TupleShape,
    UnitShape,
    VariantShape,
    VecShape,
    shape_of,
)
from primitives.types import Balance

SNAPSHOT = Path(__file__).parent / "snapshots" / "metadata.txt"
TABLE = CessRuntime.calls()


@cache
def runtime() -> CessRuntime:
    return runtime_at(DictState(build_state(dev().config())))


@cache
def scalecodec() -> tuple[RuntimeConfigurationObject, Any]:
    config = RuntimeConfigurationObject(ss58_format=11330)
    config.update_type_registry(load_type_registry_preset("core", use_remote_preset=False))
    metadata = config.create_scale_object(
        "MetadataVersioned", data=ScaleBytes(runtime().metadata(14))
    )
    metadata.decode()
    config.add_portable_registry(metadata)
    return config, metadata


def samples(kind: Any, depth: int = 0) -> Iterator[Any]:
    """A few values of a wire type that reach every leaf of its variants."""
    if kind is Call:
        yield TABLE.make("System", "remark", remark=b"\xff\xfe\x01")
        if depth < 2:
            inner = next(samples(Call, depth + 2))
            yield TABLE.make("Utility", "batch", calls=(inner, inner))
        return
    match shape_of(kind):
        case BoolShape():
            yield from (False, True)
        case StrShape():
            yield "text"
        case UnitShape():
            yield None
        case IntShape(cls) | CompactShape(cls):
            yield from (cls(0), cls(min(cls.MAX, 300)), cls(cls.MAX))
        case ArrayShape(cls):
            yield cls(bytes(range(1, cls.LENGTH + 1)))
        case BytesShape(cls, limit):
            yield from (cls(b""), cls(b"\xff\xfe\x01"[: 3 if limit is None else limit]))
        case VecShape(cls, item, limit):
            yield cls(())
            some = tuple(samples(item, depth + 1))[: 3 if limit is None else limit]
            yield cls(some)
        case TupleShape(items):
            yield from rows(items, depth)
        case OptionShape(item):
            yield None
            yield from samples(item, depth)
        case ResultShape(ok, _):
            yield from (Ok(value) for value in samples(ok, depth))
        case EnumShape(cls):
            yield from cls
        case StructShape(cls, fields):
            yield from (cls(*row) for row in rows([field.kind for field in fields], depth))
        case VariantShape(_, leaves):
            for leaf in leaves:
                kinds = [field.kind for field in leaf.record.fields]
                yield from (leaf.record.cls(*row) for row in rows(kinds, depth))
        case CustomShape(cls):
            assert cls is Era
            yield from (Era.immortal(), Era.mortal(64, 7))


def rows(kinds: Any, depth: int) -> Iterator[tuple[Any, ...]]:
    """Rows of values in which every sample of each column occurs."""
    columns = [list(samples(kind, depth + 1)) for kind in kinds]
    for index in range(max((len(column) for column in columns), default=1)):
        yield tuple(column[index % len(column)] for column in columns)


def plain_calls(value: Any) -> Any:
    """What scalecodec decoded of calls, in the form in which it encodes them."""
    if isinstance(value, dict) and "call_function" in value:
        return {
            "call_module": value["call_module"],
            "call_function": value["call_function"],
            "call_args": {each["name"]: plain_calls(each["value"]) for each in value["call_args"]},
        }
    if isinstance(value, dict):
        return {key: plain_calls(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain_calls(each) for each in value)
    return value


def there_and_back(type_string: str, raw: bytes) -> Any:
    """Decode with scalecodec to the last byte, encode again, and compare."""
    config, metadata = scalecodec()
    made = config.create_scale_object(type_string, data=ScaleBytes(raw), metadata=metadata)
    value = made.decode()
    assert made.data.get_remaining_length() == 0
    again = config.create_scale_object(type_string, metadata=metadata).encode(plain_calls(value))
    assert bytes(again.data) == raw
    return value


CALLS = [(slot.kind.__name__, spec) for slot in CessRuntime.slots for spec in slot.kind.call_specs]
EVENTS = [(slot, event) for slot in CessRuntime.slots for event in slot.kind.event_types]
ENTRIES = [
    (slot, entry)
    for slot in CessRuntime.slots
    for entry in slot.kind.storage_entries
    if not isinstance(entry, EventsEntry)
]


@pytest.mark.parametrize(
    ("pallet", "spec"), CALLS, ids=[f"{pallet}.{spec.name}" for pallet, spec in CALLS]
)
def test_a_client_decodes_and_encodes_every_call_as_we_do(pallet: str, spec: Any) -> None:
    names = [name for name, _ in spec.parameters]
    for row in rows([kind for _, kind in spec.parameters], 0):
        call = TABLE.make(pallet, spec.name, **dict(zip(names, row, strict=True)))
        assert call.info().weight.ref_time >= 0  # no argument makes the weight fail
        value = there_and_back("Call", call.encode())
        assert (value["call_module"], value["call_function"]) == (pallet, spec.name)
        assert [each["name"] for each in value["call_args"]] == names


@pytest.mark.parametrize(("slot", "event"), EVENTS, ids=[event.__qualname__ for _, event in EVENTS])
def test_a_client_decodes_every_event_as_we_encode_it(slot: Any, event: Any) -> None:
    head, write = CessRuntime.event_heads()[event]
    config, metadata = scalecodec()
    pallet = metadata.get_metadata_pallet(slot.kind.__name__)
    enum = pallet["event"].value_object.get_type_string()
    for value in samples(event):
        raw = head + write(value)
        there_and_back(enum, raw[1:])
        log = b"\x04" + b"\x00\x05\x00\x00\x00" + raw + b"\x00"
        records = config.create_scale_object(
            metadata.get_metadata_pallet("System")
            .get_storage_function("Events")
            .get_value_type_string(),
            data=ScaleBytes(log),
            metadata=metadata,
        ).decode()
        assert records[0]["extrinsic_idx"] == 5
        assert records[0]["module_id"] == slot.kind.__name__
        assert records[0]["event_id"] == event.__name__
        assert CessRuntime.decode_events(log)[0].event == value


@pytest.mark.parametrize(
    ("slot", "entry"), ENTRIES, ids=[f"{e.pallet}.{e.name}" for _, e in ENTRIES]
)
def test_a_client_reads_every_storage_item_as_we_do(slot: Any, entry: Any) -> None:
    _, metadata = scalecodec()
    found = metadata.get_metadata_pallet(slot.kind.__name__).get_storage_function(entry.name)
    for value in samples(entry.value_type):
        there_and_back(found.get_value_type_string(), encode(entry.value_type, value))
    assert found.value["modifier"] == ("Default" if entry.has_default else "Optional")
    default = found.value_object["default"].value_object
    if entry.has_default:
        assert default == encode(entry.value_type, entry.default)
    if entry.hashers:
        assert found.get_param_hashers() == [hasher.name for hasher in entry.hashers]
    key_types = found.get_params_type_string()
    assert len(key_types) == len(entry.key_types)
    for kind, type_string in zip(entry.key_types, key_types, strict=True):
        for key in samples(kind):
            there_and_back(type_string, encode(kind, key))


def test_a_client_builds_the_same_storage_keys() -> None:
    from substrateinterface.storage import StorageKey

    config, metadata = scalecodec()
    alice = KeyPair.from_suri("//Alice").account_id
    key = StorageKey.create_from_storage_function(
        "System", "Account", ["0x" + alice.hex()], runtime_config=config, metadata=metadata
    )
    assert bytes(key.data) == runtime().system.__class__.account.key(alice)


def test_a_client_reads_the_constants_of_the_chain() -> None:
    config, metadata = scalecodec()
    constants = {}
    for pallet in metadata.pallets:
        for constant in pallet.constants or []:
            made = config.create_scale_object(
                constant.type, data=ScaleBytes(constant.constant_value)
            )
            constants[f"{pallet.name}.{constant.value['name']}"] = made.decode()
            assert made.data.get_remaining_length() == 0
    given = runtime().constants
    assert constants["FileBank.FragmentBytes"] == given.fragment_bytes
    assert constants["Balances.ExistentialDeposit"] == given.existential_deposit
    assert constants["Babe.EpochDuration"] == given.epoch_slots
    assert constants["System.SS58Prefix"] == 11330
    assert constants["System.Version"]["spec_name"] == "cess-node"
    limits = constants["System.BlockWeights"]["per_class"]
    assert limits["normal"]["base_extrinsic"]["ref_time"] > 0
    assert limits["mandatory"]["max_total"] is None
    assert constants["Utility.batched_calls_limit"] == 1000
    assert "FileBank.Territories" not in constants  # a port


def test_a_client_decodes_a_transaction() -> None:
    config, metadata = scalecodec()
    alice = KeyPair.from_suri("//Alice")
    dest = MultiAddressId(KeyPair.from_suri("//Bob").account_id)
    call = TABLE.make("Balances", "transfer_keep_alive", dest=dest, value=Balance(10**18))
    implicit = Implicit(
        spec_version=VERSION.spec_version,
        transaction_version=VERSION.transaction_version,
        genesis_hash=blake2_256(b"genesis"),
        birth_hash=blake2_256(b"genesis"),
    )
    raw = sign_extrinsic(call.encode(), alice, 7, 5, Era.immortal(), implicit)
    value = config.create_scale_object(
        "Extrinsic", data=ScaleBytes(raw), metadata=metadata
    ).decode()
    assert value["address"] == "0x" + alice.account_id.hex() or value["address"].startswith("c")
    assert (value["nonce"], value["tip"], value["era"]) == (7, 5, "00")
    assert value["call"]["call_function"] == "transfer_keep_alive"
    assert list(metadata.get_signed_extensions()) == [
        "CheckNonZeroSender",
        "CheckSpecVersion",
        "CheckTxVersion",
        "CheckGenesis",
        "CheckMortality",
        "CheckNonce",
        "CheckWeight",
        "ChargeTransactionPayment",
    ]


def test_a_client_names_every_error() -> None:
    _, metadata = scalecodec()
    for slot in CessRuntime.slots:
        for error in slot.kind.error_types:
            found = metadata.get_module_error(module_index=slot.index, error_index=error.index)
            assert found.name == error.__name__
            assert found.docs


def test_the_indices_are_those_of_the_declarations() -> None:
    _, metadata = scalecodec()
    assert {pallet.value["name"]: pallet.value["index"] for pallet in metadata.pallets} == {
        slot.kind.__name__: slot.index for slot in CessRuntime.slots
    }
    for slot in CessRuntime.slots:
        pallet = metadata.get_metadata_pallet(slot.kind.__name__)
        calls = {each.name: each.value["index"] for each in pallet.calls or []}
        assert calls == {spec.name: spec.index for spec in slot.kind.call_specs}


# Version 15, and what both have in common.


@cache
def v14() -> wire.MetadataV14:
    return decode(wire.MetadataV14, runtime().metadata(14)[5:])


@cache
def v15() -> wire.MetadataV15:
    return decode(wire.MetadataV15, runtime().metadata(15)[5:])


def test_metadata_begins_with_magic_and_version() -> None:
    assert runtime().metadata(14)[:5] == b"meta\x0e"
    assert runtime().metadata(15)[:5] == b"meta\x0f"


def test_metadata_is_the_same_for_the_same_constants() -> None:
    state = DictState(build_state(dev().config()))
    assert metadata_v14(CessRuntime(state)) == runtime().metadata(14)
    assert metadata_v15(CessRuntime(state), API_SPECS) == runtime().metadata(15)


@pytest.mark.parametrize("made", [v14, v15])
def test_type_numbers_are_positions_and_all_lead_somewhere(made: Any) -> None:
    types = made().types
    assert [int(each.id) for each in types] == list(range(len(types)))
    for each in types:
        for number in referred(each.type.definition):
            assert number < len(types)
        for parameter in each.type.params:
            assert parameter.type is None or parameter.type < len(types)


def referred(definition: wire.TypeDef) -> list[int]:
    match definition:
        case wire.CompositeDef(fields):
            return [int(field.type) for field in fields]
        case wire.VariantDef(variants):
            return [int(field.type) for variant in variants for field in variant.fields]
        case wire.SequenceDef(item) | wire.CompactDef(item):
            return [int(item)]
        case wire.ArrayDef(_, item):
            return [int(item)]
        case wire.TupleDef(fields):
            return [int(field) for field in fields]
        case _:
            return []


def test_version_15_describes_every_api_that_is_served() -> None:
    made = v15()
    assert [api.name for api in made.apis] == list(API_SPECS)
    assert {api.name: [m.name for m in api.methods] for api in made.apis} == {
        name: list(spec.methods) for name, spec in API_SPECS.items()
    }
    text = Text(made.types)
    fee = next(api for api in made.apis if api.name == "TransactionPaymentApi").methods[0]
    assert [text.name(int(each.type)) for each in fee.inputs] == [
        "sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic",
        "u32",
    ]
    assert text.name(int(fee.output)) == "pallet_transaction_payment::types::RuntimeDispatchInfo"
    assert all(method.docs for api in made.apis for method in api.methods)


def test_version_15_names_the_outer_enums_and_documents_pallets() -> None:
    made = v15()
    text = Text(made.types)
    outer = made.outer_enums
    assert [text.name(int(n)) for n in (outer.call_type, outer.event_type, outer.error_type)] == [
        "cess_node_runtime::RuntimeCall",
        "cess_node_runtime::RuntimeEvent",
        "cess_node_runtime::RuntimeError",
    ]
    assert all(pallet.docs for pallet in made.pallets)
    assert text.name(int(made.extrinsic.address_type)) == "sp_runtime::multiaddress::MultiAddress"
    assert int(made.extrinsic.version) == 4


def test_both_versions_hold_the_same_pallets() -> None:
    old, new = v14(), v15()
    assert [pallet.name for pallet in old.pallets] == [pallet.name for pallet in new.pallets]
    assert wire_text(Text(old.types), old.pallets) == wire_text(Text(new.types), new.pallets)


# The wire as a text.


class Text:
    """Names of types for people: the path, or the shape where there is no path."""

    def __init__(self, types: tuple[wire.PortableType, ...]) -> None:
        self.types = types

    def name(self, number: int) -> str:
        record = self.types[number].type
        if record.path:
            parameters = [self.name(int(p.type)) for p in record.params if p.type is not None]
            is_generic = record.path[-1] in ("Option", "Result", "BoundedVec")
            return "::".join(record.path) + (f"<{', '.join(parameters)}>" if is_generic else "")
        return self.shape(record.definition)

    def shape(self, definition: wire.TypeDef) -> str:
        match definition:
            case wire.CompositeDef(fields):
                return "{" + self.fields(fields) + "}"
            case wire.SequenceDef(item):
                return f"Vec<{self.name(int(item))}>"
            case wire.ArrayDef(length, item):
                return f"[{self.name(int(item))}; {int(length)}]"
            case wire.TupleDef(fields):
                return "(" + ", ".join(self.name(int(field)) for field in fields) + ")"
            case wire.PrimitiveDef(kind):
                return kind.name.lower()
            case wire.CompactDef(item):
                return f"Compact<{self.name(int(item))}>"
            case wire.VariantDef(variants):
                return "; ".join(
                    f"{int(each.index)} {each.name}{{{self.fields(each.fields)}}}"
                    for each in variants
                )
        raise AssertionError("an enum without a path")

    def fields(self, fields: tuple[wire.Field, ...]) -> str:
        return ", ".join(
            f"{field.name}: {self.name(int(field.type))}"
            if field.name
            else self.name(int(field.type))
            for field in fields
        )


def wire_text(text: Text, pallets: Any) -> list[str]:
    lines = []
    for pallet in pallets:
        head = f"{int(pallet.index):03} {pallet.name}"
        for kind, reference in (
            ("call", pallet.calls),
            ("event", pallet.events),
            ("error", pallet.errors),
        ):
            if reference is None:
                continue
            definition = text.types[int(reference.type)].type.definition
            assert isinstance(definition, wire.VariantDef)
            lines.extend(
                f"{head} {kind} {int(each.index):03} {each.name}({text.fields(each.fields)})"
                for each in definition.variants
            )
        for entry in pallet.storage.entries if pallet.storage else ():
            match entry.type:
                case wire.PlainEntry(value):
                    shape = text.name(int(value))
                case wire.MapEntry(hashers, key, value):
                    names = ", ".join(hasher.name for hasher in hashers)
                    shape = f"{text.name(int(key))} by {names} -> {text.name(int(value))}"
            lines.append(f"{head} storage {entry.name}: {entry.modifier.name} {shape}")
        lines.extend(
            f"{head} constant {constant.name}: {text.name(int(constant.type))}"
            for constant in pallet.constants
        )
    return sorted(lines)


def listing() -> str:
    made = v15()
    text = Text(made.types)
    lines = wire_text(text, made.pallets)
    lines.extend(
        f"api {api.name} {API_SPECS[api.name].version} {method.name}("
        + ", ".join(f"{each.name}: {text.name(int(each.type))}" for each in method.inputs)
        + f") -> {text.name(int(method.output))}"
        for api in made.apis
        for method in api.methods
    )
    lines.extend(
        f"extension {index} {each.identifier}: {text.name(int(each.type))} "
        f"signs {text.name(int(each.additional_signed))}"
        for index, each in enumerate(made.extrinsic.signed_extensions)
    )
    shown = {
        text.name(number): text.shape(each.type.definition)
        for number, each in enumerate(made.types)
        if each.type.path and "pallet" not in each.type.path
    }
    lines.extend(f"type {name} = {shape}" for name, shape in sorted(shown.items()))
    return "\n".join(lines) + "\n"


def test_the_wire_is_what_it_was() -> None:
    now = listing()
    if os.environ.get("CESS_UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(now)
    before = SNAPSHOT.read_text() if SNAPSHOT.exists() else ""
    old, new = before.splitlines(), now.splitlines()
    assert [line for line in old if line not in new] == [], "gone or changed"
    assert [line for line in new if line not in old] == [], "new or changed"
    assert now == before


def test_names_that_clients_know_types_by() -> None:
    types = v14().types
    names = [Text(types).name(number) for number in range(len(types))]
    for known in (
        "sp_core::crypto::AccountId32",
        "primitive_types::H256",
        "sp_runtime::multiaddress::MultiAddress",
        "sp_runtime::MultiSignature",
        "sp_runtime::generic::era::Era",
        "frame_system::EventRecord",
        "frame_system::Phase",
        "sp_weights::weight_v2::Weight",
        "frame_support::dispatch::DispatchInfo",
        "sp_runtime::DispatchError",
        "sp_runtime::ModuleError",
        "pallet_balances::pallet::Call",
        "frame_system::pallet::Event",
        "frame_system::AccountInfo",
        "pallet_balances::types::AccountData",
    ):
        assert known in names, known
