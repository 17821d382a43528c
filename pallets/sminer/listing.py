"""The list of miners that can be drawn, without gaps, for deals and for audits.

A miner enters it with its first certified plots and leaves it when it is thrown out or withdraws.
So accounts that have proved no space do not thin out the draws. A miner that announced its exit, or
has left with fragments that nobody restored yet, stays listed: it is audited for them, and deals
ask for its state.
"""

from typing import TYPE_CHECKING

from primitives.scale import U32
from primitives.types import AccountId

if TYPE_CHECKING:
    from pallets.sminer.pallet import Sminer

__all__ = ["enter", "leave"]


def enter(sminer: "Sminer", who: AccountId) -> None:
    """List ``who`` behind the others. Once is enough."""
    if who in sminer.miner_index:
        return
    index = sminer.miner_count.get()
    sminer.all_miner[index] = who
    sminer.miner_index[who] = index
    sminer.miner_count.put(U32(index + 1))


def leave(sminer: "Sminer", who: AccountId) -> None:
    """Take ``who`` out: the last miner takes its place. Nothing happens if it is not listed."""
    index = sminer.miner_index.take(who)
    if index is None:
        return
    last = U32(sminer.miner_count.get() - 1)
    moved = sminer.all_miner.take(last)
    if moved is not None and moved != who:
        sminer.all_miner[index] = moved
        sminer.miner_index[moved] = index
    sminer.miner_count.put(last)
