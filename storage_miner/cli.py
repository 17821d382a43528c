"""`cess miner`: running a storage miner and looking after it.

Every command takes `--json` (one document on standard output, logs on standard error). Exit codes:
0 done, 1 failed (the message says what and what to do), 2 usage. Heavy imports wait until a command
needs them.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from primitives.errors import CessError

if TYPE_CHECKING:
    from .config import MinerConfig

PLANCK_DECIMALS = 18
MONEY = {"balance", "collateral", "debt", "reward_total", "reward_paid"}

_FLAGS: tuple[tuple[str, Any, str], ...] = (
    ("--suri", str, "A development key such as //Alice; real keys lie in key files."),
    ("--keyfile", click.Path(path_type=Path), "Encrypted key file of the miner."),
    ("--password-file", click.Path(path_type=Path), "File with the key file's password."),
)
_RUN_FLAGS: tuple[tuple[str, Any, str], ...] = (
    ("--data-dir", click.Path(path_type=Path), "Directory for fragments and plots."),
    ("--space", str, "Disk space to use, such as 500GiB."),
    ("--declared-units", int, "Declare so many units, registering if need be."),
    ("--idle-plots", int, "At most so many plots."),
    ("--host", str, "Address to listen on."),
    ("--port", int, "Port to listen on; 0 takes a free one."),
    ("--endpoint", str, "URL under which others reach this miner."),
    ("--beneficiary", str, "Account that is paid."),
    ("--workers", int, "Worker processes for proofs."),
    ("--log-level", click.Choice(["debug", "info", "warning", "error"]), "What is logged."),
    ("--log-format", click.Choice(["text", "json"]), "How it is logged."),
)

Command = Callable[..., Any]


def _options(flags: tuple[tuple[str, Any, str], ...]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for name, kind, text in reversed(flags):
            command = click.option(name, type=kind, default=None, help=text)(command)
        command = click.option(
            "--rpc",
            multiple=True,
            help="WebSocket URL of a node; several, preferred first, with commas or by repeating.",
        )(command)
        command = click.option(
            "--config",
            "config_path",
            type=click.Path(path_type=Path),
            default=None,
            help="TOML file with all settings; flags win over it.",
        )(command)
        return click.option("--json", "as_json", is_flag=True, help="One JSON document.")(command)

    return decorate


def _fail(error: CessError, *, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(json.dumps({"error": type(error).__name__, "message": str(error)}))
    click.echo(f"error: {error}", err=True)
    sys.exit(1)


def _tell(document: dict[str, Any], *, as_json: bool, text: str | None = None) -> None:
    if as_json:
        click.echo(json.dumps(document))
    else:
        click.echo(text if text is not None else _lines(document))


def _lines(document: dict[str, Any], indent: str = "") -> str:
    lines = []
    for key, value in document.items():
        name = key.replace("_", " ")
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", _lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for number, item in enumerate(value, 1):
                lines += [f"{indent}{name} {number}:", _lines(item, indent + "  ")]
        else:
            lines.append(f"{indent}{name + ':':<{26 - len(indent)}} {_readable(key, value)}")
    return "\n".join(lines)


def _readable(key: str, value: Any) -> Any:
    """Money in TCESS and sizes with their unit, for people; `--json` keeps the exact numbers."""
    if key in MONEY and isinstance(value, str):
        whole, fraction = divmod(int(value), 10**PLANCK_DECIMALS)
        return f"{whole}.{fraction // 10**14:04} TCESS"
    if key.endswith("_bytes") and isinstance(value, int):
        for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
            if value >= 1 << power:
                return f"{value / (1 << power):.1f} {unit}"
    return value


def _run_async(function: Callable[[], Any], *, as_json: bool) -> Any:
    """Run a command's coroutine under trio; an expected failure ends the process with 1."""
    import trio

    try:
        return trio.run(function)
    except* CessError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        assert isinstance(error, CessError), "because the clause caught nothing else"
        _fail(error, as_json=as_json)


def _load(
    config_path: Path | None, flags: dict[str, Any], *, as_json: bool, needs_disk: bool = False
) -> "MinerConfig":
    from .config import load

    try:
        return load(config_path, flags, needs_disk=needs_disk)
    except CessError as error:
        _fail(error, as_json=as_json)


@click.group()
def miner() -> None:
    """Run a storage miner: hold fragments, prove them, earn."""


@miner.command()
@_options(_FLAGS + _RUN_FLAGS)
@click.option("--restore/--no-restore", default=None, help="Take restoral orders of others.")
def run(config_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Run the daemon until SIGTERM or Ctrl-C."""
    from functools import partial

    from . import journal
    from .startup import run_miner

    config = _load(config_path, flags, as_json=as_json, needs_disk=True)
    journal.configure(config.log_level, config.log_format)

    def ready(document: dict[str, Any]) -> None:
        if as_json:
            click.echo(json.dumps(document))
            sys.stdout.flush()

    async def main() -> None:
        await run_miner(config, config.load_key(), ready)

    _run_async(partial(main), as_json=as_json)


@miner.command()
@_options(_FLAGS)
def status(config_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Show what the chain and the running daemon say about this miner."""
    config = _load(config_path, flags, as_json=as_json)

    async def main() -> dict[str, Any]:
        from .operations import read_status

        return await read_status(config)

    _tell(_run_async(main, as_json=as_json), as_json=as_json)


@miner.command()
@_options(_FLAGS)
@click.option("--units", type=click.IntRange(1), required=True, help="Units of space to declare.")
@click.option("--endpoint", required=True, help="URL under which others reach this miner.")
@click.option("--beneficiary", default=None, help="Account that is paid; default: the miner.")
def register(
    config_path: Path | None,
    as_json: bool,
    units: int,
    endpoint: str,
    beneficiary: str | None,
    **flags: Any,
) -> None:
    """Become a storage miner; the collateral for the declared space is reserved."""
    more = {"endpoint": endpoint, "beneficiary": beneficiary}
    config = _load(config_path, {**flags, **more}, as_json=as_json)

    async def main() -> dict[str, Any]:
        from .operations import register_miner

        return await register_miner(config, units)

    _tell(_run_async(main, as_json=as_json), as_json=as_json)


@miner.command()
@_options(_FLAGS)
@click.argument("amount")
def stake(config_path: Path | None, as_json: bool, amount: str, **flags: Any) -> None:
    """Add AMOUNT TCESS of collateral; a debt is paid first."""
    planck = parse_amount(amount)
    _simple(config_path, flags, "stake", as_json=as_json, amount=planck)


@miner.command()
@_options(_FLAGS)
def claim(config_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Have the reward that is due paid to the beneficiary."""
    _simple(config_path, flags, "claim", as_json=as_json)


@miner.command(name="exit")
@_options(_FLAGS)
@click.option("--yes", is_flag=True, help="Do not ask.")
def exit_miner(config_path: Path | None, as_json: bool, yes: bool, **flags: Any) -> None:
    """Announce that this miner leaves; keep it running until its fragments are restored."""
    if not yes:
        click.confirm("This miner gets no new work and leaves later. Go on?", abort=True, err=True)
    _simple(config_path, flags, "exit", as_json=as_json)


@miner.command()
@_options(_FLAGS)
def withdraw(config_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Get the collateral back after the exit, once every fragment is restored."""
    _simple(config_path, flags, "withdraw", as_json=as_json)


def _simple(
    config_path: Path | None,
    flags: dict[str, Any],
    action: str,
    *,
    as_json: bool,
    amount: int = 0,
) -> None:
    config = _load(config_path, flags, as_json=as_json)

    async def main() -> dict[str, Any]:
        from .operations import submit_action

        return await submit_action(config, action, amount)

    _tell(_run_async(main, as_json=as_json), as_json=as_json)


@miner.command()
@_options(_FLAGS + _RUN_FLAGS)
@click.option("--report-losses", is_flag=True, help="Report what is lost; costs 0.2 % each.")
def repair(config_path: Path | None, as_json: bool, report_losses: bool, **flags: Any) -> None:
    """Check every fragment and plot of a stopped miner, and remove what is damaged."""
    config = _load(config_path, flags, as_json=as_json, needs_disk=True)

    async def main() -> dict[str, Any]:
        from .operations import repair_volume

        return await repair_volume(config, report_losses=report_losses)

    document = _run_async(main, as_json=as_json)
    _tell(document, as_json=as_json)


@miner.command()
@_options(_FLAGS + _RUN_FLAGS)
def doctor(config_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Check key, node, disk, endpoint and speed, and say what to do about each finding."""
    config = _load(config_path, flags, as_json=as_json, needs_disk=True)

    async def main() -> list[dict[str, Any]]:
        from .doctor import examine_miner

        return await examine_miner(config)

    checks = _run_async(main, as_json=as_json)
    is_well = all(check["is_ok"] for check in checks)
    if as_json:
        click.echo(json.dumps({"is_ok": is_well, "checks": checks}))
    else:
        for check in checks:
            word = "ok  " if check["is_ok"] else "BAD "
            click.echo(f"{word} {check['name']:<12} {check['message']}")
    if not is_well:
        sys.exit(1)


@miner.group()
def plots() -> None:
    """Pause plotting, or let it go on; the daemon may run or not."""


@plots.command()
@_options(_FLAGS + _RUN_FLAGS)
def pause(config_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Begin no plot, and halt the one in the making, until `resume`, over restarts, too."""
    _switch(config_path, flags, as_json=as_json, is_paused=True)


@plots.command()
@_options(_FLAGS + _RUN_FLAGS)
def resume(config_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Let plotting go on."""
    _switch(config_path, flags, as_json=as_json, is_paused=False)


def _switch(
    config_path: Path | None, flags: dict[str, Any], *, as_json: bool, is_paused: bool
) -> None:
    from .operations import switch_plotting

    config = _load(config_path, flags, as_json=as_json, needs_disk=True)
    try:
        document = switch_plotting(config, is_paused=is_paused)
    except CessError as error:
        _fail(error, as_json=as_json)
    _tell(document, as_json=as_json)


@miner.group()
def volumes() -> None:
    """The disks of a stopped miner. While it runs, `status` tells about them."""


@volumes.command(name="list")
@_options(_FLAGS + _RUN_FLAGS)
def list_all(config_path: Path | None, as_json: bool, **flags: Any) -> None:
    """Show which volumes are there and which are away."""
    from .operations import list_volumes

    config = _load(config_path, flags, as_json=as_json, needs_disk=True)
    try:
        document = list_volumes(config)
    except CessError as error:
        _fail(error, as_json=as_json)
    _tell(document, as_json=as_json)


@volumes.command()
@_options(_FLAGS + _RUN_FLAGS)
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(config_path: Path | None, as_json: bool, yes: bool, **flags: Any) -> None:
    """Give up the volumes that are away: what was on them is reported as lost."""
    from .operations import forget_volumes

    config = _load(config_path, flags, as_json=as_json, needs_disk=True)
    if not yes:
        click.confirm("What lies there is reported as lost and fined. Go on?", abort=True, err=True)
    try:
        document = forget_volumes(config)
    except CessError as error:
        _fail(error, as_json=as_json)
    _tell(document, as_json=as_json)


def parse_amount(text: str) -> int:
    """Planck of an amount in TCESS such as "4000" or "0.5". Raises: click.UsageError."""
    whole, _, fraction = text.strip().partition(".")
    digits = whole + fraction
    if not digits.isdecimal() or len(whole) > 20 or len(fraction) > PLANCK_DECIMALS:
        raise click.UsageError(f"{text!r} is no amount of TCESS; write 4000 or 0.5")
    return int(whole + fraction.ljust(PLANCK_DECIMALS, "0"))


def main() -> None:
    """The program `cess-miner`."""
    miner.main(prog_name="cess-miner")


if __name__ == "__main__":
    main()
