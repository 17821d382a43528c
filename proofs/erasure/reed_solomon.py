"""Systematic Reed-Solomon: `data` shards gain `parity` shards, any `data` of all rebuild the rest.

Guarantees: every backend gives the same bytes (`backends.self_test`); shapes are checked before a
byte is written. Holds no data between calls, so one instance may serve many threads. Bounds: at
most 256 shards; a shard is at most SHARD_BYTES_MAX.

Source: klauspost/reedsolomon's matrix over GF(2^8)/0x11d, which CESS's own tools use.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from primitives.errors import CessError

from .backends import Bytes, Multiplier, backend, best_backend
from .galois import Matrix, generator_matrix, invert, multiply

SHARDS_MAX = 256
SHARD_BYTES_MAX = 2**30
DECODERS_CACHED_MAX = 512

Buffer: TypeAlias = bytes | bytearray | memoryview


class ErasureError(CessError):
    """Shards that cannot be coded: a wrong number, length or index."""


class TooFewShardsError(ErasureError):
    """Fewer shards survive than the code needs; the rest is lost."""

    def __init__(self, present: int, needed: int) -> None:
        super().__init__(f"{present} shards are present and {needed} are needed; find more holders")
        self.present = present
        self.needed = needed


class ReedSolomon:
    """A `data` + `parity` code. Indexes 0..data-1 are the data shards, then the parity shards.

    `backend_name` forces one of `backends.BACKENDS`; the default is the fastest that passes.
    """

    def __init__(self, data: int = 4, parity: int = 8, *, backend_name: str | None = None) -> None:
        if data < 1 or parity < 1 or data + parity > SHARDS_MAX:
            raise ErasureError(
                f"a {data}+{parity} code does not exist; use at least 1+1 and at most "
                f"{SHARDS_MAX} shards in all"
            )
        self.data = data
        self.parity = parity
        self.total = data + parity
        self._matrix = generator_matrix(data, self.total)
        self._multiplier: Multiplier = (
            best_backend() if backend_name is None else backend(backend_name)
        )
        self._decoder = lru_cache(maxsize=DECODERS_CACHED_MAX)(self._make_decoder)

    @property
    def backend(self) -> str:
        """The name of the backend in use."""
        return self._multiplier.name

    def encode(self, shards: Sequence[Buffer], out: Sequence[memoryview | bytearray]) -> None:
        """Fill `out` with the parity of `shards`; reuse it, since fresh memory costs most of all.

        Shapes: `data` shards and `parity` buffers, all of one length.
        Raises: ErasureError before a byte is written.
        """
        if len(shards) != self.data or len(out) != self.parity:
            raise ErasureError(
                f"{len(shards)} shards and {len(out)} outputs do not fit a "
                f"{self.data}+{self.parity} code"
            )
        sources = self._sources(shards)
        targets = self._targets(out, len(sources[0]))
        self._multiplier.multiply(self._matrix[self.data :], sources, targets)

    def encode_segment(self, segment: Buffer) -> list[bytes]:
        """All fragments of a segment, data first. Hot paths call `encode` with their own buffers.

        Shapes: the segment is `data` fragments long, each at least one byte.
        Raises: ErasureError for any other length.
        """
        view = memoryview(segment).cast("B")
        if not view.nbytes or view.nbytes % self.data:
            raise ErasureError(
                f"a segment of {view.nbytes} bytes does not divide into {self.data} fragments; "
                "pad it first"
            )
        size = view.nbytes // self.data
        shards = [view[index * size : (index + 1) * size] for index in range(self.data)]
        arena = memoryview(bytearray(self.parity * size))
        out = [arena[index * size : (index + 1) * size] for index in range(self.parity)]
        self.encode(shards, out)
        return [bytes(shard) for shard in (*shards, *out)]

    def reconstruct(self, fragments: Mapping[int, Buffer], want: Sequence[int]) -> dict[int, bytes]:
        """The wanted fragments from any `data` present ones. Which are used does not matter.

        Raises: TooFewShardsError; ErasureError for unknown or repeated indexes and unequal lengths.
        """
        present = {index: memoryview(buffer).cast("B") for index, buffer in fragments.items()}
        length = next((view.nbytes for view in present.values()), 0)
        arena = memoryview(bytearray(length * len(want)))
        out = {
            index: arena[place * length : (place + 1) * length] for place, index in enumerate(want)
        }
        if len(out) != len(want):
            raise ErasureError(f"the wanted indexes {list(want)} repeat; name each once")
        self.reconstruct_into(present, out)
        return {index: bytes(view) for index, view in out.items()}

    def reconstruct_into(
        self, fragments: Mapping[int, Buffer], out: Mapping[int, memoryview | bytearray]
    ) -> None:
        """`reconstruct` into buffers that the caller reuses.

        Raises: TooFewShardsError; ErasureError for unknown indexes and unequal lengths.
        """
        for index in (*fragments, *out):
            if not 0 <= index < self.total:
                raise ErasureError(f"index {index} is outside 0..{self.total - 1}")
        if len(fragments) < self.data:
            raise TooFewShardsError(len(fragments), self.data)
        survivors = tuple(sorted(fragments)[: self.data])
        sources = self._sources([fragments[index] for index in sorted(fragments)])
        wanted = tuple(out)
        targets = self._targets(list(out.values()), len(sources[0]))
        if wanted:
            self._multiplier.multiply(
                self._decoder(survivors, wanted), sources[: self.data], targets
            )

    def _make_decoder(self, survivors: tuple[int, ...], wanted: tuple[int, ...]) -> Matrix:
        inverse = invert([self._matrix[index] for index in survivors])
        return multiply([self._matrix[index] for index in wanted], inverse)

    def _sources(self, buffers: Sequence[Buffer]) -> list[Bytes]:
        arrays = [np.frombuffer(buffer, np.uint8) for buffer in _not_empty(buffers)]
        lengths = [len(array) for array in arrays]
        if min(lengths) != max(lengths):
            raise ErasureError(f"shards differ in length: {lengths} bytes; one is truncated")
        if lengths[0] > SHARD_BYTES_MAX:
            raise ErasureError(f"a shard of {lengths[0]} bytes exceeds {SHARD_BYTES_MAX}")
        return arrays

    def _targets(self, buffers: Sequence[memoryview | bytearray], length: int) -> list[Bytes]:
        arrays = []
        for buffer in buffers:
            view = memoryview(buffer)
            if view.readonly or view.nbytes != length:
                raise ErasureError(
                    f"an output of {view.nbytes} bytes cannot take a shard of {length}; "
                    "outputs are writable and as long as the shards"
                )
            arrays.append(np.frombuffer(view, np.uint8))
        return arrays


def _not_empty(buffers: Sequence[Buffer]) -> Sequence[Buffer]:
    if any(memoryview(buffer).nbytes == 0 for buffer in buffers):
        raise ErasureError("a shard is empty; a fragment has at least one byte")
    return buffers
