"""What a daemon tells its cores and asks of the chain for each order, read from its source.

The simulated miner is written by hand beside ``storage_miner.service``, for that one lives in trio,
HTTP and real files. ``said`` reads either: from ``_perform`` on, through the methods that it calls,
along the branches that an order takes. The outcome is names: ``tell deals.Committed``, a fact for
the cores, and ``ask report_fragments``, a read or a call of the chain.
"""

import ast
import inspect
from collections.abc import Iterator
from typing import Any

_HELD = ("transfers",)
"""Attributes whose methods are walked into as if they were the daemon's own."""
_CHAIN = ("_chain", "chain")


def said(order: str, start: str, *classes: type[Any]) -> frozenset[str]:
    """What the first class, with those that it holds, says when it carries out ``order``.

    ``order`` is named as in patterns, ``deals.Commit``; ``start`` is the method that gets it.
    """
    walk = _Walk(order, _methods(*classes))
    walk.enter(start)
    return frozenset(walk.found)


def _methods(*classes: type[Any]) -> dict[str, ast.AST]:
    found: dict[str, ast.AST] = {}
    for each in classes:
        tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(each)))
        for item in ast.walk(tree):
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                found.setdefault(item.name, item)
    return found


class _Walk:
    def __init__(self, order: str, methods: dict[str, ast.AST]) -> None:
        self._order = order
        self._methods = methods
        self._entered: dict[str, None] = {}
        self.found: dict[str, None] = {}

    def enter(self, name: str) -> None:
        if name in self._methods and name not in self._entered:
            self._entered[name] = None
            for child in ast.iter_child_nodes(self._methods[name]):
                self._look(child)

    def _look(self, node: ast.AST) -> None:
        if isinstance(node, ast.Match) and ast.unparse(node.subject) == "effect":
            for body in self._taken(node):
                self._look(body)
            return
        if isinstance(node, ast.Call):
            self._called(node)
        for child in ast.iter_child_nodes(node):
            self._look(child)

    def _taken(self, node: ast.Match) -> Iterator[ast.AST]:
        taken = [case for case in node.cases if self._order in _names(case.pattern)]
        for case in taken or [case for case in node.cases if _is_wild(case.pattern)]:
            yield from case.body

    def _called(self, call: ast.Call) -> None:
        parts = ast.unparse(call.func).split(".")
        if parts[0] != "self" or len(parts) < 2:
            return
        if parts[1] == "tell" and call.args:
            told = call.args[0]
            name = ast.unparse(told.func) if isinstance(told, ast.Call) else ast.unparse(told)
            self.found[f"tell {name}"] = None
        elif parts[1] in _CHAIN:
            self.found[f"ask {parts[2]}"] = None
        elif len(parts) == 2 or parts[1] in _HELD:
            self.enter(parts[-1])


def _names(pattern: ast.pattern) -> list[str]:
    return [ast.unparse(each.cls) for each in ast.walk(pattern) if isinstance(each, ast.MatchClass)]


def _is_wild(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None
