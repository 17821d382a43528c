"""The demonstration: what it makes up; tests/documents runs the whole of it."""

import sys
from pathlib import Path

import pytest

from client.demo import _near_copy, _pack_library, main
from client.works import fingerprint_file
from proofs.fingerprint.similarity import hamming


def test_the_library_is_a_real_file_of_a_few_segments(tmp_path: Path) -> None:
    packed = _pack_library(tmp_path / "library.tar")
    assert 2 << 22 < packed.stat().st_size < 4 << 22


def test_the_copy_is_another_file_and_near(tmp_path: Path) -> None:
    work, copy = tmp_path / "work.txt", tmp_path / "copy.txt"
    work.write_text("".join(f"line {index} of a long work, never twice\n" for index in range(4000)))
    _near_copy(work, copy)
    first, second = fingerprint_file(work), fingerprint_file(copy)
    assert first.instance != second.instance
    assert hamming(first.data, second.data) <= 24


def test_a_file_that_is_not_there_fails_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["demo", "--file", "/no/such/file"])
    assert main() == 1
    assert "/no/such/file" in capsys.readouterr().out
