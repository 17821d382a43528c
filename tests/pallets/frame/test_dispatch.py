"""What costs are on the wire."""

from pallets.frame.dispatch import (
    CLASSES,
    DispatchClass,
    DispatchInfo,
    DispatchInfoV2,
    Outcome,
    Pays,
    PostInfo,
)
from pallets.frame.weight import Weight
from primitives.scale import decode, encode


def test_dispatch_info_has_substrates_encoding() -> None:
    info = DispatchInfo(Weight(5, 1), DispatchClass.Operational, pays_fee=False)
    raw = encode(DispatchInfoV2, info.wire())
    assert raw == bytes((5 << 2, 1 << 2, 1, 1))
    assert decode(DispatchInfoV2, raw) == info.wire()


def test_names_of_classes_are_those_of_the_declaration() -> None:
    assert [CLASSES[name].value for name in ("normal", "operational", "mandatory")] == [0, 1, 2]
    assert DispatchInfo(Weight()).wire().pays_fee is Pays.Yes


def test_an_outcome_without_an_error_is_a_success() -> None:
    assert Outcome(None, PostInfo()).error is None
