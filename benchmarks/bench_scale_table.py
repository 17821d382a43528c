"""How large a network the chain carries: bytes and seconds a day, from measured costs of one round.

A day of draws is simulated for each number of miners with the pallet's own draw; the rest is
arithmetic from what one proof, one idle answer and one fragment cost, measured first. Constants are
those of a live chain. Miners are taken to be full of service data, the worst case for the state,
and to answer both parts of every round. `limit` names what is exhausted first, and how many times
over.
"""

import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench_audit import (
    GIB,
    LINES,
    ROUND_ROWS,
    ROWS,
    Bench,
    made_lines,
    opening,
)
from benchmarks.bench_podr2 import cpu
from chain_spec.presets import LIVE_CONSTANTS
from node.database import ChainDatabase, LevelDb
from pallets.audit import FaultyPositions, Holding, IdleAnswer, IdleAnswers
from pallets.audit.rounds import drawn_indexes
from pallets.audit.types import IdleProofBytes
from pallets.audit.weights import idle_proof, service_proof
from pallets.file_bank.types import FRAGMENT_COUNT, FragmentInfo, FragmentInfos, SegmentInfo
from pallets.file_bank.weights import POINT, SIGNATURE
from pallets.frame.limits import BASE_EXTRINSIC, BLOCK_BYTES_MAX, NORMAL_PERCENT, block_weights
from primitives.scale import U8, U16, U32, encode
from primitives.types import (
    AccountId,
    BlockNumber,
    Bytes48,
    FileHash,
    FragmentHash,
    SegmentHash,
)
from proofs.podr2.challenge import coefficients, evaluation_point
from proofs.podr2.verify import decode_commitment, verify_points
from proofs.podr2.wire import ScalarBytes
from proofs.pois.challenge import idle_draws, plot_seed
from proofs.pois.params import proof_bytes
from proofs.pois.plot import PlotFile, create_plot
from proofs.pois.verify import verify_answers

MINERS = (1_000, 100_000, 1_000_000)
TIB = (1, 10, 100)
DAY_BLOCKS = int(LIVE_CONSTANTS.one_day_blocks)
FRAGMENTS_PER_TIB = 1024 * GIB // int(LIVE_CONSTANTS.fragment_bytes)
SMALL_K = 18
# 1 - 1/e of the draws have a proof, at the live size of plots.
ANSWERED_PERCENT = 63
ANSWERS = int(LIVE_CONSTANTS.plot_draws) * ANSWERED_PERCENT // 100
STATE_BYTES_MAX = 4 * 10**12
"""State that a node keeps beside its history on one common disk of 4 TB."""
# The body of a signed extrinsic beside its call: length, address, signature, era, nonce, tip.
SIGNED_BYTES = 110
KEY_BYTES = 92


@dataclass(frozen=True)
class Costs:
    """CPU seconds of verifying one round, and bytes."""

    service_s: float
    service_cold_s: float
    idle_s: float
    service_bytes: int
    idle_bytes: int
    fragment_state: int
    report_bytes: int


def measured() -> Costs:
    lines = made_lines(LINES)
    rows = lines[:ROUND_ROWS]
    seed = bytes(32)
    weights, z = list(coefficients(seed, ROUND_ROWS)), evaluation_point(seed)
    proof = opening(rows, weights, z)
    points = [decode_commitment(line.commitment) for line in rows]
    service = cpu(lambda: verify_points(points, weights, z, proof))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(lines, Path(folder) / "db", 1, 5_000)
        ext = bench.proof(bench.pairs[0], bench.seeds[0])
        database = ChainDatabase(LevelDb(bench.folder), state_pruning=4)
        cold, _ = bench.block(database, [ext])
        database.close()
        entry = bench.entry_bytes
    with tempfile.TemporaryDirectory() as folder:
        miner = bytes(32)
        plot = PlotFile(
            create_plot(
                Path(folder), Path(folder), plot_seed(bytes(32), miner, 0, SMALL_K), SMALL_K
            )
        )
        asked = idle_draws(seed, 0, 1, 256)
        found = [(draw.t, made) for draw in asked if (made := plot.prove(draw.challenge))]
        idle = cpu(lambda: verify_answers(bytes(32), miner, SMALL_K, seed, 0, 1, 256, found)) / len(
            found
        )
    live_proof = IdleProofBytes(bytes(proof_bytes(int(LIVE_CONSTANTS.plot_k))))
    answer = IdleAnswers([IdleAnswer(t=U16(0), proof=live_proof)] * ANSWERS)
    holding = Holding(
        file_hash=FileHash(bytes(32)),
        segment_index=U32(0),
        fragment_index=U8(0),
        fragment_hash=FragmentHash(bytes(32)),
        since=BlockNumber(0),
        removed=None,
    )
    fragment = FragmentInfo(
        hash=FragmentHash(bytes(32)),
        avail=True,
        tag=BlockNumber(0),
        miner=AccountId(bytes(32)),
        slot=U32(0),
    )
    segment = SegmentInfo(
        hash=SegmentHash(bytes(32)), fragment_list=FragmentInfos([fragment] * FRAGMENT_COUNT)
    )
    return Costs(
        service_s=service,
        service_cold_s=cold,
        idle_s=idle * ANSWERS,
        service_bytes=len(ext),
        idle_bytes=SIGNED_BYTES + 6 + len(encode(IdleAnswers, answer)),
        fragment_state=entry
        + KEY_BYTES
        + len(encode(Holding, holding))
        + (KEY_BYTES + len(encode(SegmentInfo, segment))) // FRAGMENT_COUNT,
        report_bytes=(SIGNED_BYTES + 32) // 16 + 7 + 65 + 48 * ROWS,
    )


def rounds_of_a_day(miners: int) -> int:
    """Rounds that begin in a day: drawn miners without an open round."""
    open_until: dict[int, int] = {}
    begun = 0
    period, life = (
        int(LIVE_CONSTANTS.challenge_period_blocks),
        int(LIVE_CONSTANTS.idle_deadline_blocks),
    )
    for block in range(DAY_BLOCKS):
        randomness = hashlib.sha256(block.to_bytes(4, "little")).digest()
        for index in drawn_indexes(randomness, miners, period):
            if open_until.get(index, 0) <= block:
                open_until[index] = block + life
                begun += 1
    return begun


def capacity() -> tuple[float, float]:
    """Rounds and reported fragments that the declared weights let into a day of blocks."""
    limit = block_weights(int(LIVE_CONSTANTS.block_ref_time_max)).per_class.normal.max_total
    assert limit is not None, "because users' extrinsics are limited"
    service = service_proof(
        U32(1), FaultyPositions(()), ScalarBytes(bytes(32)), Bytes48(bytes(48))
    ).ref_time
    answers = IdleAnswers([IdleAnswer(t=U16(0), proof=IdleProofBytes(b""))] * ANSWERS)
    each = service + idle_proof(U32(1), answers).ref_time + 2 * BASE_EXTRINSIC.ref_time
    report = ROWS * POINT + SIGNATURE + 7 * 25_000_000 + 10 * 100_000_000
    budget = int(limit.ref_time) * DAY_BLOCKS
    return budget / each, budget / report


def main() -> int:
    costs = measured()
    print(
        f"one round: service {costs.service_s * 1e3:.1f} ms, {costs.service_cold_s * 1e3:.1f} ms"
        f" with uncached reads, {costs.service_bytes} bytes; idle {costs.idle_s * 1e3:.1f} ms,"
        f" {costs.idle_bytes:,} bytes"
    )
    state_gib = costs.fragment_state * GIB // int(LIVE_CONSTANTS.fragment_bytes)
    print(
        f"one fragment of 8 MiB: {costs.fragment_state:,} bytes of state with keys"
        f" ({state_gib:,} a GiB), {costs.report_bytes:,} bytes of report"
    )
    rounds_max, reports_max = capacity()
    body_max = BLOCK_BYTES_MAX * NORMAL_PERCENT // 100 * DAY_BLOCKS
    fill = reports_max / FRAGMENTS_PER_TIB
    print(
        f"a day of live blocks: {rounds_max:,.0f} rounds by declared weight,"
        f" {body_max / 1e9:.0f} GB of bodies, {fill:.1f} TiB of new fragments"
    )
    pib = STATE_BYTES_MAX // costs.fragment_state * int(LIVE_CONSTANTS.fragment_bytes) / 2**50
    print(f"a state of {STATE_BYTES_MAX / 1e12:.0f} TB holds {pib:.1f} PiB of fragments")
    print(
        "    miners  TiB each   rounds/day  every days   MB/day   verify s/day   % of a core"
        "      state TB  limit"
    )
    for miners in MINERS:
        rounds = rounds_of_a_day(miners)
        for tib in TIB:
            size = rounds * (costs.service_bytes + costs.idle_bytes)
            seconds = rounds * (costs.service_cold_s + costs.idle_s)
            state = miners * tib * FRAGMENTS_PER_TIB * costs.fragment_state
            used = {
                "rounds a day": miners / min(rounds_max, 16 * DAY_BLOCKS),
                "bodies": size / body_max,
                "state": state / STATE_BYTES_MAX,
            }
            name = max(used, key=lambda key: used[key])
            print(
                f"{miners:>10,}  {tib:>8}   {rounds:>10,}  {miners / rounds:>10.1f}"
                f"  {size / 1e6:>7,.0f}   {seconds:>12,.0f}   {seconds / 864:>11.1f}"
                f"  {state / 1e12:>12,.2f}  {name} x{used[name]:,.2f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
