"""What the runtime says about who authors and who finalises."""

from node.consensus.finality import VoterSet
from node.consensus.slots import Epoch
from node.runtime import CessRuntime

__all__ = ["epoch_for", "voters_of"]


def epoch_for(runtime: CessRuntime, slot: int) -> Epoch:
    """The epoch of ``slot``, for a child of the block whose state ``runtime`` is over."""
    return runtime.babe.authorities_at(slot)


def voters_of(runtime: CessRuntime) -> VoterSet:
    """Who finalises a child of the block whose state ``runtime`` is over."""
    grandpa = runtime.grandpa
    authorities = tuple((bytes(key), int(weight)) for key, weight in grandpa.authority_list())
    return VoterSet(authorities, int(grandpa.set_id()))
