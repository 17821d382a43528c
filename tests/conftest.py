"""How property tests run: the same examples every time, or many more and new ones with ``--fuzz``.

``pytest --fuzz 50`` runs property tests only, each with fifty times its examples and a new seed,
which is printed where one fails.
"""

import sys
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings

_RECURSION_LIMIT = sys.getrecursionlimit()

import py_ecc.optimized_bls12_381  # noqa: E402, F401

# py_ecc raises the limit for the whole process when it is imported. With it a parser that recurses
# ends in a crash where every process of ours raises RecursionError.
sys.setrecursionlimit(_RECURSION_LIMIT)

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("fuzz", derandomize=False, deadline=None, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz",
        type=int,
        default=0,
        metavar="N",
        help="run property tests only, with N times their examples and a new seed",
    )


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("fuzz" if config.getoption("--fuzz") else "repeatable")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    factor = config.getoption("--fuzz")
    if not factor:
        return
    kept = [item for item in items if is_hypothesis_test(getattr(item, "obj", None))]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    for item in kept:
        function: Any = getattr(item.obj, "__func__", item.obj)  # type: ignore[attr-defined]
        given = getattr(function, "_hypothesis_internal_use_settings", settings.default)
        function._hypothesis_internal_use_settings = settings(
            given,
            max_examples=given.max_examples * factor,
            derandomize=False,
            print_blob=True,
            deadline=None,
        )
