"""Many storage worlds, one after another, and how a failing seed is replayed.

python -m tests.simulation.storage.campaign --worlds 100
python -m tests.simulation.storage.campaign --seed 123 [--shrink]
"""

import argparse
import random
import sys
import time
from contextlib import closing
from functools import partial

from tests.simulation.storage.world import StoragePlan, fewer_faults, live, plan_of, report
from tests.simulation.workers import outcomes

FAILURES_MAX = 20
BLOCKS = 420


Lived = tuple[StoragePlan, str | None, dict[str, int], float]
"""A plan, what went wrong, what was counted, and seconds of processor time."""


def live_seed(seed: int, blocks: int) -> Lived:
    """Live through the plan of a seed."""
    began = time.process_time()
    plan = plan_of(seed, blocks)
    world, failure = live(plan)
    return plan, failure, world.checkers.counts, time.process_time() - began


def campaign(worlds: int, blocks: int, first: int | None, workers: int = 1) -> int:
    """So many worlds; the count of violations."""
    seed = random.SystemRandom().randrange(1 << 32) if first is None else first
    print(f"storage worlds: seeds from {seed} on, {blocks} blocks each", flush=True)
    counts: dict[str, int] = {}
    failures: list[int] = []
    done, seconds = 0, 0.0
    with closing(outcomes(partial(live_seed, blocks=blocks), seed, workers)) as found:
        for plan, failure, counted, spent in found:
            done, seconds = done + 1, seconds + spent
            for name, count in counted.items():
                counts[name] = counts.get(name, 0) + count
            if failure is not None:
                failures.append(plan.seed)
                print(report(plan, failure), flush=True)
            if done % 10 == 0:
                print(f"{done} worlds, {len(failures)} violations", flush=True)
            if done >= worlds or len(failures) >= FAILURES_MAX:
                break
    print(f"{done} storage worlds in {seconds:.0f} s of processor time")
    for name in sorted(counts):
        print(f"  {name}: {counts[name]}")
    print(f"violations: {len(failures)} {sorted(failures)}")
    return len(failures)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Live through many simulated storage networks.")
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--seed", type=int, help="one seed only")
    parser.add_argument("--first", type=int, help="the first seed; else it is drawn")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--shrink", action="store_true", help="drop faults that are not needed")
    options = parser.parse_args()
    if options.seed is None:
        return campaign(options.worlds, options.blocks, options.first, max(options.workers, 1))
    plan = plan_of(options.seed, options.blocks)
    world, failure = live(plan)
    print(plan)
    print(f"{failure or 'no violation'}; trace {world.digest}; {world.checkers.counts}")
    if failure is not None and options.shrink:
        print("with the fewest faults:")
        print(fewer_faults(plan, failure))
    return failure is not None


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
