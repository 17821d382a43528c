"""The wire shape of metadata."""

from primitives.metadata import (
    CompositeDef,
    ExtrinsicV14,
    Field,
    MapEntry,
    MetadataV14,
    Modifier,
    PalletV14,
    PlainEntry,
    PortableType,
    Primitive,
    PrimitiveDef,
    StorageEntryV14,
    StorageHasher,
    StorageV14,
    TypeDef,
    TypeRecord,
)
from primitives.scale import U8, U32, codec, decode, encode


def test_a_small_metadata_has_substrates_bytes() -> None:
    u8 = TypeRecord(path=(), params=(), definition=PrimitiveDef(kind=Primitive.U8), docs=())
    entry = StorageEntryV14(
        name="N",
        modifier=Modifier.Default,
        type=PlainEntry(value=U32(0)),
        default=b"\x05",
        docs=("d",),
    )
    made = MetadataV14(
        types=(PortableType(id=U32(0), type=u8),),
        pallets=(
            PalletV14(
                name="P",
                storage=StorageV14(prefix="P", entries=(entry,)),
                calls=None,
                events=None,
                constants=(),
                errors=None,
                index=U8(9),
            ),
        ),
        extrinsic=ExtrinsicV14(type=U32(0), version=U8(4), signed_extensions=()),
        type=U32(0),
    )
    raw = encode(MetadataV14, made)
    assert raw.hex() == (
        "04 00 00 00 0503 00"  # one type: number, path, parameters, definition, docs
        "04 0450 01 0450 04 044e 01 00 00 0405 04 0464 00 00 00 00 09"  # one pallet
        "00 04 00 00"  # the extrinsic and the runtime
    ).replace(" ", "")
    assert decode(MetadataV14, raw) == made


def test_maps_and_records_have_substrates_bytes() -> None:
    entry = MapEntry(hashers=(StorageHasher.Twox64Concat,), key=U32(1), value=U32(2))
    assert codec(type(entry).__mro__[1]).encode(entry).hex() == "0104050408"
    field = Field(name=None, type=U32(64), type_name="T", docs=())
    record = CompositeDef(fields=(field,))
    assert encode(TypeDef, record).hex() == "00" + "04" + "00" + "0101" + "010454" + "00"
