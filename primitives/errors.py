"""One base for every failure that a careful program expects.

A leaf says what happened, why, and what to do. Programmer errors stay plain ``AssertionError``
or ``TypeError``: nothing in this tree is raised for them.
"""


class CessError(Exception):
    """An expected failure: bad input, a full disk, a peer's fault. Its text is shown to people."""


class DecodeError(CessError):
    """Bytes that are not the canonical encoding of the type that was asked for."""


class ArithmeticOverflow(CessError, ArithmeticError):
    """A sized integer left its range."""


class InvalidBlock(CessError):
    """A block that breaks a consensus rule; its author, not we, is at fault."""


class InvalidKey(CessError):
    """A key, seed, phrase or address that cannot be used; the text says why."""


class ProofRejected(CessError):
    """A proof, opening or commitment that does not verify."""


class StorageCorrupt(CessError):
    """Bytes on disk that fail their checksum or their layout; the disk is at fault."""


class StateUnreadable(CessError):
    """The machine could not read a state now: nothing is said about whoever asked for it.

    What is executed meanwhile is neither valid nor invalid, so this is never taken for a failure of
    a call or of a block.
    """


class RpcError(CessError):
    """A JSON-RPC error reply.

    ``code`` is the JSON-RPC error code, ``message`` the short text, ``data`` the optional detail.
    """

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message if data is None else f"{message}: {data}")
        self.code = code
        self.message = message
        self.data = data
