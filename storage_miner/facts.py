"""What the cores are told: the chain as one miner sees it in one block, and how submissions ended.

Plain frozen values. A `MinerView` is read at one block, so its parts agree with one another.
"""

from dataclasses import dataclass
from enum import Enum

from pallets.audit.types import AuditRecord, ChallengeInfo
from pallets.sminer.types import MinerInfo, PendingIdle, RestoralTargetInfo
from primitives.types import AccountId, FileHash, FragmentHash, Hash

ASSIGNMENTS_MAX = 4096
"""Assigned places that are looked at in one block; the rest follows when these are reported."""


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """Constants of the chain that a miner works with. Sizes in bytes, times in blocks."""

    genesis: Hash
    fragment_bytes: int
    segment_bytes: int
    plot_k: int
    plot_draws: int
    cert_draws: int
    rows_sampled_max: int
    declaration_unit_bytes: int
    collateral_per_unit: int
    service_deadline_blocks: int
    idle_deadline_blocks: int
    restoral_order_life: int
    deal_deadline_blocks: int


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a fragment belongs: file, segment and index within the segment."""

    file_hash: FileHash
    segment_index: int
    fragment_index: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """A fragment that the chain drew this miner for, to be reported until block `deadline`."""

    fragment_hash: FragmentHash
    place: Place
    deadline: int


@dataclass(frozen=True, slots=True)
class MinerView:
    """This miner's affairs in the state of block `number`."""

    number: int
    block_hash: Hash
    info: MinerInfo | None
    pending_idle: PendingIdle | None = None
    pending_replacements: int = 0
    challenge: ChallengeInfo | None = None
    holding_count: int = 0
    missed_in_row: int = 0
    audits: AuditRecord | None = None
    exit_due: int | None = None
    leaving: RestoralTargetInfo | None = None
    assignments: tuple[Assignment, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldFragment:
    """A holding as the chain lists it; `is_removed` ones are kept until the chain forgets them."""

    slot: int
    fragment_hash: FragmentHash
    file_hash: FileHash
    is_removed: bool


@dataclass(frozen=True, slots=True)
class RestoralTask:
    """A fragment that others may restore. `has_order` is False for one of a miner that left."""

    fragment_hash: FragmentHash
    place: Place
    origin_miner: AccountId
    has_order: bool
    claimed_by: AccountId | None
    deadline: int


class Outcome(Enum):
    """How a submission ended.

    `done`: included and executed. `refused`: the chain or its pool said no; the same again is of no
    use. `lost`: nothing is known to have happened; look at the next view and try again.
    """

    done = "done"
    refused = "refused"
    lost = "lost"


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a submission; `error` is the chain's word, such as "NotAssigned"."""

    outcome: Outcome
    error: str = ""
