"""How much fits into a block, and the wire types that publish it.

How long a block may take to execute is a constant of its chain; users' extrinsics get three
quarters of that and of the five mebibytes of a body. The same numbers are constants of the System
pallet, which clients read, and what the executive compares with.

Units: ``ref_time`` in picoseconds, lengths in bytes.
"""

from typing import Final

from pallets.frame.weight import (
    READ_REF_TIME,
    WRITE_REF_TIME,
    Weight,
    WeightV2,
)
from primitives.scale import U32, U64, struct

__all__ = [
    "BASE_BLOCK",
    "BASE_EXTRINSIC",
    "BLOCK_BYTES_MAX",
    "BLOCK_LENGTH",
    "DB_WEIGHT",
    "BlockLength",
    "BlockWeights",
    "ClassLimits",
    "DbWeight",
    "PerClassLength",
    "PerClassLimits",
    "PerClassWeight",
    "block_weights",
]

BLOCK_BYTES_MAX: Final = 5 * 1024 * 1024
"""Bytes of all extrinsics of a block."""

NORMAL_PERCENT: Final = 75
"""The part of a block that users' extrinsics may fill."""

BASE_EXTRINSIC: Final = Weight(ref_time=250_000_000)
"""What any signed extrinsic costs beside its call: decoding, signature, nonce, fee, events.

Measured: 200 microseconds of processor time, 50 of them for an sr25519 signature. A transfer with
its reads and writes is declared as 500 and takes 250 among 10^4 keys, 320 among 10^5, 500 among
10^6 (`python -m benchmarks.bench_execution --large`).
"""

BASE_BLOCK: Final = Weight(ref_time=5_000_000_000)
"""What an empty block costs."""

_MAX_PROOF: Final = (1 << 64) - 1


@struct(path="frame_support::dispatch::PerDispatchClass")
class PerClassWeight:
    """A weight for each class of extrinsics."""

    normal: WeightV2
    operational: WeightV2
    mandatory: WeightV2


@struct(path="frame_system::limits::WeightsPerClass")
class ClassLimits:
    """Limits of one class; None where there is none.

    ``reserved`` may be used even when the block is full otherwise.
    """

    base_extrinsic: WeightV2
    max_extrinsic: WeightV2 | None
    max_total: WeightV2 | None
    reserved: WeightV2 | None


@struct(path="frame_support::dispatch::PerDispatchClass")
class PerClassLimits:
    """Limits of each class."""

    normal: ClassLimits
    operational: ClassLimits
    mandatory: ClassLimits


@struct(path="frame_system::limits::BlockWeights")
class BlockWeights:
    """Limits of a block by weight."""

    base_block: WeightV2
    max_block: WeightV2
    per_class: PerClassLimits


@struct(path="frame_support::dispatch::PerDispatchClass")
class PerClassLength:
    """A length for each class of extrinsics."""

    normal: U32
    operational: U32
    mandatory: U32


@struct(path="frame_system::limits::BlockLength")
class BlockLength:
    """Limits of a block by length."""

    max: PerClassLength


@struct(path="sp_weights::RuntimeDbWeight")
class DbWeight:
    """``ref_time`` of one storage access."""

    read: U64
    write: U64


BLOCK_LENGTH: Final = BlockLength(
    max=PerClassLength(
        normal=U32(BLOCK_BYTES_MAX * NORMAL_PERCENT // 100),
        operational=U32(BLOCK_BYTES_MAX),
        mandatory=U32(BLOCK_BYTES_MAX),
    )
)

DB_WEIGHT: Final = DbWeight(read=U64(READ_REF_TIME), write=U64(WRITE_REF_TIME))


def block_weights(ref_time_max: int) -> BlockWeights:
    """The limits of a chain whose blocks may take ``ref_time_max`` picoseconds."""
    full = Weight(ref_time_max, _MAX_PROOF)
    normal = Weight(full.ref_time * NORMAL_PERCENT // 100, _MAX_PROOF)
    kept = Weight(full.ref_time - normal.ref_time, _MAX_PROOF)
    base = BASE_EXTRINSIC.wire()

    def most(total: Weight) -> WeightV2:
        """The largest extrinsic: what is left of ``total`` in an empty block."""
        used = BASE_BLOCK.ref_time + BASE_EXTRINSIC.ref_time
        return Weight(total.ref_time - used, _MAX_PROOF).wire()

    return BlockWeights(
        base_block=BASE_BLOCK.wire(),
        max_block=full.wire(),
        per_class=PerClassLimits(
            normal=ClassLimits(
                base_extrinsic=base,
                max_extrinsic=most(normal),
                max_total=normal.wire(),
                reserved=Weight().wire(),
            ),
            operational=ClassLimits(
                base_extrinsic=base,
                max_extrinsic=most(full),
                max_total=full.wire(),
                reserved=kept.wire(),
            ),
            mandatory=ClassLimits(
                base_extrinsic=base, max_extrinsic=None, max_total=None, reserved=None
            ),
        ),
    )
