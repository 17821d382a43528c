"""Why a call fails: the exceptions that pallets raise and the value they become on the wire.

A failure that a caller can cause is a ``DispatchFailure``; dispatch undoes the call and reports
the failure's ``error`` in ``System.ExtrinsicFailed``. A ``PalletError`` is one declared by a
pallet. An ``ArithmeticError`` becomes ``DispatchError::Arithmetic``. Everything else is a
programmer's error: a panic, see ``dispatch.RuntimePanic``.
"""

from typing import ClassVar

from primitives.errors import CessError
from primitives.scale import U8, FixedBytes, ScaleEnum, Variant, struct
from primitives.scale.type_info import Registry, TypeInfo
from primitives.tuple_like import tuple_like

__all__ = [
    "ArithmeticFault",
    "BadOrigin",
    "CallTooDeep",
    "ConsumerRemaining",
    "DispatchArithmetic",
    "DispatchBadOrigin",
    "DispatchCannotLookup",
    "DispatchConsumerRemaining",
    "DispatchError",
    "DispatchExhausted",
    "DispatchFailure",
    "DispatchModule",
    "DispatchNoProviders",
    "DispatchOther",
    "DispatchRootNotAllowed",
    "DispatchToken",
    "DispatchTooManyConsumers",
    "DispatchTransactional",
    "KeyTooLong",
    "LookupFailed",
    "ModuleError",
    "NoProviders",
    "PalletError",
    "TokenError",
    "TokenFailure",
    "TooManyConsumers",
    "TransactionalError",
    "ensure",
]


class ErrorBytes(FixedBytes, length=4):
    """The variant of a pallet's error in the first byte, zeros after it."""


@struct(path="sp_runtime::ModuleError")
class ModuleError:
    """An error of the pallet with this ``index``."""

    index: U8
    error: ErrorBytes


class TokenError(ScaleEnum, path="sp_runtime::TokenError"):
    """What is wrong with an amount or an account that money moves to or from."""

    FundsUnavailable = 0
    OnlyProvider = 1
    BelowMinimum = 2
    CannotCreate = 3
    UnknownAsset = 4
    Frozen = 5
    Unsupported = 6
    CannotCreateHold = 7
    NotExpendable = 8
    Blocked = 9


class ArithmeticFault(ScaleEnum, path="sp_arithmetic::ArithmeticError"):
    """How a calculation left its range."""

    Underflow = 0
    Overflow = 1
    DivisionByZero = 2


class TransactionalError(ScaleEnum, path="sp_runtime::TransactionalError"):
    """What is wrong with a storage layer."""

    LimitReached = 0
    NoLayer = 1


class DispatchError(Variant, path="sp_runtime::DispatchError"):
    """Why a call failed."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(DispatchError, "sp_runtime::DispatchError", registry)


class DispatchOther(DispatchError, index=0, name="Other"):
    """A failure without a number of its own."""


class DispatchCannotLookup(DispatchError, index=1, name="CannotLookup"):
    """The address names no account."""


class DispatchBadOrigin(DispatchError, index=2, name="BadOrigin"):
    """This origin may not make this call."""


class DispatchModule(DispatchError, index=3, name="Module"):
    """An error that a pallet declares."""

    error: ModuleError


class DispatchConsumerRemaining(DispatchError, index=4, name="ConsumerRemaining"):
    """The account is still referred to."""


class DispatchNoProviders(DispatchError, index=5, name="NoProviders"):
    """The account has nothing that keeps it alive."""


class DispatchTooManyConsumers(DispatchError, index=6, name="TooManyConsumers"):
    """The account is referred to too often."""


class DispatchToken(DispatchError, index=7, name="Token"):
    """An amount or its accounts are wrong."""

    error: TokenError


class DispatchArithmetic(DispatchError, index=8, name="Arithmetic"):
    """A calculation left its range."""

    error: ArithmeticFault


class DispatchTransactional(DispatchError, index=9, name="Transactional"):
    """A storage layer could not be opened or closed."""

    error: TransactionalError


class DispatchExhausted(DispatchError, index=10, name="Exhausted"):
    """A resource is used up."""


class DispatchCorruption(DispatchError, index=11, name="Corruption"):
    """State is not what it must be."""


class DispatchUnavailable(DispatchError, index=12, name="Unavailable"):
    """A resource is not there at the moment."""


class DispatchRootNotAllowed(DispatchError, index=13, name="RootNotAllowed"):
    """Root may not make this call."""


class DispatchFailure(CessError):
    """A call failed and its layer must be undone. Base of all that pallets may raise."""

    error: ClassVar[DispatchError] = DispatchOther()

    def wire(self) -> DispatchError:
        """The value reported on chain, for failures that are the same in every runtime."""
        return self.error

    def __str__(self) -> str:
        return super().__str__() or (type(self).__doc__ or type(self).__name__)


class BadOrigin(DispatchFailure):
    """This origin may not make this call; sign with the right account, or go through governance."""

    error = DispatchBadOrigin()


class LookupFailed(DispatchFailure):
    """The address names no account; use an account id."""

    error = DispatchCannotLookup()


class ConsumerRemaining(DispatchFailure):
    """The account is still referred to (a reserve, a registration); release that first."""

    error = DispatchConsumerRemaining()


class NoProviders(DispatchFailure):
    """The account does not exist; send it at least the existential deposit first."""

    error = DispatchNoProviders()


class TooManyConsumers(DispatchFailure):
    """The account is referred to too often; release something first."""

    error = DispatchTooManyConsumers()


class CallTooDeep(DispatchFailure):
    """Calls are nested too deep, or too many weigh too much; send them one by one."""

    error = DispatchExhausted()


class KeyTooLong(DispatchFailure):
    """A raw key is longer than the state can hold; use a shorter one."""

    error = DispatchExhausted()


class TokenFailure(DispatchFailure):
    """Money cannot move this way; ``kind`` says why."""

    def __init__(self, kind: TokenError) -> None:
        super().__init__(f"the amount or its accounts are wrong: {kind.name}")
        self.kind = kind

    def wire(self) -> DispatchError:
        """``DispatchError::Token`` of this kind."""
        return DispatchToken(error=self.kind)


class PalletError(DispatchFailure):
    """Base of a pallet's errors: ``class BookFull(PalletError, index=1)`` inside the pallet.

    ``index`` is the variant on the wire. The docstring tells the caller what to do and is shipped
    in the metadata.
    """

    index: ClassVar[int]
    pallet: ClassVar[type[object]]

    def __init_subclass__(cls, *, index: int, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        assert 0 <= index <= 255, f"error {cls.__name__}: a variant index is one byte"
        cls.index = index

    def wire(self) -> DispatchError:
        """Only a runtime knows the pallet's index: use ``FrameRuntime.dispatch_error``."""
        raise TypeError("a pallet's error has an index only in a runtime")


def ensure(condition: bool, failure: type[DispatchFailure] | DispatchFailure) -> None:
    """Raise ``failure`` unless ``condition`` holds."""
    if not condition:
        raise failure
