"""Signed transfers that a block executes in a second, and what a block costs as the state grows.

No network and no pool. Each transfer goes from an account of its own to a random one, all between
accounts that exist, and the chain lies in LevelDB on disk. A block is executed, its state root
computed, and both are written by one synced batch with finality and pruning. `known` is a block
whose signatures the pool has checked before, as when a node authors. `--large` adds 10^6 keys.
The store is opened again after the genesis and WARM_BLOCKS blocks come first, so caches are nearly
cold, and LevelDB may still be sorting a large genesis in its own thread. At the end: what a block
costs at each size against the smallest, by the clock and by CPU time, which has that thread in it.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chain_spec.presets import dev
from node.consensus.authorities import epoch_for
from node.consensus.slots import claim_slot
from node.consensus.verification import slot_of
from node.database import ChainDatabase, LevelDb, genesis_state_root
from node.genesis import genesis_header
from node.runtime import CessRuntime, build_state, runtime_at
from node.runtime.version import VERSION
from pallets.frame.executive import Executive
from pallets.frame.inherent import InherentData
from pallets.frame.signatures import SignatureCache, Verifier, check_signature
from primitives.crypto.keys import KeyPair
from primitives.digest import BABE_ENGINE, BabePreDigest, Digest, PreRuntime
from primitives.era import Era
from primitives.extrinsic import Implicit, MultiAddressId, sign_extrinsic
from primitives.hashing import blake2_128_concat, twox_128
from primitives.header import Header
from primitives.scale import encode
from primitives.types import AccountId, Balance, BlockNumber, Hash

TRANSFERS = 500
BLOCKS = 12
WARM_BLOCKS = 8
FIRST_SLOT = 1_795_000_000
ENDOWMENT = Balance(1_000 * 10**18)
VALUE = Balance(10**15)


@dataclass
class Spent:
    """Seconds of one block."""

    execute: float
    root: float
    write: float
    cpu: float

    @property
    def whole(self) -> float:
        return self.execute + self.root + self.write


def account_key(account: AccountId) -> bytes:
    return twox_128(b"System") + twox_128(b"Account") + blake2_128_concat(account)


def median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


class Bench:
    def __init__(self, keys: int, folder: Path) -> None:
        self.rng = random.Random(keys)
        self.senders = [KeyPair.from_seed(self.rng.randbytes(32)) for _ in range(TRANSFERS)]
        others = [AccountId(self.rng.randbytes(32)) for _ in range(keys - TRANSFERS)]
        self.accounts = [*(pair.account_id for pair in self.senders), *others]
        config = dev().config()
        endowed = tuple((pair.account_id, ENDOWMENT) for pair in self.senders)
        state = build_state(replace(config, balances=(*config.balances, *endowed)))
        # A genesis is bounded, so further accounts are copies; no transfer reads the issuance.
        copied = state[account_key(self.senders[0].account_id)]
        state.update((account_key(account), copied) for account in others)
        self.keys = len(state)
        self.database = ChainDatabase(LevelDb(folder), state_pruning=4)
        start = time.perf_counter()
        self.database.initialise(genesis_header(genesis_state_root(state)), state)
        self.genesis_s = time.perf_counter() - start
        self.database.close()
        self.database = ChainDatabase(LevelDb(folder), state_pruning=4)
        self.nonce = 0

    def transfers(self) -> list[bytes]:
        genesis = self.database.genesis_hash
        implicit = Implicit(
            spec_version=VERSION.spec_version,
            transaction_version=VERSION.transaction_version,
            genesis_hash=genesis,
            birth_hash=genesis,
        )
        make = CessRuntime.calls().make
        found = []
        for pair in self.senders:
            dest = MultiAddressId(value=self.rng.choice(self.accounts))
            call = make("Balances", "transfer_keep_alive", dest=dest, value=VALUE)
            found.append(
                sign_extrinsic(call.encode(), pair, self.nonce, 0, Era.immortal(), implicit)
            )
        self.nonce += 1
        return found

    def executive(self, parent: Header, slot: int, verifier: Verifier) -> Executive:
        runtime = runtime_at(self.database.state_at(parent.hash()))
        claim = claim_slot(slot, epoch_for(runtime, slot), [KeyPair.from_suri("//Alice")])
        assert claim is not None, "because Alice authors the development chain"
        executive = Executive(runtime, verifier=verifier)
        digest = Digest(
            (PreRuntime(engine=BABE_ENGINE, data=encode(BabePreDigest, claim.pre_digest)),)
        )
        executive.initialize_block(parent.hash(), BlockNumber(int(parent.number) + 1), digest)
        return executive

    def block(self, *, known: bool) -> Spent:
        """Execute and write one block; ``known`` signatures are checked before the clock runs."""
        database, exts = self.database, self.transfers()
        parent = database.header(database.best().hash)
        assert parent is not None, "because it is the best block"
        slot = max(FIRST_SLOT, slot_of(parent) + 1)
        verifier: Verifier = check_signature
        if known:
            verifier = SignatureCache()
            ahead = self.executive(parent, slot, verifier)
            for check in map(ahead.signature_check, exts):
                assert check is not None, "because all transfers are signed"
                verifier(check)
        start, cpu = time.perf_counter(), time.process_time()
        executive = self.executive(parent, slot, verifier)
        body = [*executive.inherent_extrinsics(InherentData(slot * 1000, slot)), *exts]
        for ext in body:
            if executive.apply_extrinsic(ext).error is not None:
                raise AssertionError("a transfer failed: the benchmark would count nothing")
        done = executive.finalize_block()
        executed = time.perf_counter()
        state = database.prepare(parent.hash(), done.changes)
        rooted = time.perf_counter()
        made = self.header(parent, state.root, done.extrinsics_root, done.digest)
        database.import_block(made, body, state, is_best=True)
        database.finalize(made.hash(), None)
        written = time.perf_counter()
        cpu = time.process_time() - cpu
        return Spent(executed - start, rooted - executed, written - rooted, cpu)

    @staticmethod
    def header(parent: Header, state: Hash, extrinsics: Hash, digest: Digest) -> Header:
        return Header(parent.hash(), BlockNumber(int(parent.number) + 1), state, extrinsics, digest)

    def run(self) -> dict[bool, tuple[float, float]]:
        """Seconds of a block by the clock and by CPU time, with signatures known or not."""
        for _ in range(WARM_BLOCKS):
            self.block(known=False)
        found = {}
        for known in (False, True):
            spent = [self.block(known=known) for _ in range(BLOCKS)]
            execute, root, write, whole, cpu = (
                median([getattr(each, part) for each in spent])
                for part in ("execute", "root", "write", "whole", "cpu")
            )
            found[known] = whole, cpu
            print(
                f"{self.keys:>9,}   {'known' if known else 'checked':>10}   "
                f"{TRANSFERS / execute:>10,.0f}   {root * 1e3:>7.1f}   {write * 1e3:>8.1f}   "
                f"{100 * write / whole:>7.0f} %   {whole * 1e3:>8.1f}   {cpu * 1e3:>6.1f}   "
                f"{TRANSFERS / whole:>8,.0f}",
                flush=True,
            )
        self.database.close()
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also 10^6 keys (minutes, 3 GB)")
    sizes = [1_000, 10_000, 100_000]
    if parser.parse_args().large:
        sizes.append(1_000_000)
    print(f"blocks of {TRANSFERS} signed transfers, medians of {BLOCKS}")
    print(
        "     keys   signatures   executed/s   root ms   write ms   write part   block ms   "
        "cpu ms    block/s"
    )
    found = {}
    for keys in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found[keys] = Bench(keys, Path(folder) / "db").run()
    print("the whole block against the smallest state")
    for keys in sizes[1:]:
        for known, (whole, cpu) in found[keys].items():
            first, first_cpu = found[sizes[0]][known]
            print(
                f"{keys:>9,}   {'known' if known else 'checked':>10}   "
                f"x{whole / first:.2f} by the clock, x{cpu / first_cpu:.2f} by CPU time"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
