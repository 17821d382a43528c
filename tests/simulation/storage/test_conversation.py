"""The simulated miner says to cores and chain what the daemon says: they do not drift."""

from typing import get_args

import pytest

from storage_miner import custody, deals, idle, lifecycle, responder, restoral
from storage_miner.service import Daemon
from storage_miner.transfer import Transfers
from tests.simulation.storage.conversation import said
from tests.simulation.storage.miner import Miner

CORES = (custody, deals, idle, lifecycle, responder, restoral)
ORDERS = tuple(
    f"{core.__name__.rpartition('.')[2]}.{order.__name__}"
    for core in CORES
    for order in get_args(core.Effect)
)
UNSIMULATED = {
    # Plots in memory are not damaged, and fragments lie on one volume that is always there.
    "idle.ProveCertificate": {"tell idle.PlotsDamaged", "tell idle.SpaceMeasured"},
    "responder.Prove": {
        "tell idle.PlotsDamaged",
        "tell idle.SpaceMeasured",
        "tell responder.Postponed",
    },
}
"""What only the daemon says."""


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_is_carried_out_as_the_daemon_does(order: str) -> None:
    daemon = said(order, "_perform", Daemon, Transfers)
    miner = said(order, "_perform", Miner)
    assert daemon - miner == UNSIMULATED.get(order, set())
    assert miner - daemon == set()


def test_a_head_is_looked_at_as_the_daemon_does() -> None:
    daemon, miner = said("", "_see", Daemon), said("", "see", Miner)
    assert daemon - miner == set()
    assert miner - daemon == {"ask facts"}  # the daemon has asked before it began


def test_every_order_is_known_and_most_of_them_are_answered() -> None:
    assert len(ORDERS) >= 22
    silent = [order for order in ORDERS if not said(order, "_perform", Daemon, Transfers)]
    assert silent == ["deals.DropCosignature", "responder.Miss"]


class Drifted(Miner):
    """A miner that answers one order with a fact of another, and all others alike."""

    async def _perform(self, effect: object) -> None:
        match effect:
            case deals.Report(items=items):
                self.tell(deals.CommitFailed(items[0].fragment_hash, "of another order"))
            case deals.Commit(fragment_hash):
                self.tell(deals.FragmentGone(fragment_hash))


def test_what_drifted_is_seen() -> None:
    assert said("deals.Report", "_perform", Drifted) == {"tell deals.CommitFailed"}
    assert said("deals.Commit", "_perform", Drifted) == {"tell deals.FragmentGone"}
    assert "tell deals.ReportEnded" in said("deals.Report", "_perform", Daemon, Transfers)
