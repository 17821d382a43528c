"""The volume: whole fragments or none, quotas, locks, crashes, rot."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from primitives.types import Bytes48, FragmentHash
from storage_miner.store import (
    AlreadyReceiving,
    Cosignature,
    DirectoryInUse,
    DiskFailed,
    DiskFull,
    DiskRefused,
    FragmentMismatch,
    LayoutMismatch,
    QuotaReached,
    StoreError,
    Volume,
)
from storage_miner.store import volume as volume_module
from tests.storage_miner.kit import cosignature, place

CAPACITY = 32 << 20
DATA = bytes(range(256)) * 100
HASH = FragmentHash(hashlib.sha256(DATA).digest())
POINTS = (Bytes48(b"\x01" * 48), Bytes48(b"\x02" * 48))


def store(volume: Volume, data: bytes = DATA) -> FragmentHash:
    fragment_hash = FragmentHash(hashlib.sha256(data).digest())
    upload = volume.begin(fragment_hash, len(data))
    upload.write([data[:100], data[100:]])
    upload.finish()
    return fragment_hash


def test_a_finished_fragment_is_there_after_reopening(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        store(volume)
        volume.put_commitments(HASH, POINTS)
    with Volume(tmp_path / "data", CAPACITY) as volume:
        entry = volume.entry(HASH)
        assert entry is not None
        assert (entry.length, entry.has_commitments) == (len(DATA), True)
        assert volume.layout.fragment(HASH).read_bytes() == DATA
        assert volume.commitments(HASH) == POINTS


def test_nothing_shows_before_finish(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        upload = volume.begin(HASH, len(DATA))
        upload.write([DATA])
        assert volume.entry(HASH) is None
        assert not volume.layout.fragment(HASH).exists()
        upload.abort()


def test_a_process_killed_while_receiving_leaves_nothing_after_the_next_start(
    tmp_path: Path,
) -> None:
    script = (
        "import os, sys, signal\n"
        "from pathlib import Path\n"
        "from primitives.types import FragmentHash\n"
        "from storage_miner.store import Volume\n"
        "v = Volume(Path(sys.argv[1]), 32 << 20)\n"
        "u = v.begin(FragmentHash(bytes.fromhex(sys.argv[2])), 25600)\n"
        "u.write([bytes(1000)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "data"), HASH.hex()], check=False
    )
    assert done.returncode == -9
    leftovers = list((tmp_path / "data" / "temporary").iterdir())
    assert len(leftovers) == 1
    with Volume(tmp_path / "data", CAPACITY) as volume:
        assert volume.swept == 1
        assert volume.fragment_hashes() == ()
        assert list(volume.layout.temporary.iterdir()) == []


def test_bytes_of_another_hash_are_refused_and_removed(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        upload = volume.begin(HASH, len(DATA))
        upload.write([DATA[:-1] + b"x"])
        with pytest.raises(FragmentMismatch, match="hash to"):
            upload.finish()
        upload.abort()
        assert list(volume.layout.temporary.iterdir()) == []
        assert volume.space().reserved == 0
        store(volume)


@pytest.mark.parametrize("sent", [0, len(DATA) - 1])
def test_a_short_body_is_refused(tmp_path: Path, sent: int) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        upload = volume.begin(HASH, len(DATA))
        upload.write([DATA[:sent]])
        with pytest.raises(FragmentMismatch, match="ended after"):
            upload.finish()
        upload.abort()


def test_a_byte_too_many_is_refused_when_it_comes(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        upload = volume.begin(HASH, len(DATA))
        upload.write([DATA])
        with pytest.raises(FragmentMismatch, match="longer"):
            upload.write([b"x"])
        upload.abort()


def test_one_fragment_arrives_once_at_a_time(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        upload = volume.begin(HASH, len(DATA))
        with pytest.raises(AlreadyReceiving):
            volume.begin(HASH, len(DATA))
        upload.abort()
        volume.begin(HASH, len(DATA)).abort()


def test_the_quota_counts_what_is_still_arriving(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        upload = volume.begin(HASH, CAPACITY - (64 << 10))
        with pytest.raises(QuotaReached):
            volume.begin(FragmentHash(bytes(32)), 128 << 10)
        upload.abort()
        volume.begin(FragmentHash(bytes(32)), 128 << 10).abort()


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_the_quota_is_exact(tmp_path: Path, more: int, fits: bool) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        if fits:
            volume.reserve(CAPACITY + more)
            volume.release(CAPACITY + more)
        else:
            with pytest.raises(QuotaReached):
                volume.reserve(CAPACITY + more)


def test_the_account_of_space_returns_to_zero(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        before = volume.space()
        store(volume)
        assert volume.space().fragments > before.fragments
        assert volume.space().reserved == 0
        assert volume.remove(HASH)
        assert (volume.space().used, volume.space().fragments) == (before.used, 0)
        assert not volume.remove(HASH)


def test_the_disk_keeps_some_room_whatever_the_quota_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        monkeypatch.setattr(volume_module, "FREE_BYTES_MIN", volume.space().disk_free)
        with pytest.raises(DiskFull):
            volume.begin(HASH, len(DATA))
        assert volume.space().left == 0


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskFull), (errno.EROFS, DiskRefused), (errno.EIO, DiskFailed)],
)
def test_a_write_that_fails_says_whose_fault_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StoreError]
) -> None:
    def fail(descriptor: int, data: bytes) -> None:
        raise OSError(number, os.strerror(number))

    with Volume(tmp_path / "data", CAPACITY) as volume:
        upload = volume.begin(HASH, len(DATA))
        monkeypatch.setattr(volume_module, "write_all", fail)
        with pytest.raises(kind):
            upload.write([DATA])
        upload.abort()


def test_a_disk_that_failed_once_is_not_written_to_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with Volume(tmp_path / "data", CAPACITY) as volume:
        upload = volume.begin(HASH, len(DATA))
        upload.write([DATA])
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fail)
            with pytest.raises(DiskFailed):
                upload.finish()
        upload.abort()
        assert volume.entry(HASH) is None
        assert volume.fault is not None
        with pytest.raises(DiskFailed):
            volume.begin(HASH, len(DATA))


def test_two_daemons_never_share_a_directory(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY), pytest.raises(DirectoryInUse, match=str(os.getpid())):
        Volume(tmp_path / "data", CAPACITY)
    Volume(tmp_path / "data", CAPACITY).close()


def test_damaged_commitments_are_computed_again(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        store(volume)
        volume.put_commitments(HASH, POINTS)
        path = volume.layout.commitment(HASH)
        data = bytearray(path.read_bytes())
        data[50] ^= 1
        path.write_bytes(data)
        assert volume.commitments(HASH) is None
        assert not path.exists()


def test_cosignatures_survive_a_restart_and_damaged_ones_are_dropped(tmp_path: Path) -> None:
    items = [cosignature(n, place(n)) for n in range(3)]
    with Volume(tmp_path / "data", CAPACITY) as volume:
        for item in items:
            volume.put_cosignature(item)
    with Volume(tmp_path / "data", CAPACITY) as volume:
        path = volume.layout.cosignature(items[0].file_hash, 0, 0)
        path.write_bytes(path.read_bytes()[:-1])
        found: tuple[Cosignature, ...] = volume.cosignatures()
        assert sorted(item.file_hash for item in found) == sorted(
            item.file_hash for item in items[1:]
        )
        assert not path.exists()
        volume.remove_cosignature(items[1])
        assert len(volume.cosignatures()) == 1


def test_a_directory_serves_one_chain_and_one_account_for_ever(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        volume.bind(b"\x01" * 32, b"\x02" * 32)
        volume.bind(b"\x01" * 32, b"\x02" * 32)
        with pytest.raises(LayoutMismatch, match="genesis"):
            volume.bind(b"\x09" * 32, b"\x02" * 32)
        with pytest.raises(LayoutMismatch, match="account"):
            volume.bind(b"\x01" * 32, b"\x09" * 32)


def test_a_directory_with_other_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(LayoutMismatch, match="photos"):
        Volume(tmp_path, CAPACITY)


def test_strange_files_among_fragments_are_named_and_left_alone(tmp_path: Path) -> None:
    Volume(tmp_path / "data", CAPACITY).close()
    folder = tmp_path / "data" / "fragments" / "ab"
    folder.mkdir()
    for name in ("notes.txt", "AB" * 32, "ab" * 31):
        (folder / name).write_text("x")
    with Volume(tmp_path / "data", CAPACITY) as volume:
        assert volume.fragment_hashes() == ()
        assert len(volume.strange) == 3


def test_fragments_come_in_the_order_of_their_hashes(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        hashes = sorted(store(volume, bytes([n]) * 200) for n in range(5))
        assert volume.fragment_hashes() == tuple(hashes)
        cursor, seen = None, []
        while (cursor := volume.next_fragment(cursor)) is not None:
            seen.append(cursor)
        assert seen == hashes
