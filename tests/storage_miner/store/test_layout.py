"""Where things lie, and small files that are whole or not there."""

import errno
import os
from pathlib import Path

import pytest

from storage_miner.store import DiskFull, Layout
from storage_miner.store.layout import write_durably
from tests.storage_miner.kit import file, fragment


def test_paths_are_made_of_hex_only(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    name = fragment(1).hex()
    assert layout.fragment(fragment(1)) == tmp_path / "fragments" / name[:2] / name
    assert layout.commitment(fragment(1)).name == f"{name}.kzg"
    assert layout.cosignature(file(1), 3, 4).name == f"{file(1).hex()}-3-4"


def test_a_small_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "MINER"
    write_durably(target, b"old", tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(DiskFull):
            write_durably(target, b"new", tmp_path)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
