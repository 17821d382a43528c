"""Signed transfers of a `cess node --dev`, and one way to submit and follow them on any chain.

`Load` submits texts over one WebSocket, as many at a time as it may have on their way, and asks
which blocks hold them; the chain is ours (`Chain`) or a peer's that answers as `Following` does.
"""

import random
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from benchmarks.devnode import DevNode, Socket, call
from node.runtime import CessRuntime
from node.runtime.version import VERSION
from primitives.crypto.keys import KeyPair
from primitives.era import Era
from primitives.extrinsic import Implicit, MultiAddressId, sign_extrinsic
from primitives.types import AccountId, Balance, Hash

SENDERS = 200
ENDOWMENT = Balance(1_000 * 10**18)
VALUE = Balance(10**15)
ALICE = KeyPair.from_suri("//Alice")
POLL_S = 0.05
ENDOW_S = 120.0
LOAD_S = 600.0


class Following(Protocol):
    """A chain whose blocks are counted."""

    @property
    def port(self) -> int:
        """Of its WebSocket."""

    def best(self) -> int:
        """The number of its newest block."""

    def height(self) -> int:
        """The number of its newest final block."""

    def transfers_in(self, number: int) -> int:
        """How many the block of this number holds."""


class Chain:
    """The node as its users see it."""

    def __init__(self, node: DevNode) -> None:
        self.node = node
        self.asking = Socket(node.port)
        self._counted: dict[str, int] = {}
        genesis = Hash(bytes.fromhex(self.asking.ask("chain_getBlockHash", 0)[2:]))
        self.implicit = Implicit(
            spec_version=VERSION.spec_version,
            transaction_version=VERSION.transaction_version,
            genesis_hash=genesis,
            birth_hash=genesis,
        )

    def transfer(self, pair: KeyPair, nonce: int, dest: AccountId, value: Balance) -> str:
        make = CessRuntime.calls().make
        account = MultiAddressId(value=dest)
        encoded = make("Balances", "transfer_keep_alive", dest=account, value=value).encode()
        signed = sign_extrinsic(encoded, pair, nonce, 0, Era.immortal(), self.implicit)
        return f"0x{signed.hex()}"

    @property
    def port(self) -> int:
        return self.node.port

    def best(self) -> int:
        return int(self.asking.ask("chain_getHeader")["number"], 16)

    def height(self) -> int:
        head = self.asking.ask("chain_getFinalizedHead")
        return int(self.asking.ask("chain_getHeader", head)["number"], 16)

    def transfers_in(self, number: int) -> int:
        """Signed extrinsics of a block, which is read once though it is best and then final."""
        name = self.asking.ask("chain_getBlockHash", number)
        if name not in self._counted:
            block = self.asking.ask("chain_getBlock", name)
            self._counted[name] = len(block["block"]["extrinsics"]) - 1
        return self._counted[name]

    def endow(self, accounts: Sequence[AccountId]) -> None:
        """Give each of these something, and wait until that is final."""
        start = self.height()
        for nonce, account in enumerate(accounts):
            self.asking.ask(
                "author_submitExtrinsic", self.transfer(ALICE, nonce, account, ENDOWMENT)
            )
        found, end_s = 0, time.perf_counter() + ENDOW_S
        while found < len(accounts):
            if time.perf_counter() > end_s:
                raise TimeoutError(f"{found} of {len(accounts)} endowed in {ENDOW_S:.0f} s")
            time.sleep(0.1)
            for number in range(start + 1, (end := self.height()) + 1):
                found += self.transfers_in(number)
            start = max(start, end)


class Load:
    """Submits, and follows what is included and what becomes final."""

    def __init__(self, chain: Following, texts: Sequence[bytes], waiting: int) -> None:
        self.chain = chain
        self.texts = texts
        self.waiting = waiting
        self.refused: list[object] = []
        self.answered = 0
        self.sent_at: list[float] = []
        self.blocks: list[int] = []
        self.latencies: list[float] = []
        self.included = 0
        self.final = 0
        self.submitted_s = 0.0
        self.included_s = 0.0
        self.room = threading.Semaphore(waiting)
        self._start = 0.0

    def run(self) -> float:
        """Seconds from the first submission to the last transfer's finality."""
        best = height = self.chain.height()
        with Socket(self.chain.port) as submitting:
            threads = [
                threading.Thread(target=self.submit, args=(submitting,), daemon=True),
                threading.Thread(target=self.read, args=(submitting,), daemon=True),
            ]
            self._start = time.perf_counter()
            for thread in threads:
                thread.start()
            while self.final + len(self.refused) < len(self.texts):
                if self.spent() > LOAD_S:
                    raise TimeoutError(f"{self.final} of {len(self.texts)} in {LOAD_S:.0f} s")
                time.sleep(POLL_S)
                # Asked in this order, no block is final before it is counted as included.
                final, newest = self.chain.height(), self.chain.best()
                for number in range(best + 1, newest + 1):
                    self.include(self.chain.transfers_in(number))
                for number in range(height + 1, final + 1):
                    self.count(self.chain.transfers_in(number))
                best, height = max(best, newest), max(height, final)
            spent = self.spent()
            for thread in threads:
                thread.join()
        return spent

    def spent(self) -> float:
        """Seconds since the first submission."""
        return time.perf_counter() - self._start

    def include(self, transfers: int) -> None:
        if transfers:
            self.included += transfers
            self.included_s = self.spent()

    def count(self, transfers: int) -> None:
        now = time.perf_counter()
        if not transfers:
            return
        self.blocks.append(transfers)
        # Blocks take transfers nearly in the order of submission, so this is nearly each one's own.
        self.latencies += [now - at for at in self.sent_at[self.final : self.final + transfers]]
        self.final += transfers
        self.room.release(transfers)

    def submit(self, socket: Socket) -> None:
        for text in self.texts:
            self.room.acquire()
            self.sent_at.append(time.perf_counter())
            socket.send(text)

    def read(self, socket: Socket) -> None:
        while self.answered < len(self.texts):
            answer = socket.receive()
            self.answered += 1
            self.submitted_s = self.spent()
            if "error" in answer:
                self.refused.append(answer["error"])
                self.room.release()


def signed_transfers(chain: Chain, count: int, rng: random.Random) -> list[bytes]:
    """Endow the senders, and sign for each in turn the texts of submissions."""
    pairs = [KeyPair.from_seed(rng.randbytes(32)) for _ in range(SENDERS)]
    chain.endow([pair.account_id for pair in pairs])
    texts = []
    for number in range(count):
        nonce, at = divmod(number, SENDERS)
        dest = pairs[rng.randrange(SENDERS)].account_id
        signed = chain.transfer(pairs[at], nonce, dest, VALUE)
        texts.append(call("author_submitExtrinsic", signed, number=number))
    return texts
