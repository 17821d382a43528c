"""The process that makes one plot; arguments: directory, name, k, seed in hex, threads, MiB.

A process of its own, because `chiapos` holds the interpreter lock for as long as it plots (2 s at
k = 18, hours at k = 32), prints progress to standard output from C++ and keeps its buffers. Runs at
low priority and dies with its parent. Standard output is the library's progress, whose last line
names its error; other errors go to standard error.
"""

import ctypes
import os
import signal
import sys

import chiapos

NICENESS = 10
PR_SET_PDEATHSIG = 1
# The library's default stripe does not fit the small tables of k below 22.
SMALL_K_MAX = 21
STRIPE_SMALL, STRIPE_LARGE = 2048, 65536
BUCKETS_BY_BUFFER = 0
NO_MEMO = b""


def main() -> int:
    """Make the plot that the arguments name; the exit status tells whether it was made."""
    directory, name, k, seed, threads, buffer_mib = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(NICENESS)
    stripe = STRIPE_SMALL if int(k) <= SMALL_K_MAX else STRIPE_LARGE
    plotter = chiapos.DiskPlotter()
    try:
        plotter.create_plot_disk(
            directory,
            directory,
            directory,
            name,
            int(k),
            NO_MEMO,
            bytes.fromhex(seed),
            int(buffer_mib),
            BUCKETS_BY_BUFFER,
            stripe,
            int(threads),
            False,
        )
    except (RuntimeError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
