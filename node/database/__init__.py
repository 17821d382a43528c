"""Blocks and states on disk: one key-value store, one synced batch per block.

``kv`` is the small protocol that ``leveldb`` and ``memory`` implement; ``layout`` names the columns
and their records; ``nodes`` keeps trie nodes, ``notes`` small records of others; ``chain`` is what
the rest of the node uses.
"""

from node.database.chain import (
    BlockId,
    ChainDatabase,
    FinalizeOutcome,
    PreparedState,
    StateSnapshot,
    genesis_state_root,
)
from node.database.errors import (
    BlockRefused,
    DatabaseClosed,
    DatabaseEmpty,
    DatabaseFailed,
    DatabaseLocked,
    GenesisMismatch,
    NoteRefused,
    PruningMismatch,
    StateDiscarded,
    UnknownBlock,
)
from node.database.kv import Batch, KeyValue
from node.database.leveldb import LevelDb
from node.database.memory import MemoryKv

__all__ = [
    "Batch",
    "BlockId",
    "BlockRefused",
    "ChainDatabase",
    "DatabaseClosed",
    "DatabaseEmpty",
    "DatabaseFailed",
    "DatabaseLocked",
    "FinalizeOutcome",
    "GenesisMismatch",
    "KeyValue",
    "LevelDb",
    "MemoryKv",
    "NoteRefused",
    "PreparedState",
    "PruningMismatch",
    "StateDiscarded",
    "StateSnapshot",
    "UnknownBlock",
    "genesis_state_root",
]
