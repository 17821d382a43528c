"""How plots become idle space, and how they are retired.

A miner asks for a range of plots behind its last one. The next block draws the seed, so the miner
did not know it when it asked, and from then on the draws are fixed: there is nothing to grind, and
a refused answer may be corrected until the deadline. A range that was not answered by its deadline
is free to be asked for again, with another seed.

The indexes of a miner only rise while it is registered, and the plot of an index is the miner's
alone (docs/specs/pois.md): no plot is pledged twice.

Bounds: one certification for each miner; ``SEEDS_PER_BLOCK_MAX`` seeds in a block, the queue keeps
the rest.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import isqrt
from typing import TYPE_CHECKING, Final

from pallets.frame import ensure
from pallets.sminer import listing
from pallets.sminer.types import MinerState, PendingIdle
from primitives.errors import ProofRejected
from primitives.scale import U64, U128
from primitives.types import AccountId, BlockNumber, Hash
from proofs.pois.verify import estimate_bytes, verify_answers

if TYPE_CHECKING:
    from pallets.sminer.pallet import Sminer

__all__ = ["SEEDS_PER_BLOCK_MAX", "draw_seeds", "needed_bytes", "prove", "request", "retire"]

SEEDS_PER_BLOCK_MAX: Final = 64
"""Certifications that get their seed in one block."""

CHANCE: Final = 4
"""How far chance may push an honest miner's estimate down: by about this many over the root of the
draws, of its claim. With 64 or with 256 draws an honest miner fails less than once in 1,000 times.
"""


def request(sminer: "Sminer", who: AccountId, count: U64) -> tuple[U64, U64]:
    """Begin the certification of ``count`` plots more; return their range of indexes.

    Errors: NotMiner, NotpositiveState, CountError, ExceedingDeclarationSpace, CertificationPending.
    """
    info = sminer.existing(who)
    ensure(info.state == MinerState.Positive, sminer.NotpositiveState)
    ensure(count > 0, sminer.CountError)
    sminer.ensure_declared(info, count)
    now = sminer.now()
    pending = sminer.pending_idle.get(who)
    if pending is not None:
        is_over = pending.seed is not None and pending.deadline < now
        ensure(is_over, sminer.CertificationPending)
    first = info.space_proof_info.rear
    end = U64(first + count)
    sminer.pending_idle[who] = PendingIdle(
        from_index=first, to_index=end, requested_at=now, seed=None, deadline=BlockNumber(0)
    )
    tail = sminer.idle_queue_tail.get()
    sminer.idle_queue[tail] = who
    sminer.idle_queue_tail.put(U64(tail + 1))
    return first, end


def draw_seeds(sminer: "Sminer", n: BlockNumber) -> int:
    """Give seeds to the oldest requests; return how many entries of the queue were taken.

    All are of earlier blocks, because hooks run before calls. Never raises.
    """
    head, tail = sminer.idle_queue_head.get(), sminer.idle_queue_tail.get()
    end = min(tail, head + SEEDS_PER_BLOCK_MAX)
    for index in range(head, end):
        who = sminer.idle_queue.take(U64(index))
        pending = None if who is None else sminer.pending_idle.get(who)
        if who is None or pending is None or pending.seed is not None:
            continue  # it has left since it asked
        subject = b"cess/idle-certificate/v1" + who + pending.from_index.to_bytes(8, "little")
        deadline = n.saturating_add(sminer.config.idle_deadline_block)
        seed = sminer.config.randomness.random(subject)
        sminer.pending_idle[who] = replace(pending, seed=seed, deadline=deadline)
        sminer.deposit_event(sminer.IdleSeedDrawn(miner=who, deadline=deadline))
    if end > head:
        sminer.idle_queue_head.put(U64(end))
    return end - head


def prove(sminer: "Sminer", who: AccountId, answers: Sequence[tuple[int, bytes]]) -> U128:
    """Verify the answers of a certification; return the bytes that are idle space now.

    With its first plots a miner is listed for the draws of deals and audits.
    Errors: NotMiner, NotpositiveState, NoCertification, SeedNotDrawn, CertificationExpired,
    ExceedingDeclarationSpace, InvalidIdleProof, InsufficientIdleProof.
    """
    info = sminer.existing(who)
    ensure(info.state == MinerState.Positive, sminer.NotpositiveState)
    pending = sminer.pending_idle.get(who)
    if pending is None:
        raise sminer.NoCertification
    if pending.seed is None:
        raise sminer.SeedNotDrawn
    ensure(sminer.now() <= pending.deadline, sminer.CertificationExpired)
    count = U64(pending.to_index - pending.from_index)
    sminer.ensure_declared(info, count)
    claimed = sminer.size_of(count)
    estimate = _estimate(sminer, who, pending, pending.seed, answers)
    needed = needed_bytes(int(claimed), int(sminer.config.cert_draws))
    ensure(estimate >= needed, sminer.InsufficientIdleProof)

    del sminer.pending_idle[who]
    sminer.miner_items[who] = replace(
        info,
        idle_space=U128(info.idle_space + claimed),
        space_proof_info=replace(info.space_proof_info, rear=pending.to_index),
    )
    sminer.config.space.add_total_idle_space(claimed)
    listing.enter(sminer, who)
    return claimed


def retire(sminer: "Sminer", who: AccountId, count: U64) -> U128:
    """Retire the ``count`` oldest plots, which service data displaced; return their bytes.

    Errors: NotMiner, CountError, InsufficientReplaceable.
    """
    info = sminer.existing(who)
    ensure(count > 0, sminer.CountError)
    plots = info.space_proof_info
    ensure(plots.rear - plots.front >= count, sminer.InsufficientReplaceable)
    size = sminer.size_of(count)
    pending = sminer.pending_replacements.get(who)
    ensure(pending >= size, sminer.InsufficientReplaceable)
    sminer.miner_items[who] = replace(
        info, space_proof_info=replace(plots, front=U64(plots.front + count))
    )
    sminer.put_pending(who, U128(pending - size))
    return size


def needed_bytes(claimed: int, draws: int) -> int:
    """The estimate at which ``claimed`` bytes are believed after ``draws`` draws, rounded up.

    Half of them with 64 draws or fewer, three quarters with 256, more with more.
    """
    root = max(isqrt(draws), 2 * CHANCE)
    return -(-claimed * (root - CHANCE) // root)


def _estimate(
    sminer: "Sminer",
    who: AccountId,
    pending: PendingIdle,
    seed: Hash,
    answers: Sequence[tuple[int, bytes]],
) -> int:
    """The bytes that the answers stand for, or InvalidIdleProof."""
    k, draws = int(sminer.config.plot_k), int(sminer.config.cert_draws)
    first, end = int(pending.from_index), int(pending.to_index)
    try:
        accepted = verify_answers(sminer.genesis_hash(), who, k, seed, first, end, draws, answers)
    except ProofRejected:
        raise sminer.InvalidIdleProof from None
    return estimate_bytes(accepted, draws, end - first, k)
