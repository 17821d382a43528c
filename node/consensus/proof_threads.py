"""Service proofs verified ahead in threads: their sums and pairings let the interpreter go on.

Before a block is executed, and while one is filled, the calls that answer audits are looked at:
what each will ask the verifier is read from the state and worked out in a thread, while the block
goes on. When the pallet comes to the call it asks the same question again and finds the answer.

Guarantees: a verdict is kept under the hash of all that it depends on and is made by
``judging.rows_hold`` from just that, so it cannot be another one than without threads; a question
that was not foreseen, because the state changed meanwhile, is answered where it is asked. What is
foreseen changes nothing in the runtime: it reads.
Bounds: ``FORESEEN_MAX`` questions at a time, one for each miner; a new block forgets older ones.
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final

from node.runtime import CessRuntime
from pallets.audit import FaultyPositions
from pallets.audit.judging import RowsCheck, rows_hold
from pallets.audit.pallet import Audit
from primitives.errors import CessError
from primitives.extrinsic import MultiAddressId, UncheckedExtrinsic
from primitives.scale import U32
from primitives.types import AccountId, Bytes48
from proofs.podr2.wire import ScalarBytes

__all__ = ["FORESEEN_MAX", "THREADS_MAX", "ProofThreads", "default_thread_count"]

FORESEEN_MAX: Final = 256
THREADS_MAX: Final = 4


def default_thread_count() -> int:
    """One for each processor beside the one that executes the block: it verifies too, where it
    would wait. More take the interpreter from it, measured."""
    return min(THREADS_MAX, len(os.sched_getaffinity(0)) - 1)


@dataclass(slots=True)
class _Question:
    """What was foreseen, and whoever works it out."""

    check: RowsCheck
    verdict: Future[bool]


class ProofThreads:
    """See the module's text. ``thread_count`` 0 verifies all where it is asked for."""

    def __init__(self, thread_count: int = 0) -> None:
        self._lock = threading.Lock()
        self._foreseen: dict[bytes, _Question] = {}
        self._threads: ThreadPoolExecutor | None = None
        if thread_count:
            self._threads = ThreadPoolExecutor(thread_count, thread_name_prefix="proofs")
        self.foreseen_count = 0
        """Questions that came as they were foreseen."""

    def __call__(self, check: RowsCheck) -> bool:
        """Whether the proof holds."""
        with self._lock:
            question = self._foreseen.pop(check.key(), None)
        if question is None:
            return rows_hold(check)
        self.foreseen_count += 1
        verdict = question.verdict
        # To wait while others are not begun would be time lost.
        while not verdict.done() and self._answer_another():
            pass
        # Cancelled: no thread has come to it, or the node is stopping.
        return rows_hold(check) if verdict.cancel() else verdict.result()

    def _answer_another(self) -> bool:
        """Answer the last question that no thread has come to; False if there is none."""
        with self._lock:
            waiting = reversed(self._foreseen.values())
            question = next((one for one in waiting if one.verdict.cancel()), None)
            if question is None:
                return False
            question.verdict = Future()
        try:
            question.verdict.set_result(rows_hold(question.check))
        except CessError as error:
            question.verdict.set_exception(error)
        return True

    def begin(self, runtime: CessRuntime) -> Callable[[Iterable[bytes]], None]:
        """Serve one block: what tells it of extrinsics that ``runtime`` is about to execute."""
        runtime.audit.verify_with(self)
        with self._lock:
            for question in self._foreseen.values():
                question.verdict.cancel()
            self._foreseen.clear()
        asked: set[AccountId] = set()

        def expect(exts: Iterable[bytes]) -> None:
            threads = self._threads
            if threads is None:
                return
            for ext in exts:
                check = _foreseen(runtime, ext, asked)
                if check is not None and len(asked) <= FORESEEN_MAX:
                    self._submit(threads, check)

        return expect

    def _submit(self, threads: ThreadPoolExecutor, check: RowsCheck) -> None:
        key = check.key()
        with self._lock:
            if key not in self._foreseen:
                self._foreseen[key] = _Question(check, threads.submit(rows_hold, check))

    def close(self) -> None:
        """End the threads; proofs go on being verified where they are asked for."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(cancel_futures=True)


@cache
def _first_bytes(runtime: type[CessRuntime]) -> bytes:
    """How the call begins that answers the service part of a round."""
    call = runtime.calls().make(
        "Audit",
        Audit.submit_service_proof.__name__,
        round=U32(0),
        faulty=FaultyPositions(()),
        y=ScalarBytes(bytes(32)),
        proof=Bytes48(bytes(48)),
    )
    return call.encode()[:2]


def _foreseen(runtime: CessRuntime, ext: bytes, asked: set[AccountId]) -> RowsCheck | None:
    """The question to which ``ext`` leads, the first one of its miner; None if there is none."""
    first = _first_bytes(type(runtime))
    if first not in ext:  # most extrinsics, at the price of a search
        return None
    try:
        extrinsic = UncheckedExtrinsic.decode(ext)
        if extrinsic.signed is None or not extrinsic.call.startswith(first):
            return None
        address = extrinsic.signed.address
        if not isinstance(address, MultiAddressId) or address.value in asked:
            return None
        call = runtime.calls().decode(extrinsic.call)
        check = runtime.audit.foresee(address.value, *call.args)
    except CessError:  # whoever executes it will say so
        return None
    if check is not None:
        asked.add(address.value)
    return check
