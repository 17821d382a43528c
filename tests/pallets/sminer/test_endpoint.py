"""What a miner may announce as its place."""

import pytest

from pallets.sminer.endpoint import is_endpoint


@pytest.mark.parametrize(
    "url",
    [
        b"http://1.2.3.4:15001",
        b"https://miner.example",
        b"http://[::1]:80",
        b"http://a",
        b"http://~",
    ],
)
def test_a_url_of_the_web_is_an_endpoint(url):
    assert is_endpoint(url)


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b"http://",
        b"https://",
        b"http:///path",
        b"http://?q",
        b"http://#f",
        b"http://:80",
        b"miner.example",
        b"HTTP://miner.example",
        b"ftp://miner.example",
        b"javascript://alert",
        b"http:miner.example",
        b" http://miner.example",
    ],
)
def test_what_is_no_url_of_the_web_is_refused(url):
    assert not is_endpoint(url)


@pytest.mark.parametrize("byte", [0x00, 0x0A, 0x1B, 0x20, 0x7F, 0x80, 0xFF])
def test_every_byte_is_printable_ascii(byte):
    assert not is_endpoint(b"http://a" + bytes([byte]) + b"b")


@pytest.mark.parametrize("byte", [0x21, 0x7E])
def test_the_first_and_the_last_printable_byte_are_allowed(byte):
    assert is_endpoint(b"http://a/" + bytes([byte]))
