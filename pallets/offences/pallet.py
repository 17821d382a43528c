"""Offences of validators: each is counted once, and the more commit one the harder it is punished.

``report`` takes an offence that Babe or Grandpa has proved. One that was not known makes ``k``, the
number of validators that committed this kind of offence in the session, one larger. All ``k`` are
then punished with ``min((3 k / n)^2, 1)`` of their stake, ``n`` being the session's validators: an
accident of one costs little, a third that acts together loses everything. The offender may author
no more until another set is elected.

A session is the time within which offences count together; Substrate's are a slot, or a round.
There a validator can sign votes of any number of rounds that never were, and have each reported
without a fee. And who acts together need not do so in one slot.

Invariants:
- a validator has at most one report of a kind in a session, so it is never punished twice for one;
- the index names exactly the reports that are kept.

Bounds: a session has at most ``KINDS`` times its validators in reports, and they are kept as long
as Historical remembers the session. Ports needed: ``on_offence`` (Staking), ``disabling``
(Session). Provided: ``OffenceReports`` of Babe and Grandpa, ``Reports`` of Historical.
"""

from pallets.frame import Pallet, PalletConfig, StorageDoubleMap, StorageMap, Twox64Concat, event
from pallets.offences.ports import Disabling, OnOffence
from pallets.offences.types import (
    KINDS,
    Kind,
    OffenceDetails,
    report_id,
    slash_fraction,
    time_slot_of,
)
from primitives.scale import U32
from primitives.types import AccountId, Hash

__all__ = ["Offences"]


class Offences(Pallet):
    """What validators did wrong."""

    class Config(PalletConfig):
        """Who punishes."""

        on_offence: OnOffence
        disabling: Disabling

    config: Config

    # Keys of both maps are hashes, names and numbers that nobody can craft.
    reports = StorageMap(
        Hash, OffenceDetails, hasher=Twox64Concat, doc="The reported offences by their names."
    )
    concurrent_reports_index = StorageDoubleMap(
        Kind,
        bytes,
        tuple[Hash, ...],
        hashers=(Twox64Concat, Twox64Concat),
        default=(),
        doc="The reports of each kind of offence in each session.",
    )

    @event(index=0)
    class Offence:
        """An offence of ``kind`` was reported; ``timeslot`` is the session, SCALE encoded."""

        kind: Kind
        timeslot: bytes

    # Port of Babe and Grandpa.

    def report(
        self,
        reporter: AccountId | None,
        kind: bytes,
        session: U32,
        validator_count: U32,
        offender: AccountId,
    ) -> int:
        """Count a proved offence and have it punished.

        Returns how many have committed it in this session; 0 if this one was known.
        """
        known, slot = Kind(kind), time_slot_of(session)
        assert known in KINDS, "because only these are forgotten again"
        name = report_id(known, slot, offender)
        if name in self.reports:
            return 0
        found = OffenceDetails(offender=offender, reporters=(reporter,) if reporter else ())
        self.reports[name] = found
        names = (*self.concurrent_reports_index[known, slot], name)
        self.concurrent_reports_index[known, slot] = names
        all_found = [self.reports.get(each) for each in names]
        offenders = tuple((each.offender, each.reporters) for each in all_found if each is not None)
        fraction = slash_fraction(len(offenders), int(validator_count))
        self.config.on_offence.on_offence(
            offenders, (fraction,) * len(offenders), session, bytes(known)
        )
        self.config.disabling.disable(offender)
        self.deposit_event(self.Offence(kind=known, timeslot=slot))
        return len(offenders)

    def is_known(self, kind: bytes, session: U32, offender: AccountId) -> bool:
        """Whether this was reported already."""
        return report_id(Kind(kind), time_slot_of(session), offender) in self.reports

    # Port of Historical.

    def forget_session(self, session: U32) -> None:
        """Drop the reports of a session of which nothing can be proved any more."""
        slot = time_slot_of(session)
        for kind in KINDS:
            for name in self.concurrent_reports_index.take(kind, slot):
                del self.reports[name]
