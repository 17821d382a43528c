"""The voter's record on disk: whole after every crash, and nothing is voted without it."""

import struct
from pathlib import Path

import pytest

from node.consensus import durable
from node.consensus.grandpa.record import VoterRecord
from node.consensus.grandpa.store import VoteStore
from primitives.errors import CessError, StorageCorrupt
from primitives.grandpa import Block, CatchUp
from primitives.hashing import blake2_256
from primitives.scale import U64
from primitives.types import BlockNumber, Hash


def record(set_id: int, number: int) -> VoterRecord:
    votes = CatchUp(
        round=U64(number),
        prevotes=(),
        precommits=(),
        base_hash=Hash(bytes(32)),
        base_number=BlockNumber(0),
    )
    return VoterRecord(
        set_id=U64(set_id), generation=U64(number), own=(), current=votes, previous=votes
    )


def test_the_last_record_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "votes"
    store = VoteStore(path)
    assert store.last is None
    assert store.may_vote_in(0)
    for number in (1, 2, 3):
        store.write(record(4, number))
    again = VoteStore(path)
    assert again.last == record(4, 3) == again.record_of(4)
    assert again.record_of(3) is None
    assert again.may_vote_in(4)
    assert again.may_vote_in(5)
    assert not again.may_vote_in(3)


def test_votes_and_what_was_finalised_alone_are_kept_together(tmp_path: Path) -> None:
    path = tmp_path / "votes"
    VoteStore(path).note_alone(Block(b"\x07" * 32, 7))
    VoteStore(path).write(record(1, 1))
    VoteStore(path).note_alone(Block(b"\x08" * 32, 8))
    again = VoteStore(path)
    assert (again.last, again.alone) == (record(1, 1), Block(b"\x08" * 32, 8))


def test_a_file_of_the_first_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "votes"
    head = struct.pack("<8sII", b"CESSVOTE", 1, 0) + record(2, 3).encode()
    path.write_bytes(head + blake2_256(head))
    store = VoteStore(path)
    assert (store.last, store.alone) == (record(2, 3), None)
    store.note_alone(Block(b"\x07" * 32, 7))
    assert VoteStore(path).last == record(2, 3)


class Cut(Exception):  # noqa: N818
    """The power goes."""


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_crash_while_writing_leaves_the_record_before(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "votes"
    VoteStore(path).write(record(1, 1))

    def cut(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        if step == "replace":
            patched.setattr(durable.Path, "replace", cut)
        else:
            patched.setattr(durable.os, "fsync", cut)
        with pytest.raises(Cut):
            VoteStore(path).write(record(1, 2))
    if step == "write":  # torn: half of it is there
        fresh = path.with_name("votes.new")
        fresh.write_bytes(fresh.read_bytes()[:20])
    assert VoteStore(path).last == record(1, 1)
    VoteStore(path).write(record(1, 3))
    assert VoteStore(path).last == record(1, 3)


def test_every_damage_of_the_file_stops_the_node(tmp_path: Path) -> None:
    path = tmp_path / "votes"
    VoteStore(path).write(record(1, 1))
    good = path.read_bytes()
    for at in range(len(good)):
        for bad in (good[:at], good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]):
            path.write_bytes(bad)
            with pytest.raises(StorageCorrupt, match="damaged"):
                VoteStore(path)


def test_what_cannot_be_written_is_not_believed(tmp_path: Path) -> None:
    store = VoteStore(tmp_path / "gone" / "votes")
    with pytest.raises(CessError, match="no vote is cast"):
        store.write(record(1, 1))
    assert store.last is None
