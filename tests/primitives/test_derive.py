import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.crypto.derive import (
    DEV_PHRASE,
    JUNCTIONS_MAX,
    SURI_CHARS_MAX,
    derive_hard_seed,
    parse_suri,
    root_seed,
)
from primitives.errors import InvalidKey

SEED = "0x" + "ab" * 32


def test_a_uri_without_a_phrase_derives_from_the_development_phrase() -> None:
    assert parse_suri("//Alice").phrase == DEV_PHRASE
    assert parse_suri("").phrase == DEV_PHRASE


def test_a_uri_is_taken_apart() -> None:
    uri = parse_suri("some words//hard/soft/7///pass//word")
    assert uri.phrase == "some words"
    assert [junction.is_hard for junction in uri.junctions] == [True, False, False]
    assert uri.password == "pass//word"


def test_a_name_is_its_scale_encoding_in_32_bytes() -> None:
    (junction,) = parse_suri("//Alice").junctions
    assert junction.chain_code == bytes([5 << 2]) + b"Alice" + bytes(26)


@pytest.mark.parametrize(
    ("name", "number"), [("0", 0), ("42", 42), ("007", 7), ("+5", 5), (str(2**64 - 1), 2**64 - 1)]
)
def test_a_number_is_a_u64(name: str, number: int) -> None:
    (junction,) = parse_suri(f"//{name}").junctions
    assert junction.chain_code == number.to_bytes(8, "little") + bytes(24)


def test_a_number_beyond_u64_is_a_name() -> None:
    (junction,) = parse_suri(f"//{2**64}").junctions
    assert junction.chain_code[0] == len(str(2**64)) << 2


def test_a_long_name_is_hashed() -> None:
    (junction,) = parse_suri("//" + "x" * 32).junctions
    assert len(junction.chain_code) == 32
    assert b"xx" not in junction.chain_code


def test_the_root_seed_of_hex_is_the_hex() -> None:
    assert root_seed(parse_suri(SEED)) == b"\xab" * 32


def test_a_password_changes_the_seed_of_a_phrase() -> None:
    plain = root_seed(parse_suri(DEV_PHRASE))
    assert root_seed(parse_suri(f"{DEV_PHRASE}///secret")) != plain


@pytest.mark.parametrize("suri", ["0x", "0xabcd", SEED + "ab", "0x" + "zz" * 32, "0x" + "a " * 32])
def test_a_bad_seed_is_refused(suri: str) -> None:
    with pytest.raises(InvalidKey, match="seed"):
        root_seed(parse_suri(suri))


@pytest.mark.parametrize(
    "phrase", ["bottom", "bottom " * 12, DEV_PHRASE.replace("walk", "wall"), "zebu words at all"]
)
def test_a_bad_phrase_is_refused_without_repeating_it(phrase: str) -> None:
    with pytest.raises(InvalidKey, match="BIP-39") as caught:
        root_seed(parse_suri(phrase))
    assert phrase.split(maxsplit=1)[0] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_soft_junction_is_refused_where_there_is_none() -> None:
    with pytest.raises(InvalidKey, match="soft"):
        derive_hard_seed("Ed25519HDKD", bytes(32), parse_suri("/soft").junctions)


@pytest.mark.parametrize("suri", ["//", "/", "a//b//", "a!", "a///", "\ud800", "//\udfff"])
def test_malformed_uris_are_refused_or_harmless(suri: str) -> None:
    if suri == "a///":
        assert parse_suri(suri).password == ""
        return
    with pytest.raises(InvalidKey):
        parse_suri(suri)


def test_limits_of_a_uri() -> None:
    parse_suri("//a" * JUNCTIONS_MAX)
    with pytest.raises(InvalidKey, match="junctions"):
        parse_suri("//a" * (JUNCTIONS_MAX + 1))
    parse_suri("//" + "a" * (SURI_CHARS_MAX - 2))
    with pytest.raises(InvalidKey, match="characters"):
        parse_suri("//" + "a" * (SURI_CHARS_MAX - 1))


def test_a_parsed_uri_does_not_show_itself() -> None:
    shown = repr(parse_suri("some words//Alice///password"))
    assert "words" not in shown
    assert "password" not in shown


@given(st.text(max_size=60))
def test_any_text_is_a_uri_or_refused(text: str) -> None:
    try:
        uri = parse_suri(text)
    except InvalidKey:
        return
    assert all(len(junction.chain_code) == 32 for junction in uri.junctions)
