"""New values in packed branches: the roots of the plain model, and nothing that could be wrong."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.trie import EMPTY, LEAF, Layout, MemoryNodes, Ref, Trie, TrieUpdate
from primitives.trie.node import Node, encode_leaf, encode_node, hash_of
from primitives.trie.packed import LEAF_BYTE, encoding_of, numbers_of, overwrite, unpack_record
from tests.primitives.trie.naive import naive_root
from tests.primitives.trie.test_trie import apply, reachable

# Below one prefix as maps are, close together, with short and long ends; some begin others.
KEYS = st.tuples(
    st.sampled_from([b"", b"\x26\xaa", b"\x26\xab" * 40]),
    st.lists(st.sampled_from([0, 1, 0x0F, 0x10, 0xFF]), max_size=2).map(bytes),
    st.sampled_from([b"", b"\x01" * 31, b"\x01" * 32]),
).map(b"".join)
VALUES = st.sampled_from([0, 3, 31, 32, 33, 80, 300]).flatmap(
    lambda size: st.sampled_from([b"x", b"y"]).map(lambda byte: byte * size)
)
BLOCKS = st.lists(st.dictionaries(KEYS, st.none() | VALUES, max_size=20), max_size=8)


class Reads:
    """Nodes in memory, and which of them were read."""

    def __init__(self, nodes: MemoryNodes) -> None:
        self.nodes = nodes
        self.unpacked: list[Ref] = []
        self.records: list[bytes] = []

    def node(self, ref: Ref) -> Node:
        self.unpacked.append(ref)
        return self.nodes.node(ref)

    def record(self, ref: bytes) -> bytes:
        self.records.append(ref)
        return self.nodes.record(ref)


class Checked(MemoryNodes):
    """As a store does: what a hash and a number lead to must have that hash."""

    def record(self, ref: bytes) -> bytes:
        record = super().record(ref)
        if hash_of(encoding_of(record)) != Ref(ref).merkle:
            raise KeyError(ref)
        return record

    def node(self, ref: Ref) -> Node:
        self.record(ref)
        return super().node(ref)


def check_kept(nodes: MemoryNodes, update: TrieUpdate) -> None:
    """Each record is bound to its hash, and tells by its number whether it is a leaf."""
    for ref, record in update.inserted.items():
        number = Ref(ref).id
        node = unpack_record(record, number)
        assert hash_of(encode_node(node)) == Ref(ref).merkle
        assert (node.children is None) == (number >= LEAF) == (ref[-1] >= LEAF_BYTE)
    assert set(nodes.nodes) == reachable(nodes, update.root)
    assert len(set(update.removed)) == len(update.removed)
    assert not set(update.removed) & set(update.inserted)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(blocks=BLOCKS, layout=st.sampled_from(Layout), known=st.booleans())
def test_blocks_of_all_kinds_of_changes_follow_the_model(
    blocks: list[dict[bytes, bytes | None]], layout: Layout, known: bool
) -> None:
    nodes, root, model = MemoryNodes(), EMPTY, dict[bytes, bytes]()
    for changes in blocks:
        get = model.get if known else None
        update = Trie(nodes, root, layout=layout).update(changes, nodes.allocate, get)
        nodes.keep(update)
        nodes.drop(update)
        before, root, model = model, update.root, apply(model, changes)
        assert root.merkle == naive_root(model, version=layout.value)
        check_kept(nodes, update)
        assert update.changed == {
            key: value for key, value in changes.items() if before.get(key) != value
        }
        by_hash = 33 if layout is Layout.V1 else 1 << 30
        placed = {key: (number, value) for key, number, value in update.placed}
        for key, value in update.changed.items():
            assert (key in placed) == (value is not None and len(value) >= by_hash)
        for number, value in placed.values():
            assert nodes.nodes[number].endswith(value)


def filled(count: int = 1_000) -> tuple[MemoryNodes, Ref, dict[bytes, bytes]]:
    nodes = MemoryNodes()
    entries = {hash_of(b"%d" % index): b"%05d" % index * 10 for index in range(count)}
    update = Trie(nodes, EMPTY).update(dict(entries), nodes.allocate)
    nodes.keep(update)
    return nodes, update.root, entries


def test_new_values_unpack_no_node_and_read_no_leaf() -> None:
    nodes, root, entries = filled()
    reads = Reads(nodes)
    changes = dict.fromkeys(list(entries)[::3], b"another value of more than 32 bytes")
    update = Trie(reads, root).update(dict(changes), nodes.allocate, entries.get)
    assert reads.unpacked == []
    assert all(ref[-1] < LEAF_BYTE for ref in reads.records)
    assert len(reads.records) == len(set(reads.records)), "each branch is read once"
    assert update.root.merkle == naive_root({**entries, **changes})
    leaves = sum(number >= LEAF for number in numbers_of(update.inserted))
    assert leaves == len(changes)


def test_keys_that_come_and_go_do_not_unpack_the_paths_of_the_others() -> None:
    nodes, root, entries = filled()
    reads, keys = Reads(nodes), list(entries)
    changes: dict[bytes, bytes | None] = dict.fromkeys(keys[:300], b"another value " * 3)
    changes |= {keys[400]: None, hash_of(b"a new key"): b"v" * 40}
    update = Trie(reads, root).update(changes, nodes.allocate, entries.get)
    nodes.keep(update)
    nodes.drop(update)
    assert update.root.merkle == naive_root(apply(entries, changes))
    assert len(reads.unpacked) <= 20
    check_kept(nodes, update)


def wrong(entries: dict[bytes, bytes], key: bytes) -> Callable[[bytes], bytes | None]:
    """Says the truth of all keys but one."""
    return lambda asked: b"not what is there" * 3 if asked == key else entries.get(asked)


def test_a_value_that_the_trie_does_not_have_is_not_believed() -> None:
    # A damaged value column must not lead to a trie of which nobody knows what is in it.
    nodes, root, entries = filled()
    present = next(iter(entries))
    for key in (present, hash_of(b"absent"), present[:-1] + b"\x00", present + b"\x00"):
        changes = {key: b"v" * 40, list(entries)[5]: b"w" * 40}
        update = Trie(nodes, root).update(dict(changes), nodes.allocate, wrong(entries, key))
        assert update.root.merkle == naive_root({**entries, **changes})


@pytest.mark.parametrize("bit", range(64))
def test_a_flipped_bit_of_a_childs_number_does_not_turn_a_branch_into_a_leaf(bit: int) -> None:
    made, root, entries = filled(100)
    nodes = Checked()
    nodes.nodes = made.nodes
    number = root.id
    record = bytearray(nodes.nodes[number])
    record[len(record) - 8 + bit // 8] ^= 1 << bit % 8
    nodes.nodes[number] = bytes(record)
    last = max(entries)
    with pytest.raises(KeyError):
        Trie(nodes, root).update({last: b"v" * 40}, made.allocate, entries.get)


def test_what_cannot_be_patched_is_handed_back() -> None:
    nodes = MemoryNodes()
    entries = {
        b"\x10": b"a value at a branch" * 3,
        b"\x10\x01": b"below it" * 5,
        b"\x10\x02": b"below it" * 5,
        b"\x20\x01": b"tiny",
        b"\x20\x02": b"long enough to be on its own",
        b"\x30" * 20: b"short",
    }
    update = Trie(nodes, EMPTY).update(dict(entries), nodes.allocate)
    nodes.keep(update)
    new = {
        b"\x10": b"v" * 40,  # a branch's value
        b"\x10\x01": b"v" * 40,  # below a branch with a value
        b"\x20\x01": b"v" * 40,  # inside its parent before
        b"\x20\x02": b"v",  # inside its parent after
    }
    done = overwrite(
        nodes.record,
        update.root,
        [(key, entries[key], new[key]) for key in sorted(new)],
        nodes.allocate,
        Layout.V1,
    )
    assert [entry[0] for entry in done.rest] == sorted(new)
    whole = Trie(nodes, update.root).update({**new, b"\x30" * 20: b"other"}, nodes.allocate)
    assert whole.root.merkle == naive_root({**entries, **new, b"\x30" * 20: b"other"})


def test_the_trie_of_one_key_is_handed_back() -> None:
    nodes = MemoryNodes()
    update = Trie(nodes, EMPTY).update({b"key": b"v" * 40}, nodes.allocate)
    entry = (b"key", b"v" * 40, b"w" * 40)
    for root in (update.root, EMPTY):
        done = overwrite(nodes.record, root, [entry], nodes.allocate, Layout.V1)
        assert (done.root, done.rest, done.inserted, done.removed) == (root, [entry], {}, [])


@pytest.mark.parametrize("count", [0, 1, 2, 30, 31, 32, 62, 63, 64, 80])
@pytest.mark.parametrize("by_hash", [False, True])
def test_leaves_are_encoded_from_their_keys(count: int, by_hash: bool) -> None:
    key, value = bytes(range(0x21, 0x49)), b"value" * 10
    value_hash = hash_of(value) if by_hash else None
    node = Node(key.hex()[80 - count :], value, value_hash, None, 0)
    assert encode_leaf(key, count, value, by_hash=by_hash) == encode_node(node)


@pytest.mark.parametrize("nibbles", [1, 14, 62, 63, 64, 317, 318, 573])
def test_branches_with_paths_of_all_lengths_are_patched(nibbles: int) -> None:
    ends = [b"\x01" * 20, b"\x17" * 20, b"\x21" * 20]
    prefix = b"k" * (nibbles // 2)
    entries = {prefix + (b"\x5a" if nibbles & 1 else b"") + end: b"v" * 40 for end in ends}
    entries[b"\xff"] = b"v" * 40
    nodes = MemoryNodes()
    update = Trie(nodes, EMPTY).update(dict(entries), nodes.allocate)
    nodes.keep(update)
    reads = Reads(nodes)
    changes = dict.fromkeys(list(entries)[:3], b"w" * 40)
    changed = Trie(reads, update.root).update(dict(changes), nodes.allocate, entries.get)
    assert changed.root.merkle == naive_root({**entries, **changes})
    assert reads.unpacked == []
