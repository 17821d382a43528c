"""The version of the runtime in the state: what this program knows, and what stops it."""

from dataclasses import replace

import pytest

from node.runtime import RuntimeNotKnown, runtime_at
from node.runtime.shim import shim_code
from node.runtime.version import CODE_KEY, VERSION, version_of
from primitives.scale import U32
from tests.node.runtime.chain import genesis_state
from tests.node.runtime.next_runtime import NextRuntime, next_code


def test_the_code_of_the_state_says_our_own_version() -> None:
    code = genesis_state().get(CODE_KEY)
    assert version_of(code) == VERSION
    assert code == shim_code(runtime_at(genesis_state()))


def test_a_newer_runtime_asks_for_a_newer_release() -> None:
    state = genesis_state().after({CODE_KEY: next_code()})
    with pytest.raises(RuntimeNotKnown, match=r"cess-node 2.* install the release"):
        runtime_at(state)


def test_another_chains_code_is_refused() -> None:
    with pytest.raises(RuntimeNotKnown, match="without a version"):
        version_of(b"\0asm\x01\0\0\0")
    other = next_code(replace(NextRuntime.version, spec_name="polkadot", spec_version=U32(1)))
    with pytest.raises(RuntimeNotKnown, match="polkadot 1"):
        runtime_at(genesis_state().after({CODE_KEY: other}))
