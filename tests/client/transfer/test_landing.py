"""A file appears whole or not at all, stays private, and spoils nothing that is no file."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.transfer.landing import CannotLand, Landing


def land(target: Path, data: bytes, *, is_private: bool) -> int:
    with Landing(target) as landing:
        landing.out.write(data)
        landing.land(is_private=is_private)
    return stat.S_IMODE(target.stat().st_mode)


@pytest.fixture(autouse=True)
def careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_private_content_is_readable_by_its_owner_only_from_the_first_byte(tmp_path: Path) -> None:
    with Landing(tmp_path / "out") as landing:
        landing.out.write(b"secret")
        landing.out.flush()
        (part,) = tmp_path.iterdir()
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        landing.land(is_private=True)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


def test_open_content_is_readable_and_a_replaced_file_passes_its_permissions_on(
    tmp_path: Path,
) -> None:
    assert land(tmp_path / "out", b"open", is_private=False) == 0o644
    (tmp_path / "out").chmod(0o640)
    assert land(tmp_path / "out", b"new", is_private=True) == 0o640
    assert (tmp_path / "out").read_bytes() == b"new"


def test_what_is_not_landed_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"old")
    with Landing(tmp_path / "out") as landing:
        landing.out.write(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_bytes() == b"old"


def test_a_link_is_replaced_and_what_it_names_is_not_touched(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "out").symlink_to(victim)
    land(tmp_path / "out", b"new", is_private=True)
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "out").is_symlink()


def test_pipes_devices_and_directories_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for target in (tmp_path / "pipe", tmp_path / "link", Path("/dev/null"), tmp_path):
        with pytest.raises(CannotLand, match="no ordinary file"):
            Landing(target)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert len(list(tmp_path.iterdir())) == 2
