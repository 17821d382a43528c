"""Finding rot."""

import hashlib
from pathlib import Path

from primitives.types import FragmentHash
from storage_miner.store.scrub import Finding, examine, pause_s

DATA = b"fragment" * 1000
HASH = FragmentHash(hashlib.sha256(DATA).digest())


def test_a_whole_fragment_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "fragment"
    path.write_bytes(DATA)
    assert examine(path, HASH).finding is Finding.sound


def test_one_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "fragment"
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    assert examine(path, HASH).finding is Finding.damaged


def test_a_missing_and_an_unreadable_file_are_told_apart(tmp_path: Path) -> None:
    assert examine(tmp_path / "nothing", HASH).finding is Finding.missing
    assert examine(tmp_path, HASH).finding is Finding.unreadable


def test_the_pause_keeps_the_rate() -> None:
    assert pause_s(8 << 20, 16 << 20) == 0.5
