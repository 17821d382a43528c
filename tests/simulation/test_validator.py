"""What the simulated shell leaves out makes no difference to a voter."""

from collections.abc import Iterator
from contextlib import contextmanager

from node.consensus.grandpa import Received
from primitives.grandpa import GossipMessage
from tests.simulation import validator
from tests.simulation.campaign import plan_of, run_plan
from tests.simulation.ideal import patched


@contextmanager
def looked_at_all_the_same(seen: list[GossipMessage]) -> Iterator[None]:
    """What would be left out is given to the voter, which must neither change nor order."""
    real = validator.ignores

    def ignores(voter: validator.Voter, peer: str, message: GossipMessage) -> bool:
        if not real(voter, peer, message):
            return False
        before = voter.statistics(), voter.next_deadline()
        voter.receive(Received(peer, message), voter._now)
        assert voter.next_effect() is None
        assert (voter.statistics(), voter.next_deadline()) == before
        seen.append(message)
        return True

    with patched([(validator, "ignores", ignores)]):
        yield


def test_messages_that_are_left_out_change_nothing() -> None:
    for seed in (2, 13):
        seen: list[GossipMessage] = []
        plan = plan_of(seed, 4 * 60_000)
        looked = run_plan(plan, [looked_at_all_the_same(seen)])
        assert looked.failure is None
        assert len(seen) > 100
        assert looked.digest == run_plan(plan).digest
