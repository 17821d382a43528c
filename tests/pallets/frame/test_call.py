"""Declaring, building, encoding and decoding calls."""

import pytest

from pallets.frame import CALL_DEPTH_MAX, Call, DictState, DispatchClass, Pallet, Weight, call
from pallets.frame.call import CALLS_MAX, NESTED_CALLS_MAX
from pallets.frame.error import BadOrigin
from pallets.frame.origin import Origin
from primitives.errors import DecodeError
from primitives.scale import U32
from tests.pallets.frame.guest_book import ALICE, GuestBook, Note, Small

TABLE = Small.calls()


def sign(note: bytes = b"hi") -> Call:
    return TABLE.make("GuestBook", "sign", note=Note(note))


def nested(depth: int) -> Call:
    made = sign()
    for _ in range(depth):
        made = TABLE.make("GuestBook", "both", first=made, rest=())
    return made


def test_a_call_is_pallet_variant_and_arguments() -> None:
    made = sign()
    assert made.encode() == bytes((7, 0, 2 << 2)) + b"hi"
    assert TABLE.decode(made.encode()) == made
    assert hash(TABLE.decode(made.encode())) == hash(made)
    assert (made.pallet, made.name, made.arguments()) == ("GuestBook", "sign", {"note": b"hi"})
    assert repr(made).startswith("GuestBook.sign(")
    assert made != sign(b"ho")
    assert made != "sign"


def test_calls_nest_in_arguments_and_vectors() -> None:
    made = TABLE.make("GuestBook", "both", first=sign(b"1"), rest=(sign(b"2"), nested(2)))
    assert TABLE.decode(made.encode()) == made


def test_arguments_are_checked_by_name() -> None:
    with pytest.raises(TypeError, match="takes"):
        TABLE.make("GuestBook", "sign", text=b"")
    with pytest.raises(KeyError):
        TABLE.make("GuestBook", "scribble")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "no call has the index"),
        (b"\x07", "no call has the index"),
        (b"\x07\x63", "no call has the index 0763"),
        (b"\x08\x00", "no call has the index"),
        (b"\x07\x00\x08hi!", "after the end"),
    ],
)
def test_what_is_no_call_does_not_decode(raw: bytes, text: str) -> None:
    with pytest.raises(DecodeError, match=text):
        TABLE.decode(raw)


def test_nesting_is_bounded() -> None:
    at_limit = nested(CALL_DEPTH_MAX - 1)
    assert TABLE.decode(at_limit.encode()) == at_limit
    with pytest.raises(DecodeError, match="nested"):
        TABLE.decode(nested(CALL_DEPTH_MAX).encode())


def test_a_bomb_of_nested_calls_is_refused_without_recursing_further() -> None:
    with pytest.raises(DecodeError, match="nested"):
        TABLE.decode(b"\x07\x05" * 1_000_000)


def test_vectors_of_calls_are_bounded() -> None:
    many = TABLE.make("GuestBook", "both", first=sign(), rest=(sign(b""),) * NESTED_CALLS_MAX)
    assert TABLE.decode(many.encode()) == many
    over = TABLE.make("GuestBook", "both", first=sign(), rest=(sign(b""),) * (NESTED_CALLS_MAX + 1))
    with pytest.raises(DecodeError, match="at most"):
        TABLE.decode(over.encode())


def test_info_is_what_was_declared() -> None:
    assert sign().info().weight == Weight(reads=2, writes=3)
    divide = TABLE.make("GuestBook", "divide", count=U32(4)).info()
    assert (divide.weight, divide.pays_fee) == (Weight(ref_time=4000), False)
    assert TABLE.make("GuestBook", "crash").info().dispatch_class is DispatchClass.Operational


def test_a_method_that_is_called_directly_changes_everything_or_nothing() -> None:
    world = Small(DictState({}))
    with pytest.raises(BadOrigin):
        world.guest_book.close(Origin.signed(ALICE))
    world.guest_book.sign(Origin.signed(ALICE), Note(b"a"))
    changes = world.overlay.changes()
    with pytest.raises(GuestBook.AlreadySigned):
        world.guest_book.sign(Origin.signed(ALICE), Note(b"b"))
    assert {k: v for k, v in world.overlay.changes().items() if v is not None} == changes


def test_an_index_is_used_once() -> None:
    with pytest.raises(AssertionError, match="twice"):

        class Twice(Pallet):
            @call(index=0, weight=Weight())
            def one(self, origin: Origin) -> None: ...

            @call(index=0, weight=Weight())
            def two(self, origin: Origin) -> None: ...


def test_an_index_is_one_byte() -> None:
    with pytest.raises(AssertionError, match="one byte"):
        call(index=256, weight=Weight())


def test_calls_in_one_are_bounded_however_they_are_nested() -> None:
    assert CALLS_MAX == 10_000
    leaves = (sign(b""),) * NESTED_CALLS_MAX

    def tree(branches: int, rest: tuple[Call, ...]) -> Call:
        inner = TABLE.make("GuestBook", "both", first=sign(b""), rest=leaves)
        return TABLE.make("GuestBook", "both", first=sign(b""), rest=(*(inner,) * branches, *rest))

    size = NESTED_CALLS_MAX + 2
    left = CALLS_MAX - 2 - 9 * size
    at_limit = tree(9, leaves[:left])
    assert TABLE.decode(at_limit.encode()) == at_limit
    with pytest.raises(DecodeError, match="more than 10000 calls"):
        TABLE.decode(tree(9, leaves[: left + 1]).encode())
    with pytest.raises(DecodeError, match="more than 10000 calls"):
        TABLE.decode(tree(10, ()).encode())


def test_what_a_call_may_cost_is_found_once() -> None:
    made = sign(b"x")
    assert made.info() is made.info()
