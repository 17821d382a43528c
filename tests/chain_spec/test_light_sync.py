"""The checkpoint in a chain spec."""

import json
from dataclasses import replace

import pytest

from chain_spec.errors import ChainSpecError
from chain_spec.light_sync import PART_BYTES_MAX, LightSyncState
from chain_spec.presets import dev
from chain_spec.spec import ChainSpec

CHECKPOINT = LightSyncState(
    babe_epoch_changes=b"\1\2",
    babe_finalized_block_weight=2**32 - 1,
    finalized_block_header=b"\3",
    grandpa_authority_set=b"\4" * 100,
)
GOOD = CHECKPOINT.to_json()


def read(checkpoint: object) -> ChainSpec:
    document = json.loads(dev().to_json())
    document["lightSyncState"] = checkpoint
    return ChainSpec.from_json(json.dumps(document))


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    spec = replace(dev(), light_sync_state=CHECKPOINT)
    again = ChainSpec.from_json(spec.to_json())
    assert again == spec
    assert read(GOOD).light_sync_state == CHECKPOINT


def test_a_spec_needs_no_checkpoint() -> None:
    assert read(None).light_sync_state is None
    assert "lightSyncState" not in json.loads(dev().to_json())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"babeEpochChanges": "00"}, "hexadecimal"),
        ({"babeEpochChanges": "0x"}, "0 bytes"),
        ({"finalizedBlockHeader": "0x" + "00" * (PART_BYTES_MAX + 1)}, "may have"),
        ({"babeFinalizedBlockWeight": -1}, "from 0"),
        ({"babeFinalizedBlockWeight": 2**32}, "from 0"),
        ({"babeFinalizedBlockWeight": True}, "integer"),
        ({"grandpaAuthoritySet": None}, "hexadecimal"),
        ({"surprise": 1}, "not known"),
    ],
)
def test_a_checkpoint_that_is_none_is_refused(change: dict[str, object], problem: str) -> None:
    assert isinstance(GOOD, dict)
    with pytest.raises(ChainSpecError, match=problem):
        read({**GOOD, **change})


@pytest.mark.parametrize("name", ["babeEpochChanges", "grandpaAuthoritySet"])
def test_no_part_may_be_missing(name: str) -> None:
    assert isinstance(GOOD, dict)
    with pytest.raises(ChainSpecError, match="missing"):
        read({key: value for key, value in GOOD.items() if key != name})
