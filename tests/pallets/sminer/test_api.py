"""The pallet's runtime API over a state in memory."""

from typing import Any

from node.runtime import CessRuntime, apis, runtime_at
from pallets.sminer.types import (
    EndPoint,
    MinerInfo,
    MinerState,
    PendingIdle,
    RestoralTargetInfo,
    Reward,
    SpaceProofInfo,
)
from primitives.scale import U32, decode
from tests.node.runtime.chain import genesis_state, pair

ALICE = pair("Alice").account_id
BOB = pair("Bob").account_id


def ask(runtime: CessRuntime, method: str, output: Any, *params: bytes) -> Any:
    return decode(output, apis(runtime).call(method, b"".join(params)))


def test_a_miner_is_told_as_it_is_stored() -> None:
    runtime = runtime_at(genesis_state())
    miner = MinerInfo(
        beneficiary=BOB,
        staking_account=ALICE,
        endpoint=EndPoint(b"http://localhost"),
        collaterals=5,  # type: ignore[arg-type]
        debt=0,  # type: ignore[arg-type]
        state=MinerState.Positive,
        declaration_space=1 << 40,  # type: ignore[arg-type]
        idle_space=1,  # type: ignore[arg-type]
        service_space=2,  # type: ignore[arg-type]
        lock_space=3,  # type: ignore[arg-type]
        space_proof_info=SpaceProofInfo(0, 9),  # type: ignore[arg-type]
        registered_at=7,  # type: ignore[arg-type]
    )
    runtime.sminer.miner_items[ALICE] = miner
    runtime.sminer.miner_count.put(U32(1))
    assert ask(runtime, "MinersApi_miner", MinerInfo | None, ALICE) == miner
    assert ask(runtime, "MinersApi_miner", MinerInfo | None, BOB) is None
    assert ask(runtime, "MinersApi_count", U32) == 1


def test_what_is_not_there_is_none() -> None:
    runtime = runtime_at(genesis_state())
    for function, kind in (
        ("certification", PendingIdle),
        ("reward", Reward),
        ("left", RestoralTargetInfo),
    ):
        assert ask(runtime, f"MinersApi_{function}", kind | None, ALICE) is None
