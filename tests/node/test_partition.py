"""Four validators on four hosts whose network is split in two and healed, by real switches.

Without permission to make network namespaces (root, or CAP_SYS_ADMIN) there is nothing to test.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.node.hosts import Hosts
from tests.node.namespaces import refusal, switchboard
from tests.node.validators import NAMES

pytestmark = pytest.mark.integration

LEFT, RIGHT = NAMES[:2], NAMES[2:]
SPLIT_BLOCKS = 8
HEAL_ROUNDS_MAX = 3


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    why = refusal()
    if why is not None:
        pytest.skip(why)
    with switchboard(NAMES) as board:
        found = Hosts(tmp_path, board)
        try:
            yield found
        finally:
            found.close()


def test_a_split_network_makes_nothing_final_and_heals_to_one_chain(
    hosts: Hosts, record_property: Callable[[str, object], None]
) -> None:
    hosts.start(*NAMES)
    hosts.until_final(3)

    hosts.board.split(RIGHT)
    stopped = hosts.settle()
    began = {name: hosts.height(name) for name in NAMES}
    # A transfer on either side, and blocks there that carry it.
    hosts.transfer("alice", "//Alice")
    hosts.transfer("dave", "//Dave")
    hosts.until(lambda: hosts.nonce_of("alice", "//Alice") == 1)
    hosts.until(lambda: hosts.nonce_of("dave", "//Dave") == 1)
    hosts.until(lambda: all(hosts.height(name) >= began[name] + SPLIT_BLOCKS for name in NAMES))
    # Two of four are not more than two thirds: neither side makes anything final.
    assert hosts.finals() == stopped
    fork = max(began.values()) + 3
    sides = [{hosts.hash_at(name, fork) for name in side} for side in (LEFT, RIGHT)]
    assert [len(side) for side in sides] == [1, 1]
    assert sides[0] != sides[1]
    assert [hosts.nonce_of("alice", who) for who in ("//Alice", "//Dave")] == [1, 0]
    assert [hosts.nonce_of("dave", who) for who in ("//Alice", "//Dave")] == [0, 1]

    begun = max(hosts.round(name) for name in NAMES)
    with hosts.subscribed("bob", "grandpa_subscribeJustifications") as justifications:
        hosts.board.split(())
        healed = time.monotonic()
        meeting_s = hosts.until(lambda: len({hosts.hash_at(name, fork) for name in NAMES}) == 1)
        hosts.until_final(max(began.values()) + SPLIT_BLOCKS)
        took_s = time.monotonic() - healed
        took_rounds = hosts.rounds_to(fork, begun, justifications)
    record_property("one chain after s", round(meeting_s, 1))
    record_property("final after s", round(took_s, 1))
    record_property("final after rounds", took_rounds)
    print(f"one chain after {meeting_s:.1f} s, final after {took_s:.1f} s, {took_rounds} rounds")
    assert took_rounds <= HEAL_ROUNDS_MAX
    hosts.check_one_history()

    # Whichever side lost its blocks, its transfer came back to the pool and into the chain.
    def both_final() -> bool:
        head = hosts.ask("bob", "chain_getFinalizedHead")
        return all(hosts.nonce_of("bob", who, head) == 1 for who in ("//Alice", "//Dave"))

    hosts.until(both_final)
    assert any("blocks retracted" in hosts.log(name).read_text() for name in NAMES)
    assert hosts.two_votes() == []
