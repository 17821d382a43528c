"""Errors are those of Substrate's node to the letter: clients act upon their codes and texts."""

from pathlib import Path
from typing import Any

import pytest

from node.consensus.chain import Chain
from node.consensus.finality import FinalityKeys
from node.database import ChainDatabase, MemoryKv, genesis_state_root
from node.genesis import genesis_header
from node.rpc.jsonrpc import SERVER_BUSY
from node.rpc.methods import transaction
from primitives.errors import RpcError
from primitives.keystore import Keystore
from tests.node.bench import Bench, run
from tests.node.net import ALICE, ALICE_GRANDPA, Net, dev_state

KEPT = 4
UNKNOWN = "0x" + "11" * 32
NOT_FOUND = f"Header was not found in the database: {UNKNOWN}"


@pytest.fixture
def forgetful() -> Net:
    """A chain that keeps few states and has six blocks."""
    database = ChainDatabase(MemoryKv(), state_pruning=KEPT)
    database.initialise(genesis_header(genesis_state_root(dev_state())), dev_state())
    net = Net(Chain(database, FinalityKeys(None, (ALICE_GRANDPA,)), finalizes=True))
    for _ in range(KEPT + 2):
        net.author()
    return net


def hex_of(data: bytes) -> str:
    return f"0x{data.hex()}"


async def refused(bench: Bench, method: str, *params: Any) -> dict[str, Any]:
    answer = await bench.answer(method, *params)
    assert "result" not in answer, (method, params)
    error: dict[str, Any] = answer["error"]
    return error


STORAGE = (
    *(("state_getStorage", ["0x00"]), ("state_getStorageHash", ["0x00"])),
    *(("state_getStorageSize", ["0x00"]), ("state_getKeysPaged", ["0x", 1, None])),
    *(("state_getKeys", ["0x"]), ("state_getPairs", ["0x"])),
    *(("state_getReadProof", [["0x00"]]), ("state_call", ["Core_version", "0x"])),
    ("state_call", ["AccountNonceApi_account_nonce", hex_of(ALICE.account_id)]),
    ("childstate_getStorage", [hex_of(b":child_storage:default:x"), "0x"]),
    ("state_getChildReadProof", [hex_of(b":child_storage:default:x"), ["0x"]]),
)
RUNTIME: tuple[tuple[str, list[Any]], ...] = (
    ("state_getRuntimeVersion", []),
    ("chain_getRuntimeVersion", []),
)


@pytest.mark.parametrize(
    ("prefix", "method", "params"),
    [
        *(("UnknownBlock", *one) for one in STORAGE),
        *(("Api called for an unknown Block", *one) for one in RUNTIME),
        ("Api called for an unknown Block", "state_getMetadata", []),
    ],
)
def test_a_state_that_is_not_kept_is_told_from_a_block_that_is_not_known(
    forgetful: Net, prefix: str, method: str, params: list[Any]
) -> None:
    """Clients go to an archive for a discarded state: they read that, and the hash behind it."""

    async def test(bench: Bench) -> None:
        old = forgetful.chain.database.canonical_hash(1)
        assert old is not None
        discarded = f"State already discarded for {hex_of(old)}"
        for block, why in ((hex_of(old), discarded), (UNKNOWN, NOT_FOUND)):
            assert await refused(bench, method, *params, block) == {
                "code": 4003,
                "message": f"Client error: {prefix}: {why}",
            }

    run(forgetful, test)


def test_what_a_transaction_costs_is_unknown_where_the_state_is(forgetful: Net) -> None:
    async def test(bench: Bench) -> None:
        data = hex_of(forgetful.transfer())
        for method, why in (
            ("payment_queryInfo", "Unable to query dispatch info."),
            ("payment_queryFeeDetails", "Unable to query fee details."),
            ("system_dryRun", "Unable to dry run extrinsic."),
        ):
            assert await refused(bench, method, data, UNKNOWN) == {
                "code": 1,
                "message": why,
                "data": f"Api called for an unknown Block: {NOT_FOUND}",
            }
            junk = await refused(bench, method, "0x1234")
            expected = why.removesuffix(".") if method == "system_dryRun" else why
            assert (junk["code"], junk["message"]) == (2, expected)
            assert junk["data"]

    run(forgetful, test)


def test_a_range_of_blocks_says_what_is_wrong_with_it(open_net: Net) -> None:
    async def test(bench: Bench) -> None:
        first, second = await bench.author(), await bench.author()
        slot = open_net.slot(first.header, 1_795_000_040)
        fork = await bench.author(parent=first.header, slot=slot)
        one, two, other = (hex_of(block.hash) for block in (first, second, fork))
        begin = "Cannot resolve a block range"
        for method, params, why in (
            (
                "state_queryStorage",
                [["0x00"], two, one],
                f"""['"2 ({two})"' ... '"1 ({one})"]. from number > to number""",
            ),
            (
                "state_queryStorage",
                [["0x00"], two, other],
                f"""['"2 ({two})"' ... '"2 ({other})"]. from and to are on different forks""",
            ),
            (
                "state_queryStorage",
                [["0x00"], UNKNOWN, one],
                f"""['"{UNKNOWN}"' ... '"Some({one})"]. UnknownBlock: {NOT_FOUND}""",
            ),
            (
                "state_queryStorageAt",
                [["0x00"], UNKNOWN],
                f"""['"{UNKNOWN}"' ... '"Some({UNKNOWN})"]. UnknownBlock: {NOT_FOUND}""",
            ),
        ):
            assert await refused(bench, method, *params) == {
                "code": 4001,
                "message": f"{begin} {why}",
            }
        assert await bench.ask("state_queryStorageAt", []) == []

    run(open_net, test)


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        (
            "state_call",
            ["Nothing_here", "0x"],
            {
                "code": 4003,
                "message": "Client error: Execution failed: Other: "
                "Exported method Nothing_here is not found",
            },
        ),
        (
            "chain_getBlockHash",
            [1 << 32],
            {
                "code": 3001,
                "message": "`Number(4294967296)` > u32::MAX, the max block number is u32.",
            },
        ),
        (
            "chain_getBlockHash",
            ["0x100000000"],
            {
                "code": 3001,
                "message": "`Hex(4294967296)` > u32::MAX, the max block number is u32.",
            },
        ),
        (
            "grandpa_proveFinality",
            [7],
            {
                "code": 4,
                "message": "GRANDPA prove finality rpc failed: Block not yet finalized",
                "data": "the last final block is 0",
            },
        ),
        ("grandpa_roundState", [], {"code": 1, "message": "GRANDPA RPC endpoint not ready"}),
        ("transaction_v1_stop", ["none"], {"code": -32602, "message": "Invalid operation id"}),
        ("no_such_method", [], {"code": -32601, "message": "Method not found"}),
        ("mmr_root", [], {"code": -32601, "message": "Method not found"}),
        ("beefy_getFinalizedHead", [], {"code": -32601, "message": "Method not found"}),
        ("state_traceBlock", [UNKNOWN], {"code": -32601, "message": "Method not found"}),
        (
            "state_getKeysPaged",
            ["0x", 1001],
            {"code": 4002, "message": "count exceeds maximum value. value: 1001, max: 1000"},
        ),
    ],
)
def test_an_error_is_the_one_that_substrate_gives(
    net: Net, method: str, params: list[Any], error: dict[str, Any]
) -> None:
    async def test(bench: Bench) -> None:
        assert await refused(bench, method, *params) == error

    run(net, test)


@pytest.mark.parametrize(
    "method",
    [
        *("author_insertKey", "author_rotateKeys", "author_hasKey", "author_hasSessionKeys"),
        *("author_removeExtrinsic", "system_peers", "system_dryRun", "system_addReservedPeer"),
        *("system_removeReservedPeer", "system_unstable_networkState", "system_addLogFilter"),
        *("system_resetLogFilter", "state_getPairs", "state_queryStorage"),
        *("babe_epochAuthorship", "state_subscribeStorage"),
    ],
)
def test_an_unsafe_method_is_not_found_from_outside(net: Net, method: str) -> None:
    async def test(bench: Bench) -> None:
        assert await refused(bench, method) == {
            "code": -32601,
            "message": "RPC call is unsafe to be called externally",
        }

    run(net, test, deny_unsafe=True)


def test_keys_are_refused_as_substrates_author_module_does(net: Net, tmp_path: Path) -> None:
    bad_type = "Invalid key type ID format (should be of length four)"

    async def test(bench: Bench) -> None:
        key = hex_of(ALICE.public)
        for method, params in (
            ("author_insertKey", ("bab", "//Alice", key)),
            ("author_hasKey", (key, "babes")),
        ):
            assert await refused(bench, method, *params) == {"code": 1040, "message": bad_type}
        assert await refused(bench, "author_hasSessionKeys", "0x12") == {
            "code": 1040,
            "message": "Session keys are not encoded correctly",
        }
        for params in (("babe", "//Bob", key), ("babe", "no phrase", key), ("imon", "//A", key)):
            error = await refused(bench, "author_insertKey", *params)
            assert (error["code"], error["message"]) == (1040, "The key store is unavailable")
        assert await bench.ask("author_hasKey", key, "imon") is False

    run(net, test, keystore=Keystore(tmp_path / "keys"))


def test_following_is_refused_in_the_words_of_the_node(net: Net) -> None:
    async def test(bench: Bench) -> None:
        name = await bench.ask("chainHead_v1_follow", True)
        plain = await bench.ask("chainHead_v1_follow", False)
        at = hex_of(net.chain.database.genesis_hash)
        while len(bench.session.outbox) < 4:
            await bench.author()
        for method, params, code, message in (
            (
                "chainHead_v1_follow",
                (True,),
                -32800,
                "Maximum number of chainHead_follow has been reached",
            ),
            ("chainHead_v1_header", (name, UNKNOWN), -32801, "Invalid block hash"),
            (
                "chainHead_v1_call",
                (plain, at, "Core_version", ""),
                -32802,
                "The `chainHead_follow` subscription was started with `withRuntime` set to `false`",
            ),
            (
                "chainHead_v1_unpin",
                (name, [at, at]),
                -32804,
                "Received duplicate hashes for the `chainHead_unpin` method",
            ),
        ):
            error = await refused(bench, method, *params)
            assert error == {"code": code, "message": message}

    run(net, test)


def test_a_busy_node_does_not_call_a_transaction_invalid() -> None:
    busy = transaction._refusal(RpcError(SERVER_BUSY, "Server is busy, try again later"))
    assert busy["event"] == "dropped"
    assert transaction._refusal(RpcError(1010, "Invalid Transaction"))["event"] == "invalid"
    assert transaction._refusal(RpcError(1002, "Verification Error"))["event"] == "invalid"
