"""What README and the guides tell a newcomer to type, typed: commands and programs."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents.shell import ROOT, blocks

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

COMMAND_S = 300
DEVELOPER = ROOT.joinpath("docs", "guides", "developer.md")
VALIDATOR = ROOT.joinpath("docs", "guides", "validator.md")


def environment() -> dict[str, str]:
    """That of this process, with the programs of the virtual environment on the path."""
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}


def run(line: str, directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """One line, as a shell with the virtual environment on its path runs it."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )


def run_all(block: str, directory: Path = ROOT) -> None:
    for line in block.strip().splitlines():
        done = run(line, directory)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    """The network that README's walk starts; its files are stored, and it is taken down again."""
    walk = next(block for block in blocks(ROOT.joinpath("README.md"), "sh") if "devnet up" in block)
    *before, down = walk.strip().splitlines()
    assert "devnet down" in down
    base = Path(down.split()[-1])
    # A network of an earlier version of the chain would be refused, as it must be.
    shutil.rmtree(base, ignore_errors=True)
    try:
        run_all("\n".join(before))
        yield
    finally:
        stopped = run(down)
        shutil.rmtree(base, ignore_errors=True)
        assert stopped.returncode == 0, stopped.stderr


def test_the_walk_of_the_readme_works(network: None) -> None:
    listed = run("cess ls --suri //Alice --json")
    assert '"README.md"' in listed.stdout


def test_the_programs_of_the_developers_guide_run(network: None, tmp_path: Path) -> None:
    query, client = blocks(DEVELOPER, "python")[:2]
    tmp_path.joinpath("read_it.py").write_text(query)
    tmp_path.joinpath("call_it.py").write_text(client)
    first = run("python read_it.py", tmp_path)
    assert (first.returncode, first.stdout.strip()) == (0, "12"), first.stderr
    second = run("python call_it.py", tmp_path)
    assert str(1 << 20) in second.stdout, second.stderr
    assert "FileNonExistent" in second.stderr, "the guide says that the last call fails"


def test_the_file_functions_of_the_developers_guide_run(network: None, tmp_path: Path) -> None:
    functions = blocks(DEVELOPER, "python")[2]
    tmp_path.joinpath("work.txt").write_text("a work of words\n" * 1000)
    tmp_path.joinpath("keep.py").write_text(
        f"{functions}\n\n"
        "import anyio\n"
        "from client.chain import ChainClient\n"
        "from primitives.crypto.keys import KeyPair\n\n\n"
        "async def main():\n"
        '    async with ChainClient.open("ws://127.0.0.1:9944") as chain:\n'
        '        await keep(chain, KeyPair.from_suri("//Alice"), Path("work.txt"))\n\n\n'
        "anyio.run(main, backend='trio')\n"
    )
    run_all("cess territory mint --suri //Alice --name default --size 16 --days 30")
    done = run("python keep.py", tmp_path)
    assert done.returncode == 0, done.stderr
    assert tmp_path.joinpath("back").read_bytes() == tmp_path.joinpath("work.txt").read_bytes()


def follows(line: str) -> bool:
    """Whether a node that is started so takes a block of its peers; it is stopped afterwards."""
    with subprocess.Popen(
        ["bash", "-c", f"exec {line}"],
        cwd=ROOT,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as node:
        late = threading.Timer(COMMAND_S, node.kill)
        late.start()
        assert node.stderr is not None, "because it is a pipe"
        try:
            return any("Imported #" in entry for entry in node.stderr)
        finally:
            late.cancel()
            node.terminate()
            for _ in node.stderr:
                pass  # a full pipe would keep it from ending


def walk(block: str, base: str, *, join: str | None = None, end: str = "") -> None:
    """The commands of a block upon a network that is gone afterwards; a node joins it, then more.

    ``join`` is the node's command, ``end`` is run after it.
    """
    shutil.rmtree(base, ignore_errors=True)
    try:
        run_all(block)
        assert join is None or follows(join), f"it follows nobody: {join}"
        run_all(end)
    finally:
        run(f"cess devnet down --base-path {base}")
        shutil.rmtree(base, ignore_errors=True)


def test_the_readme_shows_four_validators_in_two_commands() -> None:
    found = blocks(ROOT.joinpath("README.md"), "sh")
    two = next(block for block in found if "--validators 4" in block).strip()
    assert len(two.splitlines()) == 2
    walk(f"{two}\ncess devnet status --base-path /tmp/cess-four --json", "/tmp/cess-four")


def test_the_network_of_the_validators_guide_loses_one_has_it_back_and_is_joined() -> None:
    start, profile, restart, join, down = (
        block.strip() for block in blocks(VALIDATOR, "sh") if "/tmp/cess-home" in block
    )
    killed = (
        "kill -9 $(cess devnet status --base-path /tmp/cess-home | awk '$1==\"dave\"{print $3}')"
    )
    lines = f"{start}\n{killed}\n{profile}\nsleep 2\n{restart}"
    walk(lines, "/tmp/cess-home", join=join, end=down)


def test_the_specs_of_the_validators_guide_are_made(tmp_path: Path) -> None:
    lines = [line.strip() for block in blocks(VALIDATOR, "") for line in block.splitlines()]
    wanted = [line for line in lines if line.startswith(("cess chain-spec", "cess key"))]
    assert len(wanted) >= 4
    run_all("\n".join(wanted), tmp_path)
    assert tmp_path.joinpath("my-chain-raw.json").stat().st_size > 0
