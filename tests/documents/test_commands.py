"""Every command that a document names exists, with the flags that it is given there."""

from pathlib import Path

import click
import pytest

from client.cli.app import cess
from tests.documents.shell import commands, documents

GROUPS = {"cess-node": ("node",), "cess-miner": ("miner",)}


def check(words: list[str]) -> str | None:
    """What is wrong with a command line, None if nothing is."""
    words = [*GROUPS.get(words[0], ()), *words[1:]]
    command: click.Command = cess
    context = click.Context(cess)
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        names = words[0].split("|")
        found = [command.get_command(context, name.strip()) for name in names]
        if any(item is None for item in found):
            if command.invoke_without_command or words[0].isupper():
                break
            return f"no command {words[0]!r} in {command.name!r}"
        if len(found) > 1:
            return None
        assert found[0] is not None
        command = found[0]
        context = click.Context(command, parent=context)
        words = words[1:]
    known = {
        name for item in command.get_params(context) for name in (*item.opts, *item.secondary_opts)
    }
    known |= {name for item in cess.get_params(context) for name in item.opts}
    flags = [word.split("=")[0] for word in words if word.startswith("-") and word != "-"]
    unknown = [flag for flag in flags if flag not in known]
    return f"{command.name!r} has no {unknown}" if unknown else None


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_a_command_in_a_document_exists(document: Path) -> None:
    wrong = {" ".join(words): problem for words in commands(document) if (problem := check(words))}
    assert wrong == {}


def test_the_check_sees_a_wrong_command_and_a_wrong_flag() -> None:
    assert check(["cess", "stare", "README.md"]) is not None
    assert check(["cess", "put", "README.md", "--loudly"]) is not None
    assert check(["cess", "put", "README.md", "--public"]) is None
