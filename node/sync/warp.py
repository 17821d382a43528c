"""Proofs that a block is final, from the genesis alone: made for others, and checked for ourselves.

Each fragment is a block that changed the voters, with the justification of the set before; the last
one may be any final block. Whoever knows the first set of voters can check them in turn, and so
jumps over all blocks between.

Making is size-limited (``PROOF_BYTES_MAX``): the asker goes on from the last fragment. Checking
refuses what does not follow: wrong or forged justifications, a wrong set, a missing link, blocks
that do not rise, contradictory changes. Bounds: ``FRAGMENTS_TOTAL_MAX`` fragments are kept.
"""

from dataclasses import dataclass
from typing import Final

from node.consensus.authorities import set_change_of
from node.consensus.finality import VoterSet
from node.consensus.set_changes import set_change_blocks
from node.database import BlockId, ChainDatabase
from node.network.wire import WarpProof
from primitives.errors import CessError, DecodeError, InvalidBlock, StorageCorrupt
from primitives.header import Header
from primitives.justification import (
    GrandpaJustification,
    InvalidJustification,
    verify_justification,
)
from primitives.types import Hash

__all__ = [
    "FRAGMENTS_TOTAL_MAX",
    "PROOF_BYTES_MAX",
    "Fragment",
    "WarpRefused",
    "WarpUnserved",
    "WarpVerifier",
    "make_warp_proof",
]

PROOF_BYTES_MAX: Final = 8 << 20
FRAGMENTS_TOTAL_MAX: Final = 1 << 16


class WarpRefused(CessError):  # noqa: N818  a fact
    """A warp proof that proves nothing; whoever sent it is at fault."""


class WarpUnserved(CessError):  # noqa: N818  a fact
    """A question for a warp proof that has no answer: it begins at no final block of this chain."""


def make_warp_proof(
    database: ChainDatabase, begin: Hash, *, bytes_limit: int = PROOF_BYTES_MAX
) -> WarpProof:
    """What leads from the final block ``begin`` to the last one. Raises: WarpUnserved."""
    header, final = database.header(begin), database.finalized()
    if header is None or header.number > final.number:
        raise WarpUnserved(f"block 0x{begin.hex()} is not final here")
    first = int(header.number)
    if database.canonical_hash(first) != begin:
        raise WarpUnserved(f"block 0x{begin.hex()} is not of the final chain")
    fragments: list[tuple[Header, GrandpaJustification]] = []
    size, is_finished = 0, True
    for block in set_change_blocks(database).values():
        if not first < block.number <= final.number:
            continue
        fragment, length = _fragment(database, block)
        if fragments and size + length > bytes_limit:
            is_finished = False
            break
        fragments.append(fragment)
        size += length
    last = int(fragments[-1][0].number) if fragments else first
    if is_finished and final.number > last:
        fragments.append(_fragment(database, final)[0])
    return WarpProof(tuple(fragments), is_finished)


def _fragment(
    database: ChainDatabase, block: BlockId
) -> tuple[tuple[Header, GrandpaJustification], int]:
    header, raw = database.header(block.hash), database.justification(block.hash)
    if header is None or raw is None:
        raise StorageCorrupt(
            f"the proof that block {block.number} is final is not in the database: sync again"
        )
    try:
        proof = GrandpaJustification.decode(raw)
    except DecodeError as error:
        raise StorageCorrupt(f"the proof of block {block.number} is damaged: {error}") from error
    return (header, proof), len(raw) + len(header.encode())


@dataclass(frozen=True, slots=True)
class Fragment:
    """A block that was proven final; ``ended_set``: the set whose end it was, if it was one."""

    header: Header
    hash: Hash
    justification: bytes
    ended_set: int | None

    @property
    def id(self) -> BlockId:
        """Its hash and height."""
        return BlockId(self.hash, int(self.header.number))


class WarpVerifier:
    """Follows the sets of voters from a final block on; each proof goes on from the one before."""

    def __init__(self, begin: BlockId, voters: VoterSet) -> None:
        """``voters`` finalise the blocks after ``begin``."""
        self.begin = begin
        """Where the next proof has to begin."""
        self.voters = voters
        self.fragments: list[Fragment] = []
        self.is_finished = False

    def verify(self, proof: WarpProof) -> None:
        """Take a proof, whole or not at all. Cost: 0.1 ms for each vote. Raises: WarpRefused."""
        if not proof.fragments and not proof.is_finished:
            raise WarpRefused("an empty proof that promises more")
        if len(self.fragments) + len(proof.fragments) > FRAGMENTS_TOTAL_MAX:
            raise WarpRefused(f"more than {FRAGMENTS_TOTAL_MAX} changes of the voters")
        begin, voters = self.begin, self.voters
        found: list[Fragment] = []
        for at, (header, justification) in enumerate(proof.fragments):
            is_last = at == len(proof.fragments) - 1
            fragment, voters = _check(header, justification, begin, voters)
            if fragment.ended_set is None and not (is_last and proof.is_finished):
                raise WarpRefused(f"block {header.number} changes no voters: a link is missing")
            begin = fragment.id
            found.append(fragment)
        if found and self.fragments and self.fragments[-1].ended_set is None:
            self.fragments.pop()  # it was the end, and is not any more
        self.begin, self.voters = begin, voters
        self.fragments += found
        self.is_finished = proof.is_finished


def _check(
    header: Header, justification: GrandpaJustification, begin: BlockId, voters: VoterSet
) -> tuple[Fragment, VoterSet]:
    hash_, commit = header.hash(), justification.commit
    if commit.target_hash != hash_ or commit.target_number != header.number:
        raise WarpRefused(f"the justification beside block {header.number} is another block's")
    if header.number <= begin.number:
        raise WarpRefused(f"block {header.number} does not come after block {begin.number}")
    try:
        verify_justification(justification, [key for key, _ in voters.authorities], voters.set_id)
        change = set_change_of(header)
    except (InvalidJustification, InvalidBlock) as error:
        raise WarpRefused(f"block {header.number} is not proven final: {error}") from error
    raw = justification.encode()
    if change is None:
        return Fragment(header, hash_, raw, None), voters
    if change.is_forced:
        raise WarpRefused(f"block {header.number} forces other voters: no proof leads over it")
    ended, following = voters.set_id, VoterSet(change.authorities, voters.set_id + 1)
    return Fragment(header, hash_, raw, ended), following
