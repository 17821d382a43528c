"""Proofs: complete ones verify; forged, cut, padded and doubled ones are refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.errors import ProofRejected
from primitives.trie import EMPTY, EMPTY_ROOT, MemoryNodes, Trie, verify_proof
from primitives.trie import proof as module
from primitives.trie.node import hash_of

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/trie/roots.json").read_text())
# Dense: keys often begin one another, and are often met again.
KEYS = st.lists(st.sampled_from([0, 1, 0x10]), max_size=3).map(bytes)
VALUES = st.sampled_from([0, 20, 32, 33, 60]).map(lambda size: b"v" * size)
STATE = {bytes([index]) * 3: bytes([index]) * (25 + index) for index in range(20)}


def built(entries: dict[bytes, bytes]) -> Trie:
    nodes = MemoryNodes()
    update = Trie(nodes, EMPTY).update(entries, nodes.allocate)
    nodes.keep(update)
    return Trie(nodes, update.root)


def test_proofs_of_other_implementations_verify() -> None:
    for vector in VECTORS["proofs"]:
        root, key = bytes.fromhex(vector["root"]), bytes.fromhex(vector["key"])
        nodes = [bytes.fromhex(node) for node in vector["nodes"]]
        found = verify_proof(root, nodes, [key, key + b"%"])
        assert found == {key: bytes.fromhex(vector["value"]), key + b"%": None}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    entries=st.dictionaries(KEYS, VALUES, max_size=15),
    keys=st.lists(KEYS, min_size=1, max_size=6, unique=True),
)
def test_a_proof_shows_what_keys_hold(entries: dict[bytes, bytes], keys: list[bytes]) -> None:
    trie = built(entries)
    proof = trie.prove(keys)
    assert verify_proof(trie.root.merkle, proof, keys) == {key: entries.get(key) for key in keys}
    assert verify_proof(trie.root.merkle, proof[::-1], keys).keys() == set(keys)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    entries=st.dictionaries(KEYS, VALUES, max_size=15),
    keys=st.lists(KEYS, min_size=1, max_size=4, unique=True),
    data=st.data(),
)
def test_a_damaged_proof_never_shows_anything_else(
    entries: dict[bytes, bytes], keys: list[bytes], data: st.DataObject
) -> None:
    trie = built(entries)
    proof = list(trie.prove(keys))
    index = data.draw(st.integers(0, len(proof) - 1))
    part = bytearray(proof[index])
    what = data.draw(st.sampled_from(["flip", "cut", "grow", "drop", "double"]))
    if what == "flip" and part:
        part[data.draw(st.integers(0, len(part) - 1))] ^= data.draw(st.integers(1, 255))
    elif what == "cut":
        part = part[:-1]
    elif what == "grow":
        part.append(0)
    proof[index] = bytes(part)
    if what == "drop":
        del proof[index]
    elif what == "double":
        proof.append(proof[index])
    if sorted(proof) == sorted(trie.prove(keys)):
        return
    with pytest.raises(ProofRejected):
        verify_proof(trie.root.merkle, proof, keys)


def test_a_missing_node_is_refused() -> None:
    trie = built(STATE)
    key = bytes([5]) * 3
    for proof in (trie.prove([key])[:-1], trie.prove([key])[1:], ()):
        with pytest.raises(ProofRejected, match="missing"):
            verify_proof(trie.root.merkle, proof, [key])


def test_a_node_that_no_key_needs_is_refused() -> None:
    trie = built(STATE)
    proof = trie.prove([b"\x05" * 3, b"\x06" * 3])
    with pytest.raises(ProofRejected, match="belong to none of the keys"):
        verify_proof(trie.root.merkle, proof, [b"\x05" * 3])
    with pytest.raises(ProofRejected, match="belong to none of the keys"):
        verify_proof(trie.root.merkle, (*trie.prove([b"\x05" * 3]), b"junk"), [b"\x05" * 3])


def test_a_node_that_comes_twice_is_refused() -> None:
    trie = built(STATE)
    proof = trie.prove([b"\x05" * 3])
    with pytest.raises(ProofRejected, match="twice"):
        verify_proof(trie.root.merkle, (*proof, proof[0]), [b"\x05" * 3])


def test_a_forged_node_is_refused_whatever_it_claims() -> None:
    forged = built({**STATE, b"\x05" * 3: b"one million"})
    honest = built(STATE)
    with pytest.raises(ProofRejected, match="missing"):
        verify_proof(honest.root.merkle, forged.prove([b"\x05" * 3]), [b"\x05" * 3])


def test_a_malformed_node_under_its_right_hash_is_refused() -> None:
    junk = b"\x0fjunk"
    with pytest.raises(ProofRejected, match="header 0x0f"):
        verify_proof(hash_of(junk), [junk], [b"key"])


def test_an_empty_node_is_refused_inside_a_trie() -> None:
    branch = bytes.fromhex("800300" + ("80" + EMPTY_ROOT.hex()) * 2)
    with pytest.raises(ProofRejected, match="empty node inside"):
        verify_proof(hash_of(branch), [branch, b"\x00"], [b"\x00"])


def test_the_empty_trie_holds_nothing() -> None:
    proof = built({}).prove([b"a", b""])
    assert proof == (b"\x00",)
    assert verify_proof(EMPTY_ROOT, proof, [b"a", b""]) == {b"a": None, b"": None}
    with pytest.raises(ProofRejected, match="missing"):
        verify_proof(EMPTY_ROOT, (), [b"a"])


def test_values_kept_by_hash_are_part_of_the_proof() -> None:
    trie = built({b"long": b"v" * 33, b"short": b"v" * 32})
    assert b"v" * 33 in trie.prove([b"long"])
    assert b"v" * 32 not in trie.prove([b"short"])
    without = [part for part in trie.prove([b"long"]) if part != b"v" * 33]
    with pytest.raises(ProofRejected, match=r"value .* is missing"):
        verify_proof(trie.root.merkle, without, [b"long"])


def test_no_keys_need_no_nodes() -> None:
    assert verify_proof(EMPTY_ROOT, (), []) == {}


def test_proofs_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    trie = built(STATE)
    key, root = b"\x05" * 3, trie.root.merkle
    proof = trie.prove([key])
    total = sum(len(part) for part in proof)
    for name, size in (("NODES", len(proof)), ("BYTES", total), ("KEYS", 1)):
        for limit, accepted in ((size + 1, True), (size, True), (size - 1, False)):
            with monkeypatch.context() as patch:
                patch.setattr(module, f"PROOF_{name}_MAX", limit)
                if accepted:
                    assert verify_proof(root, proof, [key])[key] is not None
                else:
                    with pytest.raises(ProofRejected, match="at most"):
                        verify_proof(root, proof, [key])
