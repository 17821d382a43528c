"""Where nodes are: multiaddresses, as far as TCP and WebSocket go.

An address is ``/ip4/…|/ip6/…|/dns/…``, ``/tcp/PORT``, perhaps ``/ws``, perhaps ``/p2p/PEER``.
Addresses come from strangers, too: everything else is refused with ``InvalidAddress``.

Bounds: ``ADDRESS_CHARS_MAX`` for an address.
"""

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Final

from node.network.protobuf import encode_varint
from primitives.errors import CessError, InvalidKey
from primitives.peer_id import peer_id_bytes, peer_id_text

__all__ = [
    "ADDRESS_CHARS_MAX",
    "Address",
    "InvalidAddress",
    "is_public",
    "subnet",
]

ADDRESS_CHARS_MAX: Final = 512
PORT_MAX: Final = 65_535

_CODES: Final = {"ip4": 4, "tcp": 6, "ip6": 41, "dns": 53, "dns4": 54, "dns6": 55, "p2p": 421}
_WS: Final = 477
_HOST_KINDS: Final = ("ip4", "ip6", "dns", "dns4", "dns6")
_DNS_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_DNS_CHARS_MAX: Final = 253


class InvalidAddress(CessError):  # noqa: N818  a fact
    """Text or bytes that are no address that this node can use."""


def is_public(host: str) -> bool:
    """Whether a host can be reached from anywhere; names are taken to be so."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return True


def subnet(host: str) -> str:
    """What one operator easily has all of: the /24 of an IPv4 address, the /48 of an IPv6 one."""
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    bits = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network((address, bits), strict=False))


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a node; ``peer`` says who must be there."""

    kind: str
    host: str
    port: int
    is_websocket: bool = False
    peer: str | None = None
    must_be_public: bool = False
    """Whether a name may not lead into a private network: somebody outside told of it."""

    def __str__(self) -> str:
        tail = ("/ws" if self.is_websocket else "") + (f"/p2p/{self.peer}" if self.peer else "")
        return f"/{self.kind}/{self.host}/tcp/{self.port}{tail}"

    @property
    def is_name(self) -> bool:
        """Whether the host is a name, which may lead elsewhere tomorrow."""
        return self.kind.startswith("dns")

    def without_peer(self) -> "Address":
        """The address alone."""
        return replace(self, peer=None)

    def at_peer(self, peer: str) -> "Address":
        """The address with whom to expect there."""
        return replace(self, peer=peer)

    def from_outside(self) -> "Address":
        """The address as somebody outside our own network told it."""
        return replace(self, must_be_public=True)

    @classmethod
    def of_host(cls, host: str, port: int, *, is_websocket: bool = False) -> "Address":
        """The address of an IP address or name."""
        try:
            version = ipaddress.ip_address(host).version
        except ValueError:
            return cls("dns", host, port, is_websocket)
        return cls(f"ip{version}", host, port, is_websocket)

    @classmethod
    def parse(cls, text: str) -> "Address":
        """The address that a text names. Raises: InvalidAddress."""
        if len(text) > ADDRESS_CHARS_MAX:
            raise InvalidAddress(f"an address has at most {ADDRESS_CHARS_MAX} letters")
        parts = text.split("/")
        if len(parts) < 5 or parts[0] or parts[1] not in _HOST_KINDS or parts[3] != "tcp":
            raise InvalidAddress(f"{text!r}: write /ip4/ADDRESS/tcp/PORT, or /dns/NAME/tcp/PORT")
        host = _host(parts[1], parts[2])
        port, rest = parts[4], parts[5:]
        if not port.isascii() or not port.isdecimal() or len(port) > 5 or int(port) > PORT_MAX:
            raise InvalidAddress(f"{text!r}: a port is a number from 0 to {PORT_MAX}")
        is_websocket = rest[:1] == ["ws"]
        rest = rest[is_websocket:]
        peer = None
        if rest[:1] in (["p2p"], ["ipfs"]) and len(rest) == 2:
            peer = _peer(rest[1])
        elif rest:
            raise InvalidAddress(f"{text!r}: after the port only /ws and /p2p/PEER are understood")
        return cls(parts[1], host, int(port), is_websocket, peer)

    def encode(self) -> bytes:
        """The binary form."""
        out = encode_varint(_CODES[self.kind])
        if self.kind in ("ip4", "ip6"):
            out += ipaddress.ip_address(self.host).packed
        else:
            name = self.host.encode()
            out += encode_varint(len(name)) + name
        out += encode_varint(_CODES["tcp"]) + self.port.to_bytes(2, "big")
        if self.is_websocket:
            out += encode_varint(_WS)
        if self.peer is not None:
            data = peer_id_bytes(self.peer)
            out += encode_varint(_CODES["p2p"]) + encode_varint(len(data)) + data
        return out

    @classmethod
    def decode(cls, data: bytes) -> "Address":
        """The address of a binary form. Raises: InvalidAddress."""
        if len(data) > ADDRESS_CHARS_MAX:
            raise InvalidAddress(f"an address has at most {ADDRESS_CHARS_MAX} bytes")
        reader = _Reader(data)
        code = reader.varint()
        kind = next((kind for kind in _HOST_KINDS if _CODES[kind] == code), None)
        if kind is None:
            raise InvalidAddress(f"addresses of kind {code} are not understood")
        if kind in ("ip4", "ip6"):
            host = str(ipaddress.ip_address(reader.take(4 if kind == "ip4" else 16)))
        else:
            try:
                host = _host(kind, reader.take(reader.varint()).decode("ascii"))
            except UnicodeDecodeError:
                raise InvalidAddress("a name in an address is ASCII") from None
        if reader.varint() != _CODES["tcp"]:
            raise InvalidAddress("only TCP and WebSocket are understood")
        port = int.from_bytes(reader.take(2), "big")
        is_websocket, peer = False, None
        rest = reader.varint() if reader.more() else None
        if rest == _WS:
            is_websocket = True
            rest = reader.varint() if reader.more() else None
        if rest == _CODES["p2p"]:
            peer = _peer_of_bytes(reader.take(reader.varint()))
            rest = None
        if rest is not None or reader.more():
            raise InvalidAddress("only TCP and WebSocket are understood")
        return cls(kind, host, port, is_websocket, peer)


def _peer(text: str) -> str:
    try:
        peer_id_bytes(text)
    except InvalidKey as error:
        raise InvalidAddress(str(error)) from None
    return text


def _peer_of_bytes(data: bytes) -> str:
    try:
        return peer_id_text(data)
    except InvalidKey as error:
        raise InvalidAddress(str(error)) from None


def _host(kind: str, host: str) -> str:
    if kind in ("ip4", "ip6"):
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            address = None
        if address is None or f"ip{address.version}" != kind or "%" in host:
            raise InvalidAddress(f"{host!r} is not an address of kind {kind}")
        return str(address)
    if len(host) > _DNS_CHARS_MAX or not _DNS_NAME.fullmatch(host):
        raise InvalidAddress(f"{host!r} is not a name of a host")
    return host


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def more(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        if len(part) != count:
            raise InvalidAddress("the address is cut off")
        self._at += count
        return part

    def varint(self) -> int:
        value = shift = 0
        while shift < 64:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise InvalidAddress("a number in the address is too long")
