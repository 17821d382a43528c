"""Watchers are told everything in order, and nothing after the end."""

import pytest

from node.txpool import watchers
from node.txpool.pool import PoolEvent, Status
from node.txpool.watchers import Notice, Watchers
from primitives.errors import RpcError
from primitives.types import Hash

TX, OTHER = Hash(b"\x01" * 32), Hash(b"\x02" * 32)
BLOCK, NEXT = Hash(b"\xaa" * 32), Hash(b"\xab" * 32)


def hex_of(hash_: Hash) -> str:
    return f"0x{hash_.hex()}"


def told(notices: list[Notice]) -> list[object]:
    return [notice.status for notice in notices]


def test_the_road_of_a_transaction() -> None:
    found = Watchers()
    watcher = found.watch(TX)
    events = [
        PoolEvent(TX, Status.FUTURE),
        PoolEvent(TX, Status.READY),
        PoolEvent(TX, Status.PRUNED, BLOCK),
        PoolEvent(TX, Status.RETRACTED, BLOCK),
        PoolEvent(TX, Status.PRUNED, NEXT),
    ]
    assert told(found.receive(events)) == [
        "future",
        "ready",
        {"inBlock": hex_of(BLOCK)},
        {"retracted": hex_of(BLOCK)},
        {"inBlock": hex_of(NEXT)},
    ]
    assert found.finalize(BLOCK) == []
    assert found.finalize(NEXT) == [Notice(watcher, {"finalized": hex_of(NEXT)}, last=True)]
    assert len(found) == 0


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (PoolEvent(TX, Status.INVALID), "invalid"),
        (PoolEvent(TX, Status.DROPPED), "dropped"),
        (PoolEvent(TX, Status.USURPED, OTHER), {"usurped": hex_of(OTHER)}),
    ],
)
def test_nothing_follows_the_end(event: PoolEvent, shown: object) -> None:
    found = Watchers()
    found.watch(TX)
    notices = found.receive([event, PoolEvent(TX, Status.READY)])
    assert told(notices) == [shown]
    assert notices[0].last


def test_all_watchers_of_a_transaction_are_told() -> None:
    found = Watchers()
    first, second = found.watch(TX), found.watch(TX)
    found.unwatch(first)
    notices = found.receive([PoolEvent(TX, Status.READY), PoolEvent(OTHER, Status.READY)])
    assert [notice.watcher for notice in notices] == [second]


def test_watchers_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "WATCHED_MAX", 2)
    found = Watchers()
    found.watch(TX)
    last = found.watch(TX)
    with pytest.raises(RpcError):
        found.watch(TX)
    found.unwatch(last)
    found.watch(TX)


def test_blocks_that_never_become_final_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "BLOCKS_MAX", 1)
    found = Watchers()
    found.watch(TX)
    found.watch(OTHER)
    found.receive([PoolEvent(TX, Status.PRUNED, BLOCK)])
    late = found.receive([PoolEvent(OTHER, Status.PRUNED, NEXT)])
    assert told(late) == [{"finalityTimeout": hex_of(BLOCK)}, {"inBlock": hex_of(NEXT)}]
