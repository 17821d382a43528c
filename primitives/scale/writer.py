"""What the writers of encoders and decoders share: lines, names, and the scope they refer to.

Bounds: after ``LINES_MAX`` lines or ``INDENT_MAX`` nested blocks, parts are called and no longer
written in line.
"""

from collections.abc import Callable
from struct import error as struct_error
from typing import Any, Final, NamedTuple

from . import guards
from .compact import read_compact, write_compact
from .composite import Err, Ok
from .shapes import (
    OptionShape,
    ResultShape,
    StructShape,
    TupleShape,
    VariantShape,
    VecShape,
    is_recursive,
    shape_of,
)

__all__ = ["FORMATS", "Compiled", "Scope", "Writer"]

LINES_MAX: Final = 300
"""Lines of a function after which parts are called."""

INDENT_MAX: Final = 14
"""Nested blocks after which parts are called: Python allows 20 loops within each other."""

FORMATS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""Letters of ``struct`` for unsigned integers, by size; the small letters are signed."""

_COMPOSITES: Final = (
    StructShape,
    TupleShape,
    OptionShape,
    ResultShape,
    VecShape,
    VariantShape,
)


class Compiled(NamedTuple):
    """The functions of one type, and the source of all that was compiled with it."""

    decode: Callable[[bytes, int, int], tuple[Any, int]]
    encode: Callable[[Any, Callable[[bytes], object], int], None]
    source: str


class Scope:
    """The globals of generated functions, and which types must still get functions.

    ``known`` are types that have functions already.
    """

    def __init__(self, known: dict[Any, Compiled]) -> None:
        self._known = known
        self._constants: dict[tuple[str, Any, Any], str] = {}
        self.numbers: dict[Any, int] = {}
        self.waiting: list[tuple[Any, int]] = []
        self.globals: dict[str, Any] = {
            "ShortData": (IndexError, struct_error),
            "read_compact": read_compact,
            "write_compact": write_compact,
            "new": object.__new__,
            "new_int": int.__new__,
            "new_bytes": bytes.__new__,
            "new_tuple": tuple.__new__,
            "from_bytes": int.from_bytes,
            "to_bytes": int.to_bytes,
            "Ok": Ok,
            "Err": Err,
            **{name: getattr(guards, name) for name in guards.__all__},
        }

    def number(self, kind: Any) -> int:
        """The number of the functions of a type that is called."""
        found = self.numbers.get(kind)
        if found is None:
            found = self.numbers[kind] = len(self.numbers)
            known = self._known.get(kind)
            if known is None:
                self.waiting.append((kind, found))
            else:
                self.globals[f"decode_{found}"] = known.decode
                self.globals[f"encode_{found}"] = known.encode
        return found

    def constant(self, prefix: str, value: Any) -> str:
        """The name under which generated code finds ``value``."""
        key = (prefix, value, type(value[0]) if isinstance(value, tuple) else None)
        name = self._constants.get(key)
        if name is None:
            name = self._constants[key] = f"{prefix}_{len(self._constants)}"
            self.globals[name] = value
        return name


class Writer:
    """What decoders and encoders have in common: lines, names, and when to stop writing in line."""

    def __init__(self, scope: Scope, kind: Any) -> None:
        self.scope = scope
        self.kind = kind
        self.lines: list[str] = []
        self.indent = 2
        self._names = 0

    def line(self, text: str) -> None:
        """Append a line at the current indentation."""
        self.lines.append(" " * self.indent + text)

    def name(self) -> str:
        """A fresh local name."""
        self._names += 1
        return f"v{self._names}"

    def must_call(self, kind: Any) -> bool:
        """Whether a part is called: it is recursive, or there is no room in line."""
        is_part = isinstance(shape_of(kind), _COMPOSITES)
        is_full = len(self.lines) > LINES_MAX or self.indent > INDENT_MAX
        return is_part and (is_full or is_recursive(kind))

    def depth(self, kind: Any) -> str:
        """The depth that a called part is at."""
        return "depth + 1" if is_recursive(kind) else "depth"

    def title(self) -> str:
        """The type's name in error messages."""
        return self.kind.__name__ if isinstance(self.kind, type) else repr(self.kind)
