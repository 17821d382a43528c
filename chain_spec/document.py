"""Reading JSON strictly: each value is taken by what it must be, and refused with its place.

A ``Node`` is a value with its path in the document. Whoever takes an object apart names all fields
that it knows; others are refused. Doubled keys, floats, NaN and very deep nesting are refused.

Bounds: ``SPEC_BYTES_MAX`` for a document, ``SHOWN_CHARS_MAX`` for a value quoted in an error.
"""

import json
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from chain_spec.errors import ChainSpecError
from primitives.crypto.ss58 import ss58_decode
from primitives.errors import InvalidKey
from primitives.types import AccountId

__all__ = ["Json", "Node", "parse_document"]

Json: TypeAlias = bool | int | str | list["Json"] | dict[str, "Json"] | None

SPEC_BYTES_MAX: Final = 64 * 1024**2
"""Raw specs hold the whole state of block 0: those of large networks have about 10 MiB."""

DEPTH_MAX: Final = 32
"""Objects and lists within one another; a spec has six."""

SHOWN_CHARS_MAX: Final = 60
# Strings and brackets; a string that does not end reaches to the end of the text.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,77}")
_ACCOUNT_HEX: Final = re.compile(r"0x[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and where it stands."""

    value: Json
    path: str

    def fail(self, problem: str) -> NoReturn:
        """Refuse this value."""
        raise ChainSpecError(self.path or "the document", problem)

    def fields(
        self, required: Collection[str] = (), optional: Collection[str] = ()
    ) -> dict[str, "Node"]:
        """The fields of an object, which must have the required ones and no unknown one."""
        members = self.members()
        for name in required:
            if name not in members:
                self.fail(f"the field {name!r} is missing: add it")
        for name in members:
            if name not in required and name not in optional:
                known = ", ".join(sorted({*required, *optional}))
                self.fail(f"the field {_shown(name)} is not known: remove it (known are {known})")
        return members

    def members(self) -> dict[str, "Node"]:
        """The members of an object, whatever their names."""
        if not isinstance(self.value, dict):
            self.fail(f"must be an object, not {_shown(self.value)}")
        return {
            name: Node(value, f"{self.path}.{name}" if self.path else name)
            for name, value in self.value.items()
        }

    def items(self, limit: int) -> Iterator["Node"]:
        """The items of a list of at most ``limit``."""
        if not isinstance(self.value, list):
            self.fail(f"must be a list, not {_shown(self.value)}")
        if len(self.value) > limit:
            self.fail(f"has {len(self.value)} items; it may have {limit}")
        for index, value in enumerate(self.value):
            yield Node(value, f"{self.path}[{index}]")

    def text(self, limit: int) -> str:
        """A string of at most ``limit`` characters."""
        if not isinstance(self.value, str):
            self.fail(f"must be a string, not {_shown(self.value)}")
        if len(self.value) > limit:
            self.fail(f"has {len(self.value)} characters; it may have {limit}")
        return self.value

    def integer(self, maximum: int) -> int:
        """An integer from 0 to ``maximum``, written as a number or as a string of digits.

        Strings are for what other programs would read as a float: 2^53 and more.
        """
        value = self.value
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(f"must be an integer, not {_shown(self.value)}")
        if not 0 <= value <= maximum:
            self.fail(f"is {value}; it must be from 0 to {maximum}")
        return value

    def account(self) -> AccountId:
        """An account or public key: an SS58 address of any network, or 0x and 64 digits."""
        text = self.text(limit=128)
        if _ACCOUNT_HEX.fullmatch(text):
            return AccountId(bytes.fromhex(text[2:]))
        try:
            return ss58_decode(text)
        except InvalidKey as error:
            self.fail(str(error))

    def hex_bytes(self) -> bytes:
        """Bytes, written as 0x and pairs of hexadecimal digits."""
        value = self.value
        data = None
        if isinstance(value, str) and value.startswith("0x"):
            with suppress(ValueError):
                data = bytes.fromhex(value[2:])
            if data is not None and len(value) != 2 + 2 * len(data):  # spaces inside
                data = None
        if data is None:
            self.fail(f"must be 0x and pairs of hexadecimal digits, not {_shown(value)}")
        return data


def parse_document(data: bytes, source: str) -> Node:
    """The JSON document in ``data``; ``source`` says where it is from.

    Raises: ChainSpecError.
    """
    if len(data) > SPEC_BYTES_MAX:
        raise ChainSpecError(source, f"has more than {SPEC_BYTES_MAX} bytes: it is no chain spec")
    try:
        text = data.decode()
        if _depth(text) > DEPTH_MAX:
            raise ChainSpecError(source, "is nested too deeply: it is no chain spec")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except UnicodeDecodeError:
        raise ChainSpecError(source, "is not text in UTF-8: it is no chain spec") from None
    except ValueError as error:
        raise ChainSpecError(source, f"is not JSON: {error}") from None
    return Node(value, "")


def _depth(text: str) -> int:
    """How deep brackets stand within one another, as far as it matters.

    Counted before parsing: the parser recurses, and how deep it may differs between processes.
    """
    depth = deepest = 0
    for found in _TOKEN.finditer(text):
        first = text[found.start()]
        if first in "[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > DEPTH_MAX:
                break
        elif first in "]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {_shown(double)} is given twice; keep one")
    return made


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"the number {text[:SHOWN_CHARS_MAX]} is not an integer")


def _shown(value: Json) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}..."
