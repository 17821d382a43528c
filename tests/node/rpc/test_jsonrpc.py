"""The JSON-RPC core: what it accepts, what it answers, and that no bytes make it fail."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.rpc import jsonrpc
from node.rpc.jsonrpc import Batch, Limits, Rejected, Request
from primitives.errors import RpcError

LIMITS = Limits(request_bytes=4096, response_bytes=256, batch_count=3)


def parse(value: object) -> Request | Rejected | Batch:
    return jsonrpc.parse(orjson.dumps(value), LIMITS)


def call(**changes: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": "system_name", **changes}


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    assert isinstance(jsonrpc.parse(data, LIMITS), Request | Rejected | Batch)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@given(
    st.fixed_dictionaries(
        {}, optional={"jsonrpc": JSON, "id": JSON, "method": JSON | st.just("a"), "params": JSON}
    )
)
def test_no_json_makes_it_fail(value: dict[str, object]) -> None:
    found = parse(value)
    assert isinstance(found, Request | Rejected)


def test_deep_nesting_is_a_parse_error() -> None:
    deep = b"[" * 2000 + b"]" * 2000
    found = jsonrpc.parse(deep, LIMITS)
    assert isinstance(found, Rejected)
    assert found.error.code == -32700


@pytest.mark.parametrize("identifier", [0, 1, -5, 2**63, "pI64", "", None])
def test_ids_are_echoed_as_they_came(identifier: object) -> None:
    found = parse(call(id=identifier))
    assert isinstance(found, Request)
    assert orjson.loads(jsonrpc.success(found.id, "x", LIMITS))["id"] == identifier


@pytest.mark.parametrize("identifier", [True, 1.5, [], {}, "x" * 257])
def test_other_ids_are_refused(identifier: object) -> None:
    found = parse(call(id=identifier))
    assert isinstance(found, Rejected)
    assert (found.id, found.error.code) == (None, -32700)


@pytest.mark.parametrize("params", [None, [], {}])
def test_missing_null_and_empty_params_are_alike(params: object) -> None:
    found = parse(call(params=params))
    assert isinstance(found, Request)
    assert not found.params


def test_params_must_be_a_list_or_an_object() -> None:
    found = parse(call(params="x"))
    assert isinstance(found, Rejected)
    assert found.error.code == -32602


@pytest.mark.parametrize(
    "value", [call(jsonrpc="1.0"), call(method=3), call(method="m" * 257), {"id": 1}]
)
def test_what_is_no_request_is_refused_by_its_id(value: object) -> None:
    found = parse(value)
    assert isinstance(found, Rejected)
    assert (found.id, found.error.code, found.error.message) == (1, -32600, "Invalid request")


@pytest.mark.parametrize("value", [1, "x", None, True, {}, {"jsonrpc": "2.0", "method": 3}])
def test_what_has_no_id_and_is_no_request_does_not_parse(value: object) -> None:
    """As with Substrate's server; in a batch it is an invalid request."""
    found = parse(value)
    assert isinstance(found, Rejected)
    assert (found.id, found.error.code, found.error.message) == (None, -32700, "Parse error")
    inside = parse([value])
    assert isinstance(inside, Batch)
    (entry,) = inside.entries
    assert isinstance(entry, Rejected)
    assert entry.error.code == -32600


def test_a_request_without_id_wants_no_answer() -> None:
    found = parse({"jsonrpc": "2.0", "method": "a"})
    assert isinstance(found, Request)
    assert not found.wants_answer


@pytest.mark.parametrize(("size", "fits"), [(4095, True), (4096, True), (4097, False)])
def test_the_size_of_a_message_is_limited(size: int, fits: bool) -> None:
    data = orjson.dumps(call())
    found = jsonrpc.parse(data + b" " * (size - len(data)), LIMITS)
    if fits:
        assert isinstance(found, Request)
    else:
        assert isinstance(found, Rejected)
        assert found.error.code == -32007


@pytest.mark.parametrize(("count", "code"), [(1, 0), (3, 0), (4, -32010), (0, -32600)])
def test_the_length_of_a_batch_is_limited(count: int, code: int) -> None:
    found = parse([call()] * count)
    if code:
        assert isinstance(found, Rejected)
        assert found.error.code == code
    else:
        assert isinstance(found, Batch)
        assert len(found.entries) == count


def test_batches_can_be_refused() -> None:
    found = jsonrpc.parse(orjson.dumps([call()]), Limits(batch_count=0))
    assert isinstance(found, Rejected)
    assert found.error.code == -32005


def test_a_batch_keeps_its_good_parts() -> None:
    found = parse([call(), 7])
    assert isinstance(found, Batch)
    assert [type(entry) for entry in found.entries] == [Request, Rejected]


def test_an_answer_above_the_limit_becomes_an_error() -> None:
    assert "result" in orjson.loads(jsonrpc.success(1, "x" * 200, LIMITS))
    answer = orjson.loads(jsonrpc.success(1, "x" * 257, LIMITS))
    assert answer["error"]["code"] == -32008
    assert answer["id"] == 1


def test_the_answers_of_a_batch_are_limited_together() -> None:
    one = jsonrpc.success(1, "x" * 100, LIMITS)
    assert orjson.loads(jsonrpc.batch([one], LIMITS) or b"") == [orjson.loads(one)]
    assert orjson.loads(jsonrpc.batch([one, one], LIMITS) or b"")["error"] == {
        "code": -32011,
        "message": "The batch response was too large",
        "data": "Exceeded max limit of 256",
    }
    assert jsonrpc.batch([], LIMITS) is None


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        (b'{"id":7,"jsonrpc":"2.0","params":[%s]}', 7),
        (b'  {"jsonrpc":"2.0","params":[%s], "id" : "pI-64" }', "pI-64"),
        (b'{"jsonrpc":"2.0","id":-3,"params":[%s]}', -3),
        (b'{"id":null,"params":[%s]}', None),
        (b'{"id":01,"params":[%s]}', None),
        (b'{"id":1.5,"params":[%s]}', None),
        (b'{"id":"\xff","params":[%s]}', None),
        (b'{"id":{"a":1},"params":[%s]}', None),
        (b'[{"id":7,"params":[%s]}]', None),
        (b"%s", None),
        (b"", None),
    ],
)
def test_an_id_is_read_off_the_ends_of_what_is_not_parsed(text: bytes, identifier: object) -> None:
    filled = text.replace(b"%s", b'"' + b"x" * 5000 + b'"')
    assert jsonrpc.guess_identifier(filled) == identifier
    assert jsonrpc.guess_identifier(bytearray(filled)) == identifier


@given(st.binary(max_size=600))
def test_no_bytes_make_guessing_fail(data: bytes) -> None:
    found = jsonrpc.guess_identifier(b'{"id":' + data)
    assert found is None or isinstance(found, int | str)


@given(st.dictionaries(st.text(max_size=8), JSON))
def test_values_are_counted_high_rather_than_low(value: dict[str, object]) -> None:
    def count(inner: object) -> int:
        if isinstance(inner, list):
            return 1 + sum(map(count, inner))
        if isinstance(inner, dict):
            return 1 + sum(map(count, inner.values()))
        return 1

    counted = jsonrpc.count_values(orjson.dumps(value))
    assert 2 * counted >= count(value), "[1] is two values and one mark"


def test_counting_ends_when_there_are_too_many() -> None:
    few = b"[" + b"1," * 1000 + b"1]"
    assert jsonrpc.count_values(few) == 1001
    many = b"[" + b"1," * (8 << 20) + b"1]"
    assert jsonrpc.VALUES_MAX < jsonrpc.count_values(many) < 1 << 20


def test_an_error_shows_its_data_only_if_it_has_some() -> None:
    plain = orjson.loads(jsonrpc.failure("a", RpcError(1012, "Banned")))
    assert plain == {"jsonrpc": "2.0", "id": "a", "error": {"code": 1012, "message": "Banned"}}
    full = orjson.loads(jsonrpc.failure("a", RpcError(1010, "Invalid Transaction", "why")))
    assert full["error"]["data"] == "why"
