"""The worker process: `python -m storage_miner.worker` does jobs from its input, one at a time.

One line of JSON in, one line out. The real standard output is kept for answers only: whatever
libraries print goes to standard error. Runs at low priority, and ends when its input does, so it
does not outlive the daemon by more than a job. Loads what a job needs on first use: a worker that
only answers idle draws stays small.
"""

import os
import signal
import sys

from primitives.errors import DecodeError

from .jobs import MESSAGE_BYTES_MAX, Failed, Prover, decode_job, encode

NICENESS = 5


def main() -> int:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    prover = Prover()
    while line := sys.stdin.buffer.readline(MESSAGE_BYTES_MAX):
        try:
            result = prover.perform(decode_job(line))
        except DecodeError as error:
            result = Failed(str(error))
        try:
            answers.write(encode(result))
            answers.flush()
        except BrokenPipeError:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
