"""Finality: the authorities that vote on it.

Votes are counted by the node; the chain says whose count. When a session brings other voters, the
block that begins it carries a ``ScheduledChange`` with delay 0: its own state has the new set and
the next set id, and it is the last block that the old set finalizes.

If more than a third of the voters are lost for good, nothing can be finalized, no change either.
Root can then say ``note_stalled``: a later session *forces* its voters with a ``ForcedChange``, of
delay 0 too: blocks above it are finalized by them though it is not final itself. It is a hard fork
that operators must agree on, so root says how many blocks they have for that.

``report_equivocation`` punishes who signed two different votes of a kind in one round.

Invariants:
- an id of a set is never given to two sets, and ids rise by one;
- the authorities change in a block only if its digest announced it;
- ``set_id_session`` has the last session of each of the newest ``max_set_id_session_entries`` sets.

Bounds: ``max_authorities``. Ports needed: ``chain`` (System), ``sessions`` (Session), ``authors``
(Babe), ``key_owners`` (Historical), ``offences`` (Offences). Provided: ``Finality`` of Session; to
the node and its runtime API ``authority_list``, ``set_id`` and ``prove_owner``.
"""

from typing import Annotated

from pallets.frame import (
    Call,
    Doc,
    Holes,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    PostInfo,
    StorageMap,
    StorageValue,
    Twox64Concat,
    Weight,
    call,
    ensure,
    ensure_none,
    ensure_root,
    ensure_signed,
    event,
)
from pallets.frame.validity import TransactionSource, ValidTransaction
from pallets.grandpa import reports
from pallets.grandpa.ports import Authors, Chain, KeyOwners, OffenceReports, Sessions
from pallets.grandpa.types import Authorities, StoredPendingChange
from primitives.digest import (
    GRANDPA_ENGINE,
    AuthorityKey,
    Consensus,
    GrandpaConsensusLog,
    GrandpaForcedChange,
    GrandpaOnDisabled,
    GrandpaScheduledChange,
    ScheduledChange,
)
from primitives.equivocation import GrandpaEquivocationProof, MembershipProof
from primitives.scale import U32, U64, codec
from primitives.types import GRANDPA_KEY_TYPE, BlockNumber

__all__ = ["Grandpa"]

WEIGHT_EACH = U64(1)
"""The weight of every vote."""


class Grandpa(Pallet):
    """The voters of finality."""

    # 0 and 1: nobody can pause finality here, so nothing can fail at it.
    holes = Holes(errors=(0, 1))

    class Config(PalletConfig):
        """The size of the set, and who proves and punishes."""

        max_authorities: Annotated[U32, Doc("The most authorities that may vote.")]
        max_set_id_session_entries: Annotated[
            U64, Doc("Sets of which an equivocation can be proved: the newest ones.")
        ]
        report_longevity: Annotated[U64, Doc("Blocks for which the pool keeps a report.")]
        chain: Chain
        sessions: Sessions
        authors: Authors
        key_owners: KeyOwners
        offences: OffenceReports

    config: Config

    pending_change = StorageValue(
        StoredPendingChange, doc="The change of authorities that this block signals."
    )
    next_forced = StorageValue(
        BlockNumber, doc="The first block at which a forced change may be signalled."
    )
    stalled = StorageValue(
        tuple[BlockNumber, BlockNumber],
        doc="Finality is said to have stalled: delay of the forced change, and above which block.",
    )
    current_set_id = StorageValue(
        U64, default=U64(0), doc="How many times the set of authorities has changed."
    )
    # Set ids count up.
    set_id_session = StorageMap(
        U64, U32, hasher=Twox64Concat, doc="The last session of each set of authorities."
    )
    authorities = StorageValue(
        tuple[tuple[AuthorityKey, U64], ...], default=(), doc="Who votes, in order."
    )

    @event(index=0)
    class NewAuthorities:
        """From the next block on these vote."""

        authority_set: tuple[tuple[AuthorityKey, U64], ...]

    class ChangePending(PalletError, index=2):
        """A change of the authorities is signalled in this block; try in the next one."""

    class TooSoon(PalletError, index=3):
        """The last forced change is too recent for another one."""

    class InvalidKeyOwnershipProof(PalletError, index=4):
        """The proof does not show that the key was a validator's in that session."""

    class InvalidEquivocationProof(PalletError, index=5):
        """These are not two votes of one voter in one round of a set of that session."""

    class DuplicateOffenceReport(PalletError, index=6):
        """This offence was reported already."""

    def integrity_test(self) -> None:
        """A set is remembered while its successor votes."""
        assert self.config.max_set_id_session_entries > 1, "because the last sets are looked up"

    # Port of Session.

    def on_genesis_session(self, keys: tuple[AuthorityKey, ...]) -> None:
        """Take the authorities."""
        assert 0 < len(keys) <= self.config.max_authorities, "because a chain spec is checked"
        self.authorities.put(_weighed(keys))
        self.set_id_session[U64(0)] = U32(0)

    def on_new_session(self, session: U32, keys: tuple[AuthorityKey, ...]) -> None:
        """Signal a change if ``session`` brings other voters, or if finality has stalled."""
        wanted, stalled = _weighed(keys), self.stalled.get()
        if stalled is not None and self._may_force():
            delay, median = stalled
            self.stalled.kill()
            # The next one may come when twice the time of this one is over.
            self.next_forced.put(_later(self.now(), 2 * int(delay)))
            self._signal(wanted, forced=median)
        elif wanted != self.authorities.get():
            self._signal(wanted, forced=None)
        else:
            self.set_id_session[self.current_set_id.get()] = session

    def on_disabled(self, index: U32) -> None:
        """Tell light clients that authority ``index`` has misbehaved; its votes still count."""
        self._announce(GrandpaOnDisabled(authority_index=U64(index)))

    # Hooks.

    def on_finalize(self, n: BlockNumber) -> None:  # noqa: ARG002 - the same in every block
        """Announce the change that was signalled in this block, and let it take effect."""
        pending = self.pending_change.get()
        if pending is None:
            return
        change = ScheduledChange(next_authorities=pending.next_authorities, delay=pending.delay)
        forced = pending.forced
        self._announce(
            GrandpaScheduledChange(change=change)
            if forced is None
            else GrandpaForcedChange(median=forced, change=change)
        )
        self._enact(pending)

    # Calls.

    @call(index=0, weight=reports.report_weight)
    def report_equivocation(
        self,
        origin: Origin,
        equivocation_proof: GrandpaEquivocationProof,
        key_owner_proof: MembershipProof,
    ) -> PostInfo:
        """Report a voter that voted twice in a round. *Origin*: signed.

        Whoever is first pays no fee.
        """
        reporter = ensure_signed(origin)
        return reports.of(self).count(reporter, equivocation_proof, key_owner_proof)

    @call(index=1, weight=reports.report_weight)
    def report_equivocation_unsigned(
        self,
        origin: Origin,
        equivocation_proof: GrandpaEquivocationProof,
        key_owner_proof: MembershipProof,
    ) -> PostInfo:
        """Report as a validator, in a block of its own. *Origin*: none.

        The block's author is the reporter. Only the node's own pool takes it.
        """
        ensure_none(origin)
        author = self.config.authors.author()
        return reports.of(self).count(author, equivocation_proof, key_owner_proof)

    @call(index=2, weight=Weight(reads=3, writes=2))
    def note_stalled(
        self, origin: Origin, delay: BlockNumber, best_finalized_block_number: BlockNumber
    ) -> None:
        """Force voters upon all nodes, though nothing can be finalized. *Origin*: root.

        The first session that begins ``delay`` blocks from now or later announces its own voters;
        blocks above are finalized by them. ``best_finalized_block_number`` is told to light
        clients. Until then another call replaces this one.
        """
        ensure_root(origin)
        ensure(self.pending_change.get() is None, self.ChangePending)
        ensure(self.stalled.exists() or self._may_force(), self.TooSoon)
        self.stalled.put((delay, best_finalized_block_number))
        self.next_forced.put(_later(self.now(), int(delay)))

    # Unsigned reports.

    def validate_unsigned(self, source: TransactionSource, call: Call) -> ValidTransaction | None:
        """Whether a report without a signature is good: the node's own, and news."""
        return reports.of(self).validate_unsigned(source, call)

    # Views, for the node and its runtime API.

    def authority_list(self) -> Authorities:
        """The authorities with their weights."""
        return self.authorities.get()

    def set_id(self) -> U64:
        """The id of the set, which is signed with every vote."""
        return self.current_set_id.get()

    def prove_owner(self, key: AuthorityKey) -> MembershipProof | None:
        """Whose ``key`` it is in this session, for a report; None if it is no voter's."""
        return self.config.key_owners.prove_owner(GRANDPA_KEY_TYPE, key)

    # Private.

    def _may_force(self) -> bool:
        return (self.next_forced.get() or 0) <= self.now()

    def _signal(self, wanted: Authorities, *, forced: BlockNumber | None) -> None:
        self.pending_change.put(
            StoredPendingChange(
                scheduled_at=self.now(),
                delay=BlockNumber(0),
                next_authorities=wanted,
                forced=forced,
            )
        )

    def _enact(self, change: StoredPendingChange) -> None:
        begun = U64(self.current_set_id.get() + 1)
        self.authorities.put(change.next_authorities)
        self.current_set_id.put(begun)
        self.set_id_session[begun] = self.config.sessions.index()
        kept = int(self.config.max_set_id_session_entries)
        if begun >= kept:
            del self.set_id_session[U64(int(begun) - kept)]
        self.pending_change.kill()
        self.deposit_event(self.NewAuthorities(authority_set=change.next_authorities))

    def _announce(self, message: GrandpaConsensusLog) -> None:
        data = codec(GrandpaConsensusLog).encode(message)
        self.config.chain.deposit_log(Consensus(engine=GRANDPA_ENGINE, data=data))


def _later(now: BlockNumber, blocks: int) -> BlockNumber:
    return BlockNumber(min(int(now) + blocks, (1 << 32) - 1))


def _weighed(keys: tuple[AuthorityKey, ...]) -> Authorities:
    return tuple((key, WEIGHT_EACH) for key in keys)
