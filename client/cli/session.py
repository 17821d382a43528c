"""What commands share: where the chain is, whose key signs, how results and errors are told.

A command writes its result once: one JSON document with ``--json``, else lines for people. All else
goes to standard error. Secrets are never shown and never taken from the command line, but for
development keys.
"""

import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

from client.addresses import InvalidEndpoints, parse_endpoints
from primitives.errors import CessError

if TYPE_CHECKING:
    from client.chain import ChainClient, ChainLimits
    from pallets.storage_handler.types import TerrName
    from primitives.crypto.keys import KeyPair
    from primitives.types import AccountId

__all__ = [
    "PASSWORD_VARIABLE",
    "TOKEN",
    "CommandFailed",
    "account_of",
    "amount",
    "chain_options",
    "command_limits",
    "configure_logs",
    "json_option",
    "key_options",
    "open_chain",
    "parse_hash",
    "read_key",
    "run_async",
    "size_text",
    "tell",
    "tell_failure",
    "territory_name",
    "with_errors",
]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

DEFAULT_RPC: Final = "ws://127.0.0.1:9944"
OUTAGE_S: Final = 120.0
"""For so long a command waits for a node that went away; a daemon waits for ever."""
SUBMIT_TIMEOUT_S: Final = 600.0
"""For so long a command waits until its call is in a block."""

PASSWORD_VARIABLE: Final = "CESS_KEYFILE_PASSWORD"  # noqa: S105 - the name of a variable
PASSWORD_BYTES_MAX: Final = 1024
TOKEN: Final = 10**18
"""Planck of one TCESS."""

_FRACTION_DIGITS = 6
_HASH_BYTES = 32
INTERRUPTED: Final = 130


class CommandFailed(CessError):
    """A command could not do what it was asked for; its text says what to do."""


def json_option(command: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def chain_options(command: F) -> F:
    """Add ``--rpc``, ``--verbose`` and ``--json``."""
    command = click.option(
        "-v", "--verbose", is_flag=True, help="Log what is done on standard error."
    )(command)
    command = click.option(
        "--rpc",
        multiple=True,
        default=(DEFAULT_RPC,),
        show_default=DEFAULT_RPC,
        envvar="CESS_RPC",
        callback=_endpoints,
        help="WebSocket address of a node; several, preferred first, with commas or by repeating.",
    )(command)
    return json_option(command)


def _endpoints(
    _context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    try:
        return parse_endpoints(given)
    except InvalidEndpoints as error:
        raise click.BadParameter(str(error), param=parameter) from None


def key_options(command: F) -> F:
    """Add ``--suri``, ``--keyfile`` and ``--password-file``."""
    command = click.option(
        "--password-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"File with the key file's password; else {PASSWORD_VARIABLE}, else it is asked for.",
    )(command)
    command = click.option(
        "--keyfile",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="CESS_KEYFILE",
        help="Encrypted key file of the account; make one with `cess key generate --out`.",
    )(command)
    return click.option("--suri", envvar="CESS_SURI", help="A development key such as //Alice.")(
        command
    )


def read_key(suri: str | None, keyfile: Path | None, password_file: Path | None) -> "KeyPair":
    """The key pair that the options name. Raises: CommandFailed, InvalidKey."""
    from primitives.crypto.keys import KeyPair
    from primitives.keystore import load_keyfile

    if (suri is None) == (keyfile is None):
        raise CommandFailed(
            "give the account that signs: --keyfile FILE, or --suri //Name on a development chain"
        )
    if suri is not None:
        if not suri.startswith("//"):
            raise CommandFailed(
                "--suri takes development keys such as //Alice only, because others can read the "
                "command line; put your own key into a file with `cess key generate --out FILE`"
            )
        return KeyPair.from_suri(suri)
    assert keyfile is not None, "because one of the two is given"
    return load_keyfile(keyfile, read_password(password_file))


def read_password(password_file: Path | None, *, is_new: bool = False) -> str:
    """The password of a key file: from a file, the environment or the terminal."""
    if password_file is not None:
        with password_file.open("rb") as source:
            data = source.read(PASSWORD_BYTES_MAX + 1)
        if len(data) > PASSWORD_BYTES_MAX:
            raise CommandFailed(f"{password_file} is too long to be a password file")
        # As the environment gives it: different bytes stay different passwords.
        return data.decode("utf-8", "surrogateescape").rstrip("\r\n")
    found = os.environ.get(PASSWORD_VARIABLE)
    if found is not None:
        return found
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"the key file needs its password: give --password-file, or set {PASSWORD_VARIABLE}"
        )
    prompted: str = click.prompt("Password", hide_input=True, confirmation_prompt=is_new, err=True)
    return prompted


def account_of(text: str) -> "AccountId":
    """The account of an SS58 address, ``0x`` hex or a development key."""
    from primitives.crypto.keys import KeyPair
    from primitives.crypto.ss58 import ss58_decode
    from primitives.types import AccountId

    if text.startswith("//"):
        return KeyPair.from_suri(text).account_id
    if text.startswith("0x"):
        return AccountId(parse_hash(text))
    return ss58_decode(text)


def parse_hash(text: str) -> bytes:
    """32 bytes of hexadecimal text. Raises: CommandFailed."""
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != _HASH_BYTES:
        raise CommandFailed(f"{text!r} is not a hash: 64 hexadecimal digits, with or without 0x")
    return data


def territory_name(text: str) -> "TerrName":
    """A territory's name as the chain takes it. Raises: CommandFailed."""
    from pallets.storage_handler.types import TerrName

    try:
        raw = text.encode()
    except UnicodeError:
        raise CommandFailed("the name of a territory is text in UTF-8") from None
    if len(raw) > TerrName.LIMIT:
        raise CommandFailed(f"the name of a territory has at most {TerrName.LIMIT} bytes")
    return TerrName(raw)


def with_errors(command: F) -> F:
    """Turn expected failures into a message and exit code 1."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        configure_logs(verbose=bool(kwargs.pop("verbose", False)))
        try:
            return command(*args, **kwargs)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except BaseExceptionGroup as group:
            failure: BaseException = group
            while isinstance(failure, BaseExceptionGroup):
                failure = failure.exceptions[0]
            _fail(failure, as_json=bool(kwargs.get("as_json")))
        except (Exception, KeyboardInterrupt) as failure:  # noqa: BLE001 - raised again if unexpected
            _fail(failure, as_json=bool(kwargs.get("as_json")))

    return guarded  # type: ignore[return-value]


@asynccontextmanager
async def open_chain(rpc: tuple[str, ...]) -> "AsyncIterator[ChainClient]":
    """A client of the nodes at ``rpc`` with a person's patience."""
    from client.chain import ChainClient

    async with ChainClient.open(rpc, limits=command_limits()) as chain:
        yield chain


def command_limits() -> "ChainLimits":
    """How long commands wait."""
    from client.chain import ChainLimits

    return ChainLimits(outage_s=OUTAGE_S, submit_timeout_s=SUBMIT_TIMEOUT_S)


def run_async(work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` to its end under trio."""
    import anyio

    return anyio.run(work, backend="trio")


def tell(document: Any, *, as_json: bool, text: str) -> None:
    """Write the result of a command."""
    click.echo(json.dumps(document) if as_json else text)


def amount(planck: int) -> str:
    """An amount of money for people."""
    whole, rest = divmod(planck, TOKEN)
    digits = f"{rest:018d}"[:_FRACTION_DIGITS].rstrip("0")
    return f"{whole:,}{'.' + digits if digits else ''} TCESS"


def size_text(count: int) -> str:
    """A number of bytes for people."""
    for unit, shift in (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << shift:
            return f"{count / (1 << shift):.1f} {unit}"
    return f"{count} B"


def _fail(failure: BaseException, *, as_json: bool) -> NoReturn:
    if isinstance(failure, BrokenPipeError):
        raise failure  # nobody reads: `main` ends quietly
    if isinstance(failure, KeyboardInterrupt):
        text = "interrupted; run the command again to go on"
        tell_failure("Interrupted", text, as_json=as_json)
        click.echo(text, err=True)
        sys.exit(INTERRUPTED)
    tell_failure(type(failure).__name__, str(failure), as_json=as_json)
    if not isinstance(failure, CessError | OSError):
        raise failure  # a mistake of this program: its trace goes to standard error
    click.echo(f"error: {_one_screen(str(failure))}", err=True)
    sys.exit(1)


def tell_failure(error: str, message: str, *, as_json: bool) -> None:
    """Write the one document of a command that failed, if it has to write one."""
    if as_json:
        click.echo(json.dumps({"error": error, "message": message}))


def _one_screen(text: str) -> str:
    """A message without control characters: parts of it may come from strangers."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def configure_logs(*, verbose: bool) -> None:
    """Log warnings, or what is done as well, on standard error."""
    import structlog

    level = logging.INFO if verbose else logging.WARNING
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(file=sys.stderr),
    )
