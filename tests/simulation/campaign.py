"""Many worlds, one after another: what ``make soak`` runs, and how a failing seed is replayed.

    python -m tests.simulation.campaign --hours 5000        random seeds, for a night
    python -m tests.simulation.campaign --seed 123          one seed again, with its faults
    python -m tests.simulation.campaign --seed 123 --shrink the fewest faults that still fail

``plan_of`` makes a plan of a seed: how many validators, who betrays, what goes wrong. A *cluster-
hour* is an hour of virtual time of one whole cluster, of four validators or more.
"""

import argparse
import gc
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial

from node.consensus.grandpa import Timing
from node.consensus.grandpa.shell import timing_for
from tests.simulation.checkers import Violation
from tests.simulation.faults import TREASONS, Fault, draw_faults
from tests.simulation.ideal import ideal_crypto
from tests.simulation.network import FAIR, Weather
from tests.simulation.storage import campaign as storage
from tests.simulation.tiny import SLOT_MS, Executions, tiny_runtime
from tests.simulation.workers import outcomes
from tests.simulation.world import Plan, World

HOUR_MS = 3_600_000
CORES = os.cpu_count() or 1
HOURS_TO_A_STORAGE_WORLD = 10
"""After so many cluster-hours a storage network is lived through: a fifth of the time."""
FAILURES_MAX = 50
"""Violations after which a campaign ends: something is plainly wrong."""
TIMINGS = (
    Timing(gossip_ms=1000, repeat_ms=6000, idle_ms=6000),
    Timing(gossip_ms=2000, repeat_ms=5000),
    timing_for(SLOT_MS),
)
"""The first has one round in a slot and is the cheapest; the last is that of production."""
SIZES = (*((4, 4, 0),) * 8, (4, 4, 30), (4, 4, 30), (6, 4, 20), (5, 5, 0), (7, 7, 0))
"""Validators, validators in a set, blocks between changes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run."""

    plan: Plan
    failure: str | None
    digest: str
    hours: float
    seconds: float
    heals: tuple[int, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    finalized: int = 0


def plan_of(seed: int, length_ms: int = HOUR_MS) -> Plan:
    """The plan of a seed."""
    draw = random.Random(seed)
    validators, in_set, rotation = draw.choice(SIZES)
    timing = draw.choices(TIMINGS, weights=(10, 1, 1))[0]
    traitors = []
    for index in range(draw.choice((0, 1, (in_set - 1) // 3))):
        treasons = tuple(sorted(draw.sample(TREASONS, draw.randint(1, 3))))
        traitors.append((index if rotation else index + draw.randrange(2), treasons))
    if len({index for index, _ in traitors}) < len(traitors):
        traitors = traitors[:1]
    weather = draw.choice((FAIR, FAIR, Weather(delay_ms=(20, 300)), Weather(loss=0.02, late=0.01)))
    return Plan(
        seed=seed,
        validators=validators,
        in_set=in_set,
        rotation=rotation,
        length_ms=length_ms,
        timing=timing,
        weather=weather,
        traitors=tuple(traitors),
        faults=draw_faults(draw, validators, length_ms),
        is_wired=draw.random() < 0.1,
        repeats_gossip=draw.random() < 0.1,
        state_pruning=draw.choice((16, 64, 256)),
    )


def live(
    plan: Plan, twins: Iterable[AbstractContextManager[object]] = ()
) -> tuple[World, str | None]:
    """Live through a plan; the world, and what went wrong. ``twins`` break defences meanwhile."""
    with ExitStack() as stack:
        stack.enter_context(ideal_crypto())
        stack.enter_context(tiny_runtime(Executions()))
        for twin in twins:
            stack.enter_context(twin)
        world = World(plan)
        gc.disable()
        try:
            world.run()
        except Violation as violation:
            return world, str(violation)
        finally:
            gc.enable()
        return world, None


def run_plan(plan: Plan, twins: Iterable[AbstractContextManager[object]] = ()) -> Outcome:
    """Live through a plan and sum it up."""
    began = time.process_time()
    world, failure = live(plan, twins)
    lived = (world.now - world.began) / HOUR_MS
    return Outcome(
        plan,
        failure,
        world.digest,
        lived,
        time.process_time() - began,
        tuple(world.heals),
        dict(world.counts),
        world.checkers.highest,
    )


def run_seed(seed: int, length_ms: int = HOUR_MS) -> Outcome:
    """Live through the plan of a seed."""
    return run_plan(plan_of(seed, length_ms))


def shrink(plan: Plan, failure: str) -> Plan:
    """The same plan with as few faults as still lead to a failure of the same kind."""
    kind, faults = _kind(failure), list(plan.faults)
    size = max(len(faults) // 2, 1)
    while True:
        at = 0
        while at < len(faults):
            fewer: list[Fault] = faults[:at] + faults[at + size :]
            _, again = live(replace(plan, faults=tuple(fewer)))
            if again is not None and _kind(again) == kind:
                faults = fewer
            else:
                at += size
        if size == 1:
            return replace(plan, faults=tuple(faults))
        size = max(size // 2, 1)


def _kind(failure: str) -> str:
    return "".join(letter for letter in failure if letter.isalpha() or letter == " ")[:40]


def report(outcome: Outcome) -> str:
    """What a failing run prints."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    minutes = outcome.plan.length_ms // 60_000
    return (
        f"seed {outcome.plan.seed} at commit {commit}: {outcome.failure}\n"
        f"replay: python -m tests.simulation.campaign --seed {outcome.plan.seed} "
        f"--minutes {minutes} [--shrink]\n{outcome.plan}"
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Live through many simulated cluster-hours.")
    parser.add_argument("--hours", type=float, default=10.0, help="cluster-hours in all")
    parser.add_argument("--minutes", type=int, default=60, help="virtual minutes of one world")
    parser.add_argument("--seed", type=int, help="one seed only")
    parser.add_argument("--first", type=int, help="the first seed of a campaign; else it is drawn")
    parser.add_argument("--workers", type=int, default=CORES, help="processes; else one a core")
    parser.add_argument("--shrink", action="store_true", help="drop faults that are not needed")
    options = parser.parse_args()
    length_ms = options.minutes * 60_000
    if options.seed is not None:
        outcome = run_seed(options.seed, length_ms)
        print(outcome.plan)
        print(f"{outcome.failure or 'no violation'}; trace {outcome.digest}")
        print(f"heals (ms): {outcome.heals}; {outcome.counts}")
        if outcome.failure is not None and options.shrink:
            print("with the fewest faults:")
            print(shrink(outcome.plan, outcome.failure))
        return outcome.failure is not None
    workers = max(options.workers, 1)
    failures = campaign(options.hours, length_ms, options.first, workers)
    worlds = max(int(options.hours) // HOURS_TO_A_STORAGE_WORLD, 1)
    return failures + storage.campaign(worlds, storage.BLOCKS, options.first, workers)


@dataclass
class Tally:
    """What a campaign has lived through."""

    lived: float = 0.0
    seconds: float = 0.0
    worlds: int = 0
    finalized: int = 0
    failures: list[int] = field(default_factory=list)
    heals: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """One more world."""
        self.lived += outcome.hours
        self.seconds += outcome.seconds
        self.worlds += 1
        self.finalized += outcome.finalized
        self.heals += outcome.heals
        for name, count in outcome.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        if outcome.failure is not None:
            self.failures.append(outcome.plan.seed)

    def summary(self, wall_s: float) -> str:
        """What a campaign prints in the end."""
        heals = sorted(self.heals) or [0]
        each_s, hourly = self.seconds / self.lived, self.lived / wall_s * 3600
        middle, most = heals[len(heals) // 2], heals[len(heals) * 99 // 100]
        lines = [
            f"{self.lived:.1f} cluster-hours in {self.worlds} worlds, {self.finalized} final",
            f"{each_s:.1f} s of processor time for each, {hourly:.0f} in an hour of the clock",
            *(f"  {name}: {self.counts[name]}" for name in sorted(self.counts)),
            f"healed {len(self.heals)} times within (median, 99 %, all) "
            + ", ".join(f"{heal / 1000:.1f} s" for heal in (middle, most, heals[-1])),
            f"violations: {len(self.failures)} {sorted(self.failures)}",
        ]
        return "\n".join(lines)


def campaign(hours: float, length_ms: int, first: int | None, workers: int = 1) -> int:
    """Seeds until so many hours are lived; the count of violations."""
    seed = random.SystemRandom().randrange(1 << 40) if first is None else first
    print(
        f"seeds from {seed} on, {length_ms // 60_000} minutes each, {workers} at a time, "
        f"python {sys.version[:6]}",
        flush=True,
    )
    tally, began = Tally(), time.monotonic()
    with closing(outcomes(partial(run_seed, length_ms=length_ms), seed, workers)) as found:
        for outcome in found:
            tally.add(outcome)
            if outcome.failure is not None:
                print(report(outcome), flush=True)
            if tally.worlds % 100 == 0:
                print(
                    f"{tally.lived:.0f} cluster-hours, {len(tally.failures)} violations", flush=True
                )
            if tally.lived >= hours or len(tally.failures) >= FAILURES_MAX:
                break
    print(tally.summary(time.monotonic() - began))
    return len(tally.failures)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
