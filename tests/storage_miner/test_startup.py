"""Starting a miner: a node that is slow or away then is waited for."""

from typing import Any, cast

import pytest

from client.chain import ChainMismatch, ChainUnreachable
from storage_miner.chain import MinerChain
from storage_miner.facts import ChainFacts
from storage_miner.startup import facts_of
from tests.storage_miner.kit import FACTS


class SlowChain:
    """Fails so often before it tells its constants."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    async def facts(self) -> ChainFacts:
        if self.failures:
            raise self.failures.pop(0)
        return FACTS


@pytest.mark.trio
async def test_a_node_that_does_not_tell_its_constants_in_time_is_asked_again(
    autojump_clock: Any,
) -> None:
    chain = SlowChain(*(ChainUnreachable("ws://a:1", "no answer in time") for _ in range(3)))
    assert await facts_of(cast("MinerChain", chain)) == FACTS


@pytest.mark.trio
async def test_what_does_not_pass_by_itself_ends_the_start() -> None:
    with pytest.raises(ChainMismatch):
        await facts_of(cast("MinerChain", SlowChain(ChainMismatch("another chain"))))
