"""WebAssembly modules that say which runtime they are, and hold nothing else."""

from dataclasses import replace

from pallets.frame.code import APIS_SECTION, MAGIC, VERSION_SECTION
from pallets.frame.version import RuntimeVersion
from primitives.scale import encode

__all__ = ["code_of", "section"]


def section(number: int, content: bytes) -> bytes:
    """One section; its length in a fixed number of bytes."""
    size = len(content)
    length = bytes(size >> shift & 0x7F | (0x80 if shift < 21 else 0) for shift in (0, 7, 14, 21))
    return bytes((number,)) + length + content


def code_of(version: RuntimeVersion) -> bytes:
    """The least module that has a version."""
    apis = b"".join(bytes(name) + encode(type(of), of) for name, of in version.apis)
    said = encode(RuntimeVersion, replace(version, apis=()))
    custom = ((VERSION_SECTION, said), (APIS_SECTION, apis))
    named = (section(0, bytes((len(name),)) + name + content) for name, content in custom)
    body = (section(number, b"\0") for number in (1, 3, 7, 10))
    return MAGIC + b"".join(named) + b"".join(body)
