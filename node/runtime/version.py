"""The version of this program's runtime.

``SPEC_VERSION`` grows with every change of what a block does, ``TRANSACTION_VERSION`` with every
change of how calls are encoded (docs/adr/0010-native-runtime.md). ``:code`` in the state holds the
encoded version of the runtime that executes the next block.
"""

from functools import lru_cache
from typing import Final

from node.runtime.apis import API_SPECS
from pallets.frame.runtime_api import RuntimeApis
from pallets.frame.version import RuntimeVersion
from primitives.errors import CessError, DecodeError
from primitives.scale import U8, U32, codec

__all__ = [
    "CODE_KEY",
    "SPEC_VERSION",
    "TRANSACTION_VERSION",
    "VERSION",
    "RuntimeNotKnown",
    "check_code",
    "encoded_version",
]

CODE_KEY: Final = b":code"
"""Where the state says which runtime executes the next block."""

SPEC_VERSION: Final = 1
TRANSACTION_VERSION: Final = 1

VERSION: Final = RuntimeVersion(
    spec_name="cess-node",
    impl_name="cess-python",
    authoring_version=U32(1),
    spec_version=U32(SPEC_VERSION),
    impl_version=U32(0),
    apis=RuntimeApis.versions(API_SPECS),
    transaction_version=U32(TRANSACTION_VERSION),
    system_version=U8(1),
)


class RuntimeNotKnown(CessError):  # noqa: N818  a fact
    """The chain runs a runtime that this program does not have."""


def encoded_version() -> bytes:
    """What ``:code`` holds for this runtime."""
    return codec(RuntimeVersion).encode(VERSION)


@lru_cache(maxsize=16)
def check_code(code: bytes | None) -> None:
    """Refuse a state whose next block is another runtime's.

    Raises: RuntimeNotKnown.
    """
    if code is None:
        raise RuntimeNotKnown(
            "the state names no runtime (no :code); is the chain spec one of this program?"
        )
    try:
        found = codec(RuntimeVersion).decode(code)
    except DecodeError:
        raise RuntimeNotKnown(
            "the state holds code that is no version record of this program; "
            "this node runs chains made by `cess chain-spec build` only"
        ) from None
    if found.spec_name != VERSION.spec_name or found.spec_version != VERSION.spec_version:
        raise RuntimeNotKnown(
            f"the chain runs {found.spec_name} {found.spec_version}, this program knows "
            f"{VERSION.spec_name} {VERSION.spec_version}; install the release that has it"
        )
