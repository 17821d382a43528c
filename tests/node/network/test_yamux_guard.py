"""The frames of a connection: honest use passes, each way to fill memory or time is cut off."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.network import yamux_guard
from node.network.yamux_guard import CREDIT_MAX, WINDOW, FrameGuard, Violation

DATA, UPDATE, PING = 0, 1, 2
SYN, ACK, FIN, RST = 1, 2, 4, 8


def head(kind: int, flags: int, stream: int, length: int) -> bytes:
    return struct.pack("!BBHII", 0, kind, flags, stream, length)


def data(stream: int, size: int, flags: int = 0) -> bytes:
    return head(DATA, flags, stream, size) + bytes(size)


def receive_all(it: FrameGuard, frames: Iterable[bytes], now_s: float) -> None:
    for frame in frames:
        it.received(frame, now_s)


def guard() -> FrameGuard:
    """As the side that was dialled: the peer's streams are odd."""
    return FrameGuard(is_initiator=False, now_s=0)


def test_a_stream_that_opens_talks_and_ends_leaves_nothing() -> None:
    it = guard()
    for number in range(1, 201, 2):
        it.received(
            head(UPDATE, SYN, number, 0) + data(number, 100) + head(UPDATE, FIN, number, 0), 0
        )
        it.sent(head(UPDATE, ACK, number, 0))
        it.sent(data(number, 50))
        it.sent(head(UPDATE, FIN, number, 0))
    assert it.stream_count == 0


def test_frames_may_come_in_any_pieces() -> None:
    stream = head(UPDATE, SYN, 1, 0) + data(1, 1000) + data(3, 5, SYN) + head(UPDATE, RST, 1, 0)
    it = guard()
    for byte in stream:
        it.received(bytes((byte,)), 0)
    assert it.stream_count == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"\x01" + bytes(11),
        head(4, 0, 1, 0),
        head(DATA, 16, 1, 0),
        head(DATA, 0, 1, CREDIT_MAX + 1),
        head(DATA, SYN, 2, 0),
        head(UPDATE, SYN, 0, 0),
        data(1, WINDOW + 1, SYN),
    ],
)
def test_a_frame_that_nobody_sends_ends_the_connection(frame: bytes) -> None:
    with pytest.raises(Violation):
        guard().received(frame, 0)


def test_a_stream_is_not_opened_twice() -> None:
    it = guard()
    it.received(head(UPDATE, SYN, 1, 0), 0)
    with pytest.raises(Violation):
        it.received(head(UPDATE, SYN, 1, 0), 0)


def test_more_than_the_window_is_cut_off() -> None:
    it = guard()
    it.received(data(1, WINDOW, SYN), 0)
    with pytest.raises(Violation):
        it.received(data(1, 1), 0)


def test_what_was_read_may_be_sent_again() -> None:
    it = guard()
    it.received(head(UPDATE, SYN, 1, 0), 0)
    for _ in range(100):
        it.received(data(1, WINDOW >> 1), 0)
        assert it.sent(head(UPDATE, 0, 1, WINDOW >> 1)) is not None


def test_window_updates_wait_until_they_matter_and_none_is_lost() -> None:
    it = guard()
    it.received(head(UPDATE, SYN, 1, 0), 0)
    told = sent = frames = 0
    for _ in range(5000):
        it.received(data(1, 100), 0)
        sent += 100
        frame = it.sent(head(UPDATE, 0, 1, 100))
        if frame is not None:
            frames += 1
            told += struct.unpack("!BBHII", frame)[4]
            assert told == sent
    assert sent - told <= WINDOW >> 1
    assert 2 <= frames <= 4


def test_the_multiplexer_cannot_grant_more_than_the_limit() -> None:
    it = guard()
    it.received(data(1, WINDOW, SYN), 0)
    frame = it.sent(head(UPDATE, 0, 1, 16 * 1024 * 1024))
    assert frame == head(UPDATE, 0, 1, CREDIT_MAX)
    assert it.sent(head(UPDATE, 0, 1, 16 * 1024 * 1024)) is None


def test_streams_at_a_time_are_limited() -> None:
    it = guard()
    for number in range(yamux_guard.STREAMS_MAX):
        it.received(head(UPDATE, SYN, 2 * number + 1, 0), 0)
    with pytest.raises(Violation, match="open"):
        it.received(head(UPDATE, SYN, 9999, 0), 0)


def test_a_hundred_thousand_openings_in_a_second_are_cut_off_early() -> None:
    it = guard()
    frames = [head(UPDATE, SYN, n, 0) + head(UPDATE, RST, n, 0) for n in range(1, 2500, 2)]
    with pytest.raises(Violation, match="faster"):
        receive_all(it, frames, 0.5)


def test_a_flood_of_pings_is_cut_off_and_a_ping_in_a_second_is_not() -> None:
    it = guard()
    for second in range(20_000):
        it.received(head(PING, SYN, 0, second), second)
    with pytest.raises(Violation, match="flood"):
        receive_all(it, [head(PING, SYN, 0, 1)] * 20_000, 20_000)


def test_empty_frames_are_no_way_around() -> None:
    it = guard()
    it.received(head(UPDATE, SYN, 1, 0), 0)
    with pytest.raises(Violation, match="flood"):
        receive_all(it, [head(DATA, 0, 1, 0)] * 20_000, 0)


def test_what_was_on_its_way_to_a_stream_that_we_reset_is_no_offence() -> None:
    it = guard()
    it.received(head(UPDATE, SYN, 1, 0), 0)
    it.sent(head(UPDATE, RST, 1, 0))
    it.received(data(1, WINDOW), 0)
    with pytest.raises(Violation, match="not open"):
        receive_all(it, [data(1, WINDOW)] * 3, 0)


@given(st.binary(max_size=300))
def test_any_bytes_pass_or_are_a_violation(junk: bytes) -> None:
    try:
        guard().received(junk, 0)
    except Violation:
        return
