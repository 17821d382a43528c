"""Chains with a past for a node process to begin with: authored in this process, block by block, in
the slots that are just over."""

import time
from collections.abc import Sequence
from pathlib import Path

from chain_spec.presets import dev
from chain_spec.spec import ChainSpec
from node.config import NodeConfig
from node.consensus.authorities import epoch_for
from node.consensus.chain import Chain
from node.consensus.finality import FinalityKeys
from node.consensus.set_changes import set_change_blocks
from node.consensus.slots import claim_slot
from node.database import ChainDatabase, LevelDb, genesis_state_root
from node.genesis import genesis_header, genesis_state
from primitives.crypto.keys import KeyPair
from tests.node.net import ALICE_GRANDPA, Net
from tests.node.sync.chains import VOTERS, rotate

__all__ = ["ROTATION_BLOCKS", "write_past"]

ROTATION_BLOCKS = 30
MARGIN_S = 2


def write_past(
    base_path: Path,
    blocks: int,
    *,
    rotations: int = 0,
    keeps_last: bool = False,
    spec: ChainSpec | None = None,
    validators: Sequence[str] = ("//Alice",),
) -> int:
    """A chain of so many blocks under ``base_path``; how many sets of voters ended.

    ``validators`` are all that ``spec`` has. Every ``ROTATION_BLOCKS`` Alice, if she is the only
    one, takes another voting key, and at last her first again, unless she ``keeps_last``: a change
    takes two sessions to come into force.
    """
    spec = spec or dev()
    path = NodeConfig(base_path=base_path).database_path(spec.id)
    path.mkdir(parents=True)
    kv = LevelDb(path)
    database = ChainDatabase(kv, state_pruning=256)
    state = genesis_state(spec)
    database.initialise(genesis_header(genesis_state_root(state)), state)
    authors = [KeyPair.from_suri(each) for each in validators]
    voters = tuple(KeyPair.from_suri(each, "ed25519") for each in validators)
    chain = Chain(database, FinalityKeys(None, (*voters, *VOTERS)), finalizes=True)
    net = Net(chain)
    # Authoring takes time, too: what is over at its end is not known before.
    begin = (time.time_ns() // 10**6) // net.duration_ms - blocks - MARGIN_S
    keys = VOTERS if keeps_last else (*VOTERS[: max(rotations - 1, 0)], ALICE_GRANDPA)
    for number in range(blocks):
        at, first = divmod(number, ROTATION_BLOCKS)
        extrinsics = [rotate(net, keys[at])] if first == 1 and at < rotations else []
        if number % 10 == 5:
            extrinsics.append(net.transfer())
        slot, parent = begin + number, chain.best_header()
        claim = claim_slot(slot, epoch_for(chain.runtime(parent.hash()), slot), authors)
        assert claim is not None, "because each slot has a secondary author"
        chain.build(
            parent,
            claim,
            net.judged(extrinsics),
            now_ms=slot * net.duration_ms,
            is_late=lambda: False,
        )
    assert database.finalized().number == blocks
    ended = len(set_change_blocks(database))
    kv.close()
    return ended
