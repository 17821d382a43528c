"""Notes: small records that go to disk with the chain or on their own."""

from collections.abc import Callable
from typing import Any

import pytest

from node.database import Batch, ChainDatabase, DatabaseEmpty, KeyValue, MemoryKv, NoteRefused
from node.database.layout import NOTE
from node.database.notes import NOTE_BYTES_MAX, NOTE_KEY_BYTES_MAX
from primitives.errors import StorageCorrupt

Make = Callable[..., Any]


@pytest.fixture
def chain(kv: KeyValue, make_chain: Make) -> Any:
    return make_chain(kv, {b"k": b"0" * 40})


def test_a_note_is_read_back_and_replaced_and_deleted(chain: Any) -> None:
    database = chain.database
    assert database.note(b"set:1") is None
    database.put_note(b"set:1", b"one")
    database.put_note(b"set:1", b"other")
    assert database.note(b"set:1") == b"other"
    database.put_note(b"set:1", None)
    assert database.note(b"set:1") is None


def test_notes_come_in_order_of_their_keys_and_only_those_of_the_prefix(chain: Any) -> None:
    database = chain.database
    database.put_notes({b"b:2": b"2", b"b:1": b"1", b"c": b"3", b"a": b"0"})
    assert list(database.notes(b"b:")) == [(b"b:1", b"1"), (b"b:2", b"2")]
    assert [name for name, _ in database.notes()] == [b"a", b"b:1", b"b:2", b"c"]


def test_notes_survive_opening_again(kv: KeyValue, chain: Any) -> None:
    chain.database.put_note(b"kept", b"value")
    assert ChainDatabase(kv).note(b"kept") == b"value"


def test_notes_of_a_block_and_of_finality_go_in_their_batch(chain: Any, make_header: Make) -> None:
    database = chain.database
    state = database.prepare(chain.genesis.hash(), {})
    header = make_header(chain.genesis.hash(), 1, state.root)
    made = header.hash()
    database.import_block(header, (), state, is_best=True, notes={b"new": b"block"})
    assert database.note(b"new") == b"block"
    database.finalize(made, b"proof", notes={b"set:0": made})
    assert database.note(b"set:0") == made
    above = chain.extend()
    with pytest.raises(NoteRefused):
        database.finalize(above, None, notes={b"": b""})
    assert database.finalized().hash == made


def test_a_note_without_name_or_with_too_much_is_refused_and_nothing_is_written(chain: Any) -> None:
    database = chain.database
    for name, value in (
        (b"", b""),
        (b"n" * (NOTE_KEY_BYTES_MAX + 1), b""),
        (b"n", bytes(NOTE_BYTES_MAX + 1)),
    ):
        with pytest.raises(NoteRefused):
            database.put_notes({b"good": b"good", name: value})
    assert list(database.notes()) == []
    database.put_note(b"n" * NOTE_KEY_BYTES_MAX, bytes(NOTE_BYTES_MAX))


def test_a_flipped_bit_in_a_note_is_found(kv: KeyValue, chain: Any) -> None:
    chain.database.put_note(b"n", b"value")
    record = kv.get(NOTE + b"n")
    assert record is not None
    batch = Batch()
    batch.put(NOTE + b"n", b"w" + record[1:])
    kv.write(batch, sync=True)
    with pytest.raises(StorageCorrupt):
        chain.database.note(b"n")


def test_an_empty_database_takes_no_notes() -> None:
    with pytest.raises(DatabaseEmpty):
        ChainDatabase(MemoryKv()).put_note(b"n", b"")
