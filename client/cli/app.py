"""The command ``cess``: finds its groups by name and imports one only when it is asked for.

Groups of other packages (``node``, ``miner``, ``chain-spec``) come from the entry points
``cess.commands``, so the client imports none of them.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

import click

__all__ = ["ENTRY_POINTS", "LazyGroup", "cess", "main"]

ENTRY_POINTS: Final = "cess.commands"

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "put": ("client.cli.files:put", "Encrypt a file and store it."),
    "get": ("client.cli.files:get", "Read a stored file back."),
    "ls": ("client.cli.files:ls", "List an account's files."),
    "rm": ("client.cli.files:rm", "Give up a stored file."),
    "file": ("client.cli.files:show_file", "Show who holds the fragments of a file."),
    "network": ("client.cli.network:network", "Show the chain and its storage miners."),
    "territory": ("client.cli.territory:territory", "Lease the space that files need."),
    "key": ("client.cli.key:key", "Make, look at and insert keys."),
    "mdrc": ("client.cli.mdrc:mdrc", "Fingerprint works, claim them, find near ones."),
    "devnet": ("client.cli.devnet:devnet", "Run a whole network on this machine."),
}

DESCRIPTIONS: Final[Mapping[str, str]] = {
    "node": "Run a node of the chain.",
    "miner": "Run a storage miner and look after it.",
    "chain-spec": "Build and inspect chain specifications.",
    "gateway": "Run an object gateway.",
}
"""For the list of commands, which is shown without importing them."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are invoked.

    With ``--json`` wrong usage is told in a document too.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and leave the program, as click does."""
        arguments = list(sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
        as_json = "--json" in arguments
        try:
            code = super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as failure:
            failure.show()
            _tell(type(failure).__name__, failure.format_message(), as_json=as_json)
            sys.exit(failure.exit_code)
        except click.Abort:
            text = "aborted: nothing was typed"
            click.echo(text, err=True)
            _tell("Aborted", text, as_json=as_json)
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Our commands in the order in which one meets them, then the others."""
        return [*COMMANDS, *sorted(_others())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            return _command(getattr(import_module(module), attribute))
        found = _others().get(cmd_name)
        return None if found is None else _command(found.load())

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands with their descriptions, importing none."""
        rows = [(name, COMMANDS[name][1]) for name in COMMANDS]
        rows += [(name, DESCRIPTIONS.get(name, "")) for name in sorted(_others())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _tell(error: str, message: str, *, as_json: bool) -> None:
    from client.cli.session import tell_failure

    tell_failure(error, message, as_json=as_json)


def _others() -> dict[str, Any]:
    return {found.name: found for found in entry_points(group=ENTRY_POINTS)}


def _command(found: object) -> click.Command:
    assert isinstance(found, click.Command), "because an entry point names a click command"
    return found


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cess", prog_name="cess")
def cess() -> None:
    """A decentralised encrypted storage network.

    Every command takes --json (one document on standard output, logs on standard error) and --help.
    Exit codes: 0 done, 1 failed (the message says what and what to do), 2 wrong usage.
    """


def main() -> None:
    """The program ``cess``."""
    try:
        try:
            cess.main(prog_name="cess", standalone_mode=True)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
