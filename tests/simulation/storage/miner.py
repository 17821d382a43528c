"""A storage miner: the cores of production around a disk in memory.

``Miner`` does what ``storage_miner.service`` and ``storage_miner.transfer`` do, in their order and
by their constants, where bytes are elements (see ``substance``). Its disk survives crashes. A
``Lie`` is what a dishonest one does.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from primitives.crypto.keys import KeyPair
from primitives.errors import CessError, ProofRejected
from primitives.extrinsic import MultiSignature, verify_multi
from primitives.hashing import blake2_256
from primitives.scale import decode
from primitives.types import Bytes48, FileHash, FragmentHash
from proofs.podr2 import challenge as podr2
from proofs.podr2.params import SCALAR_MODULUS
from proofs.podr2.verify import IDENTITY
from proofs.podr2.wire import cosign_message
from storage_miner import custody, deals, idle, lifecycle, responder, restoral
from storage_miner.chain import ClientChain, Head
from storage_miner.errors import RestoreFailed
from storage_miner.facts import ChainFacts, Ended, MinerView, Outcome, Place
from storage_miner.service import (
    FINALIZED_EVERY_HEADS,
    HOLDINGS_EVERY_HEADS,
    RESTORAL_EVERY_HEADS,
)
from storage_miner.store.records import Cosignature
from tests.pallets.file_bank.storage_world import commitment_to
from tests.simulation.storage import substance
from tests.simulation.storage.chain import Node, SimChain
from tests.simulation.storage.tasks import Clock, Tasks

UNITS = 1
PLOTS = 6


class Lie(Enum):
    """What a dishonest miner does once it has something to lose."""

    drops = "drops what it holds and hides it"
    replays = "drops what it holds and sends its first answer again"
    bends = "gives others bytes that are not those asked for"


class RefusedError(CessError):
    """A request was refused, or nobody answers; ``is_final``: asking again is of no use."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


@dataclass(slots=True)
class Disk:
    """What survives a crash."""

    elements: dict[FragmentHash, bytes] = field(default_factory=dict)
    commitments: dict[FragmentHash, tuple[Bytes48, ...]] = field(default_factory=dict)
    cosignatures: dict[Place, Cosignature] = field(default_factory=dict)
    plots: set[int] = field(default_factory=set)
    is_full: bool = False

    def forget(self, fragment_hash: FragmentHash) -> None:
        self.elements.pop(fragment_hash, None)
        self.commitments.pop(fragment_hash, None)

    def holds(self, fragment_hash: FragmentHash) -> bool:
        """Whether the right bytes are there."""
        element = self.elements.get(fragment_hash)
        return element is not None and substance.hash_of(element) == fragment_hash


Neighbours = Callable[[str], "Miner | None"]


class Miner:
    """See the module. ``find`` gives the miner that is reached at an endpoint."""

    def __init__(
        self,
        index: int,
        chain: SimChain,
        clock: Clock,
        seed: int,
        find: Neighbours,
        lie: Lie | None = None,
    ) -> None:
        self.index, self.lie = index, lie
        self.pair = KeyPair.from_suri(f"//Miner{index}")
        self.account = self.pair.account_id
        self.endpoint = f"http://miner{index}"
        self.draw = random.Random(f"{seed}/miner{index}")
        self.disk = Disk()
        self.lives = 0
        self.heads = 0
        self.is_up = self.is_online = True
        self.lost: dict[FragmentHash, int] = {}
        self.missed: list[str] = []
        self.trace: Callable[[str], None] = lambda _: None
        self._clock, self._find = clock, find
        self.node = Node(chain, clock, random.Random(f"{seed}/node{index}"))
        self._first_answer: responder.ServiceAnswer | None = None
        self.tasks = Tasks(clock)
        self.start()

    # Life.

    def start(self) -> None:
        """A new process upon what is on the disk."""
        self.lives += 1
        self.is_up = True
        self.heads = 0
        self.tasks = Tasks(self._clock)
        self.chain = ClientChain(self.node, self.pair)  # type: ignore[arg-type]
        self.facts: ChainFacts | None = None
        self._view: MinerView | None = None
        self._listed: tuple[int, int] | None = None
        self._has_listed_plots = False
        self._declared: tuple[FragmentHash, ...] = ()

    def _make_cores(self, facts: ChainFacts) -> None:
        wish = lifecycle.Wish(self.account, self.endpoint, None, UNITS)
        self.facts = facts
        self.responder = responder.Responder()
        self.deals = deals.Deals()
        self.restoral = restoral.Restoral(facts, self.account)
        self.cores: tuple[Any, ...] = (
            self.responder,
            lifecycle.Lifecycle(facts, wish),
            self.deals,
            idle.Idle(facts, PLOTS),
            custody.Custody(),
            self.restoral,
        )
        for fragment_hash in sorted(self.disk.elements):
            has = fragment_hash in self.disk.commitments
            self.deals.receive(deals.FragmentStored(fragment_hash, has))
        for place in sorted(self.disk.cosignatures):
            self.deals.receive(deals.Cosigned(self.disk.cosignatures[place]))

    def crash(self) -> None:
        """The process is gone; the disk stays."""
        self.is_up = False
        self.tasks.cancel()

    @property
    def is_reachable(self) -> bool:
        return self.is_up and self.is_online

    def lose(self, fragment_hash: FragmentHash, number: int) -> None:
        """The disk loses a fragment."""
        self.disk.forget(fragment_hash)
        self.lost[fragment_hash] = number

    def betray(self, number: int) -> None:
        """Drop everything and say nothing."""
        for fragment_hash in sorted(self.disk.elements):
            self.lose(fragment_hash, number)

    # Deciding.

    def tell(self, fact: object) -> None:
        """As the daemon's inbox, without waiting."""
        if isinstance(fact, MinerView):
            self._view = fact
        for core in self.cores:
            core.receive(fact)
        for core in self.cores:
            while (effect := core.next_effect()) is not None:
                self.trace(f"m{self.index} {type(effect).__name__}")
                self.tasks.start(self._perform(effect))

    async def see(self, head: Head) -> None:
        """A new best block."""
        try:
            if self.facts is None:
                self._make_cores(await self.chain.facts())
            view = await self.chain.view(head)
            if not self._has_listed_plots:
                plots = tuple(sorted(self.disk.plots))
                self.tell(idle.PlotsListed(plots))
                self._has_listed_plots = True
            self._measure()
            self.tell(custody.VolumesLooked(custody.Absence.none))
            self.tell(view)
            if self.heads % FINALIZED_EVERY_HEADS == 0:
                await self._look_at_finalized()
            if self.heads % RESTORAL_EVERY_HEADS == 0:
                tasks = await self.chain.restoral_tasks()
                self.tell(restoral.TasksListed(view.number, tasks))
        except CessError:
            return  # the next head brings a view
        finally:
            self.heads += 1

    def _measure(self) -> None:
        free = 0 if self.disk.is_full else 64
        self.tell(idle.SpaceMeasured(free, free > 0, False))

    async def _look_at_finalized(self) -> None:
        head = await self.chain.finalized()
        view = await self.chain.view(head)
        if view.info is None:
            return
        front = int(view.info.space_proof_info.front)
        if view.challenge is not None and not view.challenge.idle_done:
            front = min(front, int(view.challenge.idle_front))
        self.tell(idle.FrontFinalized(view.number, front))
        key = (view.holding_count, int(view.info.service_space))
        if key != self._listed or self.heads % HOLDINGS_EVERY_HEADS == 0:
            held = await self.chain.holdings(head.hash)
            on_disk = tuple(sorted(self.disk.elements))
            if self.lie in (Lie.drops, Lie.replays):
                on_disk = tuple(sorted({*on_disk, *(item.fragment_hash for item in held)}))
            self.tell(custody.HoldingsListed(view.number, held, on_disk))
            self._listed = key

    async def _perform(self, effect: object) -> None:
        match effect:
            case responder.Miss():
                self.missed.append(effect.reason)
            case responder.Prove():
                await self._prove(effect)
            case responder.Submit():
                await self._submit(effect)
            case deals.Commit(fragment_hash):
                try:
                    await self._commit(fragment_hash)
                except CessError as error:
                    self.tell(deals.CommitFailed(fragment_hash, str(error)))
            case deals.Report(file_hash, items):
                ended = await self._report(items)
                self.tell(deals.ReportEnded(file_hash, items, ended))
            case deals.DropCosignature(item):
                self.disk.cosignatures.pop(deals.place_of(item), None)
            case custody.DropFragment(fragment_hash):
                self.disk.forget(fragment_hash)
                self.tell(deals.FragmentGone(fragment_hash))
            case custody.ReportLoss(file_hash, fragment_hash):
                ended = await self.chain.report_loss(file_hash, fragment_hash)
                self.tell(custody.LossReportEnded(fragment_hash, ended))
            case restoral.ClaimOrder() | restoral.Rebuild() | restoral.CompleteOrder():
                await self._restore(effect)
            case (
                idle.MakePlot()
                | idle.DeletePlot()
                | idle.RequestCertificate()
                | idle.ProveCertificate()
                | idle.SubmitCertificate()
                | idle.RetirePlots()
            ):
                await self._fill_space(effect)
            case _:
                await self._register(effect)

    # Audits.

    async def _prove(self, effect: responder.Prove) -> None:
        try:
            await self._clock.sleep(self.draw.randint(200, 5000))
            if effect.key.part is responder.Part.service:
                answer: responder.Answer = await self._prove_service(effect)
            else:
                asked = effect.challenge
                answer = responder.IdleAnswers(
                    self._idle_answers(
                        asked.seed, int(asked.idle_front), int(asked.idle_rear), is_round=True
                    )
                )
        except CessError as error:
            self.tell(responder.ProofFailed(effect.key, str(error)))
        else:
            self.tell(responder.Proved(effect.key, answer))

    def _idle_answers(
        self, seed: bytes, front: int, rear: int, *, is_round: bool
    ) -> tuple[tuple[int, bytes], ...]:
        assert self.facts is not None
        draws = self.facts.plot_draws if is_round else self.facts.cert_draws
        ids = (bytes(self.facts.genesis), bytes(self.account), self.facts.plot_k)
        return substance.answers_of(self.disk.plots, ids, seed, (front, rear), draws)

    async def _prove_service(self, effect: responder.Prove) -> responder.ServiceAnswer:
        rows = await self.chain.sampled_rows(effect.challenge)
        if not rows:
            return responder.ServiceAnswer((), bytes(32), Bytes48(bytes(48)))
        weights = podr2.coefficients(effect.challenge.seed, max(row.index for row in rows) + 1)
        total, faulty = 0, []
        damaged: dict[FragmentHash, None] = {}
        for row in rows:
            if self.disk.holds(row.fragment_hash):
                element = self.disk.elements[row.fragment_hash]
                total += weights[row.index] * int.from_bytes(element, "big")
            elif self.lie not in (Lie.drops, Lie.replays):
                faulty.append(row.index)
                damaged[row.fragment_hash] = None
        self._declared = tuple(damaged)
        for fragment_hash in self._declared:
            self.disk.forget(fragment_hash)
            self.tell(deals.FragmentGone(fragment_hash))
            self.tell(custody.FragmentLost(fragment_hash))
        y = (total % SCALAR_MODULUS).to_bytes(32, "big")
        answer = responder.ServiceAnswer(tuple(faulty), y, Bytes48(IDENTITY))
        if self.lie is Lie.replays and self.lost and self._first_answer is not None:
            return self._first_answer
        self._first_answer = self._first_answer or answer
        return answer

    async def _submit(self, effect: responder.Submit) -> None:
        number = effect.key.round_number
        match effect.answer:
            case responder.ServiceAnswer() as service:
                declared = self._declared if service.faulty else ()
                self.tell(custody.LossesDeclared(declared))
                ended = await self.chain.submit_service(number, service)
                for fragment_hash in declared:
                    self.tell(custody.LossReportEnded(fragment_hash, ended))
            case responder.IdleAnswers() as answers:
                ended = await self.chain.submit_idle(number, answers)
        self.tell(responder.AnswerEnded(effect.key, ended))

    # Deals: as ``storage_miner.transfer.Transfers``.

    async def _commit(self, fragment_hash: FragmentHash) -> tuple[Bytes48, ...]:
        kept = self.disk.commitments.get(fragment_hash)
        if kept is not None:
            return kept
        await self._clock.sleep(self.draw.randint(100, 3000))
        if not self.disk.holds(fragment_hash):
            raise RefusedError("the fragment is not here")
        value = int.from_bytes(self.disk.elements[fragment_hash], "big")
        made = (commitment_to(value),)
        self.disk.commitments[fragment_hash] = made
        self.tell(deals.Committed(fragment_hash))
        return made

    async def _report(self, items: Sequence[Cosignature]) -> Ended:
        ready = []
        for item in items:
            kept = self.disk.commitments.get(item.fragment_hash)
            if kept is None:
                self.tell(deals.FragmentStored(item.fragment_hash, is_committed=False))
                return Ended(Outcome.lost, "commitments must be computed again")
            ready.append((item, kept))
        return await self.chain.report_fragments(items[0].file_hash, ready)

    async def put_fragment(self, fragment_hash: FragmentHash, element: bytes) -> None:
        """PUT /fragments. Raises: RefusedError."""
        await self._require_assigned(fragment_hash)
        if self.disk.is_full:
            raise RefusedError("the disk is full")
        if substance.hash_of(element) != fragment_hash:
            raise RefusedError("other bytes", is_final=True)
        self.disk.elements[fragment_hash] = element
        self.lost.pop(fragment_hash, None)
        self.tell(deals.FragmentStored(fragment_hash))

    async def commitments(self, fragment_hash: FragmentHash) -> tuple[Bytes48, ...]:
        """POST opening; what is opened is the business of ``client``. Raises: RefusedError."""
        if fragment_hash not in self.disk.elements:
            raise RefusedError("not held")
        await self._require_assigned(fragment_hash)
        made = await self._commit(fragment_hash)
        if self.lie is Lie.bends and self.draw.random() < 0.3:
            return (commitment_to(self.draw.randrange(1, 1 << 200)),)
        return made

    async def cosign(self, fragment_hash: FragmentHash, place: Place, signature: bytes) -> None:
        """POST cosignature. Raises: RefusedError."""
        places = await self._require_assigned(fragment_hash)
        commitments = self.disk.commitments.get(fragment_hash)
        if commitments is None or all(item.place != place for item in places):
            raise RefusedError("not assigned or not committed")
        owner = await self.chain.deal_owner(place.file_hash)
        message = cosign_message(
            self.node.genesis_hash,
            place.file_hash,
            place.segment_index,
            place.fragment_index,
            self.account,
            fragment_hash,
            commitments,
        )
        if owner is None or not verify_multi(decode(MultiSignature, signature), message, owner):
            raise RefusedError("bad signature")
        item = Cosignature(
            file_hash=FileHash(place.file_hash),
            segment_index=place.segment_index,
            fragment_index=place.fragment_index,
            fragment_hash=fragment_hash,
            signature=signature,
        )
        self.disk.cosignatures[place] = item
        self.tell(deals.Cosigned(item))

    async def _require_assigned(self, fragment_hash: FragmentHash) -> tuple[Any, ...]:
        if self.facts is None:
            raise RefusedError("starting")
        places = await self.chain.assignments_of(fragment_hash)
        if not places:
            raise RefusedError("not assigned")
        return places

    def read(self, fragment_hash: FragmentHash) -> bytes | None:
        """GET /fragments."""
        element = self.disk.elements.get(fragment_hash)
        if element is not None and self.lie is Lie.bends:
            return bytes(blake2_256(element)[:31])
        return element

    # Restoral and space.

    async def _restore(self, effect: restoral.Effect) -> None:
        task = effect.task
        fragment_hash = task.fragment_hash
        match effect:
            case restoral.ClaimOrder():
                ended = await self.chain.claim_order(task)
                self.tell(restoral.ClaimEnded(fragment_hash, ended))
            case restoral.Rebuild():
                self.tell(custody.RestoringNow(self.restoral.working_on()))
                try:
                    if not self.disk.holds(fragment_hash):
                        await self._rebuild(task.place, fragment_hash)
                except CessError as error:
                    self.tell(restoral.RebuildFailed(fragment_hash, str(error)))
                else:
                    self.tell(custody.FragmentFound(fragment_hash))
                    self.tell(restoral.Rebuilt(fragment_hash))
            case restoral.CompleteOrder():
                ended = await self.chain.complete_order(task)
                self.tell(restoral.CompletionEnded(fragment_hash, ended))
                self.tell(custody.RestoringNow(frozenset()))

    async def _rebuild(self, place: Place, fragment_hash: FragmentHash) -> None:
        found: dict[int, bytes] = {}
        for survivor in await self.chain.survivors(place):
            await self._clock.sleep(self.draw.randint(50, 1500))
            other = self._find(survivor.endpoint)
            element = None if other is None else other.read(survivor.fragment_hash)
            if element is not None and substance.hash_of(element) == survivor.fragment_hash:
                found[survivor.fragment_index] = element
            if len(found) == substance.DATA:
                break
        if len(found) < substance.DATA:
            raise RestoreFailed("too few survivors answered")
        element = substance.rebuilt(found, place.fragment_index)
        if substance.hash_of(element) != fragment_hash:
            raise ProofRejected("the survivors do not belong to one segment")
        if self.disk.is_full:
            raise RefusedError("the disk is full")
        self.disk.elements[fragment_hash] = element
        self.lost.pop(fragment_hash, None)

    async def _fill_space(self, effect: object) -> None:
        match effect:
            case idle.MakePlot(index):
                await self._clock.sleep(self.draw.randint(2000, 9000))
                if self.disk.is_full:
                    self.tell(idle.PlotFailed(index, "the disk is full"))
                else:
                    self.disk.plots.add(index)
                    self.tell(idle.PlotMade(index))
                self._measure()
            case idle.DeletePlot(index):
                self.disk.plots.discard(index)
                self.tell(idle.PlotDeleted(index))
                self._measure()
            case idle.ProveCertificate(seed, first, end):
                await self._clock.sleep(self.draw.randint(200, 3000))
                try:
                    answers = self._idle_answers(seed, first, end, is_round=False)
                except CessError as error:
                    self.tell(idle.CertificateFailed(seed, str(error)))
                else:
                    self.tell(idle.CertificateProved(seed, answers))
            case idle.RequestCertificate(count):
                self.tell(idle.IdleCallEnded(await self.chain.request_certificate(count)))
            case idle.SubmitCertificate(answers):
                self.tell(idle.IdleCallEnded(await self.chain.prove_certificate(answers)))
            case idle.RetirePlots(count):
                self.tell(idle.IdleCallEnded(await self.chain.retire_plots(count)))

    async def _register(self, effect: object) -> None:
        match effect:
            case lifecycle.Register(endpoint, beneficiary, units, collateral):
                ended = await self.chain.register(endpoint, beneficiary, collateral, units)
            case lifecycle.UpdateEndpoint(endpoint):
                ended = await self.chain.update_endpoint(endpoint)
            case lifecycle.UpdateBeneficiary(beneficiary):
                ended = await self.chain.update_beneficiary(beneficiary)
            case lifecycle.AddCollateral(amount):
                ended = await self.chain.add_collateral(amount)
            case lifecycle.IncreaseDeclaration(units):
                ended = await self.chain.increase_declaration(units)
            case _:
                raise AssertionError(f"no core gives the order {effect!r}")
        self.tell(lifecycle.LifecycleCallEnded(ended))
