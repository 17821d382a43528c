"""Genesis: from what a chain spec says to the state of block 0."""

from collections.abc import Mapping

from pallets.frame.config import PalletGenesis
from pallets.frame.runtime import FrameRuntime

__all__ = ["build_genesis"]


def build_genesis(runtime: FrameRuntime, given: Mapping[str, PalletGenesis]) -> dict[bytes, bytes]:
    """The state of block 0. ``given`` holds each pallet's ``Genesis`` by its attribute name.

    Pallets that are not given get the defaults of their ``Genesis``; pallets are built in the order
    of their indices.
    """
    unknown = [name for name in given if name not in {slot.attribute for slot in runtime.slots}]
    assert not unknown, f"genesis names pallets that the runtime has not: {unknown}"
    for slot, made in zip(runtime.slots, runtime.pallets, strict=True):
        build = getattr(made, "genesis_build", None)
        if build is not None:
            genesis = given.get(slot.attribute)
            build(slot.kind.__dict__["Genesis"]() if genesis is None else genesis)
    return {key: value for key, value in runtime.overlay.changes().items() if value is not None}
