"""What the runtime and headers say about who authors and who finalises."""

from node.consensus.finality import VoterSet
from node.consensus.slots import Epoch
from node.runtime import CessRuntime
from primitives.digest import (
    GRANDPA_ENGINE,
    GrandpaConsensusLog,
    GrandpaOnDisabled,
    GrandpaScheduledChange,
)
from primitives.errors import DecodeError, InvalidBlock
from primitives.header import Header
from primitives.scale import decode

__all__ = ["check_set_change", "epoch_for", "set_change_of", "voters_of"]


def epoch_for(runtime: CessRuntime, slot: int) -> Epoch:
    """The epoch of ``slot``, for a child of the block whose state ``runtime`` is over."""
    return runtime.babe.authorities_at(slot)


def voters_of(runtime: CessRuntime) -> VoterSet:
    """Who finalises a child of the block whose state ``runtime`` is over."""
    grandpa = runtime.grandpa
    authorities = tuple((bytes(key), int(weight)) for key, weight in grandpa.authority_list())
    return VoterSet(authorities, int(grandpa.set_id()))


def set_change_of(header: Header) -> tuple[tuple[bytes, int], ...] | None:
    """The voters that follow once this block is final, with their weights; None: as before.

    Raises: InvalidBlock for changes that contradict each other, and for kinds that this chain does
    not have: delayed and forced ones, pauses.
    """
    found: tuple[tuple[bytes, int], ...] | None = None
    for data in header.digest.consensus(GRANDPA_ENGINE):
        try:
            item = decode(GrandpaConsensusLog, bytes(data))
        except DecodeError as error:
            raise InvalidBlock(f"block {header.number}: a GRANDPA digest is malformed") from error
        if isinstance(item, GrandpaOnDisabled):
            continue
        if not isinstance(item, GrandpaScheduledChange):
            raise InvalidBlock(
                f"block {header.number}: a {type(item).__name__} is none of this chain's changes"
            )
        if found is not None:
            raise InvalidBlock(f"block {header.number} changes the voters twice")
        if item.change.delay:
            raise InvalidBlock(
                f"block {header.number} changes the voters {item.change.delay} blocks later; "
                "changes are in force once their block is final"
            )
        found = tuple((bytes(key), int(each)) for key, each in item.change.next_authorities)
        if not found:
            raise InvalidBlock(f"block {header.number} leaves nobody to vote")
    return found


def check_set_change(header: Header, before: VoterSet, after: VoterSet) -> None:
    """Check that the header announces the change of voters that its execution made, and no other.

    Light clients and voters believe the header; who executes must come to the same set.
    Raises: InvalidBlock.
    """
    announced = set_change_of(header)
    if announced is None:
        if after != before:
            raise InvalidBlock(f"block {header.number} changes the voters without saying so")
    elif after != VoterSet(announced, before.set_id + 1):
        raise InvalidBlock(
            f"block {header.number} announces other voters than its execution leads to"
        )
