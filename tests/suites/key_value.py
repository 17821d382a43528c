"""What every key-value store must do: subclass it and give it a `store` fixture."""

from threading import Event, Thread

import pytest

from node.database.errors import DatabaseClosed
from node.database.kv import CHUNK_ENTRIES, Batch, KeyValue


def batch(*operations: tuple[bytes, bytes | None]) -> Batch:
    made = Batch()
    for key, value in operations:
        if value is None:
            made.delete(key)
        else:
            made.put(key, value)
    return made


class KeyValueSuite:
    """The rules; each runs against a fresh, empty `store`."""

    def test_a_key_that_was_never_written_holds_nothing(self, store: KeyValue) -> None:
        assert store.get(b"key") is None
        assert list(store.iterate(b"")) == []

    @pytest.mark.parametrize("sync", [False, True])
    def test_what_was_written_is_read(self, store: KeyValue, sync: bool) -> None:
        store.write(batch((b"a", b"1"), (b"", b"empty key"), (b"b", b"")), sync=sync)
        assert (store.get(b"a"), store.get(b""), store.get(b"b")) == (b"1", b"empty key", b"")

    def test_the_last_change_of_a_key_wins(self, store: KeyValue) -> None:
        store.write(batch((b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2")), sync=False)
        assert (store.get(b"a"), store.get(b"b")) == (None, b"2")

    def test_a_batch_can_be_written_over_and_removed(self, store: KeyValue) -> None:
        store.write(batch((b"a", b"1"), (b"b", b"2")), sync=False)
        store.write(batch((b"a", b"3"), (b"b", None), (b"c", None)), sync=True)
        assert list(store.iterate(b"")) == [(b"a", b"3")]

    def test_an_empty_batch_is_harmless(self, store: KeyValue) -> None:
        made = Batch()
        assert len(made) == 0
        store.write(made, sync=True)

    def test_keys_come_in_byte_order(self, store: KeyValue) -> None:
        keys = [bytes([first, second]) for first in (255, 0, 128) for second in (9, 0, 255)]
        store.write(batch(*[(key, key) for key in keys]), sync=False)
        assert [key for key, _ in store.iterate(b"")] == sorted(keys)

    def test_iteration_keeps_to_the_prefix(self, store: KeyValue) -> None:
        keys = [b"a", b"b", b"b\x00", b"b\xff", b"b\xff\xff", b"c", b"\xff", b"\xff\xff"]
        store.write(batch(*[(key, b"v") for key in keys]), sync=False)
        assert [key for key, _ in store.iterate(b"b")] == [b"b", b"b\x00", b"b\xff", b"b\xff\xff"]
        assert [key for key, _ in store.iterate(b"\xff")] == [b"\xff", b"\xff\xff"]
        assert [key for key, _ in store.iterate(b"b", b"\x01")] == [b"b\xff", b"b\xff\xff"]
        assert list(store.iterate(b"bb")) == []

    @pytest.mark.parametrize("count", [CHUNK_ENTRIES - 1, CHUNK_ENTRIES, CHUNK_ENTRIES + 1, 1_000])
    def test_iteration_crosses_its_chunks(self, store: KeyValue, count: int) -> None:
        keys = [index.to_bytes(3, "big") for index in range(count)]
        store.write(batch(*[(b"k" + key, key) for key in keys], (b"l", b"")), sync=False)
        assert [value for _, value in store.iterate(b"k")] == keys

    def test_changes_during_iteration_neither_break_nor_repeat_it(self, store: KeyValue) -> None:
        count = 3 * CHUNK_ENTRIES
        store.write(
            batch(*[(index.to_bytes(3, "big"), b"v") for index in range(count)]), sync=False
        )
        seen: list[bytes] = []
        for key, _ in store.iterate(b""):
            seen.append(key)
            store.write(batch((key, None)), sync=False)
        assert seen == sorted(set(seen))
        assert len(seen) == count

    def test_large_values_are_kept_whole(self, store: KeyValue) -> None:
        value = bytes(range(256)) * 20_000
        store.write(batch((b"large", value)), sync=True)
        assert store.get(b"large") == value
        assert store.size_bytes() > 0

    def test_readers_see_a_batch_whole(self, store: KeyValue) -> None:
        store.write(batch((b"a", b"0"), (b"b", b"0")), sync=False)
        done, torn = Event(), list[tuple[bytes | None, bytes | None]]()

        def read() -> None:
            while not done.is_set():
                # `b` is read first: in between, `a` may only have gone ahead.
                later, earlier = store.get(b"b"), store.get(b"a")
                if int(earlier or b"-1") < int(later or b"-1"):
                    torn.append((earlier, later))

        thread = Thread(target=read)
        thread.start()
        for number in range(300):
            text = b"%d" % number
            store.write(batch((b"a", text), (b"b", text)), sync=False)
        done.set()
        thread.join()
        assert torn == []

    def test_a_closed_store_says_so(self, store: KeyValue) -> None:
        store.write(batch((b"a", b"1")), sync=False)
        walk = store.iterate(b"")
        store.close()
        store.close()
        with pytest.raises(DatabaseClosed):
            store.get(b"a")
        with pytest.raises(DatabaseClosed):
            store.write(batch((b"a", b"2")), sync=True)
        with pytest.raises(DatabaseClosed):
            next(walk)
        with pytest.raises(DatabaseClosed):
            store.size_bytes()
