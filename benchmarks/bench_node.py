"""Signed transfers from submission to finality, through a real node on this machine.

`cess node --dev` runs in a process of its own with its database on disk; this process signs before
the clock runs and submits over one WebSocket, with at most `--waiting` transactions on their way.
A transfer counts when it is in a finalised block. The rate is that of all transfers, from the first
submission to the finality of the last one. `peak` is the largest block.

With `--junk N` it floods instead: N transactions that no block can hold (bad signatures, accounts
without money, stale nonces, random bytes), in batches over many sockets, as fast as the kernel
takes them and without waiting for answers, and among them honest transfers, one after another: in
how many blocks is each included? `offered` is what the node was sent in a second; what it has no
room for it refuses as a whole.
"""

import argparse
import random
import sys
import threading
import time
from collections.abc import Sequence

from benchmarks.devnode import Socket, call, dev_node
from benchmarks.transfers import ALICE, VALUE, Chain, Load, signed_transfers
from primitives.crypto.keys import KeyPair
from primitives.types import Balance

FLOODERS = 48
FLOOD_BATCH = 500
INCLUDED_MAX = 3


class Flood:
    """Junk over many sockets, and honest transfers that try to get through."""

    def __init__(self, chain: Chain, count: int, rng: random.Random) -> None:
        self.chain = chain
        self.count = count
        self.rng = rng
        self.offered = 0
        self.judged = 0
        self.taken = 0
        self.offering_s = 0.0
        self.lock = threading.Lock()

    def junk(self) -> list[bytes]:
        """One text of each kind many times over, all different where that is hard to judge."""
        chain, rng = self.chain, self.rng
        good = chain.transfer(ALICE, 1 << 20, ALICE.account_id, VALUE)
        poor = [KeyPair.from_seed(rng.randbytes(32)) for _ in range(64)]
        unfunded = [chain.transfer(pair, 0, ALICE.account_id, VALUE) for pair in poor]
        stale = [chain.transfer(ALICE, 0, ALICE.account_id, Balance(n)) for n in range(1, 65)]
        texts = []
        for number in range(self.count):
            match number % 4:
                case 0:
                    at = rng.randrange(80, 180)  # digits of the signature
                    bad = f"{good[:at]}{rng.randrange(1 << 32):08x}{good[at + 8 :]}"
                case 1:
                    bad = rng.choice(unfunded)
                case 2:
                    bad = rng.choice(stale)
                case _:
                    bad = f"0x{bytes((200,)).hex()}{rng.randbytes(50).hex()}"
            texts.append(call("author_submitExtrinsic", bad, number=number))
        return texts

    def attack(self, texts: Sequence[bytes]) -> None:
        batches = [texts[at : at + FLOOD_BATCH] for at in range(0, len(texts), FLOOD_BATCH)]
        with Socket(self.chain.node.port) as socket:
            reader = threading.Thread(target=self.read, args=(socket, len(batches)), daemon=True)
            reader.start()
            start = time.perf_counter()
            for batch in batches:
                socket.send(b"[" + b",".join(batch) + b"]")
                with self.lock:
                    self.offered += len(batch)
            with self.lock:
                self.offering_s = max(self.offering_s, time.perf_counter() - start)
            reader.join()

    def read(self, socket: Socket, count: int) -> None:
        """Each batch has one answer: those of its calls, or that there is no room for it."""
        for _ in range(count):
            found = socket.receive()
            if isinstance(found, list):
                with self.lock:
                    self.judged += len(found)
                    self.taken += sum("error" not in answer for answer in found)

    def run(self, honest: Sequence[str]) -> tuple[float, list[int]]:
        """How long it lasted, and in how many blocks each honest transfer was included."""
        texts, blocks = self.junk(), []
        threads = [
            threading.Thread(target=self.attack, args=(texts[at::FLOODERS],), daemon=True)
            for at in range(FLOODERS)
        ]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for text in honest:
            if not any(thread.is_alive() for thread in threads):
                break
            blocks.append(self.include(text))
        for thread in threads:
            thread.join()
        return time.perf_counter() - start, blocks

    def include(self, text: str) -> int:
        """Submit, and count the blocks until one holds it."""
        ask = self.chain.asking.ask
        start = at = int(ask("chain_getHeader")["number"], 16)
        ask("author_submitExtrinsic", text)
        while True:
            best = int(ask("chain_getHeader")["number"], 16)
            for number in range(at + 1, best + 1):
                block = ask("chain_getBlock", ask("chain_getBlockHash", number))
                if text in block["block"]["extrinsics"]:
                    return number - start
            at = max(at, best)
            time.sleep(0.05)


def share(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def flood(chain: Chain, count: int, rng: random.Random) -> int:
    before = chain.node.memory_mib("VmRSS")
    pair = KeyPair.from_suri("//Bob")
    honest = [chain.transfer(pair, nonce, ALICE.account_id, VALUE) for nonce in range(1000)]
    chain.asking.ask("author_submitExtrinsic", chain.transfer(ALICE, 0, pair.account_id, VALUE))
    attack = Flood(chain, count, rng)
    spent, blocks = attack.run(honest)
    offered = attack.offered / attack.offering_s
    print(f"junk offered      {attack.offered:>8,}   {offered:,.0f}/s over {FLOODERS} sockets")
    print(f"junk judged       {attack.judged:>8,}   {attack.judged / spent:,.0f}/s")
    print(f"junk taken        {attack.taken:>8,}")
    print(f"honest included   {len(blocks):>8,}   in at most {max(blocks)} blocks each")
    print(f"node's memory     {chain.node.memory_mib():>6.0f} MiB at most, {before:.0f} MiB before")
    return 1 if attack.taken or max(blocks) > INCLUDED_MAX else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transfers", type=int, default=15_000)
    parser.add_argument("--waiting", type=int, default=3_000, help="on their way at a time")
    parser.add_argument("--junk", type=int, default=0, help="flood the node instead")
    parser.add_argument("--workers", help="the node's --signature-workers")
    options = parser.parse_args()
    flags = [] if options.workers is None else ["--signature-workers", options.workers]
    rng = random.Random(7)
    with dev_node(*flags) as node:
        chain = Chain(node)
        if options.junk:
            return flood(chain, options.junk, rng)
        texts = signed_transfers(chain, options.transfers, rng)
        before, cpu = node.memory_mib("VmRSS"), node.cpu_s()
        load = Load(chain, texts, options.waiting)
        spent = load.run()
        cpu = node.cpu_s() - cpu
        if load.refused:
            print(f"refused: {len(load.refused)}, the first: {load.refused[0]}")
        print(f"transfers final   {load.final:>8,}")
        print(f"transfers/s       {load.final / spent:>8,.0f}   in {spent:.1f} s")
        print(f"peak in a block   {max(load.blocks):>8,}   of {len(load.blocks)} blocks")
        print(
            f"to finality, s    {share(load.latencies, 0.5):>8.2f}   (median; "
            f"p99 {share(load.latencies, 0.99):.2f})"
        )
        print(
            f"node's cpu        {100 * cpu / spent:>6.0f} %   {1e3 * cpu / load.final:.2f} ms each"
        )
        print(f"node's memory     {node.memory_mib():>6.0f} MiB at most, {before:.0f} MiB before")
    return 1 if load.refused else 0


if __name__ == "__main__":
    sys.exit(main())
