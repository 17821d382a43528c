"""One signature for a slot, whatever becomes of the process and the database."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chain_spec.presets import dev
from node.consensus import durable
from node.consensus.signed_slots import FILE_NAME, SignedSlots, SlotSigned
from node.consensus.verification import slot_of
from node.database import ChainDatabase, LevelDb
from primitives.errors import CessError, StorageCorrupt
from tests.node.net import FIRST_SLOT, Net


def test_a_slot_is_claimed_once_and_none_before_it(tmp_path: Path) -> None:
    signed = SignedSlots(tmp_path / FILE_NAME)
    assert signed.last == -1
    signed.claim(7)
    for slot in (7, 6, 0):
        with pytest.raises(SlotSigned):
            signed.claim(slot)
    signed.claim(8)
    assert signed.last == 8


def test_a_promise_outlives_the_process(tmp_path: Path) -> None:
    SignedSlots(tmp_path / FILE_NAME).claim(1 << 63)
    assert SignedSlots(tmp_path / FILE_NAME).last == 1 << 63
    assert os.listdir(tmp_path) == [FILE_NAME]


def test_a_promise_is_on_disk_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    signed = SignedSlots(tmp_path / FILE_NAME)
    monkeypatch.setattr(durable.os, "fsync", lambda number: synced.append(signed.last))
    signed.claim(5)
    assert synced == [-1, -1]  # the file and its folder, while it was not believed yet
    assert signed.last == 5


def test_what_cannot_be_written_is_not_promised(tmp_path: Path) -> None:
    signed = SignedSlots(tmp_path / "gone" / FILE_NAME)
    with pytest.raises(CessError, match="no block is signed"):
        signed.claim(5)
    assert signed.last == -1


def test_every_damage_of_the_file_stops_the_node(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    SignedSlots(path).claim(1234)
    good = path.read_bytes()
    assert len(good) == 56
    cuts = [good[:at] for at in range(len(good))]
    flips = [good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :] for at in range(len(good))]
    for bad in (*cuts, *flips, good + b"\x00"):
        path.write_bytes(bad)
        with pytest.raises(StorageCorrupt, match="remove the file"):
            SignedSlots(path)


def test_a_leftover_of_a_crash_is_no_promise(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    SignedSlots(path).claim(3)
    path.with_suffix(".new").write_bytes(b"half")
    assert SignedSlots(path).last == 3
    SignedSlots(path).claim(4)
    assert SignedSlots(path).last == 4


def test_in_memory_promises_last_as_long_as_the_process() -> None:
    signed = SignedSlots()
    signed.claim(3)
    with pytest.raises(SlotSigned):
        signed.claim(3)


def test_no_signature_is_made_that_was_not_promised(net: Net, tmp_path: Path) -> None:
    net.chain.signed = SignedSlots(tmp_path / "gone" / FILE_NAME)
    with pytest.raises(CessError, match="no block is signed"):
        net.author()
    assert net.chain.best_header().number == 0


def test_a_block_that_was_signed_and_lost_is_not_signed_differently(net: Net) -> None:
    net.chain.signed = SignedSlots()
    genesis = net.chain.best_header()
    net.author(slot=FIRST_SLOT)
    with pytest.raises(SlotSigned):
        net.author(net.transfer(), parent=genesis, slot=FIRST_SLOT)


@pytest.mark.integration
def test_a_killed_node_whose_database_is_gone_signs_no_slot_twice(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "node.cli", "--dev", "--base-path", str(tmp_path)),
        *("--rpc-port", "0", "--no-prometheus", "--signature-workers", "0"),
    ]
    chain = tmp_path / "chains" / dev().id

    def run_until(number: int) -> None:
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if f"Imported #{number} " in line:
                    break
            process.kill()

    run_until(2)
    signed = SignedSlots(chain / FILE_NAME).last
    assert signed > 0
    shutil.rmtree(chain / "db")
    run_until(1)
    kv = LevelDb(chain / "db")
    database = ChainDatabase(kv)
    first = database.canonical_hash(1)
    assert first is not None
    header = database.header(first)
    assert header is not None
    assert slot_of(header) > signed
    database.close()
