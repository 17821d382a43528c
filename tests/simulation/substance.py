"""What a world is about: the runtime's genesis, keys, transactions and money.

``TinySubstance`` is for many hours: the tiny runtime, ideal keys. ``RealSubstance`` is the chain of
``--chain local`` with its runtime and its keys; nothing of it is simulated but clock, network and
disk.
"""

import random
from functools import lru_cache
from typing import Any, Protocol

from chain_spec.presets import local, validator_suri, with_validators
from node.consensus.chain import Chain
from node.genesis import genesis_state
from node.runtime import CessRuntime, runtime_at
from node.txpool.pool import Transaction
from primitives.crypto.keys import KeyPair
from primitives.extrinsic import MultiAddressId, extrinsic_hash
from primitives.types import Balance
from tests.node.net import sign_call
from tests.simulation import tiny

FIRST_SLOT = 299_000_000
SLOT_MS = tiny.SLOT_MS
ACCOUNTS_MAX = 10_000


class Substance(Protocol):
    """See the module's text."""

    genesis: dict[bytes, bytes]
    issued: int

    def pairs(self, index: int) -> tuple[Any, Any]:
        """The keys of a validator, for blocks and for votes."""
        ...

    def transactions(self, chain: Chain, draw: random.Random) -> list[Transaction]:
        """What a pool offers for a block upon the best one."""
        ...

    def issuance(self, state: Any) -> int:
        """The money in a state: ``issued``, or money was made or lost."""
        ...


def offered(data: bytes) -> Transaction:
    """An extrinsic as it leaves a pool."""
    return Transaction(extrinsic_hash(data), data, None, 1 << 40)  # type: ignore[arg-type]


class TinySubstance:
    """The tiny runtime."""

    def __init__(self, seed: int, count: int, in_set: int, rotation: int) -> None:
        self.genesis = tiny.genesis(seed, count, in_set, rotation, FIRST_SLOT)
        self.issued = tiny.ACCOUNTS * tiny.ENDOWMENT

    def pairs(self, index: int) -> tuple[Any, Any]:
        return tiny.babe_pair(index), tiny.grandpa_pair(index)

    def transactions(self, chain: Chain, draw: random.Random) -> list[Transaction]:
        found = []
        nonces = tiny.nonces(chain.database.state_at(chain.database.best().hash))
        for _ in range(draw.randrange(3)):
            sender, receiver = draw.randrange(tiny.ACCOUNTS), draw.randrange(tiny.ACCOUNTS)
            nonce = nonces[sender] + (draw.random() < 0.1)
            amount = draw.randrange(10**6)
            found.append(offered(tiny.transfer(sender, receiver, amount, nonce)))
        return found

    def issuance(self, state: Any) -> int:
        return tiny.issuance(state)


@lru_cache(maxsize=4)
def _real_genesis(count: int) -> dict[bytes, bytes]:
    return genesis_state(with_validators(local(), count))


class RealSubstance:
    """The local network's runtime, constants and keys."""

    issued = 0

    def __init__(self, count: int) -> None:
        self.genesis = dict(_real_genesis(count))
        self._senders = [KeyPair.from_suri(name) for name in ("//Alice", "//Bob", "//Charlie")]

    def pairs(self, index: int) -> tuple[Any, Any]:
        suri = validator_suri(index)
        return KeyPair.from_suri(suri), KeyPair.from_suri(suri, "ed25519")

    def transactions(self, chain: Chain, draw: random.Random) -> list[Transaction]:
        best = chain.database.best()
        runtime = chain.runtime(best.hash)
        genesis = chain.database.genesis_hash
        found = []
        for sender in self._senders[: draw.randrange(3)]:
            nonce = int(runtime.system.account[sender.account_id].nonce)
            call = CessRuntime.calls().make(
                "Balances",
                "transfer_keep_alive",
                dest=MultiAddressId(value=self._senders[-1].account_id),
                value=Balance(draw.randrange(1, 10**15)),
            )
            found.append(offered(sign_call(call.encode(), sender, nonce, genesis)))
        return found

    def issuance(self, state: Any) -> int:
        """What is issued beyond what accounts hold: nothing."""
        runtime = runtime_at(state)
        held = sum(
            int(account.data.free) + int(account.data.reserved)
            for _, account in runtime.system.account.items(limit=ACCOUNTS_MAX)
        )
        return int(runtime.balances.total_issuance.get()) - held
