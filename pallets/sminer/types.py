"""What a storage miner is on the wire.

Space is in bytes, money in planck, times are block numbers. Every type has a fixed largest
encoding.
"""

from primitives.scale import U8, U32, U64, U128, BoundedBytes, BoundedVec, ScaleEnum, struct
from primitives.types import AccountId, Balance, BlockNumber, Hash

__all__ = [
    "RELEASE_DAYS",
    "EndPoint",
    "MinerInfo",
    "MinerState",
    "MissedReports",
    "PendingIdle",
    "RestoralTargetInfo",
    "Reward",
    "RewardOrder",
    "RewardOrders",
    "SpaceProofInfo",
]

RELEASE_DAYS = 90
"""Days over which the second half of a reward is paid."""


class EndPoint(BoundedBytes, limit=100):
    """Where a miner serves fragments: a URL of 1 to 100 bytes."""


class MinerState(ScaleEnum):
    """What a miner may do.

    ``Positive``: everything. ``Frozen``: it owes collateral; it keeps its fragments and is audited,
    but takes nothing new and is paid nothing. ``Lock``: its exit is announced. ``Exit``: it has
    left; it keeps its fragments until others have restored them. ``Offline``: it was thrown out.
    """

    Positive = 0
    Frozen = 1
    Lock = 2
    Exit = 3
    Offline = 4


@struct(path="cp_cess_common::SpaceProofInfo")
class SpaceProofInfo:
    """The plots that stand for idle space: indexes from ``front`` up to ``rear`` without it."""

    front: U64
    rear: U64


@struct(path="pallet_sminer::types::MinerInfo")
class MinerInfo:
    """One storage miner. ``idle + service + lock`` never exceeds ``declaration_space``.

    ``collaterals`` is what is reserved on ``staking_account`` for this miner, ``debt`` what is
    missing from its fines.
    """

    beneficiary: AccountId
    staking_account: AccountId
    endpoint: EndPoint
    collaterals: Balance
    debt: Balance
    state: MinerState
    declaration_space: U128
    idle_space: U128
    service_space: U128
    lock_space: U128
    space_proof_info: SpaceProofInfo
    registered_at: BlockNumber


@struct(path="pallet_sminer::types::PendingIdle")
class PendingIdle:
    """A certification of plots ``from_index`` up to, not including, ``to_index``.

    ``seed`` comes with a block after ``requested_at``; with it the chain sets ``deadline``, the
    last block in which the answers are taken. Until then both are missing, as None and 0.
    """

    from_index: U64
    to_index: U64
    requested_at: BlockNumber
    seed: Hash | None
    deadline: BlockNumber


@struct(path="pallet_sminer::types::MissedReports")
class MissedReports:
    """How often a miner let promised fragments go unreported since block ``since``.

    ``last`` is the block in which the last miss was counted.
    """

    since: BlockNumber
    last: BlockNumber
    count: U32


@struct(path="pallet_sminer::types::RestoralTargetInfo")
class RestoralTargetInfo:
    """A miner that left with ``service_space`` bytes of fragments for others to restore.

    It may withdraw after ``cooling_block``, once its service space is zero.
    """

    service_space: U128
    cooling_block: BlockNumber


@struct(path="pallet_sminer::types::RewardOrder")
class RewardOrder:
    """The second half of what was claimed on ``day``: ``each_amount`` on each of 90 days after.

    ``receive_count`` of them are paid.
    """

    receive_count: U8
    each_amount: Balance
    day: U32


class RewardOrders(BoundedVec[RewardOrder], limit=RELEASE_DAYS + 1):
    """Claims of one day are one order, so no more than 91 can be unfinished."""


@struct(path="pallet_sminer::types::Reward")
class Reward:
    """What a miner has earned and what of it was paid, in planck."""

    total_reward: Balance
    reward_issued: Balance
    order_list: RewardOrders
