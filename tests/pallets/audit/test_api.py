"""The pallet's runtime API over a state in memory."""

from typing import Any

from node.runtime import CessRuntime, apis, runtime_at
from pallets.audit.types import AuditRecord, ChallengeInfo, Holding
from primitives.scale import U32, decode, encode
from primitives.types import BlockNumber, FileHash, FragmentHash, Hash
from tests.node.runtime.chain import genesis_state, pair

ALICE = pair("Alice").account_id


def ask(runtime: CessRuntime, method: str, output: Any, *params: bytes) -> Any:
    return decode(output, apis(runtime).call(method, b"".join(params)))


def test_an_open_challenge_and_the_record_are_told() -> None:
    runtime = runtime_at(genesis_state())
    numbers: dict[str, Any] = dict.fromkeys(ChallengeInfo.__annotations__, 1)
    challenge = ChallengeInfo(
        **{
            **numbers,
            "seed": Hash(b"s" * 32),
            **dict.fromkeys(("service_done", "idle_done", "service_passed", "idle_passed"), False),
        }
    )
    record = AuditRecord(U32(4), U32(3), U32(1), BlockNumber(9))
    runtime.audit.challenge_snap_shot[ALICE] = challenge
    runtime.audit.audit_record[ALICE] = record
    assert ask(runtime, "AuditsApi_open_challenge", ChallengeInfo | None, ALICE) == challenge
    assert ask(runtime, "AuditsApi_record", AuditRecord | None, ALICE) == record
    nobody = b"\x07" * 32
    assert ask(runtime, "AuditsApi_open_challenge", ChallengeInfo | None, nobody) is None
    assert ask(runtime, "AuditsApi_record", AuditRecord | None, nobody) is None


def test_a_slot_tells_its_fragment() -> None:
    runtime = runtime_at(genesis_state())
    given: dict[str, Any] = dict.fromkeys(Holding.__annotations__, 1)
    holding = Holding(
        **{
            **given,
            "file_hash": FileHash(b"f" * 32),
            "fragment_hash": FragmentHash(b"g" * 32),
            "removed": None,
        }
    )
    runtime.audit.holdings[ALICE, U32(2)] = holding
    slot = encode(U32, U32(2))
    assert ask(runtime, "AuditsApi_holding", Holding | None, ALICE, slot) == holding
    assert ask(runtime, "AuditsApi_holding", Holding | None, ALICE, bytes(4)) is None
