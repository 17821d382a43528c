"""Accounts that belong to the runtime: nobody holds a key for them.

An account is ``modl``, an identifier of eight bytes and zeros up to 32, as in Substrate. The
identifiers are CESS's.
"""

from primitives.types import AccountId

__all__ = [
    "PUNISH_TREASURY",
    "RESERVE_REWARD",
    "REWARD_POT",
    "SPACE_TREASURY",
    "runtime_account",
]

PREFIX = b"modl"
IDENTIFIER_BYTES = 8


def runtime_account(identifier: bytes) -> AccountId:
    """The account of an ``identifier`` of exactly eight bytes."""
    assert len(identifier) == IDENTIFIER_BYTES, "because identifiers are written in this tree"
    return AccountId((PREFIX + identifier).ljust(32, b"\0"))


REWARD_POT = runtime_account(b"rewardpt")
"""Where the reward of an era is minted and from where miners are paid."""

PUNISH_TREASURY = runtime_account(b"punisdpt")
"""Where fines go."""

SPACE_TREASURY = runtime_account(b"spacedpt")
"""Where payments for territories go."""

RESERVE_REWARD = runtime_account(b"sererdpt")
"""Where forfeited rewards go."""
