"""Reputation: a ban takes what Substrate's takes, ends by itself, and is bounded in memory."""

from node.network.reputation import BANNED_BELOW, Reputations
from node.network.transport import Cost


def test_a_number_decays_to_zero_and_is_forgotten() -> None:
    known = Reputations()
    assert known.change("a", -1000, 0) == -1000
    assert known.of("a", 1) == -995
    assert -1000 < known.of("a", 100) < 0
    assert known.of("a", 10_000) == 0
    assert len(known) == 0


def test_numbers_stay_within_32_bits() -> None:
    known = Reputations()
    for _ in range(5):
        known.change("a", Cost.WRONG_GENESIS.change, 0)
        known.change("b", 1 << 30, 0)
    assert known.of("a", 0) == -(1 << 31)
    assert known.of("b", 0) == (1 << 31) - 1


def test_a_wrong_chain_bans_at_once_and_bad_blocks_soon() -> None:
    known = Reputations()
    known.change("a", Cost.WRONG_GENESIS.change, 0)
    assert known.is_banned("a", 0)
    assert known.banned(0) == ("a",)
    for count in range(1, 5):
        known.change("b", Cost.BAD_BLOCK.change, 0)
        assert known.is_banned("b", 0) == (count >= 4)


def test_a_ban_ends_after_a_minute() -> None:
    known = Reputations()
    known.change("a", -(1 << 31), 0)
    assert known.is_banned("a", 30)
    assert not known.is_banned("a", 60)
    assert known.of("a", 60) > BANNED_BELOW


def test_lateness_alone_never_bans() -> None:
    known = Reputations()
    for second in range(10_000):
        known.change("a", Cost.TIMED_OUT.change, second)
    assert not known.is_banned("a", 10_000)


def test_strangers_do_not_push_out_a_ban() -> None:
    known = Reputations(known_max=10)
    known.change("bad", Cost.WRONG_GENESIS.change, 0)
    for number in range(100):
        known.change(f"sybil{number}", -1000, 0)
    assert len(known) == 10
    assert known.is_banned("bad", 0)
