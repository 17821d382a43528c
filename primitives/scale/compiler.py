"""Generates the source of encoders and decoders from shapes, and compiles it.

Each type gets two functions: ``encode_N(value, write, depth)`` calls ``write`` with pieces of the
encoding, ``decode_N(data, at, depth)`` returns the value and the offset after it. Records, tuples,
options and vectors are written out in line; a recursive class, or what would make a function too
long, is called. ``depth`` counts the recursive classes around a value, which does not depend on
what is written in line. Neighbouring fields of fixed size are read and written by one ``struct``
call.

``IndexError`` and ``struct.error`` in generated decoders mean that the data ended, and become
``DecodeError`` there. A ``Session`` compiles a type and all that it calls; it shares nothing with
other sessions, so that threads may compile at the same time.

Bounds: ``LINES_MAX`` lines before parts are called; ``guards.DEPTH_MAX`` recursive classes.
"""

from collections.abc import Callable
from functools import partial
from struct import Struct
from struct import error as struct_error
from typing import Any, Final, NamedTuple

from ..errors import DecodeError
from . import guards
from .compact import read_compact, write_compact
from .composite import Err, Ok, builder_of
from .ints import SizedInt
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
    is_recursive,
    min_size,
    shape_of,
)

__all__ = ["Compiled", "Session"]

LINES_MAX: Final = 300
"""Lines of a function after which parts are called and no longer written in line."""

INDENT_MAX: Final = 14
"""Nested blocks after which parts are called: Python allows 20 loops within each other."""

DecodeFunction = Callable[[bytes, int, int], tuple[Any, int]]
EncodeFunction = Callable[[Any, Callable[[bytes], object], int], None]

COMPOSITES: Final = (
    StructShape,
    TupleShape,
    OptionShape,
    ResultShape,
    VecShape,
    VariantShape,
)
"""Shapes with parts, which may be recursive."""

_UNSIGNED: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Compiled(NamedTuple):
    """The functions of one type, and the source of all that was compiled with it."""

    decode: DecodeFunction
    encode: EncodeFunction
    source: str


class Session:
    """Compiles one type; ``known`` are the results of earlier sessions."""

    def __init__(self, known: dict[Any, Compiled]) -> None:
        self._known = known
        self._numbers: dict[Any, int] = {}
        self._waiting: list[tuple[Any, int]] = []
        self._constants: dict[tuple[str, Any, Any], str] = {}
        self.scope: dict[str, Any] = {
            "DecodeError": DecodeError,
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
            "DEPTH_MAX": guards.DEPTH_MAX,
            **{name: getattr(guards, name) for name in guards.__all__},
        }

    def compile(self, kind: Any) -> dict[Any, Compiled]:
        """The functions of ``kind`` and of every type that they call."""
        self.number(kind)
        parts: list[str] = []
        while self._waiting:
            each, number = self._waiting.pop()
            parts.append(DecoderWriter(self, each).function(f"decode_{number}"))
            parts.append(EncoderWriter(self, each).function(f"encode_{number}"))
        source = "\n".join(parts)
        exec(compile(source, f"<SCALE codec of {kind!r}>", "exec"), self.scope)  # noqa: S102
        return {
            each: Compiled(self.scope[f"decode_{number}"], self.scope[f"encode_{number}"], source)
            for each, number in self._numbers.items()
            if each not in self._known
        }

    def number(self, kind: Any) -> int:
        """The number of the functions of a type that is called."""
        found = self._numbers.get(kind)
        if found is None:
            found = self._numbers[kind] = len(self._numbers)
            known = self._known.get(kind)
            if known is None:
                self._waiting.append((kind, found))
            else:
                self.scope[f"decode_{found}"] = known.decode
                self.scope[f"encode_{found}"] = known.encode
        return found

    def constant(self, prefix: str, value: Any) -> str:
        """The name under which generated code finds ``value``."""
        key = (prefix, value, type(value[0]) if isinstance(value, tuple) else None)
        name = self._constants.get(key)
        if name is None:
            name = self._constants[key] = f"{prefix}_{len(self._constants)}"
            self.scope[name] = value
        return name


class Writer:
    """What decoders and encoders have in common: lines, names, and when to stop writing in line."""

    def __init__(self, session: Session, kind: Any) -> None:
        self.session = session
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
        is_part = isinstance(shape_of(kind), COMPOSITES)
        is_full = len(self.lines) > LINES_MAX or self.indent > INDENT_MAX
        return is_part and (is_full or is_recursive(kind))

    def depth(self, kind: Any) -> str:
        """The depth that a called part is at."""
        return "depth + 1" if is_recursive(kind) else "depth"


class DecoderWriter(Writer):
    """Writes the decoder of one type.

    Fixed-size parts wait in a group until something else must be read; what depends on their values
    waits with them.
    """

    def __init__(self, session: Session, kind: Any) -> None:
        super().__init__(session, kind)
        self._group: list[tuple[str, int, str]] = []  # format, size, local name
        self._after: list[tuple[str, int]] = []

    def function(self, name: str) -> str:
        """The source of the decoder."""
        value = self._body(self.kind)
        self._flush()
        what = self.session.constant("what", _title(self.kind))
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
        value, number = self.name(), self.session.number(kind)
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
                hook = self.session.constant("hook", cls.__scale_decode__)  # type: ignore[attr-defined]
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
                reader = self.session.constant("unpack", unpack)
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
        name = self.session.constant("int", cls)
        code = _UNSIGNED.get(cls.BYTES)
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
        return self.session.constant("byte", values)

    def _compact(self, cls: Any) -> str:
        value = self._count()
        name = self.session.constant("int", cls)
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
        self._later(f"{value} = new_bytes({self.session.constant('bytes', cls)}, {found})")
        return value

    def _span(self, limit: int | None, what: str) -> tuple[str, str]:
        """Write what reads a count of bytes; returns names of their first and last offset."""
        count, end = self._count(), self.name()
        if limit is not None:
            title = self.session.constant("what", what)
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
            found = f"new_bytes({self.session.constant('bytes', cls)}, {found})"
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
        members = self.session.constant("members", {member.value: member for member in cls}.get)
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
            return self.session.constant("unit", record.cls())
        made = self.name()
        builder = self.session.constant("builder", builder_of(record.cls))
        parts = [f"{made} = new({builder})"]
        for field, value in zip(record.fields, values, strict=True):
            parts.append(f"{made}.{field.name} = {value}")
        parts.append(f"{made}.__class__ = {self.session.constant('class', record.cls)}")
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
            title = self.session.constant("what", cls.__name__)
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
            made = f"new_tuple({self.session.constant('vec', cls)}, {items})"
        self.line(f"{value} = {made}")
        return value

    def _items(self, count: str, item: Any) -> str:
        """Write what reads ``count`` items into a list; fixed-size ones in one expression."""
        items, step = self.name(), self.name()
        match shape_of(item):
            case ArrayShape(cls) if cls.LENGTH > 0:
                size, name = cls.LENGTH, self.session.constant("bytes", cls)
                one = f"new_bytes({name}, data[{step}:{step} + {size}])"
            case IntShape(cls) if cls.BYTES == 1:
                table = self._bytes_table(cls)
                self.line(f"{items} = [{table}[{step}] for {step} in data[at:at + {count}]]")
                self.line(f"at += {count}")
                return items
            case IntShape(cls):
                size, name = cls.BYTES, self.session.constant("int", cls)
                signed = ", signed=True" if cls.SIGNED else ""
                one = f"new_int({name}, from_bytes(data[{step}:{step} + {size}], 'little'{signed}))"
            case _:
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
            self.line(f" {value} = {self.session.constant('bare', bare.get)}({flag})")
            self.line(f" if {value} is None: {refuse}")
        else:
            self.line(f" {refuse}")
        return value


class EncoderWriter(Writer):
    """Writes the encoder of one type: checks in order, then fixed-size parts in one ``pack``."""

    def __init__(self, session: Session, kind: Any) -> None:
        super().__init__(session, kind)
        self._group: list[tuple[str, str]] = []  # format, expression

    def function(self, name: str) -> str:
        """The source of the encoder."""
        self._body(self.kind, "value")
        self._flush()
        head = [
            f"def {name}(value, write, depth):",
            " if depth > DEPTH_MAX: raise too_deep()",
            " if True:",
        ]
        return "\n".join([*head, *(self.lines or ["  pass"]), ""])

    def _write(self, kind: Any, value: str) -> None:
        """Write what encodes a part."""
        if not self.must_call(kind):
            self._body(kind, value)
            return
        self._flush()
        number = self.session.number(kind)
        self.line(f"encode_{number}({value}, write, {self.depth(kind)})")

    def _body(self, kind: Any, value: str) -> None:
        match shape_of(kind):
            case UnitShape():
                self.line(f"if {value} is not None: raise wrong_class({value}, 'None')")
            case BoolShape():
                self.line(f"if {value} is not True and {value} is not False:")
                self.line(f" raise wrong_class({value}, 'bool')")
                self._group.append(("?", value))
            case IntShape(cls):
                self._int(cls, value)
            case CompactShape(cls):
                self._check(cls, value, "int", f"checked_int({{cls}}, {value})")
                self._piece(f"write_compact({value})")
            case ArrayShape(cls):
                size = cls.LENGTH
                self._check(cls, value, "bytes", f"checked_array({{cls}}, {size}, {value})")
                self._group.append((f"{size}s", value))
            case BytesShape(cls, limit):
                self._check(cls, value, "bytes", f"checked_bytes({{cls}}, {limit}, {value})")
                self._piece(f"write_compact(len({value}))")
                self._piece(value)
            case StrShape():
                self.line(f"if not isinstance({value}, str): raise wrong_class({value}, 'str')")
                text = self.name()
                self.line(f"{text} = {value}.encode()")
                self._piece(f"write_compact(len({text}))")
                self._piece(text)
            case EnumShape(cls):
                self._class(cls, value)
                self._group.append(("B", f"{value}._value_"))
            case StructShape() as record:
                self._class(record.cls, value)
                self._fields(record, value)
            case TupleShape(items):
                self._tuple(items, value)
            case OptionShape(item):
                self._flush()
                self.line(f"if {value} is None: write(b'\\0')")
                self.line("else:")
                self._branch(1, item, value)
            case ResultShape(ok, err):
                self._result(ok, err, value)
            case VecShape(cls, item, limit):
                self._vec(cls, item, limit, value)
            case VariantShape() as variant:
                self._variant(variant, value)
            case CustomShape(cls):
                name = self.session.constant("class", cls)
                self.line(f"if not isinstance({value}, {name}):")
                self.line(f" raise wrong_class({value}, {cls.__name__!r})")
                self._piece(f"{value}.__scale_encode__()")

    # Pieces.

    def _piece(self, expression: str) -> None:
        self._flush()
        self.line(f"write({expression})")

    def _flush(self) -> None:
        """Write the group."""
        group, self._group = self._group, []
        if not group:
            return
        if len(group) == 1 and group[0][0].endswith("s"):
            self.line(f"write({group[0][1]})")
            return
        pack = Struct("<" + "".join(code for code, _ in group)).pack
        values = ", ".join(expression for _, expression in group)
        self.line(f"write({self.session.constant('pack', pack)}({values}))")

    def _check(self, cls: type, value: str, prefix: str, otherwise: str) -> None:
        """A value of another class is converted or refused."""
        name = self.session.constant(prefix, cls)
        self.line(f"if type({value}) is not {name}: {value} = {otherwise.format(cls=name)}")

    def _class(self, cls: type, value: str) -> None:
        """A value of another class is refused."""
        name = self.session.constant("class", cls)
        self.line(f"if type({value}) is not {name}: raise wrong_class({value}, {cls.__name__!r})")

    def _int(self, cls: type[SizedInt], value: str) -> None:
        self._check(cls, value, "int", f"checked_int({{cls}}, {value})")
        code = _UNSIGNED.get(cls.BYTES)
        if code is not None:
            self._group.append((code.lower() if cls.SIGNED else code, value))
            return
        signed = ", signed=True" if cls.SIGNED else ""
        self._group.append((f"{cls.BYTES}s", f"to_bytes({value}, {cls.BYTES}, 'little'{signed})"))

    # Composites.

    def _fields(self, record: StructShape, value: str) -> None:
        for field in record.fields:
            part = self.name()
            self.line(f"{part} = {value}.{field.name}")
            self._write(field.kind, part)

    def _tuple(self, items: tuple[Any, ...], value: str) -> None:
        self.line(f"if not isinstance({value}, tuple): raise wrong_class({value}, 'tuple')")
        self.line(f"if len({value}) != {len(items)}: raise wrong_length({value}, 'the tuple')")
        for index, item in enumerate(items):
            part = self.name()
            self.line(f"{part} = {value}[{index}]")
            self._write(item, part)

    def _branch(self, index: int, item: Any, value: str) -> None:
        """A block that writes an index and the item."""
        self.indent += 1
        self._group.append(("B", str(index)))
        self._write(item, value)
        self._flush()
        self.indent -= 1

    def _result(self, ok: Any, err: Any, value: str) -> None:
        self._flush()
        inner = self.name()
        for index, (word, side, field, item) in enumerate(
            (("if", "Ok", "value", ok), ("elif", "Err", "error", err))
        ):
            self.line(f"{word} type({value}) is {side}:")
            self.line(f" {inner} = {value}.{field}")
            self._branch(index, item, inner)
        self.line(f"else: raise wrong_class({value}, 'Ok or Err')")

    def _vec(self, cls: type, item: Any, limit: int | None, value: str) -> None:
        self._check(cls, value, "vec", f"checked_items({{cls}}, {limit}, {value})")
        if min_size(item) == 0:
            self.line(f"if len({value}) > ZERO_SIZED_ITEMS_MAX:")
            self.line(f" raise wrong_length({value}, 'a Vec of nothing')")
        self._piece(f"write_compact(len({value}))")
        part = self.name()
        self.line(f"for {part} in {value}:")
        self.indent += 1
        self._write(item, part)
        self._flush()
        self.indent -= 1

    def _variant(self, variant: VariantShape, value: str) -> None:
        self._flush()
        kind = self.name()
        self.line(f"{kind} = type({value})")
        word = "if"
        for leaf in variant.leaves:
            if leaf.record.fields:
                name = self.session.constant("class", leaf.record.cls)
                self.line(f"{word} {kind} is {name}:")
                self.indent += 1
                self._group.append(("B", str(leaf.index)))
                self._fields(leaf.record, value)
                self._flush()
                self.indent -= 1
                word = "elif"
        bare = {
            leaf.record.cls: bytes((leaf.index,))
            for leaf in variant.leaves
            if not leaf.record.fields
        }
        self.line("else:" if word == "elif" else "if True:")
        if bare:
            found = self.name()
            self.line(f" {found} = {self.session.constant('bare', bare.get)}({kind})")
            self.line(f" if {found} is None: raise wrong_class({value}, {variant.cls.__name__!r})")
            self.line(f" write({found})")
        else:
            self.line(f" raise wrong_class({value}, {variant.cls.__name__!r})")


def _title(kind: Any) -> str:
    """A type's name in error messages."""
    return kind.__name__ if isinstance(kind, type) else repr(kind)
