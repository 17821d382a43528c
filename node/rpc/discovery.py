"""``rpc_discover``: the methods of a node as an OpenRPC document, made from their signatures.

Names, parameters and texts come from the registry, so the document cannot differ from what is
served. Results are described in words, because their shapes belong to Substrate.
Source: OpenRPC specification 1.3.
"""

import inspect
from types import NoneType
from typing import Final, get_args, get_origin

from node.rpc.jsonrpc import Json
from node.rpc.registry import Method, Parameter, Registry, Subscription
from primitives.types import AccountId, Hash

__all__ = ["openrpc"]

OPENRPC: Final = "1.3.2"

_SCHEMAS: Final[dict[object, dict[str, Json]]] = {
    bytes: {"type": "string", "pattern": "^(0x)?([0-9a-fA-F]{2})*$"},
    Hash: {"type": "string", "pattern": "^(0x)?[0-9a-fA-F]{64}$"},
    int: {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]},
    bool: {"type": "boolean"},
    str: {"type": "string"},
    AccountId: {"type": "string", "description": "an SS58 address, or 32 bytes of hex"},
    object: {},
}


def _schema(hint: object) -> dict[str, Json]:
    if hint in _SCHEMAS:
        return _SCHEMAS[hint]
    arguments = get_args(hint)
    if get_origin(hint) is list:
        return {"type": "array", "items": _schema(arguments[0])}
    (inner,) = (argument for argument in arguments if argument is not NoneType)
    return {"oneOf": [_schema(inner), {"type": "null"}]}


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "required": parameter.is_required,
        "schema": _schema(parameter.hint),
    }


def _entry(name: str, method: Method) -> dict[str, Json]:
    text = inspect.getdoc(method.function) or ""
    found: dict[str, Json] = {
        "name": name,
        "summary": text.partition("\n")[0],
        "paramStructure": "either",
        "params": [_parameter(parameter) for parameter in method.parameters],
        "result": {"name": "result", "schema": {}},
    }
    tags: list[Json] = []
    if method.unsafe:
        tags.append({"name": "unsafe", "description": "refused on public ports"})
    if isinstance(method, Subscription):
        events = f"events are called {method.event}, ended by {method.unsubscribe_names[0]}"
        tags.append({"name": "subscription", "description": events})
        found["result"] = {"name": "subscription", "schema": {"type": "string"}}
    if tags:
        found["tags"] = tags
    return found


def _end(name: str, method: Subscription) -> dict[str, Json]:
    schema: dict[str, Json] = {"type": "null" if method.ends_silently else "boolean"}
    return {
        "name": name,
        "summary": f"End a subscription that {method.name} began.",
        "paramStructure": "either",
        "params": [{"name": "subscription", "required": True, "schema": {"type": "string"}}],
        "result": {"name": "ended", "schema": schema},
    }


def _about(name: str, summary: str) -> dict[str, Json]:
    return {
        "name": name,
        "summary": summary,
        "params": [],
        "result": {"name": "result", "schema": {"type": "object"}},
    }


def openrpc(registry: Registry, version: str) -> dict[str, Json]:
    """The document; its methods are those of ``rpc_methods``, in that order."""
    entries = {name: _entry(name, method) for name, method in registry.methods.items()}
    entries |= {name: _end(name, method) for name, method in registry.unsubscribe_names.items()}
    entries["rpc_methods"] = _about("rpc_methods", "The names of all methods.")
    entries["rpc_discover"] = _about("rpc_discover", "This document.")
    return {
        "openrpc": OPENRPC,
        "info": {"title": "CESS node", "version": version},
        "methods": [entries[name] for name in registry.names()],
    }
