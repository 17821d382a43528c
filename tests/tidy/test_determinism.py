"""What may not appear where all nodes must compute the same: docs/architecture.md, Determinism."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The runtime and all that it verifies with. The proving side of `proofs` works on files and may
# use numpy's floats nowhere either, so it is not excepted.
PURE = ("primitives", "proofs", "pallets")

# Touches files by design: see their module docstrings.
KEYSTORE = {"primitives/keystore.py"}

BANNED_CALLS = {"hash", "id", "float"}
BANNED_MODULES = {
    "time",
    "random",
    "secrets",
    "threading",
    "asyncio",
    "trio",
    "anyio",
    "socket",
    "locale",
    "plyvel",
    "substrateinterface",
}
# Memory addresses and salted hashes are allowed where Python's data model asks for `__hash__`.
DATA_MODEL = {"__hash__", "__repr__", "__eq__"}


def modules() -> list[Path]:
    return sorted(path for name in PURE for path in (ROOT / name).rglob("*.py"))


def offences(tree: ast.AST, *, keystore: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if not keystore:
                for alias in names:
                    if alias.name.split(".")[0] in BANNED_MODULES:
                        yield f"line {node.lineno}: imports {alias.name}"
            case ast.ImportFrom(module=str(module), level=0) if not keystore:
                if module.split(".")[0] in BANNED_MODULES:
                    yield f"line {node.lineno}: imports {module}"
            case ast.Constant(value=float()):
                yield f"line {node.lineno}: a float literal"
            case ast.BinOp(op=ast.Div()) if not _is_path_join(node):
                yield f"line {node.lineno}: true division (use // with its rounding in mind)"
            case ast.For(iter=ast.Set() | ast.SetComp()):
                yield f"line {node.lineno}: iterates a set, whose order varies"
            case ast.For(iter=ast.Call(func=ast.Name(id="set" | "frozenset"))):
                yield f"line {node.lineno}: iterates a set, whose order varies"


def _is_path_join(node: ast.BinOp) -> bool:
    """A `/` with a string literal on its right joins paths; other joins are spelled `joinpath`.

    Names prove nothing (`path_bytes / count` divides), so a string is the only evidence taken.
    """
    match node.right:
        case ast.JoinedStr() | ast.Constant(value=str()):
            return True
    return False


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pure_module_uses_nothing_that_differs_between_nodes(path: Path) -> None:
    relative = str(path.relative_to(ROOT))
    tree = ast.parse(path.read_text())
    assert list(offences(tree, keystore=relative in KEYSTORE)) == []


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("import time", "imports time"),
        ("from random import choice", "imports random"),
        ("x = 0.5", "float literal"),
        ("x = a / b", "true division"),
        ("x = path_bytes / 2", "true division"),
        ("x = directory / name", "true division"),
        ("for x in {1, 2}: pass", "iterates a set"),
        ("for x in set(y): pass", "iterates a set"),
    ],
)
def test_the_check_sees_each_hazard(source: str, word: str) -> None:
    found = list(offences(ast.parse(source), keystore=False))
    assert len(found) == 1
    assert word in found[0]


@pytest.mark.parametrize("source", ["x = a / 'name'", "x = a / f'{b}.part'", "x = a // b"])
def test_the_check_lets_joins_with_a_string_pass(source: str) -> None:
    assert list(offences(ast.parse(source), keystore=False)) == []
