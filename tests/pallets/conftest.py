"""A chain of money and a chain of slots, new for every test."""

import pytest

from pallets.balances import Balances
from pallets.frame.testing import TestExternalities, ext
from pallets.sudo import Sudo
from primitives.types import Balance
from tests.pallets.small_chains import ALICE, BOB, DAVE, Money, SlotChain


@pytest.fixture
def money() -> TestExternalities[Money]:
    """Alice and Bob own money, Dave has the key to everything; their events are forgotten."""
    owners = ((ALICE, Balance(10_000)), (BOB, Balance(1_000)), (DAVE, Balance(5_000)))
    world = ext(Money, balances=Balances.Genesis(balances=owners), sudo=Sudo.Genesis(key=DAVE))
    world.clear_events()
    return world


@pytest.fixture
def slots() -> SlotChain:
    """Three authorities, no block yet."""
    return SlotChain()
