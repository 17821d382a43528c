"""Writes the source of decoders.

A decoder is ``decode_N(data, at, depth)``, which returns the value and the offset after it.
Neighbouring fields of fixed size are read by one ``unpack``. ``IndexError`` and ``struct.error``
mean that the data ended and become ``DecodeError``. Records are filled through their builders
(``composite.builder_of``), which is the cheapest way to make something frozen.
"""

from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import Any

from .composite import builder_of
from .shapes import (
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
    min_size,
    shape_of,
)
from .writer import FORMATS, Scope, Writer

__all__ = ["DecoderWriter"]


class DecoderWriter(Writer):
    """Writes the decoder of one type.

    Fixed-size parts wait in a group until something else must be read; what depends on their values
    waits with them.
    """

    def __init__(self, scope: Scope, kind: Any) -> None:
        super().__init__(scope, kind)
        self._group: list[tuple[str, int, str]] = []  # format, size, local name
        self._after: list[tuple[str, int]] = []

    def function(self, name: str) -> str:
        """The source of the decoder."""
        value = self._body(self.kind)
        self._flush()
        what = self.scope.constant("what", self.title())
        head = [
            f"def {name}(data, at, depth):",
            " if depth > DEPTH_MAX: raise refuse_depth(at)",
            " try:",
        ]
        tail = [
            " except ShortData:",
            f"  raise refuse_short(data, at, {what}) from None",
            f" return {value}, at",
            "",
        ]
        return "\n".join([*head, *(self.lines or ["  pass"]), *tail])

    def _read(self, kind: Any) -> str:
        """Write what reads a part; return the expression of its value."""
        if not self.must_call(kind):
            return self._body(kind)
        self._flush()
        value, number = self.name(), self.scope.number(kind)
        self.line(f"{value}, at = decode_{number}(data, at, {self.depth(kind)})")
        return value

    def _body(self, kind: Any) -> str:
        match shape_of(kind):
            case UnitShape():
                return "None"
            case BoolShape():
                return self._bool()
            case IntShape(cls):
                return self._int(cls)
            case CompactShape(cls):
                return self._compact(cls)
            case ArrayShape(cls):
                return self._array(cls)
            case BytesShape(cls, limit):
                return self._bytes(cls, limit)
            case StrShape():
                return self._str()
            case EnumShape(cls):
                return self._enum(cls)
            case StructShape() as record:
                return self._record(record)
            case TupleShape(items):
                names = [self._read(item) for item in items]
                value = self.name()
                self._later(f"{value} = ({''.join(name + ', ' for name in names)})")
                return value
            case OptionShape(item):
                return self._option(item)
            case ResultShape(ok, err):
                return self._result(ok, err)
            case VecShape(cls, item, limit):
                return self._vec(cls, item, limit)
            case VariantShape() as variant:
                return self._variant(variant)
            case CustomShape(cls):
                self._flush()
                value = self.name()
                hook = self.scope.constant("hook", cls.__scale_decode__)  # type: ignore[attr-defined]
                self.line(f"{value}, at = {hook}(data, at)")
                return value

    # Groups.

    def _fixed(self, code: str, size: int) -> str:
        value = self.name()
        self._group.append((code, size, value))
        return value

    def _later(self, text: str) -> None:
        """A line that may use values of the group; ``@at`` is where the last of them began."""
        if self._group:
            _, size, _ = self._group[-1]
            start = sum(part for _, part, _ in self._group) - size
            self._after.append((text, start))
        else:
            self.line(text)

    def _flush(self) -> None:
        """Read the group."""
        group, after = self._group, self._after
        self._group, self._after = [], []
        size = 0
        if group:
            size = sum(part for _, part, _ in group)
            names = [name for _, _, name in group]
            if group[0][0] == "B" and len(group) == 1:
                self.line(f"{names[0]} = data[at]")
            else:
                unpack = Struct("<" + "".join(code for code, _, _ in group)).unpack_from
                reader = self.scope.constant("unpack", unpack)
                self.line(f"{', '.join(names)}, = {reader}(data, at)")
            self.line(f"at += {size}")
        for text, start in after:
            self.line(text.replace("@at", f"at - {size - start}"))

    # Leaves of the tree of types.

    def _bool(self) -> str:
        found = self._fixed("B", 1)
        self._later(f"if {found} > 1: raise refuse_byte(@at, {found}, 'a bool')")
        return f"({found} == 1)"

    def _int(self, cls: Any) -> str:
        value = self.name()
        if cls.BYTES == 1:
            found = self._fixed("B", 1)
            self._later(f"{value} = {self._bytes_table(cls)}[{found}]")
            return value
        name = self.scope.constant("int", cls)
        code = FORMATS.get(cls.BYTES)
        if code is None:
            found = self._fixed(f"{cls.BYTES}s", cls.BYTES)
            signed = ", signed=True" if cls.SIGNED else ""
            number = f"from_bytes({found}, 'little'{signed})"
        else:
            number = self._fixed(code.lower() if cls.SIGNED else code, cls.BYTES)
        self._later(f"{value} = new_int({name}, {number})")
        return value

    def _bytes_table(self, cls: Any) -> str:
        """The name of a tuple of all 256 values, by their bytes: nothing is made for each byte."""
        values = tuple(
            cls(int.from_bytes(bytes((byte,)), "little", signed=cls.SIGNED)) for byte in range(256)
        )
        return self.scope.constant("byte", values)

    def _compact(self, cls: Any) -> str:
        value = self._count()
        name = self.scope.constant("int", cls)
        self.line(f"if {value} > {cls.MAX}: raise refuse_above(at, {cls.__name__!r})")
        self.line(f"{value} = new_int({name}, {value})")
        return value

    def _count(self) -> str:
        """Write what reads a compact number, the shortest form in line."""
        self._flush()
        value = self.name()
        self.line(f"{value} = data[at]")
        self.line(f"if {value} & 3: {value}, at = read_compact(data, at)")
        self.line(f"else: {value} >>= 2; at += 1")
        return value

    def _array(self, cls: Any) -> str:
        found, value = self._fixed(f"{cls.LENGTH}s", cls.LENGTH), self.name()
        self._later(f"{value} = new_bytes({self.scope.constant('bytes', cls)}, {found})")
        return value

    def _span(self, limit: int | None, what: str) -> tuple[str, str]:
        """Write what reads a count of bytes; returns names of their first and last offset."""
        count, end = self._count(), self.name()
        if limit is not None:
            title = self.scope.constant("what", what)
            self.line(
                f"if {count} > {limit}: raise refuse_over_limit(at, {count}, {limit}, {title})"
            )
        self.line(f"{end} = at + {count}")
        self.line(f"if {end} > len(data): raise refuse_count(at, {count}, len(data) - at)")
        return "at", end

    def _bytes(self, cls: Any, limit: int | None) -> str:
        start, end = self._span(limit, cls.__name__)
        value = self.name()
        found = f"data[{start}:{end}]"
        if cls is not bytes:
            found = f"new_bytes({self.scope.constant('bytes', cls)}, {found})"
        self.line(f"{value} = {found}")
        self.line(f"at = {end}")
        return value

    def _str(self) -> str:
        start, end = self._span(None, "str")
        value = self.name()
        self.line(f"try: {value} = str(data[{start}:{end}], 'utf-8')")
        self.line("except UnicodeDecodeError: raise refuse_text(at) from None")
        self.line(f"at = {end}")
        return value

    def _enum(self, cls: Any) -> str:
        members = self.scope.constant("members", {member.value: member for member in cls}.get)
        found, value = self._fixed("B", 1), self.name()
        self._later(f"{value} = {members}({found})")
        self._later(f"if {value} is None: raise refuse_byte(@at, {found}, {cls.__name__!r})")
        return value

    # Composites.

    def _record(self, record: StructShape) -> str:
        names = [self._read(field.kind) for field in record.fields]
        return self._make(record, names)

    def _make(self, record: StructShape, values: list[str]) -> str:
        if not values:
            return self.scope.constant("unit", record.cls())
        made = self.name()
        builder = self.scope.constant("builder", builder_of(record.cls))
        parts = [f"{made} = new({builder})"]
        for field, value in zip(record.fields, values, strict=True):
            parts.append(f"{made}.{field.name} = {value}")
        parts.append(f"{made}.__class__ = {self.scope.constant('class', record.cls)}")
        self._later("; ".join(parts))
        return made

    def _option(self, item: Any) -> str:
        self._flush()
        flag, value = self.name(), self.name()
        self.line(f"{flag} = data[at]; at += 1")
        self.line(f"if {flag} == 1:")
        self._branch(lambda: self._read(item), value)
        self.line(f"elif {flag} == 0: {value} = None")
        self.line(f"else: raise refuse_byte(at - 1, {flag}, 'an Option')")
        return value

    def _result(self, ok: Any, err: Any) -> str:
        self._flush()
        flag, value = self.name(), self.name()
        self.line(f"{flag} = data[at]; at += 1")
        self.line(f"if {flag} == 0:")
        self._branch(lambda: f"Ok({self._settled(ok)})", value)
        self.line(f"elif {flag} == 1:")
        self._branch(lambda: f"Err({self._settled(err)})", value)
        self.line(f"else: raise refuse_byte(at - 1, {flag}, 'a Result')")
        return value

    def _settled(self, kind: Any) -> str:
        value = self._read(kind)
        self._flush()
        return value

    def _branch(self, read: Callable[[], str], value: str) -> None:
        """A block that ends with ``value`` assigned."""
        self.indent += 1
        found = read()
        self._flush()
        self.line(f"{value} = {found}")
        self.indent -= 1

    def _vec(self, cls: Any, item: Any, limit: int | None) -> str:
        count = self._count()
        if limit is not None:
            title = self.scope.constant("what", cls.__name__)
            self.line(
                f"if {count} > {limit}: raise refuse_over_limit(at, {count}, {limit}, {title})"
            )
        least = min_size(item)
        if least == 0:
            most = "ZERO_SIZED_ITEMS_MAX"
            self.line(f"if {count} > {most}:")
            self.line(f" raise refuse_over_limit(at, {count}, {most}, 'a Vec of nothing')")
        else:
            times = "" if least == 1 else f" * {least}"
            self.line(f"if {count}{times} > len(data) - at:")
            self.line(f" raise refuse_count(at, {count}, len(data) - at)")
        items = self._items(count, item)
        value = self.name()
        made = f"tuple({items})"
        if cls is not tuple:
            made = f"new_tuple({self.scope.constant('vec', cls)}, {items})"
        self.line(f"{value} = {made}")
        return value

    def _items(self, count: str, item: Any) -> str:
        """Write what reads ``count`` items into a list; fixed-size ones in one expression."""
        items, step = self.name(), self.name()
        match shape_of(item):
            case ArrayShape(cls) if cls.LENGTH > 0:
                self._spend(f"{count} >> 3")
                size, name = cls.LENGTH, self.scope.constant("bytes", cls)
                one = f"new_bytes({name}, data[{step}:{step} + {size}])"
            case IntShape(cls) if cls.BYTES == 1:
                self._spend(f"{count} >> 5")
                table = self._bytes_table(cls)
                self.line(f"{items} = [{table}[{step}] for {step} in data[at:at + {count}]]")
                self.line(f"at += {count}")
                return items
            case IntShape(cls):
                self._spend(f"{count} >> 3")
                size, name = cls.BYTES, self.scope.constant("int", cls)
                signed = ", signed=True" if cls.SIGNED else ""
                one = f"new_int({name}, from_bytes(data[{step}:{step} + {size}], 'little'{signed}))"
            case _:
                self._spend(count)
                self.line(f"{items} = []")
                self.line(f"for {step} in range({count}):")
                self.indent += 1
                value = self._read(item)
                self._flush()
                self.line(f"{items}.append({value})")
                self.indent -= 1
                return items
        self.line(f"{items} = [{one} for {step} in range(at, at + {count} * {size}, {size})]")
        self.line(f"at += {count} * {size}")
        return items

    def _spend(self, cost: str) -> None:
        self.line(f"if type(data) is not bytes: spend(data, at, {cost})")

    def _variant(self, variant: VariantShape) -> str:
        self._flush()
        flag, value = self.name(), self.name()
        self.line(f"{flag} = data[at]; at += 1")
        word = "if"
        for leaf in variant.leaves:
            if leaf.record.fields:
                self.line(f"{word} {flag} == {leaf.index}:")
                self._branch(partial(self._record, leaf.record), value)
                word = "elif"
        bare = {leaf.index: leaf.record.cls() for leaf in variant.leaves if not leaf.record.fields}
        refuse = f"raise refuse_byte(at - 1, {flag}, {variant.cls.__name__!r})"
        if word == "elif":
            self.line("else:")
        else:
            self.line("if True:")
        if bare:
            self.line(f" {value} = {self.scope.constant('bare', bare.get)}({flag})")
            self.line(f" if {value} is None: {refuse}")
        else:
            self.line(f" {refuse}")
        return value
