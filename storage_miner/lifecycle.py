"""Decides how a miner enters, keeps its registration as configured, and what its state means.

Registers when `declared_units` is configured and the account is no miner yet; then keeps endpoint,
beneficiary and declaration as configured. Exit and withdrawal are the operator's commands and never
happen by themselves; a miner that was seen leaving does not register again in this process.
`phase` says in one word where the miner stands, `reason` why it earns not.

Bounds: one call under way; a refused one is repeated after RETRY_BLOCKS.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from pallets.sminer.types import MinerState
from primitives.types import AccountId

from .facts import ChainFacts, Ended, MinerView, Outcome

RETRY_BLOCKS = 16

MARGIN_DIVISOR = 10
"""A tenth more than the limit is reserved, so that the first small fine does not freeze a miner."""


class Phase(Enum):
    """Where a miner stands; the words of `cess miner status`."""

    connecting = "connecting"
    waiting = "waiting"
    registering = "registering"
    working = "working"
    frozen = "frozen"
    leaving = "leaving"
    left = "left"
    thrown_out = "thrown_out"


@dataclass(frozen=True, slots=True)
class Wish:
    """How the operator wants the miner to be registered.

    Without a `beneficiary` the miner's own account is registered, and whatever stands on chain
    stays.
    """

    account: AccountId
    endpoint: str
    beneficiary: AccountId | None
    declared_units: int | None


# Facts.


@dataclass(frozen=True, slots=True)
class LifecycleCallEnded:
    """A call of this core ended."""

    ended: Ended


# Effects.


@dataclass(frozen=True, slots=True)
class Register:
    """Register with `units` of declared space and `collateral` planck."""

    endpoint: str
    beneficiary: AccountId
    units: int
    collateral: int


@dataclass(frozen=True, slots=True)
class UpdateEndpoint:
    """Announce another endpoint."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class UpdateBeneficiary:
    """Have rewards paid to another account."""

    beneficiary: AccountId


@dataclass(frozen=True, slots=True)
class AddCollateral:
    """Reserve `amount` planck more, for a larger declaration."""

    amount: int


@dataclass(frozen=True, slots=True)
class IncreaseDeclaration:
    """Declare `units` more."""

    units: int


Fact: TypeAlias = MinerView | LifecycleCallEnded
Effect: TypeAlias = (
    Register | UpdateEndpoint | UpdateBeneficiary | AddCollateral | IncreaseDeclaration
)

PHASES = {
    MinerState.Positive: Phase.working,
    MinerState.Frozen: Phase.frozen,
    MinerState.Lock: Phase.leaving,
    MinerState.Exit: Phase.left,
    MinerState.Offline: Phase.thrown_out,
}

_LEAVING = (MinerState.Lock, MinerState.Exit, MinerState.Offline)

_REASONS = {
    Phase.connecting: "the node was not reached yet",
    Phase.waiting: "the account is no miner: run `cess miner register`, or set `declared_units`",
    Phase.registering: "the registration is under way",
    Phase.working: "",
    Phase.frozen: "collateral is missing or a fine is not paid: run `cess miner stake AMOUNT`",
    Phase.leaving: "the exit is announced; keep running until it is carried out",
    Phase.left: "keep serving until others have restored the fragments, then `cess miner withdraw`",
    Phase.thrown_out: "too many audits failed in a row; keep serving until others have restored "
    "the fragments, then `cess miner withdraw`",
}


class Lifecycle:
    """See the module."""

    def __init__(self, chain: ChainFacts, wish: Wish) -> None:
        self._chain = chain
        self._wish = wish
        self._view: MinerView | None = None
        self._is_calling = False
        self._has_left = False
        self._not_before = 0
        self._failure = ""
        self._effects: deque[Effect] = deque()

    def receive(self, what: Fact) -> None:
        """Take note of a fact."""
        match what:
            case MinerView():
                self._view = what
                if what.info is not None and what.info.state in _LEAVING:
                    self._has_left = True
            case LifecycleCallEnded(ended):
                self._call_ended(ended)
        if self._view is not None and not self._is_calling:
            self._advance(self._view)

    def next_effect(self) -> Effect | None:
        """What is to be done next, if anything."""
        return self._effects.popleft() if self._effects else None

    def next_deadline(self) -> int | None:
        """Nothing here is due by a block."""
        return None

    @property
    def phase(self) -> Phase:
        """Where the miner stands."""
        if self._view is None:
            return Phase.connecting
        if self._view.info is None:
            is_waiting = self._wish.declared_units is None or self._has_left
            return Phase.waiting if is_waiting else Phase.registering
        return PHASES[self._view.info.state]

    @property
    def reason(self) -> str:
        """Why the miner does not earn, and what to do; empty when it may."""
        return self._failure or _REASONS[self.phase]

    # Private.

    def _advance(self, view: MinerView) -> None:
        if view.number < self._not_before:
            return
        effect = self._registration() if view.info is None else self._correction(view)
        if effect is not None:
            self._is_calling = True
            self._effects.append(effect)

    def _registration(self) -> Effect | None:
        units = self._wish.declared_units
        if units is None or self._has_left:
            return None
        beneficiary = self._wish.beneficiary or self._wish.account
        collateral = collateral_for(units, self._chain.collateral_per_unit)
        return Register(self._wish.endpoint, beneficiary, units, collateral)

    def _correction(self, view: MinerView) -> Effect | None:
        info = view.info
        assert info is not None, "because _advance looked"
        if bytes(info.endpoint) != self._wish.endpoint.encode():
            return UpdateEndpoint(self._wish.endpoint)
        beneficiary = self._wish.beneficiary
        if beneficiary is not None and info.beneficiary != beneficiary:
            return UpdateBeneficiary(beneficiary)
        units = self._wish.declared_units
        if units is None or info.state != MinerState.Positive:
            return None
        declared = -(-int(info.declaration_space) // self._chain.declaration_unit_bytes)
        if declared >= units:
            return None
        limit = units * self._chain.collateral_per_unit
        if info.collaterals < limit:
            wanted = collateral_for(units, self._chain.collateral_per_unit)
            return AddCollateral(wanted - int(info.collaterals))
        return IncreaseDeclaration(units - declared)

    def _call_ended(self, ended: Ended) -> None:
        self._is_calling = False
        number = 0 if self._view is None else self._view.number
        self._not_before = number + (1 if ended.outcome is Outcome.done else RETRY_BLOCKS)
        if ended.outcome is Outcome.lost:
            self._not_before = number + 2
        self._failure = "" if ended.outcome is Outcome.done else ended.error


def collateral_for(units: int, per_unit: int) -> int:
    """What is reserved for `units` of declared space, in planck: the limit and a margin."""
    limit = units * per_unit
    return limit + limit // MARGIN_DIVISOR
