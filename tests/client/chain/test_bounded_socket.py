"""A node that sends without end does not fill the memory of its clients."""

from typing import Any

import pytest

from client.chain import ChainClient, ChainLimits, ChainUnreachable

pytestmark = pytest.mark.anyio


async def test_an_endless_answer_is_given_up(node: Any) -> None:
    limits = ChainLimits(connect_timeout_s=60.0, request_timeout_s=2.0, message_bytes_max=100_000)
    async with ChainClient.open(node.url, limits=limits) as chain:
        node.on["chain_getHeader"] = lambda _: "x" * 200_000
        node.on["system_name"] = lambda _: "x" * 50_000
        with pytest.raises(ChainUnreachable, match="more than 100000 bytes"):
            await chain.header()
        for _ in range(4):  # each message counts for itself
            assert len(await chain.rpc("system_name")) == 50_000
