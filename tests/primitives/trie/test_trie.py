"""Updates, reads and iteration against a dictionary; removal lists; the cost of an update."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.trie import EMPTY, KEY_BYTES_MAX, Layout, MemoryNodes, Node, Ref, Trie
from primitives.trie.packed import numbers_of
from tests.primitives.trie.naive import blake, encode, naive_root, nibbles

# Dense: keys often begin one another, and are often met again.
KEYS = st.lists(st.sampled_from([0, 1, 0x10]), max_size=3).map(bytes)
VALUES = st.sampled_from([0, 1, 20, 31, 32, 33, 60]).flatmap(
    lambda size: st.sampled_from([b"x", b"y"]).map(lambda byte: byte * size)
)
BLOCKS = st.lists(st.dictionaries(KEYS, st.none() | VALUES, max_size=12), max_size=8)
PROBES = [b"", b"\x00", b"\x01\x00", b"\x10", b"\x11\x11\x11", b"\xff" * 6, b"\x0f\xf0"]


def apply(model: dict[bytes, bytes], changes: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    return {key: value for key, value in {**model, **changes}.items() if value is not None}


def reachable(nodes: MemoryNodes, root: Ref) -> set[int]:
    found: set[int] = set()
    places: list[Node | Ref | None] = [] if root.merkle == EMPTY.merkle else [root]
    while places:
        place = places.pop()
        if isinstance(place, Ref):
            found.add(place.id)
            place = nodes.node(place)
        if place is not None and place.children is not None:
            places += place.children
    return found


@settings(max_examples=80, deadline=None, derandomize=True)
@given(blocks=BLOCKS, layout=st.sampled_from(Layout))
def test_updates_follow_a_dictionary(
    blocks: list[dict[bytes, bytes | None]], layout: Layout
) -> None:
    nodes, root, model = MemoryNodes(), EMPTY, dict[bytes, bytes]()
    for changes in blocks:
        update = Trie(nodes, root, layout=layout).update(changes, nodes.allocate)
        nodes.keep(update)
        nodes.drop(update)
        root, model = update.root, apply(model, changes)
        trie = Trie(nodes, root, layout=layout)
        assert root.merkle == naive_root(model, version=layout.value)
        assert set(nodes.nodes) == reachable(nodes, root), "kept nodes are exactly the reachable"
        assert list(trie.items()) == sorted(model.items())
        for key in [*model, *PROBES]:
            assert trie.get(key) == model.get(key)
            later = [other for other in model if other > key]
            assert trie.next_key(key) == min(later, default=None)
            under = sorted(item for item in model.items() if item[0].startswith(key))
            assert list(trie.items(key)) == under
            after = [item for item in under if item[0] > b"\x10\x01"]
            assert list(trie.items(key, b"\x10\x01")) == after


def shared(left: list[int], right: list[int]) -> int:
    """How many nibbles two paths begin with alike."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def naive_closest(model: dict[bytes, bytes], key: bytes) -> bytes | None:
    """The Merkle value at or next below ``key``, by looking at all entries."""
    paths = [(nibbles(one), value) for one, value in model.items()]
    below = [entry for entry in paths if entry[0][: 2 * len(key)] == nibbles(key)]
    if not below:
        return None
    inside = [path for path, _ in below]
    others = [shared(path, inside[0]) for path, _ in paths if path not in inside]
    if not others:
        return blake(encode(below, by_hash_from=33))
    start = max(others) + 1
    node = encode([(path[start:], value) for path, value in below], by_hash_from=33)
    return node if len(node) < 32 else blake(node)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(model=st.dictionaries(KEYS, VALUES, max_size=12))
def test_the_closest_merkle_value_is_that_of_the_node_at_or_below_a_key(
    model: dict[bytes, bytes],
) -> None:
    nodes = MemoryNodes()
    update = Trie(nodes, EMPTY).update(dict(model), nodes.allocate)
    nodes.keep(update)
    trie = Trie(nodes, update.root)
    for key in [*model, *PROBES]:
        assert trie.closest_merkle(key) == naive_closest(model, key)


def test_every_step_between_small_states_is_right() -> None:
    keys = [b"", b"\x00", b"\x10", b"\x11", b"\x10\x00", b"\x11\x00"]
    values = {key: b"v" * size for key, size in zip(keys, (1, 40, 0, 33, 32, 60), strict=True)}
    states = [
        {key: values[key] for index, key in enumerate(keys) if bits >> index & 1}
        for bits in range(2 ** len(keys))
    ]
    roots = [naive_root(state) for state in states]
    for before in states:
        nodes = MemoryNodes()
        start = Trie(nodes, EMPTY).update(before, nodes.allocate)
        nodes.keep(start)
        trie = Trie(nodes, start.root)
        for after, expected in zip(states, roots, strict=True):
            changes = {key: after.get(key) for key in keys}
            assert trie.update(changes, nodes.allocate).root.merkle == expected


@settings(max_examples=80, deadline=None, derandomize=True)
@given(blocks=BLOCKS)
def test_order_and_grouping_of_changes_do_not_matter(
    blocks: list[dict[bytes, bytes | None]],
) -> None:
    nodes, root, merged = MemoryNodes(), EMPTY, dict[bytes, bytes | None]()
    for changes in blocks:
        update = Trie(nodes, root).update(changes, nodes.allocate)
        nodes.keep(update)
        root = update.root
        merged |= changes
    backwards = dict(reversed(merged.items()))
    assert Trie(nodes, EMPTY).update(backwards, nodes.allocate).root.merkle == root.merkle


def test_writing_what_is_there_changes_nothing() -> None:
    nodes = MemoryNodes()
    first = Trie(nodes, EMPTY).update({b"a": b"1", b"b": b"2" * 50}, nodes.allocate)
    nodes.keep(first)
    again = Trie(nodes, first.root).update(
        {b"a": b"1", b"b": b"2" * 50, b"c": None, b"": None}, nodes.allocate
    )
    assert (again.root, again.inserted, again.removed) == (first.root, {}, ())


def test_the_same_content_comes_back_under_a_new_number() -> None:
    nodes, value = MemoryNodes(), {b"a": b"A" * 40}
    one = Trie(nodes, EMPTY).update(value, nodes.allocate)
    nodes.keep(one)
    two = Trie(nodes, one.root).update({b"a": b"B" * 40}, nodes.allocate)
    nodes.keep(two)
    three = Trie(nodes, two.root).update(value, nodes.allocate)
    assert three.root.merkle == one.root.merkle
    assert three.root.id not in (one.root.id, two.root.id)
    assert (two.removed, three.removed) == ((one.root,), (two.root,))


def test_removing_the_last_key_leaves_the_empty_trie() -> None:
    nodes = MemoryNodes()
    update = Trie(nodes, EMPTY).update({b"": b"x", b"ab": b"y" * 40}, nodes.allocate)
    nodes.keep(update)
    emptied = Trie(nodes, update.root).update({b"": None, b"ab": None}, nodes.allocate)
    assert emptied.root is EMPTY
    assert set(numbers_of(emptied.removed)) == reachable(nodes, update.root)
    empty = Trie(nodes, EMPTY)
    assert (empty.get(b""), empty.next_key(b""), list(empty.items())) == (None, None, [])


def test_an_update_touches_only_the_changed_paths() -> None:
    nodes = MemoryNodes()
    entries = {index.to_bytes(4, "big") * 4: b"v" * 40 for index in range(1_200)}
    update = Trie(nodes, EMPTY).update(entries, nodes.allocate)
    nodes.keep(update)
    reads: list[Ref] = []

    class Counting:
        def node(self, ref: Ref) -> Node:
            reads.append(ref)
            return nodes.node(ref)

        def record(self, ref: bytes) -> bytes:
            reads.append(Ref(ref))
            return nodes.record(ref)

    one = next(iter(entries))
    for change in ({one: b"w" * 40}, {one: None}, {b"new": b"w" * 40}):
        reads.clear()
        changed = Trie(Counting(), update.root).update(change, nodes.allocate)
        assert len(changed.inserted) <= 6
        assert len(changed.removed) <= 6
        assert len(reads) <= 14


def test_a_deep_trie_does_not_exhaust_the_stack() -> None:
    nodes = MemoryNodes()
    entries = {b"\x11" * length: b"v" * 33 for length in range(1_200)}
    update = Trie(nodes, EMPTY).update(entries, nodes.allocate)
    nodes.keep(update)
    trie = Trie(nodes, update.root)
    assert trie.get(b"\x11" * 1_199) == b"v" * 33
    assert sum(1 for _ in trie.items()) == 1_200
    assert trie.update(dict.fromkeys(entries), nodes.allocate).root is EMPTY


@pytest.mark.parametrize("length", [KEY_BYTES_MAX - 1, KEY_BYTES_MAX])
def test_the_longest_keys_can_be_written(length: int) -> None:
    nodes, key = MemoryNodes(), b"k" * length
    update = Trie(nodes, EMPTY).update({key: b"v"}, nodes.allocate)
    nodes.keep(update)
    assert Trie(nodes, update.root).get(key) == b"v"


def test_a_key_over_the_limit_is_a_programmers_error() -> None:
    nodes = MemoryNodes()
    with pytest.raises(AssertionError, match="because pallets bound their keys"):
        Trie(nodes, EMPTY).update({b"k" * (KEY_BYTES_MAX + 1): b"v"}, nodes.allocate)
