"""The trie once more, straight from the words of the specification: slow, recursive, complete.

Shares no code with `primitives.trie`; takes a whole map at once and returns its root.
"""

import hashlib
from collections.abc import Mapping


def blake(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def compact(number: int) -> bytes:
    if number < 2**6:
        return bytes([number << 2])
    if number < 2**14:
        return ((number << 2) + 1).to_bytes(2, "little")
    return ((number << 2) + 2).to_bytes(4, "little")


def nibbles(key: bytes) -> list[int]:
    return [half for byte in key for half in (byte >> 4, byte & 15)]


def header(first: int, prefix_bits: int, length: int) -> bytes:
    most = 2 ** (8 - prefix_bits) - 1
    if length < most:
        return bytes([first + length])
    out, length = [first + most], length - most
    while length >= 255:
        out.append(255)
        length -= 255
    return bytes([*out, length])


def packed(path: list[int]) -> bytes:
    out = bytes([path[0]]) if len(path) % 2 else b""
    rest = path[len(path) % 2 :]
    return out + bytes(rest[i] * 16 + rest[i + 1] for i in range(0, len(rest), 2))


def encode(entries: list[tuple[list[int], bytes]], *, by_hash_from: int | None) -> bytes:
    """The encoding of the node under which `entries` (paths from here on) lie."""
    if not entries:
        return b"\x00"
    paths = [path for path, _ in entries]
    shared = 0
    while all(len(path) > shared and path[shared] == paths[0][shared] for path in paths):
        shared += 1
    here = [value for path, value in entries if len(path) == shared]
    hashed = bool(here) and by_hash_from is not None and len(here[0]) >= by_hash_from
    below: dict[int, list[tuple[list[int], bytes]]] = {}
    for path, value in entries:
        if len(path) > shared:
            below.setdefault(path[shared], []).append((path[shared + 1 :], value))
    if not below:
        out = header(0b0010_0000, 3, shared) if hashed else header(0b0100_0000, 2, shared)
    elif hashed:
        out = header(0b0001_0000, 4, shared)
    elif here:
        out = header(0b1100_0000, 2, shared)
    else:
        out = header(0b1000_0000, 2, shared)
    out += packed(paths[0][:shared])
    if below:
        out += sum(2**slot for slot in below).to_bytes(2, "little")
    if here:
        out += blake(here[0]) if hashed else compact(len(here[0])) + here[0]
    for slot in sorted(below):
        child = encode(below[slot], by_hash_from=by_hash_from)
        merkle = child if len(child) < 32 else blake(child)
        out += compact(len(merkle)) + merkle
    return out


def naive_root(entries: Mapping[bytes, bytes], *, version: int = 1) -> bytes:
    """The root of `entries` in state version 0 or 1 (values of 33 bytes and more by hash)."""
    paths = [(nibbles(key), value) for key, value in entries.items()]
    return blake(encode(paths, by_hash_from=33 if version == 1 else None))
