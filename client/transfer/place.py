"""Declaring a prepared file and bringing its fragments to the holders that the chain draws.

``declare`` is the one call of the owner. ``place`` follows the deal block by block and carries out
what the core `placing` orders: PUT the fragment, ask for an opening at a fresh random nonce, check
it against our own bytes, sign exactly those commitments. It may be stopped and run again at any
time: it goes on from what the chain says.

Bounds: see `TransferLimits`; one fragment in memory for each holder that is sent to.
"""

import secrets
from collections.abc import Callable
from functools import partial

import anyio
import anyio.to_thread
import structlog
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from client.chain import ChainClient, ChainError, Receipt
from client.tasks import one_failure_group
from client.transfer.http import BadEndpoint, HolderFailed, HolderHttp, checked_endpoint
from client.transfer.placing import (
    DealGone,
    DealSeen,
    FileActive,
    Outcome,
    Placing,
    PlacingStatus,
    Send,
    SendFailed,
    Sent,
)
from client.transfer.prepare import PreparedFile
from client.vault.keys import VaultKey
from client.vault.names import seal_name
from pallets.file_bank import (
    DealSegments,
    FileBank,
    FileName,
    FragmentHashes,
    SegmentList,
    TerrName,
    UserBrief,
)
from pallets.file_bank.types import FRAGMENT_COUNT, SEGMENT_COUNT_MAX
from pallets.sminer import Sminer
from primitives.crypto.keys import KeyPair
from primitives.errors import CessError, ProofRejected
from primitives.extrinsic import MultiSignature
from primitives.scale import U128, encode
from primitives.types import AccountId, Hash
from proofs.podr2.commit import NONCE_BYTES, check_transfer
from proofs.podr2.wire import cosign_message

__all__ = ["DealDropped", "declare", "is_declared", "place"]

log = structlog.get_logger(__name__)

FACTS_WAITING_MAX = 64
LIVENESS_S = 2.0
"""The longest time without a look at what is due, when no block and no answer comes."""

NAME_LENGTH_MIN = 3

Report = Callable[[PlacingStatus], None]


class DealDropped(CessError):
    """The chain gave the deal up; nothing of the file is stored and its space is free again."""


async def is_declared(chain: ChainClient, prepared: PreparedFile, owner: AccountId) -> bool:
    """Whether the owner has an open deal for the file, or holds it already."""
    deal = await chain.read(FileBank.deal_map, prepared.fid)
    if deal is not None and deal.user.user == owner:
        return True
    return await chain.read(FileBank.user_hold_file_list, owner, prepared.fid) is not None


async def declare(
    chain: ChainClient,
    prepared: PreparedFile,
    signer: KeyPair,
    territory: str,
    *,
    key: VaultKey | None = None,
) -> Receipt:
    """Declare the file in a territory of ``signer``; with ``key`` its name is sealed.

    Raises: CallFailed, as `FileBank.upload_declaration` says.
    """
    name = (
        seal_name(key, prepared.fid, prepared.name)
        if key is not None
        else public_name(prepared.name)
    )
    call = chain.call(
        FileBank.upload_declaration,
        file_hash=prepared.fid,
        deal_info=DealSegments(
            SegmentList(hash=item.hash, fragment_list=FragmentHashes(item.fragments))
            for item in prepared.segments
        ),
        user_brief=UserBrief(
            user=signer.account_id,
            file_name=FileName(name),
            territory_name=TerrName(territory.encode()),
        ),
        file_size=U128(prepared.size),
    )
    return await chain.submit(call, signer)


def public_name(name: str) -> bytes:
    """A name as the chain takes it: 3 to 63 bytes without control characters."""
    printable = "".join(letter if letter.isprintable() else "_" for letter in name)
    raw = printable.encode("utf-8", "replace")[: FileName.LIMIT]
    whole = raw.decode("utf-8", "ignore").encode()
    return whole.ljust(NAME_LENGTH_MIN, b"_")


async def place(
    chain: ChainClient,
    holders: HolderHttp,
    prepared: PreparedFile,
    signer: KeyPair,
    *,
    report: Report | None = None,
    until_signed: bool = False,
) -> None:
    """Carry a declared file to its holders until it is active.

    With ``until_signed`` only until every fragment is handed over and signed for; the holders
    report it then, or are drawn again and need this once more.

    Raises: DealDropped; StorageCorrupt when the spooled fragments are damaged.
    """
    job = _Job(chain, holders, prepared, signer)
    await job.run(report, until_signed=until_signed)


class _Job:
    """One file on its way."""

    def __init__(
        self, chain: ChainClient, holders: HolderHttp, prepared: PreparedFile, signer: KeyPair
    ) -> None:
        self._chain = chain
        self._holders = holders
        self._prepared = prepared
        self._signer = signer
        total = FRAGMENT_COUNT * len(prepared.segments)
        self._core = Placing(total, sending_max=holders.limits.sending_max)
        self._checking = anyio.CapacityLimiter(holders.limits.checks_max)
        self._endpoints: dict[AccountId, str] = {}

    async def run(self, report: Report | None, *, until_signed: bool) -> None:
        """Follow the deal to its end."""
        facts, inbox = anyio.create_memory_object_stream[
            DealSeen | FileActive | DealGone | Sent | SendFailed
        ](FACTS_WAITING_MAX)
        async with facts, inbox, one_failure_group() as tasks:
            tasks.start_soon(self._observe, facts)
            while self._core.outcome is None and not (until_signed and self._is_all_signed()):
                self._start_due(tasks, facts)
                with anyio.move_on_after(self._patience()):
                    self._core.receive(await inbox.receive())
                if report is not None:
                    report(self._core.status())
            tasks.cancel_scope.cancel()
        if self._core.outcome is Outcome.DROPPED:
            raise DealDropped(
                f"the deal 0x{self._prepared.fid.hex()} was dropped: too few of the drawn miners "
                "took their fragments in time; see `cess network`, and store the file again"
            )

    def _is_all_signed(self) -> bool:
        status = self._core.status()
        return status.reported + status.signed == status.total

    def _start_due(self, tasks: TaskGroup, facts: "MemoryObjectSendStream[_Fact]") -> None:
        while (order := self._core.next_order(anyio.current_time())) is not None:
            tasks.start_soon(self._send, order, facts)

    def _patience(self) -> float:
        wakeup = self._core.next_wakeup()
        if wakeup is None:
            return LIVENESS_S
        return min(max(wakeup - anyio.current_time(), 0.05), LIVENESS_S)

    async def _observe(self, facts: "MemoryObjectSendStream[_Fact]") -> None:
        await facts.send(await self._look(await self._chain.best_head()))
        async with self._chain.heads() as heads:
            async for head in heads:
                try:
                    fact = await self._look(head.hash)
                except ChainError as error:
                    log.warning("cannot read the deal, waiting for a block", reason=str(error))
                    continue
                await facts.send(fact)

    async def _look(self, at: Hash) -> "DealSeen | FileActive | DealGone":
        fid = self._prepared.fid
        owner = self._signer.account_id
        deal = await self._chain.read(FileBank.deal_map, fid, at=at)
        if deal is None or deal.user.user != owner:  # anybody can declare our hashes as theirs
            stored = await self._chain.read(FileBank.file, fid, at=at)
            is_ours = stored is not None and any(item.user == owner for item in stored.owner)
            return FileActive() if is_ours else DealGone()
        header = await self._chain.header(at)
        pending = await self._chain.items(
            FileBank.deal_segments, fid, limit=SEGMENT_COUNT_MAX, at=at
        )
        return DealSeen(
            height=int(header.number),
            attempt=int(deal.attempt),
            pending={int(keys[1]): segment for keys, segment in pending},
        )

    async def _send(self, order: Send, facts: "MemoryObjectSendStream[_Fact]") -> None:
        try:
            await self._deliver(order)
        except HolderFailed as failure:
            self._endpoints.pop(order.miner, None)  # it may have moved
            log.info(
                "holder did not take a fragment",
                miner=order.miner.hex(),
                fragment=order.hash.hex(),
                reason=str(failure),
            )
            fact: Sent | SendFailed = SendFailed(
                place=order.place,
                miner=order.miner,
                now=anyio.current_time(),
                is_final=not failure.is_retryable,
                retry_after_s=failure.retry_after_s,
            )
        except ChainError as failure:
            log.warning("cannot read a holder's address", reason=str(failure))
            fact = SendFailed(place=order.place, miner=order.miner, now=anyio.current_time())
        except (ProofRejected, BadEndpoint) as failure:
            log.warning(
                "holder cannot be trusted with a fragment",
                miner=order.miner.hex(),
                fragment=order.hash.hex(),
                reason=str(failure),
            )
            fact = SendFailed(
                place=order.place, miner=order.miner, now=anyio.current_time(), is_final=True
            )
        else:
            fact = Sent(place=order.place, miner=order.miner)
        await facts.send(fact)

    async def _deliver(self, order: Send) -> None:
        endpoint = await self._endpoint_of(order.miner)
        data = await anyio.to_thread.run_sync(self._prepared.read_fragment, order.hash)
        await self._holders.put_fragment(endpoint, order.hash, data)
        nonce = secrets.token_bytes(NONCE_BYTES)
        reply = await self._holders.opening(endpoint, order.hash, nonce)
        await anyio.to_thread.run_sync(
            partial(check_transfer, data, order.hash, reply.commitments, nonce, reply.opening),
            limiter=self._checking,
        )
        message = cosign_message(
            self._chain.genesis_hash,
            self._prepared.fid,
            order.place.segment,
            order.place.fragment,
            order.miner,
            order.hash,
            reply.commitments,
        )
        await self._holders.cosignature(
            endpoint,
            order.hash,
            file_hash=self._prepared.fid,
            segment_index=order.place.segment,
            fragment_index=order.place.fragment,
            signature=encode(MultiSignature, self._signer.multi_signature(message)),
        )

    async def _endpoint_of(self, miner: AccountId) -> str:
        known = self._endpoints.get(miner)
        if known is not None:
            return known
        info = await self._chain.read(Sminer.miner_items, miner)
        if info is None:
            raise BadEndpoint(f"the drawn miner {miner} is not registered any more")
        self._endpoints[miner] = found = checked_endpoint(info.endpoint)
        return found


_Fact = DealSeen | FileActive | DealGone | Sent | SendFailed
