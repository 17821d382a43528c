"""Events of a block, and the failure that an extrinsic's event tells of.

Field values are plain: numbers, booleans, text; bytes and hashes as ``0x`` hex; accounts as SS58.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from substrateinterface import SubstrateInterface

from client.chain.errors import CallFailed
from primitives.crypto.ss58 import ss58_decode
from primitives.types import AccountId

__all__ = ["EventRecord", "failure_of", "read_events"]


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event: which pallet's, its fields, and the extrinsic it belongs to, if any."""

    pallet: str
    name: str
    fields: Mapping[str, Any]
    extrinsic_index: int | None

    def is_event(self, event: type[object]) -> bool:
        """Whether this is the event that a pallet declares as ``FileBank.StorageCompleted``."""
        return event.__qualname__ == f"{self.pallet}.{self.name}"

    def account(self, name: str) -> AccountId:
        """The account in the field ``name``."""
        text = str(self.fields[name])
        return AccountId(bytes.fromhex(text[2:])) if text[:2] == "0x" else ss58_decode(text)

    def data(self, name: str) -> bytes:
        """The bytes in the field ``name``; substrate-interface shows printable ones as text."""
        text = str(self.fields[name])
        return bytes.fromhex(text[2:]) if text[:2] == "0x" else text.encode()


def read_events(connection: SubstrateInterface, block_hash: str) -> tuple[EventRecord, ...]:
    """The events of a block, decoded by the chain's metadata. Runs in a worker thread."""
    records = []
    for item in connection.get_events(block_hash):
        value = item.value
        event = value["event"]
        attributes = event["attributes"]
        if not isinstance(attributes, Mapping):
            attributes = {} if attributes is None else {"value": attributes}
        records.append(
            EventRecord(
                pallet=event["module_id"],
                name=event["event_id"],
                fields=attributes,
                extrinsic_index=value.get("extrinsic_idx"),
            )
        )
    return tuple(records)


def failure_of(connection: SubstrateInterface, events: Sequence[EventRecord]) -> CallFailed | None:
    """The error in ``System.ExtrinsicFailed``, with its documentation from the metadata."""
    failed = next(
        (item for item in events if (item.pallet, item.name) == ("System", "ExtrinsicFailed")),
        None,
    )
    if failed is None:
        return None
    error = failed.fields["dispatch_error"]
    if not isinstance(error, Mapping):
        return CallFailed("System", str(error), "")
    kind, detail = next(iter(error.items()))
    if kind != "Module":
        return CallFailed(str(kind), str(detail) if detail is not None else "refused", "")
    number = detail["error"]
    index = int(number[2:4], 16) if isinstance(number, str) else int(number)
    pallet = connection.metadata.get_pallet_by_index(detail["index"])
    for variant in pallet.errors or ():
        if variant.value["index"] == index:
            return CallFailed(
                str(pallet.value["name"]), str(variant.value["name"]), " ".join(variant.docs)
            )
    return CallFailed(str(pallet.value["name"]), f"error {index}", "")
