"""Checkpoints for light clients: ``lightSyncState`` of a chain spec, as Substrate writes it.

A light client that is given one begins at that final block, and not at block 0: it believes whoever
made the file that the block is final. The state tells everything that it needs: the epoch of the
block and the one announced after it, with the blocks that announced them, and who votes on the
block's children.

Bounds: two epochs and one set of voters; ``SETS_MAX`` blocks that ended earlier sets.
"""

from typing import Final

from chain_spec.light_sync import LightSyncState
from node.consensus.chain import Chain
from node.consensus.set_changes import set_change_blocks
from pallets.babe import Epoch
from primitives.digest import AuthorityKey
from primitives.errors import CessError
from primitives.header import Header
from primitives.scale import U32, U64, Variant, encode, struct
from primitives.types import BlockNumber, Hash

__all__ = ["SETS_MAX", "NoCheckpoint", "light_sync_state"]

SETS_MAX: Final = 4096
"""Blocks that ended earlier sets of voters; no light client reads them."""


class NoCheckpoint(CessError):  # noqa: N818  a fact
    """There is no final block after block 0 whose state is kept."""


# Of Babe: the epochs that blocks announced.


@struct
class EpochHeader:
    """The slots of an epoch."""

    start_slot: U64
    end_slot: U64


class PersistedEpochHeader(Variant):
    """The epochs that a block announced, without what they hold."""


class RegularHeader(PersistedEpochHeader, index=1):
    """One epoch; only block 1 announces two."""

    epoch: EpochHeader


class PersistedEpoch(Variant):
    """The epochs that a block announced."""


class RegularEpoch(PersistedEpoch, index=1):
    """One epoch."""

    epoch: Epoch


@struct
class NextAnnouncement:
    """A block that announced an epoch, upon another one; nothing was announced upon it."""

    hash: Hash
    number: BlockNumber
    data: PersistedEpochHeader
    children: tuple[U32, ...]


@struct
class Announcement:
    """A block that announced an epoch, and those upon it that announced the next one."""

    hash: Hash
    number: BlockNumber
    data: PersistedEpochHeader
    children: tuple[NextAnnouncement, ...]


@struct
class EpochChanges:
    """A tree of announcements, the epochs themselves, and no gap between them."""

    roots: tuple[Announcement, ...]
    best_finalized_number: BlockNumber | None
    epochs: tuple[tuple[Hash, BlockNumber, PersistedEpoch], ...]
    gap: U32 | None


# Of GRANDPA.


@struct
class AuthoritySet:
    """Who votes; no change is pending."""

    current_authorities: tuple[tuple[AuthorityKey, U64], ...]
    set_id: U64
    pending_roots: tuple[U32, ...]
    pending_best_finalized_number: BlockNumber | None
    pending_forced_changes: tuple[U32, ...]
    authority_set_changes: tuple[tuple[U64, BlockNumber], ...]


def light_sync_state(chain: Chain) -> LightSyncState:
    """The checkpoint at the last final block.

    Raises: NoCheckpoint, StateDiscarded.
    """
    database = chain.database
    final = database.finalized()
    header = database.header(final.hash)
    if header is None or final.number == 0:
        raise NoCheckpoint("no block after block 0 is final yet: wait for one")
    runtime = chain.runtime(final.hash)
    begun = tuple(int(each) for each in runtime.babe.epoch_start.get())
    voters = AuthoritySet(
        current_authorities=runtime.grandpa.authority_list(),
        set_id=runtime.grandpa.set_id(),
        pending_roots=(),
        pending_best_finalized_number=None,
        pending_forced_changes=(),
        authority_set_changes=_set_changes(chain),
    )
    return LightSyncState(
        babe_epoch_changes=encode(EpochChanges, _epoch_changes(chain, header, begun)),
        # Light clients do not read it: the blocks up to here, of which some had primary authors.
        babe_finalized_block_weight=int(final.number),
        finalized_block_header=header.encode(),
        grandpa_authority_set=encode(AuthoritySet, voters),
    )


def _epoch_changes(chain: Chain, final: Header, begun: tuple[int, ...]) -> EpochChanges:
    """The epoch of the final block and the next one; ``begun`` are the blocks that began the epoch
    before and this one: each announced the epoch after its own.
    """
    babe = chain.runtime(final.hash()).babe
    epochs = babe.current_epoch(), babe.next_epoch()
    # Block 1 announces the first two epochs; what a light client reads is one for each block.
    before, this = (max(each, 1) for each in begun)
    numbers = (before if before < this else 0), this
    hashes = tuple(_hash_at(chain, final, number) for number in numbers)
    headers = tuple(
        RegularHeader(
            epoch=EpochHeader(
                start_slot=each.start_slot, end_slot=U64(each.start_slot + each.duration)
            )
        )
        for each in epochs
    )
    child = NextAnnouncement(
        hash=hashes[1], number=BlockNumber(numbers[1]), data=headers[1], children=()
    )
    root = Announcement(
        hash=hashes[0], number=BlockNumber(numbers[0]), data=headers[0], children=(child,)
    )
    return EpochChanges(
        roots=(root,),
        best_finalized_number=BlockNumber(final.number),
        epochs=tuple(
            (hash_, BlockNumber(number), RegularEpoch(epoch=epoch))
            for hash_, number, epoch in sorted(zip(hashes, numbers, epochs, strict=True))
        ),
        gap=None,
    )


def _hash_at(chain: Chain, final: Header, number: int) -> Hash:
    if number == final.number:
        return final.hash()
    found = chain.database.canonical_hash(number)
    if found is None:
        raise NoCheckpoint(f"block {number}, which announced an epoch, is not here")
    return found


def _set_changes(chain: Chain) -> tuple[tuple[U64, BlockNumber], ...]:
    found = sorted(set_change_blocks(chain.database).items())[-SETS_MAX:]
    return tuple((U64(set_id), BlockNumber(block.number)) for set_id, block in found)
