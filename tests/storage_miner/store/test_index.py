"""The index of fragments in memory."""

import pytest

from storage_miner.store import StoreError
from storage_miner.store import index as index_module
from storage_miner.store.index import FragmentEntry, FragmentIndex
from tests.storage_miner.kit import fragment

ENTRY = FragmentEntry(10, False)


@pytest.mark.parametrize(("count", "fits"), [(2, True), (3, True), (4, False)])
def test_the_index_is_bounded(monkeypatch: pytest.MonkeyPatch, count: int, fits: bool) -> None:
    monkeypatch.setattr(index_module, "FRAGMENTS_MAX", 3)
    index = FragmentIndex()
    for number in range(min(count, 3)):
        index.put(fragment(number), ENTRY)
    if not fits:
        with pytest.raises(StoreError, match="at most 3"):
            index.put(fragment(count), ENTRY)
    index.put(fragment(0), FragmentEntry(11, True))
    assert len(index) == min(count, 3)


def test_the_walk_goes_on_after_the_place_of_a_removed_fragment() -> None:
    index = FragmentIndex()
    for number in range(4):
        index.put(fragment(number), ENTRY)
    order = index.hashes()
    index.remove(order[1])
    assert index.after(order[1]) == order[2]
    assert index.after(order[3]) is None
    assert index.after(None) == order[0]
    assert order[1] not in index
