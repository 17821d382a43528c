"""The base of every pallet, and the checks on what a pallet declares.

A pallet is a class. Its name is the prefix of its storage and its name in metadata. An instance is
bound to the overlay of one block and lives as long as that block is executed.

Read a pallet in this order: docstring, ports, ``Config``, ``Genesis``, storage, events, errors,
hooks, calls, views, private helpers.

Wire indices are written, never inferred. Two calls, events or errors with one index are refused
when the module is imported. ``holes`` names the indices below the highest that are not used:
retired ones and those of CESS that this chain does not have; where it is given it must be exact.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pallets.frame.call import Call, CallSpec, call_specs
from pallets.frame.config import PalletConfig
from pallets.frame.context import Context
from pallets.frame.dispatch import Outcome, PostInfo
from pallets.frame.error import PalletError
from pallets.frame.event import event_index
from pallets.frame.origin import Origin
from pallets.frame.storage import StorageEntry, StorageMap
from pallets.frame.weight import Weight
from primitives.types import BlockNumber, Hash

if TYPE_CHECKING:
    from pallets.frame.inherent import InherentData, InherentError
    from pallets.frame.validity import TransactionSource, ValidTransaction

__all__ = ["Holes", "Pallet"]


@dataclass(frozen=True)
class Holes:
    """Indices that are never given out: retired, or CESS's and without a part in this chain."""

    calls: tuple[int, ...] = ()
    events: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()


class Pallet:
    """One subject of the runtime: its state, calls, events, errors and hooks."""

    config: PalletConfig

    holes: ClassVar[Holes | None] = None
    call_specs: ClassVar[tuple[CallSpec, ...]] = ()
    event_types: ClassVar[tuple[type[object], ...]] = ()
    error_types: ClassVar[tuple[type[PalletError], ...]] = ()
    storage_entries: ClassVar[tuple[StorageEntry[Any], ...]] = ()
    is_inherent_provider: ClassVar[bool] = False
    is_inherent_required: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        body = dict(cls.__dict__)
        cls.call_specs = call_specs(body)
        nested = [value for value in body.values() if isinstance(value, type)]
        events = [found for found in nested if event_index(found) is not None]
        cls.event_types = tuple(sorted(events, key=lambda found: event_index(found) or 0))
        errors = [found for found in nested if issubclass(found, PalletError)]
        cls.error_types = tuple(sorted(errors, key=lambda found: found.index))
        for error in cls.error_types:
            error.pallet = cls
        items: list[StorageEntry[Any]] = []
        for value in body.values():
            if isinstance(value, StorageEntry):
                items.append(value)
            if isinstance(value, StorageMap) and value.counter is not None:
                items.append(value.counter)
        cls.storage_entries = tuple(items)
        holes = cls.holes
        used = {
            "call": [spec.index for spec in cls.call_specs],
            "event": [event_index(found) or 0 for found in cls.event_types],
            "error": [error.index for error in cls.error_types],
        }
        for kind, indices in used.items():
            missing: tuple[int, ...] | None = getattr(holes, f"{kind}s", None)
            _check(cls, kind, indices, missing)
        names = [item.name for item in items]
        assert len(set(names)) == len(names), f"{cls.__name__} declares a storage name twice"

    def __init__(self, context: Context) -> None:
        self.context = context
        self.overlay = context.overlay

    # What a pallet can ask of the block.

    def now(self) -> BlockNumber:
        """Height of the block that is being executed."""
        return self.context.number()

    def genesis_hash(self) -> Hash:
        """Hash of block 0."""
        return self.context.genesis_hash()

    def deposit_event(self, event: object) -> None:
        """Append an event of this pallet to the block's log."""
        self.context.deposit_event(event)

    def dispatch(self, call: Call, origin: Origin) -> PostInfo:
        """Run ``call`` in a layer of its own; raises what the call raises, with nothing changed."""
        return self.context.dispatch(call, origin)

    def try_dispatch(self, call: Call, origin: Origin) -> Outcome:
        """Run ``call`` in a layer of its own; an expected failure is the outcome's ``error``."""
        return self.context.runtime.try_dispatch(call, origin)

    # Hooks.

    def on_runtime_upgrade(self) -> Weight:
        """Move the state to this version's form, in its first block; returns what it used.

        It comes after System's beginning and before every ``on_initialize``.
        """
        return Weight()

    def on_initialize(self, n: BlockNumber) -> Weight:  # noqa: ARG002 - a hook to override
        """Work before the first extrinsic of block ``n``; returns what it used."""
        return Weight()

    def on_finalize(self, n: BlockNumber) -> None:
        """Work after the last extrinsic of block ``n``."""

    def integrity_test(self) -> None:
        """Assert that the configuration makes sense; run when a runtime is built."""

    # Inherents; a pallet that has one sets ``is_inherent_provider``, and ``is_inherent_required``
    # if no block may lack it.

    def create_inherent(self, data: "InherentData") -> tuple[str, dict[str, Any]] | None:  # noqa: ARG002
        """Name and arguments of the call that the author must put into the block."""
        return None

    def check_inherent(self, call: Call, data: "InherentData") -> "InherentError | None":  # noqa: ARG002
        """Whether an importer accepts the author's ``call``; None if so."""
        return None

    def is_inherent(self, call: Call) -> bool:  # noqa: ARG002
        """Whether ``call`` is this pallet's inherent."""
        return False

    # Calls that nobody signs and that are no inherents.

    def validate_unsigned(
        self,
        source: "TransactionSource",  # noqa: ARG002 - a hook to override
        call: Call,  # noqa: ARG002
    ) -> "ValidTransaction | None":
        """What a pool must know of ``call`` without a signature; None if this pallet takes none.

        Nobody pays for it: it must be news to the chain that is worth its cost, and its
        ``provides`` such that nobody can offer many of it. It is asked again, as ``InBlock``,
        before the call is run. Raises: TransactionInvalid, TransactionUnknown.
        """
        return None


def _check(pallet: type, kind: str, indices: list[int], holes: tuple[int, ...] | None) -> None:
    name = pallet.__name__
    assert len(set(indices)) == len(indices), f"{name} declares a {kind} index twice: {indices}"
    if holes is None:
        return
    missing = [index for index in range(max(indices, default=-1)) if index not in indices]
    assert sorted(holes) == missing, f"{name}: holes of its {kind} indices are {missing}"
