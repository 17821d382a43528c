"""Wire forms of rounds, and their limits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.audit.types import (
    AuditRecord,
    ChallengeInfo,
    FaultKind,
    FaultyPositions,
    Holding,
    IdleAnswer,
    IdleAnswers,
    IdleProofBytes,
)
from primitives.scale import U8, U16, U32, U64, U128, codec
from primitives.types import BlockNumber, FileHash, FragmentHash, Hash

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
