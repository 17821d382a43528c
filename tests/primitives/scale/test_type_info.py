"""Types as metadata lists them."""

from typing import Annotated, Any

import pytest
from sample_types import Colour, Everything, Four, Note, Point, Points, Shape

from primitives.scale import U8, U16, U32, U64, U128, Compact, Result, struct
from primitives.scale.type_info import (
    PRIMITIVES,
    Array,
    CompactOf,
    Composite,
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
from primitives.types import AccountId, Balance, BlockNumber, Bytes48


def entry(registry: Registry, kind: Any) -> TypeInfo:
    number = registry.type_id(kind)
    return registry.types()[number]


def referred(info: TypeInfo) -> list[int]:
    numbers = [param.type for param in info.params if param.type is not None]
    match info.definition:
        case Composite(fields):
            numbers += [field.type for field in fields]
        case Variants(variants):
            numbers += [field.type for case in variants for field in case.fields]
        case Sequence(number) | Array(_, number) | CompactOf(number):
            numbers.append(number)
        case Tuple(types):
            numbers += types
    return numbers


def test_numbers_are_dense_and_every_reference_is_listed() -> None:
    registry = Registry()
    registry.type_id(Everything)
    types = registry.types()
    assert all(0 <= number < len(types) for info in types for number in referred(info))
    assert len(set(types)) == len(types)


def test_asking_again_gives_the_same_number() -> None:
    registry = Registry()
    first = registry.type_id(Everything)
    count = len(registry.types())
    assert registry.type_id(Everything) == first
    assert len(registry.types()) == count


def test_types_of_the_same_encoding_share_a_number() -> None:
    registry = Registry()
    assert registry.type_id(Balance) == registry.type_id(U128)
    assert registry.type_id(BlockNumber) == registry.type_id(U32)
    assert registry.type_id(bytes) == registry.type_id(tuple[U8, ...])
    assert registry.type_id(Annotated[Balance, Compact]) == registry.type_id(
        Annotated[U128, Compact]
    )
    assert registry.type_id(None) == registry.type_id(tuple[()])


def test_primitives_have_the_names_of_substrate() -> None:
    registry = Registry()
    assert entry(registry, bool).definition == Primitive("bool")
    assert entry(registry, str).definition == Primitive("str")
    assert entry(registry, U64).definition == Primitive("u64")
    assert PRIMITIVES.index("u128") == 7
    assert PRIMITIVES.index("i8") == 9


def test_an_account_is_a_newtype_of_32_bytes_at_the_path_that_clients_know() -> None:
    registry = Registry()
    info = entry(registry, AccountId)
    assert info.path == ("sp_core", "crypto", "AccountId32")
    assert isinstance(info.definition, Composite)
    (field,) = info.definition.fields
    assert field.name is None
    assert registry.types()[field.type].definition == Array(32, registry.type_id(U8))


def test_fixed_bytes_without_a_path_are_an_array() -> None:
    registry = Registry()
    assert entry(registry, Four).definition == Array(4, registry.type_id(U8))
    assert entry(registry, Bytes48).path == ()


def test_bounded_types_are_bounded_vectors() -> None:
    registry = Registry()
    for kind, item in ((Note, U8), (Points, Point)):
        info, number = entry(registry, kind), registry.type_id(item)
        assert info.path == ("sp_core", "bounded", "bounded_vec", "BoundedVec")
        assert info.params == (ParameterInfo("T", number), ParameterInfo("S", None))
        assert isinstance(info.definition, Composite)
        (field,) = info.definition.fields
        assert registry.types()[field.type].definition == Sequence(number)


def test_options_and_results_have_params() -> None:
    registry = Registry()
    number, colour = registry.type_id(U16), registry.type_id(Colour)
    assert entry(registry, U16 | None) == TypeInfo(
        ("Option",),
        (ParameterInfo("T", number),),
        Variants(
            (VariantInfo("None", (), 0), VariantInfo("Some", (FieldInfo(None, number),), 1)),
        ),
    )
    result = entry(registry, Result[U16, Colour])
    assert result.path == ("Result",)
    assert result.params == (ParameterInfo("T", number), ParameterInfo("E", colour))


def test_a_record_lists_its_fields_and_its_docstring() -> None:
    registry = Registry()
    number = registry.type_id(Point)
    info = registry.types()[number]
    assert info.path == ("sample", "Point")
    assert info.docs == ("A place.",)
    assert isinstance(info.definition, Composite)
    assert [(field.name, field.type_name) for field in info.definition.fields] == [
        ("x", "i32"),
        ("y", "i32"),
    ]
    assert registry.fields(Point) == info.definition.fields


def test_a_variant_lists_its_leaves_by_index_and_may_contain_itself() -> None:
    registry = Registry()
    number = registry.type_id(Shape)
    info = registry.types()[number]
    assert isinstance(info.definition, Variants)
    cases = info.definition.variants
    assert [(case.name, case.index) for case in cases] == [
        ("Nothing", 0),
        ("Circle", 1),
        ("Poly", 7),
        ("Group", 9),
    ]
    assert cases[0].docs == ("No shape.",)
    (members,) = cases[3].fields
    assert members.type_name == "Vec<Shape>"
    assert registry.types()[members.type].definition == Sequence(number)


def test_an_enum_lists_its_members_by_byte() -> None:
    info = entry(Registry(), Colour)
    assert isinstance(info.definition, Variants)
    assert [(case.name, case.index) for case in info.definition.variants] == [
        ("Red", 0),
        ("Green", 3),
        ("Blue", 255),
    ]


def test_a_keyword_loses_its_underscore() -> None:
    @struct
    class Info:
        class_: U8

    assert Registry().fields(Info)[0].name == "class"


def test_a_record_without_a_path_or_docstring_is_known_by_its_name() -> None:
    @struct
    class Plain:
        value: U8

    info = entry(Registry(), Plain)
    assert info.path == ("Plain",)
    assert info.docs == ()


def test_a_hand_made_type_may_refer_to_itself() -> None:
    registry = Registry()

    def build(found: Registry) -> TypeInfo:
        own = found.add("RuntimeCall", build)
        calls = found.add(("calls", own), lambda _: TypeInfo((), (), Sequence(own)))
        batch = VariantInfo("batch", (FieldInfo("calls", calls),), 0)
        return TypeInfo(("runtime", "RuntimeCall"), (), Variants((batch,)))

    number = registry.add("RuntimeCall", build)
    assert registry.add("RuntimeCall", build) == number
    assert registry.types()[number].path == ("runtime", "RuntimeCall")


class Era:
    """A class that describes itself."""

    def __scale_encode__(self) -> bytes:
        return b"\0"

    @classmethod
    def __scale_decode__(cls, data: bytes, at: int) -> tuple["Era", int]:
        return cls(), at + len(data[at : at + 1])

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        mortal = tuple(
            VariantInfo(f"Mortal{index}", (registry.field(None, U8),), index)
            for index in range(1, 256)
        )
        return TypeInfo(("era", "Era"), (), Variants((VariantInfo("Immortal", (), 0), *mortal)))


def test_a_class_describes_itself() -> None:
    info = entry(Registry(), Era)
    assert isinstance(info.definition, Variants)
    assert len(info.definition.variants) == 256


def test_an_own_codec_without_a_description_is_refused() -> None:
    class Silent:
        def __scale_encode__(self) -> bytes:
            return b""

        @classmethod
        def __scale_decode__(cls, data: bytes, at: int) -> tuple["Silent", int]:
            return cls(), at

    with pytest.raises(TypeError, match="__type_info__"):
        Registry().type_id(Silent)


def test_what_has_no_wire_form_has_no_number() -> None:
    for kind in (int, dict[str, int]):
        with pytest.raises(TypeError):
            Registry().type_id(kind)
    with pytest.raises(TypeError, match="no record"):
        Registry().fields(U8)


def test_docs_are_the_lines_of_the_own_docstring() -> None:
    def documented() -> None:
        """One.

        Two.
        """

    assert docs_of(documented) == ("One.", "", "Two.")
    assert docs_of(Point) == ("A place.",)
