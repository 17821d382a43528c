"""What an audit is on the wire. Space is in bytes, times are block numbers."""

from typing import Annotated, Final, NamedTuple

from primitives.errors import DecodeError
from primitives.scale import (
    U8,
    U16,
    U32,
    U64,
    U128,
    BoundedVec,
    Compact,
    ScaleEnum,
    codec,
    struct,
)
from primitives.types import BlockNumber, FileHash, FragmentHash, Hash
from proofs.podr2.points import POINT_BYTES, RowPoints
from proofs.pois.wire import IDLE_ANSWERS_MAX, IdleAnswer, IdleAnswers, IdleProofBytes

__all__ = [
    "IDLE_ANSWERS_MAX",
    "AskedRows",
    "AuditRecord",
    "ChallengeInfo",
    "FaultKind",
    "FaultyPositions",
    "Holding",
    "IdleAnswer",
    "IdleAnswers",
    "IdleProofBytes",
    "KeptRows",
]

POSITIONS_MAX = 460
"""The most rows that one service round samples: 1 % loss is found with 99 %."""


class FaultKind(ScaleEnum):
    """What was wrong with an answer, or that there was none.

    ``ServiceDeclared`` is a miner's own word about rows that it lost; it costs least.
    """

    ServiceMissed = 0
    ServiceRejected = 1
    ServiceDeclared = 2
    IdleMissed = 3
    IdleRejected = 4


class FaultyPositions(BoundedVec[U16], limit=POSITIONS_MAX):
    """Indexes into a round's sampled positions whose rows are lost, ascending."""


@struct(path="pallet_audit::types::Holding")
class Holding:
    """A fragment that a miner answers for, from block ``since`` on.

    Once ``removed`` it is asked about no more, except in a round that is open.
    """

    file_hash: FileHash
    segment_index: U32
    fragment_index: U8
    fragment_hash: FragmentHash
    since: BlockNumber
    removed: BlockNumber | None


@struct(path="pallet_audit::types::KeptRows")
class KeptRows:
    """The row commitments of a holding, beside the two blocks that say whether a round asks them.

    They stand in one entry, apart from the rest of the holding, so that judging an answer takes
    one read for each sampled fragment and listing holdings reads no commitments.
    """

    since: BlockNumber
    removed: BlockNumber | None
    points: RowPoints


_KEPT_HEAD: Final = codec(tuple[BlockNumber, BlockNumber | None, Annotated[U32, Compact]])


class AskedRows(NamedTuple):
    """What a round asks of a ``KeptRows``: its dates, and the points of some rows one by one."""

    since: BlockNumber
    removed: BlockNumber | None
    points: tuple[bytes, ...]

    @classmethod
    def of(cls, raw: bytes, rows: tuple[int, ...]) -> "AskedRows":
        """What an encoded ``KeptRows`` says, without a copy of its other points.

        Raises: IndexError beyond the last row; DecodeError.
        """
        (since, removed, length), at = _KEPT_HEAD.decode_from(raw, 0)
        if at + length != len(raw):
            raise DecodeError(f"points of {length} bytes in {len(raw) - at}")
        points = []
        for row in rows:
            start = at + row * POINT_BYTES
            point = raw[start : start + POINT_BYTES]
            if len(point) != POINT_BYTES or row < 0:
                raise IndexError(f"row {row} of {length // POINT_BYTES}")
            points.append(point)
        return cls(since, removed, tuple(points))


@struct(path="pallet_audit::types::ChallengeInfo")
class ChallengeInfo:
    """An open round of one miner, and what it was asked from the state at ``start``.

    The service part samples rows of the first ``slots`` holdings, ``service_space`` bytes in all,
    and is due by ``deadline``; the idle part draws plots from ``idle_front`` up to, not including,
    ``idle_rear`` and is due by ``idle_deadline``. A part that asks nothing is done and passed from
    the beginning; one that ended in a fault or a declared loss is done and not passed.
    """

    round: U32
    start: BlockNumber
    seed: Hash
    slots: U32
    service_space: U128
    idle_front: U64
    idle_rear: U64
    deadline: BlockNumber
    idle_deadline: BlockNumber
    service_done: bool
    idle_done: bool
    service_passed: bool
    idle_passed: bool
    idle_space: U128


@struct(path="pallet_audit::types::AuditRecord")
class AuditRecord:
    """The audits of one miner: the number of the last round and the counts over all of them.

    ``passed`` counts service parts that were passed, ``last_audit`` is the block of the last one;
    ``faults`` counts faults of every kind.
    """

    round: U32
    passed: U32
    faults: U32
    last_audit: BlockNumber | None
