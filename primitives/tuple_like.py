"""Metadata of enums whose variants have positional fields.

Our classes name every field; Substrate's ``MultiAddress``, ``MultiSignature`` and ``DigestItem`` do
not. Clients read ``{"Id": account}`` where the field has no name and ``{"Id": {"value": account}}``
where it has one, so these types are described here with their names left out.
"""

from primitives.scale.shapes import VariantShape, shape_of
from primitives.scale.type_info import (
    ParameterInfo,
    Registry,
    TypeInfo,
    VariantInfo,
    Variants,
    docs_of,
)

__all__ = ["tuple_like"]


def tuple_like(
    kind: type, path: str, registry: Registry, params: tuple[ParameterInfo, ...] = ()
) -> TypeInfo:
    """The entry of the variant type ``kind``, the fields of its leaves without names."""
    shape = shape_of(kind)
    assert isinstance(shape, VariantShape), "because this is for variant types"
    cases = tuple(
        VariantInfo(
            leaf.name,
            tuple(registry.field(None, field.kind) for field in leaf.record.fields),
            leaf.index,
        )
        for leaf in shape.leaves
    )
    return TypeInfo(tuple(path.split("::")), params, Variants(cases), docs_of(kind))
