"""What goes wrong in the daemon itself, and how an operator gets out of it.

`code` is the word that status, logs and HTTP answers use; it never changes once released.
"""

# ruff: noqa: N818  these are facts, named as the daemon tells them, like those of `primitives`

from primitives.errors import CessError


class MinerError(CessError):
    """Base of the daemon's own failures."""

    code = "miner_failed"


class ConfigInvalid(MinerError):
    """A configuration that cannot be used; the text names the key, what is wrong and a cure."""

    code = "config_invalid"


class KeyUnusable(MinerError):
    """The signing key could not be read or opened."""

    code = "key_unusable"


class ProverBusy(MinerError):
    """The queue of proving work is full; the caller may come again later."""

    code = "busy"


class ProverFailed(MinerError):
    """A worker process could not do its work, twice."""

    code = "prover_failed"


class RequestRefused(MinerError):
    """A request over HTTP that is not served: its status, its code word and a text for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class RestoreFailed(MinerError):
    """A fragment could not be rebuilt: too few survivors answered with the right bytes."""

    code = "restore_failed"


class TaskFailed(MinerError):
    """A part of the daemon failed again and again; the process ends with an error."""

    code = "task_failed"
