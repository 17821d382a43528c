"""Metadata of a runtime, from its declarations and nothing else.

``metadata_v14(runtime, ...)`` and ``metadata_v15(runtime, ...)`` are what clients decode to know
every call, event, error, storage item and constant. Types that no Python class stands for are made
here: the enum of each pallet's calls, events and errors, the outer enums ``RuntimeCall``,
``RuntimeEvent`` and ``RuntimeError``, the record of an event, and the extrinsic with its
parameters. Their names are Substrate's, because clients know them by path.

An instance is asked for the values of constants only; two runtimes with the same constants have the
same metadata, byte for byte. Nothing is cached here: see the runtime's own API.
"""

from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from pallets.frame.call import Call
from pallets.frame.config import Doc
from pallets.frame.event import event_index
from pallets.frame.pallet import Pallet
from pallets.frame.runtime import FrameRuntime, Slot
from pallets.frame.runtime_api import ApiSpec
from pallets.frame.storage import EventsEntry, StorageEntry, pascal_case
from primitives import metadata as wire
from primitives.extrinsic import (
    EXTRINSIC_VERSION,
    SIGNED_EXTENSIONS,
    MultiAddress,
    MultiSignature,
    UncheckedExtrinsic,
)
from primitives.scale import U8, U32, Compact, Variant, codec, encode
from primitives.scale.shapes import shape_of
from primitives.scale.type_info import (
    PRIMITIVES,
    Array,
    CompactOf,
    Composite,
    Definition,
    FieldInfo,
    ParameterInfo,
    Primitive,
    Registry,
    Sequence,
    Tuple,
    TypeInfo,
    VariantInfo,
    Variants,
    docs_of,
)
from primitives.tuple_like import tuple_like
from primitives.types import Hash

__all__ = ["RuntimeRegistry", "metadata_v14", "metadata_v15"]

_ODD_NAMES: Final = {"ss58_prefix": "SS58Prefix", "batched_calls_limit": "batched_calls_limit"}
"""Constants whose name on the wire is not the PascalCase of ours: Substrate's exceptions."""


class Phase(Variant, path="frame_system::Phase"):
    """When an event was deposited."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(Phase, "frame_system::Phase", registry)


class ApplyExtrinsic(Phase, index=0):
    """While this extrinsic was applied."""

    extrinsic: U32


class Finalization(Phase, index=1):
    """After the last extrinsic."""


class Initialization(Phase, index=2):
    """Before the first extrinsic."""


def metadata_v14(runtime: FrameRuntime) -> bytes:
    """Metadata of version 14, with magic and version."""
    builder = _Builder(runtime)
    pallets = tuple(builder.pallet(slot) for slot in runtime.slots)
    extrinsic = wire.ExtrinsicV14(
        type=U32(builder.extrinsic()),
        version=U8(EXTRINSIC_VERSION),
        signed_extensions=builder.signed_extensions(),
    )
    kind = U32(builder.runtime_type())
    builder.outer_enums()
    made = wire.MetadataV14(types=builder.types(), pallets=pallets, extrinsic=extrinsic, type=kind)
    return wire.MAGIC + b"\x0e" + encode(wire.MetadataV14, made)


def metadata_v15(runtime: FrameRuntime, apis: Mapping[str, ApiSpec]) -> bytes:
    """Metadata of version 15, with magic and version; ``apis`` are the runtime's."""
    builder = _Builder(runtime)
    pallets = tuple(_with_docs(builder.pallet(slot), docs_of(slot.kind)) for slot in runtime.slots)
    parts = builder.extrinsic_parts()
    extrinsic = wire.ExtrinsicV15(
        version=U8(EXTRINSIC_VERSION),
        address_type=U32(parts["Address"]),
        call_type=U32(parts["Call"]),
        signature_type=U32(parts["Signature"]),
        extra_type=U32(parts["Extra"]),
        signed_extensions=builder.signed_extensions(),
    )
    builder.extrinsic()
    made = wire.MetadataV15(
        pallets=pallets,
        extrinsic=extrinsic,
        type=U32(builder.runtime_type()),
        apis=tuple(builder.api(spec) for spec in apis.values()),
        outer_enums=builder.outer_enums(),
        custom=(),
        types=builder.types(),
    )
    return wire.MAGIC + b"\x0f" + encode(wire.MetadataV15, made)


class RuntimeRegistry(Registry):
    """Types of one runtime: a registry that knows what a ``Call`` and an extrinsic are there."""

    def __init__(self, kind: type[FrameRuntime]) -> None:
        super().__init__()
        self._slots = kind.slots
        self._module = kind.wire_module

    def type_id(self, kind: Any) -> int:
        """The number of a type."""
        if kind is Call:
            return self.add("RuntimeCall", lambda _: self._outer("RuntimeCall", self.calls))
        if kind is UncheckedExtrinsic:
            return self.extrinsic()
        return super().type_id(kind)

    # Outer enums.

    def runtime_call(self) -> int:
        """The enum over the calls of all pallets."""
        return self.type_id(Call)

    def runtime_event(self) -> int:
        """The enum over the events of all pallets."""
        return self.add("RuntimeEvent", lambda _: self._outer("RuntimeEvent", self.events))

    def runtime_error(self) -> int:
        """The enum over the errors of all pallets."""
        return self.add("RuntimeError", lambda _: self._outer("RuntimeError", self.errors))

    def runtime(self) -> int:
        """The runtime's own type, which holds nothing."""
        return self.add("Runtime", lambda _: TypeInfo((self._module, "Runtime"), (), Composite(())))

    def _outer(self, name: str, inner: Any) -> TypeInfo:
        cases = []
        for slot in self._slots:
            number = inner(slot.kind)
            if number is not None:
                text = f"self::sp_api_hidden_includes_construct_runtime::{slot.kind.__name__}"
                field = FieldInfo(None, number, text)
                cases.append(VariantInfo(slot.kind.__name__, (field,), slot.index))
        return TypeInfo((self._module, name), (), Variants(tuple(cases)))

    # Enums of a pallet; None where it has no such thing.

    def calls(self, kind: type[Pallet]) -> int | None:
        """The enum of a pallet's calls."""
        if not kind.call_specs:
            return None
        return self.add(("calls", kind), lambda _: self._calls(kind))

    def events(self, kind: type[Pallet]) -> int | None:
        """The enum of a pallet's events."""
        if not kind.event_types:
            return None
        return self.add(("events", kind), lambda _: self._events(kind))

    def errors(self, kind: type[Pallet]) -> int | None:
        """The enum of a pallet's errors."""
        if not kind.error_types:
            return None
        return self.add(("errors", kind), lambda _: self._errors(kind))

    def _calls(self, kind: type[Pallet]) -> TypeInfo:
        cases = tuple(
            VariantInfo(
                spec.name,
                tuple(self.field(name, given) for name, given in spec.parameters),
                spec.index,
                tuple(spec.doc.splitlines()),
            )
            for spec in kind.call_specs
        )
        docs = ("Contains a variant per dispatchable extrinsic that this pallet has.",)
        return TypeInfo(_path(kind, "Call"), (), Variants(cases), docs)

    def _events(self, kind: type[Pallet]) -> TypeInfo:
        cases = tuple(
            VariantInfo(found.__name__, self.fields(found), event_index(found) or 0, docs_of(found))
            for found in kind.event_types
        )
        return TypeInfo(_path(kind, "Event"), (), Variants(cases), ("The events of this pallet.",))

    def _errors(self, kind: type[Pallet]) -> TypeInfo:
        # scalecodec takes an error's index for its position, so unused indices are filled.
        known = {found.index: found for found in kind.error_types}
        cases = []
        for index in range(max(known) + 1):
            found = known.get(index)
            if found is None:
                cases.append(VariantInfo(f"Unused{index}", (), index, ("Never raised.",)))
            else:
                cases.append(VariantInfo(found.__name__, (), index, docs_of(found)))
        return TypeInfo(
            _path(kind, "Error"), (), Variants(tuple(cases)), ("The errors of this pallet.",)
        )

    # Events and extrinsics.

    def event_log(self) -> int:
        """The type of ``System.Events``."""
        record = self.add("EventRecord", lambda _: self._event_record())
        return self.add("EventLog", lambda _: TypeInfo((), (), Sequence(record)))

    def _event_record(self) -> TypeInfo:
        event, topic = self.runtime_event(), self.type_id(Hash)
        fields = (
            FieldInfo("phase", self.type_id(Phase), "Phase"),
            FieldInfo("event", event, "E"),
            FieldInfo("topics", self.type_id(tuple[Hash, ...]), "Vec<T>"),
        )
        params = (ParameterInfo("E", event), ParameterInfo("T", topic))
        return TypeInfo(("frame_system", "EventRecord"), params, Composite(fields))

    def extrinsic_parts(self) -> dict[str, int]:
        """The parameters of the type of extrinsics."""
        return {
            "Address": self.type_id(MultiAddress),
            "Call": self.runtime_call(),
            "Signature": self.type_id(MultiSignature),
            "Extra": self.add("Extra", lambda _: self._extra()),
        }

    def extension(self, identifier: str, kind: Any) -> int:
        """The type of what a signed extension sends: a record around it, as clients expect."""
        fields = () if kind is None else (self.field(None, kind),)
        path = (*_EXTENSION_PATHS[identifier], identifier)
        key = ("extension", identifier)
        return self.add(key, lambda _: TypeInfo(path, (), Composite(fields)))

    def _extra(self) -> TypeInfo:
        parts = (self.extension(each.identifier, each.extra_type) for each in SIGNED_EXTENSIONS)
        return TypeInfo((), (), Tuple(tuple(parts)))

    def extrinsic(self) -> int:
        """The type of extrinsics: to clients a sequence of bytes with parameters."""
        return self.add("UncheckedExtrinsic", lambda _: self._extrinsic())

    def _extrinsic(self) -> TypeInfo:
        params = tuple(ParameterInfo(name, kind) for name, kind in self.extrinsic_parts().items())
        raw = FieldInfo(None, self.type_id(bytes))
        path = ("sp_runtime", "generic", "unchecked_extrinsic", "UncheckedExtrinsic")
        return TypeInfo(path, params, Composite((raw,)))


_SYSTEM: Final = ("frame_system", "extensions")

_EXTENSION_PATHS: Final = {
    "CheckNonZeroSender": (*_SYSTEM, "check_non_zero_sender"),
    "CheckSpecVersion": (*_SYSTEM, "check_spec_version"),
    "CheckTxVersion": (*_SYSTEM, "check_tx_version"),
    "CheckGenesis": (*_SYSTEM, "check_genesis"),
    "CheckMortality": (*_SYSTEM, "check_mortality"),
    "CheckNonce": (*_SYSTEM, "check_nonce"),
    "CheckWeight": (*_SYSTEM, "check_weight"),
    "ChargeTransactionPayment": ("pallet_transaction_payment",),
}
"""Where Substrate keeps each extension."""


class _Builder:
    """Puts the parts of one runtime's metadata together."""

    def __init__(self, runtime: FrameRuntime) -> None:
        self._runtime = runtime
        self._registry = RuntimeRegistry(type(runtime))

    def types(self) -> tuple[wire.PortableType, ...]:
        """All types; call it last."""
        return tuple(
            wire.PortableType(id=U32(number), type=_record(info))
            for number, info in enumerate(self._registry.types())
        )

    def extrinsic(self) -> int:
        """The type of extrinsics."""
        return self._registry.extrinsic()

    def extrinsic_parts(self) -> dict[str, int]:
        """The parameters of that."""
        return self._registry.extrinsic_parts()

    def runtime_type(self) -> int:
        """The runtime's own type."""
        return self._registry.runtime()

    def outer_enums(self) -> wire.OuterEnumsV15:
        """The enums over all pallets."""
        return wire.OuterEnumsV15(
            call_type=U32(self._registry.runtime_call()),
            event_type=U32(self._registry.runtime_event()),
            error_type=U32(self._registry.runtime_error()),
        )

    def signed_extensions(self) -> tuple[wire.SignedExtensionV14, ...]:
        """What signers add."""
        registry = self._registry
        return tuple(
            wire.SignedExtensionV14(
                identifier=each.identifier,
                type=U32(registry.extension(each.identifier, each.extra_type)),
                additional_signed=U32(registry.type_id(each.additional_signed_type)),
            )
            for each in SIGNED_EXTENSIONS
        )

    def api(self, spec: ApiSpec) -> wire.RuntimeApiV15:
        """A runtime API."""
        methods = tuple(
            wire.RuntimeApiMethodV15(
                name=method.name,
                inputs=tuple(
                    wire.RuntimeApiParamV15(name=name, type=U32(self._registry.type_id(kind)))
                    for name, kind in method.inputs
                ),
                output=U32(self._registry.type_id(method.output)),
                docs=tuple(method.doc.splitlines()),
            )
            for method in spec.methods.values()
        )
        return wire.RuntimeApiV15(
            name=spec.name, methods=methods, docs=tuple(spec.doc.splitlines())
        )

    # A pallet.

    def pallet(self, slot: Slot) -> wire.PalletV14:
        """All of a pallet."""
        kind, registry = slot.kind, self._registry
        return wire.PalletV14(
            name=kind.__name__,
            storage=self._storage(kind),
            calls=_reference(registry.calls(kind)),
            events=_reference(registry.events(kind)),
            constants=self._constants(getattr(self._runtime, slot.attribute)),
            errors=_reference(registry.errors(kind)),
            index=U8(slot.index),
        )

    def _storage(self, kind: type[Pallet]) -> wire.StorageV14 | None:
        if not kind.storage_entries:
            return None
        entries = tuple(self._entry(entry) for entry in kind.storage_entries)
        return wire.StorageV14(prefix=kind.__name__, entries=entries)

    def _entry(self, entry: StorageEntry[Any]) -> wire.StorageEntryV14:
        registry = self._registry
        is_log = isinstance(entry, EventsEntry)
        value = U32(registry.event_log() if is_log else registry.type_id(entry.value_type))
        shape: wire.StorageEntryType = wire.PlainEntry(value=value)
        if entry.key_types:
            keys = entry.key_types
            key = keys[0] if len(keys) == 1 else GenericAlias(tuple, keys)
            shape = wire.MapEntry(
                hashers=tuple(wire.StorageHasher(hasher.code) for hasher in entry.hashers),
                key=U32(registry.type_id(key)),
                value=value,
            )
        default = b"\x00"
        if entry.has_default:
            default = entry.value_codec.encode(entry.default)
        return wire.StorageEntryV14(
            name=entry.name,
            modifier=wire.Modifier.Default if entry.has_default else wire.Modifier.Optional,
            type=shape,
            default=default,
            docs=(entry.doc,) if entry.doc else (),
        )

    def _constants(self, pallet: Pallet) -> tuple[wire.ConstantV14, ...]:
        config = getattr(pallet, "config", None)
        if config is None:
            return ()
        made = []
        for name, hint in get_type_hints(type(config), include_extras=True).items():
            kind, doc = _constant(hint)
            if kind is None:
                continue
            made.append(
                wire.ConstantV14(
                    name=_ODD_NAMES.get(name, pascal_case(name)),
                    type=U32(self._registry.type_id(kind)),
                    value=codec(kind).encode(getattr(config, name)),
                    docs=(doc,) if doc else (),
                )
            )
        return tuple(made)


def _constant(hint: Any) -> tuple[Any, str]:
    """The wire type and the documentation of a constant; None for a port."""
    doc = ""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        doc = next((mark.text for mark in marks if isinstance(mark, Doc)), "")
        hint = Annotated[inner, Compact] if Compact in marks else inner
    try:
        shape_of(hint)
    except TypeError:
        return None, doc
    return hint, doc


def _path(kind: type[Pallet], name: str) -> tuple[str, ...]:
    """``FileBank`` and ``Call``: ``pallet_file_bank::pallet::Call``."""
    if kind.__name__ == "System":
        return "frame_system", "pallet", name
    return f"pallet_{kind.__module__.split('.')[1]}", "pallet", name


def _reference(number: int | None) -> wire.TypeRef | None:
    return None if number is None else wire.TypeRef(type=U32(number))


def _with_docs(pallet: wire.PalletV14, docs: tuple[str, ...]) -> wire.PalletV15:
    return wire.PalletV15(
        name=pallet.name,
        storage=pallet.storage,
        calls=pallet.calls,
        events=pallet.events,
        constants=pallet.constants,
        errors=pallet.errors,
        index=pallet.index,
        docs=docs,
    )


# From the registry's entries to the wire.


def _record(info: TypeInfo) -> wire.TypeRecord:
    return wire.TypeRecord(
        path=info.path,
        params=tuple(
            wire.TypeParameter(name=each.name, type=None if each.type is None else U32(each.type))
            for each in info.params
        ),
        definition=_definition(info.definition),
        docs=info.docs,
    )


def _definition(definition: Definition) -> wire.TypeDef:
    match definition:
        case Composite(fields):
            return wire.CompositeDef(fields=_fields(fields))
        case Variants(variants):
            return wire.VariantDef(
                variants=tuple(
                    wire.VariantRecord(
                        name=each.name,
                        fields=_fields(each.fields),
                        index=U8(each.index),
                        docs=each.docs,
                    )
                    for each in variants
                )
            )
        case Sequence(item):
            return wire.SequenceDef(type=U32(item))
        case Array(length, item):
            return wire.ArrayDef(len=U32(length), type=U32(item))
        case Tuple(items):
            return wire.TupleDef(fields=tuple(U32(item) for item in items))
        case Primitive(name):
            return wire.PrimitiveDef(kind=wire.Primitive(PRIMITIVES.index(name)))
        case CompactOf(item):
            return wire.CompactDef(type=U32(item))


def _fields(fields: tuple[FieldInfo, ...]) -> tuple[wire.Field, ...]:
    return tuple(
        wire.Field(name=each.name, type=U32(each.type), type_name=each.type_name, docs=each.docs)
        for each in fields
    )
