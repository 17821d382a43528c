"""Calls to submit: a pallet's method with typed arguments, ready to be composed by metadata.

Arguments are encoded twice: by our own codecs when the call is prepared, which checks types and
bounds, and by substrate-interface from the chain's metadata when it is signed. Both must give the
same bytes; a chain that describes the call otherwise is refused before anything is signed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from pallets.frame.call import CallSpec
from primitives.scale import ScaleEnum, Variant, codec

__all__ = ["PreparedCall", "plain_value", "prepare"]


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A call by the names on the wire, its plain arguments, and their encoding by our codecs."""

    pallet: str
    name: str
    arguments: Mapping[str, Any]
    encoded: bytes


def prepare(function: Callable[..., Any], **arguments: Any) -> PreparedCall:
    """``prepare(FileBank.delete_file, owner=..., file_hash=...)``; types are those declared.

    Raises: TypeError for other arguments than declared ones; what the codecs raise.
    """
    spec: CallSpec = function.__call_spec__  # type: ignore[attr-defined]
    names = [name for name, _ in spec.parameters]
    if sorted(names) != sorted(arguments):
        raise TypeError(f"{function.__qualname__} takes {names}, not {sorted(arguments)}")
    encoded = b"".join(codec(kind).encode(arguments[name]) for name, kind in spec.parameters)
    return PreparedCall(
        pallet=function.__qualname__.split(".")[0],
        name=spec.name,
        arguments={name: plain_value(arguments[name]) for name in names},
        encoded=encoded,
    )


def plain_value(value: Any) -> Any:
    """A typed value as substrate-interface takes it: bytes as hex, structures as dictionaries."""
    match value:
        case None | bool() | str():
            return value
        case ScaleEnum():
            return value.name
        case int():
            return int(value)
        case bytes():
            return "0x" + value.hex()
        case tuple() | list():
            return [plain_value(item) for item in value]
        case Variant():
            return {type(value).__scale_name__: _content(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_value(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"a {type(value).__name__} is not a value of a call")


def _content(leaf: Any) -> Any:
    """What a variant holds; substrate-interface takes a lone field called ``value`` bare."""
    names = [field.name for field in fields(leaf)]
    if not names:
        return None
    if names == ["value"]:
        return plain_value(leaf.value)
    return {name: plain_value(getattr(leaf, name)) for name in names}
