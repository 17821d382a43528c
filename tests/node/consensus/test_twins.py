"""The watch over twins: what counts as theirs, and how long to listen."""

import pytest

from node.consensus.twins import (
    HEARD_SLOTS,
    LISTEN_SLOTS_MAX,
    OWN_MAX,
    PATIENCE_SLOTS_MAX,
    QUIET_SLOTS,
    WAITING_MAX,
    KeySignsElsewhere,
    SeenVote,
    TwinState,
    TwinWatch,
)
from node.consensus.verification import FUTURE_SLOTS_MAX

KEY, OTHER = b"\x01" * 32, b"\x02" * 32
BLOCK = b"\xbb" * 32
START = 1000
LATER = START + FUTURE_SLOTS_MAX + 1
"""The first slot of which nothing can be left of an earlier life."""


def watch(**options: int) -> TwinWatch:
    made = TwinWatch(**options)  # type: ignore[arg-type]
    made.meet([KEY], START)
    return made


def vote(block: bytes = BLOCK, key: bytes = KEY, round_: int = 7) -> SeenVote:
    return SeenVote(key, 0, round_, 0, block)


def slots_until_signing(made: TwinWatch, *, blocks_from: int = 0, lag: int | None = None) -> int:
    """Slots that pass until the key signs; others author from one on, final ``lag`` later."""
    for count in range(100):
        slot = START + count
        if blocks_from and slot >= blocks_from:
            made.saw_block(slot, OTHER, slot.to_bytes(32, "big"))
        final = 0 if lag is None else slot - lag
        made.listen(slot, final, is_hearing=True)
        if made.may_sign(KEY):
            return count
    raise AssertionError("it never signs")


def test_a_restart_beside_others_misses_few_slots() -> None:
    for patience in range(PATIENCE_SLOTS_MAX + 1):
        missed = slots_until_signing(watch(patience=patience), blocks_from=START, lag=2)
        assert missed == FUTURE_SLOTS_MAX + HEARD_SLOTS + 2 + patience
        assert missed <= LISTEN_SLOTS_MAX


def test_where_nobody_authors_all_begin_after_a_few_slots() -> None:
    for patience in range(PATIENCE_SLOTS_MAX + 1):
        assert slots_until_signing(watch(patience=patience)) == QUIET_SLOTS + patience


def test_where_nothing_becomes_final_listening_ends_all_the_same() -> None:
    made = watch(patience=PATIENCE_SLOTS_MAX)
    assert slots_until_signing(made, blocks_from=START) == LISTEN_SLOTS_MAX
    assert made.state is TwinState.ALONE


def test_slots_in_which_nobody_could_be_heard_do_not_count() -> None:
    made = watch()
    for count in range(3 * LISTEN_SLOTS_MAX):
        made.listen(START + count, 0, is_hearing=False)
        made.listen(START, 0, is_hearing=True)  # nor does one slot twice
    assert made.state is TwinState.LISTENING
    assert not made.may_sign(KEY)


def test_who_has_all_keys_does_not_listen_but_stops_for_a_twin() -> None:
    made = watch()
    assert made.may_sign(KEY, is_alone=True)
    made.saw_block(LATER, KEY, BLOCK)
    assert not made.may_sign(KEY, is_alone=True)


def test_a_key_that_comes_later_is_listened_to_and_the_others_sign_on() -> None:
    made = watch()
    slots_until_signing(made)
    made.meet([KEY, OTHER], START + 50)
    assert made.may_sign(KEY)
    assert not made.may_sign(OTHER)
    assert not made.may_sign(b"\x03" * 32)  # nobody met this one
    made.saw_block(START + 51, OTHER, BLOCK)  # of before, by the margin of clocks
    assert made.twin is None
    made.saw_block(START + 52, OTHER, BLOCK)
    assert made.twin is not None
    assert not made.may_sign(KEY), "because its twin has this one too, for all we know"


def test_a_block_of_our_key_that_we_did_not_make_is_a_twins() -> None:
    for made in (watch(), watch(last_signed=START - 5)):
        made.saw_block(LATER, OTHER, b"\xaa" * 32)
        assert made.twin is None
        made.saw_block(LATER, KEY, BLOCK)
        assert made.twin is not None
        assert (made.twin.key, made.twin.slot, made.twin.block) == (KEY, LATER, BLOCK)
        assert made.state is TwinState.SEEN
        said = str(KeySignsElsewhere(made.twin))
        for part in (KEY.hex(), BLOCK.hex(), "stop one of the two", "start this node again"):
            assert part in said


def test_what_an_earlier_life_signed_is_none() -> None:
    made = watch()
    made.saw_block(START + FUTURE_SLOTS_MAX, KEY, BLOCK)
    # The file knows of later slots than the clock: it was set back.
    ahead = watch(last_signed=LATER + 10)
    ahead.saw_block(LATER + 10, KEY, BLOCK)
    for each in (made, ahead):
        assert not each.is_later(KEY, START + FUTURE_SLOTS_MAX)
        each.saw_vote(vote(), START + FUTURE_SLOTS_MAX)
        assert each.twin is None


def test_what_we_signed_is_none_when_it_comes_back() -> None:
    made = watch()
    made.signed(BLOCK)
    made.signed(vote())
    made.saw_block(LATER, KEY, BLOCK)
    assert not made.wants_vote(vote())
    made.saw_vote(vote(), LATER)
    assert made.twin is None
    assert made.wants_vote(vote(b"\xcc" * 32))
    made.saw_vote(vote(b"\xcc" * 32), LATER)
    assert made.twin is not None
    assert not made.wants_vote(vote(b"\xdd" * 32))


def test_a_vote_for_an_unknown_block_is_judged_by_the_blocks_slot() -> None:
    early, late = b"\xe0" * 32, b"\xe1" * 32
    made = watch()
    for block in (early, late):
        assert made.wants_vote(vote(block))
        made.saw_vote(vote(block), None)
        assert not made.wants_vote(vote(block)), "because its signature was checked"
        assert made.twin is None
    made.saw_block(START, OTHER, early)
    assert made.twin is None
    made.signed(vote(late))  # afterwards: the same vote as the twin's
    made.saw_block(LATER, OTHER, late)
    assert made.twin is not None
    assert made.twin.is_vote


def test_memory_is_bounded() -> None:
    made = watch()
    for count in range(OWN_MAX + 10):
        made.signed(vote(round_=count))
    for count in range(WAITING_MAX + 10):
        made.saw_vote(vote(count.to_bytes(32, "big")), None)
    assert (len(made._own), len(made._waiting)) == (OWN_MAX, WAITING_MAX)


@pytest.mark.parametrize("is_on", [True, False])
def test_the_flag_turns_everything_off(is_on: bool) -> None:
    made = TwinWatch(is_on=is_on)
    made.meet([KEY], START)
    made.saw_block(LATER, KEY, BLOCK)
    assert made.may_sign(KEY) is not is_on
    assert made.state is (TwinState.SEEN if is_on else TwinState.OFF)
