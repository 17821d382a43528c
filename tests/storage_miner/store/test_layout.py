"""Where things lie, the page that says whose they are, and the layout before this one."""

import base64
import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from primitives.types import Bytes48, FragmentHash
from storage_miner.store import DiskFull, Layout, LayoutMismatch, Volume
from storage_miner.store.files import write_durably
from storage_miner.store.page import LayoutPage, pack_page
from tests.storage_miner.kit import file, fragment, volumes_at
from tests.storage_miner.store.faulty import Died, FaultyDisk

CAPACITY = 32 << 20
FIXTURE = Path(__file__).parent / "fixtures" / "layout_1.json"


def test_paths_are_made_of_hex_only(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    name = fragment(1).hex()
    assert layout.fragment(fragment(1)) == tmp_path / "fragments" / name[:2] / name
    assert layout.commitment(fragment(1)).name == f"{name}.kzg"
    assert layout.cosignature(file(1), 3, 4).name == f"{file(1).hex()}-3-4"


def test_a_small_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "VOLUME"
    write_durably(target, b"old", tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(DiskFull):
            write_durably(target, b"new", tmp_path)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_one_rotten_copy_of_the_page_heals_from_the_other(tmp_path: Path) -> None:
    with Volume(tmp_path / "data", CAPACITY) as volume:
        volume.bind(bytes(32), bytes([1]) * 32)
        page, whole = volume.page, volume.layout.page.read_bytes()
    for position in (0, 20, 4095, 4096, 8191):
        rotten = bytearray(whole)
        rotten[position] ^= 0x04
        (tmp_path / "data" / "VOLUME").write_bytes(rotten)
        with Volume(tmp_path / "data", CAPACITY) as volume:
            assert volume.page == page
            assert volume.layout.page.read_bytes() == whole


def test_a_page_that_cannot_be_understood_is_refused_and_left_alone(tmp_path: Path) -> None:
    Volume(tmp_path / "data", CAPACITY).close()
    path = tmp_path / "data" / "VOLUME"
    for data in (b"", b"x" * 8192, path.read_bytes()[:4000]):
        path.write_bytes(data)
        with pytest.raises(LayoutMismatch, match="restore it from a backup"):
            Volume(tmp_path / "data", CAPACITY)
        assert path.read_bytes() == data


def test_a_page_of_a_later_version_is_refused_by_its_number(tmp_path: Path) -> None:
    Volume(tmp_path / "data", CAPACITY).close()
    body = bytearray(pack_page(LayoutPage(bytes(16)))[:4064])
    body[8] = 3
    later = (body + hashlib.blake2b(body, digest_size=32).digest()) * 2
    (tmp_path / "data" / "VOLUME").write_bytes(later)
    with pytest.raises(LayoutMismatch, match="version 3"):
        Volume(tmp_path / "data", CAPACITY)
    assert (tmp_path / "data" / "VOLUME").read_bytes() == later


# The layout before.


def unpack_old(root: Path) -> None:
    """The directory in the fixture, as the release before wrote it."""
    stored = json.loads(FIXTURE.read_text())
    for name in stored["directories"]:
        (root / name).mkdir(parents=True)
    for name, content in stored["files"].items():
        (root / name).write_bytes(base64.b64decode(content))


def check_taken_over(root: Path) -> None:
    with volumes_at(root, capacity=CAPACITY) as volumes:
        (volume,) = volumes.volumes
        assert volume.page.genesis == b"\x01" * 32
        assert volume.page.account == b"\x0a" * 32
        volumes.bind(b"\x01" * 32, b"\x0a" * 32)
        hashes = volumes.fragment_hashes()
        assert len(hashes) == 3
        for name in hashes:
            assert hashlib.sha256(volumes.path(name).read_bytes()).digest() == name
        kept = [volumes.commitments(name) for name in hashes]
        assert sorted(filter(None, kept)) == [(Bytes48(bytes([n]) * 48),) for n in (7, 8)]
        (item,) = volumes.cosignatures()
        assert (item.segment_index, item.fragment_index) == (3, 4)
        assert isinstance(item.fragment_hash, FragmentHash)
        assert list(volume.layout.temporary.iterdir()) == []
        assert not volume.layout.old_identity.exists()


def test_a_directory_of_the_layout_before_is_taken_over(tmp_path: Path) -> None:
    root = tmp_path / "data"
    unpack_old(root)
    check_taken_over(root)
    check_taken_over(root)
    with volumes_at(root, tmp_path / "more", capacity=CAPACITY) as volumes:
        assert len(volumes.volumes) == 2


def test_a_takeover_that_dies_anywhere_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = 0
    while True:
        root = tmp_path / str(step)
        unpack_old(root)
        with monkeypatch.context() as patched:
            disk = FaultyDisk(patched, tmp_path)
            disk.fail(step, 0)
            try:
                volumes_at(root, capacity=CAPACITY).close()
            except Died:
                is_finished = False
            else:
                is_finished = True
            disk.heal()
            for descriptor in list(disk.descriptors):
                disk.close(descriptor)
        check_taken_over(root)
        if is_finished:
            break
        step += 1
    assert step > 10


def test_an_old_directory_of_another_chain_or_account_stays_another_s(tmp_path: Path) -> None:
    unpack_old(tmp_path / "data")
    with volumes_at(tmp_path / "data", capacity=CAPACITY) as volumes:
        with pytest.raises(LayoutMismatch, match="genesis"):
            volumes.bind(bytes(32), b"\x0a" * 32)
        with pytest.raises(LayoutMismatch, match="account"):
            volumes.bind(b"\x01" * 32, bytes(32))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "[" * 4000,
        '{"format": "other"}',
        '{"format": "cess-miner-data", "version": 9}',
        '{"format": "cess-miner-data", "version": 1, "genesis": "xx", "account": null}',
        '{"format": "cess-miner-data", "version": 1, "genesis": "' + "g" * 64 + '"}',
        '{"format": "cess-miner-data", "version": 1, "genesis": 5}',
    ],
)
def test_a_damaged_old_identity_is_not_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "MINER").write_text(text)
    with pytest.raises(LayoutMismatch):
        Volume(tmp_path / "data", CAPACITY)
    assert (tmp_path / "data" / "MINER").read_text() == text
    assert not (tmp_path / "data" / "VOLUME").exists()
