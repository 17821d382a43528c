"""Reads, layers and iteration of the overlay, against a dictionary with snapshots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.frame.overlay import LAYERS_MAX, DictState, Overlay

KEYS = st.binary(max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.binary(max_size=4)),
        st.tuples(st.just("put_value"), KEYS, st.binary(max_size=4)),
        st.tuples(st.just("delete"), KEYS),
        st.tuples(st.just("begin")),
        st.tuples(st.just("commit")),
        st.tuples(st.just("rollback")),
        st.tuples(st.just("event"), st.binary(max_size=4)),
    ),
    max_size=60,
)


def listed(overlay: Overlay, prefix: bytes = b"") -> dict[bytes, bytes | None]:
    return {key: overlay.get(key) for key in overlay.keys(prefix, 10_000)}


def first_bytes(value: bytes, count: int) -> bytes:
    return value[:count]


def first_bytes_of(state: dict[bytes, bytes], key: bytes) -> bytes | None:
    return state[key][:2] if key in state else None


@given(base=st.dictionaries(KEYS, st.binary(max_size=4)), steps=STEPS, prefix=KEYS)
def test_overlay_is_a_dictionary_with_snapshots(
    base: dict[bytes, bytes], steps: list[tuple[object, ...]], prefix: bytes
) -> None:
    overlay = Overlay(DictState(base))
    model: tuple[dict[bytes, bytes], list[bytes]] = (dict(base), [])
    snapshots: list[tuple[dict[bytes, bytes], list[bytes]]] = []
    for step in steps:
        state, events = model
        match step:
            case ("put", bytes(key), bytes(value)):
                overlay.put(key, value)
                state[key] = value
            case ("put_value", bytes(key), bytes(value)):
                overlay.put_value(key, value, value)
                state[key] = value
            case ("delete", bytes(key)):
                overlay.delete(key)
                state.pop(key, None)
            case ("event", bytes(record)):
                overlay.events.append(record)
                events.append(record)
            case ("begin",) if len(snapshots) < LAYERS_MAX:
                overlay.begin()
                snapshots.append((dict(state), list(events)))
            case ("commit",) if snapshots:
                overlay.commit()
                snapshots.pop()
            case ("rollback",) if snapshots:
                overlay.rollback()
                model = snapshots.pop()
        state, events = model
        assert listed(overlay) == dict(sorted(state.items()))
        assert overlay.events == events
        for key in state:
            assert overlay.get_value(key, bytes) == state[key]
        for key in (b"", b"\0", *base):
            assert overlay.get_part(key, 2, first_bytes) == first_bytes_of(state, key)
    while snapshots:
        overlay.commit()
        snapshots.pop()
    state, _ = model
    assert list(overlay.keys(prefix, 10_000)) == sorted(k for k in state if k.startswith(prefix))
    assert DictState(base).after(overlay.changes()).entries() == state


def test_a_layer_is_undone_when_its_body_raises_and_kept_when_it_returns() -> None:
    overlay = Overlay(DictState({b"a": b"1"}))

    def fail() -> None:
        with overlay.transaction():
            overlay.put(b"a", b"2")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert overlay.get(b"a") == b"1"
    with overlay.transaction():
        overlay.put(b"a", b"3")
    assert overlay.changes() == {b"a": b"3"}


def test_an_inner_layer_that_was_kept_is_undone_with_the_outer_one() -> None:
    overlay = Overlay(DictState({}))
    overlay.begin()
    with overlay.transaction():
        overlay.put(b"a", b"1")
        overlay.events.append(b"e")
    overlay.rollback()
    assert overlay.changes() == {}
    assert overlay.events == []


def test_changes_are_refused_while_a_layer_is_open() -> None:
    overlay = Overlay(DictState({}))
    overlay.begin()
    with pytest.raises(AssertionError):
        overlay.changes()


def test_layers_are_bounded() -> None:
    overlay = Overlay(DictState({}))
    for _ in range(LAYERS_MAX):
        overlay.begin()
    assert overlay.depth == LAYERS_MAX
    with pytest.raises(AssertionError):
        overlay.begin()


def test_a_value_is_decoded_once_until_it_changes_or_is_forgotten() -> None:
    overlay = Overlay(DictState({b"a": b"1"}))
    seen: list[bytes] = []

    def decode(raw: bytes) -> bytes:
        seen.append(raw)
        return raw

    for _ in range(3):
        overlay.get_value(b"a", decode)
    assert seen == [b"1"]
    overlay.put(b"a", b"2")
    overlay.get_value(b"a", decode)
    overlay.forget_decoded()
    overlay.get_value(b"a", decode)
    assert seen == [b"1", b"2", b"2"]


class CountedState(DictState):
    """Says how often it was read."""

    reads = 0

    def get(self, key: bytes) -> bytes | None:
        self.reads += 1
        return super().get(key)


def test_a_part_is_kept_and_what_it_is_of_is_not() -> None:
    state = CountedState({b"a": b"123"})
    overlay = Overlay(state)
    for _ in range(3):
        assert overlay.get_part(b"a", 1, first_bytes) == b"1"
        assert overlay.get_part(b"none", 1, first_bytes) is None
    assert state.reads == 2
    assert overlay.get_part(b"a", 2, first_bytes) == b"12", "another part is another question"
    assert state.reads == 3, "the value was not kept"
    overlay.forget_decoded()
    assert overlay.get_part(b"a", 2, first_bytes) == b"12"
    assert state.reads == 4


def test_a_part_of_what_was_read_or_written_asks_nobody() -> None:
    state = CountedState({b"a": b"123", b"b": b"456"})
    overlay = Overlay(state)
    overlay.get(b"a")
    overlay.put(b"b", b"789")
    assert overlay.get_part(b"a", 1, first_bytes) == b"1"
    assert overlay.get_part(b"b", 1, first_bytes) == b"7"
    assert state.reads == 1


def test_keys_are_paged_by_limit_and_start() -> None:
    overlay = Overlay(DictState({b"p": b"0", b"pa": b"1", b"pb": b"2", b"q": b"3"}))
    overlay.delete(b"pa")
    overlay.put(b"pc", b"4")
    assert overlay.keys(b"p", 2) == [b"p", b"pb"]
    assert overlay.keys(b"p", 2, start_after=b"pb") == [b"pc"]
    assert overlay.keys(b"p", 0) == []
