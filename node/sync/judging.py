"""What is said of headers and of failed imports: to the core, by every shell in the same words.

Pure. A failure of this machine, or of what was final before a block came, is no peer's fault.
"""

from node.consensus.authorities import set_change_of
from node.consensus.chain import SetChangeFirst
from node.consensus.slots import slot_at
from node.consensus.verification import FutureBlock, unseal
from node.database import BlockRefused, StateDiscarded, UnknownBlock
from node.sync.events import Failure, IncomingBlock
from primitives.errors import CessError, DecodeError, InvalidBlock
from primitives.header import Header
from primitives.justification import InvalidJustification

__all__ = ["changes_set", "failure_of", "slots_ahead"]


def failure_of(error: Exception, block: IncomingBlock, final_number: int) -> Failure | None:
    """What the error of an import says of ``block``; None if the block is in the database.

    ``final_number`` is the height of the last final block by now. Errors that stop a node
    (``node.consensus.shell.FATAL``) are for the caller, before.
    """
    match error:
        case SetChangeFirst():
            return None  # only its proof is left out, and comes again with a later block
        case FutureBlock():
            return Failure.FUTURE
        case InvalidJustification() | DecodeError():
            return Failure.BAD if block.justification is None else Failure.BAD_PROOF
        case UnknownBlock():
            return Failure.UNKNOWN_PARENT
        case BlockRefused() | StateDiscarded():
            return Failure.REFUSED
        case InvalidBlock() if block.number <= final_number:
            return Failure.REFUSED  # others were final before it came: nobody's fault
        case CessError():
            return Failure.BAD
        case MemoryError() | OSError():
            return Failure.REFUSED  # what this machine lacks is not the block's fault
        case _:
            return Failure.BAD  # a trap: whatever the block did, it is not to be tried again


def changes_set(header: Header) -> bool:
    """Whether other voters follow this block."""
    try:
        return set_change_of(header) is not None
    except InvalidBlock:
        return False


def slots_ahead(header: Header, now_ms: int, duration_ms: int) -> int | None:
    """By how many slots a header's claim is ahead of a Unix time; None: it claims none soundly."""
    try:
        slot = unseal(header).slot
    except InvalidBlock:
        return None
    return slot - slot_at(now_ms, duration_ms)
