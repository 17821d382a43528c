"""Every write path of the store, with the disk or the process failing at each single step."""

import contextlib
import errno
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from primitives.types import Bytes48, FragmentHash
from storage_miner.store import (
    Cosignature,
    DiskFailed,
    DiskFull,
    StoreError,
    Volume,
    Volumes,
)
from storage_miner.store.volume import READ_FAULTS_MAX
from tests.storage_miner.kit import cosignature, place, put, volumes_at
from tests.storage_miner.store.faulty import Died, FaultyDisk

CAPACITY = 32 << 20
OLD = b"an old fragment " * 300
NEW = b"a new fragment! " * 700
GONE = b"to be deleted.. " * 200
POINTS = (Bytes48(b"\x01" * 48),)
SIGNED = cosignature(1, place(1))


def name_of(data: bytes) -> FragmentHash:
    return FragmentHash(hashlib.sha256(data).digest())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume with two fragments and what belongs to them."""
    root = tmp_path_factory.mktemp("template") / "a"
    with volumes_at(root, capacity=CAPACITY) as volumes:
        volumes.bind(bytes(32), bytes([1]) * 32)
        put(volumes, OLD)
        volumes.put_commitments(name_of(OLD), POINTS)
        put(volumes, GONE)
    return root


class Acknowledged:
    """What the store said is done."""

    def __init__(self) -> None:
        self.fragments: set[bytes] = {OLD}
        self.commitments = {name_of(OLD)}
        self.signatures: list[Cosignature] = []
        self.maybe_gone: set[bytes] = set()


def work(root: Path, done: Acknowledged) -> None:
    """All that a miner writes, from opening to closing."""
    with volumes_at(root, capacity=CAPACITY) as volumes:
        volumes.bind(bytes(32), bytes([1]) * 32)
        put(volumes, NEW)
        done.fragments.add(NEW)
        volumes.put_commitments(name_of(NEW), POINTS)
        done.commitments.add(name_of(NEW))
        volumes.put_cosignature(SIGNED)
        done.signatures.append(SIGNED)
        done.maybe_gone.add(GONE)
        volumes.remove(name_of(GONE))


def count_steps(template: Path, tmp_path: Path, disk: FaultyDisk) -> int:
    root = tmp_path / "counted"
    shutil.copytree(template, root)
    disk.heal()
    work(root, Acknowledged())
    return len(disk.calls)


def check(root: Path, done: Acknowledged) -> None:
    """After a restart: what was acknowledged is there, and nothing is by halves."""
    with volumes_at(root, capacity=CAPACITY) as volumes:
        (volume,) = volumes.volumes
        assert list(volume.layout.temporary.iterdir()) == []
        assert volume.page.account == bytes([1]) * 32
        for data in done.fragments:
            assert volume.layout.fragment(name_of(data)).read_bytes() == data
        for fragment_hash in volumes.fragment_hashes():
            assert name_of(volumes.path(fragment_hash).read_bytes()) == fragment_hash
        if GONE not in done.maybe_gone:
            assert volumes.entry(name_of(GONE)) is not None
        for fragment_hash in done.commitments:
            assert volumes.commitments(fragment_hash) == POINTS
        assert [item for item in done.signatures if item not in volumes.cosignatures()] == []
        assert volumes.space().reserved == 0
        put(volumes, b"and it still works")


@pytest.mark.parametrize("number", [0, errno.EIO, errno.ENOSPC])
def test_whatever_fails_and_wherever_nothing_acknowledged_is_lost(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """0 is the death of the process; then the disk is healed and the miner started again."""
    with monkeypatch.context() as patched:
        disk = FaultyDisk(patched, tmp_path)
        steps = count_steps(template, tmp_path, disk)
        assert steps > 50
        for step in range(steps):
            root = tmp_path / str(step)
            shutil.copytree(template, root)
            done = Acknowledged()
            disk.fail(step, number)
            with contextlib.suppress(StoreError, Died):
                work(root, done)
            disk.heal()
            release_locks(disk)
            check(root, done)
            shutil.rmtree(root)


def release_locks(disk: FaultyDisk) -> None:
    """A process that died has no file open."""
    for descriptor in list(disk.descriptors):
        with contextlib.suppress(OSError):
            disk.close(descriptor)


UPLOAD: Callable[[Volumes], object] = lambda volumes: put(volumes, NEW)  # noqa: E731
COMMIT: Callable[[Volumes], object] = lambda volumes: volumes.put_commitments(  # noqa: E731
    name_of(OLD), POINTS
)
SIGN: Callable[[Volumes], object] = lambda volumes: volumes.put_cosignature(SIGNED)  # noqa: E731


@pytest.mark.parametrize("action", [UPLOAD, COMMIT, SIGN], ids=["upload", "commit", "sign"])
def test_a_full_disk_refuses_at_any_step_and_takes_it_when_there_is_room(
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: Callable[[Volumes], object],
) -> None:
    root = tmp_path / "data"
    shutil.copytree(template, root)
    with monkeypatch.context() as patched:
        disk = FaultyDisk(patched, tmp_path)
        with volumes_at(root, capacity=CAPACITY) as volumes:
            step = 0
            while True:
                disk.fail(step, errno.ENOSPC, is_forever=True)
                try:
                    action(volumes)
                except DiskFull:
                    disk.heal()
                    assert volumes.space().reserved == 0
                    assert volumes.volumes[0].fault is None
                else:
                    break
                step += 1
            disk.heal()
            assert step >= 3
            action(volumes)
            assert list(volumes.volumes[0].layout.temporary.iterdir()) == []


def test_an_error_of_one_disk_takes_only_that_volume_out(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each step of an upload: the sender is refused once, then the other volume takes it."""
    step, refused = 0, 0
    while True:
        base = tmp_path / str(step)
        shutil.copytree(template, base / "a")
        with monkeypatch.context() as patched:
            disk = FaultyDisk(patched, base / "a")
            # The first volume has more room, so it is chosen.
            with volumes_at(base / "a", base / "b", capacity=CAPACITY) as volumes:
                volumes.volumes[1].reserve(8 << 20)
                disk.fail(step, errno.EIO, is_forever=True)
                try:
                    put(volumes, NEW)
                except DiskFailed:
                    refused += 1
                    put(volumes, NEW)
                holder = volumes.volume_of(name_of(NEW))
                is_hit = step < len(disk.calls)
                disk.heal()
                assert holder is volumes.volumes[1 if is_hit else 0]
                assert (volumes.volumes[0].fault is not None) is is_hit
                assert volumes.volumes[1].fault is None
                # What lies on the failed one is still served while it can be read.
                assert volumes.entry(name_of(OLD)) is not None
        if not is_hit:
            break
        step += 1
    assert step >= 5
    assert refused >= 3


def test_a_disk_that_cannot_be_read_any_more_goes_out_and_its_fragments_are_not_lost(
    tmp_path: Path,
) -> None:
    with volumes_at(tmp_path / "a", tmp_path / "b", capacity=CAPACITY) as volumes:
        first, second = volumes.volumes
        here = [put(first, bytes([n]) * 100) for n in range(READ_FAULTS_MAX)]
        other = put(second, b"elsewhere")
        for fragment_hash in here[:-1]:
            volumes.note_read(fragment_hash, is_readable=False)
        assert first.outage is None
        volumes.note_read(here[0], is_readable=False)
        assert first.outage is None
        volumes.note_read(here[-1], is_readable=False)
        assert first.outage is not None
        assert volumes.fragment_hashes() == (other,)
        assert volumes.entry(here[0]) is None
        assert volumes.is_waiting(1_700_000_000)
        assert [item.path for item in volumes.away(1_700_000_000)] == [str(tmp_path / "a")]
        assert volumes.volume_of(put(volumes, NEW)) is second


def test_bad_sectors_with_good_ones_between_take_nothing_out(tmp_path: Path) -> None:
    with Volume(tmp_path / "a", CAPACITY) as volume:
        for number in range(3 * READ_FAULTS_MAX):
            volume.note_read(name_of(bytes([number])), is_readable=False)
            volume.note_read(name_of(b"good"), is_readable=True)
        assert volume.outage is None
