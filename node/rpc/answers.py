"""Answers that stay true until the chain moves on, kept encoded.

Clients ask the same few questions about the best block again and again: the second one to ask gets
what the first one was told. Everything kept is forgotten when the best or the last final block
changes, so an answer is never older than the state it was read from.

Bounds: ``ANSWERS_MAX`` answers of ``ANSWERS_BYTES_MAX`` bytes together with their questions, none
longer than ``ANSWER_BYTES_MAX``; the oldest goes first.
"""

from typing import Final, TypeAlias

from primitives.types import Hash

__all__ = ["ANSWERS_BYTES_MAX", "ANSWERS_MAX", "ANSWER_BYTES_MAX", "Answers", "Moment"]

ANSWERS_MAX: Final = 4096
ANSWERS_BYTES_MAX: Final = 16 << 20
ANSWER_BYTES_MAX: Final = 2 << 20

Moment: TypeAlias = tuple[Hash, Hash]
"""The best and the last final block."""


class Answers:
    """Encoded results by method and encoded parameters."""

    def __init__(self) -> None:
        self._moment: Moment | None = None
        self._held: dict[tuple[str, bytes], bytes] = {}
        self._bytes = 0
        self.hits_count = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, moment: Moment, method: str, params: bytes) -> bytes | None:
        """What was answered since the chain came to ``moment``."""
        if moment != self._moment:
            self._moment = moment
            self._held.clear()
            self._bytes = 0
            return None
        found = self._held.get((method, params))
        if found is not None:
            self.hits_count += 1
        return found

    def put(self, moment: Moment, method: str, params: bytes, answer: bytes) -> None:
        """Keep an answer that was read no earlier than ``moment``; too late, it is not kept."""
        size = len(params) + len(answer)
        key = (method, params)
        if moment != self._moment or size > ANSWER_BYTES_MAX or key in self._held:
            return
        self._held[key] = answer
        self._bytes += size
        while len(self._held) > ANSWERS_MAX or self._bytes > ANSWERS_BYTES_MAX:
            oldest = next(iter(self._held))
            self._bytes -= len(oldest[1]) + len(self._held.pop(oldest))
