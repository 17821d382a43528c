"""What authors and importers know."""

from pallets.frame import InherentData, InherentError


def test_a_refusal_is_final_unless_it_is_too_early() -> None:
    assert not InherentError("the clock is behind").too_early
    assert InherentError("wait", too_early=True).too_early


def test_data_are_values() -> None:
    assert InherentData(timestamp_ms=5) == InherentData(timestamp_ms=5, slot=None)
