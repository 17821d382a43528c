"""Worker processes for proofs: started when there is work, gone when there is none for a while.

`ProverPool.run` gives one job its turn, most urgent deadline first. A worker that dies or does not
answer in JOB_TIMEOUT_S is replaced and its job is tried once more.

Bounds: `workers` processes; QUEUE_MAX waiting jobs (then `ProverBusy`); MESSAGE_BYTES_MAX a line.
A worker without work for IDLE_S is ended, which gives its memory back.
"""

import heapq
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
import trio

from primitives.errors import DecodeError

from .errors import ProverBusy, ProverFailed
from .jobs import MESSAGE_BYTES_MAX, Failed, Job, Result, decode_result, encode
from .supervise import supervise

QUEUE_MAX = 32
JOB_TIMEOUT_S = 300.0
IDLE_S = 60.0
ATTEMPTS_MAX = 2
READ_BYTES = 1 << 16

log = structlog.get_logger(__name__)


@dataclass(order=True, slots=True)
class _Waiting:
    deadline: int
    sequence: int
    job: Job = field(compare=False)
    done: trio.Event = field(compare=False, default_factory=trio.Event)
    result: Result | None = field(compare=False, default=None)
    is_cancelled: bool = field(compare=False, default=False)


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Counts for status."""

    processes: int
    waiting: int
    finished: int
    failed: int


class ProverPool:
    """See the module. Made by `open_pool`."""

    def __init__(
        self,
        *,
        queue_max: int = QUEUE_MAX,
        idle_s: float = IDLE_S,
        job_timeout_s: float = JOB_TIMEOUT_S,
        command: tuple[str, ...] = (sys.executable, "-P", "-m", "storage_miner.worker"),
    ) -> None:
        self._queue: list[_Waiting] = []
        self._queue_max = queue_max
        self._idle_s = idle_s
        self._job_timeout_s = job_timeout_s
        self._command = command
        self._sequence = 0
        self._wake = trio.Semaphore(0)
        self._processes = self._finished = self._failed = 0

    async def run(self, job: Job, deadline: int) -> Result:
        """The result of `job`, once it had its turn; a lower `deadline` goes first.

        Raises: ProverBusy when too many wait; ProverFailed when it cannot be done.
        """
        if len(self._queue) >= self._queue_max:
            raise ProverBusy(f"{self._queue_max} proofs wait already; come again in some seconds")
        self._sequence += 1
        waiting = _Waiting(deadline, self._sequence, job)
        heapq.heappush(self._queue, waiting)
        self._wake.release()
        try:
            await waiting.done.wait()
        except trio.Cancelled:
            waiting.is_cancelled = True
            raise
        if waiting.result is None:
            raise ProverFailed("the worker process died twice over this job; see the log")
        if isinstance(waiting.result, Failed):
            raise ProverFailed(waiting.result.message)
        return waiting.result

    def statistics(self) -> PoolStatistics:
        """Counts for status."""
        return PoolStatistics(self._processes, len(self._queue), self._finished, self._failed)

    async def serve(self) -> None:
        """Be one worker, until cancelled."""
        seat = _Seat()
        try:
            while True:
                with trio.move_on_after(self._idle_s) as idle:
                    await self._wake.acquire()
                if idle.cancelled_caught:
                    await self._leave(seat)
                    continue
                waiting = heapq.heappop(self._queue)
                try:
                    if not waiting.is_cancelled:
                        await self._do(waiting, seat)
                finally:
                    waiting.done.set()
        finally:
            with trio.CancelScope(shield=True):
                await self._leave(seat)

    async def _do(self, waiting: _Waiting, seat: "_Seat") -> None:
        """Have one job done by the process of `seat`, a new one if need be."""
        kind = type(waiting.job).__name__
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                if seat.process is None:
                    seat.process = await _Process.start(self._command)
                    self._processes += 1
                with trio.fail_after(self._job_timeout_s):
                    waiting.result = await seat.process.ask(waiting.job)
                break
            except (trio.TooSlowError, trio.BrokenResourceError, DecodeError, OSError) as error:
                said = str(error) or type(error).__name__
                log.warning("worker failed", job=kind, attempt=attempt, error=said)
                await self._leave(seat)
        if waiting.result is None or isinstance(waiting.result, Failed):
            self._failed += 1
        else:
            self._finished += 1

    async def _leave(self, seat: "_Seat") -> None:
        """End the process of `seat`, if there is one."""
        process, seat.process = seat.process, None
        if process is not None:
            self._processes -= 1
            await process.end()


@asynccontextmanager
async def open_pool(workers: int, pool: ProverPool | None = None) -> AsyncIterator[ProverPool]:
    """A pool whose workers live as long as the `async with` block."""
    pool = ProverPool() if pool is None else pool
    async with trio.open_nursery() as nursery:
        for _ in range(workers):
            nursery.start_soon(supervise, "worker", pool.serve)
        try:
            yield pool
        finally:
            nursery.cancel_scope.cancel()


@dataclass(slots=True)
class _Seat:
    """Where a worker's process is, while it has one."""

    process: "_Process | None" = None


class _Process:
    """One worker process and the lines to and from it."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._buffer = bytearray()

    @classmethod
    async def start(cls, command: tuple[str, ...]) -> "_Process":
        process = await trio.lowlevel.open_process(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return cls(process)

    async def ask(self, job: Job) -> Result:
        """Send a job and wait for its result. Raises: BrokenResourceError, DecodeError."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None, "because it is a pipe"
        assert stdout is not None, "because it is a pipe"
        await stdin.send_all(encode(job))
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MESSAGE_BYTES_MAX:
                raise DecodeError("a worker's answer has no end")
            chunk = await stdout.receive_some(READ_BYTES)
            if not chunk:
                raise trio.BrokenResourceError("the worker process ended")
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return decode_result(line)

    async def end(self) -> None:
        """Stop the process, whatever it does."""
        with trio.CancelScope(shield=True):
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            if self._process.stdin is not None:
                await self._process.stdin.aclose()
            if self._process.stdout is not None:
                await self._process.stdout.aclose()
