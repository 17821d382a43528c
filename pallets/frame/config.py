"""Constants and ports of a pallet: its nested class ``Config``.

An attribute whose type has a SCALE encoding is a constant: it is shown in metadata, named in
PascalCase, with its ``Doc``. Any other attribute is a port, a ``Protocol`` that the pallet owns
and a neighbour satisfies; the runtime hands it in.
"""

from dataclasses import dataclass
from typing import Any, dataclass_transform

__all__ = ["Doc", "PalletConfig", "PalletGenesis"]


@dataclass(frozen=True, slots=True)
class Doc:
    """What a constant means, for metadata: ``Annotated[U32, Doc("...")]``."""

    text: str


@dataclass_transform(kw_only_default=True, frozen_default=True)
class PalletConfig:
    """Base of a pallet's ``Config``: a frozen record whose fields are given by keyword."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True, eq=False)(cls)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class PalletGenesis:
    """Base of a pallet's ``Genesis``: what a chain spec says, each field with a default."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True)(cls)
