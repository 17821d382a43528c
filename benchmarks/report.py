"""Run every benchmark and write docs/benchmarks.md with the machine it ran on.

`make bench` runs this file. Each `bench_*.py` is a script that prints one table of ratios measured
in that run; name some to run only those: `python -m benchmarks.report scale trie`.
"""

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
SCRIPT_SECONDS_MAX = 1800


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


def run(script: Path) -> tuple[bool, str]:
    print(f"== {script.stem}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{script.stem}"],
        cwd=HERE.parent,
        stdout=subprocess.PIPE,
        text=True,
        timeout=SCRIPT_SECONDS_MAX,
        check=False,
    )
    print(done.stdout, flush=True)
    return done.returncode == 0, done.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="benchmarks to run, without `bench_`")
    chosen = parser.parse_args().names
    scripts = sorted(HERE.glob("bench_*.py"))
    if chosen:
        scripts = [script for script in scripts if script.stem.removeprefix("bench_") in chosen]
    sections, failed = [], []
    for script in scripts:
        good, text = run(script)
        if not good:
            failed.append(script.stem)
            continue
        command = f"python -m benchmarks.report {script.stem.removeprefix('bench_')}"
        sections.append(
            f"## {script.stem.removeprefix('bench_')}\n\n`{command}`\n\n```text\n{text}\n```\n"
        )
    if not chosen:
        head = (
            "# Benchmarks\n\n"
            f"Measured on {dt.date.today()} by `make bench`: {machine()}.\n"
            "Shared machines are noisy: trust ratios within one table, not seconds.\n\n"
        )
        PAGE.write_text(head + "\n".join(sections))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
