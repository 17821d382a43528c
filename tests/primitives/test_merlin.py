"""Keccak, STROBE and Merlin against other implementations."""

import hashlib
import json
import random
from copy import deepcopy
from pathlib import Path

import pytest

from primitives.crypto.merlin import Transcript
from tests.primitives.strobe import RATE, Strobe, keccak_f1600

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "merlin" / "transcripts.json").read_text()
)


def sponge(message: bytes, rate: int, suffix: int, length: int) -> bytes:
    """FIPS 202 upon the permutation that the reference has."""
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


def test_the_reference_permutation_of_zeros_is_the_published_one() -> None:
    assert keccak_f1600(bytes(200))[:8] == bytes.fromhex("e7dde140798f25f1")


@pytest.mark.parametrize("length", [0, 1, 135, 136, 137, 500])
def test_the_reference_permutation_makes_sha3_and_shake(length: int) -> None:
    message = bytes(at * 7 & 0xFF for at in range(length))
    assert sponge(message, 136, 0x06, 32) == hashlib.sha3_256(message).digest()
    assert sponge(message, 168, 0x1F, 400) == hashlib.shake_128(message).digest(400)


EDGES = (0, 1, 32, 64, RATE - 2, RATE - 1, RATE, RATE + 1, RATE + 2, 2 * RATE, 2 * RATE + 3)


@pytest.mark.parametrize("seed", range(20))
def test_any_operations_give_what_strobe_by_the_book_gives(seed: int) -> None:
    rng = random.Random(seed)
    ours, book = Transcript.of(b"p"), Strobe(b"Merlin v1.0")
    absorb(book, b"dom-sep", b"p")
    for _ in range(8):
        label, message = rng.randbytes(rng.randrange(9)), rng.randbytes(rng.choice(EDGES))
        match rng.randrange(3):
            case 0:
                ours.append(label, message)
                absorb(book, label, message)
            case 1:
                length = rng.choice(EDGES[1:])
                assert ours.challenge(label, length) == draw(book, label, length)
            case 2:
                entropy, copy = rng.randbytes(32), deepcopy(book)
                copy.meta_ad(label + len(message).to_bytes(4, "little"))
                copy.key(message)
                copy.meta_ad(b"rng")
                copy.key(entropy)
                copy.meta_ad((64).to_bytes(4, "little"))
                assert ours.witness(label, (message,), entropy) == copy.prf(64)
        ours = ours.clone()
    assert ours.challenge(b"", 32) == draw(book, b"", 32)


def absorb(book: Strobe, label: bytes, message: bytes) -> None:
    book.meta_ad(label + len(message).to_bytes(4, "little"))
    book.ad(message)


def draw(book: Strobe, label: bytes, length: int) -> bytes:
    book.meta_ad(label + length.to_bytes(4, "little"))
    return book.prf(length)


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
