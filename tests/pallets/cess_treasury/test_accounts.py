"""Accounts of the runtime are CESS's."""

import pytest

from pallets.cess_treasury import (
    PUNISH_TREASURY,
    RESERVE_REWARD,
    REWARD_POT,
    SPACE_TREASURY,
    runtime_account,
)


def test_an_account_is_its_identifier_behind_modl():
    assert b"modlrewardpt" + bytes(20) == REWARD_POT
    assert b"modlpunisdpt" + bytes(20) == PUNISH_TREASURY
    assert b"modlspacedpt" + bytes(20) == SPACE_TREASURY
    assert b"modlsererdpt" + bytes(20) == RESERVE_REWARD


@pytest.mark.parametrize("identifier", [b"", b"seven77", b"nine99999"])
def test_an_identifier_has_eight_bytes(identifier):
    with pytest.raises(AssertionError, match="identifiers"):
        runtime_account(identifier)
