"""Reports of all kinds of equivocations: who may make one, and which a pool takes unsigned."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from pallets.babe import Babe
from pallets.frame import BadOrigin, Call, Origin
from pallets.frame.equivocation import BABE_EQUIVOCATION, GRANDPA_EQUIVOCATION
from pallets.frame.validity import (
    BadProof,
    CallNotExpected,
    InvalidTransaction,
    Stale,
    TransactionInvalid,
    TransactionSource,
)
from pallets.grandpa import Grandpa
from primitives.equivocation import MembershipProof
from primitives.scale import U64
from tests.pallets.equivocations import (
    START,
    WHO,
    double_block,
    double_vote,
    owner_proof,
    report,
    report_call,
    seven_validators,
)
from tests.pallets.small_chains import DAVE, SlotChain, pair_of, signed, voter_of

UNSIGNED = "report_equivocation_unsigned"


class Case(NamedTuple):
    """A pallet that takes reports: ``proof(seed, number)`` are its proofs against a validator.

    ``forged`` makes one of a good one.
    """

    pallet: str
    kind: bytes
    duplicate: type[Exception]
    proof: Callable[[int, int], Any]
    forged: Callable[[Any], Any]


CASES = (
    Case(
        "Babe",
        BABE_EQUIVOCATION,
        Babe.DuplicateOffenceReport,
        lambda seed, number: double_block(pair_of(seed), START, author=number),
        lambda proof: replace(proof, second_header=proof.first_header),
    ),
    Case(
        "Grandpa",
        GRANDPA_EQUIVOCATION,
        Grandpa.DuplicateOffenceReport,
        lambda seed, number: double_vote(voter_of(seed), number, 0),
        lambda proof: replace(proof, set_id=U64(1)),
    ),
)


@pytest.fixture
def chain() -> SlotChain:
    return seven_validators()


@pytest.fixture(params=CASES, ids=lambda case: case.pallet)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def owner(chain: SlotChain, case: Case) -> MembershipProof:
    """Whose the keys of validator 5 are."""
    return owner_proof(chain, 5, case.pallet)


def ask(chain: SlotChain, case: Case, source: TransactionSource, call: Call) -> Any:
    pallet = chain.runtime.babe if case.pallet == "Babe" else chain.runtime.grandpa
    return pallet.validate_unsigned(source, call)


def refused(
    chain: SlotChain, case: Case, source: TransactionSource, call: Call
) -> InvalidTransaction:
    with pytest.raises(TransactionInvalid) as caught:
        ask(chain, case, source, call)
    return caught.value.reason


def test_reports_are_signed_or_the_authors_own(chain, case, owner):
    given = {"equivocation_proof": case.proof(5, 3), "key_owner_proof": owner}
    for name, origin in (
        ("report_equivocation", Origin.none()),
        ("report_equivocation", Origin.root()),
        (UNSIGNED, signed(DAVE)),
        (UNSIGNED, Origin.root()),
    ):
        with pytest.raises(BadOrigin):
            chain.call(case.pallet, name, origin, **given)
    chain.call(case.pallet, UNSIGNED, Origin.none(), **given)
    assert chain.judge.reporters == [(chain.runtime.babe.author(),)]


def test_a_kind_counts_by_its_own_name(chain, case, owner):
    report(chain, case.proof(5, 3), owner)
    other = next(each for each in CASES if each is not case)
    report(chain, other.proof(5, 3), owner_proof(chain, 5, other.pallet))
    assert [found[::3] for found in chain.judge.cases] == [
        ((WHO[5],), case.kind),
        ((WHO[5],), other.kind),
    ]
    with pytest.raises(case.duplicate):
        report(chain, case.proof(5, 4), owner)


def test_the_pool_takes_the_nodes_own_report_alone(chain, case, owner):
    made = report_call(chain, case.proof(5, 3), owner, UNSIGNED)
    for source in (TransactionSource.Local, TransactionSource.InBlock):
        found = ask(chain, case, source, made)
        assert found is not None
        assert not found.propagate
        assert (found.longevity, found.requires) == (100, ())
    assert refused(chain, case, TransactionSource.External, made) == CallNotExpected()


def test_the_pool_holds_one_report_of_an_offender(chain, case, owner):
    tags = set()
    for number in range(3):
        made = report_call(chain, case.proof(5, number), owner, UNSIGNED)
        tags.add(ask(chain, case, TransactionSource.Local, made).provides)
    assert len(tags) == 1
    made = report_call(chain, case.proof(6, 0), owner_proof(chain, 6, case.pallet), UNSIGNED)
    assert ask(chain, case, TransactionSource.Local, made).provides not in tags


def test_the_pool_refuses_what_is_forged_or_known(chain, case, owner):
    good = case.proof(5, 3)
    for proof, shown in (
        (case.forged(good), owner),
        (case.proof(9, 3), owner),  # nobody's key
        (good, replace(owner, trie_nodes=())),
    ):
        for source in (TransactionSource.Local, TransactionSource.InBlock):
            made = report_call(chain, proof, shown, UNSIGNED)
            assert refused(chain, case, source, made) == BadProof()
    report(chain, good, owner)
    made = report_call(chain, good, owner, UNSIGNED)
    assert refused(chain, case, TransactionSource.Local, made) == Stale()


def test_no_other_call_goes_without_a_signature(chain, case, owner):
    made = report_call(chain, case.proof(5, 3), owner)
    assert ask(chain, case, TransactionSource.Local, made) is None
