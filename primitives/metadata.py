"""The shape of runtime metadata, versions 14 and 15, as Substrate encodes it.

Only the wire types are here; what fills them is derived from a runtime's declarations
(``pallets.frame.metadata``). Type numbers are positions in ``types``.

Guarantee: decoding what was encoded gives the same value. Bounds: as the codec's.
"""

from typing import Annotated, Final

from primitives.scale import U8, U32, Compact, ScaleEnum, Variant, struct

__all__ = [
    "MAGIC",
    "ArrayDef",
    "CompactDef",
    "CompositeDef",
    "ConstantV14",
    "CustomV15",
    "ExtrinsicV14",
    "ExtrinsicV15",
    "Field",
    "MapEntry",
    "MetadataV14",
    "MetadataV15",
    "Modifier",
    "OuterEnumsV15",
    "PalletV14",
    "PalletV15",
    "PlainEntry",
    "PortableType",
    "Primitive",
    "PrimitiveDef",
    "RuntimeApiMethodV15",
    "RuntimeApiParamV15",
    "RuntimeApiV15",
    "SequenceDef",
    "SignedExtensionV14",
    "StorageEntryType",
    "StorageEntryV14",
    "StorageHasher",
    "StorageV14",
    "TupleDef",
    "TypeDef",
    "TypeId",
    "TypeParameter",
    "TypeRecord",
    "TypeRef",
    "VariantDef",
    "VariantRecord",
]

MAGIC: Final = b"meta"
"""What metadata begins with, before the byte of its version."""

TypeId = Annotated[U32, Compact]
"""A type's number."""


class Primitive(ScaleEnum):
    """Types that are not made of others."""

    Bool = 0
    Char = 1
    Str = 2
    U8 = 3
    U16 = 4
    U32 = 5
    U64 = 6
    U128 = 7
    U256 = 8
    I8 = 9
    I16 = 10
    I32 = 11
    I64 = 12
    I128 = 13
    I256 = 14


@struct
class Field:
    """A field of a record or a variant."""

    name: str | None
    type: TypeId
    type_name: str | None
    docs: tuple[str, ...]


@struct
class VariantRecord:
    """One case of an enum."""

    name: str
    fields: tuple[Field, ...]
    index: U8
    docs: tuple[str, ...]


class TypeDef(Variant):
    """How a type is made."""


class CompositeDef(TypeDef, index=0, name="Composite"):
    """A record."""

    fields: tuple[Field, ...]


class VariantDef(TypeDef, index=1, name="Variant"):
    """An enum."""

    variants: tuple[VariantRecord, ...]


class SequenceDef(TypeDef, index=2, name="Sequence"):
    """Any number of one type."""

    type: TypeId


class ArrayDef(TypeDef, index=3, name="Array"):
    """A fixed number of one type."""

    len: U32
    type: TypeId


class TupleDef(TypeDef, index=4, name="Tuple"):
    """Some types in a row."""

    fields: tuple[TypeId, ...]


class PrimitiveDef(TypeDef, index=5, name="Primitive"):
    """A primitive."""

    kind: Primitive


class CompactDef(TypeDef, index=6, name="Compact"):
    """A number in its short form."""

    type: TypeId


@struct
class TypeParameter:
    """A parameter of a generic type."""

    name: str
    type: TypeId | None


@struct
class TypeRecord:
    """A type."""

    path: tuple[str, ...]
    params: tuple[TypeParameter, ...]
    definition: TypeDef
    docs: tuple[str, ...]


@struct
class PortableType:
    """A type with its number."""

    id: TypeId
    type: TypeRecord


class Modifier(ScaleEnum):
    """What a storage item is where nothing is stored: nothing, or its default."""

    Optional = 0
    Default = 1


class StorageHasher(ScaleEnum):
    """How keys of a map are hashed."""

    Blake2_128 = 0
    Blake2_256 = 1
    Blake2_128Concat = 2
    Twox128 = 3
    Twox256 = 4
    Twox64Concat = 5
    Identity = 6


class StorageEntryType(Variant):
    """A single value or a map."""


class PlainEntry(StorageEntryType, index=0, name="Plain"):
    """A single value."""

    value: TypeId


class MapEntry(StorageEntryType, index=1, name="Map"):
    """A map; with several hashers ``key`` is a tuple."""

    hashers: tuple[StorageHasher, ...]
    key: TypeId
    value: TypeId


@struct
class StorageEntryV14:
    """A storage item."""

    name: str
    modifier: Modifier
    type: StorageEntryType
    default: bytes
    docs: tuple[str, ...]


@struct
class StorageV14:
    """The storage of a pallet."""

    prefix: str
    entries: tuple[StorageEntryV14, ...]


@struct
class ConstantV14:
    """A constant of a pallet."""

    name: str
    type: TypeId
    value: bytes
    docs: tuple[str, ...]


@struct
class TypeRef:
    """A type wrapped alone, as calls, events and errors of a pallet are."""

    type: TypeId


@struct
class PalletV14:
    """A pallet."""

    name: str
    storage: StorageV14 | None
    calls: TypeRef | None
    events: TypeRef | None
    constants: tuple[ConstantV14, ...]
    errors: TypeRef | None
    index: U8


@struct
class PalletV15:
    """A pallet, with its documentation."""

    name: str
    storage: StorageV14 | None
    calls: TypeRef | None
    events: TypeRef | None
    constants: tuple[ConstantV14, ...]
    errors: TypeRef | None
    index: U8
    docs: tuple[str, ...]


@struct
class SignedExtensionV14:
    """A part of what a signer adds: in the extrinsic, and only in what is signed."""

    identifier: str
    type: TypeId
    additional_signed: TypeId


@struct
class ExtrinsicV14:
    """The format of extrinsics."""

    type: TypeId
    version: U8
    signed_extensions: tuple[SignedExtensionV14, ...]


@struct
class ExtrinsicV15:
    """The format of extrinsics, in parts."""

    version: U8
    address_type: TypeId
    call_type: TypeId
    signature_type: TypeId
    extra_type: TypeId
    signed_extensions: tuple[SignedExtensionV14, ...]


@struct
class RuntimeApiParamV15:
    """A parameter of a function."""

    name: str
    type: TypeId


@struct
class RuntimeApiMethodV15:
    """A function of a runtime API."""

    name: str
    inputs: tuple[RuntimeApiParamV15, ...]
    output: TypeId
    docs: tuple[str, ...]


@struct
class RuntimeApiV15:
    """A runtime API."""

    name: str
    methods: tuple[RuntimeApiMethodV15, ...]
    docs: tuple[str, ...]


@struct
class OuterEnumsV15:
    """The enums over all pallets."""

    call_type: TypeId
    event_type: TypeId
    error_type: TypeId


@struct
class CustomV15:
    """A value with its type, under a name."""

    name: str
    type: TypeId
    value: bytes


@struct
class MetadataV14:
    """Everything, version 14."""

    types: tuple[PortableType, ...]
    pallets: tuple[PalletV14, ...]
    extrinsic: ExtrinsicV14
    type: TypeId


@struct
class MetadataV15:
    """Everything, version 15."""

    types: tuple[PortableType, ...]
    pallets: tuple[PalletV15, ...]
    extrinsic: ExtrinsicV15
    type: TypeId
    apis: tuple[RuntimeApiV15, ...]
    outer_enums: OuterEnumsV15
    custom: tuple[CustomV15, ...]
