"""The pallet's runtime API over a state in memory."""

from typing import Any

from node.runtime import CessRuntime, apis, runtime_at
from pallets.storage_handler.api import NetworkSpace
from pallets.storage_handler.types import TerritoryInfo, TerritoryState, TerrName
from primitives.scale import U128, decode, encode
from primitives.types import AccountId, Balance, BlockNumber, Hash
from tests.node.runtime.chain import genesis_state, pair

ALICE = pair("Alice").account_id


def ask(runtime: CessRuntime, method: str, output: Any, *params: bytes) -> Any:
    return decode(output, apis(runtime).call(method, b"".join(params)))


def test_a_territory_is_found_by_owner_and_by_token() -> None:
    runtime = runtime_at(genesis_state())
    token, name = Hash(b"t" * 32), TerrName(b"photos")
    territory = TerritoryInfo(
        token=token,
        total_space=U128(10),
        used_space=U128(1),
        locked_space=U128(2),
        remaining_space=U128(7),
        start=BlockNumber(3),
        deadline=BlockNumber(99),
        state=TerritoryState.Active,
    )
    runtime.storage_handler.territory[ALICE, name] = territory
    runtime.storage_handler.territory_key[token] = (ALICE, name)
    key = encode(TerrName, name)
    assert ask(runtime, "TerritoriesApi_territory", TerritoryInfo | None, ALICE, key) == territory
    found = ask(runtime, "TerritoriesApi_by_token", tuple[AccountId, TerrName] | None, token)
    assert found == (ALICE, name)
    other = encode(TerrName, TerrName(b"none"))
    assert ask(runtime, "TerritoriesApi_territory", TerritoryInfo | None, ALICE, other) is None


def test_price_and_space_are_told() -> None:
    runtime = runtime_at(genesis_state())
    price = ask(runtime, "TerritoriesApi_unit_price", Balance)
    assert price == runtime.storage_handler.unit_price.get() > 0
    runtime.storage_handler.total_idle_space.put(U128(5))
    space = ask(runtime, "TerritoriesApi_network_space", NetworkSpace)
    assert space == NetworkSpace(idle=U128(5), service=U128(0), purchased=U128(0))
