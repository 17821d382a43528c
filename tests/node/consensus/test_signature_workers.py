"""Checking signatures elsewhere gives the same answers, whatever happens to the workers."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from node.consensus import signature_workers
from node.consensus.signature_workers import (
    EXPECTED_MIN,
    RESTARTS_MAX,
    SignatureWorkers,
    default_worker_count,
)
from pallets.frame.signatures import SignatureCheck
from primitives.errors import InvalidBlock
from tests.node.net import ALICE, BOB, FIRST_SLOT, Net


def checks(count: int, *, bad: int | None = None) -> list[SignatureCheck]:
    found = []
    for number in range(count):
        payload = b"payload %d" % number
        pair = BOB if number == bad else ALICE
        found.append(SignatureCheck(pair.multi_signature(payload), payload, ALICE.account_id))
    return found


@pytest.fixture(scope="module")
def workers() -> Iterator[SignatureWorkers]:
    """One warm worker."""
    found = SignatureWorkers(1)
    found._warm()
    yield found
    found.close()


def test_answers_are_those_of_a_check_here(workers: SignatureWorkers) -> None:
    asked = checks(150, bad=77)
    before = workers.elsewhere_count
    workers.expect(asked)
    assert [workers(check) for check in asked] == [number != 77 for number in range(150)]
    assert workers.elsewhere_count == before + 150
    workers.expect(asked)  # the good ones are known
    assert len(workers._pending) == 0
    assert not workers(asked[77])


def test_a_few_checks_are_not_worth_a_message(workers: SignatureWorkers) -> None:
    asked = [each._replace(payload=each.payload + b"!") for each in checks(EXPECTED_MIN - 1)]
    workers.expect(asked)
    assert not workers._pending


def test_what_is_never_asked_is_forgotten(
    workers: SignatureWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signature_workers, "PENDING_MAX", 20)
    for at in range(4):
        workers.expect([each._replace(payload=b"%d" % at) for each in checks(15)])
        assert len(workers._pending) <= 20
    workers._pending.clear()


def test_a_worker_that_dies_costs_no_answer() -> None:
    workers = SignatureWorkers(1)
    workers._warm()
    (worker,) = workers._all
    try:
        for _ in range(2 * RESTARTS_MAX + 2):  # it dies, and starts for the next batch
            if worker._process is not None:
                worker._process.kill()
                worker._process.wait()
            asked = checks(EXPECTED_MIN, bad=3)
            workers._cache._good.clear()
            workers.expect(asked)
            assert [workers(check) for check in asked] == [at != 3 for at in range(EXPECTED_MIN)]
        assert worker.is_spent
        workers.expect(checks(20))
        assert not workers._pending
    finally:
        workers.close()


def test_a_worker_that_cannot_start_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_workers, "WORKER_MODULE", "node.no_such_module")
    workers = SignatureWorkers(1)
    workers._warm()
    asked = checks(EXPECTED_MIN)
    workers.expect(asked)
    assert all(workers(check) for check in asked)
    workers.close()


def test_nobody_waits_for_a_worker_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = SignatureWorkers(1)
    monkeypatch.setattr(workers, "_warm", lambda: None)
    workers.expect(checks(50))
    assert not workers._pending
    workers.close()
    workers.expect(checks(50))


def test_what_the_end_of_the_node_cancels_is_checked_here() -> None:
    workers = SignatureWorkers(0)
    [good] = checks(1)
    waiting: Future[bytes] = Future()
    assert waiting.cancel()
    workers._pending[good.key()] = (waiting, 0)
    assert workers(good)


def test_a_worker_ends_with_the_node() -> None:
    code = (
        "import os, signal\n"
        "from node.consensus.signature_workers import SignatureWorkers\n"
        "found = SignatureWorkers(1)\n"
        "found._warm()\n"
        "print(found._all[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    # The worker has its parent's standard error: that ends when both are gone.
    out, errors = process.communicate(timeout=20)
    assert out.strip().isdigit()
    assert errors == b""
    assert process.returncode == -9


def test_one_processor_is_left_for_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, expected in ((1, 0), (2, 1), (4, 3), (64, 4)):
        monkeypatch.setattr(
            signature_workers.os, "sched_getaffinity", lambda _, cores=cores: set(range(cores))
        )
        assert default_worker_count() == expected


def test_a_foreign_block_is_checked_ahead(
    net: Net,
    make_net,
    workers: SignatureWorkers,  # type: ignore[no-untyped-def]
) -> None:
    built, _ = net.author(*(net.transfer() for _ in range(20)), slot=FIRST_SLOT)
    other = make_net(finalizes=False)
    other.chain.verifier = workers
    before = workers.elsewhere_count
    assert other.import_(built).is_best
    assert workers.elsewhere_count == before + 20


def test_a_bad_signature_in_a_foreign_block_is_found_by_workers_too(
    net: Net,
    make_net,
    workers: SignatureWorkers,  # type: ignore[no-untyped-def]
) -> None:
    exts = [net.transfer(value=5) for _ in range(20)]
    forger = make_net(finalizes=False)
    forger.chain.verifier = lambda _check: True
    exts[7] = exts[7][:60] + bytes((exts[7][60] ^ 1,)) + exts[7][61:]
    built, _ = forger.author(*exts)
    other = make_net(finalizes=False)
    other.chain.verifier = workers
    with pytest.raises(InvalidBlock, match="extrinsic 8"):
        other.import_(built)
    assert other.chain.best_header().number == 0
