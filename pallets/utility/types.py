"""Origins as arguments: what ``dispatch_as`` takes."""

from typing import assert_never

from pallets.frame import Origin
from primitives.scale import Variant
from primitives.types import AccountId

__all__ = [
    "NoneOrigin",
    "OriginCaller",
    "RawOrigin",
    "RootOrigin",
    "SignedOrigin",
    "SystemOrigin",
    "origin_of",
]


class RawOrigin(Variant, path="frame_support::dispatch::RawOrigin"):
    """The origins that every chain has."""


class RootOrigin(RawOrigin, index=0, name="Root"):
    """The chain's own authority."""


class SignedOrigin(RawOrigin, index=1, name="Signed"):
    """An account."""

    who: AccountId


class NoneOrigin(RawOrigin, index=2, name="None"):
    """Nobody."""


class OriginCaller(Variant, path="cess_node_runtime::OriginCaller"):
    """An origin of this runtime."""


class SystemOrigin(OriginCaller, index=0, name="system"):
    """One of the origins that every chain has."""

    origin: RawOrigin


def origin_of(caller: OriginCaller) -> Origin:
    """The origin that an argument means."""
    assert isinstance(caller, SystemOrigin), "because it is the only leaf"
    match caller.origin:
        case RootOrigin():
            return Origin.root()
        case SignedOrigin(who=who):
            return Origin.signed(who)
        case NoneOrigin():
            return Origin.none()
        case other:
            assert_never(other)  # type: ignore[arg-type]  # leaves are not a closed union to mypy
