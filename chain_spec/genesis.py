"""What block 0 is made from, as plain data with a JSON form.

``GenesisConfig`` says who produces and finalizes blocks and what they have at stake, who owns what,
who may act as root, what space costs, and the constants of the chain. It is data only:
`node.runtime` builds the state.

The JSON form is an object with exactly the fields of the class. Accounts and keys are SS58
addresses (read from any network, written for CESS) or 0x and 64 digits; integers are numbers, or
strings of digits from 2^53 on, so that no other program rounds them.

Bounds: ``AUTHORITIES_MAX`` and ``BALANCES_MAX``; all money together fits into a u128.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar, get_type_hints

from chain_spec.constants import ChainConstants, check_constants
from chain_spec.document import Json, Node
from primitives.crypto.ss58 import ss58_encode
from primitives.scale import U32, SizedInt
from primitives.types import AccountId, Balance

__all__ = ["AUTHORITIES_MAX", "BALANCES_MAX", "Authority", "GenesisConfig", "StakingGenesis"]

AUTHORITIES_MAX: Final = 1000
BALANCES_MAX: Final = 100_000
_MONEY_MAX: Final = 2**128 - 1
_EXACT_MAX: Final = 2**53 - 1
"""The largest integer up to which a float, as JavaScript reads numbers, is exact."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A validator: its stash, its BABE key (sr25519) and its GRANDPA key (ed25519)."""

    account: AccountId
    babe: AccountId
    grandpa: AccountId


@dataclass(frozen=True, slots=True)
class StakingGenesis:
    """What validators stake. Units: planck.

    ``validator_count`` seats are filled by each election; one with fewer candidates than
    ``minimum_validator_count`` fails, and the validators stay. ``min_validator_bond`` and
    ``min_nominator_bond`` are the least stakes. Each authority begins with ``bond`` of its own.
    """

    validator_count: U32
    minimum_validator_count: U32
    min_validator_bond: Balance
    min_nominator_bond: Balance
    bond: Balance


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
    staking: StakingGenesis

    def to_json(self) -> dict[str, Json]:
        """The JSON form."""
        return {
            "constants": _numbers(self.constants),
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
            "staking": _numbers(self.staking),
        }

    @classmethod
    def from_json(cls, node: Node) -> "GenesisConfig":
        """Read and check the JSON form. Raises: ChainSpecError, with the place in the document."""
        parts = node.fields([field.name for field in fields(cls)])
        sudo = parts["sudo"]
        config = cls(
            constants=_read_numbers(parts["constants"], ChainConstants),
            authorities=tuple(_read_authorities(parts["authorities"])),
            balances=tuple(_read_balances(parts["balances"])),
            sudo=None if sudo.value is None else sudo.account(),
            price=Balance(parts["price"].integer(_MONEY_MAX)),
            staking=_read_numbers(parts["staking"], StakingGenesis),
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
        self._check_staking(Node(None, places["staking"]))

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

    def _check_staking(self, here: Node) -> None:
        given = self.staking
        if not 1 <= given.validator_count <= AUTHORITIES_MAX:
            here.fail(f"validator_count must be from 1 to {AUTHORITIES_MAX}")
        if not 1 <= given.minimum_validator_count <= given.validator_count:
            here.fail("minimum_validator_count must be from 1 to validator_count")
        least = max(given.min_validator_bond, self.constants.existential_deposit)
        if given.bond < least:
            here.fail(f"bond is {given.bond}; a validator needs {least}")
        owned = dict(self.balances)
        needed = int(given.bond) + int(self.constants.existential_deposit)
        for authority in self.authorities:
            if owned.get(authority.account, 0) < needed:
                here.fail(
                    f"the stash {ss58_encode(authority.account)} needs a balance of {needed}: the "
                    "bond and the existential deposit; endow it"
                )


T = TypeVar("T")


def _numbers(record: Any) -> dict[str, Json]:
    """The JSON form of a record of integers."""
    return {field.name: _number(getattr(record, field.name)) for field in fields(record)}


def _read_numbers(node: Node, record: type[T]) -> T:
    kinds = _kinds(record)
    parts = node.fields(list(kinds))
    values = {name: kind(parts[name].integer(int(kind.MAX))) for name, kind in kinds.items()}
    return record(**values)


def _kinds(record: type[Any]) -> dict[str, type[SizedInt]]:
    """The integer type of each field."""
    hints = get_type_hints(record)
    kinds = {}
    for field in fields(record):
        kind = hints[field.name]
        assert issubclass(kind, SizedInt), "because every field is an integer"
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
