"""The digest of a header: what consensus engines write into a block, and the words they use.

A digest is a list of items. ``PreRuntime`` says for which slot the block was made, ``Consensus``
items announce changes to light clients, and ``Seal``, always the last one, is the author's
signature over the header without it.

The messages inside items are SCALE values of their engine: BABE's and GRANDPA's are below, byte for
byte as in Substrate, and so are the indices.
"""

from collections.abc import Iterator
from typing import Final

from primitives.scale import U32, U64, FixedBytes, ScaleEnum, Variant, struct
from primitives.scale.type_info import Registry, TypeInfo
from primitives.tuple_like import tuple_like
from primitives.types import BlockNumber

__all__ = [
    "BABE_ENGINE",
    "GRANDPA_ENGINE",
    "AllowedSlots",
    "AuthorityKey",
    "BabeConsensusLog",
    "BabeOnDisabled",
    "BabePreDigest",
    "Consensus",
    "Digest",
    "DigestItem",
    "EngineId",
    "GrandpaConsensusLog",
    "GrandpaForcedChange",
    "GrandpaOnDisabled",
    "GrandpaPause",
    "GrandpaResume",
    "GrandpaScheduledChange",
    "NextConfigData",
    "NextConfigDescriptor",
    "NextConfigV1",
    "NextEpochData",
    "Other",
    "PreRuntime",
    "Primary",
    "Randomness",
    "RuntimeEnvironmentUpdated",
    "ScheduledChange",
    "Seal",
    "SecondaryPlain",
    "SecondaryVrf",
    "VrfSignature",
]


class EngineId(FixedBytes, length=4):
    """Which engine an item belongs to."""


BABE_ENGINE: Final = EngineId(b"BABE")
GRANDPA_ENGINE: Final = EngineId(b"FRNK")


class DigestItem(Variant, path="sp_runtime::generic::digest::DigestItem"):
    """One item of a digest."""

    @classmethod
    def __type_info__(cls, registry: Registry) -> TypeInfo:
        return tuple_like(DigestItem, "sp_runtime::generic::digest::DigestItem", registry)


class Other(DigestItem, index=0):
    """Bytes without a meaning to consensus."""

    data: bytes


class Consensus(DigestItem, index=4):
    """A message from the runtime to an engine."""

    engine: EngineId
    data: bytes


class Seal(DigestItem, index=5):
    """The author's signature, put on last."""

    engine: EngineId
    data: bytes


class PreRuntime(DigestItem, index=6):
    """A message from an engine to the runtime, there before the block was executed."""

    engine: EngineId
    data: bytes


class RuntimeEnvironmentUpdated(DigestItem, index=8):
    """The runtime's code changes after this block."""


@struct(path="sp_runtime::generic::digest::Digest")
class Digest:
    """The items of a header, in order."""

    logs: tuple[DigestItem, ...] = ()

    def pre_runtime(self, engine: bytes) -> bytes | None:
        """The first message of ``engine`` to the runtime."""
        for item in self.logs:
            if isinstance(item, PreRuntime) and item.engine == engine:
                return item.data
        return None

    def consensus(self, engine: bytes) -> Iterator[bytes]:
        """The messages of the runtime to ``engine``, in order."""
        for item in self.logs:
            if isinstance(item, Consensus) and item.engine == engine:
                yield item.data

    def pushed(self, item: DigestItem) -> "Digest":
        """This digest with one more item at its end."""
        return Digest((*self.logs, item))


# BABE.


class AuthorityKey(FixedBytes, length=32):
    """The public key of an authority: sr25519 in BABE, ed25519 in GRANDPA."""


class Randomness(FixedBytes, length=32):
    """The randomness of an epoch."""


class VrfPreOutput(FixedBytes, length=32):
    """The pre-output of a verifiable random function."""


class VrfProof(FixedBytes, length=64):
    """The proof of a pre-output."""


@struct(path="sp_core::sr25519::vrf::VrfSignature")
class VrfSignature:
    """A pre-output and its proof."""

    pre_output: VrfPreOutput
    proof: VrfProof


class BabePreDigest(Variant, path="sp_consensus_babe::digests::PreDigest"):
    """By what right and for which slot a block was authored."""

    @property
    def author(self) -> int:
        """The index of the author in the epoch's authorities."""
        return int(_claim(self).authority_index)

    @property
    def claimed_slot(self) -> int:
        """The slot that the block was made for."""
        return int(_claim(self).slot)


class Primary(BabePreDigest, index=1):
    """The author's random number won the slot."""

    authority_index: U32
    slot: U64
    vrf_signature: VrfSignature


class SecondaryPlain(BabePreDigest, index=2):
    """The slot falls to this author if nobody won it."""

    authority_index: U32
    slot: U64


class SecondaryVrf(BabePreDigest, index=3, name="SecondaryVRF"):
    """As ``SecondaryPlain``, with a random number for the next epoch."""

    authority_index: U32
    slot: U64
    vrf_signature: VrfSignature


def _claim(digest: BabePreDigest) -> Primary | SecondaryPlain | SecondaryVrf:
    assert isinstance(digest, Primary | SecondaryPlain | SecondaryVrf), "because these are all"
    return digest


class AllowedSlots(ScaleEnum, path="sp_consensus_babe::AllowedSlots"):
    """Which claims of a slot an epoch accepts."""

    PrimarySlots = 0
    PrimaryAndSecondaryPlainSlots = 1
    PrimaryAndSecondaryVRFSlots = 2


class BabeConsensusLog(Variant, path="sp_consensus_babe::ConsensusLog"):
    """A message from the runtime to BABE."""


class NextEpochData(BabeConsensusLog, index=1):
    """The authorities (with weights) and the randomness of the next epoch."""

    authorities: tuple[tuple[AuthorityKey, U64], ...]
    randomness: Randomness


class BabeOnDisabled(BabeConsensusLog, index=2, name="OnDisabled"):
    """The authority with this index may not author any more in this epoch."""

    authority_index: U32


class NextConfigDescriptor(Variant, path="sp_consensus_babe::digests::NextConfigDescriptor"):
    """The rules of the next epoch, in a version."""


class NextConfigV1(NextConfigDescriptor, index=1, name="V1"):
    """A slot has a winner with the chance ``c[0] / c[1]``."""

    c: tuple[U64, U64]
    allowed_slots: AllowedSlots


class NextConfigData(BabeConsensusLog, index=3):
    """The rules change with the next epoch."""

    config: NextConfigDescriptor


# GRANDPA.


@struct(path="sp_consensus_grandpa::ScheduledChange")
class ScheduledChange:
    """The next authorities with their weights, in force ``delay`` blocks later."""

    next_authorities: tuple[tuple[AuthorityKey, U64], ...]
    delay: BlockNumber


class GrandpaConsensusLog(Variant, path="sp_consensus_grandpa::ConsensusLog"):
    """A message from the runtime to GRANDPA."""


class GrandpaScheduledChange(GrandpaConsensusLog, index=1, name="ScheduledChange"):
    """The authorities change once this block is final."""

    change: ScheduledChange


class GrandpaForcedChange(GrandpaConsensusLog, index=2, name="ForcedChange"):
    """The authorities change without finality, counted from the block ``median``."""

    median: BlockNumber
    change: ScheduledChange


class GrandpaOnDisabled(GrandpaConsensusLog, index=3, name="OnDisabled"):
    """The authority with this index does not vote any more."""

    authority_index: U64


class GrandpaPause(GrandpaConsensusLog, index=4, name="Pause"):
    """Voting stops ``delay`` blocks later."""

    delay: BlockNumber


class GrandpaResume(GrandpaConsensusLog, index=5, name="Resume"):
    """Voting goes on ``delay`` blocks later."""

    delay: BlockNumber
