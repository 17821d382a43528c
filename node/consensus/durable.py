"""Replacing a small file so that a crash leaves the old one or the new one, whole."""

import os
from pathlib import Path
from typing import Final

__all__ = ["VOTES_FILE_NAME", "replace_file"]

VOTES_FILE_NAME: Final = "grandpa-votes"
"""Of the voter's record; see ``grandpa.store``."""


def replace_file(path: Path, data: bytes) -> None:
    """Let ``path`` hold ``data``, synced, with its name. Raises: OSError."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
