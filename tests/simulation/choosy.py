"""How often an author leaves out a block whose draw it dislikes, by the rule of fork choice.

    python -m tests.simulation.choosy --hours 4

One of the authors dislikes every other block, by a coin, and tries to build beside it where it can
win. A block counts as left out if it is not on the chain of an honest node in the end. Finality is
the last word, so each rule is tried with finality as in production, with finality that takes half a
minute, and with none.
"""

import argparse
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass

from node.consensus.grandpa import Timing
from node.consensus.grandpa.shell import timing_for
from tests.simulation import broken
from tests.simulation.campaign import HOUR_MS, live
from tests.simulation.faults import CHOOSY
from tests.simulation.tiny import SLOT_MS
from tests.simulation.world import Plan

LATE = Timing(gossip_ms=7000, repeat_ms=5000)
"""Votes as if messages took seven seconds: a precommit comes four times that after its round."""


@dataclass(frozen=True, slots=True)
class Finality:
    """How soon blocks become final."""

    name: str
    timing: Timing
    is_silent: bool = False
    """Whether nobody votes."""


FINALITIES = (
    Finality("as in production", timing_for(SLOT_MS)),
    Finality("half a minute late", LATE),
    Finality("none", timing_for(SLOT_MS), is_silent=True),
)


@dataclass(frozen=True, slots=True)
class Count:
    """What a choosy author achieved."""

    disliked: int = 0
    tried_alone: int = 0
    """Built beside the block with a primary slot, without the next one."""
    won_alone: int = 0
    tried_in_row: int = 0
    """Built beside it, having the next slot too."""
    won_in_row: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    @property
    def left_out(self) -> int:
        """Disliked blocks that are not on the chain."""
        return self.won_alone + self.won_in_row


def choose(
    finality: Finality, seed: int, length_ms: int, authors: int, *, is_old_rule: bool = False
) -> Count:
    """Live through one world with a choosy author among ``authors``."""
    silent = tuple((index, ("silent",)) for index in range(1, authors - 1))
    plan = Plan(
        seed,
        validators=authors,
        in_set=authors,
        length_ms=length_ms,
        timing=finality.timing,
        traitors=((0, (CHOOSY,)), *(silent if finality.is_silent else ())),
        is_betrayed=finality.is_silent,
        state_pruning=256,
    )
    twins: list[AbstractContextManager[None]] = [broken.most_primaries()] if is_old_rule else []
    world, failure = live(plan, twins)
    assert failure is None, failure
    traitor, honest = world.nodes[0].traitor, world.nodes[-1].database
    assert traitor is not None
    settled = honest.best().number - 2
    count = Count(disliked=sum(header.number <= settled for header in traitor.disliked))
    for header, has_next in traitor.beside.items():
        if header.number > settled:
            continue
        is_won = honest.canonical_hash(int(header.number)) != header.hash()
        count += Count(0, 0, 0, 1, is_won) if has_next else Count(0, 1, is_won)
    return count


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Count draws that an author leaves out.")
    parser.add_argument("--hours", type=int, default=4, help="cluster-hours for each line")
    parser.add_argument("--first", type=int, default=2, help="the first seed")
    options = parser.parse_args()
    print("authors, finality, rule: disliked; of those tried alone, in a row; left out")
    cases = [(4, finality) for finality in FINALITIES] + [(10, FINALITIES[-1])]
    for authors, finality in cases:
        for is_old_rule in (True, False):
            count = Count()
            for seed in range(options.first, options.first + options.hours):
                count += choose(finality, seed, HOUR_MS, authors, is_old_rule=is_old_rule)
            print(
                f"{authors}, {finality.name}, {'most primary slots' if is_old_rule else 'highest'}"
                f": {count.disliked}; {count.tried_alone} ({count.won_alone} won), "
                f"{count.tried_in_row} ({count.won_in_row} won); "
                f"{100 * count.left_out / max(count.disliked, 1):.1f} %",
                flush=True,
            )


if __name__ == "__main__":
    main()
