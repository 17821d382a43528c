"""The scrub at work: one task for each volume, at its rate, yielding to proofs.

Damaged small files heal on the spot. A damaged or missing fragment is handed to `lose`, which has
it reported, so that others restore it; a damaged plot to `replot`. A file that cannot be read gets
a second chance in the next round; too many in a row take the volume out.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
import trio

from primitives.types import FragmentHash

from .store import Volume, Volumes
from .store.scrub import (
    Examination,
    Finding,
    Kind,
    Scrub,
    ScrubResult,
    ScrubState,
    Stage,
    pause_s,
)

ROUND_S_MIN = 3600.0
"""A small volume is read through in seconds; more often than hourly is of no use."""

YIELD_S = 0.5
UNREADABLE_BEFORE_LOST = 2
FINDINGS_LOGGED_MAX = 100
"""A failing disk may be wrong about everything; the status counts on."""

log = structlog.get_logger(__name__)


class Scrubbing:
    """See the module. `is_busy` tells whether something more urgent wants the disk."""

    def __init__(
        self,
        volumes: Volumes,
        bytes_per_second: int,
        *,
        lose: Callable[[Volume, FragmentHash], Awaitable[None]],
        replot: Callable[[str], Awaitable[None]],
        is_busy: Callable[[], bool],
    ) -> None:
        self._rate = bytes_per_second
        self._lose = lose
        self._replot = replot
        self._is_busy = is_busy
        self._scrubs = {volume: Scrub(volume, int(time.time())) for volume in volumes.volumes}
        self._unreadable: dict[FragmentHash, int] = {}
        self._logged = 0

    def tasks(self) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
        """One task for each volume, with its name."""
        return tuple(
            (f"scrub {volume.layout.root}", partial(self._run, volume, scrub))
            for volume, scrub in self._scrubs.items()
        )

    def status(self, volume: Volume) -> dict[str, Any]:
        """What the status document tells of a volume's scrub."""
        state = self._scrubs[volume].state
        return {
            "round": state.round_number,
            "stage": state.stage.name,
            "files": state.files,
            "read_bytes": state.read_bytes,
            "faults": state.faults,
            "round_started": state.started,
            "last_round_ended": state.finished or None,
            "bytes_per_second": self._rate,
        }

    async def _run(self, volume: Volume, scrub: Scrub) -> None:
        try:
            while volume.outage is None:
                await trio.sleep(_rest_s(scrub.state, int(time.time())))
                await self._round(volume, scrub)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(scrub.save)

    async def _round(self, volume: Volume, scrub: Scrub) -> None:
        while volume.outage is None:
            examination = await trio.to_thread.run_sync(scrub.begin, int(time.time()))
            if examination is None:
                return
            result = await self._read(examination)
            if self._is_gone(volume, result):
                result = replace(result, finding=Finding.sound)
            scrub.note(examination, result)
            await self._judge(volume, scrub, result)

    async def _read(self, examination: Examination) -> ScrubResult:
        try:
            seen = 0
            while True:
                while self._is_busy():
                    await trio.sleep(YIELD_S)
                result = await trio.to_thread.run_sync(examination.advance)
                await trio.sleep(pause_s(examination.read_bytes - seen, self._rate))
                seen = examination.read_bytes
                if result is not None:
                    return result
        finally:
            examination.close()

    async def _judge(self, volume: Volume, scrub: Scrub, result: ScrubResult) -> None:
        is_readable = result.finding is not Finding.unreadable
        fragment_hash = result.fragment_hash
        if result.kind is Kind.fragment and fragment_hash is not None:
            volume.note_read(fragment_hash, is_readable=is_readable)
        if result.finding is Finding.sound:
            if fragment_hash is not None:
                self._unreadable.pop(fragment_hash, None)
            return
        if self._logged < FINDINGS_LOGGED_MAX:
            self._logged += 1
            log.error(
                "scrub found",
                file=str(result.path),
                kind=result.kind.value,
                finding=result.finding.value,
            )
        await trio.to_thread.run_sync(scrub.heal, result)
        if volume.outage is not None:
            return
        if result.kind is Kind.fragment and fragment_hash is not None:
            if is_readable or self._is_lost(fragment_hash):
                await self._lose(volume, fragment_hash)
        elif result.kind is Kind.plot and is_readable:
            await self._replot(result.path.name)

    def _is_lost(self, fragment_hash: FragmentHash) -> bool:
        """An unreadable one gets a second chance: the disk may be busy or loose."""
        seen = self._unreadable[fragment_hash] = self._unreadable.get(fragment_hash, 0) + 1
        return seen >= UNREADABLE_BEFORE_LOST

    def _is_gone(self, volume: Volume, result: ScrubResult) -> bool:
        """Whether the file was deleted on purpose while we came to it."""
        if result.finding is not Finding.missing:
            return False
        match result.kind:
            case Kind.fragment | Kind.commitments:
                return result.fragment_hash is None or volume.entry(result.fragment_hash) is None
            case Kind.plot | Kind.cosignature:
                return True
            case _:
                return False


def _rest_s(state: ScrubState, now: int) -> float:
    """How long until the next round may begin; none when one was broken off."""
    if state.stage is not Stage.small or state.cursor or not state.finished:
        return 0.0
    # A clock that was set back must not stop the scrub for longer than a round's rest.
    return min(ROUND_S_MIN, max(0.0, state.finished + ROUND_S_MIN - now))
