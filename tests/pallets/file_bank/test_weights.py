"""Weights grow with what a call does, and the heaviest call fits into a block of every preset."""

import pytest

from chain_spec.presets import DEV_CONSTANTS, LIVE_CONSTANTS
from pallets.audit.types import FaultyPositions, IdleAnswer, IdleAnswers, IdleProofBytes
from pallets.audit.weights import idle_proof, service_proof
from pallets.file_bank import FragmentReport, FragmentReports, RowCommitments
from pallets.file_bank.weights import FIND_FRAGMENT, declaration, idle_certificate, transfer_report
from pallets.frame.limits import block_weights
from pallets.mdrc.pallet import CLAIM
from primitives.crypto.keys import KeyPair
from primitives.scale import U8, U16, U32, U128
from primitives.types import Bytes48, FileHash
from proofs.podr2.params import row_count
from proofs.podr2.wire import ScalarBytes
from tests.pallets.file_bank.storage_world import ALICE, DealSegments, UserBrief, made_file

FID = FileHash(bytes(32))
ANSWERS = IdleAnswers([IdleAnswer(t=U16(0), proof=IdleProofBytes(b""))] * 256)


def reports(count: int, rows: int, scheme: str = "sr25519") -> FragmentReports:
    signature = KeyPair.from_suri("//Alice", scheme).multi_signature(b"")
    one = FragmentReport(
        segment_index=U32(0),
        fragment_index=U8(0),
        commitments=RowCommitments([Bytes48(bytes(48))] * rows),
        co_signature=signature,
    )
    return FragmentReports([one] * count)


def test_a_report_weighs_its_points_and_its_signatures():
    one, two = (transfer_report(FID, reports(1, rows)).ref_time for rows in (1, 2))
    assert two - one == 130_000_000
    ecdsa = transfer_report(FID, reports(1, 1, "ecdsa")).ref_time
    assert ecdsa - one == 2_400_000_000


def test_a_declaration_weighs_its_segments():
    item = made_file("a").segments[0]
    brief = UserBrief(user=ALICE.account_id, file_name=b"", territory_name=b"")
    weights = [
        declaration(FID, DealSegments([item] * count), brief, U128(0)).ref_time
        for count in (1, 2, 3)
    ]
    assert weights[2] - weights[1] == weights[1] - weights[0] > 100_000_000


def faulty(count: int) -> FaultyPositions:
    return FaultyPositions(U16(index) for index in range(count))


@pytest.mark.parametrize("constants", [DEV_CONSTANTS, LIVE_CONSTANTS], ids=["dev", "live"])
def test_the_heaviest_calls_fit_into_a_block(constants):
    limits = block_weights(int(constants.block_ref_time_max))
    limit = limits.per_class.normal.max_extrinsic
    assert limit is not None
    rows = row_count(int(constants.fragment_bytes))
    item = made_file("a").segments[0]
    brief = UserBrief(user=ALICE.account_id, file_name=b"", territory_name=b"")
    heaviest = {
        "transfer_report": transfer_report(FID, reports(16, rows)),
        "declaration": declaration(FID, DealSegments([item] * 1000), brief, U128(0)),
        "find": FIND_FRAGMENT,
        "certificate": idle_certificate(ANSWERS),
        "idle": idle_proof(U32(1), ANSWERS),
        "service": service_proof(U32(1), faulty(460), ScalarBytes(bytes(32)), Bytes48(bytes(48))),
        "claim": CLAIM,
    }
    too_heavy = {
        name: weight.ref_time
        for name, weight in heaviest.items()
        if weight.ref_time > int(limit.ref_time)
    }
    assert too_heavy == {}


def test_calls_are_charged_by_their_own_arguments(world):
    table = world.runtime.calls()
    made = table.make("FileBank", "transfer_report", deal_hash=FID, reports=reports(2, 1))
    assert made.info().weight == transfer_report(FID, reports(2, 1))
