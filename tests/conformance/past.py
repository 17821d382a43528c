"""Chains with a past for a node process to begin with: authored in this process, block by block, in
the slots that are just over."""

import time
from pathlib import Path

from chain_spec.presets import dev
from node.config import NodeConfig
from node.consensus.chain import Chain
from node.consensus.finality import FinalityKeys
from node.consensus.set_changes import set_change_blocks
from node.database import ChainDatabase, LevelDb, genesis_state_root
from node.genesis import genesis_header
from tests.node.net import ALICE_GRANDPA, Net, dev_state
from tests.node.sync.chains import VOTERS, rotate

__all__ = ["ROTATION_BLOCKS", "write_past"]

ROTATION_BLOCKS = 30
MARGIN_S = 2


def write_past(
    base_path: Path, blocks: int, *, rotations: int = 0, keeps_last: bool = False
) -> int:
    """A development chain of so many blocks under ``base_path``; how many sets of voters ended.

    Every ``ROTATION_BLOCKS`` the only validator takes another voting key, and at last its first
    again, unless it ``keeps_last``: a change takes two sessions to come into force.
    """
    path = NodeConfig(base_path=base_path).database_path(dev().id)
    path.mkdir(parents=True)
    kv = LevelDb(path)
    database = ChainDatabase(kv, state_pruning=256)
    state = dev_state()
    database.initialise(genesis_header(genesis_state_root(state)), state)
    net = Net(Chain(database, FinalityKeys(None, (ALICE_GRANDPA, *VOTERS)), finalizes=True))
    # Authoring takes time, too: what is over at its end is not known before.
    slot = (time.time_ns() // 10**6) // net.duration_ms - blocks - MARGIN_S
    keys = VOTERS if keeps_last else (*VOTERS[: max(rotations - 1, 0)], ALICE_GRANDPA)
    for number in range(blocks):
        at, first = divmod(number, ROTATION_BLOCKS)
        extrinsics = [rotate(net, keys[at])] if first == 1 and at < rotations else []
        if number % 10 == 5:
            extrinsics.append(net.transfer())
        net.author(*extrinsics, slot=slot + number)
    assert database.finalized().number == blocks
    ended = len(set_change_blocks(database))
    kv.close()
    return ended
