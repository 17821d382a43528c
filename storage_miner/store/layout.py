"""Where things lie in a volume, and the page that says whose it is.

    VOLUME_PATH/
      VOLUME                        the layout page (`page.py` has the byte tables)
      MEMBERS                       the volumes of this miner
      SCRUB                         how far the scrub is
      LOCK                          held (flock) by the running daemon
      fragments/ab/abcd…            a fragment's bytes, under its SHA-256 in hex
      commitments/ab/abcd….kzg      its row commitments (`records.py`)
      cosignatures/FID-S-F          a sender's signature that is not reported yet
      plots/                        idle space, as `proofs.pois` makes it
      temporary/                    whatever is being written; emptied at the start

Plots and reports are bound to one chain and one account, so a volume is, too: its page names them
from the first connection on, and a daemon with others refuses to touch it.

Version 1 had no page but MINER, a JSON object, and one directory for a miner. It is taken over at
the first start: the page is written, then MINER removed; a crash between the two changes nothing.
"""

import contextlib
import json
import os
from pathlib import Path

from primitives.errors import StorageCorrupt

from .errors import LayoutMismatch, from_os_error
from .files import read_small, sync_directory, write_durably
from .page import (
    HASH_BYTES,
    LAYOUT_VERSION,
    MEMBERS_BYTES_MAX,
    PAGE_BYTES,
    PAGE_COPIES,
    VOLUME_ID_BYTES,
    LayoutPage,
    Members,
    OtherVersion,
    pack_page,
    unpack_members,
    unpack_page,
)

OLD_FORMAT = "cess-miner-data"
OLD_VERSION = 1
OLD_BYTES_MAX = 4096
DIRECTORY_MODE = 0o700


class Layout:
    """Paths below a volume. Creates and reads; knows nothing of quotas."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.page = root / "VOLUME"
        self.members = root / "MEMBERS"
        self.scrub = root / "SCRUB"
        self.old_identity = root / "MINER"
        self.lock = root / "LOCK"
        self.fragments = root / "fragments"
        self.commitments = root / "commitments"
        self.cosignatures = root / "cosignatures"
        self.plots = root / "plots"
        self.temporary = root / "temporary"

    def fragment(self, fragment_hash: bytes) -> Path:
        """Where a fragment's bytes are, or would be."""
        name = fragment_hash.hex()
        return self.fragments / name[:2] / name

    def commitment(self, fragment_hash: bytes) -> Path:
        """Where a fragment's commitments are, or would be."""
        name = fragment_hash.hex()
        return self.commitments / name[:2] / f"{name}.kzg"

    def cosignature(self, file_hash: bytes, segment_index: int, fragment_index: int) -> Path:
        """Where the signature for one place of a deal is, or would be."""
        return self.cosignatures / f"{file_hash.hex()}-{segment_index}-{fragment_index}"

    def is_marked(self) -> bool:
        """Whether a volume is here, of this layout or the one before. Raises: OSError."""
        for path in (self.page, self.old_identity, self.fragments):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.stat(path)
                return True
        return False

    def prepare(self) -> None:
        """Create what is missing. Raises: LayoutMismatch for a directory that is not ours."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
            if not self.page.exists() and not self.old_identity.exists():
                self._refuse_strangers()
            for directory in self._directories():
                directory.mkdir(exist_ok=True, mode=DIRECTORY_MODE)
        except OSError as error:
            raise from_os_error(error, "preparing the volume", self.root) from error

    def _directories(self) -> tuple[Path, ...]:
        return (
            self.fragments,
            self.commitments,
            self.cosignatures,
            self.plots,
            self.temporary,
        )

    def _refuse_strangers(self) -> None:
        files = (self.members, self.scrub, self.lock)
        ours = {path.name for path in (*files, *self._directories())}
        with os.scandir(self.root) as entries:
            strange = sorted(entry.name for entry in entries if entry.name not in ours)
        tolerated = {
            name
            for name in strange
            if name == "lost+found" or name.endswith((".toml", ".log", ".key", ".json"))
        }
        if set(strange) - tolerated:
            names = ", ".join(strange[:3])
            raise LayoutMismatch(
                f"{self.root} holds other files ({names}) and no miner's data; "
                "name an empty directory"
            )

    def open_page(self) -> LayoutPage:
        """What the page says; written first when there is none. Heals a rotten copy.

        Raises: LayoutMismatch when it is not ours or of another version; StoreError.
        """
        try:
            data = read_small(self.page, PAGE_BYTES * PAGE_COPIES)
        except FileNotFoundError:
            page = self._take_over()
            self.write_page(page)
        except OSError as error:
            raise from_os_error(error, "reading the layout page", self.page) from error
        else:
            page = self._check_page(data)
        self._remove_old()
        return page

    def _check_page(self, data: bytes) -> LayoutPage:
        try:
            page, is_whole = unpack_page(data)
        except OtherVersion as error:
            raise LayoutMismatch(
                f"{self.root}: {error}; this program reads version {LAYOUT_VERSION}: use the "
                "program that wrote it"
            ) from error
        except StorageCorrupt as error:
            raise LayoutMismatch(
                f"{self.page} is damaged ({error}); restore it from a backup, or delete it if "
                "this volume is certainly this miner's: fragments are found again from disk"
            ) from error
        if not is_whole:
            self.write_page(page)
        return page

    def write_page(self, page: LayoutPage) -> None:
        """Put the page in place. Raises: StoreError."""
        write_durably(self.page, pack_page(page), self.temporary)

    def bind(self, page: LayoutPage, genesis: bytes, account: bytes) -> LayoutPage:
        """Say for ever that this volume serves `account` on the chain of `genesis`.

        Raises: LayoutMismatch when it serves another.
        """
        if page.genesis is not None and page.genesis != genesis:
            raise LayoutMismatch(
                f"{self.root} holds plots and fragments of the chain with genesis "
                f"{page.genesis.hex()}, and the node's genesis is {genesis.hex()}; connect to that "
                "chain or name another volume"
            )
        if page.account is not None and page.account != account:
            raise LayoutMismatch(
                f"{self.root} belongs to the account {page.account.hex()}, not to "
                f"{account.hex()}; use that account's key or another volume"
            )
        if page.genesis is not None:
            return page
        bound = LayoutPage(page.volume_id, genesis, account)
        self.write_page(bound)
        return bound

    def read_members(self) -> Members | None:
        """The volumes that this one remembers; None when it remembers none or it is damaged."""
        try:
            return unpack_members(read_small(self.members, MEMBERS_BYTES_MAX))
        except (OSError, StorageCorrupt):
            return None

    # The layout before.

    def _take_over(self) -> LayoutPage:
        volume_id = os.urandom(VOLUME_ID_BYTES)
        genesis, account = self._read_old()
        if genesis is None or account is None:
            return LayoutPage(volume_id)
        return LayoutPage(volume_id, genesis, account)

    def _read_old(self) -> tuple[bytes | None, bytes | None]:
        try:
            text = read_small(self.old_identity, OLD_BYTES_MAX).decode("utf-8")
        except FileNotFoundError:
            return None, None
        except (OSError, UnicodeDecodeError) as error:
            raise LayoutMismatch(f"{self.old_identity} cannot be read: {error}") from error
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise LayoutMismatch(
                f"{self.old_identity} is damaged ({error}); restore it from a backup, or delete it "
                "if this directory is certainly this miner's: fragments are found again from disk"
            ) from error
        if not isinstance(fields, dict) or fields.get("format") != OLD_FORMAT:
            raise LayoutMismatch(f"{self.old_identity} was not written by this program")
        if fields.get("version") != OLD_VERSION:
            raise LayoutMismatch(
                f"{self.root} has layout version {fields.get('version')!r}; this program reads "
                f"versions {OLD_VERSION} and {LAYOUT_VERSION}: use the program that wrote it"
            )
        return _old_hash(fields.get("genesis")), _old_hash(fields.get("account"))

    def _remove_old(self) -> None:
        try:
            if self.old_identity.exists():
                self.old_identity.unlink()
                sync_directory(self.root)
        except OSError as error:
            raise from_os_error(error, "taking over the old layout", self.root) from error


def _old_hash(value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str) and len(value) == 2 * HASH_BYTES:
        with contextlib.suppress(ValueError):
            return bytes.fromhex(value)
    raise LayoutMismatch("MINER names a genesis or an account that is not 32 bytes of hex")
