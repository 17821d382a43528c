"""Holders that answer in this process, and a chain whose state a test writes entry by entry."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import anyio
import httpx
import pytest

from client.chain import BlockHead, PreparedCall, Receipt, prepare
from client.transfer.http import HolderHttp, TransferLimits
from client.transfer.prepare import PreparedFile, prepare_file
from client.vault.keys import VaultKey
from pallets.file_bank import FileBank
from pallets.file_bank.types import (
    DealFragment,
    DealFragments,
    DealInfo,
    DealSegment,
    FileInfo,
    FileName,
    FileState,
    FragmentInfo,
    FragmentInfos,
    Owners,
    SegmentInfo,
    TerrName,
    UserBrief,
)
from pallets.sminer import EndPoint, MinerInfo, MinerState, Sminer, SpaceProofInfo
from primitives.crypto.keys import KeyPair
from primitives.digest import Digest
from primitives.extrinsic import MultiSignature
from primitives.header import Header
from primitives.scale import U8, U32, U64, U128, decode
from primitives.types import AccountId, Balance, BlockNumber, Hash
from proofs.erasure.segments import fragment_hash
from proofs.podr2.commit import commit_fragment, open_transfer
from proofs.podr2.wire import cosign_message

FRAGMENT = 4096
SEGMENT = 4 * FRAGMENT
GENESIS = Hash(bytes(range(32)))
PATH = re.compile(r"/fragments/([0-9a-f]{64})(/opening|/cosignature)?")


def miner(number: int) -> AccountId:
    return AccountId(bytes([number + 1]) * 32)


def streamed(answer: httpx.Response) -> httpx.Response:
    return httpx.Response(
        answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content)
    )


class FakeChain:
    """Reads like `ChainClient` from ``state``; a block comes with each ``advance``."""

    genesis_hash = GENESIS

    def __init__(self) -> None:
        self.state: dict[bytes, tuple[Any, tuple[Any, ...], Any]] = {}
        self.height = 1
        self.submitted: list[PreparedCall] = []
        self.on_submit: Callable[[PreparedCall], None] | None = None
        self._changed = anyio.Event()

    def put(self, entry: Any, *keys_and_value: Any) -> None:
        *keys, value = keys_and_value
        raw = entry.key(*keys)
        if value is None:
            self.state.pop(raw, None)
        else:
            self.state[raw] = (entry, tuple(keys), value)

    def advance(self) -> None:
        self.height += 1
        self._changed.set()
        self._changed = anyio.Event()

    async def read(self, entry: Any, *keys: Any, at: Any = None) -> Any:
        found = self.state.get(entry.key(*keys))
        return entry.default if found is None else found[2]

    async def read_many(self, entry: Any, keys: list[Any], *, at: Any = None) -> list[Any]:
        return [await self.read(entry, key) for key in keys]

    async def items(self, entry: Any, *leading: Any, limit: int, at: Any = None) -> list[Any]:
        found = [
            (keys, value)
            for owner, keys, value in self.state.values()
            if owner is entry and keys[: len(leading)] == leading
        ]
        return found[:limit]

    async def best_head(self) -> Hash:
        return self._head().hash

    async def header(self, block: Any = None) -> Header:
        return self._head().header

    async def constant(self, pallet: str, name: str) -> int:
        return {
            "SegmentBytes": SEGMENT,
            "FragmentBytes": FRAGMENT,
            "SpaceUnitBytes": FRAGMENT,
            "DistanceMax": 24,
        }[name]

    def call(self, function: Any, **arguments: Any) -> PreparedCall:
        return prepare(function, **arguments)

    async def submit(self, call: PreparedCall, signer: Any, **_: Any) -> Receipt:
        self.submitted.append(call)
        if self.on_submit is not None:
            self.on_submit(call)
        head = self._head()
        return Receipt(
            extrinsic_hash=Hash(bytes(32)), block_hash=head.hash, block_number=head.number
        )

    async def finalized_head(self) -> Hash:
        return await self.best_head()

    def heads(self) -> "FakeHeads":
        return FakeHeads(self)

    def _head(self) -> BlockHead:
        header = Header(
            parent_hash=Hash(bytes(32)),
            number=BlockNumber(self.height),
            state_root=Hash(bytes(32)),
            extrinsics_root=Hash(bytes(32)),
            digest=Digest(logs=()),
        )
        return BlockHead(number=header.number, hash=header.hash(), header=header)


class FakeHeads:
    def __init__(self, chain: FakeChain) -> None:
        self._chain = chain

    async def __aenter__(self) -> "FakeHeads":
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    def __aiter__(self) -> AsyncIterator[BlockHead]:
        return self._blocks()

    async def _blocks(self) -> AsyncIterator[BlockHead]:
        while True:
            await self._chain._changed.wait()
            yield self._chain._head()


Answer = Callable[[httpx.Request], Awaitable[httpx.Response | None]]


class FakeNetwork:
    """Twenty miners at http://m0 … http://m19 and the deals that the chain made with them."""

    _commitments: ClassVar[dict[str, Any]] = {}
    """By fragment hash; kept among tests, because committing takes a tenth of a second."""

    def __init__(self) -> None:
        self.chain = FakeChain()
        self.owner = KeyPair.from_suri("//Alice")
        self.held: dict[int, dict[str, bytes]] = {number: {} for number in range(20)}
        self.log: list[tuple[str, int, str]] = []
        self.twist: dict[int, Answer] = {}
        for number in range(20):
            self.chain.put(Sminer.miner_items, miner(number), self.info(f"http://m{number}"))

    @staticmethod
    def info(endpoint: str) -> MinerInfo:
        return MinerInfo(
            beneficiary=miner(0),
            staking_account=miner(0),
            endpoint=EndPoint(endpoint.encode()),
            collaterals=Balance(0),
            debt=Balance(0),
            state=MinerState.Positive,
            declaration_space=U128(0),
            idle_space=U128(0),
            service_space=U128(0),
            lock_space=U128(0),
            space_proof_info=SpaceProofInfo(front=U64(0), rear=U64(0)),
            registered_at=BlockNumber(0),
        )

    def brief(self) -> UserBrief:
        return UserBrief(
            user=self.owner.account_id,
            file_name=FileName(b"name"),
            territory_name=TerrName(b"default"),
        )

    def declare(self, file: PreparedFile, *, first: int | None = 0) -> None:
        """Open a deal; fragment ``i`` is drawn for miner ``first + i``, or nobody yet."""
        deal = DealInfo(
            file_size=U128(file.size),
            user=self.brief(),
            segment_count=U32(len(file.segments)),
            complete_count=U32(0),
            deadline=BlockNumber(1000),
            attempt=U8(0),
        )
        self.chain.put(FileBank.deal_map, file.fid, deal)
        for index, segment in enumerate(file.segments):
            fragments = DealFragments(
                DealFragment(
                    hash=part,
                    miner=None if first is None else miner(first + position),
                    reported=False,
                    late=None,
                    slot=U32(0),
                )
                for position, part in enumerate(segment.fragments)
            )
            pending = DealSegment(hash=segment.hash, fragments=fragments)
            self.chain.put(FileBank.deal_segments, file.fid, U32(index), pending)

    def redraw(self, file: PreparedFile, segment: int, position: int, number: int) -> None:
        """Draw another holder for a fragment, as the chain does after a deadline."""
        raw = FileBank.deal_segments.key(file.fid, U32(segment))
        pending = self.chain.state[raw][2]
        fragments = list(pending.fragments)
        fragments[position] = replace(fragments[position], miner=miner(number))
        changed = replace(pending, fragments=DealFragments(fragments))
        self.chain.put(FileBank.deal_segments, file.fid, U32(segment), changed)
        deal = self.chain.state[FileBank.deal_map.key(file.fid)][2]
        self.chain.put(FileBank.deal_map, file.fid, replace(deal, attempt=U8(deal.attempt + 1)))

    def store(self, file: PreparedFile) -> None:
        """Make the file active, each fragment with its holder."""
        for index, segment in enumerate(file.segments):
            infos = FragmentInfos(
                FragmentInfo(
                    hash=part,
                    avail=True,
                    tag=BlockNumber(1),
                    miner=miner(position),
                    slot=U32(0),
                )
                for position, part in enumerate(segment.fragments)
            )
            for position, part in enumerate(segment.fragments):
                self.held[position][part.hex()] = file.read_fragment(part)
            info = SegmentInfo(hash=segment.hash, fragment_list=infos)
            self.chain.put(FileBank.file_segments, file.fid, U32(index), info)
        stored = FileInfo(
            owner=Owners((self.brief(),)),
            file_size=U128(file.size),
            segment_count=U32(len(file.segments)),
            completion=BlockNumber(1),
            stat=FileState.Active,
        )
        self.chain.put(FileBank.file, file.fid, stored)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer as over a network: the body comes as a stream."""
        return streamed(await self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        number = int(request.url.host[1:])
        match = PATH.fullmatch(request.url.path)
        assert match is not None
        digest, action = match.groups()
        self.log.append((f"{request.method}{action or ''}", number, digest))
        twist = self.twist.get(number)
        if twist is not None and (answer := await twist(request)) is not None:
            return answer
        if request.method == "PUT":
            data = await request.aread()
            if fragment_hash(data).hex() != digest:
                return httpx.Response(400, json={"error": "hash", "message": "other bytes"})
            self.held[number][digest] = data
            return httpx.Response(201, json={"hash": digest, "bytes": len(data)})
        data = self.held[number].get(digest, b"")
        if not data:
            return httpx.Response(404, json={"error": "unknown", "message": "not held"})
        if action is None:
            return httpx.Response(200, content=data)
        body = json.loads(await request.aread())
        if action == "/opening":
            return httpx.Response(200, json=self.opening(data, digest, body["nonce"]))
        self.report(number, digest, body)
        return httpx.Response(202, json={})

    def opening(self, data: bytes, digest: str, nonce: str) -> dict[str, Any]:
        known = fragment_hash(data).hex()
        if known not in self._commitments:
            self._commitments[known] = commit_fragment(data)
        commitments = self._commitments[digest] = self._commitments[known]
        opened = open_transfer(
            data, bytes.fromhex(digest), commitments, bytes.fromhex(nonce.removeprefix("0x"))
        )
        return {
            "commitments": [f"0x{item.hex()}" for item in commitments],
            "y": f"0x{opened.y.hex()}",
            "proof": f"0x{opened.proof.hex()}",
        }

    def report(self, number: int, digest: str, body: dict[str, Any]) -> None:
        """What the holder and the chain do with a co-signature."""
        file_hash = bytes.fromhex(body["file_hash"][2:])
        index, position = body["segment_index"], body["fragment_index"]
        message = cosign_message(
            GENESIS,
            file_hash,
            index,
            position,
            miner(number),
            bytes.fromhex(digest),
            self._commitments[digest],
        )
        signature = decode(MultiSignature, bytes.fromhex(body["signature"][2:]))
        assert signature.verify(self.owner.account_id, message)
        entry = self.chain.state.get(FileBank.deal_segments.key(file_hash, U32(index)))
        if entry is None:
            return
        fragments = list(entry[2].fragments)
        if fragments[position].miner != miner(number):
            return
        fragments[position] = replace(fragments[position], reported=True)
        done = all(item.reported for item in fragments)
        self.chain.put(
            FileBank.deal_segments,
            file_hash,
            U32(index),
            None if done else replace(entry[2], fragments=DealFragments(fragments)),
        )
        if not any(item[0] is FileBank.deal_segments for item in self.chain.state.values()):
            deal = self.chain.state.pop(FileBank.deal_map.key(file_hash))[2]
            info = FileInfo(
                owner=Owners((deal.user,)),
                file_size=deal.file_size,
                segment_count=deal.segment_count,
                completion=BlockNumber(1),
                stat=FileState.Active,
            )
            self.chain.put(FileBank.file, file_hash, info)
        self.chain.advance()

    def http(self, **limits: Any) -> HolderHttp:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self.handle))
        return HolderHttp(client, TransferLimits(**limits))


@pytest.fixture
def anyio_backend() -> str:
    return "trio"


@pytest.fixture
def holder() -> Callable[[Callable[[httpx.Request], httpx.Response]], HolderHttp]:
    """One holder whose answers a test gives."""

    def made(answer: Callable[[httpx.Request], httpx.Response]) -> HolderHttp:
        transport = httpx.MockTransport(lambda request: streamed(answer(request)))
        return HolderHttp(httpx.AsyncClient(transport=transport), TransferLimits())

    return made


@pytest.fixture
def network() -> FakeNetwork:
    return FakeNetwork()


@pytest.fixture
def key(network: FakeNetwork) -> VaultKey:
    return VaultKey.of(network.owner)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "work.bin"
    path.write_bytes(bytes(index * 31 % 253 for index in range(2 * SEGMENT + 1000)))
    return path


@pytest.fixture
def public_file(source: Path, tmp_path: Path) -> PreparedFile:
    return prepare_file(source, tmp_path / "open", segment_bytes=SEGMENT, key=None)


@pytest.fixture
def small_file(tmp_path: Path) -> PreparedFile:
    path = tmp_path / "small.bin"
    path.write_bytes(bytes(index * 17 % 251 for index in range(SEGMENT)))
    return prepare_file(path, tmp_path / "small", segment_bytes=SEGMENT, key=None)


@pytest.fixture
def sealed_file(source: Path, tmp_path: Path, key: VaultKey) -> PreparedFile:
    return prepare_file(source, tmp_path / "sealed", segment_bytes=SEGMENT, key=key)
