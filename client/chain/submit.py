"""Signing, sending and watching transactions, such that no call is ever executed twice.

Rules:
- A transaction is signed once, with a mortal era, and only those bytes are sent again. A second
  signature for the same call is made only while it is certain that the first was refused.
- Nonces are given under a lock for each account. What the node says is taken (1014 or a stale
  nonce) is tried with the next one; that happens when other programs use the account.
- A connection that fails while sending leaves it open whether the node took the transaction. Then
  the same bytes are sent again, and refusals that an included transaction also gets are no news.
- When another node is used, those bytes are sent to it too, before anything else of that account
  is signed: the former node may have kept them to itself, and its pool counted the nonces.
- A transaction is found by its hash in the blocks from its birth on; once the chain has finalized
  the end of its era without it, it is lost for certain.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
from substrateinterface import Keypair, KeypairType, SubstrateInterface

from client.chain.blocks import (
    SeenBlock,
    SeenBlocks,
    hash_of_json,
    sensible,
)
from client.chain.calls import PreparedCall
from client.chain.connections import Connections
from client.chain.endpoints import BestSeen
from client.chain.errors import (
    ChainUnreachable,
    MetadataMismatch,
    RpcFailed,
    SubmitTimeout,
    TransactionLost,
    TransactionRefused,
    UnknownBlock,
)
from client.chain.events import EventRecord, failure_of, read_events
from client.chain.limits import ChainLimits
from primitives.crypto.keys import Signer
from primitives.crypto.ss58 import CESS_PREFIX, ss58_encode
from primitives.hashing import blake2_256
from primitives.types import AccountId, BlockNumber, Hash

__all__ = ["Receipt", "Submitter", "Wait"]

Wait = Literal["included", "finalized"] | None

INVALID_TRANSACTION = 1010
TEMPORARILY_BANNED = 1012
ALREADY_IMPORTED = 1013
PRIORITY_TOO_LOW = 1014

_NO_NEWS = (INVALID_TRANSACTION, TEMPORARILY_BANNED, PRIORITY_TOO_LOW)
"""Refusals that a transaction also gets once it was taken: when it was sent before, they say
nothing about whether it is executed."""

_STALE = "outdated"
"""Of the text that goes with 1010 for a nonce that is used already."""

BIRTH_LAG_BLOCKS = 3
"""Eras begin so far below the finalized head, as a pool may still look from some blocks below."""

_RESEND_POLLS = 25
"""A transaction that is in no block yet is sent again after so many looks."""

_CRYPTO = {
    "ed25519": KeypairType.ED25519,
    "sr25519": KeypairType.SR25519,
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction; with ``wait=None`` only its hash is known."""

    extrinsic_hash: Hash
    block_hash: Hash | None = None
    block_number: BlockNumber | None = None
    extrinsic_index: int | None = None
    events: tuple[EventRecord, ...] = ()
    fee: int = 0


@dataclass(frozen=True, slots=True)
class _Signed:
    data: bytes
    hash: Hash
    birth: int
    death: int


@dataclass(slots=True)
class _Account:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    taken: int = -1
    """The highest nonce that the node said is taken without counting it itself."""

    watched: dict[Hash, _Signed] = field(default_factory=dict)
    """Sent, and waited for by somebody."""

    changes: int = 0
    """How often the node had changed when the pool of the one in use was told of ``watched``."""


class _SignerKey(Keypair):  # type: ignore[misc]
    """Lets substrate-interface sign with a `Signer`, whose secret it never sees."""

    def __init__(self, signer: Signer) -> None:
        super().__init__(
            public_key=bytes(signer.account_id),
            ss58_format=CESS_PREFIX,
            crypto_type=_CRYPTO[signer.scheme],
        )
        self._signer = signer

    def sign(self, data: Any) -> bytes:
        """The raw signature of ``data``, a ScaleBytes."""
        return self._signer.sign(bytes(data.data))


class Submitter:
    """Submits the transactions of one client."""

    def __init__(self, connections: Connections, limits: ChainLimits) -> None:
        self._connections = connections
        self._limits = limits
        self._accounts: dict[AccountId, _Account] = {}
        self._seen = SeenBlocks(limits.blocks_remembered)
        self._reading = anyio.Lock()

    async def submit(
        self,
        call: PreparedCall,
        signer: Signer,
        *,
        wait: Wait,
        timeout_s: float | None,
        tip: int,
    ) -> Receipt:
        """See ``ChainClient.submit``."""
        if signer.scheme not in _CRYPTO:
            raise TransactionRefused(0, f"{signer.scheme} keys cannot submit; use sr25519")
        account = self._accounts.setdefault(signer.account_id, _Account())
        signed = await self._send_signed(call, signer, account, tip)
        if wait is None:
            return Receipt(extrinsic_hash=signed.hash)
        account.watched[signed.hash] = signed
        try:
            with anyio.move_on_after(timeout_s):
                return await self._watch(signed, wait)
        finally:
            del account.watched[signed.hash]
        raise SubmitTimeout(signed.hash, timeout_s or 0.0)

    async def _send_signed(
        self, call: PreparedCall, signer: Signer, account: _Account, tip: int
    ) -> _Signed:
        address = ss58_encode(signer.account_id)
        async with account.lock:
            for attempt in range(self._limits.nonce_retries):
                known = await self._next_index(account, address)
                with sensible("a nonce"):
                    nonce = max(int(known), account.taken + 1)
                signed = await self._sign(call, signer, nonce, tip)
                try:
                    await self._send(signed)
                except TransactionRefused as refused:
                    if not _nonce_is_taken(refused) or attempt + 1 == self._limits.nonce_retries:
                        raise
                    account.taken = nonce
                    continue
                account.taken = -1
                return signed
        raise AssertionError("because the last attempt returns or raises")

    async def _next_index(self, account: _Account, address: str) -> Any:
        """The nonce that follows those in the chain and in the pool of the node in use.

        Its pool is told first of what is watched, in the order of the nonces, when it is new.
        """
        while True:
            while account.changes != self._connections.changes:
                account.changes = self._connections.changes
                for signed in tuple(account.watched.values()):
                    await self._send_again(signed)
            known = await self._connections.request("system_accountNextIndex", [address])
            if account.changes == self._connections.changes:
                return known

    async def _sign(self, call: PreparedCall, signer: Signer, nonce: int, tip: int) -> _Signed:
        current = max((await self._connections.finalized())[0] - BIRTH_LAG_BLOCKS, 0)
        period = self._limits.era_blocks
        key = _SignerKey(signer)

        def compose(connection: SubstrateInterface) -> bytes:
            composed = connection.compose_call(call.pallet, call.name, dict(call.arguments))
            _check_composed(call, bytes(composed.data.data))
            extrinsic = connection.create_signed_extrinsic(
                call=composed,
                keypair=key,
                era={"period": period, "current": current},
                nonce=nonce,
                tip=tip,
            )
            data = bytes(extrinsic.data.data)
            if not data.endswith(bytes(composed.data.data)):
                raise MetadataMismatch(
                    f"{call.pallet}.{call.name} was not encoded as it was signed"
                )
            return data

        data = await self._connections.compose(compose)
        return _Signed(data=data, hash=blake2_256(data), birth=current, death=current + period)

    async def _send(self, signed: _Signed) -> None:
        """Send until the node has it. Raises: TransactionRefused, ChainUnreachable."""
        is_repeated = False
        for _ in range(self._limits.nonce_retries):
            try:
                await self._connections.request(
                    "author_submitExtrinsic", ["0x" + signed.data.hex()]
                )
            except RpcFailed as failure:
                if failure.code == ALREADY_IMPORTED:
                    return
                if (is_repeated or failure.was_repeated) and failure.code in _NO_NEWS:
                    return  # it may be included already; watching will tell
                raise TransactionRefused(failure.code, failure.text) from failure
            except ChainUnreachable:
                is_repeated = True
                continue
            return
        raise ChainUnreachable(self._connections.url, "the transaction could not be sent")

    async def _watch(self, signed: _Signed, wait: Wait) -> Receipt:
        polls = 1
        told = self._connections.changes
        heard = anyio.current_time()
        while True:
            changes = self._connections.changes
            resend = polls % _RESEND_POLLS == 0 or changes != told
            receipt = None
            try:
                receipt = await self._look(signed, wait, resend=resend)
            except UnknownBlock:
                heard = anyio.current_time()  # the node gave up a fork while it was read
            except ChainUnreachable:
                # It may be executed meanwhile, so what became of it is worth waiting for.
                if anyio.current_time() - heard > self._limits.outage_s:
                    raise
            else:
                told, heard = changes, anyio.current_time()
            if receipt is not None:
                return receipt
            polls += 1
            await anyio.sleep(self._limits.poll_interval_s)

    async def _look(self, signed: _Signed, wait: Wait, *, resend: bool) -> Receipt | None:
        """The receipt, once the transaction is where it is waited for. Raises: TransactionLost."""
        best = hash_of_json(await self._connections.request("chain_getBlockHash", []))
        self._connections.tell(BestSeen((await self._block(best)).number))
        found = await self._find(signed, best)
        if found is not None:
            if wait == "included" or await self._is_final(found):
                return await self._receipt(signed, *found)
            return None
        if await self._is_dead(signed):
            raise TransactionLost(signed.hash)
        if resend:
            await self._send_again(signed)
        return None

    async def _find(self, signed: _Signed, best: Hash) -> tuple[Hash, SeenBlock] | None:
        """The block of the chain below ``best`` that holds the transaction."""
        block = best
        while True:
            seen = await self._block(block)
            if signed.hash in seen.extrinsics:
                return block, seen
            if seen.number <= signed.birth:
                return None
            block = seen.parent

    async def _block(self, block: Hash) -> SeenBlock:
        async with self._reading:
            seen = self._seen.get(block)
            if seen is None:
                reply = await self._connections.request("chain_getBlock", [f"0x{block.hex()}"])
                if reply is None:
                    raise UnknownBlock(f"the node has no block 0x{block.hex()} any more")
                seen = self._seen.put(block, reply)
            return seen

    async def _is_final(self, found: tuple[Hash, SeenBlock]) -> bool:
        block, seen = found
        if (await self._connections.finalized())[0] < seen.number:
            return False
        canonical = await self._connections.request("chain_getBlockHash", [seen.number])
        return canonical is not None and hash_of_json(canonical) == block

    async def _is_dead(self, signed: _Signed) -> bool:
        """Whether the era's end is final; the transaction was not in the chain below it."""
        number, finalized = await self._connections.finalized()
        if number < signed.death:
            return False
        return await self._find(signed, finalized) is None

    async def _send_again(self, signed: _Signed) -> None:
        try:
            await self._connections.request("author_submitExtrinsic", ["0x" + signed.data.hex()])
        except RpcFailed:
            return  # it is known, or its era ends without it; the blocks decide

    async def _receipt(self, signed: _Signed, block: Hash, seen: SeenBlock) -> Receipt:
        index = seen.extrinsics[signed.hash]

        def read(connection: SubstrateInterface) -> tuple[tuple[EventRecord, ...], Any]:
            every = read_events(connection, f"0x{block.hex()}")
            own = tuple(item for item in every if item.extrinsic_index == index)
            return own, failure_of(connection, own)

        events, failure = await self._connections.compose(read)
        if failure is not None:
            raise failure
        fee = sum(
            int(item.fields.get("actual_fee", 0))
            for item in events
            if (item.pallet, item.name) == ("TransactionPayment", "TransactionFeePaid")
        )
        return Receipt(
            extrinsic_hash=signed.hash,
            block_hash=block,
            block_number=BlockNumber(seen.number),
            extrinsic_index=index,
            events=events,
            fee=fee,
        )


def _check_composed(call: PreparedCall, data: bytes) -> None:
    """The metadata must give the bytes that our codecs give, after the two indexes."""
    if data[2:] != call.encoded:
        raise MetadataMismatch(
            f"the chain describes {call.pallet}.{call.name} otherwise than this program; "
            "use the version of this program that fits the chain's runtime"
        )


def _nonce_is_taken(refused: TransactionRefused) -> bool:
    if refused.code == PRIORITY_TOO_LOW:
        return True
    return refused.code == INVALID_TRANSACTION and _STALE in refused.text
