"""Wire forms of rounds, and their limits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.audit.types import (
    AskedRows,
    AuditRecord,
    ChallengeInfo,
    FaultKind,
    FaultyPositions,
    Holding,
    IdleAnswer,
    IdleAnswers,
    IdleProofBytes,
    KeptRows,
)
from primitives.errors import DecodeError
from primitives.scale import U8, U16, U32, U64, U128, codec, encode
from primitives.types import BlockNumber, FileHash, FragmentHash, Hash
from proofs.podr2.params import FRAGMENT_ROWS_MAX
from proofs.podr2.points import POINT_BYTES, RowPoints

ANSWER = IdleAnswer(t=U16(0), proof=IdleProofBytes(b""))


@pytest.mark.parametrize(
    ("kind", "element", "limit"),
    [
        (FaultyPositions, U16(0), 460),
        (IdleAnswers, ANSWER, 256),
    ],
)
def test_limits_of_containers(kind, element, limit):
    assert len(kind([element] * limit)) == limit
    with pytest.raises(ValueError, match=str(limit)):
        kind([element] * (limit + 1))


def test_numbers_of_fault_kinds_are_on_the_wire():
    assert {kind.name: kind.value for kind in FaultKind} == {
        "ServiceMissed": 0,
        "ServiceRejected": 1,
        "ServiceDeclared": 2,
        "IdleMissed": 3,
        "IdleRejected": 4,
    }


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.booleans())
def test_what_is_written_is_read_back(number, plots, flag):
    values = [
        ChallengeInfo(
            round=U32(number),
            start=BlockNumber(number),
            seed=Hash(bytes(32)),
            slots=U32(number),
            service_space=U128(plots),
            idle_front=U64(plots),
            idle_rear=U64(plots),
            deadline=BlockNumber(number),
            idle_deadline=BlockNumber(number),
            service_done=flag,
            idle_done=not flag,
            service_passed=flag,
            idle_passed=flag,
            idle_space=U128(plots),
        ),
        Holding(
            file_hash=FileHash(bytes(32)),
            segment_index=U32(number),
            fragment_index=U8(number % 256),
            fragment_hash=FragmentHash(bytes(32)),
            since=BlockNumber(number),
            removed=BlockNumber(number) if flag else None,
        ),
        AuditRecord(
            round=U32(number),
            passed=U32(0),
            faults=U32(number),
            last_audit=None if flag else BlockNumber(number),
        ),
    ]
    for value in values:
        form = codec(type(value))
        assert form.decode(form.encode(value)) == value


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**32 - 1),
    st.one_of(st.none(), st.integers(0, 2**32 - 1)),
    st.integers(1, FRAGMENT_ROWS_MAX),
    st.data(),
)
def test_asked_rows_are_those_of_the_whole_value(since, removed, count, data):
    kept = KeptRows(
        since=BlockNumber(since),
        removed=None if removed is None else BlockNumber(removed),
        points=RowPoints(b"".join(bytes([row]) * POINT_BYTES for row in range(count))),
    )
    rows = tuple(data.draw(st.lists(st.integers(0, count - 1), max_size=5)))
    asked = AskedRows.of(encode(KeptRows, kept), rows)
    assert (asked.since, asked.removed) == (kept.since, kept.removed)
    assert asked.points == tuple(kept.points.point(row) for row in rows)


def test_asked_rows_beyond_the_last_or_of_damaged_bytes_are_refused():
    kept = KeptRows(since=BlockNumber(1), removed=None, points=RowPoints(bytes(2 * POINT_BYTES)))
    raw = encode(KeptRows, kept)
    for row in (2, -1):
        with pytest.raises(IndexError, match=f"row {row} of 2"):
            AskedRows.of(raw, (row,))
    for damaged in (raw[:-1], raw + bytes(POINT_BYTES), raw[:3]):
        with pytest.raises(DecodeError):
            AskedRows.of(damaged, (0,))
