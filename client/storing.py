"""Storing a file from beginning to end, in steps that survive being interrupted.

An upload has a spool directory of its own, named after what is stored: the path, which file is
there and when it was changed, account, chain and whether it is public. The same command again finds
it and goes on; one command at a time works on it. When the file is active the spool is removed.

Whoever sees a declaration on its way can declare the same hashes first, without having the bytes.
A sealed file is then sealed anew, which gives it other hashes, and declared again.
"""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread

from client.chain import CallFailed, ChainClient, Receipt
from client.transfer.http import HolderHttp
from client.transfer.place import DealDropped, declare, is_declared, place
from client.transfer.placing import PlacingStatus
from client.transfer.prepare import (
    MANIFEST,
    PreparedFile,
    load_prepared,
    prepare_file,
    stored_bytes,
)
from client.vault.keys import VaultKey
from pallets.file_bank import FileBank
from pallets.storage_handler import StorageHandler
from pallets.storage_handler.types import TerritoryState, TerrName
from primitives.crypto.keys import KeyPair
from primitives.errors import CessError
from primitives.types import AccountId, FileHash, Hash

__all__ = [
    "AlreadyStoring",
    "NoTerritory",
    "StoredReceipt",
    "Until",
    "default_spool",
    "forget_upload",
    "store_file",
]

FRAGMENTS = 12
FINAL_POLL_S = 0.5
SEALINGS_MAX = 3
"""How often a file is sealed when its hashes are taken by others."""

_LOCK = ".lock"
_TAKEN = frozenset({"Existed", "BeingRemoved"})

Report = Callable[[str, int, int], None]
"""Told the stage and how much of how much of it is done."""


class NoTerritory(CessError):
    """The account has no territory that could take the file; nothing was spent."""


class AlreadyStoring(CessError):
    """Another upload of the same content is under way; nothing was spent on this one."""


class Until(StrEnum):
    """What ``store_file`` waits for."""

    STORED = "stored"
    ACTIVE = "active"
    FINALIZED = "finalized"


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """What was stored. ``declared_in`` is the block of the declaration, None if it was earlier."""

    prepared: PreparedFile
    territory: str
    declared_in: Hash | None
    state: Until


def forget_upload(fid: FileHash, spool: Path | None = None) -> None:
    """Remove what waits on this machine for an upload that was given up; blocks."""
    spool = spool if spool is not None else default_spool()
    for manifest in spool.glob(f"*/{MANIFEST}"):
        try:
            found = load_prepared(manifest.parent)
        except CessError:
            continue  # damaged: the next upload of that file says so
        if found is not None and found.fid == fid:
            shutil.rmtree(manifest.parent, ignore_errors=True)


def default_spool() -> Path:
    """Where uploads under way are kept."""
    return Path.home() / ".cache" / "cess" / "uploads"


async def store_file(
    chain: ChainClient,
    holders: HolderHttp,
    path: Path,
    signer: KeyPair,
    *,
    territory: str,
    is_public: bool,
    until: Until = Until.ACTIVE,
    spool: Path | None = None,
    report: Report | None = None,
) -> StoredReceipt:
    """Store ``path`` in a territory of ``signer``; everything that is not public is sealed.

    Raises: NoTerritory, AlreadyStoring, CannotPrepare, CallFailed, DealDropped, ChainUnreachable.
    """
    tell = report if report is not None else _silent
    directory = (spool if spool is not None else default_spool()) / _upload_name(
        chain, path, signer, is_public=is_public
    )
    job = _Storing(chain, path, directory, signer, territory, is_public=is_public, tell=tell)
    if not (directory / MANIFEST).exists():
        await job.require_space_for(path.stat().st_size)
    with _claimed(directory):
        prepared, receipt = await job.declared()

        def placed(status: PlacingStatus) -> None:
            given = status.reported + (status.signed if until is Until.STORED else 0)
            tell("placing", given, status.total)

        await place(
            chain, holders, prepared, signer, report=placed, until_signed=until is Until.STORED
        )
        if until is Until.FINALIZED:
            await _wait_finalized(chain, prepared)
        if until is not Until.STORED:
            await anyio.to_thread.run_sync(partial(shutil.rmtree, directory, ignore_errors=True))
    return StoredReceipt(
        prepared=prepared,
        territory=territory,
        declared_in=None if receipt is None else receipt.block_hash,
        state=until,
    )


class _Storing:
    """One file until it is declared."""

    def __init__(
        self,
        chain: ChainClient,
        path: Path,
        directory: Path,
        signer: KeyPair,
        territory: str,
        *,
        is_public: bool,
        tell: Report,
    ) -> None:
        self._chain = chain
        self._path = path
        self._directory = directory
        self._signer = signer
        self._territory = territory
        self._key = None if is_public else VaultKey.of(signer)
        self._tell = tell

    async def require_space_for(self, size: int) -> None:
        """Before the work of preparing. Raises: NoTerritory, CannotPrepare."""
        segment_bytes = int(await self._chain.constant("FileBank", "SegmentBytes"))
        stored = stored_bytes(size, segment_bytes, is_sealed=self._key is not None)
        await self._require_space(-(-stored // segment_bytes))

    async def declared(self) -> tuple[PreparedFile, Receipt | None]:
        """The prepared file, which the chain knows as ours; the receipt if it is new there."""
        owner = self._signer.account_id
        prepared = await anyio.to_thread.run_sync(load_prepared, self._directory)
        for _ in range(SEALINGS_MAX):
            if prepared is None:
                prepared = await self._prepare()
            if await is_declared(self._chain, prepared, owner):
                return prepared, None
            await self._require_space(len(prepared.segments))
            if await self._chain.read(FileBank.deal_map, prepared.fid) is None:
                try:
                    receipt = await declare(
                        self._chain, prepared, self._signer, self._territory, key=self._key
                    )
                except CallFailed as failure:
                    if failure.pallet != "FileBank" or failure.name not in _TAKEN:
                        raise
                else:
                    return prepared, receipt
            if self._key is None:
                raise AlreadyStoring(
                    f"the same public file {self._path} is being stored or removed by somebody "
                    "just now; run the command again in a while"
                )
            prepared = None
        raise AlreadyStoring(
            f"the hashes of {self._path} were declared by somebody else {SEALINGS_MAX} times, "
            "each time before ours; run the command again, over another node with --rpc"
        )

    async def _prepare(self) -> PreparedFile:
        segment_bytes = int(await self._chain.constant("FileBank", "SegmentBytes"))

        def progress(done: int, total: int) -> None:
            anyio.from_thread.check_cancelled()  # so that Ctrl-C does not wait for a large file
            self._tell("preparing", done, total)

        return await anyio.to_thread.run_sync(
            partial(
                prepare_file,
                self._path,
                self._directory,
                segment_bytes=segment_bytes,
                key=self._key,
                progress=progress,
            )
        )

    async def _require_space(self, segments: int) -> None:
        fragment_bytes = int(await self._chain.constant("FileBank", "FragmentBytes"))
        space = FRAGMENTS * fragment_bytes * segments
        await _require_territory(self._chain, self._signer.account_id, self._territory, space)


@contextmanager
def _claimed(directory: Path) -> Iterator[None]:
    """Hold a spool for this process; one with nothing to go on from is removed at the end.

    Raises: AlreadyStoring.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / _LOCK).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyStoring(
                "another `cess put` is storing the same file; wait for its end, or stop it"
            ) from None
        try:
            yield
        finally:
            if not (directory / MANIFEST).exists():
                shutil.rmtree(directory, ignore_errors=True)


async def _require_territory(chain: ChainClient, owner: AccountId, name: str, space: int) -> None:
    info = await chain.read(StorageHandler.territory, owner, TerrName(name.encode()))
    unit = int(await chain.constant("StorageHandler", "SpaceUnitBytes"))
    if info is None:
        units = max(-(-space // unit), 1)
        raise NoTerritory(
            f"you have no territory {name!r} to store files in; lease one, for example with "
            f"`cess territory mint --name {name} --size {units} --days 30`, or name another with "
            "--territory"
        )
    if info.state is not TerritoryState.Active:
        raise NoTerritory(
            f"your territory {name!r} is {info.state.name}; renew it with "
            f"`cess territory renew --name {name} --days 30`"
        )
    if info.remaining_space < space:
        units = -(-(space - int(info.remaining_space)) // unit)
        raise NoTerritory(
            f"your territory {name!r} has {int(info.remaining_space)} bytes left and the file "
            f"takes {space} (three times its size, in whole segments); grow it with "
            f"`cess territory expand --name {name} --size {units}`"
        )


async def _wait_finalized(chain: ChainClient, prepared: PreparedFile) -> None:
    while await chain.read(FileBank.file, prepared.fid, at=await chain.finalized_head()) is None:
        if await chain.read(FileBank.file, prepared.fid) is None:
            raise DealDropped(
                f"the file 0x{prepared.fid.hex()} was given up, or its block was, before it was "
                "final; run the command again"
            )
        await anyio.sleep(FINAL_POLL_S)


def _upload_name(chain: ChainClient, path: Path, signer: KeyPair, *, is_public: bool) -> str:
    facts = path.stat()
    text = "\0".join(
        (
            str(path.resolve()),
            str(facts.st_size),
            str(facts.st_mtime_ns),
            str(facts.st_ctime_ns),  # a size and a time of change can be set back; this cannot
            f"{facts.st_dev}:{facts.st_ino}",
            signer.account_id.hex(),
            chain.genesis_hash.hex(),
            str(is_public),
        )
    )
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody."""
