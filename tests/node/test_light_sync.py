"""Checkpoints: what they say of epochs and voters."""

import pytest

from node.light_sync import AuthoritySet, EpochChanges, NoCheckpoint, RegularEpoch, light_sync_state
from primitives.errors import RpcError
from primitives.header import Header
from primitives.scale import decode
from tests.node.bench import Bench, run
from tests.node.net import Net


def test_there_is_no_checkpoint_at_block_0(net: Net) -> None:
    with pytest.raises(NoCheckpoint, match="wait"):
        light_sync_state(net.chain)

    async def test(bench: Bench) -> None:
        with pytest.raises(RpcError, match="wait"):
            await bench.ask("sync_state_genSyncSpec", True)

    run(net, test)


def test_a_checkpoint_tells_the_epochs_of_the_final_block_and_its_voters(net: Net) -> None:
    async def test(bench: Bench) -> None:
        epoch_slots = int(net.chain.runtime(net.chain.database.genesis_hash).constants.epoch_slots)
        for blocks in (1, epoch_slots, epoch_slots):
            for _ in range(blocks):
                await bench.author()
            found = light_sync_state(net.chain)
            final = net.chain.database.finalized()
            header = net.chain.database.header(final.hash)
            assert header is not None
            assert final.number > 0
            assert decode(Header, found.finalized_block_header) == header
            babe = net.chain.runtime(final.hash).babe
            changes = decode(EpochChanges, found.babe_epoch_changes)
            told = sorted(changes.epochs, key=lambda each: each[1])
            epochs = [each[2] for each in told]
            assert epochs == [
                RegularEpoch(epoch=babe.current_epoch()),
                RegularEpoch(epoch=babe.next_epoch()),
            ]
            for hash_, number, _ in told:
                assert net.chain.database.canonical_hash(int(number)) == hash_
                assert number <= final.number
            voters = decode(AuthoritySet, found.grandpa_authority_set)
            grandpa = net.chain.runtime(final.hash).grandpa
            assert voters.current_authorities == grandpa.authority_list()
            assert voters.set_id == grandpa.set_id()
            spec = await bench.ask("sync_state_genSyncSpec", True)
            assert spec["lightSyncState"] == found.to_json()
            assert "raw" in spec["genesis"]

    run(net, test)
