"""A plot is made once and whole; damage is told apart from "no proof" and never gives an answer."""

import errno
import hashlib
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primitives.errors import StorageCorrupt
from proofs.pois import plot as plot_module
from proofs.pois.challenge import plot_seed
from proofs.pois.params import plot_temp_bytes_max
from proofs.pois.plot import (
    TRAILER_BYTES,
    PlotError,
    PlotFile,
    PlotOrder,
    PlotStopped,
    Watch,
    create_plot,
    plot_name,
)
from proofs.pois.verify import proof_is_valid
from tests.proofs.kit import GENESIS, MINER, OTHER, PLOT_K, MadePlot

CHALLENGES = [hashlib.sha256(bytes([number])).digest() for number in range(24)]


@pytest.fixture
def copy(made_plot: MadePlot, tmp_path: Path) -> Path:
    return Path(shutil.copy(made_plot.path, tmp_path / "copy.plot"))


def edit(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def seal(path: Path) -> None:
    """A trailer that fits the bytes as they are: what an attacker or an old fault could leave."""
    os.truncate(path, path.stat().st_size - TRAILER_BYTES)
    plot_module._append_trailer(path, PLOT_K)


# Making.


def test_a_plot_answers_its_challenges(made_plot: MadePlot) -> None:
    plot = PlotFile(made_plot.path)
    assert (plot.seed, plot.k) == (made_plot.seed, PLOT_K)
    plot.check()
    proofs = [plot.prove(challenge) for challenge in CHALLENGES]
    assert 5 < sum(proof is not None for proof in proofs) < 22
    for challenge, proof in zip(CHALLENGES, proofs, strict=True):
        assert proof is None or proof_is_valid(made_plot.seed, PLOT_K, challenge, proof)


def test_nothing_is_left_beside_a_plot(made_plot: MadePlot) -> None:
    assert list(made_plot.path.parent.iterdir()) == [made_plot.path]
    assert list((made_plot.path.parents[1] / "temp").iterdir()) == []
    assert made_plot.path.name == plot_name(made_plot.seed, PLOT_K)


def test_a_plot_that_is_there_is_not_made_again(
    made_plot: MadePlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot_module, "_run_plotter", lambda *_: pytest.fail("plotted again"))
    before = made_plot.path.stat()
    assert create_plot(made_plot.path.parent, tmp_path, made_plot.seed, PLOT_K) == made_plot.path
    assert made_plot.path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_damaged_plot_and_leftovers_are_replaced(other_plot: MadePlot) -> None:
    """`other_plot` was made over a torn file and a half-made workplace."""
    assert other_plot.seed == plot_seed(GENESIS, OTHER, 3, PLOT_K)
    PlotFile(other_plot.path).check()
    assert list((other_plot.path.parents[1] / "temp").iterdir()) == []


def test_a_plot_of_another_seed_under_this_name_is_replaced(
    other_plot: MadePlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = plot_seed(GENESIS, MINER, 9, PLOT_K)
    shutil.copy(other_plot.path, tmp_path / plot_name(seed, PLOT_K))

    class StartedError(Exception):
        pass

    def started(*_: object) -> None:
        raise StartedError

    monkeypatch.setattr(plot_module, "_run_plotter", started)
    with pytest.raises(StartedError):
        create_plot(tmp_path, tmp_path / "temp", seed, PLOT_K)
    assert list((tmp_path / "temp").iterdir()) == []


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(ValueError, match="seed has 32 bytes"):
        create_plot(tmp_path, tmp_path, bytes(size), PLOT_K)


@pytest.mark.parametrize("k", [17, 33])
def test_a_k_without_plots_is_refused(tmp_path: Path, k: int) -> None:
    with pytest.raises(ValueError, match="k from 18 to 32"):
        create_plot(tmp_path / "plots", tmp_path / "temp", bytes(32), k)
    assert list((tmp_path / "temp").iterdir()) == []


def test_room_is_checked_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = plot_temp_bytes_max(PLOT_K)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(plot_module.shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    with pytest.raises(PlotError, match=f"needs {needed} bytes and {needed - 1} are free"):
        create_plot(tmp_path / "plots", tmp_path / "temp", bytes(32), PLOT_K)
    assert list((tmp_path / "temp").iterdir()) == []
    monkeypatch.setattr(plot_module.shutil, "disk_usage", lambda _: usage._replace(free=needed))
    plot_module._require_room(tmp_path, needed)


def test_a_failing_plotter_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real failure: chiapos refuses the k that it is given."""
    real = plot_module._run_plotter

    def refused(
        directory: Path, name: str, seed: bytes, k: int, threads: int, watch: Watch
    ) -> None:
        real(directory, name, seed, k - 10, threads, watch)

    monkeypatch.setattr(plot_module, "_run_plotter", refused)
    with pytest.raises(PlotError, match="status 1: Caught plotting error: Plot size k= 8 is"):
        create_plot(tmp_path / "plots", tmp_path / "temp", bytes(32), PLOT_K)
    assert list((tmp_path / "plots").iterdir()) == list((tmp_path / "temp").iterdir()) == []


def test_a_plot_can_be_paused_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is paused the plotter neither runs nor writes; then the plot is the same as ever."""
    monkeypatch.setattr(plot_module, "POLL_S", 0.05)
    seen: list[int] = []
    sizes: list[int] = []
    workplace = tmp_path / "temp" / f"{plot_name(bytes(32), PLOT_K)}.making"

    def watch(progress: int) -> PlotOrder:
        seen.append(progress)
        if 3 <= len(seen) < 8:
            sizes.append(plot_module._disk_bytes(workplace))
            return PlotOrder.pause
        return PlotOrder.go

    path = create_plot(tmp_path / "plots", tmp_path / "temp", bytes(32), PLOT_K, watch=watch)
    PlotFile(path).check()
    assert seen == sorted(seen)
    assert len(set(sizes[1:])) == 1
    assert 0 < max(seen) <= 1000


def test_a_stopped_plot_leaves_nothing_even_when_it_was_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot_module, "POLL_S", 0.05)
    orders = iter([PlotOrder.pause, PlotOrder.pause, PlotOrder.stop])
    with pytest.raises(PlotStopped):
        create_plot(
            tmp_path / "plots",
            tmp_path / "temp",
            bytes(32),
            PLOT_K,
            watch=lambda _: next(orders),
        )
    assert list((tmp_path / "plots").iterdir()) == list((tmp_path / "temp").iterdir()) == []


def test_a_plotter_that_takes_more_than_its_bound_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot_module, "POLL_S", 0.05)
    monkeypatch.setattr(plot_module, "plot_temp_bytes_max", lambda _: 1 << 20)
    with pytest.raises(PlotError, match="are the bound"):
        create_plot(tmp_path / "plots", tmp_path / "temp", bytes(32), PLOT_K)
    assert list((tmp_path / "temp").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("", 0),
        ("Computing table 1\n", 0),
        ("Progress update: 0.01\n", 10),
        ("Progress update: 0.06\nnoise\nProgress update: 0.510\nmore", 510),
        ("Progress update: 1\n", 1000),
        ("Progress update: 0.06\n" + "x" * plot_module.PROGRESS_TAIL_BYTES, 0),
    ],
)
def test_the_progress_is_the_last_that_was_printed(tmp_path: Path, text: str, reached: int) -> None:
    (tmp_path / "log").write_text(text)
    assert plot_module._progress_of(tmp_path / "log") == reached


def test_a_directory_that_cannot_be_made_is_a_plot_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PlotError, match="could not be made"):
        create_plot(tmp_path / "plots", tmp_path / "file" / "temp", bytes(32), PLOT_K)


def test_a_plot_moves_between_file_systems_by_a_synced_copy(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    source = Path(shutil.copy(copy, shared / f"cess-test-{os.getpid()}.plot"))
    try:
        target = tmp_path / "moved.plot"
        plot_module._move(source, target)
        assert target.read_bytes() == copy.read_bytes()
        assert not target.with_name("moved.plot.part").exists()
    finally:
        source.unlink(missing_ok=True)


# Damage.


def test_a_missing_plot_is_not_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        PlotFile(tmp_path / "none.plot")


@pytest.mark.parametrize("kept", [0, 1, 57, 58, 63, 64, 1000, -1, -63, -64, -65, -4096])
def test_a_truncated_plot_is_damaged(copy: Path, kept: int) -> None:
    os.truncate(copy, kept if kept >= 0 else copy.stat().st_size + kept)
    with pytest.raises(StorageCorrupt, match="delete it and plot again"):
        PlotFile(copy)


def test_a_plot_with_bytes_appended_is_damaged(copy: Path) -> None:
    with copy.open("ab") as file:
        file.write(bytes(10))
    with pytest.raises(StorageCorrupt, match="its end is missing"):
        PlotFile(copy)


def test_bytes_put_in_before_the_trailer_are_noticed(copy: Path) -> None:
    data = copy.read_bytes()
    copy.write_bytes(data[:-TRAILER_BYTES] + b"\0" + data[-TRAILER_BYTES:])
    with pytest.raises(StorageCorrupt, match="and a trailer belong"):
        PlotFile(copy)


def test_every_changed_byte_of_the_trailer_is_noticed(copy: Path) -> None:
    size = copy.stat().st_size
    trailer = copy.read_bytes()[-TRAILER_BYTES:]
    for place in range(TRAILER_BYTES):
        changed = bytearray(trailer)
        changed[place] ^= 0x10
        edit(copy, size - TRAILER_BYTES, bytes(changed))
        with pytest.raises(StorageCorrupt, match="its end is missing"):
            PlotFile(copy)


@pytest.mark.parametrize("offset", [0, 18, 51, 52, 57])
def test_another_header_is_damage(copy: Path, offset: int) -> None:
    byte = copy.read_bytes()[offset]
    edit(copy, offset, bytes([byte ^ 1]))
    with pytest.raises(StorageCorrupt, match="not that of a plain plot"):
        PlotFile(copy)


@pytest.mark.parametrize("k", [17, 33])
def test_a_sealed_plot_of_another_k_is_damage(copy: Path, k: int) -> None:
    edit(copy, 51, bytes([k]))
    os.truncate(copy, copy.stat().st_size - TRAILER_BYTES)
    plot_module._append_trailer(copy, k)
    with pytest.raises(StorageCorrupt, match=f"no plot of k = {k}"):
        PlotFile(copy)


def test_a_plot_too_large_for_its_k_is_damage(copy: Path) -> None:
    os.truncate(copy, copy.stat().st_size - TRAILER_BYTES)
    os.truncate(copy, 5 << 20)
    plot_module._append_trailer(copy, PLOT_K)
    with pytest.raises(StorageCorrupt, match="no plot of k = 18"):
        PlotFile(copy)


@pytest.mark.parametrize("place", [60, 200, 1_000_000, -65])
def test_one_flipped_bit_is_found_by_reading_all(copy: Path, place: int) -> None:
    offset = place % copy.stat().st_size
    edit(copy, offset, bytes([copy.read_bytes()[offset] ^ 1]))
    plot = PlotFile(copy)
    with pytest.raises(StorageCorrupt, match="its bytes have changed"):
        plot.check()


def test_another_miner_s_plot_under_this_name_gives_no_answer(
    made_plot: MadePlot, other_plot: MadePlot, tmp_path: Path
) -> None:
    """A renamed plot opens as what it is: its seed comes from the file and not from the name."""
    renamed = Path(shutil.copy(other_plot.path, tmp_path / made_plot.path.name))
    assert PlotFile(renamed).seed == other_plot.seed != made_plot.seed


def test_a_forged_seed_gives_no_answer(copy: Path) -> None:
    """The header and trailer name another miner's plot; the tables are still ours."""
    edit(copy, 19, plot_seed(GENESIS, OTHER, 3, PLOT_K))
    seal(copy)
    plot = PlotFile(copy)
    plot.check()
    outcomes = [outcome(plot, challenge) for challenge in CHALLENGES]
    assert "proof" not in outcomes
    assert "damaged" in outcomes


def outcome(plot: PlotFile, challenge: bytes) -> str:
    try:
        proof = plot.prove(challenge)
    except StorageCorrupt:
        return "damaged"
    if proof is None:
        return "none"
    assert proof_is_valid(plot.seed, plot.k, challenge, proof)
    return "proof"


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(300):
        data[rng.randrange(140, len(data) - TRAILER_BYTES)] ^= 1 << rng.randrange(8)


def fill_with_noise(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(140, len(data) - TRAILER_BYTES)
    stop = min(len(data) - TRAILER_BYTES, start + 200_000)
    data[start:stop] = rng.randbytes(stop - start)


def fill_with_zeros(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(140, len(data) - TRAILER_BYTES)
    stop = min(len(data) - TRAILER_BYTES, start + 400_000)
    data[start:stop] = bytes(stop - start)


def change_table_pointers(data: bytearray, rng: random.Random) -> None:
    for _ in range(2):
        data[rng.randrange(58, 140)] = rng.randrange(256)


@pytest.mark.parametrize(
    "damage", [flip_bits, fill_with_noise, fill_with_zeros, change_table_pointers]
)
def test_a_damaged_plot_never_answers_wrongly(
    copy: Path,
    damage: Callable[[bytearray, random.Random], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    rng, seen = random.Random(4), []
    whole = copy.read_bytes()
    for _ in range(6):
        data = bytearray(whole)
        damage(data, rng)
        copy.write_bytes(data)
        plot = PlotFile(copy)
        seen += [outcome(plot, challenge) for challenge in CHALLENGES[:8]]
    assert "damaged" in seen


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_random_files_are_no_plots(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "random.plot"
    path.write_bytes(data)
    with pytest.raises(StorageCorrupt):
        PlotFile(path)


def test_a_sealed_file_of_noise_is_no_plot(tmp_path: Path) -> None:
    path = tmp_path / "sealed.plot"
    path.write_bytes(random.Random(1).randbytes(5000))
    plot_module._append_trailer(path, PLOT_K)
    with pytest.raises(StorageCorrupt, match="not that of a plain plot"):
        PlotFile(path)


def test_a_disk_that_cannot_be_read_is_damage(
    made_plot: MadePlot, monkeypatch: pytest.MonkeyPatch
) -> None:
    plot = PlotFile(made_plot.path)

    def broken(*_: object, **__: object) -> object:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(Path, "open", broken)
    with pytest.raises(StorageCorrupt, match="cannot be read"):
        plot.check()
    with pytest.raises(StorageCorrupt, match="cannot be read"):
        PlotFile(made_plot.path)


def test_a_plot_that_vanished_while_open_is_damage(copy: Path) -> None:
    plot = PlotFile(copy)
    copy.unlink()
    with pytest.raises(StorageCorrupt):
        plot.check()
    with pytest.raises(StorageCorrupt):
        plot.prove(CHALLENGES[0])


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_challenge_has_32_bytes(made_plot: MadePlot, size: int) -> None:
    with pytest.raises(ValueError, match="challenge has 32 bytes"):
        PlotFile(made_plot.path).prove(bytes(size))


def test_a_name_says_seed_and_size() -> None:
    seed = plot_seed(GENESIS, MINER, 3, PLOT_K)
    assert plot_name(seed, 18) == f"plot-k18-{seed.hex()}.plot"
