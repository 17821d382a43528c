"""Choosing a protocol and reading messages: bounded, whoever is at the other end."""

import pytest
import trio

from node.network import streams
from node.network.rates import Bucket
from node.network.streams import BadStream, StreamEnded, accept_protocol, frame, read_frame

pytestmark = pytest.mark.trio

HEADER = b"\x13/multistream/1.0.0\n"


class Canned:
    """A stream of given bytes; what is written is kept."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.written = b""
        self.largest = 0

    async def read_exactly(self, count: int) -> bytes:
        await trio.lowlevel.checkpoint()
        self.largest = max(self.largest, count)
        if count > len(self.data):
            raise StreamEnded("no more")
        out, self.data = self.data[:count], self.data[count:]
        return out

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.written += data


async def test_the_first_known_proposal_is_accepted() -> None:
    stream = Canned(HEADER + b"\x03/a\n" + b"\x03/b\n" + b"rest")
    assert await accept_protocol(stream, ["/b"]) == "/b"
    assert stream.written == HEADER + b"\x03na\n" + b"\x03/b\n"
    assert stream.data == b"rest"


async def test_the_opener_names_its_protocols_in_turn() -> None:
    stream = Canned(HEADER + b"\x03na\n" + b"\x03/b\n")
    assert await streams.select_protocol(stream, ["/a", "/b"]) == "/b"
    assert stream.written == HEADER + b"\x03/a\n" + b"\x03/b\n"


@pytest.mark.parametrize("answer", [b"\x03/x\n", b"\x03na\n\x03na\n", b"\x02na", b"\x00"])
async def test_an_opener_takes_no_other_answer(answer: bytes) -> None:
    with pytest.raises(BadStream):
        await streams.select_protocol(Canned(HEADER + answer), ["/a"])


@pytest.mark.parametrize(
    "data",
    [
        b"\x04abc\n",
        HEADER + b"\x03na\n" * 20,
        HEADER + b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        HEADER + b"\x80" * 12,
        HEADER + b"\x02/a",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_strange_proposals_end_the_choice(data: bytes) -> None:
    stream = Canned(data + bytes(100))
    with pytest.raises(BadStream):
        await accept_protocol(stream, ["/a"])
    assert stream.largest <= streams.LINE_BYTES_MAX


async def test_a_message_is_not_read_before_its_length_is_allowed() -> None:
    assert await read_frame(Canned(frame(b"x" * 300)), 300) == b"x" * 300
    for data in (frame(b"x" * 301), b"\xff" * 9 + b"\x01", b"\x80" * 11):
        stream = Canned(data)
        with pytest.raises(BadStream):
            await read_frame(stream, 300)
        assert stream.largest == 1


async def test_a_message_that_is_cut_off_is_the_end() -> None:
    for data in (b"", b"\x80", b"\x05abc"):
        with pytest.raises(StreamEnded):
            await read_frame(Canned(data), 300)


async def test_a_bucket_allows_a_burst_and_then_a_rate() -> None:
    bucket = Bucket(10, 2.0, 0)
    assert sum(bucket.take(1, 0) for _ in range(50)) == 10
    assert sum(bucket.take(1, 3) for _ in range(50)) == 6
    assert not bucket.take(11, 1000)
    assert bucket.take(10, 1000)
    assert not bucket.take(1, 0)
    assert bucket.wait_s(1, 1000) == 0.5
    assert bucket.take(1, 1000.5)
    assert bucket.wait_s(1, 2000) == 0
