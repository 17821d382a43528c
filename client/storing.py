"""Storing a file from beginning to end, in steps that survive being interrupted.

An upload has a spool directory of its own, named after what is stored: path, size, time of change,
account, chain and whether it is public. The same command again finds it and goes on. When the file
is active the spool is removed.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from client.chain import ChainClient
from client.transfer.http import HolderHttp
from client.transfer.place import declare, is_declared, place
from client.transfer.placing import PlacingStatus
from client.transfer.prepare import PreparedFile, load_prepared, prepare_file
from client.vault.keys import VaultKey
from pallets.file_bank import FileBank
from pallets.storage_handler import StorageHandler
from pallets.storage_handler.types import TerritoryState, TerrName
from primitives.crypto.keys import KeyPair
from primitives.errors import CessError
from primitives.types import AccountId, Hash

__all__ = ["NoTerritory", "StoredReceipt", "Until", "default_spool", "store_file"]

FRAGMENTS = 12
FINAL_POLL_S = 0.5

Report = Callable[[str, int, int], None]
"""Told the stage and how much of how much of it is done."""


class NoTerritory(CessError):
    """The account has no territory that could take the file; nothing was spent."""


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

    Raises: NoTerritory, CannotPrepare, CallFailed, DealDropped, ChainUnreachable.
    """
    key = None if is_public else VaultKey.of(signer)
    tell = report if report is not None else _silent
    directory = (spool if spool is not None else default_spool()) / _upload_name(
        chain, path, signer, is_public=is_public
    )
    prepared = await anyio.to_thread.run_sync(load_prepared, directory)
    if prepared is None:
        segment_bytes = int(await chain.constant("FileBank", "SegmentBytes"))
        await _require_territory(chain, signer.account_id, territory, 0)
        prepared = await anyio.to_thread.run_sync(
            partial(
                prepare_file,
                path,
                directory,
                segment_bytes=segment_bytes,
                key=key,
                progress=partial(tell, "preparing"),
            )
        )
    declared_in = None
    if not await is_declared(chain, prepared, signer.account_id):
        fragment_bytes = int(await chain.constant("FileBank", "FragmentBytes"))
        space = FRAGMENTS * fragment_bytes * len(prepared.segments)
        await _require_territory(chain, signer.account_id, territory, space)
        receipt = await declare(chain, prepared, signer, territory, key=key)
        declared_in = receipt.block_hash

    def placed(status: PlacingStatus) -> None:
        given = status.reported + (status.signed if until is Until.STORED else 0)
        tell("placing", given, status.total)

    await place(chain, holders, prepared, signer, report=placed, until_signed=until is Until.STORED)
    if until is Until.FINALIZED:
        await _wait_finalized(chain, prepared)
    if until is not Until.STORED:
        await anyio.to_thread.run_sync(partial(shutil.rmtree, directory, ignore_errors=True))
    return StoredReceipt(
        prepared=prepared, territory=territory, declared_in=declared_in, state=until
    )


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
        await anyio.sleep(FINAL_POLL_S)


def _upload_name(chain: ChainClient, path: Path, signer: KeyPair, *, is_public: bool) -> str:
    facts = path.stat()
    text = "\0".join(
        (
            str(path.resolve()),
            str(facts.st_size),
            str(facts.st_mtime_ns),
            signer.account_id.hex(),
            chain.genesis_hash.hex(),
            str(is_public),
        )
    )
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody."""
