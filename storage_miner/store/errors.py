"""What can go wrong with a miner's disk, and whose fault it is.

`from_os_error` turns the operating system's word into one of these, so that no caller compares
numbers. Each text says what to do.
"""

# ruff: noqa: N818  these are facts, named as the daemon tells them, like those of `primitives`

import errno
from pathlib import Path

from primitives.errors import CessError


class StoreError(CessError):
    """Something about a volume. `code` is the word of the HTTP answer and of alerts."""

    code = "store_failed"


class DirectoryInUse(StoreError):
    """Another daemon holds the volume."""

    code = "directory_in_use"


class LayoutMismatch(StoreError):
    """The volume belongs to another program, version, chain or account."""

    code = "layout_mismatch"


class VolumeConflict(StoreError):
    """Two configured volumes are one, or belong to different owners."""

    code = "volume_conflict"


class FragmentMismatch(StoreError):
    """The sender's bytes are not those of the hash it named; the sender is at fault."""

    code = "hash_mismatch"


class AlreadyReceiving(StoreError):
    """The same fragment is arriving on another connection."""

    code = "already_receiving"


class QuotaReached(StoreError):
    """The configured space is used up; the disk may have more."""

    code = "quota_reached"


class DiskFull(StoreError):
    """The file system has no room, or its quota or file-size limit is reached."""

    code = "disk_full"


class DiskRefused(StoreError):
    """The operating system does not let us: rights, a read-only file system, too many files."""

    code = "disk_refused"


class DiskFailed(StoreError):
    """The disk answered with an error. Nothing more is accepted until the daemon is restarted."""

    code = "disk_failed"


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE, errno.ENFILE}


def from_os_error(error: OSError, doing: str, path: Path) -> StoreError:
    """The expected failure that `error` is. `doing` is a verb phrase: "writing a fragment"."""
    said = error.strerror or str(error)
    if error.errno in _FULL:
        return DiskFull(f"no room while {doing} in {path}: {said}; free some space on this disk")
    if error.errno in _REFUSED:
        return DiskRefused(
            f"not allowed while {doing} in {path}: {said}; check owner, rights, mount and the "
            "open-file limit"
        )
    return DiskFailed(
        f"the disk failed while {doing} in {path}: {said}; check it (dmesg, SMART), then restart"
    )
