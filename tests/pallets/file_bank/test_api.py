"""The pallet's runtime API over a state in memory."""

from typing import Any

import pytest

from node.runtime import CessRuntime, apis, runtime_at
from pallets.file_bank import api
from pallets.file_bank.types import (
    AssignedFragment,
    DealFragments,
    DealInfo,
    DealSegment,
    FileInfo,
    FileName,
    FileState,
    FragmentInfos,
    Owners,
    RestoralOrderInfo,
    SegmentInfo,
    TerrName,
    UserBrief,
    UserFileSliceInfo,
)
from primitives.scale import U8, U32, U128, decode, encode
from primitives.types import BlockNumber, FileHash, FragmentHash, SegmentHash
from tests.node.runtime.chain import genesis_state, pair

ALICE = pair("Alice").account_id
FILE = FileHash(b"f" * 32)
FIRST = encode(U32, U32(0))
BRIEF = UserBrief(user=ALICE, file_name=FileName(b"a.txt"), territory_name=TerrName(b"t"))


def ask(runtime: CessRuntime, method: str, output: Any, *params: bytes) -> Any:
    return decode(output, apis(runtime).call(method, b"".join(params)))


def test_files_and_deals_are_told_with_their_segments() -> None:
    runtime = runtime_at(genesis_state())
    bank = runtime.file_bank
    bank.file[FILE] = FileInfo(Owners((BRIEF,)), U128(9), U32(1), BlockNumber(5), FileState.Active)
    bank.file_segments[FILE, U32(0)] = SegmentInfo(SegmentHash(b"s" * 32), FragmentInfos())
    bank.deal_map[FILE] = DealInfo(U128(9), BRIEF, U32(1), U32(0), BlockNumber(8), U8(0))
    bank.deal_segments[FILE, U32(0)] = DealSegment(SegmentHash(b"s" * 32), DealFragments())
    assert ask(runtime, "FilesApi_file", FileInfo | None, FILE) == bank.file[FILE]
    segment = ask(runtime, "FilesApi_segment", SegmentInfo | None, FILE, FIRST)
    assert segment == bank.file_segments[FILE, U32(0)]
    assert ask(runtime, "FilesApi_deal", DealInfo | None, FILE) == bank.deal_map[FILE]
    part = ask(runtime, "FilesApi_deal_segment", DealSegment | None, FILE, FIRST)
    assert part == bank.deal_segments[FILE, U32(0)]
    other = b"o" * 32
    assert ask(runtime, "FilesApi_file", FileInfo | None, other) is None
    assert ask(runtime, "FilesApi_restoral_order", RestoralOrderInfo | None, other) is None


def test_lists_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LISTED_MAX", 2)
    runtime = runtime_at(genesis_state())
    owned = UserFileSliceInfo(TerrName(b"t"), U128(9), FileName(b"a.txt"))
    drawn = AssignedFragment(FILE, U32(0), U8(0), BlockNumber(9))
    for index in range(3):
        runtime.file_bank.user_hold_file_list[ALICE, FileHash(bytes([index]) * 32)] = owned
        runtime.file_bank.assigned[ALICE, FragmentHash(bytes([index]) * 32)] = drawn
    for asked, given in ((1, 1), (2, 2), (3, 2)):
        limit = encode(U32, U32(asked))
        files = tuple[tuple[FileHash, UserFileSliceInfo], ...]
        fragments = tuple[tuple[FragmentHash, AssignedFragment], ...]
        assert len(ask(runtime, "FilesApi_owned", files, ALICE, limit)) == given
        assert len(ask(runtime, "FilesApi_assigned", fragments, ALICE, limit)) == given
