"""Which node is used: by genesis, heads and final blocks; and that failing costs bounded work."""

from dataclasses import replace
from typing import Any

import pytest

from client.addresses import ENDPOINTS_MAX
from client.chain.endpoints import (
    TELL_EVERY_S,
    BestSeen,
    Changed,
    Endpoints,
    Failed,
    FinalSeen,
    Look,
    Looked,
    LookFailed,
    NobodyUsable,
    Refused,
    Sighting,
    Standing,
    Unfit,
)
from client.chain.limits import ChainLimits
from primitives.types import Hash

LIMITS = ChainLimits()
GENESIS = Hash(bytes([1]) * 32)
OTHER = Hash(bytes([2]) * 32)
URLS = tuple(f"ws://n{index}:1" for index in range(ENDPOINTS_MAX))


def block(number: int, fork: int = 0) -> Hash:
    return Hash(bytes([fork]) + number.to_bytes(31, "big"))


class Net:
    """Nodes that answer as they are told, and the core that looks at them."""

    def __init__(self, count: int = 2, genesis: Hash | None = None) -> None:
        self.core = Endpoints(URLS[:count], LIMITS, genesis)
        self.now = 1000.0
        self.best = [100] * count
        self.final = [98] * count
        self.genesis = [GENESIS] * count
        self.fork = [0] * count
        self.took = [0.1] * count
        self.down: set[int] = set()
        self.looks: list[int] = []
        self.told: list[Any] = []

    def answer(self, look: Look) -> Sighting | LookFailed:
        at = look.index
        self.looks.append(at)
        if at in self.down:
            return LookFailed(look, "refused")
        known = look.mark if look.mark <= self.best[at] else 0
        return Sighting(
            look=look,
            genesis=self.genesis[at],
            best=self.best[at],
            finalized=self.final[at],
            at_mark=block(known, self.fork[at]) if known else None,
            took_s=self.took[at],
        )

    def step(self) -> None:
        """Make the looks that are due now."""
        looks = self.core.to_look(self.now)
        if looks:
            self.core.receive(Looked(tuple(self.answer(look) for look in looks)), self.now)
        while (effect := self.core.next_effect()) is not None:
            self.told.append(effect)

    def run(self, seconds: float) -> None:
        """Let time pass, and look whenever that is due."""
        end = self.now + seconds
        self.step()
        while (due := self.core.next_due()) <= end:
            self.now = max(self.now, due)
            self.step()
        self.now = end

    def tell(self, what: Any) -> None:
        self.core.receive(what, self.now)
        self.step()

    def grow(self, blocks: int, *nodes: int) -> None:
        for at in nodes or range(len(self.best)):
            self.best[at] += blocks
            self.final[at] += blocks

    def standing(self, at: int) -> Standing:
        return self.core.reports()[at].standing


def test_the_first_of_the_list_that_is_well_is_used() -> None:
    net = Net(3)
    net.step()
    assert net.core.in_use == 0
    net = Net(3)
    net.down = {0}
    net.step()
    assert net.core.in_use == 1
    assert net.told == []


def test_a_node_that_ends_is_left_at_once_for_the_next() -> None:
    net = Net()
    net.step()
    net.down = {0}
    net.tell(Failed(0, "reset"))
    assert net.core.in_use == 1
    assert net.told == [Changed(URLS[1])]
    assert net.standing(0) is Standing.unreachable


def test_one_broken_connection_does_not_change_the_node() -> None:
    net = Net()
    net.step()
    net.tell(Failed(0, "reset"))
    assert net.core.in_use == 0
    net.tell(Failed(0, "reset"))
    assert net.core.in_use == 1


def test_the_failure_of_a_node_that_is_not_in_use_any_more_is_no_news() -> None:
    net = Net()
    net.step()
    net.core.receive(Failed(1, "cut"), net.now)
    assert net.core.in_use == 0
    assert net.standing(1) is Standing.good


def test_the_preferred_node_is_returned_to_after_it_was_well_for_a_while() -> None:
    net = Net()
    net.step()
    net.down = {0}
    net.tell(Failed(0, "reset"))
    net.run(60)
    net.down = set()
    net.run(LIMITS.reconnect_delay_max_s)
    assert net.standing(0) is Standing.good
    net.run(LIMITS.settle_s - LIMITS.reconnect_delay_max_s - 1)
    assert net.core.in_use == 1
    net.run(LIMITS.reconnect_delay_max_s + LIMITS.look_every_s + 1)
    assert net.core.in_use == 0


def test_a_node_that_flaps_costs_bounded_looks_and_lines() -> None:
    """It answers each look and breaks each connection that is used: the worst that it can do."""
    net = Net()
    net.step()
    uses = 0
    for _ in range(3600):
        net.run(1)
        while net.core.in_use == 0:
            uses += 1
            net.tell(Failed(0, "reset"))
    assert net.core.in_use == 1
    assert uses <= 2 * 3600 / LIMITS.settle_s + 2
    assert net.looks.count(0) <= 3600 / LIMITS.look_every_s + 12 * uses
    assert len(net.told) <= 2 * uses


@pytest.mark.parametrize("count", [1, 3])
def test_dead_nodes_are_looked_at_with_growing_delays_up_to_the_cap(count: int) -> None:
    net = Net(count)
    net.down = set(range(count))
    net.run(3600)
    assert net.core.in_use is None
    assert net.looks.count(0) <= 3600 / LIMITS.reconnect_delay_max_s + 8
    assert net.looks.count(0) >= 3600 / LIMITS.reconnect_delay_max_s - 8


def test_all_down_is_one_line_that_names_each_and_one_when_it_is_over() -> None:
    net = Net()
    net.step()
    net.down = {0, 1}
    net.tell(Failed(0, "reset"))
    net.run(3600)
    assert len(net.told) == 1
    assert isinstance(net.told[0], NobodyUsable)
    assert all(url in net.told[0].why for url in URLS[:2])
    net.down = {0}
    net.run(LIMITS.reconnect_delay_max_s)
    assert net.told[1:] == [Changed(URLS[1])]


def test_outages_that_come_and_go_are_told_of_once_a_minute() -> None:
    net = Net(1)
    net.step()
    for _ in range(600):
        net.down = {0}
        net.tell(Failed(0, "reset"))
        net.run(1)
        net.down = set()
        net.run(5)
    assert len([item for item in net.told if isinstance(item, NobodyUsable)]) <= (
        3600 / TELL_EVERY_S + 1
    )


# Another chain.


def test_the_genesis_is_that_of_the_first_in_the_list_and_others_are_refused() -> None:
    net = Net(3)
    net.genesis = [GENESIS, OTHER, GENESIS]
    net.step()
    assert net.core.genesis == GENESIS
    assert net.standing(1) is Standing.other_chain
    assert [type(item) for item in net.told] == [Refused]
    assert OTHER.hex() in net.told[0].why
    net.down = {0, 2}
    net.tell(Failed(0, "reset"))
    net.run(600)
    assert net.core.in_use is None


def test_a_known_genesis_beats_the_order() -> None:
    net = Net(genesis=GENESIS)
    net.genesis = [OTHER, GENESIS]
    net.step()
    assert net.core.in_use == 1
    assert net.core.mismatch() == ""


def test_when_all_follow_another_chain_that_is_said() -> None:
    net = Net(genesis=GENESIS)
    net.genesis = [OTHER, OTHER]
    net.step()
    assert "--rpc" in net.core.mismatch()
    assert net.core.in_use is None


# Behind.


@pytest.mark.parametrize("lag", [-1, 0, 1])
@pytest.mark.parametrize("what", ["best", "final"])
def test_a_node_further_behind_than_the_limit_is_left(lag: int, what: str) -> None:
    net = Net()
    net.step()
    heights = net.best if what == "best" else net.final
    heights[1] += LIMITS.lag_blocks_max + lag
    net.run(LIMITS.look_every_s)
    assert net.core.in_use == (1 if lag > 0 else 0)
    assert net.core.reports()[0].lag_blocks == LIMITS.lag_blocks_max + lag
    if lag > 0:
        assert net.standing(0) is Standing.behind
        refused = next(item for item in net.told if isinstance(item, Refused))
        assert refused.url == URLS[0]
        assert str(LIMITS.lag_blocks_max) in refused.why


def test_a_node_that_is_stuck_is_left_and_told_of_once() -> None:
    net = Net()
    net.step()
    for _ in range(600):
        net.grow(1, 1)
        net.run(1)
    assert net.core.in_use == 1
    assert len([item for item in net.told if isinstance(item, Refused)]) == 1


def test_one_of_three_that_claims_to_be_far_ahead_starves_nobody() -> None:
    net = Net(3)
    net.best[2] = net.final[2] = 1_000_000
    net.run(120)
    assert net.core.in_use == 0
    assert [net.standing(at) for at in (0, 1)] == [Standing.good] * 2


def test_a_slow_answer_does_not_make_the_others_late() -> None:
    net = Net()
    net.best[1] += LIMITS.lag_blocks_max + 1
    net.took[1] = LIMITS.quick_look_s + 0.1
    net.step()
    assert net.core.in_use == 0


# What was seen stays seen.


def test_a_node_is_used_only_once_it_has_what_the_former_one_told() -> None:
    net = Net()
    net.step()
    net.tell(FinalSeen(100, block(100)))
    net.tell(BestSeen(102))
    net.down = {0}
    net.tell(Failed(0, "reset"))
    assert net.core.in_use is None
    assert net.told == []
    net.grow(2, 1)
    net.run(LIMITS.catch_up_poll_s)
    assert net.core.in_use == 1


def test_a_best_block_that_nobody_else_ever_has_is_given_up_and_a_final_one_is_not() -> None:
    net = Net()
    net.step()
    net.tell(BestSeen(105))
    net.down = {0}
    net.tell(Failed(0, "reset"))
    net.run(LIMITS.catch_up_s + 1)
    assert net.core.in_use == 1

    net = Net()
    net.step()
    net.tell(FinalSeen(100, block(100)))
    net.down = {0}
    net.tell(Failed(0, "reset"))
    net.run(600)
    assert net.core.in_use is None
    assert net.standing(1) is Standing.behind
    assert [type(item) for item in net.told] == [Refused, NobodyUsable]
    net.grow(2, 1)
    net.run(LIMITS.reconnect_delay_max_s + 1)
    assert net.core.in_use == 1


def test_a_node_whose_final_blocks_are_others_is_never_used() -> None:
    net = Net()
    net.step()
    net.tell(FinalSeen(98, block(98)))
    net.fork[1] = 7
    net.down = {0}
    net.tell(Failed(0, "reset"))
    net.grow(50, 1)
    net.run(600)
    assert net.core.in_use is None
    assert net.standing(1) is Standing.other_blocks
    assert any(isinstance(item, Refused) and "98" in item.why for item in net.told)


@pytest.mark.parametrize("standing", [Standing.behind, Standing.other_blocks])
def test_a_node_that_takes_back_what_was_final_is_left(standing: Standing) -> None:
    net = Net()
    net.step()
    net.tell(FinalSeen(98, block(98)))
    net.final[0] = 90
    net.tell(Unfit(0, standing, "older"))
    assert net.core.in_use == 1
    assert net.core.mark == (98, block(98))


def test_an_older_final_block_changes_nothing() -> None:
    net = Net()
    net.tell(FinalSeen(98, block(98)))
    net.tell(FinalSeen(90, block(90)))
    assert net.core.mark == (98, block(98))


def test_a_look_that_was_ordered_before_a_block_became_final_is_judged_by_what_was_known() -> None:
    net = Net()
    net.step()
    looks = net.core.all_looks()
    net.core.receive(FinalSeen(99, block(99)), net.now)
    net.core.receive(Looked(tuple(net.answer(look) for look in looks)), net.now)
    assert net.core.in_use == 0


def test_a_lone_node_that_is_well_is_not_looked_at_again() -> None:
    net = Net(1)
    net.run(3600)
    assert net.looks == [0]


def test_reports_say_who_is_used_and_how_far_behind_each_is() -> None:
    net = Net(3)
    net.best[1] -= 3
    net.down = {2}
    net.step()
    first, second, third = net.core.reports()
    assert (first.is_in_use, first.best, first.finalized, first.lag_blocks) == (True, 100, 98, 0)
    assert (second.is_in_use, second.lag_blocks) == (False, 3)
    assert (third.standing, third.why, third.lag_blocks) == (
        Standing.unreachable,
        "refused",
        None,
    )


def test_limits_can_be_changed() -> None:
    net = Net()
    net.core = Endpoints(URLS[:2], replace(LIMITS, lag_blocks_max=0))
    net.best[0] -= 1
    net.step()
    assert net.core.in_use == 1
