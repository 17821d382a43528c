"""The worker process: `python -m storage_miner.worker` does jobs from its input, one at a time.

One line of JSON in, one line out. The real standard output is kept for answers only: whatever
libraries print goes to standard error. Runs at low priority and dies with its parent. Loads what a
job needs on first use, so a worker that only answers idle draws stays small.
"""

import ctypes
import os
import signal
import sys

from primitives.errors import DecodeError

from .jobs import MESSAGE_BYTES_MAX, Failed, decode_job, encode, perform

NICENESS = 5
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serve until standard input ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while line := sys.stdin.buffer.readline(MESSAGE_BYTES_MAX):
        try:
            result = perform(decode_job(line))
        except DecodeError as error:
            result = Failed(str(error))
        answers.write(encode(result))
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
