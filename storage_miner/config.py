"""The daemon's settings: a TOML file, flags over it, and nothing unchecked.

An unknown key, a wrong type or a missing file is a `ConfigInvalid` whose text names the key and the
cure. The file is at most CONFIG_BYTES_MAX long. Relative paths count from the file's directory.
A `suri` is taken only when it is a development key (`//Name`); real keys lie in encrypted files.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from client.addresses import parse_endpoints
from primitives.errors import CessError

from .errors import ConfigInvalid, KeyUnusable
from .store import VolumePlan
from .store.page import MEMBERS_MAX

if TYPE_CHECKING:
    from primitives.crypto.keys import KeyPair
    from primitives.types import AccountId

CONFIG_BYTES_MAX = 64 * 1024
PASSWORD_BYTES_MAX = 1024
ENDPOINT_BYTES_MAX = 100
WORKERS_MAX = 64
WORKERS_USUAL_MAX = 8
UNITS_MAX = 1 << 20
SPACE_BYTES_MIN = 64 << 20
SPACE_BYTES_MAX = 1 << 60
SCRUB_BYTES_PER_S = 16 << 20
SCRUB_BYTES_PER_S_MIN = 64 << 10
SCRUB_BYTES_PER_S_MAX = 1 << 40
CONNECTIONS_MAX = 512
CONNECTIONS_CEILING = 1 << 16
PASSWORD_VARIABLE = "CESS_KEYFILE_PASSWORD"  # noqa: S105  the name of a variable, not a password

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")

_UNITS = {
    "": 1,
    "b": 1,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_SIZE = re.compile(r"(\d{1,19})\s*([a-z]*)")
_DEV_SURI = re.compile(r"//[A-Za-z0-9_]+(//?[A-Za-z0-9_]+)*")

T = TypeVar("T")


def usual_workers() -> int:
    """A worker for each processor but one, which the daemon and a node beside it have.

    At least 1, at most WORKERS_USUAL_MAX: each takes 44 MB while there is work.
    """
    return max(1, min(WORKERS_USUAL_MAX, len(os.sched_getaffinity(0)) - 1))


@dataclass(frozen=True, slots=True)
class MinerConfig:
    """All settings, checked. Units: bytes where the name says so."""

    rpc: tuple[str, ...]
    data_dir: Path
    space: int
    suri: str | None = None
    keyfile: Path | None = None
    password_file: Path | None = None
    declared_units: int | None = None
    idle_plots: int | None = None
    host: str = "127.0.0.1"
    port: int = 15001
    endpoint: str | None = None
    beneficiary: str | None = None
    workers: int = 1
    restore: bool = True
    log_level: str = "info"
    log_format: str = "text"
    volumes: tuple[VolumePlan, ...] = ()
    scrub_rate: int = SCRUB_BYTES_PER_S
    connections_max: int = CONNECTIONS_MAX

    @property
    def plans(self) -> tuple[VolumePlan, ...]:
        """The volumes; `data_dir` and `space` are short for one."""
        return self.volumes or (VolumePlan(self.data_dir, self.space),)

    def load_key(self) -> "KeyPair":
        """The key that signs for this miner. Raises: KeyUnusable."""
        from primitives.crypto.keys import KeyPair

        try:
            if self.suri is not None:
                return KeyPair.from_suri(self.suri)
            assert self.keyfile is not None, "because from_mapping asks for one of the two"
            from primitives.keystore import load_keyfile

            return load_keyfile(self.keyfile, self._password())
        except (CessError, OSError) as error:
            raise KeyUnusable(f"the miner's key cannot be used: {error}") from error

    def beneficiary_account(self) -> "AccountId | None":
        """Who is paid; None: the miner itself."""
        if self.beneficiary is None:
            return None
        from primitives.crypto.ss58 import ss58_decode

        return ss58_decode(self.beneficiary)

    def _password(self) -> str:
        if self.password_file is None:
            password = os.environ.get(PASSWORD_VARIABLE)
            if password is None:
                raise KeyUnusable(
                    f"the key file needs a password: set {PASSWORD_VARIABLE} or `password_file`"
                )
            return password
        with self.password_file.open("rb") as file:
            data = file.read(PASSWORD_BYTES_MAX + 1)
        if len(data) > PASSWORD_BYTES_MAX:
            raise KeyUnusable(f"{self.password_file} is no password file: it is too long")
        # As the environment gives it and `cess key generate` read it.
        return data.decode("utf-8", "surrogateescape").rstrip("\r\n")


KEYS = tuple(field.name for field in fields(MinerConfig))


def load(path: Path | None, flags: Mapping[str, object], *, needs_disk: bool = True) -> MinerConfig:
    """The settings of a file, with those of `flags` that were given over them.

    Commands that only speak to the chain do not need `data_dir` and `space`.
    Raises: ConfigInvalid.
    """
    settings: dict[str, object] = {}
    if path is not None:
        settings = read_file(path)
    settings.update({key: value for key, value in flags.items() if value not in (None, ())})
    if not needs_disk and "volumes" not in settings:
        settings = {"data_dir": ".", "space": SPACE_BYTES_MIN, **settings}
    return from_mapping(settings, base=Path() if path is None else path.parent)


def read_file(path: Path) -> dict[str, object]:
    """The table in a TOML file, with its relative paths made absolute. Raises: ConfigInvalid."""
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigInvalid(
            f"the configuration {path} cannot be read: {error.strerror}; name another one with "
            "--config, or give --rpc, --data-dir, --space and a key"
        ) from error
    if len(data) > CONFIG_BYTES_MAX:
        raise ConfigInvalid(f"{path} is longer than {CONFIG_BYTES_MAX} bytes; is it a TOML file?")
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigInvalid(f"{path} is not TOML: {error}") from error
    base = path.resolve().parent
    for key in ("data_dir", "keyfile", "password_file"):
        value = table.get(key)
        if isinstance(value, str) and value:
            table[key] = str(base / Path(value).expanduser())
    volumes = table.get("volumes")
    for volume in volumes if isinstance(volumes, list) else ():
        if isinstance(volume, dict) and isinstance(volume.get("path"), str) and volume["path"]:
            volume["path"] = str(base / Path(volume["path"]).expanduser())
    return table


def from_mapping(settings: Mapping[str, object], *, base: Path = Path()) -> MinerConfig:
    """Check every setting. Raises: ConfigInvalid naming the first wrong one."""
    for key in settings:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(KEYS)}"
            raise ConfigInvalid(f"`{key}` is no setting of a miner; {hint}")
    reader = _Reader(settings, base)
    volumes = reader.optional("volumes", reader.volumes) or ()
    if volumes:
        if "data_dir" in settings or "space" in settings:
            raise ConfigInvalid(
                "`data_dir` and `space` are short for one volume; with [[volumes]] leave them out"
            )
        total = sum(volume.space for volume in volumes)
        reader = _Reader({**settings, "data_dir": volumes[0].path, "space": total}, base)
    config = MinerConfig(
        rpc=reader.required("rpc", _rpc, 'the node, such as rpc = "ws://127.0.0.1:9944"'),
        data_dir=reader.required("data_dir", reader.path, "the directory for fragments and plots"),
        space=reader.required("space", _space, 'the disk space to use, such as space = "500GiB"'),
        suri=reader.optional("suri", _suri),
        keyfile=reader.optional("keyfile", reader.path),
        password_file=reader.optional("password_file", reader.path),
        declared_units=reader.optional("declared_units", _whole(1, UNITS_MAX)),
        idle_plots=reader.optional("idle_plots", _whole(0, 1 << 32)),
        host=reader.optional("host", _host) or "127.0.0.1",
        port=_default(reader.optional("port", _whole(0, 65535)), 15001),
        endpoint=reader.optional("endpoint", _endpoint),
        beneficiary=reader.optional("beneficiary", _address),
        workers=reader.optional("workers", _whole(1, WORKERS_MAX)) or usual_workers(),
        restore=_default(reader.optional("restore", _flag), True),
        log_level=reader.optional("log_level", _one_of(LOG_LEVELS)) or "info",
        log_format=reader.optional("log_format", _one_of(LOG_FORMATS)) or "text",
        volumes=volumes,
        scrub_rate=reader.optional("scrub_rate", _scrub_rate) or SCRUB_BYTES_PER_S,
        connections_max=(
            reader.optional("connections_max", _whole(8, CONNECTIONS_CEILING)) or CONNECTIONS_MAX
        ),
    )
    if (config.suri is None) == (config.keyfile is None):
        raise ConfigInvalid(
            "name exactly one key: `keyfile` (made by `cess key generate`), or `suri` for a "
            "development key such as //Alice"
        )
    if config.keyfile is not None and not config.keyfile.is_file():
        raise ConfigInvalid(f"`keyfile`: there is no file {config.keyfile}")
    if config.port == 0 and config.endpoint is not None:
        raise ConfigInvalid("`endpoint` cannot be known when `port` is 0; give a port")
    if config.host in ("0.0.0.0", "::") and config.endpoint is None:  # noqa: S104
        raise ConfigInvalid(
            f"`endpoint` is needed when `host` is {config.host}: the URL at which others reach "
            'this miner, such as endpoint = "http://203.0.113.7:15001"'
        )
    return config


class _Reader:
    """Reads one setting after another, and names it when it is wrong."""

    def __init__(self, settings: Mapping[str, object], base: Path) -> None:
        self._settings = settings
        self._base = base

    def optional(self, key: str, check: Callable[[object], T]) -> T | None:
        value = self._settings.get(key)
        if value is None:
            return None
        try:
            return check(value)
        except (ValueError, CessError) as error:
            raise ConfigInvalid(f"`{key}`: {error}") from error

    def required(self, key: str, check: Callable[[object], T], what: str) -> T:
        value = self.optional(key, check)
        if value is None:
            raise ConfigInvalid(f"`{key}` is missing: {what}")
        return value

    def path(self, value: object) -> Path:
        if isinstance(value, Path):
            return value
        if not isinstance(value, str) or not value:
            raise ValueError("it must be a path")
        return self._base / Path(value).expanduser()

    def volumes(self, value: object) -> tuple[VolumePlan, ...]:
        if not isinstance(value, list) or not 1 <= len(value) <= MEMBERS_MAX:
            raise ValueError(f"write 1 to {MEMBERS_MAX} tables [[volumes]], each with path, space")
        found = []
        for number, table in enumerate(value, 1):
            if not isinstance(table, dict) or set(table) != {"path", "space"}:
                raise ValueError(f"table {number} must have `path` and `space`, and nothing else")
            try:
                found.append(VolumePlan(self.path(table["path"]), _space(table["space"])))
            except ValueError as error:
                raise ValueError(f"table {number}: {error}") from error
        return tuple(found)


def _default(value: T | None, default: T) -> T:
    return default if value is None else value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("it must be a text")
    return value


def _rpc(value: object) -> tuple[str, ...]:
    """One address, several with commas between them, or a list; the preferred one first."""
    return parse_endpoints([_text(item) for item in _items(value)])


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _endpoint(value: object) -> str:
    url = _text(value)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no HTTP URL; it looks like http://203.0.113.7:15001")
    if len(url.encode()) > ENDPOINT_BYTES_MAX:
        raise ValueError(f"the chain takes at most {ENDPOINT_BYTES_MAX} bytes")
    return url.rstrip("/")


def _host(value: object) -> str:
    return _text(value)


def _suri(value: object) -> str:
    suri = _text(value)
    if not _DEV_SURI.fullmatch(suri):
        raise ValueError(
            "only development keys such as //Alice may stand here; put a real phrase into a key "
            "file (`cess key generate`) and name it with `keyfile`"
        )
    return suri


def _address(value: object) -> str:
    from primitives.crypto.ss58 import ss58_decode

    address = _text(value)
    ss58_decode(address)
    return address


def parse_size(text: str) -> int:
    """Bytes of "2TiB", "500 GB" or "1048576". Raises: ValueError."""
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is no size; write 500GiB, 2TiB or a number of bytes")
    return int(match[1]) * _UNITS[match[2]]


def _size_of(value: object, least: int, most: int, example: str) -> int:
    if isinstance(value, str):
        size = parse_size(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    else:
        raise ValueError(f'it must be a size such as "{example}"')
    if not least <= size <= most:
        raise ValueError(f"{size} bytes are outside {least}..{most}")
    return size


def _space(value: object) -> int:
    return _size_of(value, SPACE_BYTES_MIN, SPACE_BYTES_MAX, "500GiB")


def _scrub_rate(value: object) -> int:
    """Bytes a second."""
    return _size_of(value, SCRUB_BYTES_PER_S_MIN, SCRUB_BYTES_PER_S_MAX, "16MiB")


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it must be true or false")
    return value


def _whole(least: int, most: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("it must be a whole number")
        if not least <= value <= most:
            raise ValueError(f"{value} is outside {least}..{most}")
        return value

    return check


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value not in words:
            raise ValueError(f"{value!r} is none of {', '.join(words)}")
        assert isinstance(value, str), "because only texts are listed"
        return value

    return check
