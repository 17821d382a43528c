"""The simulated disk keeps the promises of a store, and no others."""

import random

import pytest

from node.database import DatabaseClosed, DatabaseFailed
from node.database.kv import Batch
from tests.simulation.disk import CrashNow, SimDisk, SimKv
from tests.suites.key_value import KeyValueSuite, batch


def new_disk(seed: int = 1) -> SimDisk:
    return SimDisk(random.Random(seed))


class TestSimKv(KeyValueSuite):
    @pytest.fixture
    def store(self) -> SimKv:
        return new_disk().open()


def put(disk: SimDisk, store: SimKv, key: bytes, value: bytes, *, sync: bool) -> None:
    store.write(batch((key, value)), sync=sync)


def test_what_was_synced_survives() -> None:
    disk = new_disk()
    put(disk, disk.open(), b"a", b"1", sync=True)
    disk.crash()
    assert disk.open().get(b"a") == b"1"


def test_of_what_was_not_synced_a_prefix_survives() -> None:
    kept: dict[int, None] = {}
    for seed in range(40):
        disk = new_disk(seed)
        store = disk.open()
        for number in range(4):
            put(disk, store, bytes([number]), b"x", sync=False)
        disk.crash()
        found = [number for number in range(4) if disk.open().get(bytes([number]))]
        assert found == list(range(len(found)))
        kept[len(found)] = None
    assert sorted(kept) == [0, 1, 2, 3, 4]


def test_a_write_in_which_the_power_goes_is_whole_or_not_there() -> None:
    outcomes: dict[tuple[bytes | None, bytes | None], None] = {}
    for seed in range(20):
        disk = new_disk(seed)
        store = disk.open()
        disk.writes_to_crash = 0
        made = Batch()
        made.put(b"a", b"1")
        made.put(b"b", b"2")
        with pytest.raises(CrashNow):
            store.write(made, sync=True)
        disk.crash()
        again = disk.open()
        outcomes[again.get(b"a"), again.get(b"b")] = None
    assert set(outcomes) == {(None, None), (b"1", b"2")}


def test_a_full_disk_refuses_and_goes_on_refusing() -> None:
    disk = new_disk()
    store = disk.open()
    disk.room_bytes = 3
    with pytest.raises(DatabaseFailed):
        put(disk, store, b"a", b"1234", sync=True)
    disk.room_bytes = None
    with pytest.raises(DatabaseFailed):
        put(disk, store, b"a", b"1", sync=True)
    disk.crash()
    put(disk, disk.open(), b"a", b"1", sync=True)


def test_a_crash_ends_the_store_of_a_life() -> None:
    disk = new_disk()
    store = disk.open()
    disk.crash()
    with pytest.raises(DatabaseClosed):
        store.get(b"a")


def test_rot_flips_one_bit() -> None:
    disk = new_disk()
    put(disk, disk.open(), b"a", bytes(8), sync=True)
    disk.rot()
    value = disk.open().get(b"a")
    assert value is not None
    assert int.from_bytes(value, "big").bit_count() == 1
