"""An owner with one file: the placing and racing cores of production around a bad line.

``Owner`` does what ``client.transfer.place`` and ``fetch`` do: it leases, declares, follows the
deal block by block, sends, checks what was committed to, signs, and reads the file back by a race.
What it knows after a crash is its file and its key.
"""

import random
from collections.abc import Callable

from client.transfer.placing import (
    DealGone,
    DealSeen,
    FileActive,
    Placing,
    Send,
    SendFailed,
    Sent,
)
from client.transfer.placing import Place as Spot
from client.transfer.racing import Candidate, Race
from pallets.file_bank import FileBank, FileName, TerrName, UserBrief
from pallets.sminer import Sminer
from pallets.storage_handler import StorageHandler
from pallets.storage_handler import TerrName as LeaseName
from primitives.crypto.keys import KeyPair
from primitives.errors import CessError, ProofRejected
from primitives.extrinsic import MultiSignature
from primitives.scale import U32, U128, encode
from primitives.types import AccountId, FragmentHash, Hash
from proofs.podr2.params import ELEMENT_BYTES
from proofs.podr2.wire import cosign_message
from storage_miner.facts import Place
from tests.pallets.file_bank.storage_world import MadeFile, commitment_to
from tests.simulation.storage import substance
from tests.simulation.storage.chain import Node, SimChain
from tests.simulation.storage.miner import Miner, RefusedError
from tests.simulation.storage.tasks import Clock, Future, Tasks

SENDING_MAX = 6
LEASE_UNITS = 40
LEASE_DAYS = 30
FETCH_EVERY_BLOCKS = 12
HEDGE_S = 2.0


class Owner:
    """See the module. ``find`` gives the miner that is reached at an endpoint."""

    def __init__(
        self,
        index: int,
        pair: KeyPair,
        file: MadeFile,
        chain: SimChain,
        clock: Clock,
        seed: int,
        find: Callable[[str], Miner | None],
    ) -> None:
        self.index, self.pair, self.file = index, pair, file
        self.draw = random.Random(f"{seed}/owner{index}")
        self.node = Node(chain, clock, random.Random(f"{seed}/owner-node{index}"))
        self.name = TerrName(b"home%d" % index)
        self.loss = 0
        self.delay_ms = (20, 800)
        self.was_active = False
        self.drops = 0
        self.reads = self.failed_reads = 0
        self.is_up = True
        self.on_read: Callable[[Owner, bool, int], None] = lambda *_: None
        self.trace: Callable[[str], None] = lambda _: None
        self._clock, self._find = clock, find
        self.start()

    def start(self) -> None:
        """A new process, which knows its file and its key."""
        self.is_up = True
        self.tasks = Tasks(self._clock)
        self._core: Placing | None = None
        self._is_calling = self._is_reading = False
        self._read_after = 0

    def crash(self) -> None:
        """The process is gone."""
        self.is_up = False
        self.tasks.cancel()

    def element(self, fragment_hash: FragmentHash) -> bytes:
        """A fragment's element."""
        return self.file.values[fragment_hash].to_bytes(ELEMENT_BYTES, "big")

    async def see(self, number: int, block: Hash) -> None:
        """A new best block."""
        try:
            lease = await self.node.read(
                StorageHandler.territory, self.pair.account_id, LeaseName(self.name), at=block
            )
            if lease is None:
                await self._call_once(
                    StorageHandler.mint_territory,
                    gib_count=U32(LEASE_UNITS),
                    territory_name=LeaseName(self.name),
                    days=U32(LEASE_DAYS),
                )
                return
            fact = await self._look(number, block)
        except CessError:
            return
        if isinstance(fact, FileActive):
            self.was_active = True
            if number >= self._read_after and not self._is_reading:
                self._read_after = number + FETCH_EVERY_BLOCKS
                self.tasks.start(self._read(number))
        if isinstance(fact, DealGone) and (self._core is None or self._core.outcome):
            if self._core is not None and not self.was_active:
                self.drops += 1
            self._core = None
            await self._call_once(
                FileBank.upload_declaration,
                file_hash=self.file.fid,
                deal_info=self.file.described,
                user_brief=UserBrief(
                    user=self.pair.account_id,
                    file_name=FileName(b"file"),
                    territory_name=self.name,
                ),
                file_size=U128(self.file.size),
            )
            return
        if self._core is None:
            self._core = Placing(12 * len(self.file.segments), sending_max=SENDING_MAX)
        self._core.receive(fact)
        self._start_due()

    async def _call_once(self, function: Callable[..., object], **arguments: object) -> None:
        if self._is_calling:
            return
        self._is_calling = True
        try:
            await self.node.submit(self.node.call(function, **arguments), self.pair)
        except CessError:
            pass  # the next block tells
        finally:
            self._is_calling = False

    async def _look(self, number: int, at: Hash) -> DealSeen | FileActive | DealGone:
        fid, owner = self.file.fid, self.pair.account_id
        deal = await self.node.read(FileBank.deal_map, fid, at=at)
        if deal is None or deal.user.user != owner:
            stored = await self.node.read(FileBank.file, fid, at=at)
            is_ours = stored is not None and any(item.user == owner for item in stored.owner)
            return FileActive() if is_ours else DealGone()
        pending = await self.node.items(FileBank.deal_segments, fid, limit=1000, at=at)
        return DealSeen(
            height=number,
            attempt=int(deal.attempt),
            pending={int(keys[1]): segment for keys, segment in pending},
        )

    # Placing.

    def _start_due(self) -> None:
        core, now = self._core, self._clock.now / 1000
        if core is None:
            return
        while (order := core.next_order(now)) is not None:
            self.tasks.start(self._send(core, order))
        wakeup = core.next_wakeup()
        if wakeup is not None and wakeup > now:
            self.tasks.start(self._wake_at(int(wakeup * 1000) + 1))

    async def _wake_at(self, time: int) -> None:
        await self._clock.sleep(time - self._clock.now)
        self._start_due()

    async def _send(self, core: Placing, order: Send) -> None:
        try:
            await self._deliver(order)
        except ProofRejected:
            fact: Sent | SendFailed = self._failure(order, is_final=True)
        except CessError as error:
            fact = self._failure(order, is_final=isinstance(error, RefusedError) and error.is_final)
        else:
            fact = Sent(place=order.place, miner=order.miner)
        self.trace(f"o{self.index} {type(fact).__name__}")
        core.receive(fact)
        self._start_due()

    def _failure(self, order: Send, *, is_final: bool) -> SendFailed:
        now = self._clock.now / 1000
        return SendFailed(place=order.place, miner=order.miner, now=now, is_final=is_final)

    async def _reach(self, who: AccountId) -> Miner:
        """One request's way: its time, and whether it arrives. Raises: RefusedError."""
        info = await self.node.read(Sminer.miner_items, who)
        await self._clock.sleep(self.draw.randint(*self.delay_ms))
        miner = None if info is None else self._find(bytes(info.endpoint).decode())
        if miner is None or self.draw.randrange(1000) < self.loss:
            raise RefusedError("nobody answers")
        return miner

    async def _deliver(self, order: Send) -> None:
        element = self.element(order.hash)
        await (await self._reach(order.miner)).put_fragment(order.hash, element)
        commitments = await (await self._reach(order.miner)).commitments(order.hash)
        if commitments != (commitment_to(int.from_bytes(element, "big")),):
            raise ProofRejected("the opened value is not that of this fragment")
        spot: Spot = order.place
        message = cosign_message(
            self.node.genesis_hash,
            self.file.fid,
            spot.segment,
            spot.fragment,
            order.miner,
            order.hash,
            commitments,
        )
        signature = encode(MultiSignature, self.pair.multi_signature(message))
        place = Place(self.file.fid, spot.segment, spot.fragment)
        await (await self._reach(order.miner)).cosign(order.hash, place, signature)

    # Reading.

    async def _read(self, number: int) -> None:
        self._is_reading = True
        try:
            is_read = True
            for index in range(len(self.file.segments)):
                is_read = await self._read_segment(index) and is_read
        except CessError:
            return
        finally:
            self._is_reading = False
        self.reads += is_read
        self.failed_reads += not is_read
        self.on_read(self, is_read, number)

    async def _read_segment(self, index: int) -> bool:
        stored = await self.node.read(FileBank.file_segments, self.file.fid, U32(index))
        if stored is None:
            return True  # the file was removed meanwhile
        holders = {
            position: held.miner for position, held in enumerate(stored.fragment_list) if held.avail
        }
        race = Race(
            [Candidate(position) for position in holders],
            needed=substance.DATA,
            wanted=range(substance.DATA),
            hedge_after_s=HEDGE_S,
        )
        got: dict[int, bytes] = {}
        wake = [Future()]

        async def ask(position: int) -> None:
            wanted = self.file.hash_at(index, position)
            try:
                element = (await self._reach(holders[position])).read(wanted)
            except CessError:
                element = None
            if element is not None and substance.hash_of(element) == wanted:
                got[position] = element
                race.arrived(position)
            else:
                race.failed(position)
            wake[0].end()

        while not race.is_complete and not race.is_hopeless:
            now = self._clock.now / 1000
            wake[0] = Future()
            while (position := race.next_request(now)) is not None:
                self.tasks.start(ask(position))
            rival = race.next_wakeup(now)
            if rival is not None:
                self._clock.at(int(rival * 1000) + 1, wake[0].end)
            await wake[0]
        if not race.is_complete:
            return False
        some = dict(list(got.items())[: substance.DATA])
        for position in range(substance.DATA):
            data = got.get(position) or substance.rebuilt(some, position)
            if data != self.element(self.file.hash_at(index, position)):
                raise AssertionError("a file was read and is not what was stored")
        return True
