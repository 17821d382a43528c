"""Twins of nodes with one defence broken; the checkers must catch each of them.

Each is a context in which production code is changed, as in ``tests/attacks/broken.py``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import node.consensus.grandpa.voter as voter_module
from node.consensus.chain import Chain
from node.consensus.fork_choice import ForkChoice, _Entry
from node.consensus.grandpa import Voter
from node.consensus.grandpa.chain_view import ChainView
from node.consensus.grandpa.commits import justified_alone
from node.consensus.grandpa.voters import Voters
from node.consensus.signed_slots import SignedSlots
from primitives import justification
from primitives.grandpa import Block
from primitives.header import Header
from primitives.types import Hash
from tests.simulation import syncing
from tests.simulation.disk import SimDisk
from tests.simulation.faults import is_primary
from tests.simulation.ideal import patched
from tests.simulation.tiny import TinyExecutive
from tests.simulation.validator import SlotFile, Validator, VoteFile


@contextmanager
def lowered_threshold() -> Iterator[None]:
    """Half of the votes finalize."""
    real = Voters.of.__func__  # type: ignore[attr-defined]

    def of(cls: type[Voters], authorities: Any) -> Voters:
        made = real(cls, authorities)
        return Voters(made.weights, made.total, made.total // 2, made._order)

    with patched(
        [
            (Voters, "of", classmethod(of)),
            (justification, "threshold", lambda count: count // 2),
        ]
    ):
        yield


@contextmanager
def forgotten_votes() -> Iterator[None]:
    """A vote is sent before it is remembered, and what is remembered is lost in a crash."""
    with patched([(VoteFile, "write", lambda self, record: None)]):
        yield


@contextmanager
def forgotten_slots() -> Iterator[None]:
    """The slots that were signed for are remembered, and lost in a crash."""
    with patched([(SlotFile, "claim", SignedSlots.claim)]):
        yield


@contextmanager
def ignored_estimate() -> Iterator[None]:
    """A voter votes for its best chain, whatever may be final by the round before."""

    def best_containing(self: ChainView, hash_: bytes) -> Block:
        del hash_
        best = self._chain.forks.best
        return Block(best.hash, best.number)

    with patched([(ChainView, "best_containing", best_containing)]):
        yield


@contextmanager
def ignored_finality() -> Iterator[None]:
    """Fork choice is not told what is final, and follows the better fork."""

    def finalize(self: ForkChoice, hash_: bytes) -> Any:
        del hash_
        return self.best

    with patched([(ForkChoice, "finalize", finalize)]):
        yield


@dataclass(frozen=True)
class _Weighed(_Entry):
    primaries: int = 0

    @property
    def rank(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.primaries, self.number, -self.order


@contextmanager
def most_primaries() -> Iterator[None]:
    """BABE's rule: the best chain is that with the most primary slots, then the highest."""
    real_insert, real_add = Chain._insert, Chain._add
    weight = [0]

    def primaries(forks: ForkChoice, hash_: Hash) -> int:
        return getattr(forks._entries[hash_], "primaries", 0)

    def insert(self: Chain, header: Header, *arguments: Any, **named: Any) -> Any:
        weight[0] = int(is_primary(header))
        return real_insert(self, header, *arguments, **named)

    def add_header(forks: ForkChoice, hash_: Hash, header: Header) -> None:
        weight[0] = int(is_primary(header))
        real_add(forks, hash_, header)

    def would_lead(self: ForkChoice, parent: Hash) -> bool:
        best = self.best
        offered = primaries(self, parent) + weight[0], self._entries[parent].number + 1
        return offered > (primaries(self, best.hash), best.number)

    def add(self: ForkChoice, hash_: Hash, parent: Hash, **changes: bool) -> bool:
        below, leads = self._entries[parent], self.would_lead(parent)
        real_fork_add(self, hash_, parent, **changes)
        count = primaries(self, parent) + weight[0]
        self._entries[hash_] = _Weighed(parent, below.number + 1, self._order, count)
        return leads

    real_fork_add = ForkChoice.add
    with patched(
        [
            (Chain, "_insert", insert),
            (Chain, "_add", staticmethod(add_header)),
            (ForkChoice, "would_lead", would_lead),
            (ForkChoice, "add", add),
        ]
    ):
        yield


@contextmanager
def unnoticed_histories() -> Iterator[None]:
    """A commit at or below what is final is left unread, as it once was."""
    with patched([(Voter, "_on_old_commit", lambda self, peer, message: None)]):
        yield


@contextmanager
def untold_finality() -> Iterator[None]:
    """Nobody is told what is final here but those who seem to be behind."""
    with patched([(Voter, "_compare_finality", lambda self, peer: None)]):
        yield


@contextmanager
def unproven_stops() -> Iterator[None]:
    """The proof that is kept has fewer votes than it needs."""

    def justified(*arguments: Any) -> Any:
        found = justified_alone(*arguments)
        if found is None:
            return None
        commit = replace(found.commit, precommits=found.commit.precommits[1:])
        return replace(found, commit=commit)

    with patched([(voter_module, "justified_alone", justified)]):
        yield


@contextmanager
def unsynced_writes() -> Iterator[None]:
    """The disk is told to sync, and does not."""
    real = SimDisk.write

    def write(self: SimDisk, operations: Any, *, sync: bool) -> None:
        del sync
        real(self, operations, sync=False)

    with patched([(SimDisk, "write", write)]):
        yield


@contextmanager
def unsettled_votes() -> Iterator[None]:
    """A voter does not wait until the blocks that it fetched are on disk."""
    with patched([(Validator, "settle", lambda self: None)]):
        yield


@contextmanager
def made_money() -> Iterator[None]:
    """Fees are paid and not taken."""
    real = TinyExecutive.apply_extrinsic

    def apply(self: TinyExecutive, ext: bytes) -> None:
        count = len(self._body)
        real(self, ext)
        if count and len(self._body) > count:
            self._money[0] += 1

    with patched([(TinyExecutive, "apply_extrinsic", apply)]):
        yield


@contextmanager
def nondeterministic_execution() -> Iterator[None]:
    """Executing a block again gives something else."""
    real = TinyExecutive._execute
    count = [0]

    def execute(self: TinyExecutive, header: Any, body: Any) -> dict[bytes, bytes | None]:
        changes = real(self, header, body)
        count[0] += 1
        if count[0] % 64 == 0:
            changes = {**changes, b"stray": b"1"}
        return changes

    with patched([(TinyExecutive, "_execute", execute)]):
        yield


@contextmanager
def unlooked_bodies() -> Iterator[None]:
    """Bodies are not compared with their headers before the import, as they once were not."""
    with patched([(syncing, "fits", lambda blocks: True)]):
        yield


@contextmanager
def unsuspected_traitors() -> Iterator[None]:
    """Traitors are taken for honest."""
    with patched([(Validator, "is_byzantine", False)]):
        yield


@contextmanager
def silent_rot() -> Iterator[None]:
    """The disk spoils what it writes, though no fault of it was planned."""
    real = SimDisk.write
    count = [0]

    def write(self: SimDisk, operations: Any, *, sync: bool) -> None:
        count[0] += 1
        if count[0] % 64 == 0:
            operations = {key: value and b"\xff" + value[1:] for key, value in operations.items()}
        real(self, operations, sync=sync)

    with patched([(SimDisk, "write", write)]):
        yield


@contextmanager
def unexpected_lies() -> Iterator[None]:
    """An answer with other bodies raises what nobody handles."""
    real = syncing.fits

    def fits(blocks: syncing.Pieces) -> bool:
        if not real(blocks):
            raise IndexError("other bodies")
        return True

    with patched([(syncing, "fits", fits)]):
        yield
