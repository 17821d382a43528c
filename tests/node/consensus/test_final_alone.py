"""A node that finalises alone, and whose database is lost, never finalises another history."""

from pathlib import Path

import pytest

from node.consensus.grandpa.store import VoteStore
from node.logging import configure
from primitives.errors import CessError
from primitives.grandpa import Block
from primitives.types import Hash
from tests.node.net import FIRST_SLOT, Net, new_net


def alone(path: Path | None) -> Net:
    """The node's next life, with an empty database; without ``path`` it remembers nothing."""
    net = new_net()
    net.chain._votes = None if path is None else VoteStore(path)
    net.chain.finalize_best()
    return net


def final(net: Net) -> int:
    return net.chain.database.finalized().number


def copy(source: Net, target: Net, heights: range) -> None:
    """Blocks of a chain, without the proofs that they are final."""
    database = source.chain.database
    for height in heights:
        hash_ = database.canonical_hash(height)
        assert hash_ is not None
        body = database.body(hash_)
        assert body is not None
        target.chain.import_block(
            source.chain.header(hash_), body, now_ms=(FIRST_SLOT + 100) * target.duration_ms
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "grandpa-votes"


def test_without_its_memory_it_finalises_a_second_history(path: Path) -> None:
    """The attack that the memory is against."""
    first = alone(path)
    first.author(slot=FIRST_SLOT)
    second = alone(None)
    second.author(slot=FIRST_SLOT + 1)
    pasts = [net.chain.database.finalized() for net in (first, second)]
    assert [past.number for past in pasts] == [1, 1]
    assert pasts[0] != pasts[1]


def test_after_a_purge_no_other_history_becomes_final_at_any_height(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    first = alone(path)
    for at in range(3):
        first.author(slot=FIRST_SLOT + at)
    assert final(first) == 3
    second = alone(path)
    for at in range(6):
        second.author(slot=FIRST_SLOT + 10 + at)
        assert second.chain.finalize_best() == ()
    assert second.chain.best_header().number == 6
    assert final(second) == 0
    told = capsys.readouterr().err
    assert told.count("made block 3") == 1
    assert "Fetch the chain from a node that has it" in told


def test_with_its_own_history_it_goes_on(path: Path) -> None:
    first = alone(path)
    for at in range(4):
        first.author(slot=FIRST_SLOT + at)
    second = alone(path)
    copy(first, second, range(1, 4))
    assert final(second) == 0, "because what the keys made final is higher"
    copy(first, second, range(4, 5))
    assert second.chain.database.finalized() == first.chain.database.finalized()
    second.author(slot=FIRST_SLOT + 4)
    assert final(second) == 5
    third = alone(path)
    copy(second, third, range(1, 5))
    third.author(slot=FIRST_SLOT + 8)
    assert final(third) == 0, "because block 5 is another one there"


def test_a_crash_between_the_block_and_its_note_is_made_good(path: Path) -> None:
    net = alone(None)
    net.author(slot=FIRST_SLOT)
    net.chain._votes = VoteStore(path)  # the note of block 1 never came to disk
    net.chain.finalize_best()
    kept = VoteStore(path).alone
    assert kept == Block(bytes(net.chain.best_header().hash()), 1)


def test_a_full_disk_finalises_nothing_in_silence(tmp_path: Path) -> None:
    net = alone(tmp_path / "gone" / "grandpa-votes")
    with pytest.raises(CessError, match="no block is made final before that is possible"):
        net.author(slot=FIRST_SLOT)


def test_the_note_never_goes_back(path: Path) -> None:
    store = VoteStore(path)
    store.note_alone(Block(b"\x05" * 32, 5))
    store.note_alone(Block(b"\x04" * 32, 4))
    store.note_alone(Block(Hash(b"\x06" * 32), 5))
    assert store.alone == VoteStore(path).alone == Block(b"\x05" * 32, 5)
