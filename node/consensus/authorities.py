"""What the runtime and headers say about who authors and who finalises."""

from dataclasses import dataclass

from node.consensus.finality import VoterSet
from node.consensus.slots import Epoch
from node.runtime import CessRuntime
from primitives.digest import (
    GRANDPA_ENGINE,
    GrandpaConsensusLog,
    GrandpaForcedChange,
    GrandpaOnDisabled,
    GrandpaScheduledChange,
)
from primitives.errors import DecodeError, InvalidBlock
from primitives.header import Header
from primitives.scale import decode

__all__ = ["SetChange", "check_set_change", "epoch_for", "set_change_of", "voters_of"]


def epoch_for(runtime: CessRuntime, slot: int) -> Epoch:
    """The epoch of ``slot``, for a child of the block whose state ``runtime`` is over."""
    return runtime.babe.authorities_at(slot)


def voters_of(runtime: CessRuntime) -> VoterSet:
    """Who finalises a child of the block whose state ``runtime`` is over."""
    grandpa = runtime.grandpa
    authorities = tuple((bytes(key), int(weight)) for key, weight in grandpa.authority_list())
    return VoterSet(authorities, int(grandpa.set_id()))


@dataclass(frozen=True, slots=True)
class SetChange:
    """Other voters, with their weights, from the children of a block on.

    ``is_forced``: though the block is not final, because those before cannot finalise any more.
    """

    authorities: tuple[tuple[bytes, int], ...]
    is_forced: bool = False


def set_change_of(header: Header) -> SetChange | None:
    """The change of voters that a block announces; None: they stay.

    Raises: InvalidBlock for changes that contradict each other, and for kinds that this chain does
    not have: delayed ones, pauses.
    """
    found: SetChange | None = None
    for data in header.digest.consensus(GRANDPA_ENGINE):
        try:
            item = decode(GrandpaConsensusLog, bytes(data))
        except DecodeError as error:
            raise InvalidBlock(f"block {header.number}: a GRANDPA digest is malformed") from error
        if isinstance(item, GrandpaOnDisabled):
            continue
        if not isinstance(item, GrandpaScheduledChange | GrandpaForcedChange):
            raise InvalidBlock(
                f"block {header.number}: a {type(item).__name__} is none of this chain's changes"
            )
        if found is not None:
            raise InvalidBlock(f"block {header.number} changes the voters twice")
        if item.change.delay:
            raise InvalidBlock(
                f"block {header.number} changes the voters {item.change.delay} blocks later; "
                "here children of the block have the new ones"
            )
        found = SetChange(
            tuple((bytes(key), int(each)) for key, each in item.change.next_authorities),
            isinstance(item, GrandpaForcedChange),
        )
        if not found.authorities:
            raise InvalidBlock(f"block {header.number} leaves nobody to vote")
    return found


def check_set_change(header: Header, before: VoterSet, after: VoterSet) -> SetChange | None:
    """Check that the header announces the change of voters that its execution made, and no other.

    Light clients and voters believe the header; who executes must come to the same set.
    Raises: InvalidBlock.
    """
    change = set_change_of(header)
    if change is None:
        if after != before:
            raise InvalidBlock(f"block {header.number} changes the voters without saying so")
    elif after != VoterSet(change.authorities, before.set_id + 1):
        raise InvalidBlock(
            f"block {header.number} announces other voters than its execution leads to"
        )
    return change
