"""Where things lie in a miner's data directory, and the file that says whose it is.

    DATA_DIR/
      MINER                         one JSON object: format, version, genesis, account
      LOCK                          held (flock) by the running daemon
      fragments/ab/abcd…            a fragment's bytes, under its SHA-256 in hex
      commitments/ab/abcd….kzg      its row commitments (`records.py` has the byte table)
      cosignatures/FID-S-F          a sender's signature that is not reported yet
      plots/                        idle space, as `proofs.pois` makes it
      temporary/                    whatever is being written; emptied at the start

Plots and reports are bound to one chain and one account, so a directory is, too: MINER names them
from the first connection on, and a daemon with others refuses to touch it.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from .errors import LayoutMismatch, from_os_error

FORMAT = "cess-miner-data"
VERSION = 1
IDENTITY_BYTES_MAX = 4096
DIRECTORY_MODE = 0o700
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose data this is. Hex without prefix; None until the daemon has met its chain."""

    genesis: str | None
    account: str | None


class Layout:
    """Paths below a data directory. Creates and reads; knows nothing of quotas."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.identity = root / "MINER"
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

    def prepare(self) -> None:
        """Create what is missing. Raises: LayoutMismatch for a directory that is not ours."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
            if not self.identity.exists():
                self._refuse_strangers()
            for directory in (
                self.fragments,
                self.commitments,
                self.cosignatures,
                self.plots,
                self.temporary,
            ):
                directory.mkdir(exist_ok=True, mode=DIRECTORY_MODE)
        except OSError as error:
            raise from_os_error(error, "preparing the data directory", self.root) from error

    def _refuse_strangers(self) -> None:
        ours = {
            path.name
            for path in (
                self.lock,
                self.fragments,
                self.commitments,
                self.cosignatures,
                self.plots,
                self.temporary,
            )
        }
        with os.scandir(self.root) as entries:
            strange = sorted(entry.name for entry in entries if entry.name not in ours)
        tolerated = {name for name in strange if name.endswith((".toml", ".log", ".key", ".json"))}
        if set(strange) - tolerated:
            names = ", ".join(strange[:3])
            raise LayoutMismatch(
                f"{self.root} holds other files ({names}) and no miner's data; "
                "name an empty directory"
            )

    def read_identity(self) -> Identity:
        """What MINER says. Raises: LayoutMismatch when it is not ours or of another version."""
        try:
            text = self.identity.read_text("utf-8")[:IDENTITY_BYTES_MAX]
        except FileNotFoundError:
            return Identity(None, None)
        except (OSError, UnicodeDecodeError) as error:
            raise LayoutMismatch(f"{self.identity} cannot be read: {error}") from error
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise LayoutMismatch(
                f"{self.identity} is damaged ({error}); restore it from a backup, or delete it if "
                "this directory is certainly this miner's: fragments are found again from disk"
            ) from error
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise LayoutMismatch(f"{self.identity} was not written by this program")
        if fields.get("version") != VERSION:
            raise LayoutMismatch(
                f"{self.root} has layout version {fields.get('version')}; this program reads "
                f"version {VERSION}: use the program that wrote it"
            )
        return Identity(_hex_or_none(fields.get("genesis")), _hex_or_none(fields.get("account")))

    def bind(self, genesis: bytes, account: bytes) -> None:
        """Say for ever that this directory serves `account` on the chain of `genesis`.

        Raises: LayoutMismatch when it serves another.
        """
        known = self.read_identity()
        if known.genesis is not None and known.genesis != genesis.hex():
            raise LayoutMismatch(
                f"{self.root} holds plots and fragments of the chain with genesis {known.genesis}, "
                f"and the node's genesis is {genesis.hex()}; connect to that chain or name another "
                "data directory"
            )
        if known.account is not None and known.account != account.hex():
            raise LayoutMismatch(
                f"{self.root} belongs to the account {known.account}, not to {account.hex()}; "
                "use that account's key or another data directory"
            )
        if known == Identity(genesis.hex(), account.hex()):
            return
        self._write_identity(Identity(genesis.hex(), account.hex()))

    def mark(self) -> None:
        """Write MINER without chain and account if there is none yet."""
        if not self.identity.exists():
            self._write_identity(Identity(None, None))

    def _write_identity(self, identity: Identity) -> None:
        text = json.dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "genesis": identity.genesis,
                "account": identity.account,
            },
            indent=1,
        )
        write_durably(self.identity, text.encode(), self.temporary)


def write_durably(path: Path, data: bytes, temporary: Path) -> None:
    """Put a small file in place, whole or not at all, and on the disk when this returns.

    Raises: StoreError.
    """
    part = temporary / f"{path.name}.part"
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise from_os_error(error, f"writing {path.name}", path.parent) from error


def sync_directory(path: Path) -> None:
    """Make names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hex_or_none(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and len(value) == 2 * HASH_BYTES:
        return value.lower()
    raise LayoutMismatch("MINER names a genesis or an account that is not 32 bytes of hex")
