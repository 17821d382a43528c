"""What is told to whom, and whose transactions are looked at: the core without network or pool."""

import pytest

from node.network.transport import Cost, Roles
from node.network.wire import encode_transactions
from node.txpool import gossip
from node.txpool.gossip import Gossip, Message, Verdict
from primitives.extrinsic import extrinsic_hash
from primitives.scale import codec
from primitives.types import Hash


def transaction(number: int, size: int = 8) -> bytes:
    return codec(bytes).encode(number.to_bytes(size, "little"))


class Ready:
    """The ready queue of a pool."""

    def __init__(self, *transactions: bytes) -> None:
        self.held = {extrinsic_hash(data): data for data in transactions}

    def propagated(self) -> list[Hash]:
        return list(self.held)

    def bytes_of(self, hash_: Hash) -> bytes | None:
        return self.held.get(hash_)


def message(*numbers: int) -> bytes:
    return encode_transactions(tuple(map(transaction, numbers)))


def judge_all(core: Gossip, verdict: Verdict, now_s: float = 0.0) -> int:
    count = 0
    while batch := core.next_to_judge():
        for hash_, _ in batch:
            core.judged(hash_, verdict, now_s)
        count += len(batch)
    return count


def send_all(core: Gossip, pool: Ready, now_s: float = 0.0) -> list[Message]:
    found: list[Message] = []
    while messages := core.outgoing(pool, now_s):
        for each in messages:
            core.sent(each, now_s)
        found += messages
    return found


def test_what_became_ready_is_told_once_to_whom_it_is_new() -> None:
    core, pool = Gossip(), Ready()
    for peer, roles in (("teller", Roles.FULL), ("other", Roles.AUTHORITY), ("light", Roles.LIGHT)):
        core.opened(peer, roles, 0.0)
    core.received("teller", message(1), 0.0)
    pool.held[extrinsic_hash(transaction(1))] = transaction(1)
    assert judge_all(core, Verdict.GOOD) == 1
    assert core.take_charges() == [("teller", Cost.USEFUL_TRANSACTION)]
    core.became_ready(extrinsic_hash(transaction(1)))
    assert [each.peer for each in send_all(core, pool)] == ["other"]
    core.became_ready(extrinsic_hash(transaction(1)))
    assert send_all(core, pool) == []


def test_a_new_peer_is_told_of_all_that_is_ready_in_bounded_messages() -> None:
    count = 3 * gossip.MESSAGE_COUNT_MAX
    core, pool = Gossip(), Ready(*map(transaction, range(count)))
    core.opened("new", Roles.FULL, 0.0)
    sent = send_all(core, pool)
    assert [len(each.hashes) for each in sent] == [gossip.MESSAGE_COUNT_MAX] * 3
    assert {hash_ for each in sent for hash_ in each.hashes} == set(pool.held)


def test_messages_are_bounded_in_bytes_unless_one_transaction_is_longer() -> None:
    big = gossip.MESSAGE_BYTES_MAX
    core = Gossip()
    pool = Ready(transaction(1, 600_000), transaction(2, 600_000), transaction(3, 2 * big))
    core.opened("new", Roles.FULL, 0.0)
    assert [len(each.hashes) for each in send_all(core, pool)] == [1, 1, 1]


def test_what_stays_ready_is_told_again_after_a_while() -> None:
    core, pool = Gossip(), Ready(transaction(1))
    core.opened("peer", Roles.FULL, 0.0)
    assert len(send_all(core, pool, 0.0)) == 1
    assert send_all(core, pool, gossip.REPEAT_S - 1) == []
    assert len(send_all(core, pool, gossip.REPEAT_S)) == 1
    pool.held.clear()
    assert send_all(core, pool, 2 * gossip.REPEAT_S) == []


def test_what_a_full_queue_did_not_take_is_sent_later() -> None:
    core, pool = Gossip(), Ready(transaction(1))
    core.opened("slow", Roles.FULL, 0.0)
    (first,) = core.outgoing(pool, 0.0)
    core.not_sent(first)
    assert core.outgoing(pool, 0.1) == [first]


def test_one_that_left_the_pool_meanwhile_is_not_sent() -> None:
    core = Gossip()
    core.opened("peer", Roles.FULL, 0.0)
    core.outgoing(Ready(), 0.0)
    core.became_ready(extrinsic_hash(transaction(1)))
    assert core.outgoing(Ready(), 0.1) == []


def test_peers_are_looked_at_in_turns() -> None:
    core = Gossip()
    core.opened("flood", Roles.FULL, 0.0)
    core.opened("honest", Roles.FULL, 0.0)
    core.received("flood", message(*range(5_000)), 0.0)
    core.received("honest", message(9_999), 0.0)
    batch = core.next_to_judge()
    assert len(batch) == gossip.JUDGED_AT_ONCE
    assert batch[1][1] == transaction(9_999)
    assert core.next_to_judge() == []


def test_all_who_sent_one_get_its_verdict() -> None:
    core = Gossip()
    for peer in "abc":
        core.opened(peer, Roles.FULL, 0.0)
        core.received(peer, message(1), 0.0)
    ((hash_, _),) = core.next_to_judge()
    core.closed("c")
    core.judged(hash_, Verdict.BAD, 0.0)
    assert core.take_charges() == [("a", Cost.BAD_TRANSACTION), ("b", Cost.BAD_TRANSACTION)]


def test_an_echo_is_no_news() -> None:
    core, pool = Gossip(), Ready(transaction(1))
    core.opened("peer", Roles.FULL, 0.0)
    send_all(core, pool)
    core.received("peer", message(1, 1, 1), 1.0)
    assert core.next_to_judge() == []
    core.received("peer", message(1), 1.0 + gossip.ECHO_S)
    assert len(core.next_to_judge()) == 1


def test_more_than_the_rate_costs_a_flood_before_it_is_decoded() -> None:
    core = Gossip()
    core.opened("flood", Roles.FULL, 0.0)
    burst = int(gossip.TRANSACTIONS_BURST)
    core.received("flood", message(*range(burst)), 0.0)
    assert core.take_charges() == []
    for _ in range(5):
        core.received("flood", message(1), 0.0)
    assert core.take_charges() == [("flood", Cost.FLOOD)] * 5
    core.received("flood", message(burst), 10.0)
    assert core.take_charges() == []


def test_long_transactions_count_by_their_bytes() -> None:
    core = Gossip()
    core.opened("flood", Roles.FULL, 0.0)
    long = encode_transactions((transaction(1, 4 << 20),))
    for _ in range(4):
        core.received("flood", long, 0.0)
    assert core.take_charges() == []
    core.received("flood", long, 0.0)
    assert core.take_charges() == [("flood", Cost.FLOOD)]


@pytest.mark.parametrize("data", [b"", b"\x04", b"\x04\x08\x01", b"\x00\x00", b"\x08\x00"])
def test_what_does_not_decode_costs(data: bytes) -> None:
    core = Gossip()
    core.opened("peer", Roles.FULL, 0.0)
    core.received("peer", data, 0.0)
    assert core.take_charges() == [("peer", Cost.BAD_MESSAGE)]


def test_who_sends_what_is_never_valid_is_soon_charged_for_a_flood() -> None:
    core = Gossip()
    core.opened("forger", Roles.FULL, 0.0)
    core.received("forger", message(*range(100)), 0.0)
    judge_all(core, Verdict.BAD)
    charges = core.take_charges()
    assert charges.count(("forger", Cost.FLOOD)) == 100 - int(gossip.BAD_BURST)


def test_a_peer_that_is_a_block_behind_is_not_charged() -> None:
    core = Gossip()
    core.opened("late", Roles.FULL, 0.0)
    core.received("late", message(*range(3_000)), 0.0)
    assert judge_all(core, Verdict.USELESS) == 3_000
    assert core.take_charges() == []


def test_but_who_sends_only_that_is() -> None:
    core = Gossip()
    core.opened("flood", Roles.FULL, 0.0)
    core.received("flood", message(*range(10_000)), 0.0)
    judge_all(core, Verdict.USELESS)
    assert ("flood", Cost.FLOOD) in core.take_charges()


def test_what_waits_is_bounded_for_one_and_for_all() -> None:
    core = Gossip()
    long = encode_transactions(tuple(transaction(at, 1 << 20) for at in range(12)))
    for at in range(8):
        core.opened(f"{at}", Roles.FULL, 0.0)
        before = core.waiting_bytes
        core.received(f"{at}", long, 0.0)
        assert core.waiting_bytes - before <= gossip.WAITING_BYTES_MAX
    assert core.waiting_bytes <= gossip.ALL_WAITING_BYTES_MAX
    assert core.dropped_count > 0
    batch = core.next_to_judge()
    assert sum(len(data) for _, data in batch) <= gossip.JUDGED_BYTES_MAX
    for at in range(8):
        core.closed(f"{at}")
    assert core.waiting_bytes == 0


def test_what_peers_are_known_to_have_is_bounded() -> None:
    core, pool = Gossip(), Ready()
    core.opened("peer", Roles.FULL, 0.0)
    for at in range(gossip.KNOWN_MAX + 10):
        hash_ = extrinsic_hash(transaction(at))
        core.sent(Message("peer", (hash_,), (transaction(at),)), 0.0)
    pool.held[extrinsic_hash(transaction(0))] = transaction(0)
    core.became_ready(extrinsic_hash(transaction(0)))  # forgotten, so told again
    core.became_ready(hash_)
    pool.held[hash_] = transaction(gossip.KNOWN_MAX + 9)
    (sent,) = core.outgoing(pool, 0.0)
    assert sent.transactions == (transaction(0),)


def test_who_closes_the_channel_and_opens_it_again_has_no_new_burst() -> None:
    core = Gossip()
    numbers = iter(range(10**6))
    for _ in range(int(gossip.BAD_BURST)):
        core.closed("junk")
        core.opened("junk", Roles.FULL, 0.0)
        core.received("junk", message(next(numbers)), 0.0)
        judge_all(core, Verdict.BAD)
    assert ("junk", Cost.FLOOD) not in core.take_charges()
    core.closed("junk")
    core.opened("junk", Roles.FULL, 0.0)
    core.received("junk", message(next(numbers)), 0.0)
    judge_all(core, Verdict.BAD)
    assert ("junk", Cost.FLOOD) in core.take_charges()


def test_peers_that_are_gone_are_remembered_within_a_bound() -> None:
    core = Gossip()
    for number in range(gossip.LEFT_MAX + 10):
        core.opened(str(number), Roles.FULL, 0.0)
        core.closed(str(number))
    assert len(core._left) == gossip.LEFT_MAX
