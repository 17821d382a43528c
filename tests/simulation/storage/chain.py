"""One chain of the real runtime, block by block: signed transactions in, states and events out.

``SimChain`` authors with the key of ``--dev``: slots, claims with VRFs, inherents, fees, nonces and
the executive are production code. There are no forks and no database, and a header commits to what
was called and what came of it instead of to the state. ``Node`` is what one person sees of it: a
head that may be late, and ``submit`` over a bad line. It has the methods of ``ChainClient`` that
``storage_miner.chain.ClientChain`` uses.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from client.chain import CallFailed, ChainUnreachable, PreparedCall, SubmitTimeout, prepare
from client.chain.errors import TransactionRefused
from node.consensus.authorities import epoch_for
from node.consensus.slots import claim_slot
from node.runtime import CessRuntime, build_state
from pallets.frame import DictState, PalletError
from pallets.frame.error import DispatchModule
from pallets.frame.executive import Executive
from pallets.frame.inherent import InherentData
from pallets.frame.validity import ExhaustsResources, TransactionInvalid
from primitives.crypto.keys import KeyPair
from primitives.digest import BABE_ENGINE, BabePreDigest, Digest, PreRuntime
from primitives.extrinsic import extrinsic_hash
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.scale import encode
from primitives.types import BlockNumber, Hash
from tests.node.net import sign_call
from tests.simulation.storage.substance import SLOT_MS, genesis_config
from tests.simulation.storage.tasks import Clock, Future

STATES_KEPT = 16
FINAL_BEHIND = 2
FIRST_SLOT = 299_000_000
SLOTS_OF_A_SEED = 4096


@lru_cache(maxsize=1)
def genesis_state() -> dict[bytes, bytes]:
    """The state of block 0, of all worlds."""
    return build_state(genesis_config())


@lru_cache(maxsize=1)
def error_names() -> dict[tuple[int, int], str]:
    """The names of the pallets' errors by pallet and error."""
    found = {}
    runtime = CessRuntime(DictState(genesis_state()))
    for each in runtime.pallets:
        for name in dir(type(each)):
            value = getattr(type(each), name)
            if isinstance(value, type) and issubclass(value, PalletError):
                wire = runtime.dispatch_error(value())
                assert isinstance(wire, DispatchModule)
                found[int(wire.error.index), wire.error.error[0]] = name
    return found


@lru_cache(maxsize=1)
def call_indexes() -> dict[str, int]:
    """The indexes of the pallets by name."""
    runtime = CessRuntime(DictState(genesis_state()))
    return {type(each).__name__: runtime.index_of(type(each)) for each in runtime.pallets}


@dataclass(slots=True)
class _Waiting:
    call: PreparedCall
    signer: KeyPair
    answer: Callable[[Exception | None], None]
    is_doubled: bool


class SimChain:
    """See the module."""

    def __init__(self, seed: int) -> None:
        self.slot = FIRST_SLOT + (seed % (1 << 32)) * SLOTS_OF_A_SEED
        self.state = DictState(genesis_state())
        parent = Header(
            parent_hash=Hash(bytes(32)),
            number=BlockNumber(0),
            state_root=Hash(blake2_256(b"genesis")),
            extrinsics_root=Hash(bytes(32)),
            digest=Digest(()),
        )
        self.genesis_hash = parent.hash()
        self.headers = {self.genesis_hash: parent}
        self.states = {self.genesis_hash: self.state}
        self.hashes = [self.genesis_hash]
        self.events: list[object] = []
        self.calls: list[str] = []
        self._pool: list[_Waiting] = []
        self._alice = KeyPair.from_suri("//Alice")

    @property
    def number(self) -> int:
        """The height."""
        return len(self.hashes) - 1

    def runtime(self) -> CessRuntime:
        """The runtime over the best state, for questions."""
        return CessRuntime(self.state)

    def offer(
        self,
        call: PreparedCall,
        signer: KeyPair,
        answer: Callable[[Exception | None], None],
        *,
        is_doubled: bool = False,
    ) -> None:
        """Put a call into the pool; ``is_doubled``: its extrinsic arrives twice."""
        self._pool.append(_Waiting(call, signer, answer, is_doubled))

    def produce(self) -> None:
        """Author the next block."""
        self.slot += 1
        runtime = CessRuntime(self.state)
        claim = claim_slot(self.slot, epoch_for(runtime, self.slot), [self._alice])
        assert claim is not None, "because there is one author"
        digest = Digest(
            (PreRuntime(engine=BABE_ENGINE, data=encode(BabePreDigest, claim.pre_digest)),)
        )
        runtime.babe.note_checked(claim.pre_digest, claim.output)
        executive = Executive(runtime)
        parent, number = self.hashes[-1], BlockNumber(len(self.hashes))
        executive.initialize_block(parent, number, digest)
        for inherent in executive.inherent_extrinsics(InherentData(self.slot * SLOT_MS, self.slot)):
            executive.apply_extrinsic(inherent)
        self.calls = []
        answers = self._fill(runtime, executive)
        records = runtime.event_records()
        done = executive.finalize_block()
        self.events = [record.event for record in records]
        self.state = self.state.after(done.changes)
        # Signatures and the proofs of claims are made with fresh randomness; a trace must not be.
        said = "\n".join((*self.calls, *map(repr, self.events)))
        header = Header(
            parent_hash=parent,
            number=number,
            state_root=Hash(blake2_256(said.encode())),
            extrinsics_root=Hash(bytes(32)),
            digest=Digest(()),
        )
        best = header.hash()
        self.headers[best], self.states[best] = header, self.state
        self.hashes.append(best)
        if len(self.hashes) > STATES_KEPT:
            self.states.pop(self.hashes[-STATES_KEPT - 1], None)
        for answer, error in answers:
            answer(error)

    def _fill(
        self, runtime: CessRuntime, executive: Executive
    ) -> list[tuple[Callable[[Exception | None], None], Exception | None]]:
        answers, left = [], []
        for waiting in self._pool:
            nonce = int(runtime.system.account[waiting.signer.account_id].nonce)
            signed = sign_call(waiting.call.encoded, waiting.signer, nonce, self.genesis_hash)
            error: Exception | None = None
            try:
                outcome = executive.apply_extrinsic(signed)
            except TransactionInvalid as refusal:
                if isinstance(refusal.reason, ExhaustsResources):
                    left.append(waiting)
                    continue
                error = TransactionRefused(1010, str(refusal))
            else:
                if isinstance(outcome.error, DispatchModule):
                    wire = outcome.error.error
                    name = error_names()[int(wire.index), wire.error[0]]
                    error = CallFailed(waiting.call.pallet, name, "")
                elif outcome.error is not None:
                    error = CallFailed(waiting.call.pallet, type(outcome.error).__name__, "")
                if waiting.is_doubled:
                    self._refuse_double(executive, signed)
            word = "ok" if error is None else str(error)
            self.calls.append(f"{waiting.call.pallet}.{waiting.call.name} {word}")
            answers.append((waiting.answer, error))
        self._pool = left
        return answers

    @staticmethod
    def _refuse_double(executive: Executive, signed: bytes) -> None:
        try:
            executive.apply_extrinsic(signed)
        except TransactionInvalid:
            return
        raise AssertionError("an extrinsic was executed twice")


@dataclass(slots=True)
class Line:
    """How a node is reached: per mille of calls that are lost before or after they count, or
    arrive twice, and how long one is under way."""

    lost: int = 0
    unheard: int = 0
    doubled: int = 0
    delay_ms: tuple[int, int] = (20, 400)


class Node:
    """See the module. Raises ChainUnreachable while it is cut off."""

    def __init__(self, chain: SimChain, clock: Clock, draw: random.Random) -> None:
        self._chain, self._clock, self._draw = chain, clock, draw
        self.genesis_hash = chain.genesis_hash
        self.head = chain.genesis_hash
        self.line = Line()
        self.is_cut = False

    def _reach(self) -> None:
        if self.is_cut:
            raise ChainUnreachable("ws://node", "cut off")

    def _state(self, at: Hash | None) -> DictState:
        self._reach()
        return self._chain.states[self.head if at is None else at]

    async def storage_many(
        self, keys: Sequence[bytes], at: Hash | None = None
    ) -> list[bytes | None]:
        state = self._state(at)
        return [state.get(bytes(key)) for key in keys]

    async def read(self, entry: Any, /, *keys: Any, at: Hash | None = None) -> Any:
        return entry.decode_value(self._state(at).get(entry.key(*keys)))

    async def items(
        self, entry: Any, /, *leading: Any, limit: int, at: Hash | None = None
    ) -> list[tuple[tuple[Any, ...], Any]]:
        state, prefix = self._state(at), entry.prefix_key(*leading)
        found: list[tuple[tuple[Any, ...], Any]] = []
        key = state.next_key(prefix)
        while key is not None and key.startswith(prefix) and len(found) < limit:
            found.append((entry.decode_key(key), entry.decode_value(state.get(key))))
            key = state.next_key(key)
        return found

    async def constant(self, pallet: str, name: str) -> int:
        self._reach()
        runtime = CessRuntime(DictState(genesis_state()))
        config = next(each for each in runtime.pallets if type(each).__name__ == pallet).config
        words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        return int(getattr(config, words[1:]))

    async def best_head(self) -> Hash:
        self._reach()
        return self.head

    async def header(self, block: Hash | None = None) -> Header:
        self._reach()
        return self._chain.headers[self.head if block is None else block]

    async def finalized_head(self) -> Hash:
        self._reach()
        number = int(self._chain.headers[self.head].number)
        return self._chain.hashes[max(number - FINAL_BEHIND, 0)]

    def call(self, function: Callable[..., Any], **arguments: Any) -> PreparedCall:
        made = prepare(function, **arguments)
        pallet = call_indexes()[made.pallet]
        head = bytes((pallet, function.__call_spec__.index))  # type: ignore[attr-defined]
        return replace(made, encoded=head + made.encoded)

    async def submit(
        self,
        call: PreparedCall,
        signer: KeyPair,
        *,
        wait: str = "included",
        timeout_s: float = 60.0,
    ) -> None:
        """As ``ChainClient.submit``."""
        del wait
        self._reach()
        line, end = self.line, Future()
        late = SubmitTimeout(extrinsic_hash(call.encoded), timeout_s)
        self._clock.at(self._clock.now + int(timeout_s * 1000), lambda: end.end(error=late))
        is_lost = self._draw.randrange(1000) < line.lost
        is_unheard = self._draw.randrange(1000) < line.unheard
        is_doubled = self._draw.randrange(1000) < line.doubled
        if not is_lost:

            def answer(error: Exception | None) -> None:
                if not is_unheard:
                    self._clock.at(
                        self._clock.now + self._draw.randint(*line.delay_ms),
                        lambda: end.end(error=error),
                    )

            self._clock.at(
                self._clock.now + self._draw.randint(*line.delay_ms),
                lambda: self._chain.offer(call, signer, answer, is_doubled=is_doubled),
            )
        await end
