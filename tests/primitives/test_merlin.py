"""Keccak, STROBE and Merlin against other implementations."""

import hashlib
import json
from pathlib import Path

import pytest

from primitives.crypto.merlin import Transcript, keccak_f1600

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "merlin" / "transcripts.json").read_text()
)


def sponge(message: bytes, rate: int, suffix: int, length: int) -> bytes:
    """FIPS 202 upon our permutation."""
    padded = bytearray(message) + bytes([suffix])
    padded += bytes(-len(padded) % rate)
    padded[-1] |= 0x80
    state = bytearray(200)
    for start in range(0, len(padded), rate):
        for at in range(rate):
            state[at] ^= padded[start + at]
        state[:] = keccak_f1600(state)
    out = bytearray(state[:rate])
    while len(out) < length:
        state[:] = keccak_f1600(state)
        out += state[:rate]
    return bytes(out[:length])


def test_the_permutation_of_zeros_is_the_published_one() -> None:
    assert keccak_f1600(bytes(200))[:8] == bytes.fromhex("e7dde140798f25f1")


@pytest.mark.parametrize("length", [0, 1, 135, 136, 137, 500])
def test_the_permutation_makes_sha3_and_shake(length: int) -> None:
    message = bytes(at * 7 & 0xFF for at in range(length))
    assert sponge(message, 136, 0x06, 32) == hashlib.sha3_256(message).digest()
    assert sponge(message, 168, 0x1F, 400) == hashlib.shake_128(message).digest(400)


def test_transcripts_give_the_challenges_of_merlin() -> None:
    simple, complicated = VECTORS
    transcript = Transcript.of(b"test protocol")
    transcript.append(b"some label", b"some data")
    assert transcript.challenge(b"challenge", 32).hex() == simple["challenge"]
    transcript = Transcript.of(b"test protocol")
    transcript.append(b"step1", b"some data")
    challenge = b""
    for _ in range(complicated["rounds"]):
        challenge = transcript.challenge(b"challenge", 32)
        transcript.append(b"bigdata", b"\x63" * 1024)
        transcript.append(b"challengedata", challenge)
    assert challenge.hex() == complicated["challenge"]


def test_a_clone_goes_on_by_itself() -> None:
    transcript = Transcript.of(b"p")
    transcript.append(b"a", b"1")
    clone = transcript.clone()
    clone.append(b"b", b"2")
    again = Transcript.of(b"p")
    again.append(b"a", b"1")
    assert transcript.challenge(b"c", 32) == again.challenge(b"c", 32)
    assert clone.challenge(b"c", 32) != again.challenge(b"c", 32)


def test_where_a_label_ends_is_a_part_of_the_transcript() -> None:
    def drawn(*messages: tuple[bytes, bytes]) -> bytes:
        transcript = Transcript.of(b"p")
        for label, message in messages:
            transcript.append(label, message)
        return transcript.challenge(b"c", 16)

    seen = {
        drawn((b"ab", b"c")),
        drawn((b"a", b"bc")),
        drawn((b"a", b"b"), (b"", b"c")),
        drawn((b"", b"abc")),
        drawn(),
    }
    assert len(seen) == 5


def test_a_challenge_longer_than_a_block_is_drawn() -> None:
    transcript = Transcript.of(b"p")
    drawn = transcript.challenge(b"c", 166 * 3 + 1)
    assert len(drawn) == 499
    assert len({drawn[at : at + 16] for at in range(0, 480, 16)}) == 30
    assert transcript.challenge(b"c", 32) != drawn[:32]


def test_a_witness_depends_on_all_it_is_drawn_from() -> None:
    transcript = Transcript.of(b"p")
    one = transcript.witness(b"w", (b"secret",), bytes(32))
    assert len(one) == 64
    assert transcript.witness(b"w", (b"secret",), bytes(32)) == one
    others = {
        transcript.witness(b"w", (b"secreT",), bytes(32)),
        transcript.witness(b"w", (b"x" * 166,), bytes(32)),
        transcript.witness(b"w", (b"x" * 167,), bytes(32)),
        transcript.witness(b"w", (b"secret", b""), bytes(32)),
        transcript.witness(b"w", (b"secret",), b"\1" * 32),
        transcript.witness(b"v", (b"secret",), bytes(32)),
        Transcript.of(b"q").witness(b"w", (b"secret",), bytes(32)),
    }
    assert len(others) == 7
    assert one not in others


def test_numbers_are_absorbed_as_eight_bytes() -> None:
    one, other = Transcript.of(b"p"), Transcript.of(b"p")
    one.append_u64(b"n", 258)
    other.append(b"n", b"\2\1\0\0\0\0\0\0")
    assert one.challenge(b"c", 8) == other.challenge(b"c", 8)
