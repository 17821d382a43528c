"""The two files that say what a volume is: its layout page, and the list of its siblings.

Layout page (`VOLUME`), 4096 bytes, written twice in a row so that one rotten copy heals from the
other:

    offset  bytes  meaning
    0       8      magic "CESSVOLM"
    8       1      version of the layout, 2
    9       1      1 when genesis and account are known, else 0
    10      6      zero
    16      16     volume id, random
    32      32     genesis, or zero
    64      32     account, or zero
    96      3968   zero
    4064    32     BLAKE2b-256 of all bytes above

Siblings (`MEMBERS`), the same in every volume of a miner; the highest generation counts:

    0       8      magic "CESSMEMB"
    8       1      version, 1
    9       1      n, the number of members, 1 to 16
    10      6      zero
    16      8      generation, u64 little-endian
    24             n times: 16 volume id, 8 away since (Unix seconds, u64; 0 is present),
                   2 length of the path, u16, and the path in UTF-8
    end     32     BLAKE2b-256 of all bytes above
"""

import hashlib
from dataclasses import dataclass

from primitives.errors import StorageCorrupt

PAGE_MAGIC = b"CESSVOLM"
LAYOUT_VERSION = 2
PAGE_BYTES = 4096
PAGE_COPIES = 2
VOLUME_ID_BYTES = 16
HASH_BYTES = 32
CHECKSUM_BYTES = 32
MEMBERS_MAGIC = b"CESSMEMB"
MEMBERS_VERSION = 1
MEMBERS_MAX = 16
PATH_BYTES_MAX = 4096
MEMBERS_BYTES_MAX = 24 + MEMBERS_MAX * (26 + PATH_BYTES_MAX) + CHECKSUM_BYTES
_END = PAGE_BYTES - CHECKSUM_BYTES


@dataclass(frozen=True, slots=True)
class LayoutPage:
    """Which volume this is, and whose. `genesis` and `account` are None before the first bind."""

    volume_id: bytes
    genesis: bytes | None = None
    account: bytes | None = None


class OtherVersion(StorageCorrupt):
    """A whole page of another version of the layout."""


def pack_page(page: LayoutPage) -> bytes:
    """The bytes of `VOLUME`: two equal copies."""
    is_bound = page.genesis is not None and page.account is not None
    body = b"".join(
        (
            PAGE_MAGIC,
            bytes([LAYOUT_VERSION, int(is_bound)]),
            bytes(6),
            page.volume_id,
            page.genesis if is_bound and page.genesis is not None else bytes(HASH_BYTES),
            page.account if is_bound and page.account is not None else bytes(HASH_BYTES),
        )
    ).ljust(_END, b"\0")
    return (body + _checksum(body)) * PAGE_COPIES


def unpack_page(data: bytes) -> tuple[LayoutPage, bool]:
    """What the first whole copy says, and whether every copy is whole.

    Raises: OtherVersion; StorageCorrupt when no copy is whole.
    """
    found: LayoutPage | None = None
    for index in range(PAGE_COPIES):
        copy = data[index * PAGE_BYTES : (index + 1) * PAGE_BYTES]
        try:
            found = found or _unpack_copy(copy)
        except OtherVersion:
            raise
        except StorageCorrupt:
            continue
    if found is None:
        raise StorageCorrupt("neither copy of the layout page is whole")
    return found, data == pack_page(found)


def _unpack_copy(copy: bytes) -> LayoutPage:
    body = copy[:_END]
    if len(copy) != PAGE_BYTES or body[:8] != PAGE_MAGIC or _checksum(body) != copy[_END:]:
        raise StorageCorrupt("the layout page is damaged")
    if body[8] != LAYOUT_VERSION:
        raise OtherVersion(f"the layout has version {body[8]}")
    if body[9] > 1 or any(body[10:16]) or any(body[96:]):
        raise StorageCorrupt("the layout page holds what no version writes")
    volume_id = body[16:32]
    if not body[9]:
        return LayoutPage(volume_id)
    return LayoutPage(volume_id, body[32:64], body[64:96])


@dataclass(frozen=True, slots=True)
class Member:
    """A volume of this miner: where it was seen last, and since when it is away (0: it is not)."""

    volume_id: bytes
    path: str
    away_since: int = 0


@dataclass(frozen=True, slots=True)
class Members:
    """All volumes of a miner, as one of them remembers."""

    generation: int
    members: tuple[Member, ...]


def pack_members(known: Members) -> bytes:
    """The bytes of `MEMBERS`."""
    assert 1 <= len(known.members) <= MEMBERS_MAX, "checked when they were configured"
    parts = [
        MEMBERS_MAGIC,
        bytes([MEMBERS_VERSION, len(known.members)]),
        bytes(6),
        known.generation.to_bytes(8, "little"),
    ]
    for member in known.members:
        path = member.path.encode("utf-8", "surrogateescape")
        assert len(path) <= PATH_BYTES_MAX, "the system opens no longer path"
        parts += [
            member.volume_id,
            member.away_since.to_bytes(8, "little"),
            len(path).to_bytes(2, "little"),
            path,
        ]
    body = b"".join(parts)
    return body + _checksum(body)


def unpack_members(data: bytes) -> Members:
    """What `MEMBERS` says. Raises: StorageCorrupt."""
    if not 24 + CHECKSUM_BYTES <= len(data) <= MEMBERS_BYTES_MAX:
        raise StorageCorrupt(f"the list of volumes has {len(data)} bytes")
    body = data[:-CHECKSUM_BYTES]
    if body[:9] != MEMBERS_MAGIC + bytes([MEMBERS_VERSION]) or _checksum(body) != data[-32:]:
        raise StorageCorrupt("the list of volumes is damaged")
    members, at = [], 24
    for _ in range(body[9]):
        length = int.from_bytes(body[at + 24 : at + 26], "little")
        path = body[at + 26 : at + 26 + length]
        if len(path) != length or at + 26 > len(body) or length > PATH_BYTES_MAX:
            raise StorageCorrupt("the list of volumes ends in the middle of one")
        members.append(
            Member(
                body[at : at + 16],
                path.decode("utf-8", "surrogateescape"),
                int.from_bytes(body[at + 16 : at + 24], "little"),
            )
        )
        at += 26 + length
    if at != len(body) or not members or len(members) > MEMBERS_MAX:
        raise StorageCorrupt("the list of volumes has another length than it says")
    return Members(int.from_bytes(body[16:24], "little"), tuple(members))


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=CHECKSUM_BYTES).digest()
