"""What the chain says about files, miners and territories, as plain documents for people.

Every document is of one block. Accounts are SS58 addresses, hashes ``0x`` hex, sizes bytes.
"""

from collections.abc import Sequence
from typing import Any

from client.chain import ChainClient
from client.transfer.fetch import FileUnknown
from client.vault.keys import VaultKey
from client.vault.names import unseal_name
from pallets.audit import Audit
from pallets.audit.types import AuditRecord
from pallets.file_bank import FileBank
from pallets.file_bank.types import DealFragment, FragmentInfo
from pallets.sminer import MinerInfo, Sminer
from pallets.storage_handler import StorageHandler
from primitives.crypto.ss58 import ss58_encode
from primitives.errors import CessError
from primitives.types import AccountId, FileHash, Hash

__all__ = [
    "file_document",
    "files_document",
    "network_document",
    "territories_document",
]

SEGMENTS_MAX = 1000
FILES_MAX = 10_000
DEALS_MAX = 10_000
MINERS_MAX = 10_000
TERRITORIES_MAX = 1000


async def network_document(chain: ChainClient) -> dict[str, Any]:
    """The heads of the chain and every registered miner."""
    at = await chain.best_head()
    finalized = await chain.header(await chain.finalized_head())
    miners = await chain.items(Sminer.miner_items, limit=MINERS_MAX, at=at)
    accounts = [keys[0] for keys, _ in miners]
    records = await chain.read_many(Audit.audit_record, accounts, at=at)
    return {
        "best": int((await chain.header(at)).number),
        "finalized": int(finalized.number),
        "miners": sorted(
            (
                _miner(account, info, record)
                for account, (_, info), record in zip(accounts, miners, records, strict=True)
            ),
            key=lambda item: str(item["account"]),
        ),
    }


async def file_document(
    chain: ChainClient, fid: FileHash, key: VaultKey | None = None
) -> dict[str, Any]:
    """A file or an open deal: each fragment, its holder and the holder's last audit.

    Raises: FileUnknown.
    """
    at = await chain.best_head()
    info = await chain.read(FileBank.file, fid, at=at)
    deal = await chain.read(FileBank.deal_map, fid, at=at)
    if info is not None:
        brief, size, count = info.owner[0], int(info.file_size), int(info.segment_count)
        owners = [item.user for item in info.owner]
        state = info.stat.name.lower()
    elif deal is not None:
        brief, size, count = deal.user, int(deal.file_size), int(deal.segment_count)
        owners = [brief.user]
        state = "placing"
    else:
        raise FileUnknown(f"there is no file 0x{fid.hex()}; see `cess ls`")
    rows = await _segments(chain, fid, count, at)
    holders = list(dict.fromkeys(row[1] for _, _, part in rows for row in part if row[1]))
    miners = await chain.read_many(Sminer.miner_items, holders, at=at)
    records = await chain.read_many(Audit.audit_record, holders, at=at)
    endpoints = {
        who: None if miner is None else miner.endpoint.decode("utf-8", "replace")
        for who, miner in zip(holders, miners, strict=True)
    }
    audits = {
        who: None if record is None else _number(record.last_audit)
        for who, record in zip(holders, records, strict=True)
    }
    sealed = None if key is None else unseal_name(key, fid, brief.file_name)
    return {
        "fid": _hex(fid),
        "name": sealed or brief.file_name.decode("utf-8", "replace"),
        "owner": ss58_encode(brief.user),
        "owners": [ss58_encode(owner) for owner in owners],
        "size": size,
        "state": state,
        "segments": [
            {
                "index": index,
                "hash": _hex(segment),
                "fragments": [
                    {
                        "index": position,
                        "hash": _hex(fragment),
                        "miner": None if who is None else ss58_encode(who),
                        "endpoint": None if who is None else endpoints[who],
                        "state": word,
                        "last_audit": None if who is None else audits[who],
                    }
                    for position, (fragment, who, word) in enumerate(part)
                ],
            }
            for index, segment, part in rows
        ],
    }


async def files_document(
    chain: ChainClient, owner: AccountId, key: VaultKey | None = None
) -> list[dict[str, Any]]:
    """The files of an account and its open deals; ``key`` reads sealed names."""
    at = await chain.best_head()
    held = await chain.items(FileBank.user_hold_file_list, owner, limit=FILES_MAX, at=at)
    deals = await chain.items(FileBank.deal_map, limit=DEALS_MAX, at=at)
    found = [
        _listed(keys[1], item.file_name, item.territory_name, int(item.file_size), "active", key)
        for keys, item in held
    ]
    found += [
        _listed(
            keys[0],
            deal.user.file_name,
            deal.user.territory_name,
            int(deal.file_size),
            "placing",
            key,
        )
        for keys, deal in deals
        if deal.user.user == owner
    ]
    return sorted(found, key=lambda item: (str(item["name"]), str(item["fid"])))


async def territories_document(chain: ChainClient, owner: AccountId) -> list[dict[str, Any]]:
    """The territories of an account."""
    at = await chain.best_head()
    found = await chain.items(StorageHandler.territory, owner, limit=TERRITORIES_MAX, at=at)
    return sorted(
        (
            {
                "name": keys[1].decode("utf-8", "replace"),
                "state": info.state.name.lower(),
                "total": int(info.total_space),
                "used": int(info.used_space),
                "locked": int(info.locked_space),
                "remaining": int(info.remaining_space),
                "start": int(info.start),
                "deadline": int(info.deadline),
            }
            for keys, info in found
        ),
        key=lambda item: str(item["name"]),
    )


_Row = tuple[bytes, AccountId | None, str]


async def _segments(
    chain: ChainClient, fid: FileHash, count: int, at: Hash
) -> list[tuple[int, bytes, Sequence[_Row]]]:
    """Each segment: index, hash and its fragments as (hash, miner, state)."""
    complete = await chain.items(FileBank.file_segments, fid, limit=SEGMENTS_MAX, at=at)
    pending = await chain.items(FileBank.deal_segments, fid, limit=SEGMENTS_MAX, at=at)
    rows: list[tuple[int, bytes, Sequence[_Row]]] = [
        (int(keys[1]), item.hash, [_held(part) for part in item.fragment_list])
        for keys, item in complete
    ]
    rows += [
        (int(keys[1]), segment.hash, [_awaited(part) for part in segment.fragments])
        for keys, segment in pending
    ]
    if len(rows) != count:
        raise CessError(f"the chain lists {len(rows)} of {count} segments; ask again")
    return sorted(rows, key=lambda row: row[0])


def _held(item: FragmentInfo) -> _Row:
    return item.hash, item.miner, "held" if item.avail else "lost"


def _awaited(item: DealFragment) -> _Row:
    if item.miner is None:
        return item.hash, None, "undrawn"
    return item.hash, item.miner, "held" if item.reported else "assigned"


def _miner(account: AccountId, info: MinerInfo, record: AuditRecord | None) -> dict[str, Any]:
    return {
        "account": ss58_encode(account),
        "state": info.state.name.lower(),
        "endpoint": info.endpoint.decode("utf-8", "replace"),
        "declared": int(info.declaration_space),
        "idle": int(info.idle_space),
        "service": int(info.service_space),
        "locked": int(info.lock_space),
        "collateral": str(int(info.collaterals)),
        "debt": str(int(info.debt)),
        "faults": 0 if record is None else int(record.faults),
        "last_audit": None if record is None else _number(record.last_audit),
    }


def _listed(
    fid: FileHash, name: bytes, territory: bytes, size: int, state: str, key: VaultKey | None
) -> dict[str, Any]:
    sealed = None if key is None else unseal_name(key, fid, name)
    return {
        "fid": _hex(fid),
        "name": sealed or name.decode("utf-8", "replace"),
        "size": size,
        "territory": territory.decode("utf-8", "replace"),
        "state": state,
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _number(value: int | None) -> int | None:
    return None if value is None else int(value)
