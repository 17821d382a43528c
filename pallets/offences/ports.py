"""What Offences needs of its neighbours, and no more."""

from typing import Protocol

from primitives.scale import U32
from primitives.types import AccountId

__all__ = ["Disabling", "OnOffence"]


class OnOffence(Protocol):
    """Staking: punishes, and rewards who reported."""

    def on_offence(
        self,
        offenders: tuple[tuple[AccountId, tuple[AccountId, ...]], ...],
        slash_perbill: tuple[U32, ...],
        session: U32,
        kind: bytes,
    ) -> None:
        """``offenders``, each with its reporters, committed ``kind`` in ``session``.

        ``slash_perbill`` has a fraction for each, in parts of 10^9. If others did the same in the
        same session, all of them are named again with the larger fraction that this makes: slash
        the difference to what the account was slashed for this ``kind`` and ``session``, or the
        largest fraction of its era. ``session`` is at most as old as Historical keeps; exposures
        are Staking's own, by era. It must not raise. The offender is disabled by Offences.
        """
        ...


class Disabling(Protocol):
    """Session: takes offenders out of office."""

    def disable(self, who: AccountId) -> bool:
        """Let ``who`` author no more in this session; False if that is not possible."""
        ...
