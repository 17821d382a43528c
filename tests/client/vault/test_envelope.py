"""The envelope: round trips at every boundary, and every attack on it refused by name."""

import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import client.vault.envelope as envelope_module
from client.vault.envelope import (
    CHUNK_BYTES,
    ENVELOPE_HEAD_BYTES,
    NAME_BYTES_MAX,
    ChunkDamaged,
    EnvelopeError,
    EnvelopeTruncated,
    HeaderDamaged,
    NotAnEnvelope,
    Opener,
    Sealer,
    SourceChanged,
    UnsupportedEnvelope,
    WrongKey,
    envelope_bytes,
    padded_content_bytes,
)
from client.vault.keys import FileKeys, VaultKey

KEY = VaultKey(bytes(range(32)))
OTHER = VaultKey(bytes(32))
SEALED = CHUNK_BYTES + 16
BOUNDARIES = [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 150_000]


def sealed(plain: bytes, *, name: str = "a work.txt", content_bytes: int | None = None) -> bytes:
    content = max(len(plain), 1) if content_bytes is None else content_bytes
    sealer = Sealer(KEY, name=name, size=len(plain), content_bytes=content)
    return b"".join(sealer.seal(io.BytesIO(plain)))


def opened(envelope: bytes, key: VaultKey | bytes = KEY) -> bytes:
    opener = Opener(key, envelope[:ENVELOPE_HEAD_BYTES])
    return b"".join(opener.open_stream(io.BytesIO(envelope[ENVELOPE_HEAD_BYTES:])))


def pattern(length: int) -> bytes:
    return bytes(index * 7 % 251 for index in range(length))


@pytest.mark.parametrize("length", [0, *BOUNDARIES])
def test_what_is_sealed_is_opened(length: int) -> None:
    plain = pattern(length)
    envelope = sealed(plain)
    assert len(envelope) == envelope_bytes(max(length, 1))
    assert opened(envelope) == plain


@settings(max_examples=40, deadline=None)
@given(
    plain=st.binary(max_size=200_000),
    padding=st.integers(0, 140_000),
    name=st.text(max_size=60),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_any_file_and_any_range_of_it_comes_back(
    plain: bytes, padding: int, name: str, cut: tuple[float, float]
) -> None:
    envelope = sealed(plain, name=name, content_bytes=max(len(plain) + padding, 1))
    opener = Opener(KEY, envelope[:ENVELOPE_HEAD_BYTES])
    assert (opener.size, opener.name) == (len(plain), name)
    assert opened(envelope) == plain
    start, end = sorted(round(part * len(plain)) for part in cut)
    span = opener.span(start, end)
    part = envelope[span.offset : span.offset + span.length]
    assert opener.open_span(start, end, part) == plain[start:end]


def test_a_range_touches_only_its_chunks() -> None:
    opener = Opener(KEY, sealed(pattern(4 * CHUNK_BYTES))[:ENVELOPE_HEAD_BYTES])
    span = opener.span(CHUNK_BYTES + 5, CHUNK_BYTES + 9)
    assert (span.first_chunk, span.length) == (1, SEALED)
    assert opener.span(3, 3).length in (0, SEALED)


def test_two_uploads_of_one_file_have_nothing_in_common() -> None:
    first, second = sealed(pattern(1000)), sealed(pattern(1000))
    assert first[24:] != second[24:]
    assert not set(zip(*[iter(first[32:])] * 16, strict=False)) & set(
        zip(*[iter(second[32:])] * 16, strict=False)
    )


def test_no_plain_byte_and_no_name_is_in_the_envelope() -> None:
    canary = b"sixteen byte can" * 40
    envelope = sealed(canary, name="canary-name.txt")
    assert b"sixteen byte can" not in envelope
    assert b"canary-name" not in envelope


def test_a_wrong_key_is_refused_by_name() -> None:
    with pytest.raises(WrongKey, match="another key"):
        opened(sealed(b"secret"), OTHER)


def test_the_file_key_opens_its_file_and_no_other() -> None:
    first, second = sealed(b"first"), sealed(b"second")
    key = KEY.file_key(first[32:64])
    assert opened(first, key) == b"first"
    with pytest.raises(WrongKey):
        opened(second, key)


def test_no_envelope_opens_under_two_keys() -> None:
    """The commitment decides before any chunk: a forged second commitment fails the header."""
    envelope = bytearray(sealed(b"one ciphertext, two keys"))
    salt = bytes(envelope[32:64])
    envelope[64:96] = FileKeys.of(OTHER.file_key(salt), salt).commitment
    with pytest.raises(HeaderDamaged):
        opened(bytes(envelope), OTHER)
    with pytest.raises(WrongKey):
        opened(bytes(envelope), KEY)


def test_every_bit_of_the_head_is_protected() -> None:
    envelope = sealed(b"a short work")
    for place in range(ENVELOPE_HEAD_BYTES):
        damaged = bytearray(envelope)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(EnvelopeError):
            opened(bytes(damaged))


def test_every_bit_of_a_chunk_is_protected() -> None:
    envelope = sealed(pattern(60))
    for place in range(8 * ENVELOPE_HEAD_BYTES, 8 * len(envelope)):
        damaged = bytearray(envelope)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(ChunkDamaged):
            opened(bytes(damaged))


def test_chunks_cannot_change_places() -> None:
    envelope = sealed(pattern(3 * CHUNK_BYTES))
    head, body = envelope[:ENVELOPE_HEAD_BYTES], envelope[ENVELOPE_HEAD_BYTES:]
    chunks = [body[at : at + SEALED] for at in range(0, len(body), SEALED)]
    swapped = head + chunks[1] + chunks[0] + chunks[2]
    with pytest.raises(ChunkDamaged) as caught:
        opened(swapped)
    assert caught.value.index == 0
    with pytest.raises(ChunkDamaged):
        opened(head + chunks[0] + chunks[0] + chunks[2])


def test_a_chunk_of_another_envelope_does_not_fit() -> None:
    first, second = sealed(pattern(500)), sealed(pattern(500))
    with pytest.raises(ChunkDamaged):
        opened(first[:ENVELOPE_HEAD_BYTES] + second[ENVELOPE_HEAD_BYTES:])


@pytest.mark.parametrize("kept", [0, 1, 15, 16, 17, SEALED - 1, SEALED, SEALED + 1, 2 * SEALED])
def test_a_cut_envelope_is_refused(kept: int) -> None:
    envelope = sealed(pattern(3 * CHUNK_BYTES))
    with pytest.raises(EnvelopeTruncated):
        opened(envelope[: ENVELOPE_HEAD_BYTES + kept])


def test_cutting_at_a_chunk_and_forging_the_length_is_refused() -> None:
    envelope = bytearray(sealed(pattern(2 * CHUNK_BYTES)))
    envelope[16:24] = CHUNK_BYTES.to_bytes(8, "little")
    with pytest.raises(HeaderDamaged):
        opened(bytes(envelope[: ENVELOPE_HEAD_BYTES + SEALED]))


def test_what_is_no_envelope_is_named_so() -> None:
    for data in (b"", b"\x1f\x8b" * 2000, bytes(5000)):
        with pytest.raises(NotAnEnvelope):
            Opener(KEY, data)
    with pytest.raises(EnvelopeTruncated):
        Opener(KEY, sealed(b"x")[:500])


@pytest.mark.parametrize("place", [8, 9, 10, 11])
def test_unknown_versions_and_suites_ask_for_a_newer_program(place: int) -> None:
    envelope = bytearray(sealed(b"x"))
    envelope[place] += 1
    with pytest.raises(UnsupportedEnvelope, match="update"):
        Opener(KEY, bytes(envelope))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_no_input_crashes_the_header_parser(data: bytes) -> None:
    for head in (data, b"CESSVALT" + data, b"CESSVALT\x01\x01\x10\x00\x80\x03\x00\x00" + data):
        with pytest.raises(EnvelopeError):
            Opener(KEY, head)


def test_a_source_that_changes_while_it_is_read_is_refused() -> None:
    for actual in (b"shorter", b"longer than it was"):
        sealer = Sealer(KEY, name="n", size=10, content_bytes=20)
        with pytest.raises(SourceChanged):
            list(sealer.seal(io.BytesIO(actual)))


def test_a_name_has_its_limit() -> None:
    assert Opener(KEY, sealed(b"x", name="n" * NAME_BYTES_MAX)).name == "n" * NAME_BYTES_MAX
    with pytest.raises(EnvelopeError, match="too long"):
        sealed(b"x", name="n" * (NAME_BYTES_MAX + 1))


SEGMENT = 1 << 22


@given(size=st.integers(0, 1 << 40), segment=st.sampled_from([SEGMENT, 1 << 25]))
def test_the_padding_fills_the_last_segment_and_stays_small(size: int, segment: int) -> None:
    content = padded_content_bytes(size, segment)
    whole = envelope_bytes(content)
    assert content >= max(size, 1)
    assert -whole % segment <= 16  # a chunk has at least one byte beside its tag
    assert whole <= 1.12 * size + 2 * segment


def test_files_that_fit_one_segment_look_alike() -> None:
    lengths = {padded_content_bytes(size, SEGMENT) for size in (0, 1, 70_000, 3_000_000)}
    assert len(lengths) == 1


def test_a_known_answer_does_not_change() -> None:
    """The format is on holders' disks for years: this digest changes only with the version."""
    sealer = Sealer(KEY, name="name", size=5, content_bytes=70_000, salt=bytes(32))
    envelope = b"".join(sealer.seal(io.BytesIO(b"plain")))
    assert hashlib.sha256(envelope).hexdigest() == (
        "ee5dcac1de5c7865f46ee3ca355894489e598dc3110a439951d0c89a51460218"
    )


def test_a_sealer_seals_once() -> None:
    """A second content under the same keys and nonces would give both away."""
    sealer = Sealer(KEY, name="name", size=5, content_bytes=70_000)
    assert len(b"".join(sealer.seal(io.BytesIO(b"first")))) == sealer.envelope_bytes
    with pytest.raises(EnvelopeError, match="once"):
        list(sealer.seal(io.BytesIO(b"other")))


def test_a_stream_with_bytes_behind_its_end_is_refused() -> None:
    sealer = Sealer(KEY, name="name", size=5, content_bytes=70_000)
    envelope = b"".join(sealer.seal(io.BytesIO(b"first"))) + b"x" * SEALED
    opener = Opener(KEY, envelope[:ENVELOPE_HEAD_BYTES])
    with pytest.raises(EnvelopeTruncated):
        list(opener.open_stream(io.BytesIO(envelope[ENVELOPE_HEAD_BYTES:])))


def test_a_size_beyond_the_content_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a program with the key can write one; a reader would wait for bytes without end."""
    encode = envelope_module._encode_metadata
    monkeypatch.setattr(envelope_module, "_encode_metadata", lambda name, _: encode(name, 10**12))
    with pytest.raises(HeaderDamaged, match="more bytes"):
        opened(sealed(b"short"))
