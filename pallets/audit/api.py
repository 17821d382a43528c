"""What clients ask about audits, by ``state_call``."""

from typing import Protocol

from pallets.audit.pallet import Audit
from pallets.audit.types import AuditRecord, ChallengeInfo, Holding
from pallets.frame.runtime_api import runtime_api
from primitives.scale import U32
from primitives.types import AccountId

__all__ = ["AuditsApi"]


class Host(Protocol):
    """A runtime with this pallet."""

    audit: Audit


@runtime_api(version=1)
class AuditsApi:
    """Open challenges of miners, and how earlier ones ended."""

    def __init__(self, runtime: Host) -> None:
        self._pallet = runtime.audit

    def open_challenge(self, miner: AccountId) -> ChallengeInfo | None:
        """The challenge that a miner has to answer."""
        return self._pallet.challenge_snap_shot.get(miner)

    def record(self, miner: AccountId) -> AuditRecord | None:
        """The audits of a miner so far."""
        return self._pallet.audit_record.get(miner)

    def holding(self, miner: AccountId, slot: U32) -> Holding | None:
        """The fragment that a miner answers for in one of its slots."""
        return self._pallet.holdings.get(miner, slot)
