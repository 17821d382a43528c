"""A chain in memory whose blocks are built by the real code at times that the test chooses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from chain_spec.genesis import Authority, GenesisConfig
from chain_spec.presets import dev
from node.consensus.authorities import epoch_for
from node.consensus.authorship import BuiltBlock
from node.consensus.chain import Chain, Imported
from node.consensus.finality import FinalityKeys
from node.consensus.slots import SlotClaim, claim_slot
from node.consensus.verification import slot_of
from node.database import ChainDatabase, MemoryKv, genesis_state_root
from node.genesis import genesis_header, genesis_state
from node.runtime import VERSION, CessRuntime
from node.txpool.pool import Transaction
from primitives.crypto.keys import KeyPair
from primitives.digest import Primary
from primitives.era import Era
from primitives.extrinsic import Implicit, MultiAddressId, extrinsic_hash, sign_extrinsic
from primitives.header import Header
from primitives.types import AccountId, Balance, Hash

ALICE = KeyPair.from_suri("//Alice")
ALICE_GRANDPA = KeyPair.from_suri("//Alice", "ed25519")
BOB = KeyPair.from_suri("//Bob")
TCESS = 10**18
FIRST_SLOT = 1_795_000_000


@cache
def dev_state() -> dict[bytes, bytes]:
    """The state of block 0 of the development chain."""
    return genesis_state(dev())


def sign_call(call: bytes, pair: KeyPair, nonce: int, genesis: Hash, *, tip: int = 0) -> bytes:
    """The immortal extrinsic of ``pair`` that makes ``call`` on the chain of a block 0."""
    implicit = Implicit(
        spec_version=VERSION.spec_version,
        transaction_version=VERSION.transaction_version,
        genesis_hash=genesis,
        birth_hash=genesis,
    )
    return sign_extrinsic(call, pair, nonce, tip, Era.immortal(), implicit)


@dataclass
class Net:
    """One node's chain, with a clock of its own."""

    chain: Chain
    nonces: dict[bytes, int] = field(default_factory=dict)

    @property
    def duration_ms(self) -> int:
        return self.chain.slot_duration_ms

    def claim(self, parent: Header, slot: int, pair: KeyPair = ALICE) -> SlotClaim:
        epoch = epoch_for(self.chain.runtime(parent.hash()), slot)
        claim = claim_slot(slot, epoch, [pair])
        assert claim is not None, "because it is not this pair's slot"
        return claim

    def slot(self, parent: Header, at: int, *, primary: bool = False, pair: KeyPair = ALICE) -> int:
        """The first slot from ``at`` on that ``pair`` won, or that was only given to it."""
        while True:
            epoch = epoch_for(self.chain.runtime(parent.hash()), at)
            claim = claim_slot(at, epoch, [pair])
            if claim is not None and isinstance(claim.pre_digest, Primary) == primary:
                return at
            at += 1

    def author(
        self,
        *extrinsics: bytes,
        parent: Header | None = None,
        slot: int | None = None,
        is_late: Callable[[], bool] = lambda: False,
        pair: KeyPair = ALICE,
    ) -> tuple[BuiltBlock, Imported]:
        parent = parent or self.chain.best_header()
        slot = slot or max(FIRST_SLOT, slot_of(parent) + 1)
        return self.chain.build(
            parent,
            self.claim(parent, slot, pair),
            self.judged(extrinsics),
            now_ms=slot * self.duration_ms,
            is_late=is_late,
        )

    @staticmethod
    def judged(extrinsics: Sequence[bytes]) -> list[Transaction]:
        """Transactions as they would leave a pool, in this order."""
        found = []
        for data in extrinsics:
            found.append(Transaction(extrinsic_hash(data), data, None, 1 << 40))  # type: ignore[arg-type]
        return found

    def transfer(
        self, value: int = TCESS, *, nonce: int | None = None, pair: KeyPair = ALICE, tip: int = 0
    ) -> bytes:
        if nonce is None:
            nonce = self.nonces.get(pair.public, 0)
            self.nonces[pair.public] = nonce + 1
        call = CessRuntime.calls().make(
            "Balances",
            "transfer_keep_alive",
            dest=MultiAddressId(value=BOB.account_id),
            value=Balance(value),
        )
        return self.signed(call.encode(), nonce=nonce, pair=pair, tip=tip)

    def signed(self, call: bytes, *, nonce: int = 0, pair: KeyPair = ALICE, tip: int = 0) -> bytes:
        """The extrinsic of ``pair`` that makes ``call``."""
        return sign_call(call, pair, nonce, self.chain.database.genesis_hash, tip=tip)

    def balance(self, pair: KeyPair) -> int:
        runtime = self.chain.runtime(self.chain.database.best().hash)
        return int(runtime.system.account[pair.account_id].data.free)

    def import_(self, built: BuiltBlock, *, now_ms: int | None = None) -> Imported:
        moment = slot_of(built.header) * self.duration_ms if now_ms is None else now_ms
        return self.chain.import_block(built.header, built.body, now_ms=moment)


@cache
def state_of(authorities: tuple[KeyPair, ...]) -> dict[bytes, bytes]:
    """The state of block 0 of a development chain with these authors; none of them finalises."""
    spec = dev()
    assert isinstance(spec.genesis, GenesisConfig)
    made = tuple(
        Authority(pair.account_id, AccountId(pair.public), AccountId(bytes([at]) * 32))
        for at, pair in enumerate(authorities, 1)
    )
    return genesis_state(replace(spec, genesis=replace(spec.genesis, authorities=made)))


def new_net(
    *,
    finalizes: bool = True,
    keys: Sequence[KeyPair] = (ALICE_GRANDPA,),
    authorities: tuple[KeyPair, ...] | None = None,
    kv: MemoryKv | None = None,
) -> Net:
    """A chain at block 0, in ``kv``: the development chain, or one like it with other authors."""
    state = dev_state() if authorities is None else state_of(authorities)
    database = ChainDatabase(kv or MemoryKv(), state_pruning=256)
    database.initialise(genesis_header(genesis_state_root(state)), state)
    return Net(Chain(database, FinalityKeys(None, keys), finalizes=finalizes))
