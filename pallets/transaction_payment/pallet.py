"""Fees: what an extrinsic costs, who pays it and who gets it.

A fee is ``base + length_fee * bytes + multiplier * weight_fee * weight``, plus the tip. Its most is
taken before the call; what the call did not use is given back after it. ``author_share`` percent of
what was paid goes to the block's author, the rest to ``fee_treasury``; a share that would be mere
dust to its receiver is burned.

The multiplier follows demand, see ``multiplier``; base and length fees do not.

Invariant: what is withdrawn is what is refunded, paid on and burned; the issuance accounts for it
at every moment (Balances).

Units: planck; weights by ``ref_time`` in picoseconds, never more than a whole block. Fees saturate
at 2^128 - 1. Ports needed: ``currency`` (Balances), ``blocks`` (System), ``authors`` (Babe).
Provided: ``PaymentPort`` of the executive, and views for its runtime API.
"""

from typing import Annotated, Final, Protocol

from pallets.frame import (
    DispatchClass,
    DispatchInfo,
    Doc,
    Pallet,
    PalletConfig,
    PalletGenesis,
    StorageValue,
    TransactionInvalid,
    Weight,
    event,
)
from pallets.frame.limits import BlockWeights, PerClassWeight
from pallets.frame.validity import Payment
from pallets.transaction_payment.multiplier import ONE, adjusted, fullness
from pallets.transaction_payment.types import FeeDetails, FixedU128, InclusionFee, Releases
from primitives.scale import U8
from primitives.types import AccountId, Balance, BlockNumber

__all__ = ["Authors", "Blocks", "Currency", "TransactionPayment"]

FEE_MAX: Final = (1 << 128) - 1
PERCENT: Final = 100


class Currency(Protocol):
    """Balances: a fee is out of circulation from ``withdraw`` until ``deposit``."""

    def free(self, who: AccountId) -> Balance:
        """Balance that ``who`` may spend; 0 only where the account does not exist."""
        ...

    def can_withdraw(self, who: AccountId, amount: Balance) -> bool:
        """Whether ``withdraw`` would not raise."""
        ...

    def withdraw(self, who: AccountId, amount: Balance) -> None:
        """Take ``amount`` from ``who``, which stays alive."""
        ...

    def deposit(self, who: AccountId, amount: Balance) -> bool:
        """Give ``amount`` of what was taken to ``who``, unless that would be dust (False)."""
        ...


class Blocks(Protocol):
    """System: the limits of blocks, and what the current one weighs."""

    def limits(self) -> BlockWeights:
        """What a block may weigh."""
        ...

    def weight_used(self) -> PerClassWeight:
        """What the block weighs, once its extrinsics are applied."""
        ...


class Authors(Protocol):
    """Babe: who makes the block."""

    def author(self) -> AccountId | None:
        """The author's account."""
        ...


class TransactionPayment(Pallet):
    """Fees of extrinsics."""

    class Config(PalletConfig):
        """Prices and receivers."""

        operational_fee_multiplier: Annotated[
            U8, Doc("Operational extrinsics get this many times their fee as priority.")
        ]
        weight_fee: Annotated[
            Balance, Doc("Planck for a picosecond of weight, before the multiplier.")
        ]
        length_fee: Annotated[Balance, Doc("Planck for a byte.")]
        author_share: Annotated[U8, Doc("Percent of a fee that the block's author gets.")]
        fee_treasury: Annotated[AccountId, Doc("Gets the rest of every fee.")]
        currency: Currency
        blocks: Blocks
        authors: Authors

    class Genesis(PalletGenesis):
        """Nothing to say: the multiplier begins at 1."""

    config: Config

    next_fee_multiplier = StorageValue(
        FixedU128, default=FixedU128(ONE), doc="Multiplier of the weight fee; 10^18 stands for 1."
    )
    storage_version = StorageValue(
        Releases, default=Releases.V1Ancient, doc="The format of this pallet's state."
    )

    @event(index=0)
    class TransactionFeePaid:
        """``who`` paid ``actual_fee`` for an extrinsic, in which ``tip`` is included."""

        who: AccountId
        actual_fee: Balance
        tip: Balance

    def integrity_test(self) -> None:
        """Nobody gets more than was paid."""
        assert self.config.author_share <= PERCENT, "because it is a part of a fee"

    def genesis_build(self, genesis: Genesis) -> None:  # noqa: ARG002 - it has no fields
        """Mark the format."""
        self.storage_version.put(Releases.V2)

    def on_finalize(self, n: BlockNumber) -> None:  # noqa: ARG002 - the same in every block
        """Set the multiplier of the next block by how full this one is."""
        limits = self.config.blocks.limits()
        used = Weight.from_wire(self.config.blocks.weight_used().normal)
        share = Weight.from_wire(limits.per_class.normal.max_total or limits.max_block)
        full = fullness((used.ref_time, used.proof_size), (share.ref_time, share.proof_size))
        before = self.next_fee_multiplier.get()
        self.next_fee_multiplier.put(FixedU128(adjusted(int(before), full)))

    # Port of the executive.

    def can_withdraw_fee(
        self, who: AccountId, info: DispatchInfo, length: int, tip: int
    ) -> Balance:
        """The fee with its tip, or TransactionInvalid(Payment) if ``who`` cannot pay it."""
        fee = self.compute_fee(length, info, tip)
        if not self.config.currency.can_withdraw(who, fee):
            raise TransactionInvalid(Payment())
        return fee

    def withdraw_fee(self, who: AccountId, info: DispatchInfo, length: int, tip: int) -> Balance:
        """Take the fee with its tip and return it, or TransactionInvalid(Payment)."""
        fee = self.can_withdraw_fee(who, info, length, tip)
        self.config.currency.withdraw(who, fee)
        return fee

    def correct_and_deposit_fee(
        self, who: AccountId, actual: DispatchInfo, length: int, tip: int, withdrawn: Balance
    ) -> None:
        """Refund what ``actual`` is cheaper, pay the rest on. Never raises.

        A payer that is gone after its call gets no refund, however large: it would bring the
        account back with nonce 0, and everybody could send its immortal extrinsics again.
        """
        currency = self.config.currency
        paid = min(self.compute_fee(length, actual, tip), withdrawn)
        is_gone = currency.free(who) == 0
        if is_gone or not currency.deposit(who, Balance(withdrawn - paid)):
            paid = withdrawn
        author = self.config.authors.author()
        to_author = Balance(0)
        if author is not None:
            to_author = Balance(int(paid) * int(self.config.author_share) // PERCENT)
            currency.deposit(author, to_author)
        currency.deposit(self.config.fee_treasury, Balance(paid - to_author))
        self.deposit_event(
            self.TransactionFeePaid(who=who, actual_fee=paid, tip=Balance(min(tip, int(paid))))
        )

    # Views.

    def weight_to_fee(self, weight: Weight) -> Balance:
        """The fee for ``weight`` before the multiplier; more than a block counts as a block."""
        most = int(self.config.blocks.limits().max_block.ref_time)
        return _fee(int(self.config.weight_fee) * min(weight.ref_time, most))

    def length_to_fee(self, length: int) -> Balance:
        """The fee for ``length`` bytes."""
        return _fee(int(self.config.length_fee) * length)

    def compute_fee_details(self, length: int, info: DispatchInfo, tip: int = 0) -> FeeDetails:
        """The fee of an extrinsic of ``length`` bytes in its parts."""
        if not info.pays_fee:
            return FeeDetails(inclusion_fee=None, tip=_fee(tip))
        multiplied = int(self.weight_to_fee(info.weight)) * int(self.next_fee_multiplier.get())
        parts = InclusionFee(
            base_fee=self.weight_to_fee(self._base(info.dispatch_class)),
            len_fee=self.length_to_fee(length),
            adjusted_weight_fee=_fee(multiplied // ONE),
        )
        return FeeDetails(inclusion_fee=parts, tip=_fee(tip))

    def compute_fee(self, length: int, info: DispatchInfo, tip: int = 0) -> Balance:
        """The whole fee of an extrinsic of ``length`` bytes."""
        parts = self.compute_fee_details(length, info, tip)
        total = int(parts.tip)
        if parts.inclusion_fee is not None:
            inclusion = parts.inclusion_fee
            total += int(inclusion.base_fee) + int(inclusion.len_fee)
            total += int(inclusion.adjusted_weight_fee)
        return _fee(total)

    # Private.

    def _base(self, dispatch_class: DispatchClass) -> Weight:
        per_class = self.config.blocks.limits().per_class
        match dispatch_class:
            case DispatchClass.Normal:
                return Weight.from_wire(per_class.normal.base_extrinsic)
            case DispatchClass.Operational:
                return Weight.from_wire(per_class.operational.base_extrinsic)
            case DispatchClass.Mandatory:
                return Weight.from_wire(per_class.mandatory.base_extrinsic)


def _fee(amount: int) -> Balance:
    return Balance(min(amount, FEE_MAX))
