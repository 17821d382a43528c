"""The command `cess`: wrong usage, expected failures, exit codes, and what is shown of secrets."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from client.cli import cess
from client.cli.session import amount, parse_hash, size_text

FID = "0x" + "ab" * 32
NOWHERE = ["--rpc", "ws://127.0.0.1:1"]


def run(*arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(cess, list(arguments), **more)


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["put"],
        ["put", "/no/such/file"],
        ["get", FID],
        ["territory", "mint", "--days", "1"],
        ["territory", "mint", "--size", "0", "--days", "1"],
        ["key", "generate", "--words", "13"],
        ["devnet", "up"],
        ["put", __file__, "--wait", "forever"],
        ["network", "--rpc", "http://127.0.0.1:9944"],
        ["network", "--rpc", "ws://a:1,ws://a:1"],
        ["network", *(["--rpc", "ws://a:1"] * 9)],
    ],
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["get", "abc", "out", *NOWHERE], "not a hash"),
        (["put", __file__, *NOWHERE], "--keyfile"),
        (["put", __file__, "--suri", "bottom drive obey", *NOWHERE], "cess key generate"),
        (["put", __file__, "--suri", "//A", "--keyfile", "f", *NOWHERE], "--keyfile"),
        (["ls", "--account", "cXnonsense", *NOWHERE], "address"),
        (["get", FID, "out", "--range", "5", *NOWHERE], "START-END"),
        (["ls", "--suri", "//Alice", "--keyfile", "/no/file", *NOWHERE], "--keyfile"),
        (["key", "inspect"], "address"),
        (["key", "insert", "--key-type", "toolong", "--scheme", "sr25519",
          "--keystore-path", "x", "--suri", "//A"], "four letters"),
        (["devnet", "status", "--base-path", "/no/such"], "cess devnet up"),
    ],
)  # fmt: skip
def test_a_failure_is_1_and_says_what_to_do(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert words in result.stderr


def test_an_unreachable_node_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import client.chain.limits

    quick = client.chain.limits.ChainLimits(connect_timeout_s=0.3)
    monkeypatch.setattr("client.cli.session.command_limits", lambda: quick)
    result = run("network", *NOWHERE, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"] == "ChainUnreachable"
    assert "--rpc" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["--rpc", "ws://127.0.0.1:1", "--rpc", "ws://127.0.0.1:2"], None),
        (["--rpc", "ws://127.0.0.1:1,ws://127.0.0.1:2"], None),
        ([], "ws://127.0.0.1:1,ws://127.0.0.1:2"),
        (["--rpc", "ws://127.0.0.1:1,ws://127.0.0.1:2"], "ws://127.0.0.1:3"),
    ],
)
def test_several_nodes_are_given_by_repeating_with_commas_or_by_the_variable(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str | None
) -> None:
    import client.chain.limits

    quick = client.chain.limits.ChainLimits(connect_timeout_s=5.0)
    monkeypatch.setattr("client.cli.session.command_limits", lambda: quick)
    result = run("network", *arguments, "--json", env={"CESS_RPC": variable})
    assert result.exit_code == 1
    said = json.loads(result.stdout)["message"]
    assert "ws://127.0.0.1:1" in said
    assert "ws://127.0.0.1:2" in said
    assert "ws://127.0.0.1:3" not in said


def test_a_phrase_on_the_command_line_is_refused_and_not_repeated() -> None:
    result = run("ls", "--suri", "bottom drive obey lake", *NOWHERE)
    assert result.exit_code == 1
    assert "bottom" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["put"],
        ["put", "/no/such/file"],
        ["put", __file__, "--wait", "forever"],
        ["get", "abc", "out", *NOWHERE],
        ["put", __file__, *NOWHERE],
        ["put", __file__, "--suri", "bottom drive", *NOWHERE],
        ["territory", "mint", "--size", "1", "--days", "1", "--name", "x" * 99, "--suri", "//A"],
        ["territory", "mint", "--size", "1", "--days", "1", "--name", "\udcff", "--suri", "//A"],
        ["key", "inspect", "-"],
        ["put", __file__, "--territory", "x" * 99, "--suri", "//A"],
        ["key", "insert", "--key-type", "babe", "--scheme", "ed25519", "--keystore-path", "/dev"],
    ],
)  # fmt: skip
def test_with_json_every_failure_is_one_document_and_nothing_else(arguments: list[str]) -> None:
    result = run(*arguments, "--json")
    assert result.exit_code in (1, 2)
    document = json.loads(result.stdout)
    assert document["error"]
    assert document["message"]
    assert result.stderr


def test_with_json_an_interruption_is_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_work: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("client.cli.network.run_async", interrupt)
    result = run("network", "--json")
    assert result.exit_code == 130
    assert json.loads(result.stdout)["error"] == "Interrupted"


def test_a_mistake_of_the_program_is_a_document_and_a_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_work: object) -> None:
        raise LookupError("a mistake")

    monkeypatch.setattr("client.cli.network.run_async", fail)
    result = run("network", "--json")
    assert result.exit_code == 1
    assert isinstance(result.exception, LookupError)
    assert json.loads(result.stdout) == {"error": "LookupError", "message": "a mistake"}


def test_a_reader_that_goes_away_is_no_crash() -> None:
    code = (
        "import os, sys; r, w = os.pipe(); os.dup2(w, 1); os.close(w); os.close(r); "
        "sys.argv = ['cess', 'key', 'inspect', '//Alice']; from client.cli.app import main; main()"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert found.stderr == ""


def test_a_phrase_typed_for_inspection_is_not_repeated() -> None:
    result = run("key", "inspect", "bottom drive obey", "--json")
    assert result.exit_code == 1
    assert "bottom" not in result.output
    assert "write -" in result.stderr


def test_passwords_of_any_bytes_are_different_passwords(tmp_path: Path) -> None:
    """Random bytes are no UTF-8; taken as one replacement character they would all be equal."""
    password = tmp_path / "password"
    options = ["--keyfile", str(tmp_path / "key"), "--password-file", str(password)]
    password.write_bytes(b"\xff\xfe\xfd")
    made = run("key", "generate", "--out", str(tmp_path / "key"), *options[2:])
    assert made.exit_code == 0
    assert run("key", "inspect", *options).exit_code == 0
    password.write_bytes(b"\xfc\xfb\xfa")
    assert run("key", "inspect", *options).exit_code == 1


def test_start_up_imports_nothing_heavy() -> None:
    code = (
        "import sys; from client.cli import cess; from click.testing import CliRunner; "
        "assert CliRunner().invoke(cess, ['--help']).exit_code == 0; "
        "print([m for m in ('substrateinterface', 'numpy', 'trio', 'httpx', 'rich', 'structlog', "
        "'cryptography', 'node', 'storage_miner') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_command_is_listed_and_explains_itself() -> None:
    listed = run("--help").stdout
    for name in ("put", "get", "ls", "rm", "file", "network", "territory", "key", "mdrc", "devnet"):
        assert f"  {name} " in listed
        assert run(name, "--help").exit_code == 0
    for name in ("node", "miner", "chain-spec"):
        assert f"  {name} " in listed


def test_a_new_key_shows_its_phrase_once_or_goes_to_a_file(tmp_path: Path) -> None:
    shown = json.loads(run("key", "generate", "--json").stdout)
    assert len(shown["phrase"].split()) == 12
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    keyfile = tmp_path / "key"
    options = ["--password-file", str(password)]
    made = run("key", "generate", "--out", str(keyfile), *options, "--json")
    assert made.exit_code == 0
    document = json.loads(made.stdout)
    assert "phrase" not in document
    seen = json.loads(run("key", "inspect", "--keyfile", str(keyfile), *options, "--json").stdout)
    assert seen["account"] == document["account"]
    password.write_text("wrong")
    assert run("key", "inspect", "--keyfile", str(keyfile), *options).exit_code == 1


def test_a_key_is_inspected_in_every_form() -> None:
    alice = json.loads(run("key", "inspect", "//Alice", "--json").stdout)
    assert alice["account"].startswith("cX")
    for form in (alice["account"], alice["account_id"]):
        seen = json.loads(run("key", "inspect", form, "--json").stdout)
        assert seen["account_id"] == alice["account_id"]
    typed = run("key", "inspect", "-", "--json", input="//Alice\n")
    assert json.loads(typed.stdout)["account"] == alice["account"]


def test_a_key_is_inserted_where_the_node_looks(tmp_path: Path) -> None:
    made = run(
        "key", "insert", "--base-path", str(tmp_path), "--chain-id", "cess_dev",
        "--key-type", "babe", "--scheme", "sr25519", "--suri", "//Alice", "--json",
    )  # fmt: skip
    assert made.exit_code == 0
    public = json.loads(made.stdout)["public_key"]
    keystore = tmp_path / "chains" / "cess_dev" / "keystore"
    assert [path.name for path in keystore.iterdir()] == [b"babe".hex() + public[2:]]


def test_a_node_key_names_its_peer_wherever_it_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "node-key"
    made = run("key", "generate-node-key", "--file", str(path), "--json")
    peer = json.loads(made.output)["peer_id"]
    assert peer.startswith("12D3KooW")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() not in made.output
    assert run("key", "inspect-node-key", "--file", str(path)).output == f"{peer}\n"
    path.write_bytes(bytes.fromhex(path.read_text()))
    assert run("key", "inspect-node-key", "--file", str(path)).output == f"{peer}\n"
    again = run("key", "generate-node-key", "--file", str(path))
    assert again.exit_code == 1
    assert "exists" in again.output
    shown = json.loads(run("key", "generate-node-key", "--json").output)
    assert len(bytes.fromhex(shown["node_key"])) == 32
    path.write_bytes(b"junk")
    assert run("key", "inspect-node-key", "--file", str(path)).exit_code == 1


def test_fingerprints_need_no_chain(tmp_path: Path) -> None:
    work = tmp_path / "work.txt"
    work.write_text("a work of some length, " * 50)
    document = json.loads(run("mdrc", "fingerprint", str(work), "--json").stdout)
    assert document["size"] == work.stat().st_size
    assert len(document["data"]) == 66
    assert document["content"] is not None


def test_amounts_and_sizes_are_readable() -> None:
    assert amount(4_400 * 10**18) == "4,400 TCESS"
    assert amount(10**18 // 4) == "0.25 TCESS"
    assert size_text(1023) == "1023 B"
    assert size_text(4 << 20) == "4.0 MiB"
    assert parse_hash(FID) == parse_hash(FID[2:])
