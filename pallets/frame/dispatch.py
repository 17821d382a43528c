"""What a dispatch costs and how it ended.

Units: weights as in ``weight``. A call returns nothing, its actual weight, or a ``PostInfo``; a
failed call raises and is charged its declared weight.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pallets.frame.error import DispatchError
from pallets.frame.weight import Weight, WeightV2
from primitives.errors import CessError
from primitives.scale import ScaleEnum, struct

__all__ = [
    "DispatchClass",
    "DispatchInfo",
    "DispatchInfoV2",
    "Outcome",
    "Pays",
    "PostInfo",
    "RuntimePanic",
]


class DispatchClass(ScaleEnum, path="frame_support::dispatch::DispatchClass"):
    """Which share of a block an extrinsic uses.

    ``Normal``: users; at most three quarters of a block. ``Operational``: keeps the chain running;
    may use what is left. ``Mandatory``: an inherent, never refused.
    """

    Normal = 0
    Operational = 1
    Mandatory = 2


class Pays(ScaleEnum, path="frame_support::dispatch::Pays"):
    """Whether the signer pays a fee."""

    Yes = 0
    No = 1


ClassName: TypeAlias = Literal["normal", "operational", "mandatory"]

CLASSES: dict[str, DispatchClass] = {
    "normal": DispatchClass.Normal,
    "operational": DispatchClass.Operational,
    "mandatory": DispatchClass.Mandatory,
}


@struct(path="frame_support::dispatch::DispatchInfo")
class DispatchInfoV2:
    """The cost of an extrinsic as events show it."""

    weight: WeightV2
    class_: DispatchClass
    pays_fee: Pays


@dataclass(frozen=True, slots=True)
class DispatchInfo:
    """What a call may cost at most, known before it runs."""

    weight: Weight
    dispatch_class: DispatchClass = DispatchClass.Normal
    pays_fee: bool = True

    def wire(self) -> DispatchInfoV2:
        """This information as it is encoded."""
        return DispatchInfoV2(
            weight=self.weight.wire(),
            class_=self.dispatch_class,
            pays_fee=Pays.Yes if self.pays_fee else Pays.No,
        )


@dataclass(frozen=True, slots=True)
class PostInfo:
    """What a call did cost: None where the declaration stands."""

    weight: Weight | None = None
    pays_fee: bool | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a dispatch ended: ``error`` is None where it succeeded."""

    error: DispatchError | None
    post: PostInfo


class RuntimePanic(CessError):
    """A call broke an assumption of its pallet: our mistake, nobody's input should reach it.

    Its changes are undone and its extrinsic can be in no block, exactly as where a Wasm runtime
    traps. ``__cause__`` is what was raised.
    """
