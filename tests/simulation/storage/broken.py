"""Twins of a storage network with one defence broken; the checkers must catch each of them."""

from contextlib import AbstractContextManager
from typing import Any

from pallets.audit import Audit, judging
from pallets.balances import Balances
from pallets.sminer import Sminer
from primitives.types import Balance
from storage_miner.restoral import Restoral
from tests.simulation.ideal import patched
from tests.simulation.storage.miner import Miner


def no_draws() -> AbstractContextManager[None]:
    """Nobody is audited any more."""
    return patched([(Audit, "_draw", lambda self, n: 0)])


def free_faults() -> AbstractContextManager[None]:
    """Faults are noted and cost nothing."""
    return patched([(Sminer, "punish", lambda self, who, permille: Balance(0))])


def believed_proofs() -> AbstractContextManager[None]:
    """A service proof is taken for right."""
    return patched([(judging, "rows_hold", lambda check: True)])


def no_deadline() -> AbstractContextManager[None]:
    """Nobody looks for answers that are missing."""
    return patched([(Audit, "_close_overdue", lambda self, n: 0)])


def late_answers() -> AbstractContextManager[None]:
    """Miners find out about rounds and do nothing about them."""

    async def prove(self: Miner, effect: Any) -> None:
        await self._clock.sleep(10**9)

    return patched([(Miner, "_prove", prove)])


def lazy_restorers() -> AbstractContextManager[None]:
    """Miners leave the lost fragments of others alone."""
    return patched([(Restoral, "_choose", lambda self: None)])


def made_money() -> AbstractContextManager[None]:
    """A fine takes the money twice from the books."""
    real = Balances.repatriate_reserved

    def repatriate(self: Balances, *arguments: Any) -> Any:
        left = real(self, *arguments)
        self.total_issuance.put(Balance(self.total_issuance.get() - 1))
        return left

    return patched([(Balances, "repatriate_reserved", repatriate)])
