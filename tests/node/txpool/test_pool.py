"""The pool's core: order, replacement, bans, limits, blocks."""

import random
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.txpool.pool import BAN_S, Limits, Pool, PoolEvent, Status, Transaction
from pallets.frame.validity import ValidTransaction
from primitives.errors import RpcError
from primitives.hashing import blake2_256
from primitives.scale import U64
from primitives.types import Hash

BLOCK = Hash(b"\xbb" * 32)
FAR = 1_000_000


def tag(sender: int, nonce: int) -> bytes:
    return bytes((sender,)) * 32 + nonce.to_bytes(4, "little")


def tx(
    sender: int,
    nonce: int,
    *,
    priority: int = 1,
    next_nonce: int = 0,
    size: int = 100,
    until: int = FAR,
    fee: int = 0,
    funds: int | None = None,
) -> Transaction:
    """A transaction of ``sender``, whose account stands at ``next_nonce``."""
    data = bytes((sender, priority % 256)) + nonce.to_bytes(4, "little")
    data += bytes(size - len(data))
    return Transaction(
        blake2_256(data + priority.to_bytes(8, "little")),
        data,
        ValidTransaction(
            priority=U64(priority),
            requires=() if nonce == next_nonce else (tag(sender, nonce - 1),),
            provides=(tag(sender, nonce),),
            longevity=U64(64),
            propagate=True,
        ),
        until,
        bytes((sender,)) * 32,
        fee,
        funds,
    )


def pool(**limits: int) -> Pool:
    return Pool(Limits(**limits))


def fill(target: Pool, *transactions: Transaction) -> None:
    for transaction in transactions:
        target.submit(transaction, 0)


def order(target: Pool) -> list[tuple[int, int]]:
    return [(t.data[0], int.from_bytes(t.data[2:6], "little")) for t in target.ready()]


def statuses(events: list[PoolEvent], transaction: Transaction) -> list[Status]:
    return [event.status for event in events if event.hash == transaction.hash]


def refusal(target: Pool, transaction: Transaction, now_s: float = 0) -> RpcError:
    before = target.stats()
    with pytest.raises(RpcError) as caught:
        target.submit(transaction, now_s)
    assert target.stats() == before
    return caught.value


# Order.


def test_a_nonce_comes_after_the_one_before_it() -> None:
    target = pool()
    fill(target, tx(1, 2), tx(1, 0), tx(1, 1))
    assert order(target) == [(1, 0), (1, 1), (1, 2)]


def test_more_priority_comes_first_but_not_before_what_it_needs() -> None:
    target = pool()
    fill(target, tx(1, 0, priority=1), tx(1, 1, priority=9), tx(2, 0, priority=5))
    assert order(target) == [(2, 0), (1, 0), (1, 1)]


def test_of_equals_the_first_comes_first() -> None:
    target = pool()
    fill(target, tx(3, 0), tx(1, 0), tx(2, 0))
    assert [sender for sender, _ in order(target)] == [3, 1, 2]


def test_what_dies_sooner_comes_first() -> None:
    target = pool()
    fill(target, tx(1, 0, until=100), tx(2, 0, until=50))
    assert order(target) == [(2, 0), (1, 0)]


# Future.


def test_a_gap_waits_and_filling_it_makes_the_rest_ready() -> None:
    target = pool()
    late = tx(1, 1)
    fill(target, late)
    assert statuses(target.take_events(), late) == [Status.FUTURE]
    assert target.stats().future_count == 1
    assert order(target) == []
    fill(target, tx(1, 0))
    assert statuses(target.take_events(), late) == [Status.READY]
    assert order(target) == [(1, 0), (1, 1)]


def test_the_future_can_be_refused() -> None:
    target = Pool(Limits(), accepts_future=False)
    assert refusal(target, tx(1, 1)).code == 1021


def test_a_waiting_transaction_takes_a_new_verdict() -> None:
    target = pool()
    waiting = tx(1, 5)
    fill(target, waiting)
    now_ready = Transaction(
        waiting.hash, waiting.data, tx(1, 5, next_nonce=5).validity, FAR, waiting.sender
    )
    target.refresh(now_ready, 0)
    assert order(target) == [(1, 5)]


def test_a_ready_transaction_takes_a_new_verdict() -> None:
    target = pool()
    first, second = tx(1, 0), tx(1, 1)
    fill(target, first, second, tx(2, 0, priority=3))
    target.prune(BLOCK, [first.hash], [], 0)
    target.take_events()
    target.refresh(tx(1, 1, next_nonce=1, until=9), 0)
    assert order(target) == [(2, 0), (1, 1)]
    target.expire(9)
    assert statuses(target.take_events(), second) == [Status.INVALID]


def test_what_a_reorganisation_took_the_ground_from_waits() -> None:
    target = pool()
    first, second, third = tx(1, 0), tx(1, 1), tx(1, 2)
    fill(target, first, second, third)
    target.prune(BLOCK, [first.hash], [], 0)
    target.retract(BLOCK, [first.hash], [tag(1, 0)])
    target.take_events()
    target.refresh(second, 0)
    assert order(target) == []
    assert statuses(target.take_events(), third) == [Status.FUTURE]
    target.submit(first, 0)
    assert order(target) == [(1, 0), (1, 1), (1, 2)]


def test_a_verdict_of_another_runtime_changes_nothing() -> None:
    target = pool()
    held = tx(1, 0)
    fill(target, held)
    target.refresh(replace(held, validity=tx(2, 0).validity), 0)
    assert [found.validity for found in target.ready()] == [held.validity]
    target.refresh(tx(2, 7), 0)
    assert target.stats().future_count == 0


def test_the_oldest_verdict_is_looked_at_first() -> None:
    target = pool()
    first, second, waiting = tx(1, 0), tx(2, 0), tx(3, 5)
    fill(target, first, second, waiting)
    assert target.oldest_verdicts(2) == [first, second]
    target.refresh(first, 0)
    target.refresh(waiting, 0)
    assert [found.hash for found in target.oldest_verdicts(9)] == [
        *(second.hash, first.hash, waiting.hash)
    ]


# Replacement.


def test_paying_more_replaces() -> None:
    target = pool()
    cheap, dear = tx(1, 0, priority=1), tx(1, 0, priority=2)
    fill(target, cheap, dear)
    assert [t.hash for t in target.ready()] == [dear.hash]
    assert PoolEvent(cheap.hash, Status.USURPED, dear.hash) in target.take_events()


@pytest.mark.parametrize("priority", [4, 5])
def test_paying_the_same_or_less_is_refused(priority: int) -> None:
    target = pool()
    fill(target, tx(1, 0, priority=5))
    rival = tx(1, 0, priority=priority, size=101)
    error = refusal(target, rival)
    assert (error.code, error.message) == (1014, f"Priority is too low: (5 vs {priority})")


def test_dependants_stay_when_what_they_need_is_replaced() -> None:
    target = pool()
    fill(target, tx(1, 0), tx(1, 1), tx(1, 0, priority=7))
    assert order(target) == [(1, 0), (1, 1)]
    assert target.stats().future_count == 0


# Refusals.


def test_the_same_transaction_is_taken_once() -> None:
    target = pool()
    fill(target, tx(1, 0))
    error = refusal(target, tx(1, 0))
    assert error.code == 1013
    assert error.data == f"0x{tx(1, 0).hash.hex()}"


def test_a_transaction_must_provide_something() -> None:
    bare = tx(1, 0)
    empty = ValidTransaction(
        priority=U64(1), requires=(), provides=(), longevity=U64(1), propagate=True
    )
    assert refusal(pool(), Transaction(bare.hash, bare.data, empty, FAR)).code == 1019


def test_a_transaction_cannot_wait_for_itself() -> None:
    bare = tx(1, 0)
    loop = ValidTransaction(
        priority=U64(1), requires=(b"a",), provides=(b"a",), longevity=U64(1), propagate=True
    )
    assert refusal(pool(), Transaction(bare.hash, bare.data, loop, FAR)).code == 1015


def test_an_invalid_transaction_is_banned_for_a_time() -> None:
    target = pool()
    bad = tx(1, 0)
    fill(target, bad)
    target.remove([bad.hash], now_s=10)
    assert statuses(target.take_events(), bad) == [Status.READY, Status.INVALID]
    assert refusal(target, bad, 10 + BAN_S - 1).code == 1012
    target.submit(bad, 10 + BAN_S)
    assert bad.hash in target


def test_what_needs_a_removed_transaction_waits_again() -> None:
    target = pool()
    fill(target, tx(1, 0), tx(1, 1), tx(1, 2))
    target.remove([tx(1, 0).hash], now_s=0)
    assert order(target) == []
    assert target.stats().future_count == 2


# Limits.


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_worst_gives_way_when_there_are_too_many(count: int) -> None:
    target = pool(ready_count=3)
    for sender in range(1, count + 1):
        target.submit(tx(sender, 0, priority=sender), 0)
    assert target.stats().ready_count == min(count, 3)
    if count == 4:
        assert (1, 0) not in order(target)
        assert statuses(target.take_events(), tx(1, 0, priority=1))[-1] is Status.DROPPED


def test_the_worst_newcomer_is_refused() -> None:
    target = pool(ready_count=2)
    fill(target, tx(1, 0, priority=5), tx(2, 0, priority=5))
    target.take_events()
    error = refusal(target, tx(3, 0, priority=4))
    assert (error.code, error.message) == (1016, "Immediately Dropped")
    assert target.take_events() == []


def test_bytes_are_limited_too() -> None:
    target = pool(ready_bytes=250)
    fill(target, tx(1, 0, priority=1), tx(2, 0, priority=2), tx(3, 0, priority=3))
    assert target.stats().ready_bytes == 200


def test_dependants_leave_with_what_they_need() -> None:
    target = pool(ready_count=2)
    other = tx(3, 0, priority=9)
    needy = replace(other.validity, requires=(tag(1, 0),))
    fill(target, tx(1, 0, priority=1), replace(other, validity=needy), tx(2, 0, priority=5))
    assert order(target) == [(2, 0)]


@pytest.mark.parametrize("count", [19, 20, 21])
def test_the_future_is_limited_to_a_tenth(count: int) -> None:
    target = pool(ready_count=200)
    refused = 0
    for sender in range(1, count + 1):
        try:
            target.submit(tx(sender, 5), 0)
        except RpcError as error:
            refused += error.code == 1016
    assert target.stats().future_count == min(count, 20)
    assert refused == max(0, count - 20)


def test_one_sender_cannot_have_the_pool_alone() -> None:
    target = pool(sender_count=5)
    fill(target, *(tx(1, nonce) for nonce in range(5)))
    assert refusal(target, tx(1, 5)).code == 1016
    fill(target, tx(2, 0))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_sender_cannot_have_the_future_alone(count: int) -> None:
    target = pool(ready_count=160)
    assert target.limits.sender_future_count == 2
    gaps = [tx(1, 5 + nonce) for nonce in range(count)]
    fill(target, *gaps[:2])
    for gap in gaps[2:]:
        assert refusal(target, gap).code == 1016
    fill(target, tx(2, 5), tx(1, 0))


def test_a_crowd_gives_way_before_anybody_with_a_fair_share() -> None:
    target = pool(ready_count=256)
    assert target.limits.fair_count == 2
    rich = [tx(1, nonce, priority=1000) for nonce in range(254)]
    fill(target, *rich, tx(2, 0), tx(2, 1))
    target.take_events()
    honest = tx(3, 0)
    fill(target, honest)
    assert honest.hash in target
    assert statuses(target.take_events(), rich[-1]) == [Status.DROPPED]
    assert target.stats().ready_count == 256


def test_a_crowd_that_shrank_is_no_crowd() -> None:
    target = pool(ready_count=256)
    crowd = [tx(1, nonce, priority=5) for nonce in range(4)]
    fill(target, *crowd)
    target.prune(BLOCK, [found.hash for found in crowd[:3]], [], 0)
    fill(target, *(tx(sender, 0, priority=5) for sender in range(2, 257 - 1)))
    fill(target, tx(0, 0, priority=5))
    refused = tx(0, 1, priority=1)
    assert refusal(target, refused).code == 1016
    assert crowd[3].hash in target


# Money.


@pytest.mark.parametrize(("fee", "is_taken"), [(3, True), (4, True), (5, False)])
def test_a_sender_pays_for_all_that_it_has_in_the_pool(fee: int, is_taken: bool) -> None:
    target = pool()
    fill(target, tx(1, 0, fee=6, funds=10))
    last = tx(1, 1, fee=fee, funds=10)
    if is_taken:
        fill(target, last)
    else:
        error = refusal(target, last)
        assert (error.code, error.message) == (1010, "Invalid Transaction")
    fill(target, tx(2, 0, fee=fee, funds=10))


def test_a_replaced_transaction_is_not_paid_for() -> None:
    target = pool()
    fill(target, tx(1, 0, fee=6, funds=10), tx(1, 0, priority=2, fee=9, funds=10))
    assert refusal(target, tx(1, 1, fee=2, funds=10)).code == 1010
    fill(target, tx(1, 1, fee=1, funds=10))


def test_a_flood_of_what_cannot_be_paid_does_not_empty_the_pool() -> None:
    target = pool(ready_count=300)
    honest = [tx(sender, 0, priority=1, fee=1, funds=100) for sender in range(2, 250)]
    fill(target, *honest)
    for nonce in range(2000):
        with suppress(RpcError):
            target.submit(tx(1, nonce, priority=1 << 40, fee=60, funds=100), 0)
    assert all(found.hash in target for found in honest)
    assert target.stats().ready_count == len(honest) + 1


# Blocks.


def test_an_included_transaction_leaves_and_is_banned() -> None:
    target = pool()
    done = tx(1, 0)
    fill(target, done, tx(1, 1))
    target.take_events()
    target.prune(BLOCK, [done.hash], [], 0)
    assert target.take_events() == [PoolEvent(done.hash, Status.PRUNED, BLOCK)]
    assert order(target) == [(1, 1)]
    assert refusal(target, done).code == 1012


def test_a_stranger_with_the_same_nonce_pushes_ours_out() -> None:
    target = pool()
    ours = tx(1, 0)
    fill(target, ours, tx(1, 1))
    target.prune(BLOCK, [Hash(b"\x01" * 32)], [tag(1, 0)], 0)
    assert ours.hash not in target
    assert order(target) == [(1, 1)]


def test_a_block_makes_waiting_ones_ready() -> None:
    target = pool()
    fill(target, tx(1, 1))
    target.prune(BLOCK, [], [tag(1, 0)], 0)
    assert order(target) == [(1, 1)]


def test_a_transaction_judged_before_a_block_finds_its_tag() -> None:
    target = pool()
    target.prune(BLOCK, [], [tag(1, 0)], 0)
    target.submit(tx(1, 1), 0)
    assert order(target) == [(1, 1)]


def test_a_retracted_block_gives_its_transactions_back() -> None:
    target = pool()
    back = tx(1, 0)
    fill(target, back)
    target.prune(BLOCK, [back.hash], [], 0)
    target.retract(BLOCK, [back.hash], [tag(1, 0)])
    assert PoolEvent(back.hash, Status.RETRACTED, BLOCK) in target.take_events()
    target.submit(back, 0)
    assert order(target) == [(1, 0)]


@pytest.mark.parametrize(("height", "left"), [(48, 2), (49, 2), (50, 1)])
def test_a_transaction_dies_of_age(height: int, left: int) -> None:
    target = pool()
    fill(target, tx(1, 0, until=50), tx(2, 0))
    target.expire(height)
    assert target.stats().ready_count == left


# Everything at once.


def verdict(old: Transaction, next_nonce: int, *, fee: int) -> Transaction:
    """A new verdict, upon a state in which the account stands at ``next_nonce``."""
    sender, nonce = old.data[0], int.from_bytes(old.data[2:6], "little")
    return replace(old, validity=tx(sender, nonce, next_nonce=next_nonce).validity, fee=fee)


def check(target: Pool) -> None:
    """What must hold after every step."""
    stats, limits = target.stats(), target.limits
    ready = list(target.ready())
    assert len(ready) == stats.ready_count <= limits.ready_count
    assert sum(len(t.data) for t in ready) == stats.ready_bytes <= limits.ready_bytes
    future = list(target.future())
    assert len(future) == stats.future_count <= limits.future_count
    assert sum(len(t.data) for t in future) == stats.future_bytes
    provided = [found for t in ready for found in t.validity.provides]
    assert len(set(provided)) == len(provided)
    assert not {t.hash for t in ready} & {t.hash for t in future}
    held = [*ready, *future]
    assert {found.hash for found in target.oldest_verdicts(1 << 20)} == {t.hash for t in held}
    for sender, account in target._senders.items():
        own = [found for found in held if found.sender == sender]
        assert account.owed == sum(found.fee for found in own)
        assert {*account.ready, *account.future} == {found.hash for found in own}
    seen: set[bytes] = set()
    for transaction in ready:
        for needed in transaction.validity.requires:
            assert needed in seen or needed not in set(provided)
        seen.update(transaction.validity.provides)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_no_sequence_of_steps_breaks_the_pool(seed: int) -> None:
    chance = random.Random(seed)
    target = Pool(Limits(ready_count=12, ready_bytes=1500, sender_count=8))
    for step in range(80):
        sender, nonce = chance.randrange(1, 5), chance.randrange(6)
        match chance.randrange(9):
            case 0:
                hashes = [t.hash for t in target.ready()][: chance.randrange(4)]
                target.prune(BLOCK, hashes, [tag(sender, nonce)], step)
            case 1:
                held = [*target.ready(), *target.future()]
                target.remove([t.hash for t in held if chance.random() < 0.3], now_s=None)
            case 2:
                target.expire(chance.randrange(60))
            case 3:
                known = target.oldest_verdicts(1)
                for old in known:
                    next_nonce = max(0, old.data[2] - chance.randrange(2))
                    target.refresh(verdict(old, next_nonce, fee=chance.randrange(9)), step)
            case _:
                new = tx(
                    sender,
                    nonce,
                    priority=chance.randrange(1, 6),
                    size=chance.choice((90, 150, 400)),
                    until=chance.choice((30, 90, FAR)),
                    fee=chance.randrange(9),
                    funds=chance.choice((None, 20)),
                )
                with suppress(RpcError):
                    target.submit(new, step)
        check(target)
