"""The calls about plots, which the file bank takes for Sminer, and what the pallet declares."""

from dataclasses import replace

import pytest

from pallets.file_bank import FileBank, IdleAnswer, IdleAnswers
from pallets.file_bank.types import IdleProofBytes
from pallets.frame import BadOrigin, Origin
from pallets.frame.context import NUMBER_KEY
from pallets.sminer import Sminer
from primitives.scale import U16, U64, U128
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    FRAGMENT,
    MINERS,
    PLOT,
    World,
    answers_of,
    refused,
)

MINER = MINERS[0]


def made_answers(pairs):
    return IdleAnswers(IdleAnswer(t=U16(t), proof=IdleProofBytes(proof)) for t, proof in pairs)


def certify(world, plot, *, of=MINER):
    """Ask for one plot, wait for the draw and answer."""
    world.call("FileBank", "cert_idle_space", of, count=U64(1))
    world.go()
    pending = world.miners.pending_idle[of]
    pairs = answers_of(plot, pending.seed, int(pending.from_index), int(pending.to_index))
    world.call("FileBank", "prove_idle_space", of, answers=made_answers(pairs))
    return pairs


def test_plots_are_certified_by_answers(plot):
    world = World(miners=1, plots=0)
    certify(world, plot)
    assert world.events(FileBank.IdleSpaceRequest) == [
        FileBank.IdleSpaceRequest(acc=MINER, from_index=U64(0), to_index=U64(1))
    ]
    assert world.events(FileBank.IdleSpaceCert) == [
        FileBank.IdleSpaceCert(acc=MINER, space=U128(PLOT))
    ]
    assert world.miners.miner_items[MINER].idle_space == PLOT
    check(world)


def test_answers_of_another_miners_plot_certify_nothing(plot):
    world = World(miners=2, plots=0)
    with pytest.raises(Sminer.InvalidIdleProof):
        certify(world, plot, of=MINERS[1])


def test_displaced_plots_are_retired(world):
    world.miners.idle_to_service(MINER, U128(PLOT))
    world.call("FileBank", "replace_idle_space", MINER, count=U64(1))
    assert world.events(FileBank.ReplaceIdleSpace) == [
        FileBank.ReplaceIdleSpace(acc=MINER, space=U128(PLOT))
    ]
    with refused(world, Sminer.InsufficientReplaceable):
        world.call("FileBank", "replace_idle_space", MINER, count=U64(1))


def test_every_call_is_signed(world):
    samples = {
        "cert_idle_space": {"count": U64(1)},
        "replace_idle_space": {"count": U64(1)},
        "prove_idle_space": {"answers": IdleAnswers()},
    }
    for name, arguments in samples.items():
        with refused(world, BadOrigin):
            world.chain.call("FileBank", name, Origin.root(), **arguments)


def test_a_segment_is_four_fragments_of_data(world):
    config = world.bank.config
    world.bank.config = replace(config, segment_bytes=U64(4 * FRAGMENT + 1))
    with pytest.raises(AssertionError, match="four data fragments"):
        world.bank.integrity_test()
    world.bank.config = config
    world.bank.integrity_test()


def test_wire_indexes_are_those_of_cess():
    names = {spec.index: spec.name for spec in FileBank.call_specs}
    assert names == {
        0: "upload_declaration",
        3: "transfer_report",
        5: "replace_idle_space",
        6: "delete_file",
        8: "cert_idle_space",
        13: "generate_restoral_order",
        14: "claim_restoral_order",
        15: "claim_restoral_noexist_order",
        16: "restoral_order_complete",
        24: "prove_idle_space",
    }


def test_empty_blocks_write_cursors_and_nothing_else(world):
    before = world.chain.changes()
    world.go(5)
    after = world.chain.changes()
    changed = {key for key, value in after.items() if value != before.get(key)}
    leases = type(world.runtime.storage_handler)
    assert changed <= {
        NUMBER_KEY,
        FileBank.deal_cursor.key(),
        Sminer.exit_cursor.key(),
        leases.frozen_cursor.key(),
        leases.expired_cursor.key(),
    }
