"""The runtime of the chain: pallets put together, its version, its APIs, its genesis.

``runtime_at(state)`` is where a node begins: give the result to ``Executive`` to make or check a
block, or to ``apis`` to answer one ``state_call``.
"""

from node.runtime.apis import API_SPECS
from node.runtime.composition import CessRuntime, NoConstants, runtime_at
from node.runtime.genesis import build_state
from node.runtime.reports import babe_report, grandpa_report
from node.runtime.version import CODE_KEY, VERSION, RuntimeNotKnown
from pallets.frame.runtime_api import RuntimeApis

__all__ = [
    "API_SPECS",
    "CODE_KEY",
    "VERSION",
    "CessRuntime",
    "NoConstants",
    "RuntimeNotKnown",
    "apis",
    "babe_report",
    "build_state",
    "grandpa_report",
    "runtime_at",
]


def apis(runtime: CessRuntime) -> RuntimeApis[CessRuntime]:
    """The APIs over the state of ``runtime``; it answers one question."""
    return RuntimeApis(runtime, API_SPECS)
