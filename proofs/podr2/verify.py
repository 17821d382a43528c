"""The verifier: one pairing check for a miner's whole round, or for a whole block of rounds.

Uses `py_arkworks_bls12381` only; neither `ckzg` nor numpy is imported, so a node's memory stays
small. Every point that comes as bytes is checked for the curve, the subgroup and its one canonical
encoding; every scalar for its range. A malformed or wrong proof raises `ProofRejected`, nothing
else. Points that were checked before come from `points` and are not checked again.

Source: Kate, Zaverucha, Goldberg 2010, §3.2; batching by random weights as in EIP-4844.
Cost, measured: docs/benchmarks.md.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from primitives.errors import ProofRejected

from ..transcript import tagged_hash, words
from .params import COMBINED_ROWS_MAX, COMMITMENT_BYTES, SCALAR_BYTES, SCALAR_MODULUS
from .setup import tau_g2_bytes
from .wire import Opening, ServiceProof

BATCH_TAG = b"cess/podr2/batch/v1"
WEIGHT_TAG = b"cess/podr2/weight/v1"
COEFFICIENT_BITS = 128
# Decoded points are kept because the rows of a miner come back round after round: 0.4 kB each.
POINTS_CACHED_MAX = 8192

IDENTITY = b"\xc0" + bytes(COMMITMENT_BYTES - 1)
_INFINITY_FLAG = 0x40


class Claim(NamedTuple):
    """One proof with all that it is verified against."""

    commitments: Sequence[bytes]
    coefficients: Sequence[int]
    z: int
    proof: ServiceProof | Opening


class _Equation(NamedTuple):
    """A claim reduced to two points: e(left, [1]₂) = e(right, [τ]₂)."""

    left: G1Point
    right: G1Point


def is_identity(commitment: bytes) -> bool:
    """Whether a commitment is the point at infinity: its row holds zero bytes only."""
    return bytes(commitment) == IDENTITY


@lru_cache(maxsize=POINTS_CACHED_MAX)
def _decode(data: bytes) -> G1Point:
    if len(data) != COMMITMENT_BYTES:
        raise ProofRejected(f"a G1 point has {COMMITMENT_BYTES} bytes, not {len(data)}")
    # The library accepts several encodings of infinity; one value must have one encoding.
    if data[0] & _INFINITY_FLAG and data != IDENTITY:
        raise ProofRejected("a point at infinity is not in its canonical encoding")
    try:
        return G1Point.from_compressed_bytes(data)
    except ValueError as error:
        raise ProofRejected("the bytes are no point of the G1 subgroup") from error


def decode_commitment(data: bytes) -> G1Point:
    """The curve point of a 48-byte commitment, checked for the curve and the subgroup.

    Infinity is a valid commitment, that of an all-zero row (`is_identity`).
    Raises: ProofRejected.
    """
    return _decode(bytes(data))


def verify(
    commitments: Sequence[bytes],
    coefficients: Sequence[int],
    z: int,
    proof: ServiceProof | Opening,
) -> None:
    """Accept that the prover knows Σ coefficient·row for the committed rows, or raise.

    Checks e(Σρ_t·C_t - y·G + z·π, [1]₂) = e(π, [τ]₂).
    Shapes: 1 to COMBINED_ROWS_MAX commitments, as many coefficients of 128 bits, 0 ≤ z < order.
    Raises: ProofRejected for a wrong proof and for malformed bytes; ValueError when the caller's
    coefficients or z are out of range, which no prover can cause.
    """
    _check([_equation(Claim(commitments, coefficients, z, proof))])


def verify_points(
    points: Sequence[G1Point],
    coefficients: Sequence[int],
    z: int,
    proof: ServiceProof | Opening,
) -> None:
    """`verify` for commitments that were checked before, as `points.load_point` gives them.

    Shapes and errors: as `verify`. The caller vouches for the subgroup of every point.
    """
    _check([_combined(points, coefficients, z, proof)])


def verify_batch(claims: Sequence[Claim]) -> list[ProofRejected | None]:
    """The verdict of `verify` on each claim (None: accepted), by one pairing check when all hold.

    The weights are derived from every byte of the batch, so no prover can choose its proof after
    them. When the joint check fails, each claim is verified alone: the verdicts do not depend on
    how claims were batched.
    """
    verdicts: list[ProofRejected | None] = []
    equations: list[_Equation] = []
    for claim in claims:
        try:
            equations.append(_equation(claim))
            verdicts.append(None)
        except ProofRejected as error:
            verdicts.append(error)
    well_formed = [index for index, verdict in enumerate(verdicts) if verdict is None]
    try:
        if equations:
            _check(equations, _weights(claims))
    except ProofRejected:
        for index, equation in zip(well_formed, equations, strict=True):
            try:
                _check([equation])
            except ProofRejected as error:
                verdicts[index] = error
    return verdicts


def _weights(claims: Sequence[Claim]) -> bytes:
    leaves = [
        tagged_hash(
            BATCH_TAG,
            b"".join(bytes(commitment) for commitment in claim.commitments),
            b"".join(
                value.to_bytes(COEFFICIENT_BITS // 8, "little") for value in claim.coefficients
            ),
            claim.z.to_bytes(SCALAR_BYTES, "little"),
            bytes(claim.proof.y),
            bytes(claim.proof.proof),
        )
        for claim in claims
    ]
    return tagged_hash(BATCH_TAG, *leaves)


def _scalar(data: bytes) -> int:
    if len(data) != SCALAR_BYTES:
        raise ProofRejected(f"a field element has {SCALAR_BYTES} bytes, not {len(data)}")
    value = int.from_bytes(data, "big")
    if value >= SCALAR_MODULUS:
        raise ProofRejected("a field element is not reduced below the field's order")
    return value


def _equation(claim: Claim) -> _Equation:
    commitments, coefficients, z, proof = claim
    if len(commitments) > COMBINED_ROWS_MAX:
        raise ProofRejected(f"{len(commitments)} rows exceed {COMBINED_ROWS_MAX}")
    points = [_decode(bytes(commitment)) for commitment in commitments]
    return _combined(points, coefficients, z, proof)


def _combined(
    points: Sequence[G1Point], coefficients: Sequence[int], z: int, proof: ServiceProof | Opening
) -> _Equation:
    if not 0 <= z < SCALAR_MODULUS:
        raise ValueError("z is an element of the field")
    if any(not 0 <= value < 1 << COEFFICIENT_BITS for value in coefficients):
        raise ValueError("a coefficient is a number of 128 bits")
    if len(points) != len(coefficients):
        raise ValueError(f"{len(points)} commitments, {len(coefficients)} coefficients")
    if not points:
        raise ProofRejected("no row was sampled, so there is nothing to prove")
    if len(points) > COMBINED_ROWS_MAX:
        raise ProofRejected(f"{len(points)} rows exceed {COMBINED_ROWS_MAX}")
    y = _scalar(bytes(proof.y))
    quotient = _decode(bytes(proof.proof))
    # Scalars from bytes: made from integers they take a tenth of the whole time.
    scalars = [
        Scalar.from_le_bytes(value.to_bytes(SCALAR_BYTES, "little")) for value in coefficients
    ]
    combined = G1Point.multiexp_unchecked(list(points), scalars)
    left = combined - G1Point() * Scalar(y) + quotient * Scalar(z)
    return _Equation(left, quotient)


@cache
def _g2_pair() -> list[G2Point]:
    return [G2Point(), G2Point.from_compressed_bytes(tau_g2_bytes())]


def _check(equations: Sequence[_Equation], seed: bytes | None = None) -> None:
    left, right = equations[0]
    if len(equations) > 1:
        assert seed is not None, "a batch has weights"
        stream = words(WEIGHT_TAG, seed, COEFFICIENT_BITS // 8)
        weights = [Scalar(next(stream)) for _ in equations]
        left = G1Point.multiexp_unchecked([item.left for item in equations], weights)
        right = G1Point.multiexp_unchecked([item.right for item in equations], weights)
    if not GT.pairing_check([left, -right], _g2_pair()):
        raise ProofRejected("the proof does not open the commitments at the challenged point")
