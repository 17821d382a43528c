"""A chain of the whole runtime in memory: authored and imported blocks, signed transactions."""

from functools import cache

from chain_spec.presets import dev
from node.consensus.slots import claim_slot
from node.runtime import VERSION, CessRuntime, apis, build_state, runtime_at
from pallets.frame import DictState, InherentData
from pallets.frame.executive import Executive
from primitives import trie
from primitives.crypto.keys import KeyPair
from primitives.digest import (
    BABE_ENGINE,
    BabePreDigest,
    Digest,
    PreRuntime,
)
from primitives.era import Era
from primitives.extrinsic import Implicit, MultiAddressId, sign_extrinsic
from primitives.header import Header
from primitives.scale import encode
from primitives.types import Balance, BlockNumber, Hash

COIN = 10**18


@cache
def genesis_state() -> DictState:
    return DictState(build_state(dev().config()))


@cache
def genesis_header() -> Header:
    return Header(
        parent_hash=Hash(bytes(32)),
        number=BlockNumber(0),
        state_root=trie.root(genesis_state().entries()),
        extrinsics_root=trie.ordered_root(()),
        digest=Digest(),
    )


def pair(name: str) -> KeyPair:
    return KeyPair.from_suri(f"//{name}")


class Chain:
    """Blocks upon ``dev``, one slot after the other."""

    def __init__(self) -> None:
        self.state = genesis_state()
        self.headers = [genesis_header()]
        self.slot = 1_000_000
        self.refused: list[Exception] = []

    @property
    def head(self) -> Header:
        return self.headers[-1]

    def now(self) -> CessRuntime:
        return runtime_at(self.state)

    def ask(self, method: str, params: bytes = b"") -> bytes:
        return apis(self.now()).call(method, params)

    def call(self, pallet: str, name: str, **arguments: object) -> bytes:
        return CessRuntime.calls().make(pallet, name, **arguments).encode()

    def sign(self, who: str, call: bytes, *, nonce: int | None = None, tip: int = 0) -> bytes:
        keys = pair(who)
        if nonce is None:
            nonce = int(self.now().system.nonce_of(keys.account_id) or 0)
        genesis = self.headers[0].hash()
        implicit = Implicit(
            spec_version=VERSION.spec_version,
            transaction_version=VERSION.transaction_version,
            genesis_hash=genesis,
            birth_hash=genesis,
        )
        return sign_extrinsic(call, keys, nonce, tip, Era.immortal(), implicit)

    def transfer(self, who: str, to: str, value: int, **options: int) -> bytes:
        dest = MultiAddressId(pair(to).account_id)
        call = self.call("Balances", "transfer_keep_alive", dest=dest, value=Balance(value))
        return self.sign(who, call, **options)

    def pre_digest(self, slot: int) -> Digest:
        epoch = self.now().babe.authorities_at(slot)
        claim = claim_slot(slot, epoch, [pair("Alice")])
        assert claim is not None, "because Alice is the only authority"
        return Digest((PreRuntime(BABE_ENGINE, encode(BabePreDigest, claim.pre_digest)),))

    def author(self, *extrinsics: bytes, skip: int = 0) -> tuple[Header, list[bytes]]:
        """A block with ``extrinsics``, which is not imported yet."""
        slot = self.slot + skip
        runtime = self.now()
        executive = Executive(runtime)
        number = BlockNumber(self.head.number + 1)
        executive.initialize_block(self.head.hash(), number, self.pre_digest(slot))
        duration = int(runtime.constants.slot_duration_ms)
        data = InherentData(timestamp_ms=slot * duration + duration // 2, slot=slot)
        body = list(executive.inherent_extrinsics(data))
        for inherent in body:
            executive.apply_extrinsic(inherent)
        for extrinsic in extrinsics:
            executive.apply_extrinsic(extrinsic)
            body.append(extrinsic)
        done = executive.finalize_block()
        header = Header(
            parent_hash=self.head.hash(),
            number=number,
            state_root=trie.root(self.state.after(done.changes).entries()),
            extrinsics_root=done.extrinsics_root,
            digest=done.digest,
        )
        return header, body

    def import_block(self, header: Header, body: list[bytes]) -> None:
        """Repeat a block and take it; the state root must be the author's."""
        changes = Executive(self.now()).execute_block(header, body)
        state = self.state.after(changes)
        assert trie.root(state.entries()) == header.state_root
        self.state = state
        self.headers.append(header)
        self.slot += 1

    def block(self, *extrinsics: bytes) -> None:
        """Author a block and import it."""
        self.import_block(*self.author(*extrinsics))

    def events(self) -> list[object]:
        """Events of the last block."""
        raw = self.now().system.events.raw()
        return [] if raw is None else [record.event for record in CessRuntime.decode_events(raw)]
