"""Which nodes there are, where, and when to try them again.

Bounds: ``PEERS_MAX`` peers, those that the operator names beside them, with ``ADDRESSES_MAX``
addresses each. One teller fills at most ``TOLD_MAX`` places, and makes room only among peers that
do not answer; those to which a connection stands or stood lately, and those the operator named, are
not pushed out by hearsay.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from node.network.addresses import Address

__all__ = ["ADDRESSES_MAX", "PEERS_MAX", "TOLD_MAX", "AddressBook", "Known"]

PEERS_MAX: Final = 1024
ADDRESSES_MAX: Final = 4
TOLD_MAX: Final = 64

GONE_FAILURES: Final = 10
"""Attempts in vain after which a peer that was there once may make room."""

RETRY_S: Final = 4.0
RETRY_MAX_S: Final = 300.0
RETRY_KEPT_MAX_S: Final = 15.0
"""For nodes that the operator named, and those that were there once: they come back."""


@dataclass(slots=True)
class Known:
    """A peer that could be dialled."""

    addresses: list[Address] = field(default_factory=list)
    is_kept: bool = False
    """Whether the operator named it."""
    is_proven: bool = False
    """Whether a connection that we dialled once stood."""
    teller: str | None = None
    failures: int = 0
    not_before_s: float = 0.0

    def next_address(self) -> Address:
        """The address to try now: the next one after each failure."""
        return self.addresses[self.failures % len(self.addresses)]


class AddressBook:
    """All known peers."""

    def __init__(self, peers_max: int = PEERS_MAX) -> None:
        self._peers_max = peers_max
        self._known: dict[str, Known] = {}
        self._told: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[tuple[str, Known]]:
        return iter(self._known.items())

    def get(self, peer: str) -> Known | None:
        """What is known of a peer."""
        return self._known.get(peer)

    def keep(self, peer: str, address: Address) -> None:
        """The operator named this peer: there is room for it, whoever else is known."""
        if peer not in self._known and len(self._known) >= self._peers_max:
            self._make_room()
        known = self._known.setdefault(peer, Known())
        known.is_kept = True
        _add(known, address)

    def release(self, peer: str) -> None:
        """The operator does not name this peer any more: it is forgotten unless it once answered.

        One that answered is known on, and may make room as others do.
        """
        known = self._known.get(peer)
        if known is None or not known.is_kept:
            return
        known.is_kept = False
        if not known.is_proven:
            del self._known[peer]
            self._forget_teller(known)

    def told(self, peer: str, address: Address, teller: str) -> bool:
        """``teller`` says where a peer is; False if there is no room for what it says."""
        known = self._known.get(peer)
        if known is not None:
            if teller == peer or len(known.addresses) < ADDRESSES_MAX:
                _add(known, address)
            return True
        if self._told[teller] >= TOLD_MAX:
            return False
        if len(self._known) >= self._peers_max and not self._make_room():
            return False
        self._known[peer] = Known([address.without_peer()], teller=teller)
        self._told[teller] += 1
        return True

    def proven(self, peer: str, address: Address | None) -> None:
        """A connection to this address stands."""
        known = self._known.get(peer)
        if known is None:
            return
        if not known.is_proven:
            known.is_proven = True
            self._forget_teller(known)
        known.failures = 0
        plain = None if address is None else address.without_peer()
        if plain is not None and plain in known.addresses:
            known.addresses.remove(plain)
            known.addresses.insert(0, plain)

    def failed(self, peer: str, now_s: float, *, at_least_s: float = 0.0) -> None:
        """An attempt failed, or a connection ended: not again so soon."""
        known = self._known.get(peer)
        if known is None:
            return
        longest = RETRY_KEPT_MAX_S if known.is_kept or known.is_proven else RETRY_MAX_S
        wait = min(RETRY_S * 2 ** min(known.failures, 10), longest)
        known.failures += 1
        known.not_before_s = now_s + max(wait, min(at_least_s, longest))

    def _make_room(self) -> bool:
        candidates = [
            (-known.failures, peer)
            for peer, known in self._known.items()
            if known.failures >= (GONE_FAILURES if known.is_proven else 1) and not known.is_kept
        ]
        if not candidates:
            return False
        known = self._known.pop(min(candidates)[1])
        self._forget_teller(known)
        return True

    def _forget_teller(self, known: Known) -> None:
        if known.teller is not None:
            self._told[known.teller] -= 1
            if not self._told[known.teller]:
                del self._told[known.teller]
            known.teller = None


def _add(known: Known, address: Address) -> None:
    plain = address.without_peer()
    if plain not in known.addresses:
        known.addresses.append(plain)
        if len(known.addresses) > ADDRESSES_MAX:
            known.addresses.pop(1)
