"""Addresses are libp2p's, in text and in bytes; what else strangers send is refused."""

import multiaddr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.network.addresses import Address, InvalidAddress, is_public, subnet

PEER = "12D3KooWKUXshmnd7bCjzsYgzzE1ihANdPp3UCidCRaSKbhHyr9d"


@pytest.mark.parametrize(
    "text",
    [
        "/ip4/1.2.3.4/tcp/30333",
        f"/ip4/1.2.3.4/tcp/30333/p2p/{PEER}",
        f"/ip6/2001:db8::1/tcp/1/ws/p2p/{PEER}",
        "/dns/boot.example.org/tcp/65535",
        "/dns4/a/tcp/1/ws",
        "/dns6/a-b.c/tcp/0",
    ],
)
def test_addresses_are_libp2ps(text: str) -> None:
    address = Address.parse(text)
    assert str(address) == text
    assert address.encode() == multiaddr.Multiaddr(text).to_bytes()
    assert Address.decode(address.encode()) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "1.2.3.4:30333", "/ip4/1.2.3.4", "/ip4/1.2.3.4/udp/1", "/ip4/::1/tcp/1"),
        *("/ip4/1.2.3.4/tcp/65536", "/ip4/1.2.3.4/tcp/-1", "/ip4/1.2.3.4/tcp/٣", "/ip4//tcp/1"),
        *("/dns/../tcp/1", "/dns/a b/tcp/1", "/dns/" + "a" * 300 + "/tcp/1", "x" * 1000),
        *("/ip4/1.2.3.4/tcp/1/p2p/Qm", "/ip4/1.2.3.4/tcp/1/wss", "/ip6/fe80::1%eth0/tcp/1"),
        f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        Address.parse(text)


@given(st.binary(max_size=60))
@settings(max_examples=500)
def test_any_bytes_are_an_address_or_refused(data: bytes) -> None:
    try:
        address = Address.decode(data)
    except InvalidAddress:
        return
    assert Address.decode(address.encode()) == address


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for candidate in (text, f"/dns/{text}/tcp/1", f"/ip4/1.2.3.4/tcp/1/{text}"):
        try:
            address = Address.parse(candidate)
        except InvalidAddress:
            continue
        assert Address.parse(str(address)) == address


def test_a_subnet_is_what_one_operator_has() -> None:
    assert subnet("1.2.3.4") == subnet("1.2.3.250") == subnet("::ffff:1.2.3.9")
    assert subnet("1.2.3.4") != subnet("1.2.4.4")
    assert subnet("2001:db8:1:2::1") == subnet("2001:db8:1:3::1")
    assert subnet("a.example") == "a.example"


def test_private_addresses_are_known() -> None:
    assert not any(map(is_public, ("127.0.0.1", "10.1.2.3", "192.168.1.1", "::1", "fe80::1")))
    assert all(map(is_public, ("8.8.8.8", "2600::1", "node.example.org")))
