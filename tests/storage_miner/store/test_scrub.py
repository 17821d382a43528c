"""Finding rot: every bit of every kind of file, at the disk's word, over restarts."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.errors import StorageCorrupt
from primitives.types import Bytes48, FragmentHash
from storage_miner.store import Volume, Volumes
from storage_miner.store import scrub as scrub_module
from storage_miner.store.scrub import (
    STATE_BYTES_MAX,
    Finding,
    Kind,
    Scrub,
    ScrubResult,
    ScrubState,
    Stage,
    examine,
    pack_state,
    pause_s,
    unpack_state,
)
from tests.storage_miner.kit import NOW, cosignature, place, put, volumes_at

DATA = b"fragment" * 1000
HASH = FragmentHash(hashlib.sha256(DATA).digest())
CAPACITY = 64 << 20
POINTS = (Bytes48(b"\x01" * 48), Bytes48(b"\x02" * 48))


@pytest.fixture
def volumes(tmp_path: Path, plot_directory: Path) -> Iterator[Volumes]:
    """A volume with one file of each kind."""
    with volumes_at(tmp_path / "data", capacity=CAPACITY) as opened:
        (only,) = opened.volumes
        put(opened, DATA)
        opened.put_commitments(HASH, POINTS)
        opened.put_cosignature(cosignature(1, place(1)))
        for path in plot_directory.iterdir():
            shutil.copy(path, only.layout.plots)
        yield opened


def whole_round(volume: Volume, scrub: Scrub) -> list[ScrubResult]:
    """Everything that a round looks at."""
    found = []
    while (examination := scrub.begin(NOW)) is not None:
        while (result := examination.advance()) is None:
            pass
        scrub.note(examination, result)
        scrub.heal(result)
        found.append(result)
    return found


def kinds(results: list[ScrubResult], finding: Finding) -> list[Kind]:
    return [result.kind for result in results if result.finding is finding]


def test_a_round_looks_at_every_kind_of_file(volumes: Volumes) -> None:
    (volume,) = volumes.volumes
    scrub = Scrub(volume, NOW)
    results = whole_round(volume, scrub)
    assert kinds(results, Finding.sound) == [
        Kind.page,
        Kind.members,
        Kind.cosignature,
        Kind.fragment,
        Kind.commitments,
        Kind.plot,
    ]
    assert (scrub.state.round_number, scrub.state.faults) == (2, 0)


def files_of(volume: Volume) -> list[Path]:
    layout = volume.layout
    return [
        layout.page,
        layout.members,
        next(layout.cosignatures.iterdir()),
        layout.fragment(HASH),
        layout.commitment(HASH),
        next(layout.plots.iterdir()),
    ]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("place_", [0, 1, 2, 3])
def test_a_flipped_bit_anywhere_is_found_in_one_round(
    volumes: Volumes, number: int, place_: int
) -> None:
    """At the first and last byte and at two between."""
    (volume,) = volumes.volumes
    path = files_of(volume)[number]
    with path.open("r+b") as file:
        at = (path.stat().st_size - 1) * place_ // 3
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))
    scrub = Scrub(volume, NOW)
    results = whole_round(volume, scrub)
    assert [result.path for result in results if result.finding is Finding.damaged] == [path]
    assert scrub.state.faults == 1


@pytest.mark.parametrize("number", [0, 1, 2, 4])
def test_small_files_heal_in_the_round_that_finds_them(volumes: Volumes, number: int) -> None:
    (volume,) = volumes.volumes
    path = files_of(volume)[number]
    before = path.read_bytes()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    scrub = Scrub(volume, NOW)
    whole_round(volume, scrub)
    if number in (0, 1):
        assert path.read_bytes() == before
    else:
        assert not path.exists()
        entry = volume.entry(HASH)
        assert entry is not None
    assert kinds(whole_round(volume, scrub), Finding.damaged) == []


def test_a_missing_fragment_is_found(volumes: Volumes) -> None:
    (volume,) = volumes.volumes
    volume.layout.fragment(HASH).unlink()
    results = whole_round(volume, Scrub(volume, NOW))
    assert kinds(results, Finding.missing) == [Kind.fragment]


def test_commitments_of_a_fragment_that_went_meanwhile_are_not_missed(volumes: Volumes) -> None:
    (volume,) = volumes.volumes
    scrub = Scrub(volume, NOW)
    while (examination := scrub.begin(NOW)) is not None:
        if examination.kind is Kind.fragment:
            volume.forget(HASH)
            assert examination.advance() is not None
        examination.close()
        assert examination.kind is not Kind.commitments


def test_the_round_goes_on_after_a_restart_where_it_was(volumes: Volumes) -> None:
    (volume,) = volumes.volumes
    names = sorted([HASH, *(put(volumes, bytes([n]) * 500) for n in range(5))])
    scrub = Scrub(volume, NOW)
    seen = []
    while len(seen) < 3:
        examination = scrub.begin(NOW)
        assert examination is not None
        while (result := examination.advance()) is None:
            pass
        scrub.note(examination, result)
        if result.kind is Kind.fragment:
            seen.append(result.fragment_hash)
    scrub.save()
    again = Scrub(volume, NOW + 100)
    assert again.state == scrub.state
    rest = [
        result.fragment_hash
        for result in whole_round(volume, again)
        if result.kind is Kind.fragment
    ]
    assert [*seen, *rest] == names
    assert again.state.round_number == 2


def test_the_state_is_written_as_often_as_bytes_were_read(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (volume,) = volumes.volumes
    scrub = Scrub(volume, NOW)
    examination = scrub.begin(NOW)
    assert examination is not None
    while (result := examination.advance()) is None:
        pass
    scrub.note(examination, result)
    assert not volume.layout.scrub.exists()
    monkeypatch.setattr(scrub_module, "SAVE_BYTES", 1)
    scrub.note(examination, result)
    assert unpack_state(volume.layout.scrub.read_bytes()).files == 2


def test_a_damaged_state_begins_the_round_anew(volumes: Volumes) -> None:
    (volume,) = volumes.volumes
    volume.layout.scrub.write_bytes(b"nonsense")
    assert Scrub(volume, NOW).state == ScrubState(started=NOW)


# One file.


def test_a_whole_fragment_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "fragment"
    path.write_bytes(DATA)
    assert examine(path, HASH).finding is Finding.sound


@pytest.mark.parametrize("bit", range(8))
def test_one_flipped_bit_is_found(tmp_path: Path, bit: int) -> None:
    path = tmp_path / "fragment"
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ (1 << bit)]))
    assert examine(path, HASH).finding is Finding.damaged


@pytest.mark.parametrize("length", [0, 1, len(DATA) - 1])
def test_a_cut_and_a_padded_fragment_are_found(tmp_path: Path, length: int) -> None:
    path = tmp_path / "fragment"
    for data in (DATA[:length], DATA + b"\0"):
        path.write_bytes(data)
        assert examine(path, HASH).finding is Finding.damaged


@pytest.mark.parametrize("size", [999, 1000, 1001])
def test_the_pieces_meet_at_their_borders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(scrub_module, "PIECE_BYTES", 1000)
    path = tmp_path / "fragment"
    path.write_bytes(b"z" * size)
    name = FragmentHash(hashlib.sha256(b"z" * size).digest())
    assert examine(path, name).finding is Finding.sound


def test_a_missing_and_an_unreadable_file_are_told_apart(tmp_path: Path) -> None:
    assert examine(tmp_path / "nothing", HASH).finding is Finding.missing
    assert examine(tmp_path, HASH).finding is Finding.unreadable


def test_the_pause_keeps_the_rate() -> None:
    assert pause_s(8 << 20, 16 << 20) == 0.5


# The state's bytes.

states = st.builds(
    ScrubState,
    st.just(Stage.plots),
    st.text(max_size=20),
    *(st.integers(0, 2**64 - 1) for _ in range(6)),
)


@given(states)
def test_states_come_back(state: ScrubState) -> None:
    assert unpack_state(pack_state(state)) == state


def test_the_byte_table_of_the_state() -> None:
    state = ScrubState(Stage.fragments, "ab" * 32, 2, 3, 4, 5, 6, 7)
    data = pack_state(state)
    assert data[:12] == b"CESSSCRB\x01\x01\x40\x00"
    assert [data[at] for at in range(12, 60, 8)] == [2, 3, 4, 5, 6, 7]
    assert data[60:-32] == b"ab" * 32


def test_any_flipped_bit_and_any_cut_of_the_state_is_noticed() -> None:
    whole = pack_state(ScrubState(Stage.plots, "a.plot"))
    for position in range(len(whole)):
        for data in (
            whole[:position] + bytes([whole[position] ^ 0x40]) + whole[position + 1 :],
            whole[:position],
        ):
            with pytest.raises(StorageCorrupt):
                unpack_state(data)


@given(st.binary(max_size=STATE_BYTES_MAX + 10))
def test_noise_is_no_state(data: bytes) -> None:
    with pytest.raises(StorageCorrupt):
        unpack_state(data)


@pytest.mark.parametrize("cursor", ["zz" * 32, "ab", "AB" * 32])
def test_a_place_among_fragments_that_is_no_hash_is_refused(cursor: str) -> None:
    state = replace(ScrubState(Stage.fragments), cursor=cursor)
    with pytest.raises(StorageCorrupt):
        unpack_state(pack_state(state))
