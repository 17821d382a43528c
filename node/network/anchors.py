"""Peers of the last run, to begin with where boot nodes are down or hostile.

The file holds one address in a line, each with its peer id. It is written beside its place and
renamed. A file that is damaged is worth its good lines: it is a help, not a record.

Who told of a name is not in the file, and what it leads to may be another by now: none of them may
lead into a private network. Names that the operator gives are known without the file.

Bounds: ``ANCHORS_MAX`` addresses, ``FILE_BYTES_MAX`` read.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from node.network.addresses import Address, InvalidAddress

__all__ = ["ANCHORS_MAX", "FILE_NAME", "load_anchors", "save_anchors"]

FILE_NAME: Final = "peers"
ANCHORS_MAX: Final = 32
FILE_BYTES_MAX: Final = 32 * 1024


def load_anchors(path: Path) -> tuple[Address, ...]:
    """The addresses of a file; none if there is no file, or nothing good in it."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX).decode("ascii", "replace")
    except OSError:
        return ()
    found = []
    for line in text.splitlines():
        try:
            address = Address.parse(line.strip())
        except InvalidAddress:
            continue
        if address.peer is not None:
            found.append(address.from_outside() if address.is_name else address)
    return tuple(found[:ANCHORS_MAX])


def save_anchors(path: Path, addresses: Iterable[Address]) -> None:
    """Write the file; without addresses the old one stays. Raises: OSError."""
    lines = [str(address) for address in addresses][:ANCHORS_MAX]
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text("\n".join(lines) + "\n", encoding="ascii")
    beside.replace(path)
