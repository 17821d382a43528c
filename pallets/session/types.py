"""The keys that a validator's node works with, and the proof that they are its own."""

from typing import Final

from primitives.crypto.keys import Signer, verify
from primitives.crypto.signatures import SignatureBytes, needs_secret
from primitives.digest import AuthorityKey
from primitives.errors import DecodeError
from primitives.scale import codec, struct
from primitives.types import BABE_KEY_TYPE, GRANDPA_KEY_TYPE, AccountId, KeyTypeId

__all__ = [
    "POSSESSION_CONTEXT",
    "PossessionProof",
    "SessionKeys",
    "is_possession_proof",
    "possession_statement",
    "prove_possession",
]


POSSESSION_CONTEXT: Final = b"POP_"
"""What a statement of ownership begins with, as in Substrate."""


@struct(path="cess_node_runtime::SessionKeys")
class SessionKeys:
    """A key for each engine: ``babe`` sr25519, ``grandpa`` ed25519."""

    babe: AuthorityKey
    grandpa: AuthorityKey

    def typed(self) -> tuple[tuple[KeyTypeId, AuthorityKey], ...]:
        """Each key with its type, in their order."""
        return (BABE_KEY_TYPE, self.babe), (GRANDPA_KEY_TYPE, self.grandpa)


@struct(path="cess_node_runtime::SessionKeysProof")
class PossessionProof:
    """The signatures of all keys over the statement of their owner."""

    babe: SignatureBytes
    grandpa: SignatureBytes


def possession_statement(owner: bytes) -> bytes:
    """What each key signs to say that it works for the account ``owner``.

    It is 36 bytes long: no header's hash and no vote of GRANDPA is.
    """
    return POSSESSION_CONTEXT + owner


def prove_possession(owner: AccountId, babe: Signer, grandpa: Signer) -> bytes:
    """The proof that ``set_keys`` of ``owner`` takes for the keys of these pairs."""
    statement = possession_statement(owner)
    return codec(PossessionProof).encode(
        PossessionProof(
            babe=SignatureBytes(babe.sign(statement)),
            grandpa=SignatureBytes(grandpa.sign(statement)),
        )
    )


def is_possession_proof(proof: bytes, owner: AccountId, keys: SessionKeys) -> bool:
    """Whether each of ``keys`` has signed that it works for ``owner``. Cost: 0.2 ms.

    Never for keys that everybody can sign with: their validator's votes would be everybody's.
    """
    try:
        found = codec(PossessionProof).decode(proof)
    except DecodeError:
        return False
    if not (needs_secret("sr25519", keys.babe) and needs_secret("ed25519", keys.grandpa)):
        return False
    statement = possession_statement(owner)
    return verify("sr25519", keys.babe, statement, found.babe) and verify(
        "ed25519", keys.grandpa, statement, found.grandpa
    )
