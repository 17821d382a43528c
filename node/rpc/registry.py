"""Methods of the node's JSON-RPC: a typed function is all that a method needs.

The signature parses the parameters: after the context (and the sink, for subscriptions) each
parameter has a type of ``PARSERS``, ``list[...]`` of one, ``... | None``, or ``object`` for JSON as
it came. Parameters with defaults may be left out; null stands for a left-out one.

``per_connection`` methods get the caller's connection (``dispatch.Caller``) after the context and
are served on WebSockets only.

A plain function reads state and runs in a worker thread, unless it is ``quick``: a few lookups,
which cost less than a thread does, are made on the loop (a function of the arguments may tell which
calls are quick). An ``async`` function runs on the loop too
and must not work long. What a ``stable`` method answers is the same for everybody until the best or
the last final block changes, except that null may become something.

Names are wire: each is written out, aliases too, and ``rpc_methods`` lists exactly those.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType, NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

from node.rpc.jsonrpc import METHOD_NOT_FOUND, Json, Request, invalid_params
from primitives.crypto.ss58 import ss58_decode
from primitives.errors import CessError, RpcError
from primitives.types import AccountId, Hash

__all__ = [
    "PARSERS",
    "SERVED_BY_DISPATCHER",
    "Method",
    "Parameter",
    "Registry",
    "Subscription",
    "camel_case",
    "rpc_method",
    "rpc_subscription",
    "to_hex",
    "unsafe_call",
]

Parser = Callable[[object], Any]

_HEX: Final = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})*)")
HASH_BYTES: Final = 32
SERVED_BY_DISPATCHER: Final = ("rpc_discover", "rpc_methods")
"""Methods about the methods."""
_NUMBER_MAX: Final = (1 << 64) - 1


def unsafe_call() -> RpcError:
    """The error for a call that only the operator may make."""
    return RpcError(METHOD_NOT_FOUND, "RPC call is unsafe to be called externally")


def to_hex(data: bytes) -> str:
    """Lower-case hex with its prefix."""
    return "0x" + data.hex()


def _bytes(value: object) -> bytes:
    """Bytes from hex, with 0x or without: some clients leave it out, and Substrate takes both."""
    if isinstance(value, str):
        found = _HEX.fullmatch(value)
        if found is not None:
            return bytes.fromhex(found.group(1))
    raise invalid_params("expected bytes as hex")


def _hash(value: object) -> Hash:
    data = _bytes(value)
    if len(data) != HASH_BYTES:
        raise invalid_params(f"expected {HASH_BYTES} bytes of hash, got {len(data)}")
    return Hash(data)


def _integer(value: object) -> int:
    """A number, or its decimal or 0x-hexadecimal text: clients send all three."""
    if isinstance(value, str):
        try:
            value = int(value, 16 if value.startswith("0x") else 10) if len(value) <= 20 else -1
        except ValueError:
            value = None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _NUMBER_MAX:
        return value
    raise invalid_params("expected a number that is not negative")


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise invalid_params("expected true or false")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise invalid_params("expected a string")


def _account(value: object) -> AccountId:
    if isinstance(value, str) and value.startswith("0x"):
        data = _bytes(value)
        if len(data) == HASH_BYTES:
            return AccountId(data)
    elif isinstance(value, str):
        try:
            return ss58_decode(value)
        except CessError as error:
            raise invalid_params(str(error)) from error
    raise invalid_params("expected an account: an SS58 address or 32 bytes of hex")


def _raw(value: object) -> object:
    return value


PARSERS: Final[dict[object, Parser]] = {
    bytes: _bytes,
    Hash: _hash,
    int: _integer,
    bool: _boolean,
    str: _text,
    AccountId: _account,
    object: _raw,
}
"""Types that a parameter may have."""


def _parser(hint: object) -> Parser:
    if hint in PARSERS:
        return PARSERS[hint]
    arguments = get_args(hint)
    if get_origin(hint) is list:
        one = _parser(arguments[0])

        def many(value: object) -> list[Any]:
            if not isinstance(value, list):
                raise invalid_params("expected a list")
            return [one(entry) for entry in value]

        return many
    assert get_origin(hint) in (UnionType, Union), f"no parser for a parameter of type {hint}"
    (inner,) = (argument for argument in arguments if argument is not NoneType)
    return _parser(inner)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a method: its name on the wire, and what it may be."""

    name: str
    hint: object
    parse: Parser
    default: object

    @property
    def is_required(self) -> bool:
        """Whether a caller must give it."""
        return self.default is inspect.Parameter.empty

    def take(self, value: object) -> Any:
        """The value that the function gets; raises ``RpcError`` for a wrong one."""
        if value is None:
            if self.is_required:
                raise invalid_params(f"{self.name} is missing")
            return self.default
        return self.parse(value)


@dataclass(frozen=True, slots=True)
class Method:
    """A function that answers calls of ``name``."""

    name: str
    aliases: tuple[str, ...]
    unsafe: bool
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    is_async: bool
    per_connection: bool = False
    quick: bool | Callable[..., bool] = False
    stable: bool = False
    executes: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All names that it answers to."""
        return (self.name, *self.aliases)

    def is_quick(self, arguments: list[Any]) -> bool:
        """Whether the call with these arguments is made on the loop."""
        return self.quick if isinstance(self.quick, bool) else self.quick(*arguments)

    def arguments(self, params: list[Json] | dict[str, Json]) -> list[Any]:
        """The function's arguments after the context; raises ``RpcError`` for wrong ones."""
        if isinstance(params, dict):
            known = {parameter.name for parameter in self.parameters}
            params = {camel_case(name): value for name, value in params.items()}
            if not params.keys() <= known:
                raise invalid_params(f"{self.name} takes {', '.join(sorted(known)) or 'nothing'}")
            return [parameter.take(params.get(parameter.name)) for parameter in self.parameters]
        return [  # what comes after the last one is left alone, as Substrate's server does
            parameter.take(params[at] if at < len(params) else None)
            for at, parameter in enumerate(self.parameters)
        ]


@dataclass(frozen=True, slots=True)
class Subscription(Method):
    """A method whose answer is a subscription; ``event`` names its notifications.

    ``ends_silently``: its unsubscribing answers null, not whether there was one. One connection
    has at most ``count_max`` of them; ``too_many`` is code and text of the error for one more.
    ``farewell`` is the last event for a reader that is too slow. ``unsafe_if`` tells which
    arguments are refused on public ports.
    """

    event: str = ""
    unsubscribe_names: tuple[str, ...] = ()
    ends_silently: bool = False
    count_max: int | None = None
    too_many: tuple[int, str] | None = None
    farewell: Json = None
    unsafe_if: Callable[..., bool] | None = None


def camel_case(name: str) -> str:
    """The name of a parameter on the wire: ``hash_`` is ``hash``, ``start_key`` ``startKey``."""
    first, *rest = name.strip("_").split("_")
    return first + "".join(part.capitalize() for part in rest)


def _parameters(function: Callable[..., Any], skip: int) -> tuple[Parameter, ...]:
    found = list(inspect.signature(function).parameters.values())[skip:]
    return tuple(
        Parameter(
            camel_case(entry.name), entry.annotation, _parser(entry.annotation), entry.default
        )
        for entry in found
    )


def rpc_method(
    name: str,
    *,
    aliases: tuple[str, ...] = (),
    unsafe: bool = False,
    per_connection: bool = False,
    quick: bool | Callable[..., bool] = False,
    stable: bool = False,
    executes: bool = False,
) -> Callable[[Callable[..., Any]], Method]:
    """Make a function the method ``name``. ``unsafe`` ones are refused on public ports.

    ``executes``: it runs the runtime, for as long as a block may take; one at a time does.
    """

    def make(function: Callable[..., Any]) -> Method:
        assert inspect.iscoroutinefunction(function) or not per_connection, (
            "because what belongs to a connection is changed on the loop only"
        )
        assert not (inspect.iscoroutinefunction(function) and (quick or stable)), (
            "because what waits is not quick, and may differ when it is done"
        )
        return Method(
            name,
            aliases,
            unsafe,
            function,
            _parameters(function, 2 if per_connection else 1),
            inspect.iscoroutinefunction(function),
            per_connection,
            quick,
            stable,
            executes,
        )

    return make


def rpc_subscription(
    name: str,
    *,
    event: str,
    unsubscribe: str,
    aliases: tuple[str, ...] = (),
    unsubscribe_aliases: tuple[str, ...] = (),
    ends_silently: bool = False,
    count_max: int | None = None,
    too_many: tuple[int, str] | None = None,
    farewell: Json = None,
    unsafe_if: Callable[..., bool] | None = None,
) -> Callable[[Callable[..., Any]], Subscription]:
    """Make an async function of context, sink and parameters the subscription ``name``.

    It calls ``sink.accept()`` first, then sends until it returns or is cancelled.
    """

    def make(function: Callable[..., Any]) -> Subscription:
        assert inspect.iscoroutinefunction(function), "because a subscription waits"
        return Subscription(
            name,
            aliases,
            False,
            function,
            _parameters(function, 2),
            True,
            event=event,
            unsubscribe_names=(unsubscribe, *unsubscribe_aliases),
            ends_silently=ends_silently,
            count_max=count_max,
            too_many=too_many,
            farewell=farewell,
            unsafe_if=unsafe_if,
        )

    return make


@dataclass(slots=True)
class Registry:
    """All methods of a node by name."""

    methods: dict[str, Method] = field(default_factory=dict)
    unsubscribe_names: dict[str, Subscription] = field(default_factory=dict)

    @classmethod
    def of(cls, modules: Iterable[ModuleType]) -> "Registry":
        """The methods that these modules define."""
        registry = cls()
        for module in modules:
            for value in vars(module).values():
                if isinstance(value, Method):
                    registry._add(value)
        return registry

    def _add(self, method: Method) -> None:
        for name in method.names:
            assert name not in self.methods, f"two methods are called {name}"
            self.methods[name] = method
        if isinstance(method, Subscription):
            self.unsubscribe_names.update(dict.fromkeys(method.unsubscribe_names, method))

    def __contains__(self, name: str) -> bool:
        return (
            name in self.methods or name in self.unsubscribe_names or name in SERVED_BY_DISPATCHER
        )

    def names(self) -> list[str]:
        """Every name that can be called, in order."""
        return sorted({*self.methods, *self.unsubscribe_names, *SERVED_BY_DISPATCHER})

    def find(self, request: Request, *, deny_unsafe: bool) -> Method:
        """The method of a request; raises ``RpcError`` where there is none for this caller."""
        method = self.methods.get(request.method)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        if method.unsafe and deny_unsafe:
            raise unsafe_call()
        return method
