"""Mutated files of every kind: each is read as what it was, or refused; never a crash or a hang.

A mutation that is accepted must say what the whole file said: checksums leave no other way.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from primitives.errors import StorageCorrupt
from primitives.types import Bytes48, FragmentHash
from proofs.pois.plot import PlotFile
from storage_miner.store import Layout, LayoutMismatch
from storage_miner.store.page import (
    LayoutPage,
    Member,
    Members,
    pack_members,
    pack_page,
    unpack_members,
    unpack_page,
)
from storage_miner.store.records import (
    pack_commitments,
    pack_cosignature,
    unpack_commitments,
    unpack_cosignature,
)
from storage_miner.store.scrub import ScrubState, Stage, pack_state, unpack_state
from tests.storage_miner.kit import cosignature, place

TURNS = 1500
HASH = FragmentHash(b"\x05" * 32)
JUNK = (b"", b"\0", b"\xff" * 8, b"CESSVOLM", b"CESSMEMB\x01", bytes(4096))


@dataclass(frozen=True)
class Kind:
    """A kind of file: whole bytes and its decoder."""

    whole: bytes
    decode: Callable[[bytes], Any]


KINDS = {
    "page": Kind(
        pack_page(LayoutPage(b"\x01" * 16, b"\x02" * 32, b"\x03" * 32)),
        lambda data: unpack_page(data)[0],
    ),
    "members": Kind(
        pack_members(Members(7, (Member(b"\x01" * 16, "/mnt/a"), Member(b"\x02" * 16, "/b", 9)))),
        unpack_members,
    ),
    "scrub": Kind(pack_state(ScrubState(Stage.plots, "a.plot", 1, 2, 3, 4, 5, 6)), unpack_state),
    "commitments": Kind(
        pack_commitments(HASH, (Bytes48(b"\x07" * 48),) * 3),
        lambda data: unpack_commitments(data, HASH),
    ),
    "cosignature": Kind(pack_cosignature(cosignature(1, place(1))), unpack_cosignature),
}


def mutated(data: bytes, dice: random.Random) -> bytes:
    """One to four changes: flips, cuts, repetitions, junk, and numbers at their limits."""
    found = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(found) + 1)
        match dice.randrange(6):
            case 0 if found:
                found[at % len(found)] ^= 1 << dice.randrange(8)
            case 1:
                del found[at:]
            case 2:
                found[at:at] = dice.choice(JUNK)
            case 3:
                end = min(len(found), at + dice.randrange(64))
                found[at:at] = found[at:end]
            case 4:
                found[at : at + 2] = dice.choice((b"\xff\xff", b"\0\0", b"\x01\x10"))
            case _:
                del found[at : at + dice.randrange(1, 64)]
    return bytes(found)


@pytest.mark.parametrize("name", KINDS)
def test_a_mutated_file_is_itself_or_refused(name: str) -> None:
    kind, dice = KINDS[name], random.Random(name)
    expected = kind.decode(kind.whole)
    refused = 0
    for _ in range(TURNS):
        data = mutated(kind.whole, dice)
        try:
            assert kind.decode(data) == expected
        except StorageCorrupt:
            refused += 1
    assert refused > TURNS // 4


def test_a_mutated_old_identity_never_crashes(tmp_path: Path) -> None:
    whole = (
        b'{"format": "cess-miner-data", "version": 1, "genesis": "' + b"01" * 32 + b'", '
        b'"account": "' + b"0a" * 32 + b'"}'
    )
    dice = random.Random(1)
    layout = Layout(tmp_path)
    for _ in range(TURNS):
        layout.old_identity.write_bytes(mutated(whole, dice))
        try:
            genesis, account = layout._read_old()
        except LayoutMismatch:
            continue
        assert genesis is None or len(genesis) == 32
        assert account is None or len(account) == 32


def test_a_mutated_plot_file_opens_as_itself_or_is_refused(
    tmp_path: Path, plot_directory: Path
) -> None:
    """Header and trailer; the tables between are covered by the hash, which the scrub compares."""
    whole = next(plot_directory.iterdir()).read_bytes()
    head, tail = whole[:64], whole[-64:]
    dice = random.Random(2)
    path = tmp_path / "x.plot"
    path.write_bytes(whole)
    seed = PlotFile(path).seed
    for turn in range(200):
        edge, at = (head, 0) if turn % 2 else (tail, len(whole) - 64)
        change = mutated(edge, dice)[:64].ljust(64, b"\0")
        with path.open("r+b") as file:
            file.seek(at)
            file.write(change)
        try:
            plot = PlotFile(path)
        except StorageCorrupt:
            pass
        else:
            assert (plot.seed == seed) is (change[19:51] == seed if at == 0 else True)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(edge)
