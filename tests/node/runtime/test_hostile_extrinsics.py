"""What a large extrinsic of a stranger costs before it is refused."""

import time
from collections.abc import Callable, Iterator
from typing import Annotated

import pytest

from node.runtime import CessRuntime
from node.txpool.validation import Validator
from pallets.frame.call import ITEMS_MAX
from pallets.frame.validity import TransactionSource
from primitives.crypto.keys import KeyPair
from primitives.errors import DecodeError
from primitives.extrinsic import extrinsic_hash
from primitives.scale import U32, Compact, codec
from primitives.scale.shapes import VecShape, min_size, shape_of
from tests.node.net import Net

SIZE = 2_000_000
COST_MAX_S = 0.05
COUNT = codec(Annotated[U32, Compact])
BARE = b"\x04"


def cost_s(work: Callable[[], object]) -> float:
    """Processor time, the best of three."""
    found = []
    for _ in range(3):
        start = time.thread_time()
        work()
        found.append(time.thread_time() - start)
    return min(found)


def vectors() -> Iterator[tuple[str, bytes, int]]:
    """Calls that begin with a vector: their names, heads, and the bytes of the smallest item."""
    for head, bound in CessRuntime.calls()._by_head.items():
        for _, kind in bound.spec.parameters[:1]:
            try:
                shape = shape_of(kind)
                if isinstance(shape, VecShape):
                    yield f"{bound.pallet}.{bound.spec.name}", head, min_size(shape.item)
            except TypeError:
                continue  # a call, or calls, which are counted themselves


@pytest.mark.parametrize(("name", "head", "least"), list(vectors()), ids=str)
def test_no_vector_of_tiny_items_is_dear(name: str, head: bytes, least: int) -> None:
    calls = CessRuntime.calls()

    def decode(count: int) -> None:
        try:
            calls.decode(head + COUNT.encode(U32(count)) + bytes(count * least))
        except DecodeError:
            return

    for count in {min(SIZE // least, ITEMS_MAX * factor) for factor in (1, 8, 32, SIZE)}:
        assert cost_s(lambda n=count: decode(n)) < COST_MAX_S, (name, count)  # type: ignore[misc]


@pytest.mark.parametrize("is_signed", [False, True])
def test_two_megabytes_of_tiny_items_are_refused_at_little_cost(net: Net, is_signed: bool) -> None:
    validator = Validator(net.chain)
    batches = []
    for _, head, least in vectors():
        count = SIZE // least
        call = head + COUNT.encode(U32(count)) + bytes(count * least)
        data = codec(bytes).encode(BARE + call)
        if is_signed:
            data = net.signed(call, pair=KeyPair.from_suri("//Poor"))
        batches.append([(extrinsic_hash(data), data, TransactionSource.External)])
    for batch in batches:
        (verdict,) = validator.judge(batch)
        assert verdict.transaction is None
        assert cost_s(lambda each=batch: validator.judge(each)) < COST_MAX_S  # type: ignore[misc]


def test_batches_and_lists_that_are_in_use_still_decode() -> None:
    calls = CessRuntime.calls()
    pairs = tuple((bytes([at % 256]) * 32, b"value") for at in range(10_000))
    made = calls.make("System", "set_storage", items=pairs)
    assert calls.decode(made.encode()) == made
