"""Several calls in one, and calls on behalf of derived accounts.

Each call of a batch runs in a storage layer of its own, so one that fails leaves nothing behind;
what happens to the others tells the three kinds apart:

===============  ==============================  ============================
call             when one fails                  the extrinsic then
===============  ==============================  ============================
``batch``        it and what follows are not     succeeds, BatchInterrupted
                 done, what preceded stays
``force_batch``  it is not done, the rest is     succeeds, ItemFailed
``batch_all``    nothing is done                 fails with that call's error
===============  ==============================  ============================

A batch weighs what its calls weigh together; what they did not use is given back.

Bounds: ``batched_calls_limit`` calls in one batch; nesting as the kernel allows.
"""

from typing import Annotated

from pallets.frame import (
    Doc,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    PostInfo,
    RuntimeCall,
    Weight,
    call,
    ensure,
    ensure_root,
    ensure_signed,
    event,
)
from pallets.frame.error import BadOrigin, DispatchError
from pallets.utility.types import OriginCaller, origin_of
from primitives.hashing import blake2_256
from primitives.scale import U16, U32, Err, Ok, Result
from primitives.types import AccountId

__all__ = ["Utility", "derivative_account"]

BATCH_WEIGHT = Weight(ref_time=5_000_000)
"""A batch without calls."""

ITEM_WEIGHT = Weight(ref_time=10_000_000)
"""What a batch adds to the weight of each call: decoding, a layer, an event (7 µs measured)."""

DERIVATIVE_PREFIX = b"modlpy/utilisuba"


def derivative_account(who: AccountId, index: int) -> AccountId:
    """The account number ``index`` that ``who`` controls by ``as_derivative``.

    Source: ``pallet-utility``, the same account as on any Substrate chain.
    """
    return AccountId(blake2_256(DERIVATIVE_PREFIX + who + index.to_bytes(2, "little")))


def _calls_weight(calls: tuple[RuntimeCall, ...]) -> Weight:
    total = BATCH_WEIGHT
    for each in calls:
        total = total + each.info().weight + ITEM_WEIGHT
    return total


def _derivative_weight(_index: U16, inner: RuntimeCall) -> Weight:
    return inner.info().weight + ITEM_WEIGHT


def _as_weight(_as_origin: OriginCaller, inner: RuntimeCall) -> Weight:
    return inner.info().weight + ITEM_WEIGHT


class Utility(Pallet):
    """Batches and derived accounts."""

    class Config(PalletConfig):
        """How much fits into a batch."""

        batched_calls_limit: Annotated[U32, Doc("Calls that one batch may hold.")]

    config: Config

    @event(index=0)
    class BatchInterrupted:
        """The call at ``index`` failed; it and the calls after it were not done."""

        index: U32
        error: DispatchError

    @event(index=1)
    class BatchCompleted:
        """All calls of a batch were done."""

    @event(index=2)
    class BatchCompletedWithErrors:
        """The batch is at its end; some of its calls failed."""

    @event(index=3)
    class ItemCompleted:
        """A call of a batch was done."""

    @event(index=4)
    class ItemFailed:
        """A call of a batch failed."""

        error: DispatchError

    @event(index=5)
    class DispatchedAs:
        """A call was made as another origin."""

        result: Result[None, DispatchError]

    class TooManyCalls(PalletError, index=0):
        """The batch holds too many calls; split it."""

    @call(index=0, weight=_calls_weight)
    def batch(self, origin: Origin, calls: tuple[RuntimeCall, ...]) -> Weight:
        """Make calls in order until one fails.

        *Origin*: signed or root. *Errors*: TooManyCalls.
        *Events*: ItemCompleted, BatchInterrupted, BatchCompleted.
        """
        self._check(origin, calls)
        used = BATCH_WEIGHT
        for index, each in enumerate(calls):
            outcome = self.try_dispatch(each, origin)
            used = used + _used(each, outcome.post) + ITEM_WEIGHT
            if outcome.error is not None:
                self.deposit_event(self.BatchInterrupted(index=U32(index), error=outcome.error))
                return used
            self.deposit_event(self.ItemCompleted())
        self.deposit_event(self.BatchCompleted())
        return used

    @call(index=1, weight=_derivative_weight)
    def as_derivative(self, origin: Origin, index: U16, call: RuntimeCall) -> Weight:
        """Make a call as the account number ``index`` that is derived from yours.

        *Origin*: signed. *Errors*: those of the call.
        """
        who = ensure_signed(origin)
        post = self.dispatch(call, Origin.signed(derivative_account(who, index)))
        return _used(call, post) + ITEM_WEIGHT

    @call(index=2, weight=_calls_weight)
    def batch_all(self, origin: Origin, calls: tuple[RuntimeCall, ...]) -> Weight:
        """Make calls in order, all or none.

        *Origin*: signed or root. *Errors*: TooManyCalls, those of the calls.
        *Events*: ItemCompleted, BatchCompleted.
        """
        self._check(origin, calls)
        used = BATCH_WEIGHT
        for each in calls:
            used = used + _used(each, self.dispatch(each, origin)) + ITEM_WEIGHT
            self.deposit_event(self.ItemCompleted())
        self.deposit_event(self.BatchCompleted())
        return used

    @call(index=3, weight=_as_weight)
    def dispatch_as(self, origin: Origin, as_origin: OriginCaller, call: RuntimeCall) -> None:
        """Make a call as any origin. *Origin*: root. *Events*: DispatchedAs."""
        ensure_root(origin)
        outcome = self.try_dispatch(call, origin_of(as_origin))
        result: Result[None, DispatchError]
        result = Ok(None) if outcome.error is None else Err(outcome.error)
        self.deposit_event(self.DispatchedAs(result=result))

    @call(index=4, weight=_calls_weight)
    def force_batch(self, origin: Origin, calls: tuple[RuntimeCall, ...]) -> Weight:
        """Make calls in order, whether some fail or not.

        *Origin*: signed or root. *Errors*: TooManyCalls.
        *Events*: ItemCompleted, ItemFailed, BatchCompleted, BatchCompletedWithErrors.
        """
        self._check(origin, calls)
        used, has_failed = BATCH_WEIGHT, False
        for each in calls:
            outcome = self.try_dispatch(each, origin)
            used = used + _used(each, outcome.post) + ITEM_WEIGHT
            if outcome.error is None:
                self.deposit_event(self.ItemCompleted())
            else:
                has_failed = True
                self.deposit_event(self.ItemFailed(error=outcome.error))
        if has_failed:
            self.deposit_event(self.BatchCompletedWithErrors())
        else:
            self.deposit_event(self.BatchCompleted())
        return used

    def _check(self, origin: Origin, calls: tuple[RuntimeCall, ...]) -> None:
        ensure(origin.kind != Origin.NONE, BadOrigin)
        ensure(len(calls) <= self.config.batched_calls_limit, self.TooManyCalls)


def _used(made: RuntimeCall, post: PostInfo) -> Weight:
    declared = made.info().weight
    return declared if post.weight is None else post.weight.min(declared)
