"""The command line: help, exit codes, one document, start-up without heavy imports."""

import json
import subprocess
import sys

import click
import pytest
import trio
from click.testing import CliRunner

from storage_miner.cli import _lines, _run_async, miner, parse_amount
from storage_miner.errors import TaskFailed

COMMANDS = [
    "run",
    "status",
    "register",
    "stake",
    "claim",
    "exit",
    "withdraw",
    "repair",
    "doctor",
]
KEY = ["--suri", "//Alice"]
# Nothing listens there.
NODE = ["--rpc", "ws://127.0.0.1:9"]


def test_every_command_of_the_contract_is_there() -> None:
    assert sorted(miner.commands) == sorted((*COMMANDS, "plots", "volumes"))


@pytest.mark.parametrize(
    "command",
    [*COMMANDS, "plots pause", "plots resume", "volumes list", "volumes forget"],
)
def test_every_command_has_help_and_json(command: str) -> None:
    done = CliRunner().invoke(miner, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert "--json" in done.output


def test_a_wrong_flag_is_a_usage_error() -> None:
    assert CliRunner().invoke(miner, ["status", "--nonsense"]).exit_code == 2
    assert CliRunner().invoke(miner, ["stake"]).exit_code == 2


def test_a_wrong_setting_fails_with_one_document_and_a_message() -> None:
    done = CliRunner().invoke(miner, ["run", "--json", "--rpc", "http://x", *KEY])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"] == "ConfigInvalid"
    assert "`rpc`" in done.stderr


def test_exit_asks_first() -> None:
    done = CliRunner().invoke(miner, ["exit", *NODE, *KEY], input="n\n")
    assert done.exit_code == 1
    assert "Go on?" in done.stderr


@pytest.mark.parametrize(
    ("text", "planck"),
    [("1", 10**18), ("0.5", 5 * 10**17), ("4000", 4000 * 10**18), (".000000000000000001", 1)],
)
def test_amounts_are_exact(text: str, planck: int) -> None:
    assert parse_amount(text) == planck


@pytest.mark.parametrize("text", ["", ".", "-1", "1e3", "1.0000000000000000001", "1,5", "9" * 21])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(click.UsageError):
        parse_amount(text)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; import storage_miner.cli; "
        "heavy = {'trio', 'substrateinterface', 'numpy', 'ckzg', 'httpx', 'hypercorn'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_people_read_units_and_programs_exact_numbers() -> None:
    document = {"collateral": str(44 * 10**20 + 5), "idle_bytes": 3 << 29, "fragments": 7}
    assert "4400.0000 TCESS" in _lines(document)
    assert "1.5 GiB" in _lines(document)
    assert " 7" in _lines(document)


def test_a_task_that_could_not_be_kept_ends_the_program_with_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def fail() -> None:
        raise TaskFailed("the task `scrub` failed 6 times")

    async def run() -> None:
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            outer.start_soon(trio.sleep_forever)
            inner.start_soon(fail)

    with pytest.raises(SystemExit) as caught:
        _run_async(run, as_json=False)
    assert caught.value.code == 1
    assert capsys.readouterr().err == "error: the task `scrub` failed 6 times\n"


def test_lists_of_volumes_are_shown_one_under_another() -> None:
    shown = _lines({"volumes": [{"path": "/a", "scrub": {"round": 2}}, {"path": "/b"}]})
    assert shown.splitlines()[0] == "volumes 1:"
    assert "/b" in shown
    assert "{" not in shown
