"""From a file to fragments on disk and back, without holders."""

import json
import os
import stat
import tracemalloc
from pathlib import Path

import pytest

from client.transfer.prepare import (
    MANIFEST,
    CannotPrepare,
    PreparedFile,
    load_prepared,
    prepare_file,
)
from client.vault.envelope import ENVELOPE_HEAD_BYTES, Opener
from client.vault.keys import VaultKey
from primitives.errors import StorageCorrupt
from proofs.erasure.reed_solomon import ReedSolomon
from proofs.erasure.segments import file_id

SEGMENT = 1 << 18
KEY = VaultKey(bytes(range(32)))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a work.txt"
    path.write_bytes(bytes(index % 251 for index in range(3 * SEGMENT // 2)))
    return path


def prepared(source: Path, *, key: VaultKey | None = None) -> PreparedFile:
    return prepare_file(source, source.parent / "spool", segment_bytes=SEGMENT, key=key)


def stored_bytes(file: PreparedFile, *, survivors: range) -> bytes:
    code, parts = ReedSolomon(), []
    for segment in file.segments:
        held = {index: file.read_fragment(segment.fragments[index]) for index in survivors}
        data = code.reconstruct(held, range(4))
        parts += [data[index] for index in range(4)]
    return b"".join(parts)[: file.size]


@pytest.mark.parametrize("survivors", [range(4), range(8, 12), range(2, 6)])
def test_any_four_fragments_of_each_segment_give_the_file_back(
    source: Path, survivors: range
) -> None:
    file = prepared(source)
    assert file.is_public
    assert (file.size, len(file.segments)) == (source.stat().st_size, 2)
    assert stored_bytes(file, survivors=survivors) == source.read_bytes()


def test_a_sealed_file_shows_nothing_on_disk_and_opens_with_its_key(source: Path) -> None:
    source.write_bytes(b"sixteen byte can" * 1000)
    file = prepared(source, key=KEY)
    for path in file.directory.iterdir():
        assert b"sixteen byte can" not in path.read_bytes()
    stored = stored_bytes(file, survivors=range(4))
    assert Opener(KEY, stored[:ENVELOPE_HEAD_BYTES]).name == "a work.txt"
    assert file.plain_size == 16_000


def test_the_fid_is_that_of_the_chain_rules(source: Path) -> None:
    file = prepared(source)
    assert file.fid == file_id(file.size, [(item.hash, item.fragments) for item in file.segments])


def test_an_interrupted_upload_is_found_again(source: Path) -> None:
    file = prepared(source, key=KEY)
    assert load_prepared(file.directory) == file
    file.fragment_path(file.segments[0].fragments[3]).unlink()
    assert load_prepared(file.directory) is None
    assert load_prepared(source.parent) is None


def test_damage_in_the_spool_is_refused(source: Path) -> None:
    file = prepared(source)
    fragment = file.segments[0].fragments[0]
    file.fragment_path(fragment).write_bytes(b"other bytes")
    with pytest.raises(StorageCorrupt):
        file.read_fragment(fragment)
    manifest = json.loads((file.directory / MANIFEST).read_text())
    for damage in ({"size": 1}, {"fid": "00"}, {"segments": None}):
        (file.directory / MANIFEST).write_text(json.dumps({**manifest, **damage}))
        with pytest.raises(StorageCorrupt):
            load_prepared(file.directory)


def test_memory_is_bounded_by_the_segment(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as out:
        out.truncate(24 * SEGMENT)
    tracemalloc.start()
    prepare_file(path, tmp_path / "spool", segment_bytes=SEGMENT, key=KEY)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * SEGMENT


def test_what_cannot_be_stored_says_why(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(CannotPrepare, match="empty"):
        prepare_file(empty, tmp_path / "s", segment_bytes=SEGMENT, key=None)
    assert prepare_file(empty, tmp_path / "s", segment_bytes=SEGMENT, key=KEY).plain_size == 0
    fake = tmp_path / "fake"
    fake.write_bytes(b"CESSVALT and more")  # nobody could tell it from a sealed file
    with pytest.raises(CannotPrepare, match="sealed"):
        prepare_file(fake, tmp_path / "s", segment_bytes=SEGMENT, key=None)
    huge = tmp_path / "huge"
    with huge.open("wb") as out:
        out.truncate(1001 * 4096)
    with pytest.raises(CannotPrepare, match="split"):
        prepare_file(huge, tmp_path / "s", segment_bytes=4096, key=None)


def test_progress_is_told_up_to_the_end(source: Path) -> None:
    told: list[tuple[int, int]] = []
    file = prepare_file(
        source,
        source.parent / "spool",
        segment_bytes=SEGMENT,
        key=KEY,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (file.size, file.size)
    assert told == sorted(told)


def test_what_is_no_ordinary_file_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe would be waited for without end, a device be read without end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(CannotPrepare, match="no ordinary file"):
            prepare_file(path, tmp_path / "spool", segment_bytes=SEGMENT, key=KEY)
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("key", [KEY, None])
def test_a_file_that_is_written_while_it_is_read_is_not_stored_half_old_half_new(
    source: Path, key: VaultKey | None
) -> None:
    def write(_done: int, _total: int) -> None:
        with source.open("r+b") as out:
            out.write(b"new")

    with pytest.raises(CannotPrepare, match="changed"):
        prepare_file(
            source, source.parent / "spool", segment_bytes=SEGMENT, key=key, progress=write
        )
    assert list((source.parent / "spool").iterdir()) == []


def test_an_interrupted_preparation_leaves_nothing_and_touches_no_strange_file(
    source: Path,
) -> None:
    spool = source.parent / "spool"
    spool.mkdir()
    (spool / "mine.txt").write_text("not of this program")
    (spool / ("ab" * 32)).write_bytes(b"of an earlier run")

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_file(source, spool, segment_bytes=SEGMENT, key=KEY, progress=interrupt)
    assert [path.name for path in spool.iterdir()] == ["mine.txt"]


def test_the_spool_is_open_to_its_owner_only(source: Path) -> None:
    before = os.umask(0)
    try:
        file = prepared(source, key=KEY)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.directory.stat().st_mode) == 0o700
