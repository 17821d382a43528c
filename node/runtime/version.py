"""The version of this program's runtime.

``SPEC_VERSION`` grows with every change of what a block does, ``TRANSACTION_VERSION`` with every
change of how calls are encoded (docs/adr/0010-native-runtime.md). ``:code`` in the state says which
runtime executes the next block: it is that runtime's shim, see ``shim``.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from node.runtime.apis import API_SPECS
from pallets.frame.code import code_version
from pallets.frame.runtime_api import RuntimeApis
from pallets.frame.version import RuntimeVersion
from pallets.system import CODE_KEY
from primitives.errors import CessError, DecodeError
from primitives.scale import U8, U32

__all__ = [
    "CODE_KEY",
    "SPEC_VERSION",
    "TRANSACTION_VERSION",
    "VERSION",
    "RuntimeNotKnown",
    "check_known",
    "version_of",
]

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


@lru_cache(maxsize=16)
def version_of(code: bytes | None) -> RuntimeVersion:
    """The version of the runtime whose code the state holds.

    Raises: RuntimeNotKnown.
    """
    if code is None:
        raise RuntimeNotKnown(
            "the state names no runtime (no :code); is the chain spec one of this program?"
        )
    try:
        return code_version(code)
    except DecodeError as error:
        raise RuntimeNotKnown(
            f"the state holds code without a version of a runtime ({error}); "
            "this node runs chains made by `cess chain-spec build` only"
        ) from None


def check_known(version: RuntimeVersion, known: Iterable[int]) -> None:
    """Refuse a runtime that is not of this program, or not among the ``known`` spec versions.

    Raises: RuntimeNotKnown.
    """
    if version.spec_name == VERSION.spec_name and version.spec_version in known:
        return
    ours = ", ".join(str(each) for each in known)
    raise RuntimeNotKnown(
        f"the next block is made by the runtime {version.spec_name} {version.spec_version}, and "
        f"this program has {VERSION.spec_name} {ours}: install the release that has it; until then "
        "the node stops here"
    )
