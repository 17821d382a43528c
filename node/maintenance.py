"""Work on a chain's files while no node has them open: purge, export, import, revert.

An export is one block in a line: ``{"block": {"header": "0x…", "extrinsics": ["0x…", …]},
"justification": "0x…" | null}``, header and justification SCALE encoded.
Bounds: ``LINE_CHARS_MAX`` for a line; each block is checked as if it came from the network.
"""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from node.config import NodeConfig
from node.consensus.chain import Chain
from node.consensus.finality import FinalityKeys
from node.consensus.grandpa.store import VoteStore
from node.database import DatabaseFailed, LevelDb
from node.genesis import load_spec
from node.service import open_database
from primitives.errors import CessError, DecodeError, InvalidBlock
from primitives.header import Header
from primitives.types import Hash

__all__ = ["export", "import_", "purge", "remembered_final", "revert"]

LINE_CHARS_MAX: Final = 32 << 20


def purge(config: NodeConfig) -> Path | None:
    """Remove the database of a chain, damaged or not; its path, None if there was none.

    Raises: DatabaseLocked if a node has it open, DatabaseFailed.
    """
    path = config.database_path(load_spec(config.chain).id)
    if path.is_symlink():
        raise DatabaseFailed(f"{path} is a symbolic link: remove what it leads to yourself")
    if not path.exists():
        return None
    LevelDb.destroy(path)
    try:
        if path.exists():
            shutil.rmtree(path)
    except OSError as error:
        raise DatabaseFailed(f"{path} cannot be removed: {error.strerror}") from error
    return path


def remembered_final(config: NodeConfig, *, forgets: bool = False) -> int | None:
    """Height of the last block that this node made final alone; None: it made none.

    With ``forgets`` it may make another history final afterwards.

    Raises: StorageCorrupt, CessError (the disk).
    """
    votes = VoteStore(config.votes_path(load_spec(config.chain).id))
    alone = votes.alone
    if alone is not None and forgets:
        votes.forget_alone()
    return None if alone is None else alone.number


def export(config: NodeConfig, output: TextIO, first: int, last: int | None) -> int:
    """Write the blocks from ``first`` to ``last`` (None: the best one); their count."""
    count = 0
    with open_database(config, load_spec(config.chain)) as database:
        end = database.best().number if last is None else min(last, database.best().number)
        for number in range(first, end + 1):
            hash_ = database.canonical_hash(number)
            header = None if hash_ is None else database.header(hash_)
            body = None if hash_ is None else database.body(hash_)
            if hash_ is None or header is None or body is None:
                raise CessError(
                    f"the body of block {number} was pruned: export from a later one with --from, "
                    "or from a node with --blocks-pruning archive"
                )
            justification = database.justification(hash_)
            line = {
                "block": {
                    "header": f"0x{header.encode().hex()}",
                    "extrinsics": [f"0x{data.hex()}" for data in body],
                },
                "justification": None if justification is None else f"0x{justification.hex()}",
            }
            output.write(json.dumps(line, separators=(",", ":")) + "\n")
            count += 1
    return count


def _bytes(value: object, line: int) -> bytes:
    try:
        if isinstance(value, str) and value.startswith("0x"):
            return bytes.fromhex(value[2:])
    except ValueError:
        pass
    raise InvalidBlock(f"line {line}: expected hex with 0x")


def _line(source: TextIO, number: int) -> str:
    try:
        return source.readline(LINE_CHARS_MAX)
    except UnicodeDecodeError as error:
        raise InvalidBlock(
            f"line {number} is no text: the file must come from export-blocks"
        ) from error


def _blocks(source: TextIO) -> Iterator[tuple[int, Header, tuple[bytes, ...], bytes | None]]:
    number = 0
    while text := _line(source, number + 1):
        number += 1
        if len(text) == LINE_CHARS_MAX:
            raise InvalidBlock(f"line {number} is longer than {LINE_CHARS_MAX} characters")
        if not text.strip():
            continue
        try:
            entry = json.loads(text)
            block, justification = entry["block"], entry["justification"]
            extrinsics = tuple(_bytes(data, number) for data in block["extrinsics"])
            header = Header.decode(_bytes(block["header"], number))
        except (ValueError, KeyError, TypeError, RecursionError, DecodeError) as error:
            raise InvalidBlock(
                f"line {number} is no block: {error}; the file must come from export-blocks"
            ) from error
        proof = None if justification is None else _bytes(justification, number)
        yield number, header, extrinsics, proof


def import_(config: NodeConfig, source: TextIO) -> tuple[int, int]:
    """Import an export; how many blocks were new, and the height of the best one."""
    count = 0
    with open_database(config, load_spec(config.chain)) as database:
        chain = Chain(database, FinalityKeys(None), finalizes=False)
        for line, header, body, justification in _blocks(source):
            hash_: Hash = header.hash()
            try:
                if not database.is_known(hash_):
                    now_ms = time.time_ns() // 1_000_000
                    chain.import_block(header, body, now_ms=now_ms, is_deferred=True)
                    count += 1
                if justification is not None and header.number > database.finalized().number:
                    chain.import_justification(hash_, justification)
            except CessError as error:
                database.settle()
                raise InvalidBlock(f"line {line}, block {header.number}: {error}") from error
        return count, database.best().number


def revert(config: NodeConfig, count: int) -> tuple[int, int]:
    """Forget up to ``count`` blocks that are not final; how many, and the best height now."""
    with open_database(config, load_spec(config.chain)) as database:
        return database.revert(count), database.best().number
