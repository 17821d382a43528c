"""Any four of twelve rebuild the segment; anything that is not a code word's part is refused."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.erasure.backends import BACKENDS
from proofs.erasure.reed_solomon import ErasureError, ReedSolomon, TooFewShardsError

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/erasure/klauspost.json").read_text())
FRAGMENT_BYTES = 1027


def segment(fragment_bytes: int = FRAGMENT_BYTES) -> bytes:
    return np.random.default_rng(11).bytes(4 * fragment_bytes)


@pytest.mark.parametrize("name", BACKENDS)
def test_klauspost_s_test_one_encode(name: str) -> None:
    code = ReedSolomon(5, 5, backend_name=name)
    shards = [bytes(shard) for shard in VECTORS["TestOneEncode"]["data"]]
    out = [bytearray(2) for _ in range(5)]
    code.encode(shards, out)
    assert [list(parity) for parity in out] == VECTORS["TestOneEncode"]["parity"]


@pytest.mark.parametrize("name", BACKENDS)
def test_the_parity_matrix_of_4_and_8_is_pinned(name: str) -> None:
    """Encoding the unit vectors reads the matrix out of the code."""
    code = ReedSolomon(backend_name=name)
    columns = []
    for data in range(4):
        fragments = code.encode_segment(bytes(int(index == data) for index in range(4)))
        columns.append([fragment[0] for fragment in fragments[4:]])
    assert [list(row) for row in zip(*columns, strict=True)] == VECTORS["parity_4_8"]


def test_every_four_survivors_of_twelve_rebuild_the_segment() -> None:
    code = ReedSolomon()
    fragments = code.encode_segment(segment())
    survivors = list(itertools.combinations(range(12), 4))
    assert len(survivors) == 495
    for indexes in survivors:
        present = {index: fragments[index] for index in indexes}
        assert b"".join(code.reconstruct(present, range(4)).values()) == segment()


@pytest.mark.parametrize("name", BACKENDS)
def test_lost_parity_is_rebuilt_too(name: str) -> None:
    code = ReedSolomon(backend_name=name)
    fragments = code.encode_segment(segment(33))
    present = {index: fragments[index] for index in (1, 4, 6, 11)}
    rebuilt = code.reconstruct(present, [0, 2, 3, 5, 7, 8, 9, 10])
    assert rebuilt == {index: fragments[index] for index in (0, 2, 3, 5, 7, 8, 9, 10)}


def test_data_fragments_are_the_segment_itself() -> None:
    assert b"".join(ReedSolomon().encode_segment(segment())[:4]) == segment()


def test_more_survivors_than_needed_change_nothing() -> None:
    code = ReedSolomon()
    fragments = code.encode_segment(segment())
    present = {index: fragments[index] for index in (11, 3, 8, 5, 2)}
    assert code.reconstruct(present, [0, 3]) == {0: fragments[0], 3: fragments[3]}


def test_buffers_are_reused_and_old_bytes_do_not_show() -> None:
    code = ReedSolomon()
    out = [bytearray(b"\xa5" * 64) for _ in range(8)]
    for seed in range(3):
        data = np.random.default_rng(seed).bytes(256)
        code.encode([data[i * 64 : (i + 1) * 64] for i in range(4)], out)
        assert [bytes(parity) for parity in out] == code.encode_segment(data)[4:]
    rebuilt = bytearray(b"\x5a" * 64)
    code.reconstruct_into({4: out[0], 5: out[1], 6: out[2], 7: out[3]}, {2: rebuilt})
    assert rebuilt == data[128:192]


def test_a_wrong_fragment_gives_a_wrong_segment() -> None:
    """The code finds losses, not lies: fragments are checked against their hashes before use."""
    code = ReedSolomon()
    fragments = code.encode_segment(segment())
    present = {0: fragments[0], 1: fragments[1], 2: fragments[2], 5: fragments[6]}
    assert code.reconstruct(present, [3])[3] != fragments[3]


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(1, 9), st.integers(1, 200))
def test_any_code_rebuilds_from_any_survivors(
    data: st.DataObject, shards: int, parity: int, length: int
) -> None:
    code = ReedSolomon(shards, parity)
    original = data.draw(st.binary(min_size=shards * length, max_size=shards * length))
    fragments = code.encode_segment(original)
    indexes = data.draw(st.permutations(range(code.total)))[:shards]
    present = {index: fragments[index] for index in indexes}
    assert list(code.reconstruct(present, range(code.total)).values()) == fragments


def test_too_few_survivors_are_counted() -> None:
    code = ReedSolomon()
    fragments = code.encode_segment(segment())
    for count in range(4):
        with pytest.raises(TooFewShardsError, match=f"{count} shards are present and 4"):
            code.reconstruct(dict(enumerate(fragments[:count])), [7])


@pytest.mark.parametrize("index", [-1, 12])
def test_an_index_outside_the_code_is_refused(index: int) -> None:
    code = ReedSolomon()
    fragments = dict(enumerate(code.encode_segment(segment())))
    with pytest.raises(ErasureError, match=f"index {index} is outside"):
        code.reconstruct(fragments, [index])
    with pytest.raises(ErasureError, match=f"index {index} is outside"):
        code.reconstruct({index: b"x", **fragments}, [0])


def test_a_repeated_index_is_refused() -> None:
    code = ReedSolomon()
    fragments = dict(enumerate(code.encode_segment(segment())))
    with pytest.raises(ErasureError, match="repeat"):
        code.reconstruct(fragments, [5, 5])


def test_a_truncated_fragment_is_refused() -> None:
    code = ReedSolomon()
    fragments = dict(enumerate(code.encode_segment(segment())))
    fragments[9] = fragments[9][:-1]
    with pytest.raises(ErasureError, match="truncated"):
        code.reconstruct(fragments, [0])


def test_an_empty_fragment_is_refused() -> None:
    with pytest.raises(ErasureError, match="empty"):
        ReedSolomon().reconstruct(dict.fromkeys(range(4), b""), [5])


@pytest.mark.parametrize("size", [0, 1, 3, 5, 4095])
def test_a_segment_that_does_not_divide_is_refused(size: int) -> None:
    with pytest.raises(ErasureError, match="pad it first"):
        ReedSolomon().encode_segment(bytes(size))


def test_wrong_numbers_of_buffers_are_refused_before_a_byte_is_written() -> None:
    code = ReedSolomon()
    out = [bytearray(8) for _ in range(8)]
    with pytest.raises(ErasureError, match="3 shards and 8 outputs"):
        code.encode([bytes(8)] * 3, out)
    with pytest.raises(ErasureError, match="4 shards and 7 outputs"):
        code.encode([bytes(8)] * 4, out[:7])
    with pytest.raises(ErasureError, match="cannot take"):
        code.encode([b"\1" * 8] * 4, [*out[:7], bytearray(9)])
    with pytest.raises(ErasureError, match="cannot take"):
        code.encode([b"\1" * 8] * 4, [*out[:7], memoryview(bytes(8))])
    assert all(buffer == bytes(8) for buffer in out)


def test_a_shard_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proofs.erasure.reed_solomon.SHARD_BYTES_MAX", 8)
    assert len(ReedSolomon().encode_segment(bytes(32))) == 12
    with pytest.raises(ErasureError, match="exceeds 8"):
        ReedSolomon().encode_segment(bytes(36))


@pytest.mark.parametrize(("data", "parity"), [(0, 1), (1, 0), (-1, 4), (200, 57)])
def test_codes_that_do_not_exist_are_refused(data: int, parity: int) -> None:
    with pytest.raises(ErasureError, match="does not exist"):
        ReedSolomon(data, parity)


def test_the_widest_code_works() -> None:
    code = ReedSolomon(24, 232)
    fragments = code.encode_segment(bytes(range(240)))
    present = {index: fragments[index] for index in range(232, 256)}
    assert b"".join(code.reconstruct(present, range(24)).values()) == bytes(range(240))


def test_wanting_nothing_costs_nothing() -> None:
    code = ReedSolomon()
    fragments = code.encode_segment(segment())
    assert code.reconstruct(dict(enumerate(fragments)), []) == {}


def test_the_backend_in_use_is_named() -> None:
    assert ReedSolomon().backend == "isal"
    assert ReedSolomon(backend_name="numpy").backend == "numpy"
