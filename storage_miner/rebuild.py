"""Rebuilding a lost fragment: any four others of its segment are fetched, checked and decoded.

Endpoints come from the chain and are any miner's word: only http and https are followed, without
redirects, and no body longer than a fragment is read. Every survivor must have its hash before it
is used, and the result the hash that the chain names before it is stored.

Bounds: PARALLEL_MAX downloads at once, FETCH_TIMEOUT_S for each, five fragments in memory.
"""

import hashlib
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

import httpx
import structlog
import trio

from primitives.types import FragmentHash
from proofs.erasure.reed_solomon import ReedSolomon

from .chain import Survivor
from .errors import RestoreFailed

DATA_FRAGMENTS = 4
PARITY_FRAGMENTS = 8
PARALLEL_MAX = 4
FETCH_TIMEOUT_S = 60.0
IDLE_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)


class Rebuilder:
    """Fetches and decodes. `fragment_bytes` is the only length that is accepted."""

    def __init__(
        self, fragment_bytes: int, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._fragment_bytes = fragment_bytes
        self._transport = transport

    async def rebuild(
        self, fragment_index: int, fragment_hash: FragmentHash, survivors: Sequence[Survivor]
    ) -> bytes:
        """The bytes of a fragment. Raises: RestoreFailed."""
        found = await self._fetch_some(survivors)
        if len(found) < DATA_FRAGMENTS:
            raise RestoreFailed(
                f"{len(found)} of {len(survivors)} survivors answered with the right bytes and "
                f"{DATA_FRAGMENTS} are needed"
            )
        rebuilt = await trio.to_thread.run_sync(partial(_decode, found, fragment_index))
        if hashlib.sha256(rebuilt).digest() != fragment_hash:
            raise RestoreFailed("the survivors do not belong to one segment")
        return rebuilt

    async def _fetch_some(self, survivors: Sequence[Survivor]) -> dict[int, bytes]:
        """The first four that answer rightly; the next is asked when one fails."""
        found: dict[int, bytes] = {}
        waiting = list(survivors)
        timeout = httpx.Timeout(IDLE_TIMEOUT_S)

        async with (
            httpx.AsyncClient(
                timeout=timeout, follow_redirects=False, transport=self._transport, trust_env=False
            ) as client,
            trio.open_nursery() as nursery,
        ):

            async def work() -> None:
                while waiting and len(found) < DATA_FRAGMENTS:
                    survivor = waiting.pop(0)
                    data = await self._fetch(client, survivor)
                    if data is not None and len(found) < DATA_FRAGMENTS:
                        found[survivor.fragment_index] = data
                        if len(found) == DATA_FRAGMENTS:
                            nursery.cancel_scope.cancel()

            for _ in range(PARALLEL_MAX):
                nursery.start_soon(work)
        return found

    async def _fetch(self, client: httpx.AsyncClient, survivor: Survivor) -> bytes | None:
        parts = urlsplit(survivor.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        url = f"{survivor.endpoint.rstrip('/')}/fragments/{survivor.fragment_hash.hex()}"
        body = bytearray()
        try:
            with trio.fail_after(FETCH_TIMEOUT_S):
                async with client.stream("GET", url) as response:
                    if response.status_code != httpx.codes.OK:
                        return None
                    async for piece in response.aiter_raw():
                        body += piece
                        if len(body) > self._fragment_bytes:
                            return None
        except (httpx.HTTPError, httpx.InvalidURL, trio.TooSlowError, OSError) as error:
            log.debug("survivor does not answer", endpoint=survivor.endpoint, error=repr(error))
            return None
        data = bytes(body)
        return data if hashlib.sha256(data).digest() == survivor.fragment_hash else None


def _decode(found: dict[int, bytes], fragment_index: int) -> bytes:
    code = ReedSolomon(DATA_FRAGMENTS, PARITY_FRAGMENTS)
    return code.reconstruct(found, [fragment_index])[fragment_index]
