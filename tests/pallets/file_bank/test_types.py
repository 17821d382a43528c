"""Wire forms and their limits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.file_bank.types import (
    DealInfo,
    DealSegments,
    FileName,
    FragmentHashes,
    FragmentInfo,
    IdleAnswer,
    IdleAnswers,
    IdleProofBytes,
    Owners,
    PlaceTask,
    RestoralOrderInfo,
    RowCommitments,
    SegmentList,
    TerrName,
    UserBrief,
    order_id,
    place_number,
)
from primitives.scale import U8, U16, U32, U128, codec
from primitives.types import (
    AccountId,
    BlockNumber,
    Bytes48,
    FileHash,
    FragmentHash,
    SegmentHash,
)

FID = FileHash(bytes(range(32)))
BRIEF = UserBrief(
    user=AccountId(b"a" * 32), file_name=FileName(b"name"), territory_name=TerrName(b"home")
)


def test_limits_of_containers():
    item = SegmentList(
        hash=SegmentHash(bytes(32)), fragment_list=FragmentHashes([FragmentHash(bytes(32))] * 12)
    )
    answer = IdleAnswer(t=U16(0), proof=IdleProofBytes(b""))
    limits = {
        IdleAnswers: (answer, 256),
        FragmentHashes: (FragmentHash(bytes(32)), 12),
        DealSegments: (item, 1000),
        Owners: (BRIEF, 100),
        RowCommitments: (Bytes48(bytes(48)), 128),
    }
    for kind, (element, limit) in limits.items():
        assert len(kind([element] * limit)) == limit
        with pytest.raises(ValueError, match=str(limit)):
            kind([element] * (limit + 1))


@pytest.mark.parametrize(("kind", "limit"), [(FileName, 63), (TerrName, 63), (IdleProofBytes, 512)])
def test_limits_of_texts(kind, limit):
    assert kind(b"x" * limit)
    with pytest.raises(ValueError, match=str(limit)):
        kind(b"x" * (limit + 1))


def test_an_order_is_named_by_its_whole_place():
    expected = "52017030f76bbeaaa0da883f1f8c94e9c130e2724c32401e50b83279f99a10c5"
    assert order_id(FID, 7, 3).hex() == expected
    places = [(FID, 7, 3), (FID, 7, 4), (FID, 8, 3), (FileHash(bytes(32)), 7, 3)]
    assert len({order_id(*place) for place in places}) == 4


def test_places_of_a_file_have_different_numbers():
    numbers = {place_number(segment, index) for segment in range(1000) for index in range(12)}
    assert numbers == set(range(12_000))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1), st.integers(0, 255))
def test_what_is_written_is_read_back(number, size, byte):
    values = [
        DealInfo(
            file_size=U128(size),
            user=BRIEF,
            segment_count=U32(number),
            complete_count=U32(0),
            deadline=BlockNumber(number),
            attempt=U8(byte),
        ),
        PlaceTask(file_hash=FID, deadline=BlockNumber(number), next_segment=U32(number)),
        FragmentInfo(
            hash=FragmentHash(bytes([byte]) * 32),
            avail=byte % 2 == 0,
            tag=None if byte % 3 else BlockNumber(number),
            miner=AccountId(bytes([byte]) * 32),
            slot=U32(number),
        ),
        RestoralOrderInfo(
            count=U32(number),
            miner=AccountId(bytes(32)),
            origin_miner=AccountId(bytes([byte]) * 32),
            fragment_hash=FragmentHash(bytes(32)),
            file_hash=FID,
            segment_index=U32(number),
            fragment_index=U8(byte),
            gen_block=BlockNumber(number),
            deadline=BlockNumber(0),
        ),
    ]
    for value in values:
        form = codec(type(value))
        assert form.decode(form.encode(value)) == value
