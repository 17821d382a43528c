"""The chain on disk: headers, bodies, justifications, states, and where the chain stands.

What one import, finalization or revert changes goes into one synced batch, so after a crash the
database is at a block boundary; ``import_block`` returning means that the block survives. A block
that can be fetched again may be imported ``is_deferred``: then it survives once a later change is
written or ``settle`` returns (see ``deferred``), together with all that was changed before it.

Pruning, and why it is right. Every trie node gets a number of its own when the block that makes it
is imported; it is written once and belongs to that block, even where another block makes the same
bytes at the same place (A → B → A makes two nodes A). A block's journal lists the nodes it wrote
and those of its parent's state that its own state no longer reaches. A node is thus reachable only
from the states of its block and of descendants, on each branch up to the first block that removes
it, and never again after. So:

* when a fork is discarded, all that its blocks wrote goes: nobody else can reach it;
* when the oldest kept state is pruned, the nodes that its (finalized) child removed go: older
  states are gone, other children were forks, and later states cannot reach them.

Both lists together are every unreachable node, so nothing is left behind, and no counting of
references is needed. ``state_pruning`` finalized states are kept, and every unfinalized one.

Threads: any number of readers; changes take a lock and are meant to come from one writer.
Bounds: the tree of unfinalized blocks lives in memory (see ``tree``); the node cache has its size.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import RLock
from types import MappingProxyType

from node.database.deferred import DeferringKv
from node.database.errors import (
    BlockRefused,
    DatabaseEmpty,
    GenesisMismatch,
    PruningMismatch,
    StateDiscarded,
    UnknownBlock,
    corrupt,
)
from node.database.fetched import (
    DROP_BATCH_NODES,
    FETCHED_NOTE,
    GAP_NOTE,
    FetchedState,
    RootRef,
    add_entries,
    decode_gap,
    drop_nodes,
    encode_gap,
)
from node.database.flat import (
    FlatStates,
    check_marks,
    drop_side,
    put_changes,
    put_mark,
    put_values,
    records_of,
)
from node.database.kv import Batch, KeyValue
from node.database.layout import (
    BODY,
    CANONICAL,
    CHANGES,
    FORMAT_KEY,
    HEADER,
    HEADS_KEY,
    JOURNAL,
    JUSTIFICATION,
    NOTE,
    STATE,
    UNFINALIZED,
    Heads,
    decode_body,
    decode_format,
    decode_heads,
    decode_journal,
    decode_root,
    delete_nodes,
    encode_body,
    encode_format,
    encode_heads,
    encode_journal,
    encode_root,
    number_key,
    put_nodes,
    seal,
    unseal,
)
from node.database.nodes import NODE_CACHE_BYTES, NodeStore
from node.database.notes import NoteChanges, put_notes, read_notes
from node.database.state import PreparedState, StateSnapshot
from node.database.tree import BlockId, BlockTree
from primitives.errors import DecodeError
from primitives.header import Header
from primitives.scale import U8, U32, U64, codec
from primitives.trie import EMPTY, Ref, Trie, TrieUpdate, root
from primitives.types import Hash

__all__ = [
    "BlockId",
    "ChainDatabase",
    "FinalizeOutcome",
    "PreparedState",
    "StateSnapshot",
    "genesis_state_root",
]

_HEADER = codec(Header)
_NO_NOTES: NoteChanges = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FinalizeOutcome:
    """What became final, lowest first, and which blocks of losing forks went."""

    finalized: tuple[Hash, ...]
    pruned_forks: tuple[Hash, ...]


def genesis_state_root(state: Mapping[bytes, bytes]) -> Hash:
    """The state root of a genesis block with this state."""
    return root(state)


class ChainDatabase:
    """All of one chain over one key-value store.

    ``state_pruning`` is the number of finalized states to keep, ``blocks_pruning`` that of
    finalized bodies; None keeps all. A new store must be given its genesis by ``initialise``.
    Raises: StorageCorrupt, PruningMismatch, DatabaseFailed.
    """

    def __init__(
        self,
        kv: KeyValue,
        *,
        state_pruning: int | None = 256,
        blocks_pruning: int | None = None,
        node_cache_bytes: int = NODE_CACHE_BYTES,
    ) -> None:
        for name, kept in (("state", state_pruning), ("blocks", blocks_pruning)):
            if kept is not None and kept < 1:
                raise PruningMismatch(
                    f"--{name}-pruning={kept}: the last finalized block is always kept: give 1 or "
                    "more, or `archive`"
                )
        self._kv = kv = DeferringKv(kv)
        self._state_pruning = state_pruning
        self._blocks_pruning = blocks_pruning
        self._nodes = NodeStore(kv, cache_bytes=node_cache_bytes)
        self._flat = FlatStates(kv, self._nodes)
        self._lock = RLock()
        self._heads: Heads | None = None
        self._settled_best: BlockId | None = None
        self._fetched: FetchedState | None = None
        self._tree = BlockTree(BlockId(Hash(bytes(32)), 0))
        self._open()

    # Opening.

    def _open(self) -> None:
        record = self._kv.get(FORMAT_KEY)
        if record is None:
            if next(iter(self._kv.iterate(b"")), None) is not None:
                raise corrupt("the format record is missing")
            return
        archive = decode_format(record).archive
        if archive != (self._state_pruning is None):
            made, asked = ("archive", "a number") if archive else ("a number", "archive")
            raise PruningMismatch(
                f"the database was made with --state-pruning={made}, not {asked}: start with that, "
                "or run `cess node purge-chain` and sync again"
            )
        record = self._kv.get(HEADS_KEY)
        if record is None:
            raise corrupt("the heads record is missing")
        heads = decode_heads(record)
        self._nodes.start_at(heads.next_node)
        check_marks(self._kv, int(heads.flat_writes))
        self._tree = self._load_tree(heads)
        self._heads = heads
        self._settled_best = self.best()
        self._check_heads(heads)
        note = self.note(FETCHED_NOTE)
        if note is not None:
            self._fetched = FetchedState.decode(note)
            if self._fetched.is_dropped:
                self.drop_fetched_state()
        if self._fetched is None:
            drop_side(self._kv, _other_side(heads))
        self._show_flat(heads)

    def _show_flat(self, heads: Heads, changed: Iterable[bytes] | None = None) -> None:
        """The column of values holds the state of the finalized block: let readers use it."""
        tree = self._tree
        above = tree.above(int(heads.finalized_number))
        parents = ((block, tree.parent(block)) for block in above)
        pairs = ((block, parent) for block, parent in parents if parent is not None)
        self._flat.show(heads.finalized, int(heads.flat_side), pairs, changed)

    def _load_tree(self, heads: Heads) -> BlockTree:
        tree = BlockTree(BlockId(heads.finalized, int(heads.finalized_number)))
        for key, record in self._kv.iterate(UNFINALIZED):
            number, block = int.from_bytes(key[1:5], "big"), Hash(key[5:])
            parent = Hash(unseal(key, record))
            if tree.number(parent) != number - 1:
                raise corrupt(f"block {block.hex()} at {number} hangs in the air")
            tree.add(BlockId(block, number), parent)
        return tree

    def _check_heads(self, heads: Heads) -> None:
        """Every head's header, index entry and state must be there and right."""
        named = {
            "genesis": (heads.genesis, 0),
            "finalized": (heads.finalized, heads.finalized_number),
            "best": (heads.best, heads.best_number),
        }
        for name, (block, number) in named.items():
            header = self.header(block)
            if header is None or header.number != number or self.canonical_hash(number) != block:
                raise corrupt(
                    f"the {name} block {block.hex()} at {number} is not where it should be"
                )
            if name == "genesis":
                continue
            state = self._root(block)
            if state is None or state.merkle != header.state_root:
                raise corrupt(f"the state of the {name} block {block.hex()} is not there")
            self.state_at(block).next_key(b"")
        if self._tree.number(heads.best) != heads.best_number:
            raise corrupt("the best block is not above the finalized one")

    def initialise(self, genesis_header: Header, state: Mapping[bytes, bytes]) -> None:
        """Write the genesis block and its state, once; again with the same genesis is harmless.

        Raises: GenesisMismatch, BlockRefused.
        """
        genesis = genesis_header.hash()
        with self._lock:
            if self._heads is not None:
                if self._heads.genesis != genesis:
                    raise GenesisMismatch(
                        f"the database holds the chain with genesis {self._heads.genesis.hex()}, "
                        f"not {genesis.hex()}: choose another --base-path, or run "
                        "`cess node purge-chain`"
                    )
                return
            update = Trie(self._nodes, EMPTY).update(state, self._nodes.allocate)
            if update.root.merkle != genesis_header.state_root or genesis_header.number != 0:
                raise BlockRefused(
                    f"the genesis header names state {genesis_header.state_root.hex()} at height "
                    f"{genesis_header.number}, the genesis state is {update.root.merkle.hex()}"
                )
            batch = Batch()
            batch.put(FORMAT_KEY, encode_format(self._state_pruning is None))
            _put_block(batch, genesis, genesis_header, ())
            _put_canonical(batch, 0, genesis)
            _put_state(batch, genesis, update)
            batch.delete(JOURNAL + genesis)
            put_values(batch, 0, records_of(update))
            zero, none = U32(0), U64(0)
            heads = Heads(genesis, genesis, zero, genesis, zero, none, zero, zero, U8(0), none)
            self._commit(batch, heads)
            self._tree = BlockTree(BlockId(genesis, 0))
            self._show_flat(heads)
            self._nodes.hold(update)

    def _commit(self, batch: Batch, heads: Heads, *, is_deferred: bool = False) -> None:
        """Write ``batch`` and the heads, and only then believe it."""
        heads = _with(heads, next_node=self._nodes.allocate())
        batch.put(HEADS_KEY, encode_heads(heads))
        if is_deferred:
            self._kv.defer(batch)
        else:
            self._kv.write(batch, sync=True)
        self._heads = heads
        if self.is_settled:
            self._settled_best = self.best()

    @property
    def is_settled(self) -> bool:
        """Whether all that was changed is on disk."""
        return not self._kv.waiting_count

    def settle(self) -> None:
        """All that was changed is on disk when this returns. Raises: DatabaseFailed."""
        with self._lock:
            if not self.is_settled:
                self._kv.settle()
                self._settled_best = self.best()

    def _at(self) -> Heads:
        heads = self._heads
        if heads is None:
            raise DatabaseEmpty("the chain database is empty: give it a genesis first")
        return heads

    def close(self) -> None:
        """Settle, and release the store."""
        with self._lock:
            self._kv.close()

    # Reading.

    @property
    def is_initialised(self) -> bool:
        """Whether there is a genesis block."""
        return self._heads is not None

    @property
    def genesis_hash(self) -> Hash:
        """The hash of block 0."""
        return self._at().genesis

    @property
    def state_pruning(self) -> int | None:
        """How many final states are kept; None: all."""
        return self._state_pruning

    @property
    def blocks_pruning(self) -> int | None:
        """How many final bodies are kept; None: all."""
        return self._blocks_pruning

    def best(self) -> BlockId:
        """The block to build on."""
        heads = self._at()
        return BlockId(heads.best, int(heads.best_number))

    def settled_best(self) -> BlockId:
        """A best block that survives a crash: what strangers may be told."""
        self._at()
        assert self._settled_best is not None, "because the genesis is synced"
        return self._settled_best

    def finalized(self) -> BlockId:
        """The last block that cannot be undone."""
        heads = self._at()
        return BlockId(heads.finalized, int(heads.finalized_number))

    def size_bytes(self) -> int:
        """About how much room the store takes."""
        return self._kv.size_bytes()

    def header(self, block: Hash) -> Header | None:
        """The header of ``block``. Raises: StorageCorrupt."""
        record = self._kv.get(HEADER + block)
        if record is None:
            return None
        try:
            header = _HEADER.decode(record)
        except DecodeError as error:
            raise corrupt(f"the header of block {block.hex()}: {error}") from error
        if header.hash() != block:
            raise corrupt(f"the header of block {block.hex()} does not match its hash")
        return header

    def body(self, block: Hash) -> tuple[bytes, ...] | None:
        """The extrinsics of ``block``, None if unknown or pruned. Raises: StorageCorrupt."""
        content = self._sealed(BODY + block)
        return None if content is None else decode_body(content)

    def justification(self, block: Hash) -> bytes | None:
        """The proof of finality stored for ``block``. Raises: StorageCorrupt."""
        return self._sealed(JUSTIFICATION + block)

    def canonical_hash(self, number: int) -> Hash | None:
        """The block at this height on the way to the best one. Raises: StorageCorrupt."""
        if not 0 <= number < 1 << 32:
            return None
        content = self._sealed(number_key(CANONICAL, number))
        return None if content is None else Hash(content)

    def hashes_at(self, number: int) -> tuple[Hash, ...]:
        """Every block known at this height: one below the finalized block, forks above."""
        if number > self._at().finalized_number:
            return self._tree.at(number)
        block = self.canonical_hash(number)
        return () if block is None else (block,)

    def children(self, block: Hash) -> tuple[Hash, ...]:
        """The blocks on top of ``block`` that are the finalized one or above it."""
        return self._tree.children(block)

    def leaves(self) -> tuple[Hash, ...]:
        """The blocks from the finalized one on that have no children."""
        tree = self._tree
        found = (tree.root.hash, *tree.above(tree.root.number))
        return tuple(block for block in found if not tree.children(block))

    def is_known(self, block: Hash) -> bool:
        """Whether the header of ``block`` is here."""
        return self._kv.get(HEADER + block) is not None

    def keeps_state(self, block: Hash) -> bool:
        """Whether the state of ``block`` can be read."""
        return self._kv.get(STATE + block) is not None

    def state_at(self, block: Hash) -> StateSnapshot:
        """The state after ``block``. Raises: UnknownBlock, StateDiscarded, StorageCorrupt."""
        return StateSnapshot(self._nodes, self._flat, self, block, self._existing_root(block))

    def note(self, key: bytes) -> bytes | None:
        """The note under ``key``. Raises: StorageCorrupt."""
        return self._sealed(NOTE + key)

    def notes(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Notes whose keys begin with ``prefix``, in order of keys. Raises: StorageCorrupt."""
        return read_notes(self._kv, prefix)

    def _sealed(self, key: bytes) -> bytes | None:
        record = self._kv.get(key)
        return None if record is None else unseal(key, record)

    def _root(self, block: Hash) -> Ref | None:
        content = self._sealed(STATE + block)
        return None if content is None else decode_root(content)

    def _existing_root(self, block: Hash) -> Ref:
        state = self._root(block)
        if state is not None:
            return state
        if not self.is_known(block):
            raise UnknownBlock(f"no block {block.hex()} is known here", block)
        raise StateDiscarded(
            f"the state of block {block.hex()} was pruned; ask a later block, or a node with "
            "--state-pruning=archive",
            block,
        )

    # Writing.

    def prepare(self, parent: Hash, changes: Mapping[bytes, bytes | None]) -> PreparedState:
        """The state that ``changes`` make of the parent's; nothing is written.

        Raises: UnknownBlock, StateDiscarded.
        """
        state = self.state_at(parent)
        return PreparedState(parent, state.trie.update(changes, self._nodes.allocate, state.get))

    def import_block(
        self,
        header: Header,
        body: Sequence[bytes],
        state: PreparedState,
        *,
        justification: bytes | None = None,
        is_best: bool,
        is_deferred: bool = False,
        notes: NoteChanges = _NO_NOTES,
    ) -> None:
        """Write a block whose rules were checked, with the state it leads to, and ``notes``.

        ``is_deferred``: it may wait in memory for a later change or ``settle``.
        Raises: UnknownBlock (the parent), BlockRefused, NoteRefused, DatabaseFailed.
        """
        with self._lock:
            heads, block = self._at(), BlockId(header.hash(), int(header.number))
            self._check_import(header, block, state)
            batch = Batch()
            _put_block(batch, block.hash, header, tuple(body))
            _put_state(batch, block.hash, state.update)
            key = number_key(UNFINALIZED, block.number) + block.hash
            batch.put(key, seal(key, header.parent_hash))
            if justification is not None:
                _put_justification(batch, block.hash, justification)
            put_notes(batch, notes)
            changes = records_of(state.update)
            put_changes(batch, block.hash, changes)
            state.spent = True
            if is_best:
                self._lead(batch, block, header.parent_hash)
                heads = _with(heads, best=block.hash, best_number=block.number)
            self._commit(batch, heads, is_deferred=is_deferred)
            self._tree.add(block, header.parent_hash)
            self._flat.add(block.hash, header.parent_hash, changes)
            self._nodes.hold(state.update)

    def _check_import(self, header: Header, block: BlockId, state: PreparedState) -> None:
        if self._fetched is not None:
            raise BlockRefused(
                f"the state of block {self._fetched.target.number} is being fetched: blocks wait"
            )
        parent = self._tree.number(header.parent_hash)
        if parent is None:
            if self.is_known(header.parent_hash):
                raise BlockRefused(
                    f"block {block.hash.hex()} at {block.number} forks off below the last "
                    "finalized block"
                )
            raise UnknownBlock(
                f"the parent {header.parent_hash.hex()} is not known here", header.parent_hash
            )
        if block.number != parent + 1:
            raise BlockRefused(f"block {block.hash.hex()} says {block.number} on top of {parent}")
        if self._tree.number(block.hash) is not None:
            raise BlockRefused(f"block {block.hash.hex()} at {block.number} is here already")
        if state.parent != header.parent_hash or state.root != header.state_root:
            raise BlockRefused(
                f"block {block.hash.hex()} names state {header.state_root.hex()}, prepared was "
                f"{state.root.hex()} on {state.parent.hex()}"
            )
        if state.spent:
            raise BlockRefused("a prepared state serves one import: prepare it again")
        self._tree.check_room(block.number)

    def _lead(self, batch: Batch, best: BlockId, parent: Hash | None) -> None:
        """Let the canonical index lead to ``best``, whose ``parent`` is in the tree."""
        for number in range(best.number + 1, int(self._at().best_number) + 1):
            batch.delete(number_key(CANONICAL, number))
        block, number = best.hash, best.number
        while parent is not None and self.canonical_hash(number) != block:
            _put_canonical(batch, number, block)
            block, number = parent, number - 1
            parent = self._tree.parent(block)

    def set_best(self, block: Hash) -> None:
        """Build on ``block``, which is the finalized block or above it, from now on.

        Raises: UnknownBlock.
        """
        with self._lock:
            number = self._tree.number(block)
            if number is None:
                raise UnknownBlock(
                    f"no block {block.hex()} above the finalized one is known here", block
                )
            batch = Batch()
            self._lead(batch, BlockId(block, number), self._tree.parent(block))
            self._commit(batch, _with(self._at(), best=block, best_number=number))

    def put_justification(self, block: Hash, justification: bytes) -> None:
        """Store the proof of finality of ``block``. Raises: UnknownBlock."""
        with self._lock:
            if not self.is_known(block):
                raise UnknownBlock(f"no block {block.hex()} is known here", block)
            batch = Batch()
            _put_justification(batch, block, justification)
            self._kv.write(batch, sync=True)

    def put_note(self, key: bytes, value: bytes | None) -> None:
        """Keep a small record under ``key``, on disk when this returns; None deletes it.

        Raises: NoteRefused, DatabaseFailed.
        """
        self.put_notes({key: value})

    def put_notes(self, changes: NoteChanges) -> None:
        """Write several notes at once, whole or not at all. Raises: NoteRefused, DatabaseFailed."""
        batch = Batch()
        put_notes(batch, changes)
        with self._lock:
            self._at()
            self._kv.write(batch, sync=True)

    def finalize(
        self,
        block: Hash,
        justification: bytes | None,
        *,
        notes: NoteChanges = _NO_NOTES,
        unneeded: Iterable[Hash] = (),
    ) -> FinalizeOutcome:
        """Make ``block`` and its ancestors final; losing forks and old states go.

        The justifications of ``unneeded`` blocks, which are final, go with them.
        Raises: UnknownBlock, BlockRefused (``block`` is below the finalized one), NoteRefused.
        """
        with self._lock:
            heads, tree = self._at(), self._tree
            number = tree.number(block)
            if number is None:
                if self.is_known(block):
                    raise BlockRefused(f"block {block.hex()} is below the finalized block")
                raise UnknownBlock(f"no block {block.hex()} is known here", block)
            batch = Batch()
            if justification is not None:
                _put_justification(batch, block, justification)
            for old in unneeded:
                batch.delete(JUSTIFICATION + old)
            put_notes(batch, notes)
            chain, alive = tree.path(block), tree.descendants(block)
            kept = {block, *chain, *alive}
            lost = tuple(other for other in tree.above(tree.root.number) if other not in kept)
            for other in lost:
                self._drop(batch, other)
            if heads.best != block and heads.best not in alive:
                heads = self._choose_best(batch, heads, BlockId(block, number), alive)
            values: dict[bytes, bytes | None] = {}
            for height, one in enumerate(chain, tree.root.number + 1):
                values.update(self._flat.changes(one))
                batch.delete(CHANGES + one)
                batch.delete(number_key(UNFINALIZED, height) + one)
                if self._state_pruning is None:
                    batch.delete(JOURNAL + one)
            heads = _with(heads, finalized=block, finalized_number=number)
            heads = self._prune_states(batch, heads, chain)
            heads = self._prune_bodies(batch, heads, chain)
            if chain:
                put_values(batch, int(heads.flat_side), values)
                heads = _mark(batch, heads)
                self._flat.hide()
            self._commit(batch, heads)
            tree.remove(tuple(reversed(lost)))
            tree.move_root(BlockId(block, number))
            self._show_flat(heads, values)
            return FinalizeOutcome(chain, lost)

    def _choose_best(
        self, batch: Batch, heads: Heads, block: BlockId, alive: tuple[Hash, ...]
    ) -> Heads:
        """The best block was on a fork that lost: build on the longest branch that is left."""
        best = block
        if alive:
            highest = self._tree.number(alive[-1])
            assert highest is not None, "because descendants are in the tree"
            best = BlockId(
                min(other for other in alive if self._tree.number(other) == highest), highest
            )
        self._lead(batch, best, self._tree.parent(best.hash))
        return _with(heads, best=best.hash, best_number=best.number)

    def _drop(self, batch: Batch, block: Hash) -> None:
        """Everything about an unfinalized block goes, with what it alone wrote."""
        number = self._tree.number(block)
        assert number is not None, "because it is in the tree"
        delete_nodes(batch, self._journal(block)[0])
        for column in (HEADER, BODY, JUSTIFICATION, STATE, JOURNAL, CHANGES):
            batch.delete(column + block)
        batch.delete(number_key(UNFINALIZED, number) + block)

    def _journal(self, block: Hash) -> tuple[tuple[int, ...], tuple[int, ...]]:
        content = self._sealed(JOURNAL + block)
        if content is None:
            raise corrupt(f"the journal of block {block.hex()} is missing")
        return decode_journal(content)

    def _final_hash(self, number: int, heads: Heads, chain: tuple[Hash, ...]) -> Hash:
        """The finalized block at a height; ``chain`` holds those that are becoming final."""
        first = int(heads.finalized_number) - len(chain) + 1
        block = chain[number - first] if number >= first else self.canonical_hash(number)
        if block is None:
            raise corrupt(f"the index has no block at {number}")
        return block

    def _prune_states(self, batch: Batch, heads: Heads, chain: tuple[Hash, ...]) -> Heads:
        if self._state_pruning is None:
            return heads
        oldest = int(heads.oldest_state)
        while oldest <= int(heads.finalized_number) - self._state_pruning:
            child = self._final_hash(oldest + 1, heads, chain)
            delete_nodes(batch, self._journal(child)[1])
            batch.delete(JOURNAL + child)
            batch.delete(STATE + self._final_hash(oldest, heads, chain))
            oldest += 1
        return _with(heads, oldest_state=oldest)

    def _prune_bodies(self, batch: Batch, heads: Heads, chain: tuple[Hash, ...]) -> Heads:
        if self._blocks_pruning is None:
            return heads
        oldest = int(heads.oldest_body)
        while oldest <= int(heads.finalized_number) - self._blocks_pruning:
            batch.delete(BODY + self._final_hash(oldest, heads, chain))
            oldest += 1
        return _with(heads, oldest_body=oldest)

    # A whole state without its history.

    @property
    def fetched_state(self) -> FetchedState | None:
        """How far a state is here that is being fetched from strangers."""
        return self._fetched

    def begin_fetched_state(self, target: Header) -> FetchedState:
        """Begin with the state of ``target``, which is final; goes on if that was begun before.

        Only a chain at its genesis can leave its history out, and it takes no blocks meanwhile.
        Raises: BlockRefused.
        """
        with self._lock:
            heads, hash_ = self._at(), target.hash()
            if heads.best_number or target.number == 0:
                raise BlockRefused(
                    f"block {target.number} cannot follow block {heads.best_number} without those "
                    "between: only a chain at its genesis can"
                )
            if self._fetched is not None:
                if self._fetched.target_hash == hash_:
                    return self._fetched
                self.drop_fetched_state()
            nothing = RootRef(EMPTY)
            number = U64(self._nodes.allocate())
            made = FetchedState(target, hash_, nothing, number, b"", U64(0), False, False)
            batch = Batch()
            made.put(batch)
            self._commit(batch, heads)
            self._fetched = made
            return made

    def add_fetched_state(
        self, entries: tuple[tuple[bytes, bytes], ...], *, is_complete: bool
    ) -> FetchedState:
        """Keep the next entries, in order, proven by the caller; on disk when this returns.

        Raises: BlockRefused (nothing was begun, or all of it makes another state).
        """
        with self._lock:
            at = self._fetched
            if at is None or at.is_complete:
                raise BlockRefused("no state is being fetched")
            if entries and at.entry_count and entries[0][0] <= at.last_key:
                raise BlockRefused(f"the key 0x{entries[0][0].hex()} does not follow the last one")
            batch, heads = Batch(), self._at()
            side = _other_side(heads)
            made = add_entries(batch, self._nodes, at, entries, side=side, is_complete=is_complete)
            if is_complete and Ref(made.root).merkle != at.target.state_root:
                raise BlockRefused(
                    f"the entries make the state {Ref(made.root).merkle.hex()}, block "
                    f"{at.target.number} has {at.target.state_root.hex()}"
                )
            made.put(batch)
            self._commit(batch, _mark(batch, heads))
            self._fetched = made
            return made

    def drop_fetched_state(self) -> None:
        """Give up the state that is being fetched, and delete what is here of it."""
        with self._lock:
            at = self._fetched
            if at is None:
                return
            batch = Batch()
            replace(at, is_dropped=True).put(batch)
            self._commit(batch, self._at())
            first, end = int(at.first_node), int(self._at().next_node)
            for number in range(first, end, DROP_BATCH_NODES):
                batch = Batch()
                drop_nodes(batch, number, min(end, number + DROP_BATCH_NODES))
                self._kv.write(batch, sync=False)
            drop_side(self._kv, _other_side(self._at()))
            batch = Batch()
            FetchedState.forget(batch)
            self._commit(batch, self._at())
            self._fetched = None

    def import_fetched_state(
        self,
        body: Sequence[bytes],
        justification: bytes,
        *,
        ancestors: Sequence[tuple[Header, bytes]] = (),
        notes: NoteChanges = _NO_NOTES,
    ) -> BlockId:
        """The block whose state was fetched becomes the best and the last final one.

        ``ancestors`` are final blocks below it with their justifications, which are kept without
        bodies. One batch: before it the chain is at its genesis, after it at the new block.
        Raises: BlockRefused, NoteRefused.
        """
        with self._lock:
            at = self._fetched
            if at is None or not at.is_complete:
                raise BlockRefused("no state was fetched whole")
            batch, target = Batch(), at.target
            block = BlockId(at.target_hash, int(target.number))
            _put_block(batch, block.hash, target, tuple(body))
            _put_canonical(batch, block.number, block.hash)
            _put_justification(batch, block.hash, justification)
            key = STATE + block.hash
            batch.put(key, seal(key, encode_root(Ref(at.root))))
            for header, proof in ancestors:
                if not 0 < header.number < block.number:
                    raise BlockRefused(f"block {header.number} is not below block {block.number}")
                hash_ = header.hash()
                batch.put(HEADER + hash_, _HEADER.encode(header))
                _put_canonical(batch, int(header.number), hash_)
                _put_justification(batch, hash_, proof)
            put_notes(batch, notes)
            if block.number > 1:
                put_notes(batch, {GAP_NOTE: encode_gap(block.number, target.parent_hash)})
            FetchedState.forget(batch)
            heads = _with(
                self._at(),
                best=block.hash,
                best_number=block.number,
                finalized=block.hash,
                finalized_number=block.number,
                oldest_state=block.number,
                oldest_body=block.number,
                flat_side=_other_side(self._at()),
            )
            self._flat.hide()
            self._commit(batch, heads)
            self._fetched = None
            self._tree = BlockTree(block)
            self._show_flat(heads)
            drop_side(self._kv, _other_side(heads))
            return block

    def gap(self) -> BlockId | None:
        """The highest final block whose body, and mostly header, is not here: history to fetch."""
        note = self.note(GAP_NOTE)
        if note is None:
            return None
        number, hash_ = decode_gap(note)
        return BlockId(hash_, number - 1)

    def fill_gap(self, blocks: Sequence[tuple[Header, tuple[bytes, ...]]]) -> BlockId | None:
        """Keep history: blocks from ``gap`` downwards, whose bodies' roots the caller has checked.

        Returns the new ``gap``. Raises: BlockRefused for blocks that are not those.
        """
        with self._lock:
            wanted, batch = self.gap(), Batch()
            for header, body in blocks:
                if wanted is None or header.hash() != wanted.hash or header.number != wanted.number:
                    raise BlockRefused(f"block {header.number} is not the next one of the gap")
                _put_block(batch, wanted.hash, header, body)
                _put_canonical(batch, wanted.number, wanted.hash)
                wanted = BlockId(header.parent_hash, wanted.number - 1)
                if wanted.number == 0:
                    if wanted.hash != self._at().genesis:
                        raise BlockRefused("the history leads to another genesis")
                    wanted = None
            above = None if wanted is None else encode_gap(wanted.number + 1, wanted.hash)
            put_notes(batch, {GAP_NOTE: above})
            self._kv.write(batch, sync=True)
            return wanted

    def revert(self, count: int) -> int:
        """Forget every block in the last ``count`` heights; finalized ones stay.

        Returns how many heights the best block went down.
        """
        with self._lock:
            heads, tree = self._at(), self._tree
            down = max(0, min(count, int(heads.best_number - heads.finalized_number)))
            target = int(heads.best_number) - down
            lost = tree.above(target) if down else ()
            if not lost:
                return 0
            batch = Batch()
            for block in lost:
                self._drop(batch, block)
            best = self.canonical_hash(target)
            if best is None:
                raise corrupt(f"the index has no block at {target}")
            self._lead(batch, BlockId(best, target), None)
            self._commit(batch, _with(heads, best=best, best_number=target))
            tree.remove(tuple(reversed(lost)))
            for block in lost:
                self._flat.forget(block)
            return down


def _with(
    heads: Heads,
    *,
    best: Hash | None = None,
    best_number: int | None = None,
    finalized: Hash | None = None,
    finalized_number: int | None = None,
    next_node: int | None = None,
    oldest_state: int | None = None,
    oldest_body: int | None = None,
    flat_side: int | None = None,
    flat_writes: int | None = None,
) -> Heads:
    """``heads`` with some fields changed."""
    return Heads(
        heads.genesis,
        heads.best if best is None else best,
        heads.best_number if best_number is None else U32(best_number),
        heads.finalized if finalized is None else finalized,
        heads.finalized_number if finalized_number is None else U32(finalized_number),
        heads.next_node if next_node is None else U64(next_node),
        heads.oldest_state if oldest_state is None else U32(oldest_state),
        heads.oldest_body if oldest_body is None else U32(oldest_body),
        heads.flat_side if flat_side is None else U8(flat_side),
        heads.flat_writes if flat_writes is None else U64(flat_writes),
    )


def _mark(batch: Batch, heads: Heads) -> Heads:
    """``batch`` changes the column of values, and its loss must be found."""
    number = int(heads.flat_writes) + 1
    put_mark(batch, number)
    return _with(heads, flat_writes=number)


def _other_side(heads: Heads) -> int:
    """The side of the column of values that holds no final state, but one that is fetched."""
    return 1 - int(heads.flat_side)


def _put_block(batch: Batch, block: Hash, header: Header, body: tuple[bytes, ...]) -> None:
    batch.put(HEADER + block, _HEADER.encode(header))
    batch.put(BODY + block, seal(BODY + block, encode_body(body)))


def _put_canonical(batch: Batch, number: int, block: Hash) -> None:
    key = number_key(CANONICAL, number)
    batch.put(key, seal(key, block))


def _put_justification(batch: Batch, block: Hash, justification: bytes) -> None:
    key = JUSTIFICATION + block
    batch.put(key, seal(key, justification))


def _put_state(batch: Batch, block: Hash, update: TrieUpdate) -> None:
    put_nodes(batch, update.inserted)
    key = STATE + block
    batch.put(key, seal(key, encode_root(update.root)))
    journal = JOURNAL + block
    numbers = encode_journal(update.inserted, update.removed)
    batch.put(journal, seal(journal, numbers))
