"""Records: round trips, and every damaged one is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.database import DatabaseFailed, layout
from node.database.layout import (
    FORMAT_KEY,
    Heads,
    check_node_record,
    decode_body,
    decode_format,
    decode_heads,
    decode_journal,
    decode_node_record,
    decode_root,
    encode_body,
    encode_format,
    encode_heads,
    encode_journal,
    encode_root,
    node_key,
    number_key,
    seal,
    unseal,
)
from primitives.errors import StorageCorrupt
from primitives.scale import U8, U32, U64
from primitives.trie import EMPTY, MemoryNodes, Node, Ref, Trie
from primitives.trie.node import encode_node, hash_of
from primitives.trie.packed import encoding_of, pack_record
from primitives.types import Hash

NUMBERS = st.lists(st.integers(0, 2**64 - 1), max_size=5).map(tuple)
HEADS = Heads(
    genesis=Hash(b"g" * 32),
    best=Hash(b"b" * 32),
    best_number=U32(9),
    finalized=Hash(b"f" * 32),
    finalized_number=U32(7),
    next_node=U64(5),
    oldest_state=U32(3),
    oldest_body=U32(1),
    flat_side=U8(1),
    flat_writes=U64(6),
)


VALUES = [bytes([index]) * (10 * index) for index in range(3, 10)] + [b"at the root" * 9]
"""Those of `new_nodes` that are too long to be inside a branch."""


def new_nodes() -> list[tuple[Ref, bytes]]:
    entries = {bytes([index]): bytes([index]) * (10 * index) for index in range(10)}
    entries[b""] = b"at the root" * 9
    nodes = MemoryNodes()
    update = Trie(nodes, EMPTY).update(entries, nodes.allocate)
    return [(Ref(ref), record) for ref, record in update.inserted.items()]


def decode(ref: Ref, record: bytes) -> Node:
    check_node_record(ref, record)
    return decode_node_record(ref, record)


def test_keys_sort_as_numbers_do() -> None:
    numbers = [0, 1, 255, 256, 65_536, 2**32 - 1]
    assert sorted(number_key(b"n", number) for number in numbers) == [
        number_key(b"n", number) for number in numbers
    ]
    assert node_key(1) < node_key(256) < node_key(2**40)


@given(content=st.binary(max_size=40), at=st.integers(0, 60), flip=st.integers(1, 255))
def test_a_flipped_bit_breaks_the_seal(content: bytes, at: int, flip: int) -> None:
    record = seal(b"bkey", content)
    assert unseal(b"bkey", record) == content
    broken = bytearray(record)
    broken[at % len(record)] ^= flip
    with pytest.raises(StorageCorrupt, match="fails its checksum"):
        unseal(b"bkey", bytes(broken))
    with pytest.raises(StorageCorrupt, match="fails its checksum"):
        unseal(b"bkez", record)
    with pytest.raises(StorageCorrupt):
        unseal(b"bkey", record[:-1])
    with pytest.raises(StorageCorrupt):
        unseal(b"bkey", b"")


@given(inserted=NUMBERS, removed=NUMBERS)
def test_journals_round_trip(inserted: tuple[int, ...], removed: tuple[int, ...]) -> None:
    refs = [[Ref.of(b"h" * 32, number) for number in numbers] for numbers in (inserted, removed)]
    assert decode_journal(encode_journal(*refs)) == (inserted, removed)


@pytest.mark.parametrize("record", [b"", b"\0\0\0", b"\1\0\0\0", bytes(5), b"\2\0\0\0" + bytes(8)])
def test_journals_of_the_wrong_length_are_refused(record: bytes) -> None:
    with pytest.raises(StorageCorrupt, match="journal"):
        decode_journal(record)


def test_heads_bodies_roots_and_format_round_trip() -> None:
    assert decode_heads(encode_heads(HEADS)) == HEADS
    assert decode_body(encode_body((b"a", b"", b"c" * 100))) == (b"a", b"", b"c" * 100)
    root = decode_root(encode_root(Ref.of(b"r" * 32, 2**63)))
    assert (root.merkle, root.id) == (b"r" * 32, 2**63)
    assert decode_format(encode_format(True)).archive
    assert not decode_format(encode_format(False)).archive


def test_damaged_records_are_refused() -> None:
    with pytest.raises(StorageCorrupt):
        decode_heads(encode_heads(HEADS)[1:])
    with pytest.raises(StorageCorrupt, match="heads record"):
        decode_heads(seal(layout.HEADS_KEY, b"short"))
    with pytest.raises(StorageCorrupt, match="body"):
        decode_body(b"\x08\x04a")
    with pytest.raises(StorageCorrupt, match="state record"):
        decode_root(bytes(39))
    with pytest.raises(StorageCorrupt, match="not a chain database"):
        decode_format(seal(FORMAT_KEY, b"CESSNODX" + bytes(3)))
    with pytest.raises(StorageCorrupt, match="format record"):
        decode_format(seal(FORMAT_KEY, b"CESSNODE\x03\x00\x07"))


def test_another_version_is_refused_with_advice() -> None:
    with pytest.raises(DatabaseFailed, match="format 2, this program reads 3"):
        decode_format(seal(FORMAT_KEY, b"CESSNODE\x02\x00\x00"))


def test_node_records_round_trip_with_values_and_numbers() -> None:
    nodes = new_nodes()
    found = [decode(ref, record) for ref, record in nodes]
    assert [node.id for node in found] == [ref.id for ref, _ in nodes]
    assert sorted(node.value for node in found if node.value is not None) == sorted(VALUES)
    children = [one for node in found for one in node.children or () if isinstance(one, Ref)]
    assert set(children) == {ref for ref, _ in nodes[:-1]}
    for node, (_, record) in zip(found, nodes, strict=True):
        assert pack_record(encode_node(node), node) == record


def test_every_damaged_byte_of_a_node_record_is_found_or_harms_nothing() -> None:
    # A child's number has no checksum of its own: whatever it leads to must match the child's hash.
    for ref, record in new_nodes():
        end = 4 + len(encoding_of(record))
        node = decode(ref, record)
        refs = sum(isinstance(child, Ref) for child in node.children or ())
        for at in range(len(record)):
            broken = record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
            if at in range(end, end + 8 * refs):
                assert decode(ref, broken).partial == node.partial
            else:
                with pytest.raises(StorageCorrupt):
                    decode(ref, broken)
        for cut in (record[:-1], record + b"\x00", b"", record[:3]):
            with pytest.raises(StorageCorrupt):
                decode(ref, cut)


def test_an_empty_or_malformed_node_is_refused() -> None:
    for encoding, reason in ((b"\x00", "is empty"), (b"\x0f", "header")):
        ref = Ref.of(hash_of(encoding), 1)
        with pytest.raises(StorageCorrupt, match=reason):
            decode(ref, b"\x01\0\0\0" + encoding)
