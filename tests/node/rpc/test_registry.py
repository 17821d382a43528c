"""Signatures parse parameters; names are listed exactly."""

import types

import pytest

from node.rpc.jsonrpc import Json, Request
from node.rpc.registry import Method, Registry, camel_case, rpc_method, rpc_subscription
from node.service import registry
from primitives.crypto.keys import KeyPair
from primitives.crypto.ss58 import ss58_encode
from primitives.errors import RpcError
from primitives.types import AccountId, Hash


@rpc_method("t_all", aliases=("t_every",))
def everything(
    _ctx: object,
    data: bytes,
    hash_: Hash | None = None,
    number: int = 7,
    keys: list[bytes] | None = None,
    flag: bool = False,
    raw: object = None,
) -> Json:
    """All kinds of parameters."""
    return None


@rpc_method("t_who", unsafe=True)
def who(_ctx: object, account: AccountId, name: str = "x") -> Json:
    """An account."""
    return None


@rpc_subscription("t_sub", event="t_event", unsubscribe="t_unsub", unsubscribe_aliases=("t_un",))
async def feed(_ctx: object, _sink: object) -> None:
    """A subscription."""


MODULE = types.ModuleType("t")
MODULE.__dict__.update(everything=everything, who=who, feed=feed)
METHODS = Registry.of([MODULE])
HASH = "0x" + "ab" * 32


def request(method: str) -> Request:
    return Request(method, [], 1, wants_answer=True)


def test_lists_give_positions_and_objects_give_names() -> None:
    listed = everything.arguments(["0x01", HASH, 3, ["0x02"], True, {"any": 1}])
    assert listed == [b"\x01", bytes.fromhex("ab" * 32), 3, [b"\x02"], True, {"any": 1}]
    named = everything.arguments({"data": "0x01", "hash": HASH})
    assert named == [b"\x01", bytes.fromhex("ab" * 32), 7, None, False, None]
    assert camel_case("start_key") == "startKey"
    assert camel_case("hash_") == "hash"


def test_hex_comes_with_its_prefix_or_without() -> None:
    for text in ("0xAb01", "ab01"):
        assert everything.arguments([text])[0] == b"\xab\x01"
    assert everything.arguments(["0x", HASH[2:]])[1] == bytes.fromhex("ab" * 32)


def test_null_stands_for_a_parameter_left_out() -> None:
    assert everything.arguments(["0x", None, None, None]) == [b"", None, 7, None, False, None]
    assert everything.arguments([""])[0] == b""
    assert everything.arguments(["0x", None, None, None, None, None, None])[0] == b""


def test_what_comes_after_the_last_parameter_is_left_alone() -> None:
    """As with Substrate's server: some clients send more than a method takes."""
    given: list[Json] = ["0x", None, 1, None, False, None, 1, {"any": [1]}]
    assert everything.arguments(given) == [b"", None, 1, None, False, None]


@pytest.mark.parametrize("text", ["12", "0xc", 12])
def test_numbers_come_in_three_forms(text: object) -> None:
    assert everything.arguments(["0x", None, text])[2] == 12


@pytest.mark.parametrize(
    "params",
    [
        [],
        [None],
        ["012"],
        ["0x0"],
        ["0xzz"],
        [1],
        ["0x", "0x12"],
        ["0x", None, -1],
        ["0x", None, "x"],
        ["0x", None, True],
        ["0x", None, 1.5],
        ["0x", None, "9" * 30],
        ["0x", None, 2**64],
        ["0x", None, 1, "0x"],
        ["0x", None, 1, [1]],
        ["0x", None, 1, None, 1],
        {"data": "0x", "other": 1},
    ],
)
def test_wrong_parameters_are_refused(params: list[Json]) -> None:
    with pytest.raises(RpcError) as caught:
        everything.arguments(params)
    assert caught.value.code == -32602


def test_accounts_are_addresses_of_any_network_or_hex() -> None:
    alice = KeyPair.from_suri("//Alice").account_id
    for text in (ss58_encode(alice), ss58_encode(alice, 42), f"0x{alice.hex()}"):
        assert who.arguments([text])[0] == alice
    for text in ("5Grwva", "0x12", 7, "0x" + "ab" * 33):
        with pytest.raises(RpcError):
            who.arguments([text])


def test_names_list_exactly_what_can_be_called() -> None:
    assert METHODS.names() == [
        "rpc_discover",
        "rpc_methods",
        "t_all",
        "t_every",
        "t_sub",
        "t_un",
        "t_unsub",
        "t_who",
    ]


def test_an_alias_is_the_same_method() -> None:
    assert METHODS.find(request("t_every"), deny_unsafe=True) is everything


def test_an_unsafe_method_is_refused_on_a_public_port() -> None:
    assert METHODS.find(request("t_who"), deny_unsafe=False) is who
    with pytest.raises(RpcError, match="unsafe to be called externally") as caught:
        METHODS.find(request("t_who"), deny_unsafe=True)
    assert caught.value.code == -32601


def test_an_unknown_method_is_not_found() -> None:
    with pytest.raises(RpcError, match="Method not found"):
        METHODS.find(request("t_none"), deny_unsafe=False)


def test_a_name_may_be_taken_once() -> None:
    twin = types.ModuleType("twin")
    twin.__dict__.update(a=everything, b=everything)
    with pytest.raises(AssertionError):
        Registry.of([twin])


def test_the_node_serves_what_clients_ask_for() -> None:
    wanted = {
        *("chain_getBlockHash", "chain_getHead", "chain_getHeader", "chain_getBlock"),
        *("chain_getFinalizedHead", "chain_subscribeNewHead", "chain_subscribeNewHeads"),
        *("chain_subscribeFinalizedHeads", "chain_subscribeAllHeads", "chain_unsubscribeNewHeads"),
        *("state_getMetadata", "state_getRuntimeVersion", "state_call", "state_getStorage"),
        *("state_getStorageAt", "state_getKeysPaged", "state_queryStorageAt", "state_getReadProof"),
        *("state_subscribeStorage", "state_subscribeRuntimeVersion", "author_submitExtrinsic"),
        *("author_submitAndWatchExtrinsic", "author_unwatchExtrinsic", "author_pendingExtrinsics"),
        *("system_chain", "system_properties", "system_name", "system_version", "system_health"),
        *("system_accountNextIndex", "account_nextIndex", "payment_queryInfo", "rpc_methods"),
        *("grandpa_proveFinality", "grandpa_subscribeJustifications"),
    }
    assert wanted <= set(registry().names())


def test_every_method_says_what_it_answers() -> None:
    found = registry().methods.values()
    assert all(isinstance(method, Method) and method.function.__doc__ for method in found)
