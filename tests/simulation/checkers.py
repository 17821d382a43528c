"""What must hold whatever happens; asked after each step, and raised as ``Violation``.

- No two nodes have different final blocks at one height, and what a node calls final only grows.
- The state root of a final block is what its header says, and money is neither made nor lost.
- What a node acknowledged (a block imported or final) is there after a crash.
- An honest node seals one block for a slot and casts one vote of a kind in a round, over crashes.
- Nobody honest is accused, and no honest voter sees two thirds contradict themselves; where more
  than a third are traitors, somebody honest does, and stops with a proof that others can verify.
- Once all faults are over, finality goes on within ``HEAL_ROUNDS`` rounds.

Byzantine nodes are exempt: of them nothing is expected.
"""

from dataclasses import dataclass, field
from typing import Any

from node.consensus.grandpa import Timing
from primitives.grandpa import Block
from primitives.justification import (
    GrandpaJustification,
    InvalidJustification,
    verify_justification,
)
from primitives.types import Hash

HEAL_ROUNDS = 3
ROUND_MS = 6000
"""A round of finality at least: in a slot a block is made and voted for."""


def round_ms(timing: Timing) -> int:
    """How long a round of finality lasts at most, when the network works: see ``Voter``."""
    waits = max(3 * timing.gossip_ms, timing.repeat_ms, timing.idle_ms)
    return max(ROUND_MS, 2 * timing.gossip_ms + waits)


class Violation(AssertionError):  # noqa: N818  a fact
    """A promise was broken."""


@dataclass
class Checkers:
    """What all nodes of a world said so far."""

    honest: tuple[bool, ...]
    issuance: int
    is_betrayed: bool = False
    """Whether there are so many traitors that two histories may be final."""
    final: dict[int, bytes] = field(default_factory=dict)
    by: dict[int, int] = field(default_factory=dict)
    seals: dict[tuple[int, int], bytes] = field(default_factory=dict)
    votes: dict[tuple[int, int, int, int], bytes] = field(default_factory=dict)
    highest: int = 0
    finalized: int = 0
    checked_states: int = 0
    checked_restarts: int = 0
    forked_at: int | None = None
    """The lowest height known at which two blocks are final, in a betrayed world."""
    stopped: dict[int, int] = field(default_factory=dict)
    """Honest nodes that saw two histories and stopped, and at which height the other one is."""

    def fail(self, what: str) -> None:
        raise Violation(what)

    def on_final(self, node: int, number: int, hash_: bytes) -> None:
        """An honest node made a block final; it did so with all below it before."""
        known = self.final.get(number)
        if known is None:
            self.final[number] = hash_
            self.by[number] = node
            if number > self.highest:
                self.highest = number
        elif known != hash_ and self.is_betrayed:
            self.forked_at = min(number, self.forked_at or number)
        elif known != hash_:
            self.fail(
                f"node {node} finalized {hash_.hex()} at height {number}, "
                f"node {self.by[number]} finalized {known.hex()}"
            )
        self.finalized += 1

    def on_conflict(
        self, node: int, block: Block, proof: bytes, authorities: tuple[bytes, ...], set_id: int
    ) -> None:
        """An honest node saw that two histories are final, and stops with the proof."""
        if not self.is_betrayed:
            self.fail(f"node {node}: two thirds voted for {block} against what is final")
        decoded = GrandpaJustification.decode(proof)
        try:
            verify_justification(decoded, authorities, set_id)
        except InvalidJustification as error:
            self.fail(f"node {node} stopped without a proof: {error}")
        if bytes(decoded.commit.target_hash) != block.hash or self.forked_at is None:
            self.fail(f"node {node} stopped, and its proof does not show two histories")
        self.stopped[node] = block.number

    def on_met(self) -> None:
        """Those who finalized two histories have been together for ``HEAL_ROUNDS`` rounds."""
        if self.forked_at is not None and not self.stopped:
            self.fail(f"two histories are final from {self.forked_at} on, and nobody stopped")

    def on_growth(self, node: int, before: int, after: int) -> None:
        """An honest node made blocks final; its last final block was at ``before``."""
        if after <= before:
            self.fail(f"node {node} finalized {after}, and had finalized {before}")

    def on_state(self, node: int, claimed: bytes, found: bytes, issuance: int) -> None:
        """A state was read back."""
        self.checked_states += 1
        if claimed != found:
            self.fail(f"node {node}: a state has the root {found.hex()}, not {claimed.hex()}")
        if issuance != self.issuance:
            self.fail(f"node {node}: there are {issuance} units of money, not {self.issuance}")

    def on_seal(self, node: int, slot: int, hash_: bytes) -> None:
        """An honest node sealed a block."""
        known = self.seals.setdefault((node, slot), hash_)
        if known != hash_:
            self.fail(f"node {node} sealed two blocks in slot {slot}")

    def on_vote(self, node: int, set_id: int, round_: int, kind: int, block: bytes) -> None:
        """An honest node sent a vote of its own."""
        known = self.votes.setdefault((node, set_id, round_, kind), block)
        if known != block:
            self.fail(
                f"node {node} cast two votes of kind {kind} in round {round_} of set {set_id}: "
                f"{known.hex()} and {block.hex()}"
            )

    def on_restart(self, node: int, said: dict[str, tuple[bytes, int]], database: Any) -> None:
        """A node came back from its disk."""
        self.checked_restarts += 1
        final = database.finalized()
        hash_, number = said["final"]
        if final.number < number or (number and database.canonical_hash(number) != hash_):
            self.fail(f"node {node} lost the final block {number} that it had acknowledged")
        hash_, number = said["best"]
        if database.header(Hash(hash_)) is None and number > final.number:
            self.fail(f"node {node} lost block {number} that it had acknowledged")
