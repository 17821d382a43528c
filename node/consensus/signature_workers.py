"""Signatures checked ahead in worker processes, because the bindings hold the interpreter's lock.

A verifier for all executives of a node: it remembers what was good, and what executives announce
with ``expect`` is being checked elsewhere while they decode and execute what comes before it.
Checking one signature here costs 40 microseconds in which no other thread runs, handing it over 5.

Guarantees: an answer is that of ``check_signature`` for these very bytes; a worker that dies, hangs
or cannot start costs time, never an answer. Workers end when the node does, however it ends: their
pipe closes. They start when there is first work for them, and nobody waits for that.
Bounds: ``BATCH_COUNT`` checks in one message, ``PENDING_MAX`` handed over, ``RESTARTS_MAX`` starts
of a worker after its first; the memory of good ones is ``SignatureCache``'s.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Final

import structlog

from node.consensus.signature_worker import Batch
from pallets.frame.signatures import SignatureCache, SignatureCheck, check_signature

__all__ = [
    "BATCH_COUNT",
    "EXPECTED_MIN",
    "PENDING_MAX",
    "WORKERS_MAX",
    "SignatureWorkers",
    "default_worker_count",
]

log = structlog.get_logger("node")

BATCH_COUNT: Final = 64
EXPECTED_MIN: Final = 8
"""Fewer checks than these are done where they are asked for: a message costs more."""

PENDING_MAX: Final = 16_384
ANSWER_S: Final = 10.0
"""How long one batch may take."""

RESTARTS_MAX: Final = 3
WORKERS_MAX: Final = 4
WORKER_MODULE: Final = "node.consensus.signature_worker"


def default_worker_count() -> int:
    """One fewer than processors, for the rest of the node needs one; at most ``WORKERS_MAX``."""
    return max(0, min(WORKERS_MAX, len(os.sched_getaffinity(0)) - 1))


class _Worker:
    """One process and the pipes to it; used by one thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: Connection | None = None
        self._answers: Connection | None = None
        self._start_count = 0

    @property
    def is_spent(self) -> bool:
        """Whether it failed too often to be tried again."""
        return self._process is None and self._start_count > RESTARTS_MAX

    def check(self, batch: Batch) -> bytes:
        """One byte for each check; raises ``OSError`` or ``EOFError`` if there is no answer."""
        if self._process is None:
            self.start()
        asked, answers = self._asked, self._answers
        assert asked is not None, "because start sets it or raises"
        assert answers is not None, "because start sets it or raises"
        try:
            asked.send(batch)
            if not answers.poll(ANSWER_S):
                raise EOFError("it takes too long")
            answer = answers.recv_bytes()
            if len(answer) != len(batch):
                raise EOFError("its answer is cut short")
        except (EOFError, OSError):
            self.stop()
            raise
        return answer

    def start(self) -> None:
        """Start the process; returns when it answers, or raises as ``check``."""
        if self.is_spent:
            raise EOFError("it failed too often")
        self._start_count += 1
        asked_in, asked_out = os.pipe()
        answers_in, answers_out = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-m", WORKER_MODULE], stdin=asked_in, stdout=answers_out
            )
        finally:
            os.close(asked_in)
            os.close(answers_out)
            self._asked = Connection(asked_out, readable=False)
            self._answers = Connection(answers_in, writable=False)
        self.check([])

    def stop(self) -> None:
        """End the process."""
        for pipe in (self._asked, self._answers):
            if pipe is not None:
                pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._asked = self._answers = None


class SignatureWorkers:
    """See the module's text. ``worker_count`` 0 checks all where it is asked for."""

    def __init__(self, worker_count: int = 0) -> None:
        self._cache = SignatureCache(verify=self._verify)
        self._lock = threading.Lock()
        self._pending: dict[bytes, tuple[Future[bytes], int]] = {}
        self._idle = [_Worker() for _ in range(worker_count)]
        self._all = tuple(self._idle)
        self._are_warm = False
        self._warming = False
        self._threads: ThreadPoolExecutor | None = None
        if worker_count:
            self._threads = ThreadPoolExecutor(worker_count, thread_name_prefix="signatures")
        self.elsewhere_count = 0
        """Checks that workers answered."""

    def __call__(self, check: SignatureCheck) -> bool:
        """Whether the signature is good: from memory, from a worker, or checked here."""
        key = check.key()
        with self._lock:
            if self._cache.knows(key):
                return True
            found = self._pending.pop(key, None)
        good = self._verify(check) if found is None else self._answer(found, check)
        if good:
            with self._lock:
                self._cache.remember(key)
        return good

    def _answer(self, found: tuple[Future[bytes], int], check: SignatureCheck) -> bool:
        future, index = found
        try:
            return bool(future.result()[index])
        except (CancelledError, EOFError, OSError):  # cancelled: the node is stopping
            return self._verify(check)

    @staticmethod
    def _verify(check: SignatureCheck) -> bool:
        return check_signature(check)

    def expect(self, checks: Sequence[SignatureCheck]) -> None:
        """These will be asked soon: begin to check those that are not known."""
        threads = self._threads
        if threads is None or len(checks) < EXPECTED_MIN or all(w.is_spent for w in self._all):
            return
        if not self._are_warm:
            if not self._warming:
                self._warming = True
                threads.submit(self._warm)
            return
        keyed = [(check.key(), check) for check in checks]
        with self._lock:
            new = {key: check for key, check in keyed if not self._cache.knows(key)}
            new = {key: check for key, check in new.items() if key not in self._pending}
            if len(new) < EXPECTED_MIN:
                return
            if len(self._pending) + len(new) > PENDING_MAX:
                self._pending.clear()  # asked for by executives that gave up
            keys = list(new)
            for at in range(0, len(keys), BATCH_COUNT):
                part = keys[at : at + BATCH_COUNT]
                future = threads.submit(self._check_batch, [new[key] for key in part])
                for index, key in enumerate(part):
                    self._pending[key] = (future, index)

    def _warm(self) -> None:
        for worker in self._all:
            try:
                worker.start()
            except (EOFError, OSError) as error:
                log.warning("a signature worker does not start", reason=str(error))
        self._are_warm = True

    def _check_batch(self, batch: list[SignatureCheck]) -> bytes:
        with self._lock:
            worker = self._idle.pop()
        try:
            answer = worker.check([(each.signature, each.payload, each.signer) for each in batch])
        except (EOFError, OSError) as error:
            log.warning("a signature worker failed; its work is done here", reason=str(error))
            raise
        finally:
            with self._lock:
                self._idle.append(worker)
        self.elsewhere_count += len(batch)
        return answer

    def close(self) -> None:
        """End the workers; checks go on here."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(cancel_futures=True)
        for worker in self._all:
            worker.stop()
