"""What happens to a ledger: bonding, unbonding, withdrawing, slashing. Pure.

Invariant: ``total`` is ``active`` and all that is unlocking.
"""

from dataclasses import replace

from pallets.staking.types import UNLOCKING_MAX, StakingLedger, UnlockChunk, UnlockChunks
from primitives.scale import U32
from primitives.types import AccountId, Balance

__all__ = ["bonded", "new_ledger", "rebonded", "slashed", "unbonded", "withdrawn"]


def new_ledger(stash: AccountId, amount: int) -> StakingLedger:
    """``amount`` at stake."""
    value = Balance(amount)
    return StakingLedger(stash=stash, total=value, active=value, unlocking=UnlockChunks())


def bonded(ledger: StakingLedger, amount: int) -> StakingLedger:
    """``amount`` more at stake."""
    return replace(
        ledger, total=Balance(ledger.total + amount), active=Balance(ledger.active + amount)
    )


def unbonded(ledger: StakingLedger, amount: int, era: int) -> StakingLedger | None:
    """``amount`` of what is active is free from ``era`` on; None where no chunk is left for it.

    Chunks of one era are one chunk.
    """
    chunks = list(ledger.unlocking)
    if chunks and chunks[-1].era == era:
        last = chunks.pop()
        amount_of_era = last.value + amount
    else:
        amount_of_era = Balance(amount)
    if len(chunks) == UNLOCKING_MAX:
        return None
    chunks.append(UnlockChunk(value=Balance(amount_of_era), era=U32(era)))
    return replace(ledger, active=Balance(ledger.active - amount), unlocking=UnlockChunks(chunks))


def rebonded(ledger: StakingLedger, amount: int) -> tuple[StakingLedger, int]:
    """Up to ``amount`` of what is unlocking, the newest first, is active again; how much."""
    chunks, left = list(ledger.unlocking), amount
    while chunks and left > 0:
        last = chunks.pop()
        if last.value > left:
            chunks.append(replace(last, value=Balance(last.value - left)))
            left = 0
        else:
            left -= int(last.value)
    done = amount - left
    made = replace(ledger, active=Balance(ledger.active + done), unlocking=UnlockChunks(chunks))
    return made, done


def withdrawn(ledger: StakingLedger, era: int) -> tuple[StakingLedger, int]:
    """The ledger without the chunks that are free in ``era``; how much they are."""
    kept = UnlockChunks(chunk for chunk in ledger.unlocking if chunk.era > era)
    free = sum(int(chunk.value) for chunk in ledger.unlocking if chunk.era <= era)
    return replace(ledger, total=Balance(ledger.total - free), unlocking=kept), free


def slashed(ledger: StakingLedger, amount: int, liable_from: int) -> tuple[StakingLedger, int]:
    """The ledger after a slash of ``amount``, and how much was there to take.

    Taken in proportion from what is active and from chunks that are free from ``liable_from`` on or
    later: those were at stake. What the rounding leaves is taken from what is active first.
    """
    parts = [int(ledger.active)]
    parts += [int(chunk.value) if chunk.era >= liable_from else 0 for chunk in ledger.unlocking]
    liable = sum(parts)
    wanted = min(amount, liable)
    if wanted == 0:
        return ledger, 0
    taken = [wanted * part // liable for part in parts]
    rest = wanted - sum(taken)
    for at, part in enumerate(parts):
        more = min(rest, part - taken[at])
        taken[at] += more
        rest -= more
    chunks = [
        replace(chunk, value=Balance(chunk.value - took))
        for chunk, took in zip(ledger.unlocking, taken[1:], strict=True)
    ]
    made = replace(
        ledger,
        total=Balance(ledger.total - wanted),
        active=Balance(ledger.active - taken[0]),
        unlocking=UnlockChunks(chunk for chunk in chunks if chunk.value > 0),
    )
    return made, wanted
