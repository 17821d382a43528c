"""A writer of WebAssembly modules: expressions of Python become instructions of version 1.

::

    module = Module()
    add = module.function((I32, I32), I32, export="add")
    left, right = add.parameters
    add.give(left + right)
    module.encode()

The same program writes the same bytes on every machine. It knows what the shim in ``:code`` needs
(see ``shim``) and no more: one imported memory, functions, data at fixed addresses, and custom
sections, which come first, so that a reader finds them at once. Only instructions of the first
version of WebAssembly are made, because light clients take no others.

Mistakes in the use of this module are programmers' errors: they are asserted, and an engine refuses
what was not seen here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = [
    "I32",
    "I64",
    "MAGIC",
    "PAGE_BYTES",
    "Case",
    "Expression",
    "Function",
    "Kind",
    "Local",
    "Module",
]

Kind: TypeAlias = int

I32: Final[Kind] = 0x7F
I64: Final[Kind] = 0x7E

MAGIC: Final = b"\0asm\x01\0\0\0"
"""How every module begins."""

PAGE_BYTES: Final = 65536

_EMPTY: Final = b"\x40"
_TYPES, _IMPORTS, _FUNCTIONS, _GLOBALS, _EXPORTS, _CODE, _DATA = 1, 2, 3, 6, 7, 10, 11

# The opcode for 32 bits, and for 64.
_BINARY: Final[dict[str, tuple[int, int]]] = {
    "add": (0x6A, 0x7C),
    "sub": (0x6B, 0x7D),
    "mul": (0x6C, 0x7E),
    "div_u": (0x6E, 0x80),
    "rem_u": (0x70, 0x82),
    "and": (0x71, 0x83),
    "or": (0x72, 0x84),
    "shl": (0x74, 0x86),
    "shr_u": (0x76, 0x88),
}
_COMPARE: Final[dict[str, tuple[int, int]]] = {
    "eq": (0x46, 0x51),
    "ne": (0x47, 0x52),
    "lt_u": (0x49, 0x54),
    "gt_u": (0x4B, 0x56),
    "le_u": (0x4D, 0x58),
    "ge_u": (0x4F, 0x5A),
}


def leb(value: int) -> bytes:
    """An unsigned number, seven bits in a byte."""
    assert value >= 0, "because it counts something"
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed_leb(value: int) -> bytes:
    """A signed number, seven bits in a byte."""
    out = bytearray()
    while not -64 <= value < 64:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def _vector(items: Sequence[bytes]) -> bytes:
    return leb(len(items)) + b"".join(items)


def _name(text: str) -> bytes:
    raw = text.encode()
    return leb(len(raw)) + raw


class Expression:
    """Something that leaves one unsigned number on the stack; operators make larger ones."""

    __slots__ = ("code", "kind")

    def __init__(self, kind: Kind, code: bytes) -> None:
        self.kind = kind
        self.code = code

    def _other(self, other: "Expression | int") -> "Expression":
        if isinstance(other, int):
            return const(self.kind, other)
        assert other.kind == self.kind, "because operands have one width"
        return other

    def _binary(self, name: str, other: "Expression | int") -> "Expression":
        code = _BINARY[name][self.kind == I64]
        return Expression(self.kind, self.code + self._other(other).code + bytes((code,)))

    def _compare(self, name: str, other: "Expression | int") -> "Expression":
        code = _COMPARE[name][self.kind == I64]
        return Expression(I32, self.code + self._other(other).code + bytes((code,)))

    def __add__(self, other: "Expression | int") -> "Expression":
        return self._binary("add", other)

    def __sub__(self, other: "Expression | int") -> "Expression":
        return self._binary("sub", other)

    def __mul__(self, other: "Expression | int") -> "Expression":
        return self._binary("mul", other)

    def __floordiv__(self, other: "Expression | int") -> "Expression":
        return self._binary("div_u", other)

    def __mod__(self, other: "Expression | int") -> "Expression":
        return self._binary("rem_u", other)

    def __and__(self, other: "Expression | int") -> "Expression":
        return self._binary("and", other)

    def __or__(self, other: "Expression | int") -> "Expression":
        return self._binary("or", other)

    def __lshift__(self, other: "Expression | int") -> "Expression":
        return self._binary("shl", other)

    def __rshift__(self, other: "Expression | int") -> "Expression":
        return self._binary("shr_u", other)

    def __lt__(self, other: "Expression | int") -> "Expression":
        return self._compare("lt_u", other)

    def __gt__(self, other: "Expression | int") -> "Expression":
        return self._compare("gt_u", other)

    def __le__(self, other: "Expression | int") -> "Expression":
        return self._compare("le_u", other)

    def __ge__(self, other: "Expression | int") -> "Expression":
        return self._compare("ge_u", other)

    def equals(self, other: "Expression | int") -> "Expression":
        """Whether both are the same number."""
        return self._compare("eq", other)

    def differs(self, other: "Expression | int") -> "Expression":
        """Whether they are not."""
        return self._compare("ne", other)

    def long(self) -> "Expression":
        """The number in 64 bits."""
        assert self.kind == I32, "because only 32 bits can be widened"
        return Expression(I64, self.code + b"\xad")

    def short(self) -> "Expression":
        """Its low 32 bits."""
        assert self.kind == I64, "because only 64 bits can be cut"
        return Expression(I32, self.code + b"\xa7")

    # The number as an address.

    def _load(self, kind: Kind, opcode: int) -> "Expression":
        assert self.kind == I32, "because an address has 32 bits"
        return Expression(kind, self.code + bytes((opcode, 0, 0)))

    def byte(self) -> "Expression":
        """The byte there, in 32 bits."""
        return self._load(I32, 0x2D)

    def word(self) -> "Expression":
        """The four bytes there."""
        return self._load(I32, 0x28)

    def quad(self) -> "Expression":
        """The eight bytes there."""
        return self._load(I64, 0x29)


def const(kind: Kind, value: int) -> Expression:
    """A fixed number."""
    bits = 64 if kind == I64 else 32
    assert -(1 << (bits - 1)) <= value < 1 << bits, "because it must fit"
    signed = value - (1 << bits) if value >= 1 << (bits - 1) else value
    return Expression(kind, (b"\x42" if kind == I64 else b"\x41") + signed_leb(signed))


def call(index: int, arguments: Sequence[Expression], kinds: Sequence[Kind]) -> bytes:
    """A call of function ``index``."""
    assert [each.kind for each in arguments] == list(kinds), "because a function has its types"
    return b"".join(each.code for each in arguments) + b"\x10" + leb(index)


class Local(Expression):
    """A variable of a function; reading it is an expression."""

    __slots__ = ("index",)

    def __init__(self, kind: Kind, index: int) -> None:
        super().__init__(kind, b"\x20" + leb(index))
        self.index = index


class Case:
    """The two ways of a condition, while they are written."""

    __slots__ = ("_write",)

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def otherwise(self) -> None:
        """What follows is for the condition that does not hold."""
        self._write(b"\x05")


class Function:
    """A function that is written, statement by statement."""

    def __init__(self, index: int, parameters: Sequence[Kind], result: Kind | None) -> None:
        self.index = index
        self.kinds = tuple(parameters)
        self.result = result
        self.parameters = tuple(Local(kind, at) for at, kind in enumerate(parameters))
        self._locals: list[Kind] = []
        self._code = bytearray()

    def _write(self, code: bytes) -> None:
        self._code += code

    def __call__(self, *arguments: Expression) -> Expression:
        """Its result, for another function."""
        assert self.result is not None, "because it gives nothing: use `do`"
        return Expression(self.result, call(self.index, arguments, self.kinds))

    def local(self, kind: Kind, value: Expression | int = 0) -> Local:
        """A new variable."""
        made = Local(kind, len(self.kinds) + len(self._locals))
        self._locals.append(kind)
        self.set(made, value)
        return made

    def set(self, variable: Local, value: Expression | int) -> None:
        """Give a variable a value."""
        found = const(variable.kind, value) if isinstance(value, int) else value
        assert found.kind == variable.kind, "because a variable keeps its width"
        self._write(found.code + b"\x21" + leb(variable.index))

    def do(self, function: "Function", *arguments: Expression) -> None:
        """Call a function that gives nothing."""
        assert function.result is None, "because a result must be used"
        self._write(call(function.index, arguments, function.kinds))

    def _store(self, address: Expression, value: Expression, opcode: int) -> None:
        assert address.kind == I32, "because an address has 32 bits"
        self._write(address.code + value.code + bytes((opcode, 0, 0)))

    def put_byte(self, address: Expression, value: Expression | int) -> None:
        """Write one byte."""
        self._store(address, const(I32, value) if isinstance(value, int) else value, 0x3A)

    def put_word(self, address: Expression, value: Expression | int) -> None:
        """Write four bytes."""
        self._store(address, const(I32, value) if isinstance(value, int) else value, 0x36)

    def put_quad(self, address: Expression, value: Expression | int) -> None:
        """Write eight bytes."""
        self._store(address, const(I64, value) if isinstance(value, int) else value, 0x37)

    @contextmanager
    def when(self, condition: Expression) -> Iterator[Case]:
        """Statements for when ``condition`` is not 0."""
        self._write(condition.code + b"\x04" + _EMPTY)
        yield Case(self._write)
        self._write(b"\x0b")

    @contextmanager
    def loop_while(self, condition: Expression) -> Iterator[None]:
        """Statements that are repeated while ``condition`` is not 0."""
        self._write(b"\x02" + _EMPTY + b"\x03" + _EMPTY + condition.code + b"\x45\x0d\x01")
        yield
        self._write(b"\x0c\x00\x0b\x0b")

    def give(self, value: Expression) -> None:
        """Return ``value``."""
        assert value.kind == self.result, "because that was declared"
        self._write(value.code + b"\x0f")

    def trap(self) -> None:
        """End the whole call as a failure."""
        self._write(b"\x00")

    def body(self) -> bytes:
        """The code section's entry."""
        kinds = [b"\x01" + bytes((kind,)) for kind in self._locals]
        # Whoever comes to the end of a function with a result did not return.
        end = b"\x0b" if self.result is None else b"\x00\x0b"
        code = _vector(kinds) + bytes(self._code) + end
        return leb(len(code)) + code

    def type(self) -> bytes:
        """Its signature."""
        results = () if self.result is None else (bytes((self.result,)),)
        return b"\x60" + _vector([bytes((kind,)) for kind in self.kinds]) + _vector(results)


@dataclass(frozen=True, slots=True)
class _Segment:
    address: int
    content: bytes


class Module:
    """A module with one memory, ``env.memory``."""

    def __init__(self, heap_base: str = "__heap_base") -> None:
        self._heap_base = heap_base
        self._imports: list[tuple[str, Function]] = []
        self._functions: list[Function] = []
        self._exports: list[tuple[str, int]] = []
        self._segments: list[_Segment] = []
        self._known: dict[bytes, int] = {}
        self._custom: list[tuple[str, bytes]] = []
        self._end = 1024

    def custom(self, name: str, content: bytes) -> None:
        """Add a section that engines pass over."""
        self._custom.append((name, content))

    def import_function(
        self, name: str, parameters: Sequence[Kind], result: Kind | None
    ) -> Function:
        """A function of the host, ``env.<name>``; all of them come before functions of ours."""
        assert not self._functions, "because imports have the first indices"
        made = Function(len(self._imports), parameters, result)
        self._imports.append((name, made))
        return made

    def function(
        self, parameters: Sequence[Kind], result: Kind | None, export: str | None = None
    ) -> Function:
        """A new function."""
        made = Function(len(self._imports) + len(self._functions), parameters, result)
        self._functions.append(made)
        if export is not None:
            self._exports.append((export, made.index))
        return made

    def reserve(self, size: int) -> int:
        """The address of ``size`` bytes of zeros."""
        address = self._end
        self._end += -(-size // 16) * 16
        return address

    def data(self, content: bytes) -> int:
        """The address of ``content``; the same content has one address."""
        if content not in self._known:
            self._known[content] = address = self.reserve(len(content))
            self._segments.append(_Segment(address, content))
        return self._known[content]

    def encode(self) -> bytes:
        """The module."""
        types = list(dict.fromkeys(each.type() for _, each in self._imports))
        types = list(dict.fromkeys([*types, *(each.type() for each in self._functions)]))
        pages = -(-self._end // PAGE_BYTES)
        imports = [
            _name("env") + _name(name) + b"\x00" + leb(types.index(each.type()))
            for name, each in self._imports
        ]
        imports.append(_name("env") + _name("memory") + b"\x02\x00" + leb(pages))
        exports = [_name(name) + b"\x00" + leb(index) for name, index in self._exports]
        exports.append(_name(self._heap_base) + b"\x03\x00")
        segments = [
            b"\x00"
            + const(I32, each.address).code
            + b"\x0b"
            + leb(len(each.content))
            + each.content
            for each in self._segments
        ]
        base = b"\x7f\x00" + const(I32, self._end).code + b"\x0b"
        sections = (
            (_TYPES, _vector(types)),
            (_IMPORTS, _vector(imports)),
            (_FUNCTIONS, _vector([leb(types.index(each.type())) for each in self._functions])),
            (_GLOBALS, _vector([base])),
            (_EXPORTS, _vector(exports)),
            (_CODE, _vector([each.body() for each in self._functions])),
            (_DATA, _vector(segments)),
        )
        custom = [_section(0, _name(name) + content) for name, content in self._custom]
        return MAGIC + b"".join(custom) + b"".join(_section(*each) for each in sections)


def _section(number: int, content: bytes) -> bytes:
    return bytes((number,)) + leb(len(content)) + content
