"""The OpenRPC document says what the node serves."""

import json
import re
from pathlib import Path

from node.rpc.discovery import openrpc
from node.service import registry
from tests.node.bench import Bench, run
from tests.node.net import Net


def test_every_method_is_described_once_and_in_order() -> None:
    found = openrpc(registry(), "1.2.3")
    assert [entry["name"] for entry in found["methods"]] == registry().names()  # type: ignore[index, union-attr, call-overload]
    assert json.loads(json.dumps(found)) == found
    for entry in found["methods"]:  # type: ignore[union-attr]
        assert entry["summary"].endswith("."), entry  # type: ignore[index, union-attr, call-overload]


def test_parameters_come_from_signatures(net: Net) -> None:
    async def test(bench: Bench) -> None:
        found = await bench.ask("rpc_discover")
        assert found["openrpc"] == "1.3.2"
        assert found["info"]["version"] == "1.2.3"
        by_name = {entry["name"]: entry for entry in found["methods"]}
        paged = by_name["state_getKeysPaged"]["params"]
        assert [entry["name"] for entry in paged] == ["prefix", "count", "startKey", "hash"]
        assert not any(entry["required"] for entry in paged)
        insert = by_name["author_insertKey"]
        assert insert["tags"] == [{"name": "unsafe", "description": "refused on public ports"}]
        assert all(entry["required"] for entry in insert["params"])
        follow = by_name["chainHead_v1_follow"]
        assert follow["result"]["schema"] == {"type": "string"}
        assert follow["params"][0]["schema"] == {"type": "boolean"}
        assert by_name["chainHead_v1_unfollow"]["result"]["schema"] == {"type": "null"}
        assert by_name["author_unwatchExtrinsic"]["result"]["schema"] == {"type": "boolean"}

    run(net, test)


def test_the_specification_lists_every_method_and_no_other() -> None:
    text = (Path(__file__).parents[3] / "docs" / "specs" / "rpc.md").read_text()
    begin, end = text.index("## Methods"), text.index("## Limits")
    rows = re.findall(r"^\| (`.+?) \|", text[begin:end], re.MULTILINE)
    listed = [name for cell in rows for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(listed) == registry().names()
