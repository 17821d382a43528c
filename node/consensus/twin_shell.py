"""Looking for twins on the trio loop: tells the watch of keys and time, and the operator of both.

What was signed here and elsewhere the watch hears from ``Chain`` and from the shell of finality.
"""

import secrets
from collections.abc import Callable, Collection
from typing import Final

import structlog
import trio

from node.consensus.chain import Chain
from node.consensus.slots import slot_at
from node.consensus.twins import (
    LISTEN_SLOTS_MAX,
    PATIENCE_SLOTS_MAX,
    KeySignsElsewhere,
    TwinState,
    TwinWatch,
)
from node.consensus.verification import slot_of

__all__ = ["draw_patience", "look_for_twins"]

log = structlog.get_logger("twins")

LOOK_S: Final = 0.5


def draw_patience() -> int:
    """Slots to listen longer, which a twin that starts at this moment draws as well."""
    return secrets.randbelow(PATIENCE_SLOTS_MAX + 1)


async def look_for_twins(
    watch: TwinWatch,
    chain: Chain,
    keys: Callable[[], Collection[bytes]],
    now_ms: Callable[[], int],
    is_hearing: Callable[[], bool],
) -> None:
    """Keep the watch going until cancelled; ``keys`` are those that this node may sign with."""

    def look(is_hearing_now: bool) -> None:
        slot = slot_at(now_ms(), chain.slot_duration_ms)
        watch.meet(keys(), slot)
        final = chain.header(chain.database.finalized().hash)
        watch.listen(slot, slot_of(final), is_hearing=is_hearing_now)

    told = None
    while True:
        await trio.to_thread.run_sync(look, is_hearing())
        state = watch.state
        if state is not told:
            told = state
            _tell(watch)
        await trio.sleep(LOOK_S)


def _tell(watch: TwinWatch) -> None:
    twin = watch.twin
    if twin is not None:
        log.error(str(KeySignsElsewhere(twin)))
    elif watch.state is TwinState.LISTENING:
        log.info(
            f"listening for up to {LISTEN_SLOTS_MAX} slots whether these keys sign elsewhere, "
            "before signing with others; --no-twin-watch leaves that out"
        )
    elif watch.state is TwinState.ALONE:
        log.info("nobody else signs with the keys of this node")
