"""Which runtime this is: the record by which clients tell runtimes apart."""

from primitives.scale import U8, U32, FixedBytes, struct

__all__ = ["ApiId", "RuntimeVersion"]


class ApiId(FixedBytes, length=8):
    """BLAKE2b-64 of the name of a runtime API."""


@struct(path="sp_version::RuntimeVersion")
class RuntimeVersion:
    """Name and numbers of a runtime.

    ``spec_version`` grows with every change of behaviour, ``transaction_version`` with every change
    of the format of calls; extrinsics are signed for both. ``system_version`` 1 means tries of
    layout V1 for state and V0 for extrinsics.
    """

    spec_name: str
    impl_name: str
    authoring_version: U32
    spec_version: U32
    impl_version: U32
    apis: tuple[tuple[ApiId, U32], ...]
    transaction_version: U32
    system_version: U8
