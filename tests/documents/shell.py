"""What the documents tell a person to type, found in their Markdown."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
PROGRAMS = ("cess", "cess-node", "cess-miner", ".venv/bin/cess")


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    return sorted([*ROOT.glob("*.md"), *ROOT.joinpath("docs").rglob("*.md")])


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks in a language, in order."""
    return [found[3] for found in FENCE.finditer(document.read_text()) if found[2] == language]


def commands(document: Path) -> Iterator[list[str]]:
    """The words of each command of ours that a document names, in fences or in the text."""
    text = document.read_text()
    lines = [line.strip() for found in FENCE.finditer(text) for line in found[3].splitlines()]
    lines += [found[1] for found in SPAN.finditer(FENCE.sub("", text))]
    for line in lines:
        words = shlex.split(line.split(" #")[0]) if line.startswith(PROGRAMS) else []
        if words and words[0] in PROGRAMS:
            yield words
