"""The verifiable random function of sr25519 keys, and how BABE draws slots with it.

For a transcript and a key there is exactly one pre-output. Whoever has the secret computes it and
proves that it is right; whoever has the public key checks the proof, and neither can be had without
the secret. ``make_bytes`` turns a checked pre-output into random bytes for a purpose.

The bytes are schnorrkel's, of its non-malleable function in the variant that its source calls
``KUSAMA_VRF`` and that BABE uses. A secret is the 64 bytes of the sr25519 binding: a scalar,
and the seed of nonces. *Nonces* are drawn from the seed of nonces, the input, the output, the
public key and optional entropy: without entropy a proof is a function of its arguments, and two
different proofs never share a nonce.

In BABE an authority wins a slot whose ``primary_score`` is below its ``primary_threshold``.

Refused: encodings of points and scalars that are not canonical; the identity as pre-output or key.
Cost: about 0.6 ms to sign or to verify, 0.25 ms to learn that a slot is not won.

Source: schnorrkel 0.11 ``vrf.rs``; ``sp-consensus-babe`` and ``sc-consensus-babe`` (transcript,
contexts, threshold); Papadopoulos et al., "Making NSEC5 Practical for DNSSEC", 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NoReturn

from primitives.crypto.merlin import Transcript
from primitives.crypto.ristretto import (
    ORDER,
    SCALAR_BYTES,
    Point,
    decode_point,
    decode_scalar,
    encode_scalar,
    multiply,
    multiply_base,
    point_from_hash,
    scalar_from_hash,
)
from primitives.errors import DecodeError, InvalidKey, ProofRejected

__all__ = [
    "AUTHORING_CONTEXT",
    "PRE_OUTPUT_BYTES",
    "PROOF_BYTES",
    "RANDOMNESS_CONTEXT",
    "RandomPoint",
    "VrfKey",
    "babe_transcript",
    "make_bytes",
    "primary_score",
    "primary_threshold",
    "vrf_verify",
]

SECRET_BYTES: Final = 64
PRE_OUTPUT_BYTES: Final = 32
PROOF_BYTES: Final = 64

_NO_ENTROPY: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class RandomPoint:
    """The input and the output of the function, as encoded points and as points."""

    input_bytes: bytes
    pre_output: bytes
    input_point: Point
    output_point: Point


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class VrfKey:
    """A secret key and its public key; build one with ``from_secret``."""

    public: bytes
    _scalar: int = field(repr=False)
    _nonce_seed: bytes = field(repr=False)

    @classmethod
    def from_secret(cls, secret: bytes) -> "VrfKey":
        """The key of an sr25519 secret of 64 bytes. Raises: InvalidKey."""
        if len(secret) != SECRET_BYTES:
            raise InvalidKey(f"an sr25519 secret has {SECRET_BYTES} bytes, not {len(secret)}")
        scalar = int.from_bytes(secret[:SCALAR_BYTES], "little")
        if not 0 < scalar < ORDER:
            raise InvalidKey("the secret is not an sr25519 one: its scalar is out of range")
        return cls(multiply_base(scalar).encode(), scalar, bytes(secret[SCALAR_BYTES:]))

    def __repr__(self) -> str:
        return f"VrfKey(public=0x{self.public.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key is not pickled; pass a secret URI to whom may have it")

    def evaluate(self, transcript: Transcript) -> RandomPoint:
        """The one output for ``transcript``, which is left as it is."""
        source = _input_point(self.public, transcript)
        output = multiply(self._scalar, source)
        return RandomPoint(source.encode(), output.encode(), source, output)

    def prove(
        self, point: RandomPoint, extra: Transcript | None = None, entropy: bytes = _NO_ENTROPY
    ) -> bytes:
        """The proof that ``point`` is this key's; the caller made it with ``evaluate``.

        ``extra`` is a transcript that the proof commits to as well.
        """
        proof = _begin_proof(point, extra)
        bound = proof.clone()
        bound.append(b"vrf:pk", self.public)
        bound.append(b"vrf:h^sk", point.pre_output)
        drawn = bound.witness(b"proving\x000", (self._nonce_seed,), entropy)
        nonce = scalar_from_hash(drawn)
        committed = multiply_base(nonce), multiply(nonce, point.input_point)
        challenge = _challenge(proof, committed, self.public, point)
        response = (nonce - challenge * self._scalar) % ORDER
        return encode_scalar(challenge) + encode_scalar(response)

    def sign(
        self,
        transcript: Transcript,
        extra: Transcript | None = None,
        entropy: bytes = _NO_ENTROPY,
    ) -> tuple[RandomPoint, bytes]:
        """The output for ``transcript`` and its proof."""
        point = self.evaluate(transcript)
        return point, self.prove(point, extra, entropy)


def vrf_verify(
    public: bytes,
    transcript: Transcript,
    pre_output: bytes,
    proof: bytes,
    extra: Transcript | None = None,
) -> RandomPoint:
    """Check that ``pre_output`` is the output of the key for ``transcript``, and return it.

    Raises: ProofRejected, whoever's fault it is: a malformed key, output or proof too.
    """
    try:
        key = decode_point(public)
        output = decode_point(pre_output)
        challenge = decode_scalar(proof[:SCALAR_BYTES])
        response = decode_scalar(proof[SCALAR_BYTES:])
    except DecodeError as error:
        raise ProofRejected(f"the random output of a slot cannot be checked: {error}") from None
    if key.is_identity() or output.is_identity():
        raise ProofRejected("the random output of a slot, or its key, is the identity")
    source = _input_point(public, transcript)
    point = RandomPoint(source.encode(), bytes(pre_output), source, output)
    committed = (
        multiply_base(response) + multiply(challenge, key),
        multiply(response, source) + multiply(challenge, output),
    )
    if _challenge(_begin_proof(point, extra), committed, public, point) != challenge:
        raise ProofRejected("the random output of a slot is not what its author's key gives")
    return point


def make_bytes(point: RandomPoint, context: bytes, length: int) -> bytes:
    """Random bytes for the purpose ``context``, from an output that was checked or made here."""
    result = Transcript.of(b"VRFResult")
    result.append(b"", context)
    result.append(b"vrf-in", point.input_bytes)
    result.append(b"vrf-out", point.pre_output)
    return result.challenge(b"", length)


def _input_point(public: bytes, transcript: Transcript) -> Point:
    hashed = transcript.clone()
    hashed.append(b"vrf-nm-pk", public)
    return point_from_hash(hashed.challenge(b"VRFHash", 64))


def _begin_proof(point: RandomPoint, extra: Transcript | None) -> Transcript:
    proof = Transcript.of(b"VRF") if extra is None else extra.clone()
    proof.append(b"proto-name", b"DLEQProof")
    proof.append(b"vrf:h", point.input_bytes)
    return proof


def _challenge(
    proof: Transcript, committed: tuple[Point, Point], public: bytes, point: RandomPoint
) -> int:
    proof.append(b"vrf:R=g^r", committed[0].encode())
    proof.append(b"vrf:h^r", committed[1].encode())
    proof.append(b"vrf:pk", public)
    proof.append(b"vrf:h^sk", point.pre_output)
    return scalar_from_hash(proof.challenge(b"prove", 64))


# BABE.

AUTHORING_CONTEXT: Final = b"substrate-babe-vrf"
"""The purpose of the bytes that decide whether a slot is won."""

RANDOMNESS_CONTEXT: Final = b"BabeVRFInOutContext"
"""The purpose of the bytes that make the randomness of later epochs."""

SCORE_BYTES: Final = 16
_SCORES: Final = 1 << (8 * SCORE_BYTES)


def babe_transcript(slot: int, epoch: int, randomness: bytes) -> Transcript:
    """What an authority evaluates for ``slot`` of the epoch with this index and randomness."""
    transcript = Transcript.of(b"BABE")
    transcript.append_u64(b"slot number", slot)
    transcript.append_u64(b"current epoch", epoch)
    transcript.append(b"chain randomness", randomness)
    return transcript


def primary_score(point: RandomPoint) -> int:
    """A number below 2**128; its authority wins the slot if it is below the threshold."""
    return int.from_bytes(make_bytes(point, AUTHORING_CONTEXT, SCORE_BYTES), "little")


def primary_threshold(c: tuple[int, int], weights: Sequence[int], index: int) -> int:
    """How many of the 2**128 scores win a slot for the authority ``index``.

    ``c`` is the chance that somebody wins, as a fraction of at most 1. With ``theta`` for the
    authority's part of all weight it is ``2**128 * (1 - (1 - c)**theta)``.

    Substrate computes this in floating point and turns the result into an integer. This does the
    same roundings in the same order, to 53 bits and ties to even, on integers, so it is the same
    on every machine. Both are equal where ``pow`` is rounded correctly. glibc's is, but for about
    one in two thousand arguments, next to the middle between two floats; there the thresholds
    differ by 2**75 or less, which decides one slot in 2**53. Where Substrate panics, this is 2**128
    for ``c`` = 1 and 0 for a weight of 0.
    """
    total = sum(weights)
    assert 0 <= c[0] <= c[1] < 1 << 64, "because the rules of an epoch are checked"
    assert c[1], "because the rules of an epoch are checked"
    assert 0 < total < 1 << 64, "because the authorities' weights are checked"
    return _threshold(c, int(weights[index]), total)


_MANTISSA_BITS: Final = 53
_FIXED_BITS: Final = 320
"""Bits after the point: enough to round correctly whatever is not exact."""

_ONE: Final = 1 << _FIXED_BITS


@lru_cache(maxsize=1024)
def _threshold(c: tuple[int, int], weight: int, total: int) -> int:
    if weight == 0:
        return 0
    base = _rounded(_ONE - _quotient(*c))
    if base in (0, _ONE):
        return 0 if base else _SCORES
    power = _exp_minus(_quotient(weight, total) * _minus_log(base) >> _FIXED_BITS)
    chance = _rounded(_ONE - _rounded(power))
    return chance * _SCORES >> _FIXED_BITS


def _rounded(fixed: int) -> int:
    """The nearest number of 53 significant bits, the even one of two."""
    surplus = fixed.bit_length() - _MANTISSA_BITS
    if surplus <= 0:
        return fixed
    kept, rest, half = fixed >> surplus, fixed & ((1 << surplus) - 1), 1 << (surplus - 1)
    if rest > half or (rest == half and kept & 1):
        kept += 1
    return kept << surplus


def _quotient(numerator: int, denominator: int) -> int:
    """The quotient of two numbers of 64 bits, all three rounded.

    A quotient is either exact in so many bits or not near the middle of two floats, so that
    cutting it off first does not matter.
    """
    return _rounded((_rounded(numerator) << _FIXED_BITS) // _rounded(denominator))


def _minus_log(fixed: int) -> int:
    """``-ln`` of a number in (0, 1): twice the artanh of ``(1 - z) / (1 + z)``, plus halvings."""
    halvings = _FIXED_BITS - fixed.bit_length()
    return _log_of_inverse(fixed << halvings) + halvings * _LOG_2


def _log_of_inverse(fixed: int) -> int:
    ratio = ((_ONE - fixed) << _FIXED_BITS) // (_ONE + fixed)
    square = ratio * ratio >> _FIXED_BITS
    total, power, divisor = 0, ratio, 1
    while power:
        total += power // divisor
        power = power * square >> _FIXED_BITS
        divisor += 2
    return 2 * total


_LOG_2: Final = _log_of_inverse(_ONE >> 1)


def _exp_minus(fixed: int) -> int:
    """``exp(-x)`` by its series, after halvings of the result are taken out."""
    halvings, rest = divmod(fixed, _LOG_2)
    total, term, divisor = _ONE, _ONE, 0
    while term:
        divisor += 1
        term = (term * rest >> _FIXED_BITS) // divisor
        total += -term if divisor % 2 else term
    return total >> halvings
