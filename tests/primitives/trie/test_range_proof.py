"""Range proofs: a whole trie fetched piece by piece, and every lie about it refused."""

import random

import pytest

from primitives.errors import ProofRejected
from primitives.trie import (
    EMPTY,
    EMPTY_ROOT,
    MemoryNodes,
    Trie,
    prove_range,
    root,
    verify_range,
)

LIMIT = 400


def entries_of(seed: int, count: int = 120) -> dict[bytes, bytes]:
    """Keys that share prefixes, some inside others; values short, long and empty."""
    source = random.Random(seed)
    made: dict[bytes, bytes] = {}
    for _ in range(count):
        key = bytes(source.choice(b"\x00\x01\x10\xff") for _ in range(source.randrange(1, 6)))
        made[key] = bytes([source.randrange(256)]) * source.choice((0, 1, 5, 32, 33, 90))
    return made


def trie_of(entries: dict[bytes, bytes]) -> Trie:
    nodes = MemoryNodes()
    update = Trie(nodes, EMPTY).update(entries, nodes.allocate)
    nodes.keep(update)
    return Trie(nodes, update.root)


def fetch(trie: Trie, limit: int) -> tuple[dict[bytes, bytes], int]:
    found: dict[bytes, bytes] = {}
    start, count = None, 0
    while True:
        made = prove_range(trie, start, limit)
        checked = verify_range(trie.root.merkle, made.nodes, start)
        assert checked.entries[: len(made.entries)] == made.entries
        found |= checked.entries
        count += 1
        if checked.is_complete:
            return found, count
        assert checked.entries
        start = checked.entries[-1][0]


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("limit", [0, LIMIT, 1 << 20])
def test_a_trie_is_fetched_whole_piece_by_piece(seed: int, limit: int) -> None:
    entries = entries_of(seed)
    found, count = fetch(trie_of(entries), limit)
    assert found == entries
    assert (count == 1) == (limit == 1 << 20)


def test_the_empty_trie_is_proven_empty() -> None:
    made = prove_range(Trie(MemoryNodes(), EMPTY), None, LIMIT)
    assert verify_range(EMPTY_ROOT, made.nodes, None).is_complete
    with pytest.raises(ProofRejected, match="empty trie"):
        verify_range(root({b"k": b"v"}), made.nodes, None)


def test_a_compact_proof_has_the_bytes_that_substrate_writes() -> None:
    """A branch with two leaves, one of which keeps its value by hash."""
    trie = trie_of({b"\x00": bytes(40), b"\x10": b"v" * 32})
    made = prove_range(trie, None, LIMIT)
    branch = bytes.fromhex("80") + bytes.fromhex("0300") + b"\x00\x00"
    escaped = bytes.fromhex("01" + "41" + "00" + "00")
    leaf = bytes.fromhex("41" + "00" + "80") + b"v" * 32
    assert made.nodes == (branch, escaped, bytes(40), leaf)


def test_what_is_between_two_keys_cannot_be_left_out() -> None:
    """A proof after a later key, passed off as one after an earlier key, brings nothing."""
    trie = trie_of(entries_of(1))
    keys = [key for key, _ in trie.items()]
    later = prove_range(trie, keys[60], 1 << 20)
    try:
        checked = verify_range(trie.root.merkle, later.nodes, keys[5])
    except ProofRejected:
        return
    expected = list(trie.items(b"", keys[5]))
    assert list(checked.entries) == expected[: len(checked.entries)]
    assert not checked.is_complete


@pytest.mark.parametrize("seed", range(8))
def test_no_changed_proof_shows_anything_false(seed: int) -> None:
    """Bits flipped, parts dropped, doubled and swapped: refused, or still the truth."""
    source = random.Random(seed)
    entries = entries_of(seed)
    trie = trie_of(entries)
    truth = sorted(entries.items())
    made = prove_range(trie, None, LIMIT)
    for _ in range(150):
        nodes = list(made.nodes)
        at = source.randrange(len(nodes))
        match source.randrange(4):
            case 0 if nodes[at]:
                raw = bytearray(nodes[at])
                raw[source.randrange(len(raw))] ^= 1 << source.randrange(8)
                nodes[at] = bytes(raw)
            case 1:
                del nodes[at]
            case 2:
                nodes.insert(at, nodes[at])
            case _:
                other = source.randrange(len(nodes))
                nodes[at], nodes[other] = nodes[other], nodes[at]
        try:
            checked = verify_range(trie.root.merkle, nodes, None)
        except ProofRejected:
            continue
        assert list(checked.entries) == truth[: len(checked.entries)]


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ((), "ends before"),
        ((b"\x01",), "ends inside"),
        ((b"\x01\x41\x00\x00",), "announced"),
        ((b"\x00", b"\x00"), "empty node inside"),
        ((b"\xff" * 40,), "range proof"),
        ((bytes(17 << 20),), "at most"),
    ],
)
def test_junk_is_refused(nodes: tuple[bytes, ...], why: str) -> None:
    with pytest.raises(ProofRejected, match=why):
        verify_range(EMPTY_ROOT, nodes, None)


def test_left_over_nodes_are_refused() -> None:
    trie = trie_of(entries_of(3))
    made = prove_range(trie, None, LIMIT)
    with pytest.raises(ProofRejected, match="left over"):
        verify_range(trie.root.merkle, (*made.nodes, made.nodes[-1]), None)
