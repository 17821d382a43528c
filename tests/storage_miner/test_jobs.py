"""Work of the worker processes, with real commitments, proofs and a real plot."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from primitives.errors import DecodeError
from primitives.types import Bytes48
from proofs.podr2 import challenge
from proofs.podr2.commit import check_transfer
from proofs.podr2.verify import verify
from proofs.podr2.wire import Opening, ScalarBytes, ServiceProof
from proofs.pois.verify import verify_answers
from storage_miner import jobs
from storage_miner.jobs import (
    AskedRow,
    CommitJob,
    Commitments,
    Failed,
    IdleJob,
    IdleProved,
    Opened,
    OpenJob,
    Prover,
    ServiceJob,
    ServiceProved,
)
from tests.storage_miner.kit import ACCOUNT, FACTS, FRAGMENT_BYTES, PLOT_K

SEED = bytes(range(32))

perform = Prover().perform
texts = st.text("0123456789abcdef", max_size=8)
numbers = st.integers(0, 1 << 32)
MESSAGES = st.one_of(
    st.builds(CommitJob, texts, texts),
    st.builds(OpenJob, texts, texts, st.lists(texts, max_size=3), texts),
    st.builds(
        ServiceJob,
        texts,
        numbers,
        st.lists(st.builds(AskedRow, numbers, texts, texts, numbers, texts), max_size=3),
    ),
    st.builds(
        IdleJob,
        texts,
        texts,
        numbers,
        texts,
        numbers,
        numbers,
        numbers,
        st.lists(texts, max_size=3),
    ),
)
RESULTS = st.one_of(
    st.builds(Commitments, st.lists(texts, max_size=3)),
    st.builds(Opened, texts, texts),
    st.builds(
        ServiceProved,
        st.lists(numbers, max_size=3),
        st.lists(texts, max_size=3),
        st.lists(texts, max_size=3),
        texts,
        texts,
    ),
    st.builds(
        IdleProved,
        st.lists(st.tuples(numbers, texts), max_size=3),
        st.lists(numbers, max_size=3),
    ),
    st.builds(Failed, texts),
)


@given(MESSAGES)
def test_jobs_travel_unchanged(job: Any) -> None:
    assert jobs.decode_job(jobs.encode(job)) == job


@given(RESULTS)
def test_results_travel_unchanged(result: Any) -> None:
    assert jobs.decode_result(jobs.encode(result)) == result


@pytest.mark.parametrize("line", [b"", b"x", b"[]", b"{}", b'{"kind":"Nothing"}', b'{"kind":1}'])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(DecodeError):
        jobs.decode_job(line)
    with pytest.raises(DecodeError):
        jobs.decode_result(line)


@pytest.fixture
def stored(fragments: Any, tmp_path: Path) -> list[Path]:
    paths = []
    for made in fragments:
        path = tmp_path / made.hash.hex()
        path.write_bytes(made.data)
        paths.append(path)
    return paths


def test_commit_and_open_convince_a_sender(fragments: Any, stored: list[Path]) -> None:
    made = fragments[0]
    result = perform(CommitJob(str(stored[0]), made.hash.hex()))
    assert isinstance(result, Commitments)
    commitments = [Bytes48(bytes.fromhex(item)) for item in result.commitments]
    assert tuple(commitments) == made.commitments
    nonce = bytes(32)
    opened = perform(OpenJob(str(stored[0]), made.hash.hex(), result.commitments, nonce.hex()))
    assert isinstance(opened, Opened)
    opening = Opening(
        y=ScalarBytes(bytes.fromhex(opened.y)), proof=Bytes48(bytes.fromhex(opened.proof))
    )
    check_transfer(made.data, made.hash, commitments, nonce, opening)


def test_both_provers_give_the_same_answers(fragments: Any, stored: list[Path]) -> None:
    quick, thorough = Prover(1000), Prover(0)
    assert quick.is_quick(1)
    assert not thorough.is_quick(1)
    for job in (
        CommitJob(str(stored[0]), fragments[0].hash.hex()),
        service_job(fragments, stored, (0, 2, 5)),
    ):
        assert quick.perform(job) == thorough.perform(job)


def test_much_work_turns_a_process_to_the_thorough_prover() -> None:
    prover = Prover(10)
    assert [prover.is_quick(4) for _ in range(4)] == [True, True, False, False]


def test_nothing_is_committed_for_bytes_that_changed(fragments: Any, stored: list[Path]) -> None:
    stored[0].write_bytes(bytes(FRAGMENT_BYTES))
    result = perform(CommitJob(str(stored[0]), fragments[0].hash.hex()))
    assert isinstance(result, Failed)
    assert "has changed" in result.message


def test_a_missing_file_is_a_failure_and_not_a_crash(fragments: Any, tmp_path: Path) -> None:
    result = perform(CommitJob(str(tmp_path / "nothing"), fragments[0].hash.hex()))
    assert isinstance(result, Failed)


def service_job(fragments: Any, stored: list[Path], indexes: tuple[int, ...]) -> ServiceJob:
    return ServiceJob(
        seed=SEED.hex(),
        fragment_bytes=FRAGMENT_BYTES,
        rows=[
            AskedRow(index, str(path), made.hash.hex(), 0, made.commitments[0].hex())
            for index, (made, path) in zip(
                indexes, zip(fragments, stored, strict=True), strict=True
            )
        ],
    )


def assert_proves(answer: ServiceProved, fragments: Any, indexes: tuple[int, ...]) -> None:
    """As the chain verifies it: coefficients by index, whether or not others drop out."""
    weights = challenge.coefficients(SEED, max(indexes) + 1)
    proof = ServiceProof(
        y=ScalarBytes(bytes.fromhex(answer.y)), proof=Bytes48(bytes.fromhex(answer.proof))
    )
    verify(
        [made.commitments[0] for made in fragments],
        [weights[index] for index in indexes],
        challenge.evaluation_point(SEED),
        proof,
    )


def test_a_service_answer_is_what_the_chain_accepts(fragments: Any, stored: list[Path]) -> None:
    answer = perform(service_job(fragments, stored, (0, 2, 5)))
    assert isinstance(answer, ServiceProved)
    assert answer.faulty == []
    assert_proves(answer, fragments, (0, 2, 5))


def test_a_missing_fragment_is_declared_and_the_rest_proved(
    fragments: Any, stored: list[Path]
) -> None:
    stored[1].unlink()
    answer = perform(service_job(fragments, stored, (0, 2, 5)))
    assert isinstance(answer, ServiceProved)
    assert answer.faulty == [2]
    assert answer.damaged == [fragments[1].hash.hex()]
    assert_proves(answer, (fragments[0], fragments[2]), (0, 5))


def test_a_flipped_bit_never_becomes_a_wrong_proof(fragments: Any, stored: list[Path]) -> None:
    data = bytearray(stored[2].read_bytes())
    data[1234] ^= 1
    stored[2].write_bytes(data)
    answer = perform(service_job(fragments, stored, (0, 2, 5)))
    assert isinstance(answer, ServiceProved)
    assert answer.faulty == [5]
    assert_proves(answer, (fragments[0], fragments[1]), (0, 2))


def test_a_truncated_fragment_is_declared(fragments: Any, stored: list[Path]) -> None:
    os.truncate(stored[0], 10)
    answer = perform(service_job(fragments, stored, (0, 2, 5)))
    assert isinstance(answer, ServiceProved)
    assert answer.faulty == [0]


def test_a_fragment_that_the_disk_refuses_to_read_is_told_apart(
    fragments: Any, stored: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO while the rows are read: the fragment is named, the rest is proved."""
    opened: dict[int, str] = {}
    real_open, real_pread, real_read = os.open, os.pread, os.read

    def open_(path: Any, *arguments: Any) -> int:
        descriptor = real_open(path, *arguments)
        opened[descriptor] = str(path)
        return descriptor

    def refuse(descriptor: int) -> None:
        if opened.get(descriptor) == str(stored[1]):
            raise OSError(errno.EIO, "Input/output error")

    def pread(descriptor: int, length: int, start: int) -> bytes:
        refuse(descriptor)
        return real_pread(descriptor, length, start)

    def read(descriptor: int, length: int) -> bytes:
        refuse(descriptor)
        return real_read(descriptor, length)

    job = service_job(fragments, stored, (0, 2, 5))
    with monkeypatch.context() as broken:
        broken.setattr(os, "open", open_)
        broken.setattr(os, "pread", pread)
        broken.setattr(os, "read", read)
        answer = perform(job)
    assert isinstance(answer, ServiceProved)
    assert answer.faulty == [2]
    assert answer.damaged == answer.unreadable == [fragments[1].hash.hex()]
    assert_proves(answer, (fragments[0], fragments[2]), (0, 5))


def test_reading_ahead_keeps_the_order_and_leaves_no_file_open(
    fragments: Any, stored: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "READ_AHEAD_ROWS", 2)
    rows = [*service_job(fragments, stored, (0, 2, 5)).rows] * 5
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert list(jobs._stream(rows, FRAGMENT_BYTES)) == [made.data for made in fragments] * 5
    broken = jobs._stream(rows, FRAGMENT_BYTES)
    next(broken)
    broken.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_when_everything_is_gone_everything_is_declared(fragments: Any, stored: list[Path]) -> None:
    for path in stored:
        path.unlink()
    answer = perform(service_job(fragments, stored, (0, 2, 5)))
    assert isinstance(answer, ServiceProved)
    assert answer.faulty == [0, 2, 5]


def test_commitments_of_other_bytes_are_not_answered_at_all(
    fragments: Any, stored: list[Path]
) -> None:
    job = service_job(fragments, stored, (0, 2, 5))
    wrong = AskedRow(
        0, str(stored[0]), fragments[0].hash.hex(), 0, fragments[1].commitments[0].hex()
    )
    result = perform(ServiceJob(job.seed, job.fragment_bytes, [wrong, *job.rows[1:]]))
    assert isinstance(result, Failed)


def test_too_many_rows_are_refused(fragments: Any, stored: list[Path]) -> None:
    row = service_job(fragments, stored, (0, 1, 2)).rows[0]
    result = perform(ServiceJob(SEED.hex(), FRAGMENT_BYTES, [row] * (jobs.ROWS_MAX + 1)))
    assert isinstance(result, Failed)


def idle_job(directory: Path, *, rear: int = 1) -> IdleJob:
    return IdleJob(
        genesis=FACTS.genesis.hex(),
        miner=ACCOUNT.hex(),
        k=PLOT_K,
        seed=SEED.hex(),
        front=0,
        rear=rear,
        draws=64,
        plots=[str(directory.parent), str(directory)],
    )


def test_idle_answers_are_what_the_chain_accepts(plot_directory: Path) -> None:
    result = perform(idle_job(plot_directory))
    assert isinstance(result, IdleProved)
    answers = [(t, bytes.fromhex(proof)) for t, proof in result.answers]
    assert result.damaged == []
    count = verify_answers(FACTS.genesis, ACCOUNT, PLOT_K, SEED, 0, 1, 64, answers)
    assert count == len(answers) > 20


def test_a_missing_plot_is_named_and_the_others_answer(plot_directory: Path) -> None:
    result = perform(idle_job(plot_directory, rear=2))
    assert isinstance(result, IdleProved)
    assert result.damaged == [1]
    answers = [(t, bytes.fromhex(proof)) for t, proof in result.answers]
    assert verify_answers(FACTS.genesis, ACCOUNT, PLOT_K, SEED, 0, 2, 64, answers) > 5


def test_a_process_without_tables_says_why_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proofs.podr2.fixed_base.why_without", lambda: "no blst here")
    jobs._tell_of_tables.cache_clear()
    prover = Prover(quick_rows_max=0)
    with capture_logs() as logs:
        assert not prover.is_quick(1)
        assert not prover.is_quick(1)
    jobs._tell_of_tables.cache_clear()
    assert [each["reason"] for each in logs] == ["no blst here"]
