"""Proofs of finality that voting may not bring: of blocks that change the voters, and now and then.

Such a block is asked about ``PROOF_RETRY_MS`` after its import, of each peer that may have the
proof in turn, and of each again after as long, until it is final. Bounds: ``PROOFS_MAX`` blocks,
for each the peers that were asked within that time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from node.database import BlockId, ChainDatabase
from primitives.header import Header
from primitives.types import Hash

__all__ = [
    "PROOFS_MAX",
    "PROOF_PERIOD",
    "PROOF_RETRY_MS",
    "ProofWanted",
    "ProofsWanted",
    "unproven_blocks",
]

PROOF_PERIOD: Final = 512
"""Blocks at multiples of this height are proven final, so that much can be pruned while syncing."""
PROOF_RETRY_MS: Final = 10_000
PROOFS_MAX: Final = 64


def unproven_blocks(
    database: ChainDatabase, changes_set: Callable[[Header], bool]
) -> tuple[BlockId, ...]:
    """The lowest ``PROOFS_MAX`` blocks of the best chain that need a proof and are not final.

    A node that starts again has to ask for them: nobody votes on them any more.
    """

    def found() -> Iterator[BlockId]:
        for number in range(database.finalized().number + 1, database.best().number + 1):
            hash_ = database.canonical_hash(number)
            header = None if hash_ is None else database.header(hash_)
            if hash_ is None or header is None:
                return
            if number % PROOF_PERIOD == 0 or changes_set(header):
                yield BlockId(hash_, number)

    return tuple(islice(found(), PROOFS_MAX))


@dataclass(slots=True)
class ProofWanted:
    """A block that needs a proof of finality."""

    block: BlockId
    due_ms: int
    told: dict[str, int] = field(default_factory=dict)
    """Who was asked lately, and when, in milliseconds."""
    is_asked: bool = False


class ProofsWanted:
    """See the module's text."""

    def __init__(self) -> None:
        self._proofs: dict[Hash, ProofWanted] = {}

    def __len__(self) -> int:
        return len(self._proofs)

    def __contains__(self, hash_: Hash) -> bool:
        return hash_ in self._proofs

    def add(self, block: BlockId, now_ms: int) -> None:
        """A block was imported that needs one."""
        if len(self._proofs) < PROOFS_MAX:
            self._proofs[block.hash] = ProofWanted(block, now_ms + PROOF_RETRY_MS)

    def take(self, peer: str, best_number: int, now_ms: int) -> ProofWanted | None:
        """What this peer, whose best block has that height, is to be asked for."""
        for proof in self._proofs.values():
            if proof.is_asked or now_ms < proof.due_ms or best_number < proof.block.number:
                continue
            proof.told = {
                name: at for name, at in proof.told.items() if now_ms < at + PROOF_RETRY_MS
            }
            if peer not in proof.told:
                proof.is_asked = True
                proof.told[peer] = now_ms
                return proof
        return None

    def tried(self, proof: ProofWanted, now_ms: int) -> bool:
        """A proof came and is being checked; False if it is not wanted any more."""
        proof.due_ms = now_ms + PROOF_RETRY_MS
        return self._proofs.get(proof.block.hash) is proof

    def refused(self, hash_: Hash, now_ms: int) -> None:
        """A proof proved nothing: the next peer is asked at once."""
        proof = self._proofs.get(hash_)
        if proof is not None:
            proof.due_ms = now_ms

    def drop_to(self, number: int) -> None:
        """Blocks up to this height are final."""
        for hash_, proof in list(self._proofs.items()):
            if proof.block.number <= number:
                del self._proofs[hash_]

    @property
    def next_ms(self) -> int | None:
        """When the first of them is to be asked for."""
        return min(
            (proof.due_ms for proof in self._proofs.values() if not proof.is_asked), default=None
        )
