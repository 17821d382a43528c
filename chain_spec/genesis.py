"""What block 0 is made from, as plain data with a JSON form.

``GenesisConfig`` says who produces and finalizes blocks, who owns what, who may act as root, what
space costs, and the constants of the chain. It is data only: `node.runtime` builds the state.

The JSON form is an object with exactly the fields of the class. Accounts and keys are SS58
addresses (read from any network, written for CESS) or 0x and 64 digits; integers are numbers, or
strings of digits from 2^53 on, so that no other program rounds them.

Bounds: ``AUTHORITIES_MAX`` and ``BALANCES_MAX``; all money together fits into a u128.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final, get_type_hints

from chain_spec.constants import ChainConstants, check_constants
from chain_spec.document import Json, Node
from primitives.crypto.ss58 import ss58_encode
from primitives.scale import SizedInt
from primitives.types import AccountId, Balance

__all__ = ["AUTHORITIES_MAX", "BALANCES_MAX", "Authority", "GenesisConfig"]

AUTHORITIES_MAX: Final = 1000
BALANCES_MAX: Final = 100_000
_MONEY_MAX: Final = 2**128 - 1
_EXACT_MAX: Final = 2**53 - 1
"""The largest integer up to which a float, as JavaScript reads numbers, is exact."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A validator: its account, its BABE key (sr25519) and its GRANDPA key (ed25519)."""

    account: AccountId
    babe: AccountId
    grandpa: AccountId


@dataclass(frozen=True, slots=True)
class GenesisConfig:
    """Everything that block 0 says. Units: balances and ``price`` in planck.

    ``price`` is for one ``space_unit_bytes`` of lease and day; ``sudo`` may be nobody.
    """

    constants: ChainConstants
    authorities: tuple[Authority, ...]
    balances: tuple[tuple[AccountId, Balance], ...]
    sudo: AccountId | None
    price: Balance

    def to_json(self) -> dict[str, Json]:
        """The JSON form."""
        return {
            "constants": {
                field.name: _number(getattr(self.constants, field.name))
                for field in fields(self.constants)
            },
            "authorities": [
                {
                    "account": ss58_encode(authority.account),
                    "babe": ss58_encode(authority.babe),
                    "grandpa": ss58_encode(authority.grandpa),
                }
                for authority in self.authorities
            ],
            "balances": [
                [ss58_encode(account), _number(amount)] for account, amount in self.balances
            ],
            "sudo": None if self.sudo is None else ss58_encode(self.sudo),
            "price": _number(self.price),
        }

    @classmethod
    def from_json(cls, node: Node) -> "GenesisConfig":
        """Read and check the JSON form. Raises: ChainSpecError, with the place in the document."""
        parts = node.fields([field.name for field in fields(cls)])
        sudo = parts["sudo"]
        config = cls(
            constants=_read_constants(parts["constants"]),
            authorities=tuple(_read_authorities(parts["authorities"])),
            balances=tuple(_read_balances(parts["balances"])),
            sudo=None if sudo.value is None else sudo.account(),
            price=Balance(parts["price"].integer(_MONEY_MAX)),
        )
        config.check(node.path)
        return config

    def check(self, path: str = "") -> None:
        """Refuse a genesis that no chain can begin with. Raises: ChainSpecError."""
        places = {
            field.name: f"{path}.{field.name}" if path else field.name for field in fields(self)
        }
        check_constants(self.constants, places["constants"])
        self._check_authorities(Node(None, places["authorities"]))
        self._check_balances(Node(None, places["balances"]))

    def _check_authorities(self, here: Node) -> None:
        if not 1 <= len(self.authorities) <= AUTHORITIES_MAX:
            here.fail(
                f"there are {len(self.authorities)} authorities; name 1 to {AUTHORITIES_MAX}, "
                "nobody else can produce a block"
            )
        for role in ("account", "babe", "grandpa"):
            keys = [getattr(authority, role) for authority in self.authorities]
            if len(dict.fromkeys(keys)) != len(keys):
                here.fail(f"two authorities have the same {role} key; give each its own")

    def _check_balances(self, here: Node) -> None:
        if len(self.balances) > BALANCES_MAX:
            here.fail(f"there are {len(self.balances)} balances; at most {BALANCES_MAX} are taken")
        owners = [account for account, _ in self.balances]
        if len(dict.fromkeys(owners)) != len(owners):
            here.fail("an account is given two balances; add them up")
        least = self.constants.existential_deposit
        for account, amount in self.balances:
            if amount < least:
                here.fail(
                    f"the balance of {ss58_encode(account)} is {amount}, below the existential "
                    f"deposit of {least}; give it more or nothing"
                )
        if sum(int(amount) for _, amount in self.balances) > _MONEY_MAX:
            here.fail("all balances together exceed 2^128 - 1 planck")


def _read_constants(node: Node) -> ChainConstants:
    kinds = _kinds()
    parts = node.fields(list(kinds))
    values = {name: kind(parts[name].integer(int(kind.MAX))) for name, kind in kinds.items()}
    return ChainConstants(**values)  # type: ignore[arg-type]  # each is of its field's type


def _kinds() -> dict[str, type[SizedInt]]:
    """The integer type of each constant."""
    hints = get_type_hints(ChainConstants)
    kinds = {}
    for field in fields(ChainConstants):
        kind = hints[field.name]
        assert issubclass(kind, SizedInt), "because every constant is an integer"
        kinds[field.name] = kind
    return kinds


def _read_authorities(node: Node) -> Iterator[Authority]:
    for item in node.items(AUTHORITIES_MAX):
        parts = item.fields(("account", "babe", "grandpa"))
        yield Authority(
            account=parts["account"].account(),
            babe=parts["babe"].account(),
            grandpa=parts["grandpa"].account(),
        )


def _read_balances(node: Node) -> Iterator[tuple[AccountId, Balance]]:
    for item in node.items(BALANCES_MAX):
        pair = tuple(item.items(2))
        if len(pair) != 2:
            item.fail("must be a list of an account and its balance in planck")
        yield pair[0].account(), Balance(pair[1].integer(_MONEY_MAX))


def _number(value: int) -> int | str:
    plain = int(value)
    return plain if plain <= _EXACT_MAX else str(plain)
