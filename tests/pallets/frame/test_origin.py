"""Who may ask."""

import pytest

from pallets.frame import BadOrigin, Origin, ensure_none, ensure_root, ensure_signed
from tests.pallets.frame.guest_book import ALICE

ALL = [Origin.signed(ALICE), Origin.root(), Origin.none()]


@pytest.mark.parametrize(
    ("check", "good"), [(ensure_signed, ALL[0]), (ensure_root, ALL[1]), (ensure_none, ALL[2])]
)
def test_each_check_takes_one_kind_of_origin(check, good: Origin) -> None:
    assert check(good) == good.who
    for origin in ALL:
        if origin != good:
            with pytest.raises(BadOrigin):
                check(origin)
