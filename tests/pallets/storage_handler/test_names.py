"""Names of territories cannot fool whoever reads them."""

import pytest

from pallets.storage_handler.names import is_proper_name


@pytest.mark.parametrize(
    "name", ["a", "my photos", "Жизнь", "写真", "e\u0301", "🌍", "x" * 63, "~"]
)
def test_letters_of_all_languages_make_a_name(name):
    assert is_proper_name(name.encode())


@pytest.mark.parametrize(
    "code",
    [
        0x00,
        0x1F,
        0x7F,
        0x80,
        0x9F,
        0xAD,
        0x200B,
        0x200F,
        0x2028,
        0x202E,
        0x2060,
        0x2066,
        0x206F,
        0xFEFF,
        0xFFF9,
        0xE0000,
        0xE007F,
    ],
)
def test_control_invisible_and_direction_characters_do_not(code):
    assert not is_proper_name(f"a{chr(code)}b".encode())


@pytest.mark.parametrize("code", [0x20, 0x7E, 0xA0, 0xAC, 0xAE, 0x200A, 0x2010, 0x202F, 0xFFFD])
def test_their_neighbours_do(code):
    assert is_proper_name(f"a{chr(code)}b".encode())


@pytest.mark.parametrize("name", [b"", b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80"])
def test_what_is_no_text_is_no_name(name):
    assert not is_proper_name(name)
