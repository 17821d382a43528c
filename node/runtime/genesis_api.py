"""``GenesisBuilder``: the state of block 0 from a plain configuration, and configurations to begin
with.

The JSON is that of ``genesis.runtimeGenesis.config`` in a chain spec.
Bounds: ``CONFIG_BYTES_MAX``, because anybody may ask and JSON costs more than it is long; else as
``chain_spec.document`` bounds a document.
"""

import json
from typing import TYPE_CHECKING, Final

from chain_spec import presets
from chain_spec.document import parse_document
from chain_spec.errors import ChainSpecError
from chain_spec.genesis import GenesisConfig
from pallets.frame.runtime_api import runtime_api
from primitives.scale import Err, Ok, Result

if TYPE_CHECKING:
    from node.runtime.composition import CessRuntime

__all__ = ["CONFIG_BYTES_MAX", "PRESETS", "GenesisBuilder"]

CONFIG_BYTES_MAX: Final = 128 << 10
"""A thousand endowed accounts. Seven megabytes of `[]` took two seconds to be refused."""

PRESETS: Final = {"development": presets.dev, "local_testnet": presets.local}
"""Configurations by Substrate's names for them."""


@runtime_api(version=1)
class GenesisBuilder:
    """API to interact with `RuntimeGenesisConfig` for the runtime."""

    def __init__(self, runtime: "CessRuntime") -> None:
        self._runtime = runtime

    def build_state(self, json: bytes) -> Result[None, str]:
        """Build `RuntimeGenesisConfig` from a JSON blob not using any defaults.

        The state that it would make is thrown away here: an answer tells whether one can be made.
        """
        from node.runtime.genesis import build_state

        if len(json) > CONFIG_BYTES_MAX:
            return Err(f"the configuration has {len(json)} bytes, at most {CONFIG_BYTES_MAX}")
        try:
            build_state(GenesisConfig.from_json(parse_document(json, "the configuration")))
        except ChainSpecError as error:
            return Err(str(error))
        return Ok(None)

    def get_preset(self, id: str | None) -> bytes | None:  # noqa: A002
        """Returns a JSON blob of a named preset, of `development` for none."""
        make = PRESETS.get("development" if id is None else id)
        if make is None:
            return None
        config = make().config().to_json()
        return json.dumps(config, separators=(",", ":")).encode()

    def preset_names(self) -> tuple[str, ...]:
        """Returns a list of identifiers for available builtin presets."""
        return tuple(PRESETS)
