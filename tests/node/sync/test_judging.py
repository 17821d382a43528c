"""Whose fault a failed import is, and what headers claim."""

import pytest

from node.consensus.chain import SetChangeFirst
from node.consensus.verification import FutureBlock
from node.database import BlockRefused, StateDiscarded, UnknownBlock
from node.sync.events import Failure
from node.sync.judging import changes_set, failure_of, slots_ahead
from primitives.errors import CessError, DecodeError, InvalidBlock
from primitives.justification import InvalidJustification
from tests.node.sync.world import GENESIS, child, incoming

BLOCK = incoming(child(GENESIS))
PROVEN = incoming(child(GENESIS), b"proof")


def made(kind: type[Exception]) -> Exception:
    """An error of this kind, however it is usually made."""
    return kind.__new__(kind)


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        (SetChangeFirst, None),
        (FutureBlock, Failure.FUTURE),
        (InvalidJustification, Failure.BAD_PROOF),
        (DecodeError, Failure.BAD_PROOF),
        (UnknownBlock, Failure.UNKNOWN_PARENT),
        (BlockRefused, Failure.REFUSED),
        (StateDiscarded, Failure.REFUSED),
        (InvalidBlock, Failure.BAD),
        (CessError, Failure.BAD),
        (MemoryError, Failure.REFUSED),
        (OSError, Failure.REFUSED),
        (ZeroDivisionError, Failure.BAD),
    ],
)
def test_each_failure_says_whose_fault_it_is(
    kind: type[Exception], failure: Failure | None
) -> None:
    assert failure_of(made(kind), PROVEN, 0) is failure


def test_without_a_proof_what_does_not_decode_is_the_block() -> None:
    assert failure_of(made(DecodeError), BLOCK, 0) is Failure.BAD


def test_nobody_is_blamed_for_a_block_that_finality_left_on_its_way() -> None:
    assert failure_of(made(InvalidBlock), BLOCK, BLOCK.number) is Failure.REFUSED
    assert failure_of(made(InvalidBlock), BLOCK, BLOCK.number - 1) is Failure.BAD


def test_a_header_without_a_claim_is_of_no_slot_and_changes_nobody() -> None:
    assert slots_ahead(BLOCK.header, 0, 6000) is None
    assert not changes_set(BLOCK.header)
