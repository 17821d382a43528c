"""``chainSpec_v1_*``."""

from tests.node.bench import Bench, run
from tests.node.net import Net


def test_the_chain_says_what_never_changes(net: Net) -> None:
    async def test(bench: Bench) -> None:
        assert await bench.ask("chainSpec_v1_chainName") == "CESS Development"
        genesis = await bench.ask("chain_getBlockHash", 0)
        assert await bench.ask("chainSpec_v1_genesisHash") == genesis
        assert await bench.ask("chainSpec_v1_properties") == await bench.ask("system_properties")

    run(net, test)
