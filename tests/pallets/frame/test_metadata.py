"""What metadata says of a small runtime."""

from pallets.frame import DictState, FrameRuntime, Pallet, pallet
from pallets.frame.metadata import metadata_v14, metadata_v15
from pallets.frame.runtime_api import RuntimeApis
from primitives import metadata as wire
from primitives.scale import decode
from tests.pallets.frame.guest_book import Small
from tests.pallets.frame.ledger import Ledger, genesis
from tests.pallets.frame.test_runtime_api import Answers


def made() -> wire.MetadataV14:
    return decode(wire.MetadataV14, metadata_v14(Small(DictState({})))[5:])


def variants(metadata: wire.MetadataV14, reference: wire.TypeRef | None):
    assert reference is not None
    record = metadata.types[int(reference.type)].type
    assert isinstance(record.definition, wire.VariantDef)
    return record, record.definition.variants


def test_calls_come_with_indices_arguments_and_docs() -> None:
    metadata = made()
    record, calls = variants(metadata, metadata.pallets[0].calls)
    assert record.path == ("pallet_pallets", "pallet", "Call")  # tests live elsewhere than pallets
    assert [(call.name, int(call.index)) for call in calls] == [
        ("sign", 0),
        ("divide", 1),
        ("crash", 4),
        ("both", 5),
        ("close", 6),
        ("weigh", 7),
    ]
    assert calls[0].docs == ("Write ``note`` under the caller's account. Origin: signed.",)
    assert [field.name for field in calls[3].fields] == ["first", "rest"]
    outer = metadata.types[int(calls[3].fields[0].type)].type
    assert outer.path == ("runtime", "RuntimeCall")
    rest = metadata.types[int(calls[3].fields[1].type)].type.definition
    assert isinstance(rest, wire.SequenceDef)
    assert rest.type == calls[3].fields[0].type


def test_unused_indices_of_errors_are_filled() -> None:
    metadata = made()
    _, errors = variants(metadata, metadata.pallets[0].errors)
    assert [(error.name, int(error.index)) for error in errors] == [
        ("AlreadySigned", 0),
        ("Unused1", 1),
        ("BookFull", 2),
    ]


def test_events_come_with_their_fields() -> None:
    metadata = made()
    _, events = variants(metadata, metadata.pallets[0].events)
    assert [(event.name, int(event.index)) for event in events] == [("Signed", 0), ("Closed", 3)]
    assert [field.name for field in events[0].fields] == ["who", "count"]


def test_storage_comes_with_hashers_modifiers_and_defaults() -> None:
    storage = made().pallets[0].storage
    assert storage is not None
    entries = {entry.name: entry for entry in storage.entries}
    assert list(entries) == ["Entries", "CounterForEntries", "Pages", "EntryCount", "Last"]
    assert entries["Entries"].modifier is wire.Modifier.Optional
    assert entries["Entries"].default == b"\x00"
    assert entries["EntryCount"].modifier is wire.Modifier.Default
    assert entries["EntryCount"].default == bytes(4)
    pages = entries["Pages"].type
    assert isinstance(pages, wire.MapEntry)
    assert [hasher.name for hasher in pages.hashers] == ["Twox64Concat", "Identity"]


def test_constants_are_values_and_ports_are_not_shown() -> None:
    constants = made().pallets[0].constants
    assert [(each.name, each.value) for each in constants] == [
        ("EntriesMax", bytes((3, 0, 0, 0))),
        ("Deposit", (5).to_bytes(16, "little")),
    ]
    assert constants[0].docs == ("The most entries the book can hold.",)


def test_the_log_of_events_is_a_vector_of_records() -> None:
    runtime = Ledger(genesis("Alice"))
    metadata = decode(wire.MetadataV14, metadata_v14(runtime)[5:])
    storage = metadata.pallets[0].storage
    assert storage is not None
    log = next(entry for entry in storage.entries if entry.name == "Events")
    assert isinstance(log.type, wire.PlainEntry)
    assert log.default == b"\x00"
    sequence = metadata.types[int(log.type.value)].type.definition
    assert isinstance(sequence, wire.SequenceDef)
    record = metadata.types[int(sequence.type)].type
    assert record.path == ("frame_system", "EventRecord")
    assert isinstance(record.definition, wire.CompositeDef)
    assert [field.name for field in record.definition.fields] == ["phase", "event", "topics"]


def test_the_extrinsic_is_known_by_its_parameters() -> None:
    metadata = made()
    extrinsic = metadata.types[int(metadata.extrinsic.type)].type
    assert [parameter.name for parameter in extrinsic.params] == [
        "Address",
        "Call",
        "Signature",
        "Extra",
    ]
    extra = metadata.types[int(extrinsic.params[3].type or 0)].type.definition
    assert isinstance(extra, wire.TupleDef)
    extensions = metadata.extrinsic.signed_extensions
    assert [int(each.type) for each in extensions] == [int(field) for field in extra.fields]


def test_version_15_adds_apis_and_outer_enums() -> None:
    raw = metadata_v15(Small(DictState({})), RuntimeApis.index((Answers,)))
    assert raw[:5] == b"meta\x0f"
    metadata = decode(wire.MetadataV15, raw[5:])
    (api,) = metadata.apis
    assert (api.name, api.docs) == ("Questions", ("Questions of tests.",))
    assert [method.name for method in api.methods] == ["add", "count", "nothing"]
    assert [each.name for each in api.methods[0].inputs] == ["left", "right"]
    unit = metadata.types[int(api.methods[2].output)].type.definition
    assert unit == wire.TupleDef(fields=())
    names = [
        metadata.types[int(number)].type.path[-1]
        for number in (
            metadata.outer_enums.call_type,
            metadata.outer_enums.event_type,
            metadata.outer_enums.error_type,
        )
    ]
    assert names == ["RuntimeCall", "RuntimeEvent", "RuntimeError"]
    assert metadata.pallets[0].docs == ("A book each account may sign once.",)


def test_a_pallet_without_anything_is_still_named() -> None:
    class Bare(Pallet):
        """Nothing."""

    class OnlyBare(FrameRuntime):
        bare: Bare = pallet(index=3)

    metadata = decode(wire.MetadataV14, metadata_v14(OnlyBare(DictState({})))[5:])
    (found,) = metadata.pallets
    assert (found.name, int(found.index)) == ("Bare", 3)
    assert (found.storage, found.calls, found.events, found.errors) == (None, None, None, None)
    assert found.constants == ()
