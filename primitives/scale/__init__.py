"""SCALE, the encoding of the chain: types are Python classes, their codecs are compiled.

``codec(T)`` makes, once for each type, source code that encodes and decodes it. What types there
are: ``bool``, ``str``, ``bytes``, ``None`` (no bytes), the sized integers, ``Annotated[U32,
Compact]``, ``tuple[A, B]``, ``tuple[A, ...]``, ``A | None``, ``Result[A, B]``, ``FixedBytes``,
``BoundedBytes``, ``BoundedVec``, ``ScaleEnum``, ``Variant`` and records made by ``struct``.

Decoding accepts the canonical form only and raises ``DecodeError`` for everything else, with the
offset; see ``codec`` for its bounds.
"""

from .codec import Codec, codec, decode, encode
from .composite import (
    BoundedBytes,
    BoundedVec,
    Err,
    FixedBytes,
    Ok,
    Result,
    ScaleCoded,
    ScaleEnum,
    Variant,
    struct,
)
from .guards import Metered
from .ints import (
    I8,
    I16,
    I32,
    I64,
    I128,
    I256,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    Compact,
    SizedInt,
)

__all__ = [
    "I8",
    "I16",
    "I32",
    "I64",
    "I128",
    "I256",
    "U8",
    "U16",
    "U32",
    "U64",
    "U128",
    "U256",
    "BoundedBytes",
    "BoundedVec",
    "Codec",
    "Compact",
    "Err",
    "FixedBytes",
    "Metered",
    "Ok",
    "Result",
    "ScaleCoded",
    "ScaleEnum",
    "SizedInt",
    "Variant",
    "codec",
    "decode",
    "encode",
    "struct",
]
