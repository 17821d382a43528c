"""Service proofs verified ahead in threads lead to the same blocks, and to no other verdicts."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import pytest
from py_arkworks_bls12381 import G1Point, Scalar

from node.consensus import proof_threads
from node.consensus.chain import Chain
from node.consensus.finality import FinalityKeys
from node.consensus.proof_threads import THREADS_MAX, ProofThreads, default_thread_count
from node.database import ChainDatabase, MemoryKv, genesis_state_root
from node.genesis import genesis_header
from node.runtime import CessRuntime, runtime_at
from pallets.audit import Audit, ChallengeInfo, FaultyPositions, Holding, KeptRows
from pallets.audit.judging import RowsCheck, positions_of, rows_hold
from pallets.frame import DictState
from pallets.sminer import EndPoint, MinerInfo, MinerState, SpaceProofInfo
from primitives.crypto.keys import KeyPair
from primitives.errors import StorageCorrupt
from primitives.extrinsic import UncheckedExtrinsic
from primitives.scale import U8, U16, U32, U64, U128
from primitives.types import Balance, BlockNumber, Bytes48, FileHash, FragmentHash, Hash
from proofs.podr2.challenge import coefficients
from proofs.podr2.params import SCALAR_MODULUS, row_count
from proofs.podr2.points import checked_points
from proofs.podr2.verify import IDENTITY
from proofs.podr2.wire import ScalarBytes, ServiceProof
from tests.node.net import ALICE, ALICE_GRANDPA, BOB, Net, dev_state

CHARLIE, DAVE = KeyPair.from_suri("//Charlie"), KeyPair.from_suri("//Dave")
MINERS = (ALICE, BOB, CHARLIE, DAVE)
FRAGMENTS = 3
DEADLINE = BlockNumber(100)
# Rows that hold one number in every element: committed to by that many G, opened by themselves.
VALUE = 12_345
SPACE = U128(FRAGMENTS << 20)


def seed_of(pair: KeyPair) -> Hash:
    return Hash(bytes(pair.account_id))


@cache
def audited_state() -> dict[bytes, bytes]:
    """A development chain on which all miners have to answer a round."""
    runtime = runtime_at(DictState(dev_state()))
    rows = row_count(int(runtime.audit.config.fragment_bytes))
    point = Bytes48((G1Point() * Scalar(VALUE)).to_compressed_bytes())
    # Removed since the round began: still asked, and no file needs to know of a loss.
    start = BlockNumber(0)
    kept = KeptRows(since=start, removed=start, points=checked_points([point] * rows))
    for pair in MINERS:
        who = pair.account_id
        runtime.sminer.miner_items[who] = MinerInfo(
            beneficiary=who,
            staking_account=who,
            endpoint=EndPoint(b"http://miner"),
            collaterals=Balance(10**21),
            debt=Balance(0),
            state=MinerState.Positive,
            declaration_space=SPACE,
            idle_space=U128(0),
            service_space=SPACE,
            lock_space=U128(0),
            space_proof_info=SpaceProofInfo(front=U64(0), rear=U64(0)),
            registered_at=BlockNumber(0),
        )
        runtime.audit.holding_count[who] = U32(FRAGMENTS)
        for slot in range(FRAGMENTS):
            runtime.audit.holdings[who, U32(slot)] = Holding(
                file_hash=FileHash(bytes(32)),
                segment_index=U32(slot),
                fragment_index=U8(0),
                fragment_hash=FragmentHash(bytes(32)),
                since=kept.since,
                removed=kept.removed,
            )
            runtime.audit.commitments[who, U32(slot)] = kept
        runtime.audit.challenge_slip[DEADLINE, who] = True
        runtime.audit.challenge_snap_shot[who] = ChallengeInfo(
            round=U32(1),
            start=BlockNumber(0),
            seed=seed_of(pair),
            slots=U32(FRAGMENTS),
            service_space=SPACE,
            idle_front=U64(0),
            idle_rear=U64(0),
            deadline=DEADLINE,
            idle_deadline=DEADLINE,
            service_done=False,
            idle_done=True,
            service_passed=False,
            idle_passed=True,
            idle_space=U128(0),
        )
    state = dict(dev_state())
    state.update({key: value for key, value in runtime.overlay.changes().items() if value})
    return state


def new_net(threads: ProofThreads | None) -> Net:
    state = audited_state()
    database = ChainDatabase(MemoryKv(), state_pruning=256)
    database.initialise(genesis_header(genesis_state_root(state)), state)
    keys = FinalityKeys(None, (ALICE_GRANDPA,))
    return Net(Chain(database, keys, finalizes=True, proofs=threads))


@pytest.fixture
def threads() -> Iterator[ProofThreads]:
    found = ProofThreads(2)
    yield found
    found.close()


def answer(
    net: Net, pair: KeyPair, *, extra: int = 0, faulty: tuple[int, ...] = (), nonce: int = 0
) -> bytes:
    """The right answer of a miner; wrong by ``extra``."""
    runtime = net.chain.runtime(net.chain.database.genesis_hash)
    rows = FRAGMENTS * row_count(int(runtime.audit.config.fragment_bytes))
    count = len(positions_of(seed_of(pair), rows, int(runtime.audit.config.rows_sampled_max)))
    weights = coefficients(seed_of(pair), count)
    total = sum(weight for index, weight in enumerate(weights) if index not in faulty)
    value = (VALUE * total + extra) % SCALAR_MODULUS
    call = CessRuntime.calls().make(
        "Audit",
        "submit_service_proof",
        round=U32(1),
        faulty=FaultyPositions(U16(index) for index in faulty),
        y=ScalarBytes(value.to_bytes(32, "big")),
        proof=Bytes48(IDENTITY),
    )
    return net.signed(call.encode(), pair=pair, nonce=nonce)


def passed(net: Net) -> list[int]:
    runtime = net.chain.runtime(net.chain.database.best().hash)
    records = [runtime.audit.audit_record.get(pair.account_id) for pair in MINERS]
    return [0 if record is None else int(record.passed) for record in records]


def block_of(net: Net) -> list[bytes]:
    """Right answers, a wrong one, and one with a declared loss, among other extrinsics."""
    return [
        net.transfer(nonce=0),
        answer(net, ALICE, nonce=1),
        answer(net, BOB),
        answer(net, CHARLIE, extra=1),
        answer(net, DAVE, faulty=(0, 3)),
        net.transfer(nonce=2),
    ]


def test_a_block_is_the_same_with_and_without_threads(threads: ProofThreads) -> None:
    plain, ahead = new_net(None), new_net(threads)
    exts = block_of(plain)
    one, _ = plain.author(*exts)
    other, _ = ahead.author(*exts)
    assert threads.foreseen_count == 4
    assert len(one.included) == 6
    assert one.header.state_root == other.header.state_root
    assert one.body == other.body
    assert passed(plain) == passed(ahead) == [1, 1, 0, 0]


def test_an_import_is_the_same_with_and_without_threads(threads: ProofThreads) -> None:
    author = new_net(None)
    built, _ = author.author(*block_of(author))
    plain, ahead = new_net(None), new_net(threads)
    assert plain.import_(built).header == ahead.import_(built).header
    assert threads.foreseen_count == 4
    assert passed(plain) == passed(ahead) == [1, 1, 0, 0]


def test_a_second_answer_of_a_miner_is_not_foreseen(threads: ProofThreads) -> None:
    net = new_net(threads)
    built, _ = net.author(answer(net, BOB, extra=1), answer(net, BOB, nonce=1))
    assert len(built.included) == 2
    assert threads.foreseen_count == 1
    assert passed(net) == [0, 0, 0, 0]


def test_other_calls_and_junk_are_passed_over(threads: ProofThreads) -> None:
    net = new_net(threads)
    runtime = net.chain.runtime(net.chain.database.best().hash)
    right = answer(net, BOB)
    expect = threads.begin(runtime)
    expect([b"", net.transfer(), right[:-1], right + b"\0", right[40:], b"\xff" * 200])
    assert not threads._foreseen
    expect([right])
    assert len(threads._foreseen) == 1


def test_looking_ahead_changes_nothing(threads: ProofThreads) -> None:
    net = new_net(threads)
    runtime = net.chain.runtime(net.chain.database.best().hash)
    threads.begin(runtime)(block_of(net))
    assert runtime.overlay.changes() == {}
    assert runtime.overlay.events == []


def test_the_next_block_forgets_what_was_not_asked(threads: ProofThreads) -> None:
    net = new_net(threads)
    threads.begin(net.chain.runtime(net.chain.database.best().hash))([answer(net, BOB)])
    threads.begin(net.chain.runtime(net.chain.database.best().hash))
    assert not threads._foreseen


def test_no_more_is_foreseen_than_the_bound(
    threads: ProofThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_threads, "FORESEEN_MAX", 2)
    net = new_net(threads)
    net.author(*(answer(net, pair) for pair in MINERS))
    assert threads.foreseen_count == 2
    assert passed(net) == [1, 1, 1, 1]


# One question's verdict serves no other question.

Change = Callable[[RowsCheck], RowsCheck]


def right_check() -> RowsCheck:
    net = new_net(None)
    runtime = net.chain.runtime(net.chain.database.best().hash)
    call = CessRuntime.calls().decode(UncheckedExtrinsic.decode(answer(net, BOB)).call)
    check = runtime.audit.foresee(BOB.account_id, *call.args)
    assert check is not None
    return check


CHANGES: dict[str, Change] = {
    "seed": lambda check: replace(check, seed=seed_of(DAVE)),
    "an index": lambda check: replace(check, indexes=(*check.indexes[:-1], 459)),
    "a row less": lambda check: replace(check, indexes=check.indexes[1:], points=check.points[1:]),
    "a point": lambda check: replace(check, points=(G1Point().to_xy_bytes_be(), *check.points[1:])),
    "y": lambda check: replace(
        check, proof=ServiceProof(y=ScalarBytes(bytes(32)), proof=check.proof.proof)
    ),
    "proof": lambda check: replace(
        check,
        proof=ServiceProof(y=check.proof.y, proof=Bytes48(G1Point().to_compressed_bytes())),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_verdict_serves_only_the_very_question(threads: ProofThreads, change: Change) -> None:
    check = right_check()
    other = change(check)
    assert other.key() != check.key()
    pool = threads._threads
    assert pool is not None
    threads._submit(pool, check)
    assert not threads(other)
    assert threads.foreseen_count == 0
    assert threads(check)
    assert threads.foreseen_count == 1


def test_a_damaged_state_is_told_and_not_judged(threads: ProofThreads) -> None:
    check = right_check()
    damaged = replace(check, points=(b"\x01" * 96, *check.points[1:]))
    pool = threads._threads
    assert pool is not None
    threads._submit(pool, damaged)
    with pytest.raises(StorageCorrupt):
        threads(damaged)


def test_a_node_that_stops_still_answers(threads: ProofThreads) -> None:
    check = right_check()
    pool = threads._threads
    assert pool is not None
    gate = threading.Event()
    for _ in range(2):
        pool.submit(gate.wait)
    threads._submit(pool, check)
    ending = threading.Thread(target=threads.close)
    ending.start()
    while not threads._foreseen[check.key()].verdict.cancelled():
        pass
    gate.set()
    ending.join()
    assert threads(check) is rows_hold(check) is True


def test_whoever_waits_answers_what_nobody_has_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    check = right_check()
    wrong = CHANGES["y"](check)
    damaged = replace(check, points=(b"\x01" * 96, *check.points[1:]))
    begun, gate = threading.Event(), threading.Event()
    answered: list[str] = []

    def hold(asked: RowsCheck) -> bool:
        in_a_thread = threading.current_thread() is not threading.main_thread()
        answered.append("thread" if in_a_thread else "main")
        if in_a_thread:
            begun.set()
            gate.wait()
        elif len(answered) == 3:
            gate.set()
        return rows_hold(asked)

    monkeypatch.setattr(proof_threads, "rows_hold", hold)
    threads = ProofThreads(1)
    pool = threads._threads
    assert pool is not None
    for asked in (check, wrong, damaged):
        threads._submit(pool, asked)
    begun.wait()
    assert threads(check)
    assert sorted(answered) == ["main", "main", "thread"]
    assert not threads(wrong)
    with pytest.raises(StorageCorrupt):
        threads(damaged)
    assert len(answered) == 3, "nothing is answered twice"
    assert threads.foreseen_count == 3
    threads.close()


def test_what_was_read_ahead_is_not_read_again(threads: ProofThreads) -> None:
    net = new_net(threads)
    reads: list[bytes] = []

    class Counted(DictState):
        def get(self, key: bytes) -> bytes | None:
            reads.append(key)
            return super().get(key)

    runtime = runtime_at(Counted(audited_state()))
    right = answer(net, BOB)
    call = CessRuntime.calls().decode(UncheckedExtrinsic.decode(right).call)
    threads.begin(runtime)([right])
    fragments = [key for key in reads if key.startswith(Audit.commitments.prefix_key())]
    assert len(fragments) == FRAGMENTS
    reads.clear()
    assert runtime.audit.foresee(BOB.account_id, *call.args) is not None
    assert reads == []


@pytest.mark.parametrize(("processors", "count"), [(1, 0), (2, 1), (3, 2), (64, THREADS_MAX)])
def test_the_thread_that_executes_has_a_processor_of_its_own(
    monkeypatch: pytest.MonkeyPatch, processors: int, count: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(processors)))
    assert default_thread_count() == count


def test_one_processor_verifies_where_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert default_thread_count() == 0
    net = new_net(ProofThreads(0))
    net.author(answer(net, ALICE))
    assert passed(net) == [1, 0, 0, 0]
    assert net.chain.proofs.foreseen_count == 0
