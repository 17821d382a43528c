"""All volumes of one miner: where a fragment goes, where it is, and what happens without one.

Guarantees:
- a new fragment goes to the volume with the most room, the first configured one among equals; one
  that fails is passed over, and only that one;
- the same volume twice, another miner's volume or another chain's is an error at the start, and
  nothing is written to it;
- a volume that is configured or remembered and not there is *away*: the others work, and
  `is_waiting` holds until the operator gives it up or AWAY_GRACE_S have passed. An empty directory
  in the place of a remembered volume is not taken for a new one: the disk was not mounted.

Every volume remembers all of them (`MEMBERS`). Blocking calls, safe for several threads at once.
Bounds: MEMBERS_MAX volumes.
"""

import contextlib
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from threading import Lock
from types import TracebackType

from primitives.types import Bytes48, FragmentHash, Hash

from .errors import (
    AlreadyReceiving,
    DiskFailed,
    DiskRefused,
    LayoutMismatch,
    QuotaReached,
    StoreError,
    VolumeConflict,
    from_os_error,
)
from .index import FragmentEntry
from .layout import Layout
from .page import MEMBERS_MAX, Member, Members
from .records import Cosignature
from .volume import SpaceUse, Upload, Volume

AWAY_GRACE_S = 24 * 3600
"""So long the fragments of a volume that is away are not taken for lost."""


GIVEN_UP = 1
"""The time since which a volume is away that the operator gave up."""


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """A volume as it is configured: where, and how many bytes of it may be used."""

    path: Path
    space: int


@dataclass(frozen=True, slots=True)
class AwayVolume:
    """A volume that is not there. `since` is in Unix seconds; `reason` is for people."""

    path: str
    reason: str
    since: int
    volume_id: bytes | None = None


class Volumes:
    """The open volumes of a miner. Made by `open_volumes`; close it, or use it with `with`."""

    def __init__(self, volumes: Sequence[Volume], away: Sequence[AwayVolume]) -> None:
        assert volumes, "because a miner needs one"
        self.volumes = tuple(volumes)
        self._gone = tuple(away)
        self._placing = Lock()
        self._out_since: dict[bytes, int] = {}

    def __enter__(self) -> "Volumes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have the volumes."""
        for volume in self.volumes:
            volume.close()

    def bind(self, genesis: bytes, account: bytes) -> None:
        """Say for ever whose volumes these are. Raises: LayoutMismatch; StoreError."""
        for volume in self.volumes:
            volume.bind(genesis, account)

    # What is there and what is not.

    @property
    def genesis(self) -> Hash | None:
        """Of the chain that they serve; None before the first bind."""
        bound = [volume.page.genesis for volume in self.volumes if volume.page.genesis is not None]
        return Hash(bound[0]) if bound else None

    @property
    def swept(self) -> int:
        """Unfinished files that were removed at the start."""
        return sum(volume.swept for volume in self.volumes)

    def reading(self) -> tuple[Volume, ...]:
        """The volumes that are read from."""
        return tuple(volume for volume in self.volumes if volume.outage is None)

    def writing(self) -> tuple[Volume, ...]:
        """The volumes that are written to, the one with the most room first."""
        usable = [volume for volume in self.volumes if volume.fault is None]
        return tuple(sorted(usable, key=lambda volume: -_room_of(volume)))

    def away(self, now: int) -> tuple[AwayVolume, ...]:
        """Volumes that were not there at the start, and those that failed since."""
        failed = []
        for volume in self.volumes:
            if volume.outage is not None:
                since = self._out_since.setdefault(volume.page.volume_id, now)
                failed.append(
                    AwayVolume(
                        str(volume.layout.root),
                        str(volume.outage),
                        since,
                        volume.page.volume_id,
                    )
                )
        return (*self._gone, *failed)

    def is_waiting(self, now: int) -> bool:
        """Whether a fragment that is not found may lie on a volume that comes back."""
        return any(now - item.since < AWAY_GRACE_S for item in self.away(now))

    def volume_of(self, fragment_hash: bytes) -> Volume | None:
        """The volume that holds a fragment and can be read."""
        for volume in self.reading():
            if volume.entry(fragment_hash) is not None:
                return volume
        return None

    def path(self, fragment_hash: bytes) -> Path:
        """Where a fragment's bytes are; where they would be when no volume holds them."""
        volume = self.volume_of(fragment_hash) or self.volumes[0]
        return volume.layout.fragment(fragment_hash)

    def entry(self, fragment_hash: bytes) -> FragmentEntry | None:
        """What is known of a fragment."""
        volume = self.volume_of(fragment_hash)
        return None if volume is None else volume.entry(fragment_hash)

    def count(self) -> int:
        """How many fragments the volumes hold; one that lies on two counts twice."""
        return sum(volume.count() for volume in self.reading())

    def fragment_hashes(self) -> tuple[FragmentHash, ...]:
        """All fragments, ascending; one that lies on two volumes comes once.

        Cost: about 1 s for a million; call it in a worker thread.
        """
        merged = heapq.merge(*(volume.fragment_hashes() for volume in self.reading()))
        return tuple(fragment_hash for fragment_hash, _ in groupby(merged))

    def space(self) -> SpaceUse:
        """The account of all volumes. A disk that several share is counted once."""
        parts = [(volume, volume.space()) for volume in self.reading()]
        disks: dict[int, int] = {}
        for volume, part in parts:
            with contextlib.suppress(OSError):
                disks[volume.layout.root.stat().st_dev] = part.disk_free
        return SpaceUse(
            capacity=sum(part.capacity for _, part in parts),
            fragments=sum(part.fragments for _, part in parts),
            plots=sum(part.plots for _, part in parts),
            reserved=sum(part.reserved for _, part in parts),
            disk_free=sum(disks.values()),
        )

    # Fragments.

    def begin(self, fragment_hash: FragmentHash, length: int) -> Upload:
        """Start receiving a fragment on the volume with the most room.

        Raises: AlreadyReceiving; when no volume takes it, QuotaReached, DiskFull, DiskRefused or
        DiskFailed, whichever the best one said.
        """
        with self._placing:
            if any(volume.is_receiving(fragment_hash) for volume in self.volumes):
                raise AlreadyReceiving(
                    "this fragment is arriving on another connection; wait for that one to end"
                )
            first: StoreError | None = None
            for volume in self.writing():
                try:
                    return volume.begin(fragment_hash, length)
                except StoreError as error:
                    first = first or error
            raise first or self._no_volume()

    def remove(self, fragment_hash: FragmentHash) -> bool:
        """Delete a fragment wherever it lies; whether it was there. Raises: StoreError."""
        found = [volume for volume in self.reading() if volume.entry(fragment_hash) is not None]
        for volume in found:
            volume.remove(fragment_hash)
        return bool(found)

    def forget(self, fragment_hash: FragmentHash) -> None:
        """Take note that the file that `path` names is gone or damaged. Raises: StoreError."""
        volume = self.volume_of(fragment_hash)
        if volume is not None:
            volume.forget(fragment_hash)

    def note_read(self, fragment_hash: FragmentHash, *, is_readable: bool) -> None:
        """Count reads that the disk refused."""
        volume = self.volume_of(fragment_hash)
        if volume is not None:
            volume.note_read(fragment_hash, is_readable=is_readable)

    # Small files.

    def put_commitments(self, fragment_hash: FragmentHash, commitments: Sequence[bytes]) -> None:
        """Keep a fragment's commitments beside it. Raises: StoreError."""
        volume = self.volume_of(fragment_hash)
        if volume is None:
            raise StoreError("the fragment is not held any more")
        volume.put_commitments(fragment_hash, commitments)

    def commitments(self, fragment_hash: FragmentHash) -> tuple[Bytes48, ...] | None:
        """A fragment's commitments; None when they are missing or damaged: compute them again."""
        volume = self.volume_of(fragment_hash)
        return None if volume is None else volume.commitments(fragment_hash)

    def put_cosignature(self, item: Cosignature) -> None:
        """Keep a co-signature, beside its fragment if that can be written. Raises: StoreError."""
        holder = self.volume_of(item.fragment_hash)
        usable = list(self.writing())
        if holder in usable:
            usable.remove(holder)
            usable.insert(0, holder)
        first: StoreError | None = None
        for volume in usable:
            try:
                volume.put_cosignature(item)
            except StoreError as error:
                first = first or error
            else:
                return
        raise first or self._no_volume()

    def remove_cosignature(self, item: Cosignature) -> None:
        """Forget a co-signature that was reported or is of no use."""
        for volume in self.reading():
            volume.remove_cosignature(item)

    def cosignatures(self) -> tuple[Cosignature, ...]:
        """All that are kept; damaged ones are removed, unreadable folders passed over."""
        found: dict[tuple[bytes, int, int], Cosignature] = {}
        for volume in self.reading():
            with contextlib.suppress(StoreError):
                for item in volume.cosignatures():
                    found[bytes(item.file_hash), item.segment_index, item.fragment_index] = item
        return tuple(found.values())

    def forget_away(self) -> tuple[AwayVolume, ...]:
        """Give up every volume that is away: its fragments count as lost. Returns which."""
        given_up = tuple(item for item in self._gone if item.since != GIVEN_UP)
        self._gone = tuple(replace(item, since=GIVEN_UP) for item in self._gone)
        _remember(self.volumes, self._gone)
        return given_up

    def _no_volume(self) -> StoreError:
        faults = [volume.fault for volume in self.volumes if volume.fault is not None]
        return faults[0] if faults else QuotaReached("no volume has room")


def _room_of(volume: Volume) -> int:
    try:
        return volume.space().left
    except StoreError:
        return -1


# Opening.


def open_volumes(
    plans: Sequence[VolumePlan],
    now: int,
    make: Callable[[Path, int], Volume] = Volume,
) -> Volumes:
    """Open what is there of the configured volumes. `now` is in Unix seconds.

    Raises: VolumeConflict, LayoutMismatch, DirectoryInUse; any StoreError when none opens.
    """
    _refuse_twins(plans)
    opened: list[Volume] = []
    failed: list[tuple[VolumePlan, StoreError]] = []
    try:
        empty = []
        for plan in plans:
            try:
                is_marked = Layout(plan.path).is_marked()
            except OSError as error:
                failed.append((plan, from_os_error(error, "looking for a volume", plan.path)))
                continue
            if is_marked:
                _try_open(plan, make, opened, failed)
            else:
                empty.append(plan)
        known = _known(opened)
        absent = []
        for plan in empty:
            if _member_at(known, plan.path, opened) is not None:
                absent.append(plan)
            else:
                _try_open(plan, make, opened, failed)
        if not opened:
            raise failed[0][1] if failed else _all_absent(absent)
        _refuse_strangers(opened)
        away = _away(known, opened, failed, absent, now)
        _remember(opened, away)
    except BaseException:
        for volume in opened:
            volume.close()
        raise
    return Volumes(opened, away)


def _try_open(
    plan: VolumePlan,
    make: Callable[[Path, int], Volume],
    opened: list[Volume],
    failed: list[tuple[VolumePlan, StoreError]],
) -> None:
    """A disk that fails is passed over; a volume that is not ours is an error."""
    try:
        opened.append(make(plan.path, plan.space))
    except (DiskFailed, DiskRefused) as error:
        failed.append((plan, error))


def _refuse_twins(plans: Sequence[VolumePlan]) -> None:
    if not 1 <= len(plans) <= MEMBERS_MAX:
        raise VolumeConflict(f"a miner has 1 to {MEMBERS_MAX} volumes, not {len(plans)}")
    seen: dict[Path, Path] = {}
    for plan in plans:
        place = plan.path.resolve()
        if place in seen:
            raise VolumeConflict(f"the volume {plan.path} is configured twice; name it once")
        for other, named in seen.items():
            if other in place.parents or place in other.parents:
                raise VolumeConflict(
                    f"the volumes {named} and {plan.path} lie in one another; "
                    "give each its own directory"
                )
        seen[place] = plan.path


def _refuse_strangers(opened: Sequence[Volume]) -> None:
    by_id: dict[bytes, Volume] = {}
    owner: Volume | None = None
    for volume in opened:
        page = volume.page
        twin = by_id.setdefault(page.volume_id, volume)
        if twin is not volume:
            raise VolumeConflict(
                f"{twin.layout.root} and {volume.layout.root} are copies of one volume; remove "
                "one of them from the configuration"
            )
        if page.genesis is None:
            continue
        owner = owner or volume
        if (page.genesis, page.account) != (owner.page.genesis, owner.page.account):
            raise LayoutMismatch(
                f"{volume.layout.root} belongs to another account or chain than "
                f"{owner.layout.root}; a miner's volumes all belong to it"
            )


def _known(opened: Sequence[Volume]) -> tuple[Member, ...]:
    """The list of the highest generation among the volumes' own."""
    best: Members | None = None
    for volume in opened:
        found = volume.layout.read_members()
        if found is not None and (best is None or found.generation > best.generation):
            best = found
    return () if best is None else best.members


def _member_at(known: Sequence[Member], path: Path, opened: Sequence[Volume]) -> Member | None:
    """The volume that was at `path` when all were seen last and is not open somewhere else.

    One that was given up does not keep its place from a new disk.
    """
    place = str(path.resolve())
    ids = {volume.page.volume_id for volume in opened}
    for item in known:
        if item.path == place and item.volume_id not in ids and item.away_since != GIVEN_UP:
            return item
    return None


def _all_absent(absent: Sequence[VolumePlan]) -> StoreError:
    places = ", ".join(str(plan.path) for plan in absent)
    return StoreError(f"none of the volumes is there ({places}): are the disks mounted?")


def _away(
    known: Sequence[Member],
    opened: Sequence[Volume],
    failed: Sequence[tuple[VolumePlan, StoreError]],
    absent: Sequence[VolumePlan],
    now: int,
) -> tuple[AwayVolume, ...]:
    here = {volume.page.volume_id for volume in opened}
    renewed = {str(volume.layout.root.resolve()) for volume in opened if volume.is_new}
    reasons = {str(plan.path.resolve()): str(error) for plan, error in failed}
    for plan in absent:
        reasons[str(plan.path.resolve())] = (
            f"there is no volume at {plan.path} although there was one: is the disk mounted?"
        )
    found = []
    for member in known:
        if member.volume_id in here or member.path in renewed:
            continue
        said = reasons.pop(member.path, None) or (
            f"the volume that was at {member.path} is neither configured nor found elsewhere"
        )
        found.append(AwayVolume(member.path, said, member.away_since or now, member.volume_id))
    # A disk that failed before it was ever seen: nothing is known to be on it.
    found += [AwayVolume(path, said, now) for path, said in reasons.items()]
    return tuple(found)


def _remember(opened: Sequence[Volume], away: Sequence[AwayVolume]) -> None:
    """Write the list to every volume where it is not, as a new generation."""
    present = [
        Member(volume.page.volume_id, str(volume.layout.root.resolve())) for volume in opened
    ]
    missing = [
        Member(item.volume_id, item.path, item.since) for item in away if item.volume_id is not None
    ]
    members = tuple((*present, *missing)[:MEMBERS_MAX])
    kept = [volume.layout.read_members() for volume in opened]
    newest = max((item.generation for item in kept if item is not None), default=0)
    wanted = Members(newest, members)
    if all(item == wanted for item in kept):
        return
    wanted = replace(wanted, generation=newest + 1)
    for volume in opened:
        volume.remember(wanted)
