"""A node whose program has the next runtime too, as a later release would."""

from node.cli import main
from node.runtime.composition import RUNTIMES
from tests.node.runtime.next_runtime import NextRuntime

if __name__ == "__main__":
    RUNTIMES[int(NextRuntime.version.spec_version)] = NextRuntime
    main()
