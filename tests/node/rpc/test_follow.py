"""The core of chainHead_v1_follow: the order of events, pins, and places for operations."""

import pytest

from node.rpc.follow import OPERATIONS_MAX, PINS_MAX, Follow, Reported
from primitives.errors import RpcError
from primitives.types import Hash


def block(number: int, fork: int = 0) -> Hash:
    return Hash(bytes([number, fork]) + bytes(30))


def text(hash_: Hash) -> str:
    return f"0x{hash_.hex()}"


def reported(number: int, parent: Hash | None = None, fork: int = 0) -> Reported:
    return Reported(block(number, fork), parent or block(number - 1), number)


def begun(pin_age_max: int = 8, *, with_runtime: bool = False) -> Follow:
    core = Follow(with_runtime, pin_age_max)
    core.begin([(block(0), 0), (block(1), 1)], {"type": "valid"})
    return core


def test_it_begins_with_the_final_blocks_and_their_runtime() -> None:
    core = Follow(with_runtime=True)
    assert core.begin([(block(0), 0), (block(1), 1)], {"type": "valid"}) == {
        "event": "initialized",
        "finalizedBlockHashes": [text(block(0)), text(block(1))],
        "finalizedBlockRuntime": {"type": "valid"},
    }
    assert "finalizedBlockRuntime" not in Follow(with_runtime=False).begin([(block(0), 0)], None)
    assert core.lead(block(1), always=True) == [
        {"event": "bestBlockChanged", "bestBlockHash": text(block(1))}
    ]


def test_a_block_is_reported_once_and_after_its_parent() -> None:
    core = begun(with_runtime=True)
    (event,) = core.report(reported(2))
    assert event == {
        "event": "newBlock",
        "blockHash": text(block(2)),
        "parentBlockHash": text(block(1)),
        "newRuntime": None,
    }
    assert core.report(reported(2)) == []
    assert core.report(reported(4)) == [], "its parent was never reported"
    assert core.report(reported(1, fork=1)) == [], "it is not above the final block"
    assert "newRuntime" not in begun().report(reported(2))[0]


def test_the_best_block_was_reported_before() -> None:
    core = begun()
    assert core.lead(block(2)) == []
    core.report(reported(2))
    assert core.lead(block(2)) == [{"event": "bestBlockChanged", "bestBlockHash": text(block(2))}]
    assert core.lead(block(2)) == []


def test_finality_prunes_every_other_branch() -> None:
    core = begun()
    for entry in (
        reported(2),
        reported(2, fork=1),
        reported(3),
        reported(3, block(2, 1), fork=1),
        reported(4),
    ):
        core.report(entry)
    core.lead(block(4))
    (event,) = core.finalize([block(2), block(3)], block(4))
    assert event["event"] == "finalized"
    assert event["finalizedBlockHashes"] == [text(block(2)), text(block(3))]
    assert event["prunedBlockHashes"] == [text(block(2, 1)), text(block(3, 1))]
    assert core.finalize([block(2), block(3)], block(4)) == []
    assert core.report(reported(4, block(3, 1), fork=1)) == [], "nothing grows on what is pruned"


def test_the_best_block_moves_before_its_branch_is_pruned() -> None:
    core = begun()
    for entry in (reported(2), reported(2, fork=1), reported(3, block(2, 1), fork=1)):
        core.report(entry)
    core.lead(block(2))
    first, second = core.finalize([block(2, 1)], block(3, 1))
    assert first == {"event": "bestBlockChanged", "bestBlockHash": text(block(3, 1))}
    assert second["prunedBlockHashes"] == [text(block(2))]
    again = begun()
    again.report(reported(2))
    again.report(reported(2, fork=1))
    again.lead(block(2))
    first, _ = again.finalize([block(2, 1)], block(2))
    assert first == {"event": "bestBlockChanged", "bestBlockHash": text(block(2, 1))}


def test_unpinning_is_all_or_nothing() -> None:
    core = begun()
    with pytest.raises(RpcError) as caught:
        core.unpin([block(0), block(9)])
    assert caught.value.code == -32801
    with pytest.raises(RpcError) as caught:
        core.unpin([block(0), block(0)])
    assert caught.value.code == -32804
    core.unpin([block(0), block(1)])
    with pytest.raises(RpcError) as caught:
        core.check_pinned(block(0))
    assert caught.value.code == -32801


def test_blocks_stay_pinned_when_they_are_pruned() -> None:
    core = begun()
    core.report(reported(2))
    core.report(reported(2, fork=1))
    core.finalize([block(2)], block(2))
    core.check_pinned(block(2, 1))


def test_a_pin_becomes_too_old_one_block_after_the_limit() -> None:
    core = begun(pin_age_max=3)
    for number in range(2, 5):
        core.report(reported(number))
        core.finalize([block(number)], block(number))
        assert core.must_stop() == (number == 4)
    core.unpin([block(0)])
    assert not core.must_stop()


def test_pins_are_counted() -> None:
    core = begun()
    core.unpin([block(0), block(1)])
    core.pins = {Hash(number.to_bytes(32, "big")): 9 for number in range(PINS_MAX)}
    assert not core.must_stop()
    core.pins[block(9)] = 9
    assert core.must_stop()


def test_sixteen_operations_run_at_a_time() -> None:
    core = begun()
    made = [core.start(1) for _ in range(OPERATIONS_MAX - 2)]
    assert all(made)
    storage = core.start(5)
    assert storage is not None
    operation, taken = storage
    assert taken == 2, "what does not fit is discarded"
    assert core.start(1) is None
    core.finish(operation)
    assert core.start(2) is not None
    assert len({entry[0].id for entry in made if entry}) == OPERATIONS_MAX - 2


class Scope:
    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def test_an_operation_goes_on_only_when_it_waits() -> None:
    core, went = begun(), []
    started = core.start(1)
    assert started is not None
    operation = started[0]
    with pytest.raises(RpcError) as caught:
        core.proceed(operation.id)
    assert caught.value.code == -32803
    operation.proceed = lambda: went.append(1)
    core.proceed(operation.id)
    assert went == [1]
    with pytest.raises(RpcError):
        core.proceed(operation.id)
    core.proceed("unknown")


def test_stopping_cancels_and_frees_the_place() -> None:
    core, scopes = begun(), [Scope(), Scope()]
    for scope in scopes:
        started = core.start(8)
        assert started is not None
        started[0].scope = scope
    core.stop("0")
    assert [scope.cancelled for scope in scopes] == [True, False]
    core.stop("0")
    assert core.start(8) is not None
    core.close()
    assert scopes[1].cancelled
    assert not core.operations


def test_calls_need_a_subscription_with_the_runtime() -> None:
    with pytest.raises(RpcError) as caught:
        begun().check_runtime()
    assert caught.value.code == -32802
    begun(with_runtime=True).check_runtime()
