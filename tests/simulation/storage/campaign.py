"""Many storage worlds, one after another, and how a failing seed is replayed.

python -m tests.simulation.storage.campaign --worlds 100
python -m tests.simulation.storage.campaign --seed 123 [--shrink]
"""

import argparse
import random
import sys
import time

from tests.simulation.storage.world import StorageWorld, fewer_faults, live, plan_of, report

FAILURES_MAX = 20
BLOCKS = 420


def campaign(worlds: int, blocks: int, first: int | None) -> int:
    """Seeds until so many worlds are lived; the count of violations."""
    seed = random.SystemRandom().randrange(1 << 32) if first is None else first
    print(f"storage worlds: seeds from {seed} on, {blocks} blocks each")
    counts: dict[str, int] = {}
    failures: list[int] = []
    began = time.process_time()
    for number in range(seed, seed + worlds):
        plan = plan_of(number, blocks)
        world, failure = live(plan)
        _add(counts, world)
        if failure is not None:
            failures.append(number)
            print(report(plan, failure), flush=True)
            if len(failures) >= FAILURES_MAX:
                break
        if (number - seed) % 10 == 9:
            print(f"{number - seed + 1} worlds, {len(failures)} violations", flush=True)
    print(f"{worlds} storage worlds in {time.process_time() - began:.0f} s of processor time")
    for name in sorted(counts):
        print(f"  {name}: {counts[name]}")
    print(f"violations: {len(failures)} {failures}")
    return len(failures)


def _add(counts: dict[str, int], world: StorageWorld) -> None:
    for name, count in world.checkers.counts.items():
        counts[name] = counts.get(name, 0) + count


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Live through many simulated storage networks.")
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    parser.add_argument("--seed", type=int, help="one seed only")
    parser.add_argument("--first", type=int, help="the first seed; else it is drawn")
    parser.add_argument("--shrink", action="store_true", help="drop faults that are not needed")
    options = parser.parse_args()
    if options.seed is None:
        return campaign(options.worlds, options.blocks, options.first)
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
