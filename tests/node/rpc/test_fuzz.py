"""Every method under wrong, huge and random parameters: an answer or an error, never a crash.

The grammar begins with parameters that are right in kind (a hash of a block, an extrinsic, items of
storage) and breaks them, so that calls get past their parsers too.
"""

import random
from typing import Any, get_args

import pytest
import trio.testing

from node.rpc.registry import Registry
from node.service import registry
from primitives.crypto.ss58 import ss58_encode
from primitives.types import AccountId, Hash
from tests.node.bench import Bench, run
from tests.node.net import ALICE, Net

METHODS: Registry = registry()
ROUNDS = 40
INTERNAL = -32603

DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 7, 1 << 31, 1 << 32, (1 << 64) - 1, 1 << 70, 0.5, -1e308),
    *("", "0x", "0x0", "0xzz", "0x00", "00", " ", "\0", "\ud7ff", "null", "-1", "1e3"),
    *("0x" + "ff" * 31, "0x" + "ff" * 32, "0x" + "ff" * 33, "0x" + "00" * 5000, "9" * 400),
    *([], {}, [[]], [None], [1, "0x"], {"a": 1}, {"": None}, DEEP, [0] * 1500, ["0x"] * 1500),
    *({"key": "0x", "type": "value"}, [{"key": "0x"}], [{"type": "hash", "key": 1}]),
    *([{"hash": 1}], [{"extrinsic": "0x"}], [{"returnType": "value", "key": []}]),
)


FUNCTIONS = (
    *("Metadata_metadata_at_version", "Core_version", "AccountNonceApi_account_nonce", "_", "x_y"),
    *("BlockBuilder_apply_extrinsic", "Core_execute_block", "Core_initialize_block"),
    *("TaggedTransactionQueue_validate_transaction", "GenesisBuilder_build_state"),
)
ITEMS = (
    *({"key": "0x3a636f6465", "type": kind} for kind in ("value", "closestDescendantMerkleValue")),
    *({"key": "0x", "type": "descendantsHashes"}, {"key": "0x", "returnType": "hash"}),
    *({"returnType": "value"}, {"hash": "0x" + "12" * 32}, {"extrinsic": "0x1234"}),
)


def fitting(net: Net, follow: str) -> dict[object, tuple[Any, ...]]:
    """For each kind of parameter, values that are right for some method."""
    hashes = tuple(
        f"0x{found.hex()}"
        for number in (0, 1)
        if (found := net.chain.database.canonical_hash(number)) is not None
    )
    extrinsic = f"0x{net.transfer(nonce=1).hex()}"
    return {
        Hash: (*hashes, "0x" + "12" * 32),
        bytes: (extrinsic, "", "0x", "0x3a636f6465", "0x26aa394eea5630e0", "0x0f000000", hashes[0]),
        int: (0, 1, 2, "0x1", 1000, 1001, 1 << 33, (1 << 64) - 1),
        bool: (True, False),
        str: (*FUNCTIONS, follow, follow, "0", "1", "babe", "gran", "//Alice", "x" * 5000),
        AccountId: (ss58_encode(ALICE.account_id), f"0x{ALICE.account_id.hex()}"),
        object: (hashes[0], list(hashes), [0, 1, "0x1"], 1, None),
        list[bytes]: (["0x3a636f6465"], [], ["0x"] * 1000, ["0x"] * 1001),
        list[object]: (list(ITEMS), *([item] for item in ITEMS)),
    }


def fit(chosen: random.Random, kinds: dict[object, tuple[Any, ...]], hint: object) -> Any:
    """A value for a parameter, mostly of the right kind."""
    if chosen.random() < 0.15:
        return chosen.choice(JUNK)
    inner = [kind for kind in (hint, *get_args(hint)) if kind in kinds]
    return chosen.choice(kinds[inner[0]]) if inner else None


async def check(bench: Bench, method: str, params: list[Any]) -> None:
    answer = await bench.answer(method, *params)
    assert ("result" in answer) != ("error" in answer), (method, params)
    if "error" in answer:
        error = answer["error"]
        assert isinstance(error["code"], int), (method, params)
        assert error["code"] != INTERNAL, (method, params, error)
        assert isinstance(error["message"], str)
    while len(bench.session.outbox):
        await bench.event()


async def end_all(bench: Bench) -> None:
    await trio.testing.wait_all_tasks_blocked()
    for name in list(bench.session.scopes):
        bench.session.unsubscribe(name)
    for scope in bench.session.broadcasts.values():
        scope.cancel()
    bench.session.broadcasts.clear()


@pytest.mark.parametrize("group", sorted({name.split("_")[0] for name in METHODS.names()}))
def test_no_parameters_break_a_method(net: Net, group: str) -> None:
    chosen = random.Random(group)
    names = [name for name in METHODS.names() if name.split("_")[0] == group]

    async def test(bench: Bench) -> None:
        await bench.author(net.transfer())
        for name in names:
            method = METHODS.methods.get(name)
            hints = [str] if method is None else [entry.hint for entry in method.parameters]
            for junk in JUNK:
                await check(bench, name, [junk])
            await end_all(bench)
            kinds = fitting(net, await bench.ask("chainHead_v1_follow", True))
            for _ in range(ROUNDS):
                await check(bench, name, [fit(chosen, kinds, hint) for hint in hints])
            await end_all(bench)
        assert await bench.ask("system_chain") == "CESS Development", "it still answers"

    run(net, test)


def test_parameters_by_name_break_nothing(net: Net) -> None:
    async def test(bench: Bench) -> None:
        for name, method in METHODS.methods.items():
            names = [parameter.name for parameter in method.parameters]
            for junk in (None, 1, "0x", [], {}):
                for given in (dict.fromkeys(names, junk), {"other": junk}, {"": junk}):
                    answer = await bench.answer_named(name, given)
                    assert ("result" in answer) != ("error" in answer)
                    assert answer.get("error", {}).get("code") != INTERNAL, (name, given)
            await end_all(bench)

    run(net, test)
