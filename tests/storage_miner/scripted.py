"""A chain for one miner that says what the test sets and remembers what it is sent."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from pallets.audit.types import ChallengeInfo
from primitives.types import AccountId, Bytes48, FileHash, FragmentHash, Hash
from storage_miner.chain import Head, SampledRow, Survivor
from storage_miner.facts import (
    Assignment,
    ChainFacts,
    Ended,
    HeldFragment,
    MinerView,
    Outcome,
    Place,
    RestoralTask,
)
from storage_miner.responder import IdleAnswers, ServiceAnswer
from storage_miner.store.records import Cosignature
from tests.storage_miner.kit import FACTS, view


@dataclass
class ScriptedChain:
    """`now` is what the miner sees; `sent` what it sent; each call ends as `outcomes` say."""

    now: MinerView = field(default_factory=lambda: view(1, info=None))
    sent: list[tuple[Any, ...]] = field(default_factory=list)
    held: tuple[HeldFragment, ...] = ()
    rows: tuple[SampledRow, ...] = ()
    tasks: tuple[RestoralTask, ...] = ()
    others: tuple[Survivor, ...] = ()
    owners: dict[bytes, AccountId] = field(default_factory=dict)
    outcomes: dict[str, Ended] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._send, self._heads = trio.open_memory_channel[Head](1000)

    def block(self, **changes: object) -> None:
        """The next block, in which `changes` are seen."""
        number = self.now.number + 1
        self.now = replace(
            self.now,
            number=number,
            block_hash=Hash(number.to_bytes(32, "big")),
            **changes,  # type: ignore[arg-type]
        )
        self._send.send_nowait(Head(number, self.now.block_hash))

    async def wait_sent(self, name: str) -> tuple[Any, ...]:
        """The first call of this name, once it was sent; it is taken out."""
        with trio.fail_after(20):
            while True:
                for call in self.sent:
                    if call[0] == name:
                        self.sent.remove(call)
                        return call
                await trio.sleep(0.005)

    async def facts(self) -> ChainFacts:
        return FACTS

    async def heads(self) -> AsyncIterator[Head]:
        async for head in self._heads:
            yield head

    async def finalized(self) -> Head:
        return Head(self.now.number, self.now.block_hash)

    async def view(self, head: Head) -> MinerView:
        return self.now

    async def assignments_of(self, fragment_hash: FragmentHash) -> tuple[Assignment, ...]:
        return tuple(item for item in self.now.assignments if item.fragment_hash == fragment_hash)

    async def deal_owner(self, file_hash: FileHash) -> AccountId | None:
        return self.owners.get(bytes(file_hash))

    async def holdings(self, at: Hash) -> tuple[HeldFragment, ...]:
        return self.held

    async def sampled_rows(self, challenge: ChallengeInfo) -> tuple[SampledRow, ...]:
        return self.rows

    async def restoral_tasks(self) -> tuple[RestoralTask, ...]:
        return self.tasks

    async def survivors(self, place: Place) -> tuple[Survivor, ...]:
        return self.others

    async def _end(self, name: str, *arguments: Any) -> Ended:
        await trio.lowlevel.checkpoint()
        self.sent.append((name, *arguments))
        return self.outcomes.get(name, Ended(Outcome.done))

    async def register(
        self, endpoint: str, beneficiary: AccountId, collateral: int, units: int
    ) -> Ended:
        return await self._end("register", endpoint, beneficiary, collateral, units)

    async def update_endpoint(self, endpoint: str) -> Ended:
        return await self._end("update_endpoint", endpoint)

    async def update_beneficiary(self, beneficiary: AccountId) -> Ended:
        return await self._end("update_beneficiary", beneficiary)

    async def add_collateral(self, amount: int) -> Ended:
        return await self._end("add_collateral", amount)

    async def increase_declaration(self, units: int) -> Ended:
        return await self._end("increase_declaration", units)

    async def report_fragments(
        self, file_hash: FileHash, items: Sequence[tuple[Cosignature, Sequence[Bytes48]]]
    ) -> Ended:
        return await self._end("report_fragments", file_hash, tuple(items))

    async def submit_service(self, round_number: int, answer: ServiceAnswer) -> Ended:
        return await self._end("submit_service", round_number, answer)

    async def submit_idle(self, round_number: int, answer: IdleAnswers) -> Ended:
        return await self._end("submit_idle", round_number, answer)

    async def request_certificate(self, count: int) -> Ended:
        return await self._end("request_certificate", count)

    async def prove_certificate(self, answers: Sequence[tuple[int, bytes]]) -> Ended:
        return await self._end("prove_certificate", tuple(answers))

    async def retire_plots(self, count: int) -> Ended:
        return await self._end("retire_plots", count)

    async def report_loss(self, file_hash: FileHash, fragment_hash: FragmentHash) -> Ended:
        return await self._end("report_loss", file_hash, fragment_hash)

    async def claim_order(self, task: RestoralTask) -> Ended:
        return await self._end("claim_order", task)

    async def complete_order(self, task: RestoralTask) -> Ended:
        return await self._end("complete_order", task)
