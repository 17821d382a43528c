import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_spec import document as module
from chain_spec.document import Node, parse_document
from chain_spec.errors import ChainSpecError
from primitives.crypto.keys import KeyPair
from primitives.crypto.ss58 import ss58_encode

ALICE = KeyPair.from_suri("//Alice").account_id


def node(value: object) -> Node:
    return Node(value, "a.b")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b'{"a": 1, "a": 2}', "given twice"),
        (b'{"a": 1.5}', "not an integer"),
        (b'{"a": 1e3}', "not an integer"),
        (b'{"a": NaN}', "not an integer"),
        (b'{"a": -Infinity}', "not an integer"),
        (b"\xff", "UTF-8"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "nested"),
        (b'{"a": "' + b'\\"[' * 100_000, "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_what_is_no_strict_json_is_refused(data: bytes, match: str) -> None:
    with pytest.raises(ChainSpecError, match=match) as caught:
        parse_document(data, "spec.json")
    assert caught.value.path == "spec.json"


def test_the_limit_of_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPEC_BYTES_MAX", 4)
    assert parse_document(b"1234", "x").value == 1234
    with pytest.raises(ChainSpecError, match="more than 4 bytes"):
        parse_document(b"12345", "x")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_refused(data: bytes) -> None:
    try:
        parse_document(data, "x")
    except ChainSpecError:
        return


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    with pytest.raises(ChainSpecError, match=r'"c" is not known.*known are a, b') as caught:
        node({"a": 1, "c": 2}).fields(("a",), ("b",))
    assert caught.value.path == "a.b"


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ChainSpecError, match="'a' is missing"):
        node({}).fields(("a",))


def test_places_are_told() -> None:
    (item,) = node({"list": [{"x": 1}]}).members()["list"].items(1)
    inner = item.members()["x"]
    assert inner.path == "a.b.list[0].x"
    assert Node({"x": 1}, "").members()["x"].path == "x"


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (9, 9), ("0", 0), ("10", 10), ("9007199254740993", 2**53 + 1)]
)
def test_integers_are_numbers_or_digits(value: object, expected: int) -> None:
    assert node(value).integer(2**64) == expected


@pytest.mark.parametrize(
    "value", [True, None, "", "-1", "01", "1.0", "0x10", " 1", "1_000", "\u0661", [], {}, -1, 11]
)
def test_other_integers_are_refused(value: object) -> None:
    with pytest.raises(ChainSpecError):
        node(value).integer(10)


@pytest.mark.parametrize(
    "text",
    [ss58_encode(ALICE), ss58_encode(ALICE, 42), f"0x{ALICE.hex()}", f"0x{ALICE.hex().upper()}"],
)
def test_accounts_are_addresses_or_hex(text: str) -> None:
    assert node(text).account() == ALICE


@pytest.mark.parametrize(
    "value", [None, 1, "", "Alice", "0x", f"0x{'a' * 63}", "5" * 200, "//Alice"]
)
def test_other_accounts_are_refused(value: object) -> None:
    with pytest.raises(ChainSpecError) as caught:
        node(value).account()
    assert caught.value.path == "a.b"


@pytest.mark.parametrize(("value", "data"), [("0x", b""), ("0x00fF", b"\x00\xff")])
def test_hex_is_bytes(value: str, data: bytes) -> None:
    assert node(value).hex_bytes() == data


@pytest.mark.parametrize("value", ["", "00", "ab", "0x0", "0xzz", "0x00 11", "0X00", None, 0, []])
def test_other_hex_is_refused(value: object) -> None:
    with pytest.raises(ChainSpecError):
        node(value).hex_bytes()


def test_lists_and_texts_have_limits() -> None:
    assert len(tuple(node([1, 2]).items(2))) == 2
    assert node("ab").text(2) == "ab"
    with pytest.raises(ChainSpecError, match="has 3 items"):
        tuple(node([1, 2, 3]).items(2))
    with pytest.raises(ChainSpecError, match="has 3 characters"):
        node("abc").text(2)
    for wrong in (None, 1, {}):
        with pytest.raises(ChainSpecError):
            tuple(node(wrong).items(2))
        with pytest.raises(ChainSpecError):
            node(wrong).text(2)
    with pytest.raises(ChainSpecError, match="an object"):
        node([]).members()


def test_long_values_are_cut_in_errors() -> None:
    with pytest.raises(ChainSpecError) as caught:
        node("x" * 5000).integer(1)
    assert len(str(caught.value)) < 200


def test_depth_is_counted_up_to_the_limit_and_not_in_strings() -> None:
    deep = b'{"a":' * 32 + b'"' + b"[{" * 50 + b'"' + b"}" * 32
    assert list(parse_document(deep, "a spec").members()) == ["a"]
