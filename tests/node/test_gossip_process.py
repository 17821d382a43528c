"""Two nodes as processes: a transaction that one takes over RPC is in the other's block."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from websocket import create_connection

from node.network.node_key import NodeKey
from primitives.crypto.keys import KeyPair
from tests.conformance.live import running
from tests.node.net import new_net

pytestmark = pytest.mark.integration

PORT = 31_810


def test_a_transaction_goes_from_a_full_node_to_the_author_and_comes_back_final(
    tmp_path: Path,
) -> None:
    key = NodeKey.new()
    address = f"/ip4/127.0.0.1/tcp/{PORT}"
    author, full = tmp_path / "author", tmp_path / "full"
    author.mkdir()
    full.mkdir()
    listens = ("--listen-addr", address, "--node-key", key.seed.hex())
    dials = (
        *("--listen-addr", f"/ip4/127.0.0.1/tcp/{PORT + 1}"),
        *("--bootnodes", f"{address}/p2p/{key.peer_id}"),
    )
    data = new_net().transfer(pair=KeyPair.from_suri("//Bob"), nonce=0)
    with (
        running(author, *listens) as one,
        running(full, *dials, chain=("--chain", "dev")) as two,
    ):
        two.wait_height(one.height + 1)
        with closing(create_connection(two.url, timeout=180)) as socket:
            asked = {"jsonrpc": "2.0", "id": 1, "method": "author_submitAndWatchExtrinsic"}
            socket.send(json.dumps({**asked, "params": [f"0x{data.hex()}"]}))
            seen = [json.loads(socket.recv())]
            while "params" not in seen[-1] or "finalized" not in seen[-1]["params"]["result"]:
                seen.append(json.loads(socket.recv()))
        statuses = [each["params"]["result"] for each in seen[1:]]
        assert statuses[0] == "ready"
        assert statuses[1] == {"broadcast": [key.peer_id]}
        block = one.ask("chain_getBlock", statuses[-1]["finalized"])["block"]
        assert f"0x{data.hex()}" in block["extrinsics"]
        assert one.ask("system_peers")[0]["roles"] == "FULL"
