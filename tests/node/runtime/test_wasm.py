"""Modules that are written here, in the hands of a real engine."""

from typing import Any

import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from node.runtime.wasm import I32, I64, PAGE_BYTES, Module, const, leb, signed_leb

U32S = st.integers(0, 2**32 - 1)
U64S = st.integers(0, 2**64 - 1)


def instance(module: Module) -> tuple[wasmtime.Store, Any]:
    store = wasmtime.Store()
    memory = wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(16, None)))
    made = wasmtime.Instance(store, wasmtime.Module(store.engine, module.encode()), [memory])
    return store, made.exports(store)


def arithmetic() -> Module:
    module = Module()
    for kind, name in ((I32, "short"), (I64, "long")):
        f = module.function((kind, kind), kind, export=name)
        left, right = f.parameters
        total = f.local(kind, (left + right) * 3 - (left & right) + (left | right))
        with f.when(right.differs(0)) as case:
            f.set(total, total + left // right + left % right)
            case.otherwise()
            f.set(total, total + 1)
        f.give(total + (left << 3) + (right >> 2))
    return module


def expected(left: int, right: int, bits: int) -> int:
    total = (left + right) * 3 - (left & right) + (left | right)
    total += left // right + left % right if right else 1
    return (total + (left << 3) + (right >> 2)) % (1 << bits)


@given(U32S, U32S)
def test_numbers_of_32_bits_are_unsigned_and_wrap(left: int, right: int) -> None:
    store, exports = instance(arithmetic())
    found = exports["short"](store, left - (left >> 31 << 32), right - (right >> 31 << 32))
    assert found % 2**32 == expected(left, right, 32)


@given(U64S, U64S)
def test_numbers_of_64_bits_are_unsigned_and_wrap(left: int, right: int) -> None:
    store, exports = instance(arithmetic())
    found = exports["long"](store, left - (left >> 63 << 64), right - (right >> 63 << 64))
    assert found % 2**64 == expected(left, right, 64)


def test_loops_and_memory() -> None:
    module = Module()
    place = module.data(b"\1\2\3\4" * 3)
    f = module.function((I32,), I32, export="sum")
    (count,) = f.parameters
    at, total = f.local(I32), f.local(I32)
    with f.loop_while(at < count):
        f.set(total, total + (at + place).byte())
        f.set(at, at + 1)
    f.give(total)
    store, exports = instance(module)
    assert [exports["sum"](store, each) for each in (0, 1, 4, 12)] == [0, 1, 10, 30]


def test_the_same_content_is_kept_once_and_the_heap_begins_behind_everything() -> None:
    module = Module()
    assert module.data(b"abc") == module.data(b"abc") != module.data(b"xyz")
    place = module.reserve(PAGE_BYTES)
    store, exports = instance(module)
    assert int(exports["__heap_base"].value(store)) >= place + PAGE_BYTES


@given(st.integers(-(2**63), 2**63 - 1))
def test_constants_are_what_they_say(value: int) -> None:
    module = Module()
    f = module.function((), I64, export="value")
    f.give(const(I64, value))
    store, exports = instance(module)
    assert exports["value"](store) == value


def test_numbers_in_modules_are_the_standards() -> None:
    assert leb(624485) == b"\xe5\x8e\x26"
    assert signed_leb(-123456) == b"\xc0\xbb\x78"
    assert signed_leb(64) == b"\xc0\x00"
