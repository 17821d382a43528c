"""Random bytes into every decoder of `proofs`: only the errors that its documentation names."""

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primitives.errors import DecodeError, ProofRejected, StorageCorrupt
from primitives.scale import decode
from primitives.types import Bytes48
from proofs.erasure.reed_solomon import ErasureError, ReedSolomon
from proofs.fingerprint.units import fingerprint
from proofs.podr2.commit import check_transfer
from proofs.podr2.params import SCALAR_MODULUS
from proofs.podr2.setup import setup_lines
from proofs.podr2.verify import Claim, decode_commitment, verify, verify_batch
from proofs.podr2.wire import Opening, ScalarBytes, ServiceProof
from proofs.pois.challenge import DRAWS_MAX
from proofs.pois.plot import PlotFile
from proofs.pois.verify import verify_answers

REFUSALS = (DecodeError, ProofRejected, ValueError)
many = settings(max_examples=150, deadline=None)

points = st.one_of(
    st.binary(max_size=60),
    st.binary(min_size=48, max_size=48).map(lambda data: bytes([data[0] | 0x80]) + data[1:]),
    st.just(b"\xc0" + bytes(47)),
)
scalars = st.binary(min_size=32, max_size=32).map(ScalarBytes)
proof_points = st.binary(min_size=48, max_size=48).map(Bytes48)


@many
@given(st.binary(max_size=100))
def test_wire_types(data: bytes) -> None:
    for kind in (ServiceProof, Opening):
        try:
            decode(kind, data)
        except DecodeError:
            assert len(data) != 80


@many
@given(points)
def test_commitments(data: bytes) -> None:
    try:
        decode_commitment(data)
    except ProofRejected:
        return
    assert data == b"\xc0" + bytes(47)


@many
@given(
    st.lists(points, max_size=4),
    st.lists(st.integers(-1, 2**129), max_size=4),
    st.integers(-1, SCALAR_MODULUS + 1),
    scalars,
    proof_points,
)
def test_claims(
    commitments: list[bytes], numbers: list[int], z: int, y: ScalarBytes, proof: Bytes48
) -> None:
    claim = Claim(commitments, numbers, z, ServiceProof(y, proof))
    with pytest.raises(REFUSALS):
        verify(*claim)
    try:
        verdicts = verify_batch([claim])
    except ValueError:
        return
    assert isinstance(verdicts[0], ProofRejected)


@many
@given(
    st.binary(max_size=100), st.lists(points, max_size=2), st.binary(max_size=33), scalars,
    proof_points,
)  # fmt: skip
def test_openings(
    data: bytes, commitments: list[bytes], nonce: bytes, y: ScalarBytes, proof: Bytes48
) -> None:
    with pytest.raises(REFUSALS):
        check_transfer(data, bytes(32), commitments, nonce, Opening(y, proof))


@many
@given(
    st.lists(st.tuples(st.integers(-2, 70), st.binary(max_size=150)), min_size=1, max_size=5),
    st.integers(16, 34),
    st.integers(-1, 5),
    st.integers(-1, 5),
    st.integers(-1, DRAWS_MAX + 1),
)
def test_idle_answers(
    answers: list[tuple[int, bytes]], k: int, front: int, rear: int, draws: int
) -> None:
    with pytest.raises(REFUSALS):
        verify_answers(bytes(32), bytes(32), k, bytes(32), front, rear, draws, answers)


@settings(many, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(StorageCorrupt):
        PlotFile(path)
    with pytest.raises(StorageCorrupt):
        setup_lines(path)


@many
@given(st.dictionaries(st.integers(-1, 13), st.binary(max_size=9), max_size=6))
def test_fragments(fragments: dict[int, bytes]) -> None:
    code = ReedSolomon(4, 8)
    try:
        rebuilt = code.reconstruct(fragments, range(12))
    except ErasureError:
        return
    assert len({len(shard) for shard in (*fragments.values(), *rebuilt.values())}) == 1
    assert len(fragments) >= 4


@many
@given(st.binary(max_size=500))
def test_works(data: bytes) -> None:
    codes = fingerprint(io.BytesIO(data))
    assert codes.size == len(data)
