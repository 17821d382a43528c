"""Checking the signatures of extrinsics, apart from everything else about them.

The executive hands a ``SignatureCheck`` to a verifier. A node checks whole batches ahead in worker
processes (``check_signature`` is a plain function of picklable values) and gives its executives a
``SignatureCache`` that knows the results.

A scheme that is slower than sr25519, whose cost is in that of any extrinsic, weighs more by
``signature_weight``: else a block of such signatures would take its importers longer than a slot.

Guarantee: a cached success is one of these very bytes, signature, signer and payload, so nothing
that is valid on one fork passes on another. Bounds: ``CACHED_MAX`` results of 32 bytes.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from pallets.frame.weight import ZERO, Weight
from primitives.crypto.signatures import EcdsaSignature
from primitives.extrinsic import MultiSignature, verify_multi
from primitives.hashing import blake2_256
from primitives.scale import codec
from primitives.types import AccountId

_SIGNATURE: Final = codec(MultiSignature)

__all__ = [
    "CACHED_MAX",
    "ECDSA_WEIGHT",
    "SignatureCache",
    "SignatureCheck",
    "Verifier",
    "check_signature",
    "signature_weight",
]

ECDSA_WEIGHT: Final = Weight(ref_time=2_000_000_000)
"""What an ecdsa signature adds to its extrinsic: recovering the key takes 1.8 ms, measured."""

CACHED_MAX: Final = 65_536
"""Results that a cache remembers by default: the transactions of a full pool, and some blocks."""


class SignatureCheck(NamedTuple):
    """Did ``signer`` sign ``payload``?"""

    signature: MultiSignature
    payload: bytes
    signer: AccountId

    def key(self) -> bytes:
        """What identifies this question."""
        signature = _SIGNATURE.encode(self.signature)
        return bytes(blake2_256(signature + self.signer + self.payload))


Verifier = Callable[[SignatureCheck], bool]
"""Answers a check; must answer as ``check_signature`` does."""


def check_signature(check: SignatureCheck) -> bool:
    """Whether the signature is good."""
    return verify_multi(check.signature, check.payload, check.signer)


def signature_weight(signature: MultiSignature) -> Weight:
    """What checking this signature weighs beyond the base weight of an extrinsic."""
    return ECDSA_WEIGHT if isinstance(signature, EcdsaSignature) else ZERO


class SignatureCache:
    """A verifier that remembers successes, the oldest forgotten first."""

    def __init__(self, *, size_max: int = CACHED_MAX, verify: Verifier = check_signature) -> None:
        assert size_max > 0, "because a cache of nothing is no cache"
        self._good: dict[bytes, None] = {}
        self._size_max = size_max
        self._verify = verify

    def __call__(self, check: SignatureCheck) -> bool:
        """Answer from memory, or verify and remember."""
        key = check.key()
        if key in self._good:
            return True
        if not self._verify(check):
            return False
        self.remember(key)
        return True

    def knows(self, key: bytes) -> bool:
        """Whether the check with this key is remembered as good."""
        return key in self._good

    def remember(self, key: bytes) -> None:
        """The check with this key was found good elsewhere."""
        good = self._good
        good[key] = None
        if len(good) > self._size_max:
            del good[next(iter(good))]
