"""Verifying audits: rows of one proof, miners of one block, and what their commitments weigh.

Blocks are executed by the runtime over a state in LevelDB, with fragments of a live chain (67 rows)
and signed extrinsics. `cold` is the first block of a process that has just opened the database (the
operating system knows the file), `warm` the same block once more. Every proof is a real opening
with a quotient: rows hold a line a + b·X, whose commitment a·G + b·τG takes no 4,096-point sum, and
which cost a verifier what any rows cost. CPU time of one process; `wall` is time waited for, with
`threads` proofs are verified ahead, as a node does. Garbage is looked for as seldom as in a node.
"""

import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from py_arkworks_bls12381 import G1Point, Scalar

from benchmarks.bench_podr2 import cpu
from chain_spec.presets import DEV_CONSTANTS, LIVE_CONSTANTS, dev
from node.consensus.authorities import epoch_for
from node.consensus.proof_threads import ProofThreads, default_thread_count
from node.consensus.slots import claim_slot
from node.database import ChainDatabase, LevelDb, genesis_state_root
from node.genesis import genesis_header
from node.runtime import CessRuntime, build_state, runtime_at
from node.runtime.version import VERSION
from node.service import COLLECT_AFTER
from pallets.audit import Audit, ChallengeInfo, FaultyPositions, Holding, KeptRows
from pallets.audit.judging import positions_of
from pallets.audit.weights import service_proof
from pallets.frame import DictState
from pallets.frame.executive import Executive
from pallets.frame.inherent import InherentData
from pallets.frame.limits import BASE_EXTRINSIC, block_weights
from pallets.sminer import EndPoint, MinerInfo, MinerState, SpaceProofInfo
from primitives.crypto.keys import KeyPair
from primitives.digest import BABE_ENGINE, BabePreDigest, Digest, PreRuntime
from primitives.era import Era
from primitives.extrinsic import Implicit, sign_extrinsic
from primitives.scale import U8, U32, U64, U128, encode
from primitives.types import Balance, BlockNumber, Bytes48, FileHash, FragmentHash, Hash
from proofs.podr2.challenge import coefficients, evaluation_point, sample_positions
from proofs.podr2.params import SCALAR_MODULUS, row_count
from proofs.podr2.points import checked_points, load_point
from proofs.podr2.setup import G1_POINTS, TAU_G2_LINE, setup_lines
from proofs.podr2.verify import Claim, decode_commitment, verify, verify_batch, verify_points
from proofs.podr2.wire import ScalarBytes, ServiceProof

ROWS = row_count(int(LIVE_CONSTANTS.fragment_bytes))
ROUND_ROWS = 460
LINES = 4096
BLOCK_SECONDS_MAX = 1.0
MANY_MINERS, SOME_FRAGMENTS, MANY_FRAGMENTS = 100, 300, 10_000
FIRST_SLOT = 1_795_000_000
# A live block takes fewer proofs than a hundred; these blocks take them all.
WIDE_BLOCK_MS = 12_000
GIB = 1024**3
# The powers of tau in G1 come after those in G2; the second one is tau itself.
TAU_G1_LINE = TAU_G2_LINE - 1 + 65 + 1


@dataclass(frozen=True)
class Line:
    """A row that holds a + b·X, and its commitment."""

    a: int
    b: int
    commitment: Bytes48


def made_lines(count: int) -> list[Line]:
    tau = G1Point.from_compressed_bytes(bytes.fromhex(setup_lines()[TAU_G1_LINE]))
    assert G1_POINTS == LINES
    rng = random.Random(1)
    found = []
    for _ in range(count):
        a, b = rng.randrange(SCALAR_MODULUS), rng.randrange(SCALAR_MODULUS)
        point = G1Point() * Scalar(a) + tau * Scalar(b)
        found.append(Line(a, b, Bytes48(point.to_compressed_bytes())))
    return found


def opening(lines: list[Line], weights: list[int], z: int) -> ServiceProof:
    """The proof over rows that are lines: the quotient of Σ ρ·(a + b·X) is the constant Σ ρ·b."""
    a = sum(weight * line.a for weight, line in zip(weights, lines, strict=True))
    b = sum(weight * line.b for weight, line in zip(weights, lines, strict=True)) % SCALAR_MODULUS
    y = (a + b * z) % SCALAR_MODULUS
    proof = (G1Point() * Scalar(b)).to_compressed_bytes()
    return ServiceProof(y=ScalarBytes(y.to_bytes(32, "big")), proof=Bytes48(proof))


# One proof.


def one_proof(lines: list[Line]) -> None:
    print(
        "one proof, ms of CPU: commitments of 48 bytes, checked every time; or points of 96, kept"
    )
    for count in (1, 100, 460, 1_000, 10_000):
        seed = count.to_bytes(32, "little")
        weights, z = list(coefficients(seed, count)), evaluation_point(seed)
        rows = (lines * (count // len(lines) + 1))[:count]
        proof = opening(rows, weights, z)
        reported = [bytes(line.commitment) for line in rows]
        kept = [bytes(decode_commitment(item).to_xy_bytes_be()) for item in reported]

        def checked(reported: list[bytes] = reported) -> list[G1Point]:
            return [G1Point.from_compressed_bytes(item) for item in reported]

        def unchecked(reported: list[bytes] = reported) -> list[G1Point]:
            return [G1Point.from_compressed_bytes_unchecked(item) for item in reported]

        def affine(kept: list[bytes] = kept) -> list[G1Point]:
            return [load_point(item) for item in kept]

        points = affine()

        def whole(
            points: list[G1Point] = points,
            weights: list[int] = weights,
            z: int = z,
            proof: ServiceProof = proof,
        ) -> None:
            verify_points(points, weights, z, proof)

        loads = [cpu(load) * 1e3 for load in (checked, unchecked, affine)]
        rest = cpu(whole) * 1e3
        print(
            f"  {count:>6,} rows   load: checked {loads[0]:>7.1f}   48 unchecked {loads[1]:>7.1f}"
            f"   96 unchecked {loads[2]:>6.2f}   combine and pair {rest:>6.1f}"
            f"   in all {loads[2] + rest:>6.1f}"
        )


def batching(lines: list[Line]) -> None:
    """What one pairing for a whole block would save, with all points known."""
    claims = []
    for miner in range(MANY_MINERS):
        seed = miner.to_bytes(32, "big")
        weights, z = list(coefficients(seed, ROUND_ROWS)), evaluation_point(seed)
        rows = [lines[(miner * 7 + index) % len(lines)] for index in range(ROUND_ROWS)]
        claims.append(
            Claim([line.commitment for line in rows], weights, z, opening(rows, weights, z))
        )
    verify_batch(claims)

    def one_by_one() -> None:
        for claim in claims:
            verify(*claim)

    alone = cpu(one_by_one)
    together = cpu(lambda: verify_batch(claims))
    bad = replace(claims[0].proof, y=claims[1].proof.y)
    spoiled = [claims[0]._replace(proof=bad), *claims[1:]]
    fallback = cpu(lambda: verify_batch(spoiled), 1)
    print(f"{MANY_MINERS} proofs of {ROUND_ROWS} rows, points known, ms a proof")
    print(
        f"  one by one {alone * 10:.2f}   one pairing for all {together * 10:.2f}"
        f"   the same with one bad proof among them {fallback * 10:.2f}"
    )


# Blocks.


class Bench:
    """A chain whose miners hold fragments and all have an open round."""

    def __init__(self, lines: list[Line], folder: Path, miners: int, fragments: int) -> None:
        self.lines, self.folder, self.fragments = lines, folder, fragments
        self.pairs = [
            KeyPair.from_seed(bytes([7]) * 28 + index.to_bytes(4, "big")) for index in range(miners)
        ]
        spec = dev().config()
        # The pace and the people of the development chain, the sizes of a live one.
        constants = replace(
            DEV_CONSTANTS,
            fragment_bytes=LIVE_CONSTANTS.fragment_bytes,
            segment_bytes=LIVE_CONSTANTS.segment_bytes,
            block_ref_time_max=U64(WIDE_BLOCK_MS * 10**9),
            slot_duration_ms=U64(WIDE_BLOCK_MS),
        )
        money = tuple((pair.account_id, Balance(10**24)) for pair in self.pairs)
        config = replace(spec, constants=constants, balances=(*spec.balances, *money))
        state = build_state(config)
        runtime = runtime_at(DictState(state))
        self.seeds = [Hash(index.to_bytes(32, "big")) for index in range(1, miners + 1)]
        for pair, seed in zip(self.pairs, self.seeds, strict=True):
            self.seat(runtime, pair, seed)
        # Every fragment holds the same 67 distinct points in another order.
        turned = [
            KeptRows(
                since=BlockNumber(0),
                removed=None,
                points=checked_points([line.commitment for line in lines[at : at + ROWS]]),
            )
            for at in range(0, LINES - ROWS, ROWS)
        ]
        self.table = turned
        state.update({key: value for key, value in runtime.overlay.changes().items() if value})
        for pair in self.pairs:
            for slot in range(fragments):
                key = Audit.commitments.key(pair.account_id, U32(slot))
                state[key] = encode(KeptRows, turned[slot % len(turned)])
        start = time.perf_counter()
        database = ChainDatabase(LevelDb(folder), state_pruning=4)
        database.initialise(genesis_header(genesis_state_root(state)), state)
        self.keys = len(state)
        self.build_s = time.perf_counter() - start
        self.genesis = database.genesis_hash
        database.close()
        self.entry_bytes = len(key) + len(state[key])

    def seat(self, runtime: CessRuntime, pair: KeyPair, seed: Hash) -> None:
        who, fragments = pair.account_id, self.fragments
        space = U128(fragments * int(LIVE_CONSTANTS.fragment_bytes))
        runtime.sminer.miner_items[who] = MinerInfo(
            beneficiary=who,
            staking_account=who,
            endpoint=EndPoint(b"http://miner"),
            collaterals=Balance(0),
            debt=Balance(0),
            state=MinerState.Positive,
            declaration_space=space,
            idle_space=U128(0),
            service_space=space,
            lock_space=U128(0),
            space_proof_info=SpaceProofInfo(front=U64(0), rear=U64(0)),
            registered_at=BlockNumber(0),
        )
        audit = runtime.audit
        audit.holding_count[who] = U32(fragments)
        for slot in range(fragments):
            audit.holdings[who, U32(slot)] = Holding(
                file_hash=FileHash(seed),
                segment_index=U32(slot),
                fragment_index=U8(0),
                fragment_hash=FragmentHash(seed),
                since=BlockNumber(0),
                removed=None,
            )
        deadline = BlockNumber(100)
        audit.challenge_snap_shot[who] = ChallengeInfo(
            round=U32(1),
            start=BlockNumber(0),
            seed=seed,
            slots=U32(fragments),
            service_space=space,
            idle_front=U64(0),
            idle_rear=U64(0),
            deadline=deadline,
            idle_deadline=deadline,
            service_done=False,
            idle_done=True,
            service_passed=False,
            idle_passed=True,
            idle_space=U128(0),
        )
        audit.challenge_slip[deadline, who] = True

    def proof(self, pair: KeyPair, seed: Hash) -> bytes:
        positions = sample_positions(seed, self.fragments * ROWS, ROUND_ROWS)
        weights = list(coefficients(seed, len(positions)))
        asked = []
        for position in positions:
            slot, row = divmod(position, ROWS)
            asked.append(self.lines[slot % len(self.table) * ROWS + row])
        made = opening(asked, weights, evaluation_point(seed))
        call = CessRuntime.calls().make(
            "Audit",
            "submit_service_proof",
            round=U32(1),
            faulty=FaultyPositions(()),
            y=made.y,
            proof=made.proof,
        )
        implicit = Implicit(
            spec_version=VERSION.spec_version,
            transaction_version=VERSION.transaction_version,
            genesis_hash=self.genesis,
            birth_hash=self.genesis,
        )
        return sign_extrinsic(call.encode(), pair, 0, 0, Era.immortal(), implicit)

    def block(
        self, database: ChainDatabase, exts: list[bytes], threads: ProofThreads | None = None
    ) -> tuple[float, float]:
        """Execute the block's proofs; seconds of CPU and waited for, of them alone."""
        positions_of.cache_clear()
        parent = database.header(database.best().hash)
        assert parent is not None, "because it is the best block"
        runtime = runtime_at(database.state_at(parent.hash()))
        claim = claim_slot(
            FIRST_SLOT, epoch_for(runtime, FIRST_SLOT), [KeyPair.from_suri("//Alice")]
        )
        assert claim is not None, "because Alice authors the development chain"
        executive = Executive(runtime)
        digest = Digest(
            (PreRuntime(engine=BABE_ENGINE, data=encode(BabePreDigest, claim.pre_digest)),)
        )
        executive.initialize_block(parent.hash(), BlockNumber(int(parent.number) + 1), digest)
        now = FIRST_SLOT * WIDE_BLOCK_MS
        for inherent in executive.inherent_extrinsics(InherentData(now, FIRST_SLOT)):
            executive.apply_extrinsic(inherent)
        start, begun = time.process_time(), time.perf_counter()
        if threads is not None:
            threads.begin(runtime)(exts)
        for ext in exts:
            if executive.apply_extrinsic(ext).error is not None:
                raise AssertionError("a proof was refused: the benchmark would count nothing")
        spent, waited = time.process_time() - start, time.perf_counter() - begun
        records = [runtime.audit.audit_record.get(pair.account_id) for pair in self.pairs]
        if sum(1 for record in records if record is not None and record.passed == 1) != len(exts):
            raise AssertionError("a proof was rejected: the benchmark would count nothing")
        return spent, waited

    def run(self, miners: int) -> float:
        """Print a row of the table; the seconds waited for with threads."""
        exts = [self.proof(*pair) for pair in zip(self.pairs, self.seeds, strict=True)][:miners]
        slots = len(
            {p // ROWS for p in sample_positions(self.seeds[0], self.fragments * ROWS, ROUND_ROWS)}
        )
        database = ChainDatabase(LevelDb(self.folder), state_pruning=4)
        cold, cold_waited = self.block(database, exts)
        warm = min(self.block(database, exts)[0] for _ in range(2))
        database.close()
        database = ChainDatabase(LevelDb(self.folder), state_pruning=4)
        threads = ProofThreads(default_thread_count())
        ahead_cpu, ahead_waited = self.block(database, exts, threads)
        threads.close()
        database.close()
        print(
            f"  {miners:>4}   {self.fragments:>9,}   {slots:>6}   {cold * 1e3:>8.1f}"
            f"   {warm * 1e3:>8.1f}   {cold / miners * 1e3:>11.1f}   {warm / miners * 1e3:>11.1f}"
            f"   {cold_waited * 1e3:>9.1f}   {ahead_waited * 1e3:>12.1f}   {ahead_cpu * 1e3:>9.1f}",
            flush=True,
        )
        return ahead_waited


def blocks(lines: list[Line]) -> None:
    print(
        f"blocks of service proofs of {ROUND_ROWS} rows, ms of CPU, signatures and fees included;"
        f" threads beside the one that executes: {default_thread_count()}"
    )
    print(
        "  miners   fragments    slots       cold       warm   cold/miner    warm/miner"
        "   cold wall   threads wall   their CPU"
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(lines, Path(folder) / "db", MANY_MINERS, SOME_FRAGMENTS)
        waited = [bench.run(miners) for miners in (1, 10, MANY_MINERS)][-1]
        entry = bench.entry_bytes
    with tempfile.TemporaryDirectory() as folder:
        Bench(lines, Path(folder) / "db", 1, MANY_FRAGMENTS).run(1)
    print(
        f"  {MANY_MINERS} miners in one block: {waited:.2f} s,"
        f" {'met' if waited <= BLOCK_SECONDS_MAX else 'above'} {BLOCK_SECONDS_MAX:.0f} s"
    )
    weight = service_proof(U32(1), FaultyPositions(()), ScalarBytes(bytes(32)), Bytes48(bytes(48)))
    limit = block_weights(int(LIVE_CONSTANTS.block_ref_time_max)).per_class.normal.max_total
    assert limit is not None, "because users' extrinsics are limited"
    each = weight.ref_time + BASE_EXTRINSIC.ref_time
    print(
        f"  declared weight {each / 1e9:.1f} ms a proof: {int(limit.ref_time) // each} proofs fill"
        " a live block"
    )
    fragments = GIB // int(LIVE_CONSTANTS.fragment_bytes)
    print(
        f"state of a GiB of fragments: {fragments} entries of {entry:,} bytes with their key ="
        f" {fragments * entry:,} bytes of commitments ({fragments * entry / GIB:.4%});"
        f" with 48 bytes a point {fragments * (entry - 48 * ROWS):,}"
    )


def main() -> int:
    lines = made_lines(LINES)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    chosen = sys.argv[1:]
    sections: list[Callable[[list[Line]], None]] = [one_proof, batching, blocks]
    for section in sections:
        if not chosen or section.__name__ in chosen:
            section(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
