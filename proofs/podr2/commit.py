"""Committing to a fragment, and the transfer check by which a sender trusts those commitments.

The holder commits (35 ms a row); the sender evaluates its own bytes at one random point (about
1 ms a row, no `ckzg`) and compares. A commitment to other bytes passes with chance
below 2^-127: the point and the weights are fixed only after the commitments are.
"""

from collections.abc import Sequence

from primitives.errors import ProofRejected
from primitives.types import Bytes48

from .challenge import coefficients, evaluation_point, transfer_seed
from .fixed_base import fixed_base
from .params import SCALAR_BYTES, row_count
from .prove import prove
from .rows import blob_of_row, combine, evaluate, split_rows
from .setup import prover_setup
from .verify import verify
from .wire import Opening

NONCE_BYTES = 32


def commit_fragment(data: bytes | bytearray | memoryview) -> tuple[Bytes48, ...]:
    """One KZG commitment for each row of a fragment; the same whoever computes them.

    Cost: 35 ms of CPU for each row of 124 KiB, and 0.8 s once for a process; without the tables of
    `fixed_base` 52 ms with the interpreter's lock, and 2 s.
    Raises: ValueError for an empty or oversized fragment.
    """
    tables = fixed_base()
    if tables is not None:
        return tuple(tables.commit(row) for row in split_rows(data))
    import ckzg

    setup = prover_setup()
    return tuple(
        Bytes48(ckzg.blob_to_kzg_commitment(blob_of_row(row), setup)) for row in split_rows(data)
    )


def open_transfer(
    data: bytes | bytearray | memoryview,
    fragment_hash: bytes,
    commitments: Sequence[bytes],
    nonce: bytes,
) -> Opening:
    """The holder's answer to a sender's nonce.

    Raises: ValueError when the commitments do not match the fragment's number of rows.
    """
    _check_nonce(nonce)
    seed = transfer_seed(nonce, fragment_hash, commitments)
    proof = prove(split_rows(data), coefficients(seed, len(commitments)), evaluation_point(seed))
    return Opening(y=proof.y, proof=proof.proof)


def check_transfer(
    data: bytes | bytearray | memoryview,
    fragment_hash: bytes,
    commitments: Sequence[bytes],
    nonce: bytes,
    opening: Opening,
) -> None:
    """Accept that `commitments` are those of `data`, or raise.

    The nonce must be the sender's own, fresh and random, so that no answer can be prepared.
    Raises: ProofRejected, naming which of the two checks failed.
    """
    _check_nonce(nonce)
    rows = row_count(memoryview(data).nbytes)
    if len(commitments) != rows:
        raise ProofRejected(f"{len(commitments)} commitments came for a fragment of {rows} rows")
    seed = transfer_seed(nonce, fragment_hash, commitments)
    weights, z = coefficients(seed, rows), evaluation_point(seed)
    expected = evaluate(combine(split_rows(data), weights), z)
    if bytes(opening.y) != expected.to_bytes(SCALAR_BYTES, "big"):
        raise ProofRejected("the opened value is not that of this fragment")
    verify(commitments, weights, z, opening)


def _check_nonce(nonce: bytes) -> None:
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
