"""A runtime of the next spec version, which this program's own registry does not have."""

from dataclasses import replace
from functools import cache

from node.runtime import VERSION, CessRuntime, runtime_at
from node.runtime.shim import shim_code
from pallets.frame.version import RuntimeVersion
from primitives.scale import U32
from tests.node.runtime.chain import genesis_state

__all__ = ["NextRuntime", "next_code"]


class NextRuntime(CessRuntime):
    """The same pallets, one version later."""

    version = replace(VERSION, spec_version=U32(VERSION.spec_version + 1))


@cache
def next_code(version: RuntimeVersion = NextRuntime.version) -> bytes:
    """The shim of the next runtime, or of another version of it."""
    kind = type("Variant", (NextRuntime,), {"version": version})
    made = runtime_at(genesis_state())
    return shim_code(kind(genesis_state(), made.constants))
