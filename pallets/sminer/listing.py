"""The list of miners that can be drawn, without gaps, for deals and for audits.

A miner enters it with its first certified plots. It leaves it when it is thrown out, or when it has
left and holds and owes no fragment any more. So accounts that have nothing to prove do not thin out
the draws, and a miner that left with fragments is audited until others have restored them.
"""

from typing import TYPE_CHECKING

from primitives.scale import U32
from primitives.types import AccountId

if TYPE_CHECKING:
    from pallets.sminer.pallet import Sminer

__all__ = ["enter", "leave", "leave_if_empty"]


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


def leave_if_empty(sminer: "Sminer", who: AccountId) -> None:
    """Take out a miner that has left and holds, or promised, no fragment. Never raises."""
    info = sminer.miner_items.get(who)
    if info is None or not sminer.is_leaving(who):
        return
    if info.service_space == 0 and info.lock_space == 0:
        leave(sminer, who)
