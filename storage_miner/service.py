"""The daemon: cores in the middle, one inbox, and a task for each order that they give.

`run` opens the volume, meets the chain, serves HTTP and follows best blocks until it is told to
stop. Nothing is kept in memory only: after a kill the volume and the chain say where to go on. A
node that goes away is waited for.

Bounds: INBOX_MAX facts wait; the cores bound the orders under way.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import structlog
import trio

from primitives.errors import CessError
from primitives.types import AccountId, Bytes48, FragmentHash

from . import custody, deals, idle, lifecycle, responder, restoral
from .chain import Head, MinerChain
from .errors import ProverFailed
from .facts import ChainFacts, Ended, MinerView, Outcome
from .jobs import AskedRow, IdleJob, IdleProved, ServiceJob, ServiceProved
from .plots import Plots
from .prover_pool import ProverPool
from .rebuild import Rebuilder
from .status_api import report
from .store import Cosignature, Volume
from .store.scrub import Finding, examine, pause_s
from .transfer import Transfers

INBOX_MAX = 256
FINALIZED_EVERY_HEADS = 4
HOLDINGS_EVERY_HEADS = 64
RESTORAL_EVERY_HEADS = 16
RETRY_S = 1.0
SCRUB_BYTES_PER_S = 16 << 20
SCRUB_ROUND_S_MIN = 60.0
UNREADABLE_BEFORE_LOST = 2
HEADROOM_SHARE = 8
"""One part in this many of the space is kept for fragments that wait for plots to go."""

log = structlog.get_logger(__name__)


class _Core(Protocol):
    def receive(self, what: Any) -> None: ...

    def next_effect(self) -> Any: ...


class Daemon:
    """One miner at work. `run` returns when `stop` is called."""

    def __init__(
        self,
        *,
        account: AccountId,
        chain: MinerChain,
        facts: ChainFacts,
        volume: Volume,
        pool: ProverPool,
        wish: lifecycle.Wish,
        capacity_bytes: int,
        plots_max: int | None = None,
        restores: bool = True,
        rebuilder: Rebuilder | None = None,
    ) -> None:
        self.account = account
        self._chain = chain
        self._facts = facts
        self._volume = volume
        self._pool = pool
        self._wish = wish
        self._restores = restores
        self._rebuilder = rebuilder or Rebuilder(facts.fragment_bytes)
        self._plots = Plots(volume, facts.genesis, account, facts.plot_k)
        self._view: MinerView | None = None
        self._seen_at = 0.0
        self._listed: tuple[int, int] | None = None
        self._has_listed_plots = False
        self._unreadable: dict[FragmentHash, int] = {}
        self._declared: tuple[FragmentHash, ...] = ()
        self._stopped = trio.Event()
        self._send, self._inbox = trio.open_memory_channel[object](INBOX_MAX)
        self.lifecycle = lifecycle.Lifecycle(facts, wish)
        self.responder = responder.Responder()
        self.deals = deals.Deals()
        self.idle = idle.Idle(facts, plots_max, capacity_bytes // HEADROOM_SHARE)
        self.custody = custody.Custody()
        self.restoral = restoral.Restoral(facts, account)
        self._cores: tuple[_Core, ...] = (
            self.responder,
            self.lifecycle,
            self.deals,
            self.idle,
            self.custody,
            self.restoral,
        )
        self.transfers = Transfers(
            volume=volume,
            chain=chain,
            facts=facts,
            account=account,
            pool=pool,
            notify=self.tell,
        )

    async def tell(self, fact: object) -> None:
        """Give a fact to the cores; waits while the inbox is full."""
        await self._send.send(fact)

    def stop(self) -> None:
        """Take nothing new and return from `run`."""
        self.transfers.is_stopping = True
        self._stopped.set()

    def status(self) -> dict[str, Any]:
        """The document of GET /status."""
        return report(
            account=self.account,
            endpoint=self._wish.endpoint,
            view=self._view,
            head_age_s=None if self._view is None else trio.current_time() - self._seen_at,
            space=self._volume.space(),
            fragments=len(self._volume.fragment_hashes()),
            uploads=self.transfers.uploads,
            lifecycle=self.lifecycle,
            responder=self.responder,
            deals=self.deals,
            idle=self.idle,
            custody=self.custody,
            restoral=self.restoral,
            pool=self._pool,
        )

    async def run(self) -> None:
        """Work until `stop`."""
        await self._load()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow)
            nursery.start_soon(self._scrub)
            nursery.start_soon(self._decide, nursery)
            await self._stopped.wait()
            nursery.cancel_scope.cancel()

    async def _load(self) -> None:
        """Tell the cores what an earlier process left on the disk."""
        for fragment_hash in self._volume.fragment_hashes():
            entry = self._volume.entry(fragment_hash)
            is_committed = entry is not None and entry.has_commitments
            self.deals.receive(deals.FragmentStored(fragment_hash, is_committed))
        for item in await trio.to_thread.run_sync(self._volume.cosignatures):
            self.deals.receive(deals.Cosigned(item))

    # Deciding.

    async def _decide(self, nursery: trio.Nursery) -> None:
        async for fact in self._inbox:
            if isinstance(fact, MinerView):
                self._view = fact
                self._seen_at = trio.current_time()
            for core in self._cores:
                core.receive(fact)
            for core in self._cores:
                while (effect := core.next_effect()) is not None:
                    nursery.start_soon(self._perform, effect)

    async def _perform(self, effect: object) -> None:
        """Carry out one order and tell how it ended."""
        match effect:
            case responder.Prove() | responder.Submit() | responder.Miss():
                await self._answer_round(effect)
            case deals.Commit() | deals.Report() | deals.DropCosignature():
                await self._serve_deal(effect)
            case (
                idle.MakePlot()
                | idle.DeletePlot()
                | idle.RequestCertificate()
                | idle.ProveCertificate()
                | idle.SubmitCertificate()
                | idle.RetirePlots()
            ):
                await self._fill_space(effect)
            case custody.DropFragment() | custody.ReportLoss():
                await self._keep(effect)
            case restoral.ClaimOrder() | restoral.Rebuild() | restoral.CompleteOrder():
                await self._restore(effect)
            case _:
                await self._register(effect)

    # Audits.

    async def _answer_round(self, effect: responder.Effect) -> None:
        key = effect.key
        names = {"part": key.part.value, "round": key.round_number}
        match effect:
            case responder.Miss(reason=reason):
                log.warning("audit missed", reason=reason, **names)
            case responder.Prove():
                try:
                    if key.part is responder.Part.service:
                        answer: responder.Answer = await self._prove_service(effect)
                    else:
                        answer = await self._prove_idle(effect)
                except CessError as error:
                    log.warning("proof failed", error=str(error), **names)
                    await self.tell(responder.ProofFailed(key, str(error)))
                else:
                    await self.tell(responder.Proved(key, answer))
            case responder.Submit(answer=responder.ServiceAnswer() as service):
                ended = await self._chain.submit_service(key.round_number, service)
                log.info(
                    "service proof submitted",
                    outcome=ended.outcome.value,
                    error=ended.error,
                    faulty=len(service.faulty),
                    **names,
                )
                if ended.outcome is Outcome.done and service.faulty:
                    for fragment_hash in self._declared:
                        await self.tell(custody.LossReportEnded(fragment_hash, ended))
                await self.tell(responder.AnswerEnded(key, ended))
            case responder.Submit(answer=responder.IdleAnswers() as idle_answer):
                ended = await self._chain.submit_idle(key.round_number, idle_answer)
                log.info(
                    "idle proof submitted",
                    outcome=ended.outcome.value,
                    error=ended.error,
                    answers=len(idle_answer.answers),
                    **names,
                )
                await self.tell(responder.AnswerEnded(key, ended))

    async def _prove_service(self, effect: responder.Prove) -> responder.ServiceAnswer:
        rows = await self._chain.sampled_rows(effect.challenge)
        if not rows:
            return responder.ServiceAnswer((), bytes(32), Bytes48(bytes(48)))
        layout = self._volume.layout
        job = ServiceJob(
            seed=effect.challenge.seed.hex(),
            fragment_bytes=self._facts.fragment_bytes,
            rows=[
                AskedRow(
                    index=row.index,
                    path=str(layout.fragment(row.fragment_hash)),
                    fragment_hash=row.fragment_hash.hex(),
                    row=row.row,
                    commitment=row.commitment.hex(),
                )
                for row in rows
            ],
        )
        result = await self._pool.run(job, effect.deadline)
        if not isinstance(result, ServiceProved):
            raise ProverFailed("the worker answered another question")
        self._declared = tuple(FragmentHash(bytes.fromhex(name)) for name in result.damaged)
        for fragment_hash in self._declared:
            await self._lose(fragment_hash)
        return responder.ServiceAnswer(
            tuple(result.faulty),
            bytes.fromhex(result.y),
            Bytes48(bytes.fromhex(result.proof)),
        )

    async def _prove_idle(self, effect: responder.Prove) -> responder.IdleAnswers:
        challenge = effect.challenge
        answers = await self._idle_answers(
            challenge.seed,
            int(challenge.idle_front),
            int(challenge.idle_rear),
            self._facts.plot_draws,
            effect.deadline,
        )
        return responder.IdleAnswers(answers)

    async def _idle_answers(
        self, seed: bytes, front: int, rear: int, draws: int, deadline: int
    ) -> tuple[tuple[int, bytes], ...]:
        job = IdleJob(
            genesis=self._facts.genesis.hex(),
            miner=self.account.hex(),
            k=self._facts.plot_k,
            seed=seed.hex(),
            front=front,
            rear=rear,
            draws=draws,
            plots=str(self._plots.directory),
        )
        result = await self._pool.run(job, deadline)
        if not isinstance(result, IdleProved):
            raise ProverFailed("the worker answered another question")
        if result.damaged:
            log.warning("plots damaged", indexes=result.damaged[:16], count=len(result.damaged))
            await self.tell(idle.PlotsDamaged(tuple(result.damaged)))
        return tuple((t, bytes.fromhex(proof)) for t, proof in result.answers)

    # Deals.

    async def _serve_deal(self, effect: deals.Effect) -> None:
        match effect:
            case deals.Commit(fragment_hash, deadline):
                try:
                    await self.transfers.commitments(fragment_hash, deadline)
                except CessError as error:
                    log.warning("commit failed", fragment=fragment_hash.hex(), error=str(error))
                    await self.tell(deals.CommitFailed(fragment_hash, str(error)))
                else:
                    await self.tell(deals.Committed(fragment_hash))
            case deals.Report(file_hash, items):
                ended = await self._report(effect.items)
                log.info(
                    "fragments reported",
                    file=file_hash.hex(),
                    count=len(items),
                    outcome=ended.outcome.value,
                    error=ended.error,
                )
                await self.tell(deals.ReportEnded(file_hash, items, ended))
            case deals.DropCosignature(item):
                await trio.to_thread.run_sync(self._volume.remove_cosignature, item)

    async def _report(self, items: Sequence[Cosignature]) -> Ended:
        ready = []
        for item in items:
            kept = await trio.to_thread.run_sync(self._volume.commitments, item.fragment_hash)
            if kept is None:
                await self.tell(deals.FragmentStored(item.fragment_hash, is_committed=False))
                return Ended(Outcome.lost, "commitments must be computed again")
            ready.append((item, kept))
        return await self._chain.report_fragments(items[0].file_hash, ready)

    # Idle space.

    async def _fill_space(self, effect: idle.Effect) -> None:
        match effect:
            case idle.MakePlot(index):
                await self._make_plot(index)
            case idle.DeletePlot(index):
                try:
                    await trio.to_thread.run_sync(self._plots.delete, index)
                except CessError as error:
                    log.warning("plot not deleted", index=index, error=str(error))
                await self.tell(idle.PlotDeleted(index))
                await self._measure()
            case idle.RequestCertificate(count):
                await self._end_idle_call(
                    "certification asked for", count, await self._chain.request_certificate(count)
                )
            case idle.ProveCertificate(seed, first, end, deadline):
                try:
                    answers = await self._idle_answers(
                        seed, first, end, self._facts.cert_draws, deadline
                    )
                except CessError as error:
                    log.warning("certification not proved", error=str(error))
                    await self.tell(idle.CertificateFailed(seed, str(error)))
                else:
                    await self.tell(idle.CertificateProved(seed, answers))
            case idle.SubmitCertificate(answers):
                await self._end_idle_call(
                    "certification answered",
                    len(answers),
                    await self._chain.prove_certificate(answers),
                )
            case idle.RetirePlots(count):
                await self._end_idle_call(
                    "plots retired", count, await self._chain.retire_plots(count)
                )

    async def _end_idle_call(self, what: str, count: int, ended: Ended) -> None:
        log.info(what, count=count, outcome=ended.outcome.value, error=ended.error)
        await self.tell(idle.IdleCallEnded(ended))

    async def _make_plot(self, index: int) -> None:
        started = trio.current_time()
        try:
            await trio.to_thread.run_sync(self._plots.make, index, abandon_on_cancel=True)
        except CessError as error:
            log.warning("plot not made", index=index, error=str(error))
            await self.tell(idle.PlotFailed(index, str(error)))
        else:
            log.info("plot made", index=index, seconds=round(trio.current_time() - started, 1))
            await self.tell(idle.PlotMade(index))
        await self._measure()

    async def _measure(self) -> None:
        space = await trio.to_thread.run_sync(self._volume.space)
        await self.tell(idle.SpaceMeasured(space.left))

    # Custody.

    async def _keep(self, effect: custody.Effect) -> None:
        match effect:
            case custody.DropFragment(fragment_hash):
                try:
                    await trio.to_thread.run_sync(self._volume.remove, fragment_hash)
                except CessError as error:
                    log.warning("fragment not deleted", error=str(error))
                    return
                log.info("fragment dropped", fragment=fragment_hash.hex())
                await self.tell(deals.FragmentGone(fragment_hash))
            case custody.ReportLoss(file_hash, fragment_hash):
                ended = await self._chain.report_loss(file_hash, fragment_hash)
                log.warning(
                    "loss reported",
                    fragment=fragment_hash.hex(),
                    outcome=ended.outcome.value,
                    error=ended.error,
                )
                await self.tell(custody.LossReportEnded(fragment_hash, ended))

    async def _lose(self, fragment_hash: FragmentHash) -> None:
        """A fragment's bytes are wrong or gone: nothing of it stays."""
        log.error("fragment lost", fragment=fragment_hash.hex())
        try:
            await trio.to_thread.run_sync(self._volume.forget, fragment_hash)
        except CessError as error:
            log.warning("fragment not deleted", error=str(error))
        await self.tell(deals.FragmentGone(fragment_hash))
        await self.tell(custody.FragmentLost(fragment_hash))

    async def _scrub(self) -> None:
        """Read every fragment again and again, slowly."""
        while True:
            started = trio.current_time()
            cursor: FragmentHash | None = None
            while (cursor := self._volume.next_fragment(cursor)) is not None:
                path = self._volume.layout.fragment(cursor)
                found = await trio.to_thread.run_sync(examine, path, cursor)
                if self._is_lost(cursor, found.finding):
                    await self._lose(cursor)
                await trio.sleep(pause_s(self._facts.fragment_bytes, SCRUB_BYTES_PER_S))
            spent = trio.current_time() - started
            await trio.sleep(max(0.0, SCRUB_ROUND_S_MIN - spent))

    def _is_lost(self, fragment_hash: FragmentHash, finding: Finding) -> bool:
        """An unreadable one gets a second chance: the disk may be busy or loose."""
        if finding is Finding.unreadable:
            seen = self._unreadable[fragment_hash] = self._unreadable.get(fragment_hash, 0) + 1
            return seen >= UNREADABLE_BEFORE_LOST
        self._unreadable.pop(fragment_hash, None)
        still_there = self._volume.entry(fragment_hash) is not None
        return still_there and finding in (Finding.damaged, Finding.missing)

    # Restoral.

    async def _restore(self, effect: restoral.Effect) -> None:
        match effect:
            case restoral.ClaimOrder(task):
                ended = await self._chain.claim_order(task)
                log.info(
                    "restoral claimed",
                    fragment=task.fragment_hash.hex(),
                    outcome=ended.outcome.value,
                    error=ended.error,
                )
                await self.tell(restoral.ClaimEnded(task.fragment_hash, ended))
            case restoral.Rebuild(task):
                fragment_hash = task.fragment_hash
                await self.tell(custody.RestoringNow(self.restoral.working_on()))
                try:
                    if self._volume.entry(fragment_hash) is None:
                        survivors = await self._chain.survivors(task.place)
                        data = await self._rebuilder.rebuild(
                            task.place.fragment_index, fragment_hash, survivors
                        )
                        await self.transfers.store(fragment_hash, data)
                except CessError as error:
                    log.warning("not rebuilt", fragment=fragment_hash.hex(), error=str(error))
                    await self.tell(restoral.RebuildFailed(fragment_hash, str(error)))
                else:
                    await self.tell(custody.FragmentFound(fragment_hash))
                    await self.tell(restoral.Rebuilt(fragment_hash))
            case restoral.CompleteOrder(task):
                fragment_hash = task.fragment_hash
                ended = await self._chain.complete_order(task)
                log.info(
                    "fragment restored",
                    fragment=fragment_hash.hex(),
                    outcome=ended.outcome.value,
                    error=ended.error,
                )
                await self.tell(restoral.CompletionEnded(fragment_hash, ended))
                await self.tell(custody.RestoringNow(frozenset()))

    # Registration.

    async def _register(self, effect: object) -> None:
        match effect:
            case lifecycle.Register(endpoint, beneficiary, units, collateral):
                ended = await self._chain.register(endpoint, beneficiary, collateral, units)
            case lifecycle.UpdateEndpoint(endpoint):
                ended = await self._chain.update_endpoint(endpoint)
            case lifecycle.UpdateBeneficiary(beneficiary):
                ended = await self._chain.update_beneficiary(beneficiary)
            case lifecycle.AddCollateral(amount):
                ended = await self._chain.add_collateral(amount)
            case lifecycle.IncreaseDeclaration(units):
                ended = await self._chain.increase_declaration(units)
            case _:
                raise AssertionError(f"no core gives the order {effect!r}")
        name = type(effect).__name__
        log.info("registration call", call=name, outcome=ended.outcome.value, error=ended.error)
        await self.tell(lifecycle.LifecycleCallEnded(ended))

    # Following the chain.

    async def _follow(self) -> None:
        count = 0
        while True:
            try:
                async for head in self._chain.heads():
                    await self._see(head, count)
                    count += 1
            except CessError as error:
                log.warning("chain lost", error=str(error))
            await trio.sleep(RETRY_S)

    async def _see(self, head: Head, count: int) -> None:
        try:
            view = await self._chain.view(head)
            log.debug("block seen", number=view.number)
            if not self._has_listed_plots:
                await self._list_plots(view)
                self._has_listed_plots = True
            await self._measure()
            await self.tell(view)
            if count % FINALIZED_EVERY_HEADS == 0:
                await self._look_at_finalized(count)
            if self._restores and count % RESTORAL_EVERY_HEADS == 0:
                tasks = await self._chain.restoral_tasks()
                await self.tell(restoral.TasksListed(view.number, tasks))
        except CessError as error:
            # The node is away or has dropped the block; the next head brings a view.
            log.debug("no view", number=head.number, error=str(error))

    async def _list_plots(self, view: MinerView) -> None:
        plots = None if view.info is None else view.info.space_proof_info
        front, rear = (0, 0) if plots is None else (int(plots.front), int(plots.rear))
        found = await trio.to_thread.run_sync(self._plots.listed, front, rear)
        await self.tell(idle.PlotsListed(found))

    async def _look_at_finalized(self, count: int) -> None:
        """Only what is final may make us delete or report something."""
        head = await self._chain.finalized()
        view = await self._chain.view(head)
        if view.info is None:
            return
        front = int(view.info.space_proof_info.front)
        if view.challenge is not None and not view.challenge.idle_done:
            # A round that began before the plots were retired in the same block asks for them.
            front = min(front, int(view.challenge.idle_front))
        await self.tell(idle.FrontFinalized(view.number, front))
        key = (view.holding_count, int(view.info.service_space))
        if key != self._listed or count % HOLDINGS_EVERY_HEADS == 0:
            held = await self._chain.holdings(head.hash)
            on_disk = self._volume.fragment_hashes()
            await self.tell(custody.HoldingsListed(view.number, held, on_disk))
            self._listed = key
