"""What all pallets of one block share: the overlay, the height, the event log.

``Context`` is made by a runtime for its pallets. The height and the genesis hash are read where the
System pallet keeps them, so a context over any state answers for that state.
"""

from typing import TYPE_CHECKING, Any, Final

from primitives.hashing import twox_64_concat, twox_128
from primitives.scale import codec
from primitives.types import BlockNumber, Hash

if TYPE_CHECKING:
    from pallets.frame.call import Call
    from pallets.frame.dispatch import PostInfo
    from pallets.frame.origin import Origin
    from pallets.frame.overlay import Overlay
    from pallets.frame.runtime import FrameRuntime

__all__ = ["FINALIZATION", "INITIALIZATION", "NUMBER_KEY", "Context", "block_hash_key"]

NUMBER_KEY: Final = twox_128(b"System") + twox_128(b"Number")
"""Raw key of ``System.Number``."""

_BLOCK_HASH_PREFIX: Final = twox_128(b"System") + twox_128(b"BlockHash")

INITIALIZATION: Final = b"\x02"
"""Encoded phase of events deposited before the first extrinsic."""

FINALIZATION: Final = b"\x01"
"""Encoded phase of events deposited after the last extrinsic."""

_NO_TOPICS: Final = b"\x00"


def block_hash_key(number: int) -> bytes:
    """Raw key of ``System.BlockHash`` of ``number``."""
    return _BLOCK_HASH_PREFIX + twox_64_concat(number.to_bytes(4, "little"))


_GENESIS_KEY: Final = block_hash_key(0)


class Context:
    """The block that is being executed, as pallets see it."""

    __slots__ = ("_heads", "overlay", "phase", "runtime")

    def __init__(self, runtime: "FrameRuntime", overlay: "Overlay") -> None:
        self.runtime = runtime
        self.overlay = overlay
        self.phase = INITIALIZATION
        self._heads = runtime.event_heads()

    def number(self) -> BlockNumber:
        """Height of the block, 0 in genesis."""
        found = self.overlay.get_value(NUMBER_KEY, codec(BlockNumber).decode)
        return BlockNumber(0) if found is None else found

    def genesis_hash(self) -> Hash:
        """Hash of block 0, as the first block recorded it."""
        found = self.overlay.get_value(_GENESIS_KEY, codec(Hash).decode)
        assert found is not None, "because genesis writes it and it is never pruned"
        return found

    def deposit_event(self, event: Any) -> None:
        """Append ``event`` to the block's log, in the phase that the block is in."""
        head, encode = self._heads[type(event)]
        self.overlay.events.append(self.phase + head + encode(event) + _NO_TOPICS)

    def begin_extrinsic(self, index: int) -> None:
        """Events that follow belong to extrinsic ``index``."""
        self.phase = b"\x00" + index.to_bytes(4, "little")

    def dispatch(self, call: "Call", origin: "Origin") -> "PostInfo":
        """Run ``call`` in a layer of its own."""
        return self.runtime.dispatch(call, origin)
