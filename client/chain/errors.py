"""What can go wrong between a client and its chain.

Each says whose fault it is: the network's or the node's (``ChainUnreachable``, ``RpcFailed``), the
transaction's (``TransactionRefused``, ``CallFailed``), or time's (``SubmitTimeout``,
``TransactionLost``). Only after ``TransactionRefused`` and ``TransactionLost`` is it certain that
nothing was executed.
"""

from primitives.errors import CessError

__all__ = [
    "CallFailed",
    "ChainError",
    "ChainMismatch",
    "ChainUnreachable",
    "MetadataMismatch",
    "RpcFailed",
    "SubmitTimeout",
    "TransactionLost",
    "TransactionRefused",
    "UnknownBlock",
]


class ChainError(CessError):
    """Base of everything that a chain client raises."""


class ChainUnreachable(ChainError):
    """No node answers at the address, or it stopped answering."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"no node answers at {url} ({why}); start one with `cess node --dev`, "
            "or give its address with --rpc"
        )
        self.url = url
        self.why = why


class ChainMismatch(ChainError):
    """The node follows another chain than the one that was expected."""


class UnknownBlock(ChainError):
    """The node does not have that block, or has discarded it."""


class MetadataMismatch(ChainError):
    """The chain describes a call, type or constant otherwise than this program."""


class RpcFailed(ChainError):
    """The node answered a request with an error; ``code`` is that of JSON-RPC.

    ``was_repeated``: the request had been sent before, on a connection that failed, so the node may
    have carried it out then.
    """

    def __init__(self, method: str, code: int, text: str) -> None:
        super().__init__(f"the node refused {method}: {text} (code {code})")
        self.method = method
        self.code = code
        self.text = text
        self.was_repeated = False


class TransactionRefused(ChainError):
    """The node's pool refused a transaction; nothing was executed and no fee was paid."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"the node did not take the transaction: {text} (code {code})")
        self.code = code
        self.text = text


class CallFailed(ChainError):
    """A call was included and failed: its fee was paid and nothing else changed."""

    def __init__(self, pallet: str, name: str, docs: str) -> None:
        super().__init__(f"{pallet}.{name}: {docs}" if docs else f"{pallet}.{name}")
        self.pallet = pallet
        self.name = name
        self.docs = docs


class SubmitTimeout(ChainError):
    """The time to wait for a transaction passed; it may still be executed."""

    def __init__(self, extrinsic_hash: bytes, seconds: float) -> None:
        super().__init__(
            f"transaction 0x{extrinsic_hash.hex()} is in no block after {seconds:.0f} s; "
            "it may still be included, so look before sending it again"
        )
        self.extrinsic_hash = extrinsic_hash


class TransactionLost(ChainError):
    """A transaction was in no block before its era ended; it can never be executed any more."""

    def __init__(self, extrinsic_hash: bytes) -> None:
        super().__init__(
            f"transaction 0x{extrinsic_hash.hex()} was included in no block before it expired; "
            "it will never be executed and can safely be sent anew"
        )
        self.extrinsic_hash = extrinsic_hash
