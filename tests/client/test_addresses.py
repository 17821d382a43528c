"""Which lists of nodes are taken, and which are refused."""

from typing import Any

import pytest

from client.addresses import ENDPOINTS_MAX, InvalidEndpoints, parse_endpoints

URLS = tuple(f"ws://n{index}:1" for index in range(ENDPOINTS_MAX))


def test_addresses_come_in_one_text_or_in_several() -> None:
    assert parse_endpoints("ws://a:1") == ("ws://a:1",)
    assert parse_endpoints("ws://a:1, wss://b") == ("ws://a:1", "wss://b")
    assert parse_endpoints(("ws://a:1,ws://b:1", "ws://c:1")) == (
        "ws://a:1",
        "ws://b:1",
        "ws://c:1",
    )
    assert len(parse_endpoints(URLS)) == ENDPOINTS_MAX


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ws://a:1,",
        "http://a:1",
        "ws://",
        "ws://a:x",
        "ws://a:1,ws://a:1",
        [],
        (*URLS, "ws://z:1"),
    ],
)
def test_what_is_no_list_of_nodes_is_refused(given: Any) -> None:
    with pytest.raises(InvalidEndpoints):
        parse_endpoints(given)
