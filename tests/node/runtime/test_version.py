"""The version of the runtime in the state."""

from dataclasses import replace

import pytest

from node.runtime import RuntimeNotKnown, runtime_at
from node.runtime.version import CODE_KEY, VERSION, check_code, encoded_version
from pallets.frame.version import RuntimeVersion
from primitives.scale import U32, encode
from tests.node.runtime.chain import genesis_state


def test_our_own_version_is_known() -> None:
    check_code(encoded_version())


def test_a_newer_runtime_asks_for_a_newer_release() -> None:
    newer = replace(VERSION, spec_version=U32(VERSION.spec_version + 1))
    state = genesis_state().after({CODE_KEY: encode(RuntimeVersion, newer)})
    with pytest.raises(RuntimeNotKnown, match="install the release"):
        runtime_at(state)


def test_another_chains_code_is_refused() -> None:
    with pytest.raises(RuntimeNotKnown, match="no version record"):
        check_code(b"\0asm\x01\0\0\0")
    with pytest.raises(RuntimeNotKnown, match="polkadot"):
        check_code(encode(RuntimeVersion, replace(VERSION, spec_name="polkadot")))
