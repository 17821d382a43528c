"""What can be said of a header before its block is executed.

Guarantees: a header that passes follows its parent, lies in a slot after the parent's and not in
the future, and carries the seal and the random output of an authority whose slot that is. Its
author put nothing into the digest beside its claim, and it can be reported: what is larger than a
report may be is no header of a block, or an author could equivocate without being punished.
"""

from dataclasses import dataclass
from typing import Final

from node.consensus.slots import Epoch, slot_at
from pallets.babe.slots import check_claim, check_right
from primitives.crypto.keys import verify
from primitives.crypto.vrf import RandomPoint
from primitives.digest import BABE_ENGINE, BabePreDigest, PreRuntime, Seal
from primitives.equivocation import HEADER_LOGS_MAX
from primitives.errors import DecodeError, InvalidBlock
from primitives.header import Header
from primitives.scale import decode

__all__ = [
    "FUTURE_SLOTS_MAX",
    "CheckedHeader",
    "FutureBlock",
    "SealedHeader",
    "check_header",
    "slot_of",
    "unseal",
]

FUTURE_SLOTS_MAX: Final = 1
"""Slots by which a peer's clock may be ahead of ours."""


class FutureBlock(InvalidBlock):
    """A block from a slot that has not begun; it may become good."""


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """A header taken apart."""

    pre_seal: Header
    signature: bytes
    claim: BabePreDigest

    @property
    def slot(self) -> int:
        """The slot that it claims."""
        return self.claim.claimed_slot

    @property
    def authority_index(self) -> int:
        """Who claims it."""
        return self.claim.author


@dataclass(frozen=True, slots=True)
class CheckedHeader:
    """A good header taken apart, and the random output that its claim carries, if any."""

    sealed: SealedHeader
    output: RandomPoint | None


def _pre_digest(header: Header) -> BabePreDigest:
    found = [item for item in header.digest.logs if isinstance(item, PreRuntime)]
    if len(found) != 1 or found[0].engine != BABE_ENGINE:
        raise InvalidBlock(
            f"block {header.number} has {len(found)} pre-digests; it must have one, of BABE"
        )
    try:
        return decode(BabePreDigest, bytes(found[0].data))
    except DecodeError as error:
        raise InvalidBlock(f"block {header.number}: its pre-digest is malformed") from error


def slot_of(header: Header) -> int:
    """The slot of a block; before the first one, for genesis, 0."""
    return 0 if header.number == 0 else _pre_digest(header).claimed_slot


def unseal(header: Header) -> SealedHeader:
    """Take the seal off, or raise ``InvalidBlock``."""
    pre_seal, seal = header.split_seal()
    if seal is None or seal.engine != BABE_ENGINE:
        raise InvalidBlock(f"block {header.number} has no BABE seal at its end")
    if any(isinstance(item, Seal) for item in pre_seal.digest.logs):
        raise InvalidBlock(f"block {header.number} has more than one seal")
    if len(header.digest.logs) > HEADER_LOGS_MAX:
        raise InvalidBlock(f"block {header.number} has more than {HEADER_LOGS_MAX} digest items")
    return SealedHeader(pre_seal, seal.data, _pre_digest(header))


def check_header(
    header: Header, parent: Header, epoch: Epoch, *, now_ms: int, duration_ms: int
) -> CheckedHeader:
    """Check ``header`` against its parent and the epoch that it is in.

    Raises:
        FutureBlock: its slot has not begun.
        InvalidBlock: it breaks a rule; the text says which.

    Cost: 0.7 ms for a good header, less for one whose seal is not its author's.
    """
    if header.parent_hash != parent.hash():
        raise InvalidBlock(f"block {header.number} does not name its parent")
    if int(header.number) != int(parent.number) + 1:
        raise InvalidBlock(f"block {header.number} follows block {parent.number}")
    sealed = unseal(header)
    if sealed.slot <= slot_of(parent):
        raise InvalidBlock(
            f"block {header.number} is in slot {sealed.slot}, not after its parent's "
            f"{slot_of(parent)}"
        )
    if sealed.slot > slot_at(now_ms, duration_ms) + FUTURE_SLOTS_MAX:
        raise FutureBlock(
            f"block {header.number} is in slot {sealed.slot}, which has not begun: check the clocks"
        )
    check_right(sealed.claim, epoch)
    author = epoch.authorities[sealed.authority_index]
    if not verify("sr25519", author, bytes(sealed.pre_seal.hash()), sealed.signature):
        raise InvalidBlock(f"the seal of block {header.number} is not its author's")
    return CheckedHeader(sealed, check_claim(sealed.claim, epoch))
