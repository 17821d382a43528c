"""Reading a version out of a module, and refusing what is none."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.frame.code import (
    APIS_MAX,
    APIS_SECTION,
    CODE_BYTES_MAX,
    MAGIC,
    VERSION_SECTION,
    check_shape,
    code_version,
)
from pallets.frame.version import ApiId, RuntimeVersion
from primitives.errors import DecodeError
from primitives.scale import U32, encode
from tests.pallets.modules import code_of, section
from tests.pallets.small_chains import VERSION

BODY = b"".join(section(number, b"\0") for number in (1, 3, 7, 10))


def test_the_version_is_found_with_its_apis() -> None:
    version = replace(VERSION, apis=((ApiId(b"abcdefgh"), U32(7)), (ApiId(bytes(8)), U32(0))))
    code = code_of(version)
    check_shape(code)
    assert code_version(code) == version


def test_the_first_section_of_a_name_counts() -> None:
    newer = replace(VERSION, spec_version=U32(99), apis=())
    late = section(0, b"\x0f" + VERSION_SECTION + encode(RuntimeVersion, newer))
    assert code_version(code_of(VERSION) + late) == VERSION


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (b"", "no WebAssembly"),
        (b"\x7fELF", "no WebAssembly"),
        (MAGIC, "does not say"),
        (MAGIC + BODY, "does not say"),
        (MAGIC + b"\0\x7f", "longer than the code"),
        (MAGIC + b"\0\xff\xff\xff\xff\xff\xff", "more than 32 bits"),
        (MAGIC + b"\0\xff", "ends within"),
        (MAGIC + section(1, b"") * 65, "more than 64 sections"),
        (MAGIC + section(0, b"\x05ab"), "does not say"),
        (
            MAGIC + section(0, b"\x0f" + VERSION_SECTION) + section(0, b"\x0c" + APIS_SECTION),
            "byte",
        ),
    ],
)
def test_a_module_without_a_version_is_refused(code: bytes, problem: str) -> None:
    with pytest.raises(DecodeError, match=problem):
        code_version(code)


@pytest.mark.parametrize("apis", [b"x", bytes(12 * APIS_MAX + 12)])
def test_a_list_of_apis_is_bounded_and_whole(apis: bytes) -> None:
    version = encode(RuntimeVersion, replace(VERSION, apis=()))
    code = section(0, b"\x0f" + VERSION_SECTION + version)
    with pytest.raises(DecodeError, match="list of APIs"):
        code_version(MAGIC + code + section(0, b"\x0c" + APIS_SECTION + apis))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (MAGIC, "no functions"),
        (MAGIC + BODY[:-1], "longer than the code"),
        (MAGIC + BODY + b"\0", "ends within"),
        (MAGIC + BODY + section(7, b""), "out of order"),
        (MAGIC + BODY + section(99, b""), "unknown"),
        (MAGIC + BODY + section(0, bytes(CODE_BYTES_MAX)), "at most"),
    ],
)
def test_what_is_no_module_to_its_end_is_refused(code: bytes, problem: str) -> None:
    with pytest.raises(DecodeError, match=problem):
        check_shape(code)


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else_happens(data: bytes) -> None:
    for code in (data, MAGIC + data, code_of(VERSION)[: len(data)] + data):
        for look in (check_shape, code_version):
            try:
                look(code)
            except DecodeError:
                continue
