"""Questions that a node and its clients ask a runtime by name: ``state_call``.

::

    @runtime_api(version=1)
    class AccountNonceApi:
        \"\"\"The next nonce of accounts.\"\"\"

        def __init__(self, runtime: Small) -> None: ...

        def account_nonce(self, account: AccountId) -> Nonce:
            \"\"\"The next nonce of ``account``.\"\"\"

answers ``AccountNonceApi_account_nonce``: parameters and result are SCALE, as the annotations say.
Every public method belongs to the API. Its documentation is shipped in metadata.

Bounds: what the codecs of the parameters bound, and ``ITEMS_MAX`` items of vectors, for anybody
asks. Parameters are decoded strictly.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, Generic, TypeVar, get_type_hints

from pallets.frame.version import ApiId
from primitives.errors import CessError, DecodeError
from primitives.scale import U32, Metered, codec

__all__ = [
    "ITEMS_MAX",
    "ApiMethod",
    "ApiSpec",
    "RuntimeApis",
    "UnknownRuntimeApi",
    "api_spec",
    "runtime_api",
]

T = TypeVar("T")
R = TypeVar("R")

ITEMS_MAX: Final = 65_536
"""Items of all vectors in the parameters of one question."""

_SPEC: Final = "__runtime_api__"


class UnknownRuntimeApi(CessError):
    """The runtime has no such function; ``state_getRuntimeVersion`` lists what it has."""


class ApiMethod:
    """A function of an API: what it takes and gives."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function

    @property
    def doc(self) -> str:
        """What it answers, for metadata."""
        return inspect.getdoc(self.function) or ""

    @cached_property
    def inputs(self) -> tuple[tuple[str, Any], ...]:
        """Names and types of the parameters."""
        hints = get_type_hints(self.function, include_extras=True)
        names = list(inspect.signature(self.function).parameters)[1:]
        return tuple((name, hints[name]) for name in names)

    @cached_property
    def output(self) -> Any:
        """Type of the result; the empty tuple's where there is none."""
        found = get_type_hints(self.function, include_extras=True)["return"]
        return tuple[()] if found is type(None) else found

    @cached_property
    def _decoders(self) -> tuple[Callable[[bytes, int], tuple[Any, int]], ...]:
        return tuple(codec(kind).decode_from for _, kind in self.inputs)

    def call(self, api: object, params: bytes) -> bytes:
        """Decode the parameters, ask, and encode the answer."""
        at, values = 0, []
        params = Metered(params, ITEMS_MAX)
        for read in self._decoders:
            value, at = read(params, at)
            values.append(value)
        if at != len(params):
            raise DecodeError(f"{len(params) - at} bytes after the parameters of {self.name}")
        result = self.function(api, *values)
        return b"" if result is None and self.output == tuple[()] else self._encode(result)

    @cached_property
    def _encode(self) -> Callable[[Any], bytes]:
        return codec(self.output).encode


class ApiSpec:
    """A declared API."""

    def __init__(self, name: str, version: int, kind: type[object]) -> None:
        self.name = name
        self.version = version
        self.kind = kind
        self.methods = {
            key: ApiMethod(key, value)
            for key, value in vars(kind).items()
            if inspect.isfunction(value) and not key.startswith("_")
        }

    @property
    def doc(self) -> str:
        """What the API is for, for metadata."""
        return inspect.getdoc(self.kind) or ""

    @cached_property
    def id(self) -> ApiId:
        """The number by which ``RuntimeVersion`` names the API."""
        return ApiId(blake2b(self.name.encode(), digest_size=8).digest())


def runtime_api(*, version: int, name: str | None = None) -> Callable[[type[T]], type[T]]:
    """Declare a class of functions; ``name`` is that of the class unless given."""

    def decorate(cls: type[T]) -> type[T]:
        setattr(cls, _SPEC, ApiSpec(name or cls.__name__, version, cls))
        return cls

    return decorate


def api_spec(kind: type[object]) -> ApiSpec:
    """The declaration of an API class."""
    found = kind.__dict__.get(_SPEC)
    assert isinstance(found, ApiSpec), f"{kind.__name__} is not declared with @runtime_api"
    return found


class RuntimeApis(Generic[R]):
    """The APIs of a runtime over one state; instances of the classes are made when asked for."""

    def __init__(self, runtime: R, specs: Mapping[str, ApiSpec]) -> None:
        self._runtime = runtime
        self._specs = specs

    def call(self, method: str, params: bytes) -> bytes:
        """Answer ``Core_version`` and its like.

        Raises:
            UnknownRuntimeApi: there is no such function.
            DecodeError: the parameters are not what it takes.
        """
        name, _, function = method.partition("_")
        spec = self._specs.get(name)
        found = None if spec is None else spec.methods.get(function)
        if spec is None or found is None:
            raise UnknownRuntimeApi(f"Exported method {method[:100]} is not found")
        make: Callable[[R], object] = spec.kind
        return found.call(make(self._runtime), params)

    @staticmethod
    def index(kinds: Sequence[type[object]]) -> dict[str, ApiSpec]:
        """The declarations of ``kinds`` by name, in their order."""
        return {spec.name: spec for spec in map(api_spec, kinds)}

    @staticmethod
    def versions(specs: Mapping[str, ApiSpec]) -> tuple[tuple[ApiId, U32], ...]:
        """What ``RuntimeVersion.apis`` lists."""
        return tuple((spec.id, U32(spec.version)) for spec in specs.values())
