"""The process that checks signatures: reads batches from its input, answers with a byte for each.

It imports as little as it can, holds nothing between batches, and ends when its input does, which
is when the node is gone. ``signature_workers`` starts it and is its only peer.
"""

import signal
import sys
from multiprocessing.connection import Connection

from primitives.extrinsic import MultiSignature, verify_multi
from primitives.types import AccountId

__all__ = ["Batch", "main", "serve"]

Batch = list[tuple[MultiSignature, bytes, AccountId]]
"""Signatures, payloads and signers."""


def serve(asked: Connection, answers: Connection) -> None:
    """Answer until there is nobody to answer."""
    while True:
        try:
            batch: Batch = asked.recv()
            answers.send_bytes(bytes(verify_multi(*each) for each in batch))
        except (EOFError, OSError):
            return


def main() -> None:
    """Serve standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the node decides when to stop
    serve(
        Connection(sys.stdin.fileno(), writable=False),
        Connection(sys.stdout.fileno(), readable=False),
    )


if __name__ == "__main__":
    main()
