"""The daemon: cores in the middle, one inbox, and a task for each order that they give.

`run` follows best blocks until it is told to stop. Nothing is kept in memory only: after a kill the
volumes and the chain say where to go on. A node that goes away is waited for; a task that fails
unexpectedly is started again, see `supervise`.

While a volume is away a round that asks for what may lie on it waits for it, until
DECLARE_BEFORE_BLOCKS before its deadline. Then what is missing is declared, unless this would be
the first miss in a row, which costs less.

Bounds: INBOX_MAX facts wait; the cores bound the orders under way.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import structlog
import trio

from client.chain import EndpointReport
from primitives.errors import CessError
from primitives.types import AccountId, Bytes48, FragmentHash

from . import custody, deals, idle, lifecycle, responder, restoral
from .chain import Head, MinerChain
from .errors import ProverFailed
from .facts import ChainFacts, Ended, MinerView, Outcome
from .jobs import AskedRow, IdleJob, IdleProved, ServiceJob, ServiceProved
from .pace import Pace
from .plots import Plots
from .prover_pool import ProverPool
from .rebuild import Rebuilder
from .scrubbing import Scrubbing
from .status_api import report
from .store import Cosignature, Volume, Volumes
from .supervise import supervise
from .transfer import Transfers

INBOX_MAX = 256
FINALIZED_EVERY_HEADS = 4
HOLDINGS_EVERY_HEADS = 64
RESTORAL_EVERY_HEADS = 16
RETRY_S = 1.0
DECLARE_BEFORE_BLOCKS = 4
PROGRESS_LOG_S = 60.0
HEADROOM_SHARE = 8
"""One part in this many of the space is kept for fragments that wait for plots to go."""

log = structlog.get_logger(__name__)


class _Core(Protocol):
    def receive(self, what: Any) -> None: ...

    def next_effect(self) -> Any: ...


class _MayComeBackError(CessError):
    """What a round asks for may lie on a volume that comes back."""


def _now() -> int:
    return int(time.time())


def _word_of(volume: Volume) -> str:
    if volume.outage is not None:
        return "out"
    return "working" if volume.fault is None else "read only"


class Daemon:
    """One miner at work. `run` returns when `stop` is called."""

    def __init__(
        self,
        *,
        account: AccountId,
        chain: MinerChain,
        facts: ChainFacts,
        volumes: Volumes,
        pool: ProverPool,
        wish: lifecycle.Wish,
        scrub_rate: int,
        plots_max: int | None = None,
        restores: bool = True,
        rebuilder: Rebuilder | None = None,
        nodes: Callable[[], Sequence[EndpointReport]] = tuple,
    ) -> None:
        self.account = account
        self._chain = chain
        self._facts = facts
        self._volumes = volumes
        self._pool = pool
        self._wish = wish
        self._nodes = nodes
        self._restores = restores
        self._rebuilder = rebuilder or Rebuilder(facts.fragment_bytes)
        self._plots = Plots(volumes, facts.genesis, account, facts.plot_k)
        self._view: MinerView | None = None
        self._seen_at = 0.0
        self._listed: tuple[int, int] | None = None
        self._has_listed_plots = False
        self._pace = Pace()
        self._declared: tuple[FragmentHash, ...] = ()
        self._stopped = trio.Event()
        self._send, self._inbox = trio.open_memory_channel[object](INBOX_MAX)
        self.lifecycle = lifecycle.Lifecycle(facts, wish)
        self.responder = responder.Responder()
        self.deals = deals.Deals()
        self.idle = idle.Idle(facts, plots_max)
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
            volumes=volumes,
            chain=chain,
            facts=facts,
            account=account,
            pool=pool,
            notify=self.tell,
        )
        self.scrubbing = Scrubbing(
            volumes,
            scrub_rate,
            lose=self._lose_on,
            replot=self._replot,
            is_busy=lambda: self.responder.is_open(responder.Part.service),
        )

    async def tell(self, fact: object) -> None:
        """Give a fact to the cores; waits while the inbox is full."""
        await self._send.send(fact)

    def stop(self) -> None:
        """Take nothing new and return from `run`."""
        self.transfers.is_stopping = self._plots.is_stopping = True
        self._stopped.set()

    def status(self) -> dict[str, Any]:
        """The document of GET /status."""
        return report(
            account=self.account,
            endpoint=self._wish.endpoint,
            view=self._view,
            head_age_s=None if self._view is None else trio.current_time() - self._seen_at,
            space=self._volumes.space(),
            volumes=self._volume_reports(),
            away=self._volumes.away(_now()),
            fragments=self._volumes.count(),
            plotting=self._plotting_report(),
            uploads=self.transfers.uploads,
            lifecycle=self.lifecycle,
            responder=self.responder,
            deals=self.deals,
            idle=self.idle,
            custody=self.custody,
            restoral=self.restoral,
            pool=self._pool,
            nodes=self._nodes(),
        )

    def _volume_reports(self) -> list[dict[str, Any]]:
        return [
            {
                "path": str(volume.layout.root),
                "id": volume.page.volume_id.hex(),
                "state": _word_of(volume),
                "reason": "" if volume.fault is None else str(volume.fault),
                "fragments": volume.count(),
                "scrub": self.scrubbing.status(volume),
            }
            for volume in self._volumes.volumes
        ]

    def _plotting_report(self) -> dict[str, Any]:
        counts = self.idle.statistics()
        eta = None
        if not self._plots.is_paused:
            eta = self._pace.eta_s(
                trio.current_time(), self._plots.progress, counts.wanted - counts.plots
            )
        return {
            "is_paused": self._plots.is_paused,
            "progress_percent": None if counts.making is None else self._plots.progress // 10,
            "eta_s": None if eta is None else round(eta),
        }

    async def run(self) -> None:
        """Work until `stop`. Raises: TaskFailed when a part of it cannot be kept alive."""
        await self._load()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervise, "follow the chain", self._follow)
            for name, task in self.scrubbing.tasks():
                nursery.start_soon(supervise, name, task)
            nursery.start_soon(supervise, "decide", partial(self._decide, nursery))
            await self._stopped.wait()
            nursery.cancel_scope.cancel()

    async def _load(self) -> None:
        """Tell the cores what an earlier process left on the disk."""
        for fragment_hash in await trio.to_thread.run_sync(self._volumes.fragment_hashes):
            entry = self._volumes.entry(fragment_hash)
            is_committed = entry is not None and entry.has_commitments
            self.deals.receive(deals.FragmentStored(fragment_hash, is_committed))
        for item in await trio.to_thread.run_sync(self._volumes.cosignatures):
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
                    name = type(effect).__name__
                    nursery.start_soon(supervise, name, partial(self._perform, effect))

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
                except _MayComeBackError as error:
                    log.warning("proof waits", reason=str(error), **names)
                    await self.tell(responder.Postponed(key, str(error)))
                except CessError as error:
                    log.warning("proof failed", error=str(error), **names)
                    await self.tell(responder.ProofFailed(key, str(error)))
                else:
                    await self.tell(responder.Proved(key, answer))
            case responder.Submit(answer=responder.ServiceAnswer() as service):
                declared = self._declared if service.faulty else ()
                await self.tell(custody.LossesDeclared(declared))
                ended = await self._chain.submit_service(key.round_number, service)
                log.info(
                    "service proof submitted",
                    outcome=ended.outcome.value,
                    error=ended.error,
                    faulty=len(service.faulty),
                    **names,
                )
                for fragment_hash in declared:
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
        asked = tuple(row.fragment_hash for row in rows)
        self._wait_for_volumes(asked, effect.deadline)
        job = ServiceJob(
            seed=effect.challenge.seed.hex(),
            fragment_bytes=self._facts.fragment_bytes,
            rows=[
                AskedRow(
                    index=row.index,
                    path=str(self._volumes.path(row.fragment_hash)),
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
        damaged = tuple(FragmentHash(bytes.fromhex(name)) for name in result.damaged)
        for name in result.unreadable:
            self._volumes.note_read(FragmentHash(bytes.fromhex(name)), is_readable=False)
        self._wait_for_volumes(damaged, effect.deadline)
        self._declared = damaged
        for fragment_hash in self._declared:
            await self._lose(fragment_hash)
        return responder.ServiceAnswer(
            tuple(result.faulty),
            bytes.fromhex(result.y),
            Bytes48(bytes.fromhex(result.proof)),
        )

    def _wait_for_volumes(self, missing: Sequence[FragmentHash], deadline: int) -> None:
        """Raises: _MayComeBackError when those of `missing` that are should not be declared yet."""
        if not self._volumes.is_waiting(_now()):
            return
        absent = [
            fragment_hash
            for fragment_hash in missing
            if self._volumes.entry(fragment_hash) is None
            and not self.custody.is_certainly_lost(fragment_hash)
        ]
        view = self._view
        if not absent or view is None:
            return
        is_free = view.missed_in_row == 0
        if is_free or view.number < deadline - DECLARE_BEFORE_BLOCKS:
            raise _MayComeBackError(
                f"{len(absent)} fragments may lie on a volume that is away; bring it back before "
                f"block {deadline} and restart"
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
            plots=[str(directory) for directory in self._plots.directories()],
        )
        result = await self._pool.run(job, deadline)
        if not isinstance(result, IdleProved):
            raise ProverFailed("the worker answered another question")
        if result.damaged:
            await self._discard_plots(result.damaged)
        return tuple((t, bytes.fromhex(proof)) for t, proof in result.answers)

    async def _replot(self, name: str) -> None:
        """A plot was found damaged."""
        index = self._plots.index_of(name)
        if index is not None:
            await self._discard_plots([index])

    async def _discard_plots(self, indexes: Sequence[int]) -> None:
        """Plots whose tables are wrong go, so that they are made anew."""
        log.warning("plots damaged", indexes=list(indexes[:16]), count=len(indexes))
        for index in indexes:
            try:
                await trio.to_thread.run_sync(self._plots.delete, index)
            except CessError as error:
                log.warning("plot not deleted", index=index, error=str(error))
        await self.tell(idle.PlotsDamaged(tuple(indexes)))
        await self._measure()

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
                await trio.to_thread.run_sync(self._volumes.remove_cosignature, item)

    async def _report(self, items: Sequence[Cosignature]) -> Ended:
        ready = []
        for item in items:
            kept = await trio.to_thread.run_sync(self._volumes.commitments, item.fragment_hash)
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
        self._pace.begin(started)
        is_made = False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._tell_progress, index)
                await trio.to_thread.run_sync(self._plots.make, index, abandon_on_cancel=True)
                nursery.cancel_scope.cancel()
            is_made = True
        except* CessError as group:
            said = str(group.exceptions[0])
            log.warning("plot not made", index=index, error=said)
            await self.tell(idle.PlotFailed(index, said))
        self._pace.end(trio.current_time(), is_made=is_made)
        if is_made:
            log.info("plot made", index=index, seconds=round(trio.current_time() - started, 1))
            await self.tell(idle.PlotMade(index))
        await self._measure()

    async def _tell_progress(self, index: int) -> None:
        while True:
            await trio.sleep(PROGRESS_LOG_S)
            log.info("plotting", index=index, **self._plotting_report())

    async def _measure(self) -> None:
        room = await trio.to_thread.run_sync(self._plots.room, HEADROOM_SHARE)
        is_paused = await trio.to_thread.run_sync(lambda: self._plots.is_paused)
        await self.tell(idle.SpaceMeasured(room.plots, room.can_begin, is_paused))

    # Custody.

    async def _keep(self, effect: custody.Effect) -> None:
        match effect:
            case custody.DropFragment(fragment_hash):
                try:
                    await trio.to_thread.run_sync(self._volumes.remove, fragment_hash)
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
        volume = self._volumes.volume_of(fragment_hash)
        if volume is not None:
            await self._lose_on(volume, fragment_hash)
            return
        await self.tell(deals.FragmentGone(fragment_hash))
        await self.tell(custody.FragmentLost(fragment_hash))

    async def _lose_on(self, volume: Volume, fragment_hash: FragmentHash) -> None:
        """The copy on one volume is wrong or gone. Another volume may have another."""
        log.error("fragment lost", fragment=fragment_hash.hex(), volume=str(volume.layout.root))
        try:
            await trio.to_thread.run_sync(volume.forget, fragment_hash)
        except CessError as error:
            log.warning("fragment not deleted", error=str(error))
        if self._volumes.entry(fragment_hash) is None or volume.fault is not None:
            await self.tell(deals.FragmentGone(fragment_hash))
            await self.tell(custody.FragmentLost(fragment_hash))

    async def _look_at_volumes(self) -> None:
        """Tell whether volumes are away."""
        now = _now()
        absence = custody.Absence.none
        if self._volumes.away(now):
            is_waiting = self._volumes.is_waiting(now)
            absence = custody.Absence.waited_for if is_waiting else custody.Absence.given_up
        await self.tell(custody.VolumesLooked(absence))

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
                    if self._volumes.entry(fragment_hash) is None:
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
            await self._look_at_volumes()
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
            on_disk = await trio.to_thread.run_sync(self._volumes.fragment_hashes)
            await self.tell(custody.HoldingsListed(view.number, held, on_disk))
            self._listed = key
