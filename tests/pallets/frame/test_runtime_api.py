"""Asking a runtime by name."""

import pytest

from pallets.frame.runtime_api import (
    ITEMS_MAX,
    RuntimeApis,
    UnknownRuntimeApi,
    api_spec,
    runtime_api,
)
from primitives.errors import DecodeError
from primitives.scale import U32, U64, encode


@runtime_api(version=3, name="Questions")
class Answers:
    """Questions of tests."""

    def __init__(self, base: int) -> None:
        self._base = base

    def add(self, left: U32, right: U64) -> U64:
        """The sum of both and the base."""
        return U64(self._base + left + right)

    def count(self, items: tuple[bool, ...]) -> U32:
        """How many."""
        return U32(self._base + len(items))

    def nothing(self) -> None:
        """Nothing at all."""

    def _hidden(self) -> U32:
        return U32(1)


SPECS = RuntimeApis.index((Answers,))


def ask(method: str, params: bytes = b"") -> bytes:
    return RuntimeApis(10, SPECS).call(method, params)


def test_parameters_and_results_are_scale() -> None:
    params = (1).to_bytes(4, "little") + (2).to_bytes(8, "little")
    assert ask("Questions_add", params) == (13).to_bytes(8, "little")
    assert ask("Questions_nothing") == b""


@pytest.mark.parametrize("params", [b"", bytes(11), bytes(13)])
def test_parameters_are_decoded_strictly(params: bytes) -> None:
    with pytest.raises(DecodeError):
        ask("Questions_add", params)


def test_tiny_items_without_end_are_refused() -> None:
    many = (True,) * ITEMS_MAX
    assert ask("Questions_count", encode(tuple[bool, ...], many)) == encode(
        U32, U32(10 + ITEMS_MAX)
    )
    with pytest.raises(DecodeError, match="more items than"):
        ask("Questions_count", encode(tuple[bool, ...], (*many, True)))


@pytest.mark.parametrize(
    "method",
    ["", "_", "Questions", "Questions_", "Questions__hidden", "Answers_add", "Questions___init__"],
)
def test_unknown_functions_are_refused(method: str) -> None:
    with pytest.raises(UnknownRuntimeApi):
        ask(method)


def test_an_api_is_known_by_the_hash_of_its_name() -> None:
    @runtime_api(version=4)
    class Core:
        """Core."""

    assert api_spec(Core).id.hex() == "df6acb689907609b"
    assert RuntimeApis.versions(SPECS) == ((api_spec(Answers).id, 3),)


def test_a_class_must_be_declared_itself() -> None:
    class Inherits(Answers):
        """Not declared."""

    with pytest.raises(AssertionError):
        api_spec(Inherits)
