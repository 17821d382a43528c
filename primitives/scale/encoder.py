"""Writes the source of encoders.

An encoder is ``encode_N(value, write, depth)``, which calls ``write`` with pieces of the encoding.
Every value's class is checked before it is written; neighbouring fields of fixed size are written
by one ``pack``.
"""

from struct import Struct
from typing import Any

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
    min_size,
    shape_of,
)
from .writer import FORMATS, Scope, Writer

__all__ = ["EncoderWriter"]


class EncoderWriter(Writer):
    """Writes the encoder of one type: checks in order, then fixed-size parts in one ``pack``."""

    def __init__(self, scope: Scope, kind: Any) -> None:
        super().__init__(scope, kind)
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
        number = self.scope.number(kind)
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
                name = self.scope.constant("class", cls)
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
        self.line(f"write({self.scope.constant('pack', pack)}({values}))")

    def _check(self, cls: type, value: str, prefix: str, otherwise: str) -> None:
        """A value of another class is converted or refused."""
        name = self.scope.constant(prefix, cls)
        self.line(f"if type({value}) is not {name}: {value} = {otherwise.format(cls=name)}")

    def _class(self, cls: type, value: str) -> None:
        """A value of another class is refused."""
        name = self.scope.constant("class", cls)
        self.line(f"if type({value}) is not {name}: raise wrong_class({value}, {cls.__name__!r})")

    def _int(self, cls: type[SizedInt], value: str) -> None:
        self._check(cls, value, "int", f"checked_int({{cls}}, {value})")
        code = FORMATS.get(cls.BYTES)
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
                name = self.scope.constant("class", leaf.record.cls)
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
            self.line(f" {found} = {self.scope.constant('bare', bare.get)}({kind})")
            self.line(f" if {found} is None: raise wrong_class({value}, {variant.cls.__name__!r})")
            self.line(f" write({found})")
        else:
            self.line(f" raise wrong_class({value}, {variant.cls.__name__!r})")
