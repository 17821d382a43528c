"""Reporting who did two things where one is allowed: two blocks in a slot, two votes in a round.

The report is an extrinsic that nobody signs, of this node's own pool; the chain checks the proof
and punishes once, whoever reports first. Whose key it was is read from a state of the offender's
session, while that is kept.
Bounds: ``WAITING_MAX`` reports wait, more are dropped: somebody else will report.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from node.consensus.chain import Chain
from node.consensus.equivocations import BlockEquivocation
from node.consensus.shell import FATAL
from node.database import StateDiscarded, UnknownBlock
from node.runtime import CessRuntime
from node.runtime.reports import babe_report, grandpa_report
from primitives.digest import AuthorityKey
from primitives.equivocation import BabeEquivocationProof, grandpa_proof
from primitives.errors import CessError
from primitives.grandpa import Equivocation
from primitives.scale import U64
from primitives.types import Hash

__all__ = ["WAITING_MAX", "Reporter", "block_report", "vote_report"]

log = structlog.get_logger("offences")

WAITING_MAX: Final = 64


def block_report(chain: Chain, found: BlockEquivocation) -> bytes | None:
    """The report of two blocks of one slot; None if the chain does not know the key any more."""
    key = AuthorityKey(found.author)
    proof = BabeEquivocationProof(
        offender=key, slot=U64(found.slot), first_header=found.first, second_header=found.second
    )
    for hash_ in (found.first.hash(), found.second.hash(), chain.database.best().hash):
        runtime = _runtime(chain, hash_)
        owner = None if runtime is None else runtime.babe.prove_owner(key)
        if runtime is not None and owner is not None:
            return babe_report(runtime, proof, owner)
    return None


def vote_report(chain: Chain, found: Equivocation) -> bytes | None:
    """The report of two votes of one round; None for proposals, or if the set is long over."""
    proof = grandpa_proof(found)
    if proof is None:
        return None
    ended = chain.set_ended_by(found.set_id)
    if ended is None:
        hash_ = chain.database.finalized().hash
    else:
        hash_ = chain.header(ended.hash).parent_hash
    runtime = _runtime(chain, hash_)
    if runtime is None or runtime.grandpa.set_id() != found.set_id:
        return None
    owner = runtime.grandpa.prove_owner(proof.offender)
    return None if owner is None else grandpa_report(runtime, proof, owner)


def _runtime(chain: Chain, hash_: Hash) -> CessRuntime | None:
    try:
        return chain.runtime(hash_)
    except (UnknownBlock, StateDiscarded):
        return None


class Reporter:
    """Takes what was found, and gives reports to ``submit``, the pool's."""

    def __init__(self, chain: Chain, submit: Callable[[bytes], Awaitable[object]]) -> None:
        self._chain = chain
        self._submit = submit
        self._send, self._found = trio.open_memory_channel[Equivocation | BlockEquivocation](
            WAITING_MAX
        )
        self.reported_count = 0

    def report(self, found: Equivocation | BlockEquivocation) -> None:
        """Report it, soon."""
        try:
            self._send.send_nowait(found)
        except trio.WouldBlock:
            log.warning("too many offences to report: one is left to others")

    async def run(self) -> None:
        """Report until cancelled."""
        async for found in self._found:
            try:
                await self._report(found)
            except FATAL:
                raise
            except CessError as error:
                # Mostly: it was reported already.
                log.info("an offence was not reported", reason=str(error))

    async def _report(self, found: Equivocation | BlockEquivocation) -> None:
        def make() -> bytes | None:
            if isinstance(found, BlockEquivocation):
                return block_report(self._chain, found)
            return vote_report(self._chain, found)

        extrinsic = await trio.to_thread.run_sync(make)
        if extrinsic is None:
            log.info("an offence cannot be reported: the key is none of a known session")
            return
        await self._submit(extrinsic)
        self.reported_count += 1
        log.warning("an offence was reported")
