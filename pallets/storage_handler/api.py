"""What clients ask about territories, by ``state_call``."""

from typing import Protocol

from pallets.frame.runtime_api import runtime_api
from pallets.storage_handler.pallet import StorageHandler
from pallets.storage_handler.types import TerritoryInfo, TerrName
from primitives.scale import U128, struct
from primitives.types import AccountId, Balance, Hash

__all__ = ["NetworkSpace", "TerritoriesApi"]


@struct(path="pallet_storage_handler::api::NetworkSpace")
class NetworkSpace:
    """The space of the network in bytes: what miners offer, hold, and what is leased."""

    idle: U128
    service: U128
    purchased: U128


class Host(Protocol):
    """A runtime with this pallet."""

    storage_handler: StorageHandler


@runtime_api(version=1)
class TerritoriesApi:
    """Leased space and its price."""

    def __init__(self, runtime: Host) -> None:
        self._pallet = runtime.storage_handler

    def territory(self, owner: AccountId, name: TerrName) -> TerritoryInfo | None:
        """A territory of an owner."""
        return self._pallet.territory.get(owner, name)

    def by_token(self, token: Hash) -> tuple[AccountId, TerrName] | None:
        """Owner and name of the territory with this token."""
        return self._pallet.territory_key.get(token)

    def unit_price(self) -> Balance:
        """The price of a unit of space for a day, in planck."""
        return self._pallet.unit_price.get()

    def network_space(self) -> NetworkSpace:
        """The space of all miners and all territories."""
        return NetworkSpace(
            idle=self._pallet.total_idle_space.get(),
            service=self._pallet.total_service_space.get(),
            purchased=self._pallet.purchased_space.get(),
        )
