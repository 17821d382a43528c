"""LevelDB keeps the rules of every store; and what only a disk can do wrong."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import plyvel
import pytest

from node.database import Batch, DatabaseClosed, DatabaseFailed, DatabaseLocked, KeyValue, LevelDb
from primitives.errors import StorageCorrupt
from tests.suites.key_value import KeyValueSuite, batch


class TestLevelDb(KeyValueSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[KeyValue]:
        made = LevelDb(tmp_path / "deep" / "db")
        yield made
        made.close()


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    first = LevelDb(tmp_path)
    first.write(batch((b"a", b"1")), sync=True)
    first.close()
    second = LevelDb(tmp_path)
    assert second.get(b"a") == b"1"
    second.close()


def test_a_directory_in_use_is_refused_with_advice(tmp_path: Path) -> None:
    first = LevelDb(tmp_path)
    with pytest.raises(DatabaseLocked, match="another node uses this directory: stop it or choose"):
        LevelDb(tmp_path)
    first.close()
    LevelDb(tmp_path).close()


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("not a directory")
    with pytest.raises(DatabaseFailed, match="check the path"):
        LevelDb(path)


def test_a_damaged_table_is_found(tmp_path: Path) -> None:
    first = LevelDb(tmp_path)
    for round_ in range(3):
        first.write(batch(*[(b"%d-%d" % (round_, i), b"v" * 100) for i in range(500)]), sync=True)
        first._db.compact_range()
    first.close()
    tables = sorted(tmp_path.glob("*.ldb"))
    assert tables
    for table in tables:
        data = bytearray(table.read_bytes())
        data[len(data) // 3] ^= 0xFF
        table.write_bytes(data)
    second = LevelDb(tmp_path)
    keys = [b"%d-%d" % (round_, index) for round_ in range(3) for index in range(500)]
    with pytest.raises(StorageCorrupt, match="cess node purge-chain"):
        assert {second.get(key) for key in keys} == {b"v" * 100}
    second.close()


def test_a_missing_manifest_is_reported_as_damage(tmp_path: Path) -> None:
    first = LevelDb(tmp_path)
    first.write(batch((b"a", b"1")), sync=True)
    first.close()
    for manifest in tmp_path.glob("MANIFEST-*"):
        manifest.unlink()
    with pytest.raises((StorageCorrupt, DatabaseFailed)):
        LevelDb(tmp_path)


class BrokenDisk:
    """Stands for LevelDB's handle on a disk that fails."""

    def __init__(self, inner: plyvel.DB) -> None:
        self.inner = inner

    def write_batch(self, *, sync: bool) -> object:
        raise plyvel.IOError("No space left on device")

    def close(self) -> None:
        self.inner.close()


def test_after_a_failed_write_nothing_more_is_written(tmp_path: Path) -> None:
    store = LevelDb(tmp_path)
    store.write(batch((b"a", b"1")), sync=True)
    inner = store._db
    store._db = BrokenDisk(inner)
    with pytest.raises(DatabaseFailed, match="No space left"):
        store.write(batch((b"a", b"2")), sync=True)
    store._db = inner
    with pytest.raises(DatabaseFailed, match="an earlier write failed"):
        store.write(batch((b"a", b"3")), sync=True)
    assert store.get(b"a") == b"1", "reading goes on"
    store.close()


def test_closing_waits_for_readers(tmp_path: Path) -> None:
    store = LevelDb(tmp_path)
    store.write(batch(*[(b"%d" % index, b"v") for index in range(1_000)]), sync=False)
    ends: list[str] = []

    def read() -> None:
        try:
            while True:
                assert sum(1 for _ in store.iterate(b"1")) == 111
                assert store.get(b"7") == b"v"
        except DatabaseClosed:
            ends.append("closed")

    threads = [Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    store.write(Batch(), sync=True)
    store.close()
    for thread in threads:
        thread.join()
    assert ends == ["closed"] * 4


def test_destroying_deletes_a_store_that_nobody_uses(tmp_path: Path) -> None:
    path = tmp_path / "db"
    LevelDb.destroy(path)
    store = LevelDb(path)
    store.write(batch((b"a", b"1")), sync=True)
    with pytest.raises(DatabaseLocked):
        LevelDb.destroy(path)
    assert store.get(b"a") == b"1"
    store.close()
    LevelDb.destroy(path)
    assert not path.exists()


def test_destroying_deletes_a_damaged_store(tmp_path: Path) -> None:
    path = tmp_path / "db"
    LevelDb(path).close()
    (path / "CURRENT").write_bytes(b"junk")
    with pytest.raises((StorageCorrupt, DatabaseFailed)):
        LevelDb(path)
    LevelDb.destroy(path)
    assert not (path / "CURRENT").exists()
    LevelDb(path).close()


def test_a_path_with_lock_in_its_name_is_not_taken_for_a_locked_one(tmp_path: Path) -> None:
    path = tmp_path / "blockchain"
    (path / "LOCK").mkdir(parents=True)
    with pytest.raises(DatabaseFailed, match="check the path"):
        LevelDb(path)
