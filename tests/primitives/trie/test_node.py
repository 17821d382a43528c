"""Node bytes: round trips, and refusal of every form that no builder makes."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.errors import DecodeError
from primitives.trie import EMPTY, MemoryNodes, Node, Ref, Trie
from primitives.trie.node import (
    KEY_NIBBLES_MAX,
    NIBBLES,
    decode_node,
    encode_length,
    encode_node,
    hash_of,
)
from primitives.trie.packed import encoding_of

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/trie/roots.json").read_text())
LEAF = "42aa04bb"
HASH = "11" * 32


def test_nodes_of_another_implementation_decode_and_encode_again() -> None:
    for vector in VECTORS["nodes"]:
        node = decode_node(bytes.fromhex(vector["encoding"]))
        assert node is not None
        assert node.children is not None
        assert (node.partial, node.value) == (vector["partial"], bytes.fromhex(vector["value"]))
        assert [slot for slot in range(16) if node.children[slot]] == vector["slots"]
        assert encode_node(node).hex() == vector["encoding"]
    for vector in VECTORS["proofs"]:
        for raw in map(bytes.fromhex, vector["nodes"]):
            node = decode_node(raw)
            assert node is not None
            assert encode_node(node) == raw


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    entries=st.dictionaries(st.binary(max_size=4), st.binary(max_size=40), min_size=1, max_size=40)
)
def test_what_the_trie_writes_decodes_to_the_same(entries: dict[bytes, bytes]) -> None:
    nodes = MemoryNodes()
    for ref, record in Trie(nodes, EMPTY).update(entries, nodes.allocate).inserted.items():
        encoding = encoding_of(record)
        node = decode_node(encoding)
        assert node is not None
        assert encode_node(node) == encoding
        assert hash_of(encoding) == Ref(ref).merkle


@settings(max_examples=800, deadline=None, derandomize=True)
@given(
    data=st.binary(max_size=80)
    | st.lists(
        st.sampled_from([b"\x80", b"\x40", b"\x20", b"\x10", b"\xc1", b"\x00", b"\x04", b"\x03",
                         b"\x01", b"\xff", b"\x7c", b"\x08", bytes(32)]), max_size=14
    ).map(b"".join)
)  # fmt: skip
def test_what_decodes_encodes_to_the_same_bytes(data: bytes) -> None:
    try:
        node = decode_node(data)
    except DecodeError:
        return
    assert (b"\x00" if node is None else encode_node(node)) == data


def test_hashed_values_are_left_to_the_reader() -> None:
    node = decode_node(bytes.fromhex("22aa" + HASH))
    assert node is not None
    assert (node.value, node.value_hash, node.has_value) == (None, bytes.fromhex(HASH), True)
    branch = decode_node(bytes.fromhex("12aa" + "0100" + HASH + "80" + HASH))
    assert branch is not None
    assert branch.children is not None
    assert isinstance(branch.children[0], Ref)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "ends inside its header"),
        ("01", "header 0x01"),
        ("0f", "header 0x0f"),
        ("0000", "header 0x00"),
        (LEAF + "00", "1 bytes follow"),
        (LEAF[:-2], "ends inside its value"),
        ("42aa", "ends inside its value"),
        ("42", "ends inside its path"),
        ("7f", "ends inside its header"),
        ("7fff", "ends inside its header"),
        ("411a00", "padding of its path"),
        ("42aa0100", "not in its shortest form"),
        ("42aa02000000", "not in its shortest form"),
        ("42aa03", "over the limit"),
        ("42aafeffffff", "ends inside its value"),
        ("22aa" + HASH[2:], "ends inside its value's hash"),
        ("80", "ends inside its children"),
        ("800000", "too few children"),
        ("800100" + "80" + HASH, "too few children"),
        ("c0000000", "too few children"),
        ("800300" + "80" + HASH, "ends inside its child"),
        ("800300" + "80" + HASH + "84" + HASH + "11", "a child of 33 bytes"),
        ("800300" + "80" + HASH + "00", "a child of 0 bytes"),
        ("800300" + "80" + HASH + "0400", "header 0x00"),
        ("800300" + "80" + HASH + "14" + LEAF + "00", "follow a child"),
        ("800300" + "80" + HASH + "80" + HASH + "00", "1 bytes follow"),
    ],
)
def test_decoding_refuses(data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_node(bytes.fromhex(data))


def leaf(nibbles: int) -> bytes:
    return encode_node(Node("a" * nibbles, b"", None, None, 0))


def test_paths_have_a_limit() -> None:
    for nibbles in (KEY_NIBBLES_MAX - 1, KEY_NIBBLES_MAX):
        node = decode_node(leaf(nibbles))
        assert node is not None
        assert len(node.partial) == nibbles
    with pytest.raises(DecodeError, match="over 65535 nibbles"):
        decode_node(leaf(KEY_NIBBLES_MAX + 1))


def test_nibbles_are_hexadecimal_digits_in_order() -> None:
    assert list(NIBBLES) == sorted(NIBBLES)
    assert bytes(range(256)).hex() == "".join(a + b for a in NIBBLES for b in NIBBLES)


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, "00"), (63, "fc"), (64, "0101"), (16383, "fdff"), (16384, "02000100")],
)
def test_lengths_are_compact(length: int, expected: str) -> None:
    assert encode_length(length).hex() == expected
