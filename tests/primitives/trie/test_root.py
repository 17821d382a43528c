"""Roots: other implementations' answers, and the naive builder's for everything else."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives import trie
from primitives.trie import EMPTY, EMPTY_ROOT, Layout, MemoryNodes, Trie
from primitives.trie.packed import encoding_of
from primitives.types import Hash
from tests.primitives.trie.naive import blake, compact, naive_root

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[2] / "vectors/trie/roots.json").read_text()
)
# Dense: keys often begin one another, and are often met again.
KEYS = st.lists(st.sampled_from([0, 1, 0x10]), max_size=3).map(bytes)
VALUES = st.sampled_from([0, 1, 30, 31, 32, 33, 34, 100]).flatmap(
    lambda size: st.integers(0, 255).map(lambda byte: bytes([byte]) * size)
)


def named(vectors: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("vector", vectors, ids=[one["name"] for one in vectors])


def pairs(vector: dict[str, Any]) -> dict[bytes, bytes]:
    return {bytes.fromhex(key): bytes.fromhex(value) for key, value in vector["entries"]}


@named(VECTORS["roots"])
def test_roots_are_those_of_other_implementations(vector: dict[str, Any]) -> None:
    for layout in vector["layouts"]:
        assert trie.root(pairs(vector), layout=Layout(layout)).hex() == vector["root"]
        assert naive_root(pairs(vector), version=layout).hex() == vector["root"]


@named(VECTORS["ordered"])
def test_ordered_roots_are_those_of_other_implementations(vector: dict[str, Any]) -> None:
    values = [bytes.fromhex(value) for value in vector["values"]]
    assert trie.ordered_root(values).hex() == vector["root"]


@named(VECTORS["encodings"])
def test_root_nodes_are_encoded_as_other_implementations_do(vector: dict[str, Any]) -> None:
    nodes = MemoryNodes()
    update = Trie(nodes, EMPTY).update(pairs(vector), nodes.allocate)
    assert encoding_of(list(update.inserted.values())[-1]).hex() == vector["encoding"]


def test_empty_root_is_the_hash_of_one_zero_byte() -> None:
    assert trie.root({}) == EMPTY_ROOT == blake(b"\x00")
    assert isinstance(trie.root({}), Hash)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(entries=st.dictionaries(KEYS, VALUES, max_size=30), version=st.sampled_from([0, 1]))
def test_root_is_the_naive_builders(entries: dict[bytes, bytes], version: int) -> None:
    assert trie.root(entries, layout=Layout(version)) == naive_root(entries, version=version)


@pytest.mark.parametrize("size", [31, 32, 33, 34])
def test_layouts_differ_from_33_bytes_on(size: int) -> None:
    entries = {b"key": b"v" * size}
    v0, v1 = (trie.root(entries, layout=layout) for layout in Layout)
    assert (v0 != v1) == (size >= 33)
    assert (v0, v1) == (naive_root(entries, version=0), naive_root(entries, version=1))


@pytest.mark.parametrize("nibbles", [14, 15, 30, 31, 62, 63, 64, 317, 318, 319, 572, 573])
@pytest.mark.parametrize("size", [1, 40])
def test_long_paths_around_each_header_boundary(nibbles: int, size: int) -> None:
    # The branch at the top takes one nibble of each key, so odd lengths are met as well.
    length = (nibbles + 2) // 2
    leaf = {b"\x10" + b"k" * length: b"v" * size, b"\x23": b"w" * size}
    branch = {b"k" * length + end: b"v" * size for end in (b"", b"\x01", b"\x81")}
    for entries in (leaf, branch, {b"k" * length: b"v" * size}):
        assert trie.root(entries) == naive_root(entries)


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 300])
def test_ordered_root_maps_compact_indices(count: int) -> None:
    values = [b"extrinsic %d" % index * (index % 7) for index in range(count)]
    expected = naive_root({compact(i): value for i, value in enumerate(values)}, version=0)
    assert trie.ordered_root(values) == expected


def test_ordered_root_reaches_four_byte_indices() -> None:
    values = [b"x"] * (2**14 + 1)
    entries = {compact(index): value for index, value in enumerate(values)}
    assert trie.ordered_root(values, layout=Layout.V1) == naive_root(entries)


def test_memory_nodes_keep_and_drop_what_an_update_says() -> None:
    nodes = MemoryNodes()
    first = Trie(nodes, EMPTY).update({b"a": b"x" * 40, b"b": b"y" * 40}, nodes.allocate)
    nodes.keep(first)
    second = Trie(nodes, first.root).update({b"a": b"z" * 40}, nodes.allocate)
    nodes.keep(second)
    assert Trie(nodes, first.root).get(b"a") == b"x" * 40
    nodes.drop(second)
    assert Trie(nodes, second.root).get(b"a") == b"z" * 40
    with pytest.raises(KeyError):
        Trie(nodes, first.root).get(b"a")
