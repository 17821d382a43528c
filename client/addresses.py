"""Addresses of nodes as people write them: several, the preferred one first.

Light to import, so that a command's options can be checked before what needs a chain is loaded.

Bounds: ENDPOINTS_MAX addresses.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from primitives.errors import CessError

__all__ = ["ENDPOINTS_MAX", "InvalidEndpoints", "parse_endpoints"]

ENDPOINTS_MAX: Final = 8


class InvalidEndpoints(CessError):
    """What was given is no list of nodes' addresses."""


def parse_endpoints(given: str | Sequence[str]) -> tuple[str, ...]:
    """The addresses in one text, separated by commas, or in several. Raises: InvalidEndpoints."""
    texts = [given] if isinstance(given, str) else list(given)
    found = [part.strip() for text in texts for part in text.split(",")]
    if not 1 <= len(found) <= ENDPOINTS_MAX:
        raise InvalidEndpoints(f"give the addresses of 1 to {ENDPOINTS_MAX} nodes")
    for url in found:
        if not _is_websocket(url):
            raise InvalidEndpoints(
                f"{url!r} is no WebSocket URL; it looks like ws://127.0.0.1:9944"
            )
    if len(set(found)) != len(found):
        raise InvalidEndpoints("the same address is given twice")
    return tuple(found)


def _is_websocket(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False
