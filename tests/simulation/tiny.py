"""A runtime small enough for millions of blocks, behind the ports of the real one.

Its state is money, an epoch and a set of authorities. The production ``Chain`` and ``build_block``
run over it as they run over the real runtime: ``tiny_runtime`` puts ``TinyRuntime`` and
``TinyExecutive`` where they look for theirs.

Rules: a block has the inherent with its slot and its moment, then transfers. A transfer moves
money between accounts and pays its author a fee, so the sum never changes. The set of authorities
changes in every ``rotation``-th block, which announces it as the real runtime does.
Executing one block on one state is pure; ``Executions`` remembers what it gave, and does every
``RECHECKED``-th again to see that it gives the same.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Any

import node.consensus.authorship as authorship
import node.consensus.chain as chain_module
from pallets.babe.slots import SlotEpoch
from pallets.frame.executive import Finalized
from pallets.frame.inherent import InherentData
from pallets.frame.validity import Stale, TransactionInvalid
from primitives.digest import (
    BABE_ENGINE,
    GRANDPA_ENGINE,
    AuthorityKey,
    BabePreDigest,
    Consensus,
    Digest,
    GrandpaConsensusLog,
    GrandpaScheduledChange,
    ScheduledChange,
    Seal,
)
from primitives.errors import InvalidBlock
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.scale import U64, decode, encode
from primitives.trie import ordered_root
from primitives.types import BlockNumber, Hash
from tests.simulation.ideal import IdealPair, patched

ACCOUNTS = 16
ENDOWMENT = 10**9
FEE = 7
EPOCH_SLOTS = 200
SLOT_MS = 6000
RECHECKED = 16

MONEY_KEY = b"money"
PLACE_KEY = b"place"
SETTINGS_KEY = b"settings"

_MONEY = Struct(f"<{2 * ACCOUNTS}Q")
"""Balances, then how many transfers each account sent."""
_PLACE = Struct("<QQQ32s")
"""Epoch, set id, number of the first validator of the set, randomness."""
_SETTINGS = Struct("<IIIQ")
"""Validators in all, validators in a set, blocks between changes (0: none), first slot."""
_INHERENT = Struct("<BQQ")
_TRANSFER = Struct("<BBBQI")


@lru_cache(maxsize=64)
def babe_pair(index: int) -> IdealPair:
    return IdealPair("sr25519", index)


@lru_cache(maxsize=64)
def grandpa_pair(index: int) -> IdealPair:
    return IdealPair("ed25519", index)


@lru_cache(maxsize=256)
def members(first: int, in_set: int, count: int) -> tuple[int, ...]:
    """The validators of a set, by their numbers."""
    return tuple((first + step) % count for step in range(in_set))


@lru_cache(maxsize=256)
def voters_at(first: int, in_set: int, count: int) -> tuple[tuple[AuthorityKey, U64], ...]:
    return tuple(
        (AuthorityKey(grandpa_pair(index).public), U64(1))
        for index in members(first, in_set, count)
    )


@lru_cache(maxsize=4096)
def epoch_of(index: int, first: int, in_set: int, count: int, randomness: bytes) -> SlotEpoch:
    authorities = tuple(babe_pair(at).public for at in members(first, in_set, count))
    return SlotEpoch(index, authorities, (1,) * in_set, randomness, (1, 4))


@lru_cache(maxsize=4096)
def drawn(randomness: bytes, epoch: int) -> bytes:
    return bytes(blake2_256(randomness + epoch.to_bytes(8, "little")))


@lru_cache(maxsize=4096)
def body_root(body: tuple[bytes, ...]) -> Hash:
    """What a header says of its extrinsics."""
    return ordered_root(body)


def genesis(
    seed: int, count: int, in_set: int, rotation: int, first_slot: int
) -> dict[bytes, bytes]:
    """The state of block 0."""
    randomness = bytes(blake2_256(b"genesis" + seed.to_bytes(8, "little")))
    return {
        MONEY_KEY: _MONEY.pack(*[ENDOWMENT] * ACCOUNTS, *[0] * ACCOUNTS),
        PLACE_KEY: _PLACE.pack(0, 0, 0, randomness),
        SETTINGS_KEY: _SETTINGS.pack(count, in_set, rotation, first_slot),
    }


def issuance(state: Any) -> int:
    """All money there is."""
    return sum(_MONEY.unpack(state.get(MONEY_KEY))[:ACCOUNTS])


def nonces(state: Any) -> tuple[int, ...]:
    """How many transfers each account sent."""
    return _MONEY.unpack(state.get(MONEY_KEY))[ACCOUNTS:]


def transfer(sender: int, receiver: int, amount: int, nonce: int) -> bytes:
    return _TRANSFER.pack(1, sender, receiver, amount, nonce)


_Place = tuple[int, int, int, bytes]


@dataclass(frozen=True)
class _Config:
    expected_block_time: int = SLOT_MS


class _Babe:
    config = _Config()

    def __init__(self, runtime: "TinyRuntime") -> None:
        self._runtime = runtime

    def authorities_at(self, slot: int) -> SlotEpoch:
        count, in_set, _, first_slot = self._runtime.settings
        index, _, first, randomness = self._runtime.place
        now = max(slot - first_slot, 0) // EPOCH_SLOTS
        if now != index:
            randomness = drawn(randomness, now)
        return epoch_of(now, first, in_set, count, randomness)

    def note_checked(self, claim: Any, output: Any) -> None:
        """What a claim's output is used for is the real runtime's affair."""


class _Grandpa:
    def __init__(self, runtime: "TinyRuntime") -> None:
        self._runtime = runtime

    def authority_list(self) -> tuple[tuple[AuthorityKey, U64], ...]:
        count, in_set, _, _ = self._runtime.settings
        return voters_at(self._runtime.place[2], in_set, count)

    def set_id(self) -> int:
        return int(self._runtime.place[1])


class _Audit:
    """There are no proofs of storage to verify ahead."""

    def verify_with(self, _: Any) -> None:
        pass

    def foresee(self, *_: Any) -> None:
        return None


class TinyRuntime:
    """The runtime over one state."""

    audit = _Audit()

    def __init__(self, state: Any) -> None:
        self.state = state
        place, settings = state.get(PLACE_KEY), state.get(SETTINGS_KEY)
        self.place: _Place = _PLACE.unpack(place)
        self.settings: tuple[int, int, int, int] = _SETTINGS.unpack(settings)
        self.babe = _Babe(self)
        self.grandpa = _Grandpa(self)


class Executions:
    """What executing each block gave, for all nodes of a world."""

    def __init__(self) -> None:
        self.known: dict[Hash, tuple[dict[bytes, bytes | None], Hash, _Place]] = {}
        self.asked = 0
        self.repeated = 0


class TinyExecutive:
    """Executes one block."""

    executions: Executions = Executions()

    def __init__(self, runtime: TinyRuntime, **_: object) -> None:
        self._runtime = runtime
        self._number = 0
        self._digest = Digest()
        self._moved = False
        self._slot = 0

    # Building.

    def initialize_block(self, parent_hash: Hash, number: BlockNumber, digest: Digest) -> None:
        self._number, self._digest = int(number), digest
        self._money = list(_MONEY.unpack(self._runtime.state.get(MONEY_KEY)))
        self._body: list[bytes] = []
        claim = digest.pre_runtime(BABE_ENGINE)
        assert claim is not None
        self._slot = decode(BabePreDigest, claim).claimed_slot

    def inherent_extrinsics(self, data: InherentData) -> tuple[bytes, ...]:
        return (_INHERENT.pack(0, data.slot, data.timestamp_ms),)

    def apply_extrinsic(self, ext: bytes) -> None:
        if not self._body:
            if len(ext) != _INHERENT.size or _INHERENT.unpack(ext)[:2] != (0, self._slot):
                raise InvalidBlock("the first extrinsic is not the inherent")
            self._body.append(ext)
            return
        if len(ext) != _TRANSFER.size:
            raise TransactionInvalid(Stale())
        kind, sender, receiver, amount, nonce = _TRANSFER.unpack(ext)
        if kind != 1 or max(sender, receiver) >= ACCOUNTS:
            raise TransactionInvalid(Stale())
        money = self._money
        if money[ACCOUNTS + sender] != nonce or money[sender] < amount + FEE:
            raise TransactionInvalid(Stale())
        money[sender] -= amount + FEE
        money[receiver] += amount
        money[self._number % ACCOUNTS] += FEE
        money[ACCOUNTS + sender] += 1
        self._body.append(ext)
        self._moved = True

    def finalize_block(self) -> Finalized:
        count, in_set, rotation, first_slot = self._runtime.settings
        index, set_id, first, randomness = self._runtime.place
        now = max(self._slot - first_slot, 0) // EPOCH_SLOTS
        if now != index:
            randomness = drawn(randomness, now)
        digest = self._digest
        if rotation and self._number % rotation == 0:
            set_id, first = set_id + 1, (first + 1) % count
            change = ScheduledChange(voters_at(first, in_set, count), BlockNumber(0))
            log = encode(GrandpaConsensusLog, GrandpaScheduledChange(change))
            digest = digest.pushed(Consensus(engine=GRANDPA_ENGINE, data=log))
        changes: dict[bytes, bytes | None] = {}
        place = now, set_id, first, randomness
        if place != self._runtime.place:
            changes[PLACE_KEY] = _PLACE.pack(*place)
            self._runtime.place = place
        if self._moved:
            changes[MONEY_KEY] = _MONEY.pack(*self._money)
        return Finalized(body_root(tuple(self._body)), digest, changes)

    # Importing.

    def check_inherents(self, body: Sequence[bytes], data: InherentData) -> None:
        """The slot is compared when the block is executed."""

    def execute_block(self, header: Header, body: Sequence[bytes]) -> dict[bytes, bytes | None]:
        store = self.executions
        store.asked += 1
        hash_ = header.hash()
        mark = body_root(tuple(body))
        found = store.known.get(hash_)
        if found is not None and found[1] == mark:
            if store.asked % RECHECKED:
                self._runtime.place = found[2]
                return found[0]
            store.repeated += 1
            again = self._execute(header, body)
            assert again == found[0], "executing a block again gave something else"
            return again
        changes = self._execute(header, body)
        store.known[hash_] = changes, mark, self._runtime.place
        return changes

    def _execute(self, header: Header, body: Sequence[bytes]) -> dict[bytes, bytes | None]:
        bare = [item for item in header.digest.logs if not isinstance(item, Seal | Consensus)]
        self.initialize_block(header.parent_hash, header.number, Digest(tuple(bare)))
        try:
            for ext in body:
                self.apply_extrinsic(ext)
        except TransactionInvalid as error:
            raise InvalidBlock(f"block {header.number} has an invalid extrinsic") from error
        done = self.finalize_block()
        logs = tuple(item for item in header.digest.logs if not isinstance(item, Seal))
        if done.extrinsics_root != header.extrinsics_root or done.digest.logs != logs:
            raise InvalidBlock(f"block {header.number}: the root of its extrinsics, or its digest")
        return done.changes


@contextmanager
def tiny_runtime(executions: Executions) -> Iterator[None]:
    """Let the production chain run over the tiny runtime until the block ends."""
    changes: list[tuple[Any, str, Any]] = [
        (chain_module, "runtime_at", TinyRuntime),
        (chain_module, "Executive", TinyExecutive),
        (authorship, "Executive", TinyExecutive),
        (TinyExecutive, "executions", executions),
    ]
    with patched(changes):
        yield
