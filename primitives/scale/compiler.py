"""Generates the source of encoders and decoders from shapes, and compiles it.

Records, tuples, options and vectors are written out in line; a recursive class, or what would make
a function too long, is called. ``depth`` counts the recursive classes around a value, which does
not depend on what is written in line: whether bytes decode must not change with this module.

Compiling shares nothing with other threads: they may compile at the same time.

Bounds: those of ``writer``; values nest at most ``guards.DEPTH_MAX`` recursive classes deep.
"""

from typing import Any

from .decoder import DecoderWriter
from .encoder import EncoderWriter
from .writer import Compiled, Scope

__all__ = ["Compiled", "compile_type"]


def compile_type(kind: Any, known: dict[Any, Compiled]) -> dict[Any, Compiled]:
    """The functions of ``kind`` and of every type that they call, without those ``known``."""
    scope = Scope(known)
    scope.number(kind)
    parts: list[str] = []
    while scope.waiting:
        each, number = scope.waiting.pop()
        parts.append(DecoderWriter(scope, each).function(f"decode_{number}"))
        parts.append(EncoderWriter(scope, each).function(f"encode_{number}"))
    source = "\n".join(parts)
    made = scope.globals
    exec(compile(source, f"<SCALE codec of {kind!r}>", "exec"), made)  # noqa: S102
    return {
        each: Compiled(made[f"decode_{number}"], made[f"encode_{number}"], source)
        for each, number in scope.numbers.items()
        if each not in known
    }
