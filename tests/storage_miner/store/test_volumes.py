"""Several volumes: placement, lookup, and every way in which one of them is not right."""

import contextlib
import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primitives.types import Bytes48, FragmentHash
from storage_miner.store import (
    AlreadyReceiving,
    DiskFailed,
    FragmentEntry,
    LayoutMismatch,
    QuotaReached,
    StoreError,
    Upload,
    Volume,
    VolumeConflict,
    VolumePlan,
    open_volumes,
)
from storage_miner.store.page import MEMBERS_MAX
from storage_miner.store.volume import BLOCK_BYTES
from storage_miner.store.volumes import AWAY_GRACE_S
from tests.storage_miner.kit import NOW, cosignature, fragment, place, put, volumes_at

CAPACITY = 32 << 20
MINE = (bytes([1]) * 32, bytes([2]) * 32)


def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two bound volumes with a fragment each."""
    a, b = tmp_path / "a", tmp_path / "b"
    with volumes_at(a, b, capacity=CAPACITY) as volumes:
        volumes.bind(*MINE)
        put(volumes.volumes[0], b"on a")
        put(volumes.volumes[1], b"on b")
    return a, b


def test_volumes_know_their_chain_once_they_are_bound(tmp_path: Path) -> None:
    """So that of several nodes those of another chain are refused before anything is asked."""
    plans = [VolumePlan(tmp_path / "a", CAPACITY), VolumePlan(tmp_path / "b", CAPACITY)]
    with open_volumes(plans, NOW) as volumes:
        assert volumes.genesis is None
        volumes.bind(*MINE)
    with open_volumes(plans, NOW) as volumes:
        assert volumes.genesis == MINE[0]


# Placement.


def test_a_fragment_goes_where_most_room_is_and_the_first_wins_among_equals(
    tmp_path: Path,
) -> None:
    plans = [
        VolumePlan(tmp_path / "a", CAPACITY),
        VolumePlan(tmp_path / "b", 2 * CAPACITY),
        VolumePlan(tmp_path / "c", 2 * CAPACITY),
    ]
    with open_volumes(plans, NOW) as volumes:
        a, b, c = volumes.volumes
        assert volumes.volume_of(put(volumes, b"first")) is b
        assert volumes.volume_of(put(volumes, b"second")) is c
        assert volumes.volume_of(put(volumes, b"third")) is b
        b.reserve(2 * CAPACITY - b.space().used)
        c.reserve(2 * CAPACITY - c.space().used)
        assert volumes.volume_of(put(volumes, b"fourth")) is a


def test_full_volumes_refuse_and_each_keeps_its_own_quota(tmp_path: Path) -> None:
    with volumes_at(tmp_path / "a", tmp_path / "b", capacity=CAPACITY) as volumes:
        # Together they have room, but neither of them.
        with pytest.raises(QuotaReached):
            volumes.begin(fragment(1), CAPACITY + 1)
        assert volumes.space().capacity == 2 * CAPACITY
        assert volumes.space().reserved == 0


def test_a_disk_that_two_volumes_share_is_counted_once(tmp_path: Path) -> None:
    with volumes_at(tmp_path / "a", tmp_path / "b", capacity=CAPACITY) as volumes:
        assert volumes.space().disk_free < 2 * volumes.volumes[0].space().disk_free


def test_one_fragment_arrives_once_at_a_time_on_all_volumes(tmp_path: Path) -> None:
    with volumes_at(tmp_path / "a", tmp_path / "b", capacity=CAPACITY) as volumes:
        upload = volumes.begin(fragment(1), 100)
        with pytest.raises(AlreadyReceiving):
            volumes.begin(fragment(1), 100)
        upload.abort()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.integers(1, 200_000), min_size=1, max_size=12))
def test_placement_depends_on_what_came_before_only(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    def places() -> list[str]:
        base = tmp_path_factory.mktemp("placing")
        with volumes_at(base / "a", base / "b", base / "c", capacity=CAPACITY) as volumes:
            found = []
            for number, size in enumerate(sizes):
                holder = volumes.volume_of(put(volumes, bytes([number]) * size))
                assert holder is not None
                found.append(holder.layout.root.name)
        shutil.rmtree(base)
        return found

    assert places() == places()


def test_fragments_of_all_volumes_come_in_order_and_each_once(tmp_path: Path) -> None:
    with volumes_at(tmp_path / "a", tmp_path / "b", capacity=CAPACITY) as volumes:
        first, second = volumes.volumes
        here = {put(first, bytes([n]) * 50) for n in range(5)}
        there = {put(second, bytes([n]) * 50) for n in range(3, 8)}
        assert volumes.fragment_hashes() == tuple(sorted(here | there))


def test_a_damaged_copy_goes_and_the_other_is_found(tmp_path: Path) -> None:
    with volumes_at(tmp_path / "a", tmp_path / "b", capacity=CAPACITY) as volumes:
        first, second = volumes.volumes
        put(first, b"twice")
        name = put(second, b"twice")
        volumes.forget(name)
        assert volumes.volume_of(name) is second
        assert volumes.remove(name)
        assert volumes.entry(name) is None


def test_a_cosignature_lies_beside_its_fragment_and_is_removed_from_anywhere(
    tmp_path: Path,
) -> None:
    item = cosignature(1, place(1))
    with volumes_at(tmp_path / "a", tmp_path / "b", capacity=CAPACITY) as volumes:
        volumes.put_cosignature(item)
        volumes.volumes[1].put_cosignature(item)
        assert volumes.cosignatures() == (item,)
        volumes.remove_cosignature(item)
        assert volumes.cosignatures() == ()


def disk_bytes(volume: Volume) -> int:
    """What fragments, their small files and plots take on the disk, in whole blocks."""
    layout = volume.layout
    return sum(
        -(-path.stat().st_size // BLOCK_BYTES) * BLOCK_BYTES
        for directory in (layout.fragments, layout.commitments, layout.plots, layout.temporary)
        for path in directory.rglob("*")
        if path.is_file()
    )


actions = st.lists(
    st.tuples(st.sampled_from(["put", "begin", "abort", "remove", "plot"]), st.integers(0, 9)),
    max_size=25,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=actions)
def test_no_volume_ever_holds_more_than_its_space_and_a_restart_counts_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    base, small = tmp_path_factory.mktemp("quota"), 300_000
    with volumes_at(base / "a", base / "b", capacity=small) as volumes:
        uploads: list[Upload] = []
        for action, number in steps:
            data = bytes([number]) * (number * 15_000 + 1)
            with contextlib.suppress(StoreError):
                match action:
                    case "put":
                        put(volumes, data)
                    case "begin":
                        uploads.append(volumes.begin(fragment(number), len(data)))
                    case "abort" if uploads:
                        uploads.pop().abort()
                    case "remove":
                        volumes.remove(FragmentHash(hashlib.sha256(data).digest()))
                    case "plot":
                        volume = volumes.writing()[0]
                        volume.reserve(len(data))
                        (volume.layout.plots / str(number)).write_bytes(data)
                        volume.release(len(data))
                        volume.measure_plots()
            for volume in volumes.volumes:
                assert disk_bytes(volume) <= volume.space().used <= small
        for upload in uploads:
            upload.abort()
        before = [(volume.space().fragments, volume.space().plots) for volume in volumes.volumes]
        assert volumes.space().reserved == 0
    with volumes_at(base / "a", base / "b", capacity=small) as volumes:
        after = [(volume.space().fragments, volume.space().plots) for volume in volumes.volumes]
        assert after == before
    shutil.rmtree(base)


def test_without_any_file_of_its_own_the_index_is_the_same(tmp_path: Path) -> None:
    """Fragments are found from the directories alone, whatever else of a volume was lost."""

    def index(root: Path) -> dict[FragmentHash, FragmentEntry | None]:
        with volumes_at(root, capacity=CAPACITY) as volumes:
            return {name: volumes.entry(name) for name in volumes.fragment_hashes()}

    with volumes_at(tmp_path / "a", capacity=CAPACITY) as volumes:
        for number in range(20):
            name = put(volumes, bytes([number]) * (number + 1))
            if number % 2:
                volumes.put_commitments(name, (Bytes48(bytes(48)),))
    before = index(tmp_path / "a")
    assert len(before) == 20
    for name in ("VOLUME", "MEMBERS", "SCRUB", "LOCK"):
        (tmp_path / "a" / name).unlink(missing_ok=True)
    assert index(tmp_path / "a") == before


# Volumes that are not right.


def test_the_same_volume_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VolumeConflict, match="twice"):
        volumes_at(tmp_path / "a", tmp_path / "x" / ".." / "a", capacity=CAPACITY)
    with pytest.raises(VolumeConflict, match="in one another"):
        volumes_at(tmp_path / "a", tmp_path / "a" / "b", capacity=CAPACITY)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("count", "fits"), [(0, False), (MEMBERS_MAX, True), (17, False)])
def test_the_number_of_volumes_is_bounded(tmp_path: Path, count: int, fits: bool) -> None:
    roots = [tmp_path / str(number) for number in range(count)]
    if fits:
        volumes_at(*roots, capacity=CAPACITY).close()
        with volumes_at(*roots, capacity=CAPACITY) as volumes:
            assert volumes.away(NOW) == ()
    else:
        with pytest.raises(VolumeConflict, match="1 to 16"):
            volumes_at(*roots, capacity=CAPACITY)


def test_a_copied_volume_is_an_error_and_both_are_named(tmp_path: Path) -> None:
    a, _ = two(tmp_path)
    shutil.copytree(a, tmp_path / "copy")
    with pytest.raises(VolumeConflict, match=r"a and .*copy are copies"):
        volumes_at(a, tmp_path / "copy", capacity=CAPACITY)
    volumes_at(a, tmp_path / "b", capacity=CAPACITY).close()


def test_a_volume_of_another_miner_is_an_error_and_stays_as_it_is(tmp_path: Path) -> None:
    a, _ = two(tmp_path)
    with Volume(tmp_path / "foreign", CAPACITY) as volume:
        volume.bind(MINE[0], bytes([9]) * 32)
    before = sorted(path.name for path in (tmp_path / "foreign").iterdir())
    with pytest.raises(LayoutMismatch, match="another account or chain"):
        volumes_at(a, tmp_path / "foreign", capacity=CAPACITY)
    assert sorted(path.name for path in (tmp_path / "foreign").iterdir()) == before
    with (
        volumes_at(tmp_path / "foreign", capacity=CAPACITY) as volumes,
        pytest.raises(LayoutMismatch, match="belongs to the account"),
    ):
        volumes.bind(*MINE)


def test_without_a_volume_the_others_start_and_it_is_waited_for(tmp_path: Path) -> None:
    """An unmounted disk: the directory is there, and empty."""
    a, b = two(tmp_path)
    b.rename(tmp_path / "unmounted")
    b.mkdir()
    with volumes_at(a, b, capacity=CAPACITY) as volumes:
        assert [volume.layout.root for volume in volumes.volumes] == [a]
        (away,) = volumes.away(NOW)
        assert away.path == str(b)
        assert "is the disk mounted" in away.reason
        assert volumes.is_waiting(NOW + AWAY_GRACE_S - 1)
        assert not volumes.is_waiting(NOW + AWAY_GRACE_S)
        put(volumes, b"goes on")
    assert list(b.iterdir()) == []
    b.rmdir()
    (tmp_path / "unmounted").rename(b)
    with volumes_at(a, b, capacity=CAPACITY) as volumes:
        assert volumes.away(NOW) == ()
        assert len(volumes.fragment_hashes()) == 3


def test_the_grace_counts_from_when_it_was_first_missed_over_restarts(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    shutil.rmtree(b)
    plans = [VolumePlan(a, CAPACITY), VolumePlan(b, CAPACITY)]
    open_volumes(plans, NOW).close()
    with open_volumes(plans, NOW + AWAY_GRACE_S) as volumes:
        assert [item.since for item in volumes.away(NOW)] == [NOW]
        assert not volumes.is_waiting(NOW + AWAY_GRACE_S)


def test_a_volume_that_is_no_longer_configured_is_missed(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    with volumes_at(a, capacity=CAPACITY) as volumes:
        assert [item.path for item in volumes.away(NOW)] == [str(b)]


def test_a_volume_that_was_moved_is_found_by_its_id(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    b.rename(tmp_path / "c")
    with volumes_at(a, tmp_path / "c", capacity=CAPACITY) as volumes:
        assert volumes.away(NOW) == ()
        assert len(volumes.fragment_hashes()) == 2


def test_two_volumes_that_changed_places_are_themselves(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    a.rename(tmp_path / "c")
    b.rename(a)
    (tmp_path / "c").rename(b)
    with volumes_at(a, b, capacity=CAPACITY) as volumes:
        assert volumes.away(NOW) == ()


def test_a_volume_that_was_given_up_is_not_waited_for_and_leaves_its_place(
    tmp_path: Path,
) -> None:
    a, b = two(tmp_path)
    shutil.rmtree(b)
    with volumes_at(a, b, capacity=CAPACITY) as volumes:
        assert [item.path for item in volumes.forget_away()] == [str(b)]
        assert not volumes.is_waiting(NOW)
        assert volumes.forget_away() == ()
    with volumes_at(a, capacity=CAPACITY) as volumes:
        assert not volumes.is_waiting(NOW)
        assert len(volumes.away(NOW)) == 1
    with volumes_at(a, b, capacity=CAPACITY) as volumes:
        assert len(volumes.volumes) == 2


def test_a_disk_that_cannot_be_opened_is_away_and_alone_it_is_an_error(tmp_path: Path) -> None:
    a, b = two(tmp_path)

    def make(path: Path, space: int) -> Volume:
        if path == b:
            raise DiskFailed("the disk failed while preparing the volume")
        return Volume(path, space)

    plans = [VolumePlan(a, CAPACITY), VolumePlan(b, CAPACITY)]
    with open_volumes(plans, NOW, make) as volumes:
        (away,) = volumes.away(NOW)
        assert (away.path, "the disk failed" in away.reason) == (str(b), True)
        assert volumes.is_waiting(NOW)
    with pytest.raises(DiskFailed):
        open_volumes(plans[1:], NOW, make)


def test_a_disk_that_fails_when_it_is_looked_for_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = two(tmp_path)
    real = os.stat

    def stat(path: object, *arguments: object, **options: object) -> os.stat_result:
        if str(path).startswith(str(b / "VOLUME")):
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *arguments, **options)  # type: ignore[call-overload, no-any-return]

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", stat)
        with volumes_at(a, b, capacity=CAPACITY) as volumes:
            assert [item.path for item in volumes.away(NOW)] == [str(b)]


def test_a_page_that_was_deleted_makes_the_volume_a_new_one_with_the_same_fragments(
    tmp_path: Path,
) -> None:
    a, b = two(tmp_path)
    (b / "VOLUME").unlink()
    with volumes_at(a, b, capacity=CAPACITY) as volumes:
        assert volumes.away(NOW) == ()
        assert len(volumes.fragment_hashes()) == 2


def test_a_daemon_that_cannot_have_all_volumes_leaves_none_locked(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    with Volume(b, CAPACITY):
        with pytest.raises(StoreError, match="another miner"):
            volumes_at(a, b, capacity=CAPACITY)
        Volume(a, CAPACITY).close()
