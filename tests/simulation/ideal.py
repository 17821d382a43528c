"""Cheap stand-ins for signatures and the slot lottery, and memories of pure functions: tests only.

``IdealPair`` signs with a hash that is tagged with its public key. Nobody in the simulation signs
for another, so a signature is as unforgeable here as a real one; a changed message, signature or
key is found out as always. The lottery is a hash of key and slot. All *rules* are production code:
``ideal_crypto`` only puts these functions in the place of those that call the bindings.

The memories: several nodes of a world get the same immutable objects, so what a pure function says
of one (a header's hash, a vote's block) is worked out once. They are keyed by the object itself or
by its bytes, so they answer what the function would.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, TypeVar

import node.consensus.grandpa.commits as commits
import node.consensus.verification as verification
import node.database.chain as database_chain
import pallets.babe.slots as babe_slots
import primitives.grandpa as grandpa
import primitives.justification as justification
from node.consensus.grandpa.round import Round
from primitives.crypto.vrf import RandomPoint
from primitives.errors import ProofRejected
from primitives.header import Header
from primitives.scale import codec
from primitives.types import AccountId

MEMORY_COUNT = 20_000
"""Answers that one memory holds; then it begins anew."""
ROUNDS_COUNT = 64
"""As many, of rounds: each holds its node alive."""

T = TypeVar("T")


def ideal_signature(public: bytes, message: bytes) -> bytes:
    return blake2b(message, digest_size=64, key=public[:32]).digest()


def ideal_verify(scheme: str, public: bytes, message: bytes, signature: bytes) -> bool:
    return ideal_signature(bytes(public), bytes(message)) == bytes(signature)


class IdealVrf:
    """The lottery of one key."""

    def __init__(self, public: bytes) -> None:
        self._public = public

    def evaluate(self, transcript: bytes) -> RandomPoint:
        output = blake2b(transcript, digest_size=32, key=self._public).digest()
        return RandomPoint(transcript, output, None, None)  # type: ignore[arg-type]

    def prove(self, point: RandomPoint) -> bytes:
        return ideal_signature(self._public, point.input_bytes)


class IdealPair:
    """Signs for one key."""

    def __init__(self, scheme: str, index: int) -> None:
        self.scheme = scheme
        self.public = blake2b(f"{scheme} {index}".encode(), digest_size=32).digest()
        self.account_id = AccountId(self.public)

    def sign(self, message: bytes) -> bytes:
        return ideal_signature(self.public, bytes(message))

    def vrf_key(self) -> IdealVrf:
        return IdealVrf(self.public)


def _transcript(slot: int, epoch: int, randomness: bytes) -> bytes:
    return b"%d %d %b" % (slot, epoch, randomness)


def _score(point: RandomPoint) -> int:
    return int.from_bytes(point.pre_output[:16], "little")


def _vrf_verify(public: bytes, transcript: bytes, pre_output: bytes, proof: bytes) -> RandomPoint:
    point = IdealVrf(bytes(public)).evaluate(transcript)
    if point.pre_output != pre_output or IdealVrf(bytes(public)).prove(point) != proof:
        raise ProofRejected("the random output of a slot is not what its author's key gives")
    return point


def by_identity(function: Callable[[Any], T]) -> Callable[[Any], T]:
    """``function`` with a memory of the immutable objects that it was asked about."""
    known: dict[int, tuple[Any, T]] = {}

    def remembered(what: Any) -> T:
        found = known.get(id(what))
        if found is not None and found[0] is what:
            return found[1]
        answer = function(what)
        if len(known) >= MEMORY_COUNT:
            known.clear()
        known[id(what)] = what, answer
        return answer

    return remembered


def by_value(function: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """``function`` of bytes, with a memory."""
    known: dict[bytes, T] = {}

    def remembered(data: bytes) -> T:
        found = known.get(data)
        if found is None:
            found = function(data)
            if len(known) >= MEMORY_COUNT:
                known.clear()
            known[bytes(data)] = found
        return found

    return remembered


class _HeaderCodec:
    """The codec of headers whose decoder remembers."""

    def __init__(self) -> None:
        real = codec(Header)
        self.encode = real.encode
        self.decode = by_value(real.decode)


def _verify_vote(signed: grandpa.SignedVote, round_number: int, set_id: int) -> bool:
    found = _votes.get(id(signed))
    if found is not None and found[0] is signed and found[1] == round_number:
        return found[2] == set_id
    payload = grandpa.vote_payload(signed.vote, round_number, set_id)
    good = ideal_verify("ed25519", signed.authority, payload, signed.signature)
    if good:
        if len(_votes) >= MEMORY_COUNT:
            _votes.clear()
        _votes[id(signed)] = signed, round_number, set_id
    return good


_votes: dict[int, tuple[grandpa.SignedVote, int, int]] = {}


def _catch_up_of(round_: Round) -> grandpa.CatchUp:
    """What ``catch_up_of`` says, with a memory of rounds to which no vote was added since."""
    tallies = round_.prevotes, round_.precommits
    size = tuple(len(votes) for tally in tallies for votes in (tally._first, tally._second))
    found = _rounds.get(id(round_))
    if found is not None and found[0] is round_ and found[1] == (round_.number, size):
        return found[2]
    made = commits.catch_up_of(round_)
    if len(_rounds) >= ROUNDS_COUNT:
        _rounds.clear()
    _rounds[id(round_)] = round_, (round_.number, size), made
    return made


_rounds: dict[int, tuple[Round, tuple[int, tuple[int, ...]], grandpa.CatchUp]] = {}


@contextmanager
def ideal_crypto() -> Iterator[None]:
    """Ideal signatures and lottery, and memories, until the block ends."""
    import node.consensus.grandpa.voter as voter

    changes: list[tuple[Any, str, Any]] = [
        (verification, "verify", ideal_verify),
        (justification, "verify", ideal_verify),
        (grandpa, "verify", ideal_verify),
        (voter, "verify_vote", _verify_vote),
        (voter, "catch_up_of", _catch_up_of),
        (commits, "verify_vote", _verify_vote),
        (babe_slots, "babe_transcript", _transcript),
        (babe_slots, "primary_score", _score),
        (babe_slots, "vrf_verify", _vrf_verify),
        *memories(),
    ]
    with patched(changes):
        yield


def memories() -> list[tuple[Any, str, Any]]:
    """The memories of pure functions, as changes for ``patched``."""
    decode = by_value(justification.GrandpaJustification.decode)
    return [
        (Header, "hash", _method(by_identity(Header.hash))),
        (database_chain, "_HEADER", _HeaderCodec()),
        (grandpa.Vote, "kind", property(lambda vote: grandpa._KINDS[type(vote)])),
        (grandpa.Vote, "block", property(by_identity(grandpa.Vote.block.fget))),
        (commits, "_prevote", by_identity(commits._prevote)),
        (commits, "_precommit", by_identity(commits._precommit)),
        (verification, "_pre_digest", by_identity(verification._pre_digest)),
        (justification.GrandpaJustification, "decode", staticmethod(decode)),
        (
            justification.GrandpaJustification,
            "encode",
            _method(by_identity(justification.GrandpaJustification.encode)),
        ),
    ]


def _method(function: Callable[[Any], T]) -> Callable[[Any], T]:
    def method(self: Any) -> T:
        return function(self)

    return method


@contextmanager
def patched(changes: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Put other values under names, and the old ones back at the end."""
    old = [(place, name, place.__dict__[name]) for place, name, _ in changes]
    for place, name, value in changes:
        setattr(place, name, value)
    try:
        yield
    finally:
        for place, name, value in reversed(old):
            setattr(place, name, value)
