"""The status document: one account of space, one word, one reason."""

from typing import Any

import orjson
import pytest

from pallets.audit.types import AuditRecord
from primitives.crypto.ss58 import ss58_encode
from primitives.scale import U32
from storage_miner.custody import Custody
from storage_miner.deals import Deals
from storage_miner.facts import MinerView
from storage_miner.idle import Idle
from storage_miner.lifecycle import Lifecycle, Wish
from storage_miner.prover_pool import ProverPool
from storage_miner.responder import Responder
from storage_miner.restoral import Restoral
from storage_miner.status_api import SILENCE_S, report
from storage_miner.store import SpaceUse
from tests.storage_miner.kit import ACCOUNT, FACTS, challenge, info, view

URL = "http://127.0.0.1:15001"


def document(seen: MinerView | None, age: float | None = 1.0) -> dict[str, Any]:
    lifecycle = Lifecycle(FACTS, Wish(ACCOUNT, URL, None, 1))
    responder = Responder()
    if seen is not None:
        lifecycle.receive(seen)
        responder.receive(seen)
    return report(
        account=ACCOUNT,
        endpoint=URL,
        view=seen,
        head_age_s=age,
        space=SpaceUse(1000, 200, 300, 50, 1 << 40),
        fragments=2,
        uploads=0,
        lifecycle=lifecycle,
        responder=responder,
        deals=Deals(),
        idle=Idle(FACTS, None),
        custody=Custody(),
        restoral=Restoral(FACTS, ACCOUNT),
        pool=ProverPool(),
    )


@pytest.mark.trio
async def test_before_the_first_block_it_says_so() -> None:
    found = document(None, None)
    assert (found["state"], found["block"], found["is_registered"]) == ("connecting", None, False)
    assert found["reason"]


@pytest.mark.trio
async def test_a_working_miner() -> None:
    record = AuditRecord(round=U32(5), passed=U32(4), faults=U32(1), last_audit=None)
    found = document(view(9, info=info(rear=4, service=7), audits=record, challenge=challenge()))
    assert found["account"] == ss58_encode(ACCOUNT)
    assert (found["state"], found["reason"], found["block"]) == ("working", "", 9)
    assert found["service_bytes"] == 7
    assert found["collateral"] == "4000"
    assert (found["audits"]["passed"], found["audits"]["faults"]) == (4, 1)
    assert found["audits"]["open"] == ["service:proving", "idle:proving"]
    assert found["disk"]["left_bytes"] == 450


@pytest.mark.trio
async def test_it_is_json_whatever_the_amounts() -> None:
    rich = info(collateral=10**35)
    assert str(10**35).encode() in orjson.dumps(document(view(9, info=rich)))


@pytest.mark.trio
@pytest.mark.parametrize(("age", "is_said"), [(SILENCE_S - 1, False), (SILENCE_S, True)])
async def test_a_silent_node_is_the_reason(age: float, is_said: bool) -> None:
    assert ("is the node running" in document(view(9), age)["reason"]) is is_said
