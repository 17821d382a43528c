"""Our own rules that no linter knows: names and lengths of files, comments, documents, links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("primitives", "proofs", "pallets", "chain_spec", "client", "node", "storage_miner")
BANNED_NAMES = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "manager.py"}
MODULE_LINES_MAX = 1000
# Packages in which every module has a test file of its own; others join when they reach it.
TWINNED_PACKAGES = ("proofs",)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


def python_files() -> list[Path]:
    return sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_top_level_is_what_the_card_says() -> None:
    folders = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name != "__pycache__"
    }
    allowed = {*PACKAGES, "tests", "docs", "benchmarks", "gateway", "cess.egg-info"}
    assert folders <= allowed


def test_files_are_nouns() -> None:
    assert [path for path in python_files() if path.name in BANNED_NAMES] == []


def test_no_module_outgrows_one_subject() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in python_files()
        if (lines := len(path.read_text().splitlines())) > MODULE_LINES_MAX
    }
    assert long == {}


def test_every_module_has_its_twin() -> None:
    """`a/b/c.py` is tested by `tests/a/b/test_c.py`, or `test_b_c.py` where `c` says too little."""
    missing = []
    for package in TWINNED_PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.stem in ("__init__", "__main__"):
                continue
            folder = ROOT / "tests" / path.parent.relative_to(ROOT)
            names = (f"test_{path.stem}.py", f"test_{path.parent.name}_{path.stem}.py")
            if not any((folder / name).exists() for name in names):
                missing.append(str(path.relative_to(ROOT)))
    assert missing == []


def test_no_leftovers() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError|pragma: no cover")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in python_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(line)
    ]
    assert found == []


def test_every_module_says_what_it_holds() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files()
        if path.read_text().strip() and not path.read_text().lstrip().startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_every_package_is_typed() -> None:
    assert [name for name in PACKAGES if not (ROOT / name / "py.typed").exists()] == []


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    missing = [
        target
        for target in LINK.findall(document.read_text())
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert missing == []


def test_the_index_lists_every_decision() -> None:
    index = (ROOT / "docs/adr/README.md").read_text()
    records = sorted(path.name for path in (ROOT / "docs/adr").glob("[0-9]*.md"))
    assert records
    assert [name for name in records if name not in index] == []
