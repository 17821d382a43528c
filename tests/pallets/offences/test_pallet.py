"""Each offence counts once, and who offends together is punished harder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.offences import PERBILL, Kind, OffenceDetails, Offences, slash_fraction
from primitives.scale import U32, encode
from primitives.types import AccountId
from tests.pallets.small_chains import (
    ALICE,
    BOB,
    EPOCH_SLOTS,
    MANY,
    SESSIONS_KEPT,
    SlotChain,
)

START = 100
BABE, GRANDPA = b"babe:equivocatio", b"grandpa:equivoca"
WHO = tuple(who for who, _ in MANY)


@pytest.fixture
def chain() -> SlotChain:
    """Seven validators; a block is begun."""
    made = SlotChain(validators=MANY)
    made.begin_at(START)
    return made


def report(chain: SlotChain, who: AccountId, kind: bytes = BABE, session: int = 0) -> int:
    return chain.runtime.offences.report(ALICE, kind, U32(session), U32(7), who)


def test_a_first_offence_is_punished_and_its_author_disabled(chain):
    assert report(chain, WHO[3]) == 1
    assert chain.judge.cases == [((WHO[3],), slash_fraction(1, 7), 0, BABE)]
    assert chain.judge.reporters == [(ALICE,)]
    assert chain.events()[-1] == Offences.Offence(kind=Kind(BABE), timeslot=encode(U32, U32(0)))
    assert chain.runtime.session.disabled_validators.get() == (3,)


def test_an_offence_counts_once_whoever_reports_it(chain):
    offences = chain.runtime.offences
    assert not offences.is_known(BABE, U32(0), WHO[3])
    report(chain, WHO[3])
    assert offences.is_known(BABE, U32(0), WHO[3])
    before = len(chain.events())
    assert report(chain, WHO[3]) == 0
    assert offences.report(BOB, BABE, U32(0), U32(7), WHO[3]) == 0
    assert len(chain.judge.cases) == 1
    assert len(chain.events()) == before


def test_who_offends_together_is_punished_harder_all_of_them(chain):
    for count, who in enumerate(WHO[:3], 1):
        assert report(chain, who) == count
    assert [case[:2] for case in chain.judge.cases] == [
        (WHO[:count], slash_fraction(count, 7)) for count in (1, 2, 3)
    ]
    assert chain.judge.cases[-1][1] == PERBILL


def test_kinds_and_sessions_count_apart(chain):
    report(chain, WHO[0])
    assert report(chain, WHO[1], kind=GRANDPA) == 1
    assert report(chain, WHO[1], session=1) == 1
    assert report(chain, WHO[0], kind=GRANDPA) == 2


def test_a_report_without_a_reporter_rewards_nobody(chain):
    chain.runtime.offences.report(None, BABE, U32(0), U32(7), WHO[3])
    assert chain.judge.reporters == [()]


def test_a_kind_that_nobody_forgets_is_not_counted(chain):
    with pytest.raises(AssertionError):
        report(chain, WHO[0], kind=b"im-online:offlin")


def test_reports_are_forgotten_with_their_session(chain):
    report(chain, WHO[3])
    report(chain, WHO[3], kind=GRANDPA)
    report(chain, WHO[4])
    chain.finish()
    assert len(chain.runtime.offences.reports.keys(limit=10)) == 3
    for session in range(1, SESSIONS_KEPT + 2):
        first = START + session * EPOCH_SLOTS
        disabled = chain.runtime.babe.authorities_at(first).disabled
        slot = next(at for at in range(first, first + 50) if chain.owner(at) not in disabled)
        chain.block(slot)
    offences = chain.runtime.offences
    assert offences.reports.keys(limit=10) == []
    assert offences.concurrent_reports_index.keys(limit=10) == []


def test_the_index_names_exactly_what_is_kept(chain):
    for who in (*WHO[:4], *WHO[:2]):
        report(chain, who)
    offences = chain.runtime.offences
    listed = offences.concurrent_reports_index[Kind(BABE), encode(U32, U32(0))]
    assert sorted(listed) == sorted(offences.reports.keys(limit=10))
    details = [offences.reports[name] for name in listed]
    assert details == [OffenceDetails(offender=who, reporters=(ALICE,)) for who in WHO[:4]]


def test_fractions_are_substrates():
    # Substrate's own examples of min((3 k / n)^2, 1).
    assert slash_fraction(1, 50) == 3_600_000  # 0.36 %
    assert slash_fraction(5, 50) == 90_000_000  # 9 %
    assert slash_fraction(17, 50) == PERBILL
    assert slash_fraction(1, 1) == PERBILL
    assert slash_fraction(1, 0) == PERBILL


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_a_fraction_grows_with_offenders_and_a_third_loses_all(offenders, validators):
    found = slash_fraction(offenders, validators)
    assert 0 <= found <= slash_fraction(offenders + 1, validators) <= PERBILL
    assert (3 * offenders >= validators) == (found == PERBILL)
    if offenders:
        exact = min(9 * offenders**2 * PERBILL // validators**2, PERBILL)
        assert exact - 10 <= found <= exact
