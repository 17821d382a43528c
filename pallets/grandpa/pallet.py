"""Finality: the authorities that vote on it.

The set is that of genesis and its id stays 0: this chain does not change its set yet. Votes are
counted by the node; the chain only says whose count.

Bounds: ``max_authorities``. Provided: ``Finality`` of Session; to the node and its runtime API
``authority_list`` and ``set_id``.
"""

from typing import Annotated

from pallets.frame import Doc, Pallet, PalletConfig, StorageMap, StorageValue, Twox64Concat
from primitives.digest import AuthorityKey
from primitives.scale import U32, U64

__all__ = ["Authorities", "Grandpa"]

Authorities = tuple[tuple[AuthorityKey, U64], ...]
"""Keys with their weights; every weight is 1."""

WEIGHT_EACH = U64(1)


class Grandpa(Pallet):
    """The voters of finality."""

    class Config(PalletConfig):
        """The size of the set."""

        max_authorities: Annotated[U32, Doc("The most authorities that may vote.")]

    config: Config

    current_set_id = StorageValue(
        U64, default=U64(0), doc="How many times the set of authorities has changed."
    )
    # Set ids count up.
    set_id_session = StorageMap(
        U64, U32, hasher=Twox64Concat, doc="The session in which a set of authorities began."
    )
    authorities = StorageValue(Authorities, default=(), doc="Who votes, in order.")

    # Port of Session.

    def on_genesis_session(self, keys: tuple[AuthorityKey, ...]) -> None:
        """Take the authorities."""
        assert 0 < len(keys) <= self.config.max_authorities, "because a chain spec is checked"
        self.authorities.put(tuple((key, WEIGHT_EACH) for key in keys))
        self.set_id_session[U64(0)] = U32(0)

    # Views, for the node and its runtime API.

    def authority_list(self) -> Authorities:
        """The authorities with their weights."""
        return self.authorities.get()

    def set_id(self) -> U64:
        """The id of the set, which is signed with every vote."""
        return self.current_set_id.get()
