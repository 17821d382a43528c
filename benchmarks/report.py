"""Run every benchmark and write docs/benchmarks.md with the machine and the version it ran on.

`make bench` runs this file. Each `bench_*.py` is a script that prints one table of ratios measured
in that run; name some to run only those and to replace only their sections:
`python -m benchmarks.report scale trie`. Each section says when and at which commit it was
measured, and is written at once. A script that fails or does not end keeps its section, which says
so.
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
SCRIPT_SECONDS_MAX = 1800.0
STOP_SECONDS_MAX = 60.0


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


def version() -> str:
    """The commit that is measured, `-dirty` with changes beside it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=HERE.parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "without git"
    return done.stdout.strip()


def when() -> str:
    """The day and the commit of a measurement."""
    return f"on {dt.date.today()} at {version()}"


def run(script: Path) -> tuple[str | None, str]:
    """What went wrong, None if nothing did; and what the script printed."""
    print(f"== {script.stem}", flush=True)
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{script.stem}"],
        cwd=HERE.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    problem = None
    try:
        text, _ = process.communicate(timeout=SCRIPT_SECONDS_MAX)
        if process.returncode:
            problem = f"Failed with status {process.returncode}."
    except subprocess.TimeoutExpired:
        problem = f"Stopped after {SCRIPT_SECONDS_MAX:.0f} s: what it had printed."
        process.terminate()  # scripts that start nodes stop them
        try:
            text, _ = process.communicate(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
    print(text, flush=True)
    return problem, text.strip()


def section(name: str, problem: str | None, text: str, measured: str) -> str:
    """A section of the page, without an empty line at its end."""
    warning = "" if problem is None else f"**{problem}**\n\n"
    return (
        f"## {name}\n\n`python -m benchmarks.report {name}`, {measured}\n\n"
        f"{warning}```text\n{text}\n```"
    )


def sections_of(page: str) -> dict[str, str]:
    """The sections of a page by their names."""
    found = {}
    for part in page.split("\n## ")[1:]:
        found[part.split("\n", 1)[0]] = "## " + part.rstrip("\n")
    return found


def page_of(sections: dict[str, str]) -> str:
    """The page with these sections, in the order of their names."""
    head = (
        f"# Benchmarks\n\nMeasured by `make bench`: {machine()}.\n"
        "Shared machines are noisy: trust ratios within one table, not seconds.\n"
        "A section without a date was measured before the others.\n"
    )
    return "\n".join([head, *(f"{text}\n" for _, text in sorted(sections.items()))])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="benchmarks to run, without `bench_`")
    chosen = parser.parse_args().names
    scripts = sorted(HERE.glob("bench_*.py"))
    if chosen:
        scripts = [script for script in scripts if script.stem.removeprefix("bench_") in chosen]
    measured = when()  # before the page is written, which is a change
    kept = sections_of(PAGE.read_text()) if chosen and PAGE.exists() else {}
    failed = []
    for script in scripts:
        name = script.stem.removeprefix("bench_")
        problem, text = run(script)
        if problem is not None:
            failed.append(script.stem)
        kept[name] = section(name, problem, text, measured)
        PAGE.write_text(page_of(kept))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
