"""JSON-RPC 2.0 without sockets: bytes to requests, results to bytes.

Drive it: ``parse`` the bytes of one message, run what it returns, answer with ``success`` or
``failure`` and put the answers of a batch together with ``batch``. Nothing here raises for input.

Guarantees: ids are echoed as they came (numbers and strings); a request without id is a
notification and gets no answer; codes and texts are those of Substrate's server.
Bounds: the size of a message, of an answer and of a batch by ``Limits``; nesting by the parser
(1,024 levels). A message of ``VALUES_MAX`` values takes a thousandth of a second to be parsed for
each 8,192 of them and about ``VALUE_BYTES`` of memory for each: ``count_values`` before ``parse``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson

from primitives.errors import RpcError

__all__ = [
    "BATCHES_DISABLED",
    "BATCH_RESPONSE_TOO_LARGE",
    "BATCH_TOO_LARGE",
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "PARSE_ERROR",
    "REQUEST_TOO_BIG",
    "RESPONSE_TOO_BIG",
    "SERVER_BUSY",
    "SERVER_IS_BUSY",
    "TOO_MANY_SUBSCRIPTIONS",
    "VALUES_MAX",
    "VALUE_BYTES",
    "Batch",
    "Identifier",
    "Json",
    "Limits",
    "Rejected",
    "Request",
    "batch",
    "count_values",
    "failure",
    "guess_identifier",
    "invalid_params",
    "notification",
    "oversized",
    "parse",
    "success",
    "success_encoded",
    "too_many_values",
]

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
BATCHES_DISABLED: Final = -32005
TOO_MANY_SUBSCRIPTIONS: Final = -32006
REQUEST_TOO_BIG: Final = -32007
RESPONSE_TOO_BIG: Final = -32008
SERVER_BUSY: Final = -32009
BATCH_TOO_LARGE: Final = -32010
BATCH_RESPONSE_TOO_LARGE: Final = -32011

SERVER_IS_BUSY: Final = "Server is busy, try again later"

MIB: Final = 1 << 20

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""What JSON can say."""

Identifier: TypeAlias = int | str | None
"""The id of a request: a number, a string, or null."""

METHOD_CHARACTERS_MAX: Final = 256

VALUES_MAX: Final = 1 << 17
"""Values in one message: a thousand storage keys for each of a hundred calls."""
VALUE_BYTES: Final = 128
"""About what a value takes when it is parsed, beside its text."""
_COUNTED_BYTES: Final = 1 << 20

_BLANKS: Final = b" \t\r\n"
_ENDS_BYTES: Final = 256
_ID: Final = re.compile(rb'"id"\s*:\s*("[\w-]{0,64}"|-?[1-9]\d{0,17}|0)\s*[,}]', re.ASCII)
ID_CHARACTERS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may send and get."""

    request_bytes: int = 15 * MIB
    response_bytes: int = 15 * MIB
    batch_count: int = 1024
    """Requests in one batch; 0 refuses batches."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call; ``params`` is a list, a mapping, or empty."""

    method: str
    params: list[Json] | dict[str, Json]
    id: Identifier
    wants_answer: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message, or a part of a batch, that is no request."""

    id: Identifier
    error: RpcError


@dataclass(frozen=True, slots=True)
class Batch:
    """Several requests in one message."""

    entries: tuple[Request | Rejected, ...]


def invalid_params(why: str) -> RpcError:
    """The error for parameters that the method cannot take."""
    return RpcError(INVALID_PARAMS, "Invalid params", why)


def oversized(limits: Limits) -> RpcError:
    """The error for a message above the limit."""
    return RpcError(
        REQUEST_TOO_BIG, "Request is too big", f"Exceeded max limit of {limits.request_bytes}"
    )


def count_values(data: bytes | bytearray) -> int:
    """How many values a message has at most; a count above ``VALUES_MAX`` may be too low.

    Marks in texts count too: what callers send of those has next to none.
    """
    found = 0
    for start in range(0, len(data), _COUNTED_BYTES):
        end = start + _COUNTED_BYTES
        found += sum(data.count(mark, start, end) for mark in (b",", b"[", b"{"))
        if found > VALUES_MAX:
            break
    return found


def too_many_values() -> RpcError:
    """The error for a message above ``VALUES_MAX``."""
    return RpcError(
        REQUEST_TOO_BIG, "Request is too big", f"Exceeded max limit of {VALUES_MAX} values"
    )


def parse(data: bytes | bytearray | memoryview, limits: Limits) -> Request | Rejected | Batch:
    """What one message asks for."""
    if len(data) > limits.request_bytes:
        return Rejected(None, oversized(limits))
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return Rejected(None, RpcError(PARSE_ERROR, "Parse error"))
    if not isinstance(value, list):
        return _single(value)
    if not value:
        return Rejected(None, RpcError(INVALID_REQUEST, "Invalid request"))
    if limits.batch_count == 0:
        return Rejected(
            None,
            RpcError(BATCHES_DISABLED, "Batched requests are not supported by this server"),
        )
    if len(value) > limits.batch_count:
        return Rejected(
            None,
            RpcError(
                BATCH_TOO_LARGE,
                "The batch request was too large",
                f"Exceeded max limit of {limits.batch_count}",
            ),
        )
    return Batch(tuple(_request(entry) for entry in value))


def _single(value: object) -> Request | Rejected:
    """A message that is no batch: of what names no request, Substrate's server says less."""
    found = _request(value)
    is_named = isinstance(value, dict) and "id" in value and _is_identifier(value["id"])
    if isinstance(found, Rejected) and not is_named:
        return Rejected(None, RpcError(PARSE_ERROR, "Parse error"))
    return found


def _request(value: object) -> Request | Rejected:
    if not isinstance(value, dict):
        return _invalid(None)
    wants_answer = "id" in value
    identifier = value.get("id")
    if not _is_identifier(identifier):
        return _invalid(None)
    method = value.get("method")
    if (
        value.get("jsonrpc") != "2.0"
        or not isinstance(method, str)
        or len(method) > METHOD_CHARACTERS_MAX
    ):
        return _invalid(identifier)
    params = value.get("params")
    if params is None:
        params = []
    if not isinstance(params, list | dict):
        return Rejected(identifier, RpcError(INVALID_PARAMS, "Invalid params", "not a list"))
    return Request(method, params, identifier, wants_answer)


def _invalid(identifier: Identifier) -> Rejected:
    return Rejected(identifier, RpcError(INVALID_REQUEST, "Invalid request"))


def guess_identifier(data: bytes | bytearray) -> Identifier:
    """The id of a message that is too much to be parsed, if its first or last bytes show one.

    Of a batch, and where there is no telling, it is None. Whoever hides an id misleads only itself.
    """
    if data[:_ENDS_BYTES].lstrip(_BLANKS)[:1] != b"{":
        return None
    shown = [bytes(data[:_ENDS_BYTES]), bytes(data[-_ENDS_BYTES:])]
    found = _ID.search(shown[0]) or _ID.search(shown[1])
    if found is None:
        return None
    identifier: Identifier = orjson.loads(found.group(1))
    return identifier


def _is_identifier(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return len(value) <= ID_CHARACTERS_MAX
    return isinstance(value, int) and not isinstance(value, bool)


# Answers.


def success(identifier: Identifier, result: Json, limits: Limits) -> bytes:
    """The answer with ``result``, or the error that it is too big."""
    return success_encoded(identifier, orjson.dumps(result), limits)


def success_encoded(identifier: Identifier, result: bytes, limits: Limits) -> bytes:
    """The answer with a result that is JSON already, or the error that it is too big."""
    body = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (orjson.dumps(identifier), result)
    if len(body) <= limits.response_bytes:
        return body
    too_big = RpcError(
        RESPONSE_TOO_BIG, "Response is too big", f"Exceeded max limit of {limits.response_bytes}"
    )
    return failure(identifier, too_big)


def failure(identifier: Identifier, error: RpcError) -> bytes:
    """The answer with an error."""
    shown: dict[str, Json] = {"code": error.code, "message": error.message}
    if error.data is not None:
        shown["data"] = error.data
    return orjson.dumps({"jsonrpc": "2.0", "id": identifier, "error": shown})


def batch(answers: Sequence[bytes], limits: Limits) -> bytes | None:
    """The answers of a batch in one message; None where nothing asked for one."""
    if not answers:
        return None
    if sum(map(len, answers)) + len(answers) + 1 > limits.response_bytes:
        return failure(
            None,
            RpcError(
                BATCH_RESPONSE_TOO_LARGE,
                "The batch response was too large",
                f"Exceeded max limit of {limits.response_bytes}",
            ),
        )
    return b"[" + b",".join(answers) + b"]"


def notification(method: str, subscription: str, result: Json) -> bytes:
    """One event of a subscription."""
    return orjson.dumps(
        {
            "jsonrpc": "2.0",
            "method": method,
            "params": {"subscription": subscription, "result": result},
        }
    )
