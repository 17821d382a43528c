"""A chain that goes on with another version of the runtime; nodes that have it and one that has
not."""

import pytest

from node.runtime import RuntimeNotKnown, runtime_at
from node.runtime.composition import RUNTIMES
from node.runtime.version import CODE_KEY
from pallets.frame import Weight
from pallets.frame.code import code_version
from pallets.system import System
from pallets.timestamp import Timestamp
from primitives.digest import RuntimeEnvironmentUpdated
from primitives.types import BlockNumber
from tests.node.runtime.chain import Chain
from tests.node.runtime.next_runtime import NextRuntime, next_code

NEXT = int(NextRuntime.version.spec_version)
MOVED = b":test:moved"


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has the next runtime too, which moves the state of one pallet."""

    def move(pallet: Timestamp) -> Weight:
        if isinstance(pallet.context.runtime, NextRuntime):
            pallet.overlay.put(MOVED, (pallet.overlay.get(MOVED) or b"") + b"x")
        return Weight(writes=1)

    monkeypatch.setitem(RUNTIMES, NEXT, NextRuntime)
    monkeypatch.setattr(Timestamp, "on_runtime_upgrade", move)


def schedule(chain: Chain, at: int) -> bytes:
    inner = (
        chain.now().calls().make("System", "schedule_code", code=next_code(), at=BlockNumber(at))
    )
    return chain.sign("Alice", chain.call("Sudo", "sudo", call=inner))


def test_the_next_version_takes_over_at_its_height(both: None) -> None:
    chain = Chain()
    chain.block(schedule(chain, 3))
    before = chain.now().version
    chain.block()
    assert not any(isinstance(each, System.CodeUpdated) for each in chain.events())
    chain.block()
    assert System.CodeUpdated() in chain.events()
    assert RuntimeEnvironmentUpdated() in chain.head.digest.logs
    assert chain.state.get(MOVED) is None
    # Its child is the first block of the new runtime, which moves the state once.
    assert type(chain.now()) is NextRuntime
    noted = chain.now().system.last_runtime_upgrade.get()
    assert noted is not None
    assert noted.spec_version == before.spec_version
    for _ in range(2):
        chain.block()
        assert chain.state.get(MOVED) == b"x"
        noted = chain.now().system.last_runtime_upgrade.get()
        assert noted is not None
        assert noted.spec_version == NEXT
    code = chain.state.get(CODE_KEY)
    assert code is not None
    assert code_version(code) == NextRuntime.version


def test_transactions_are_signed_for_the_version_of_their_block(both: None) -> None:
    chain = Chain()
    chain.block(schedule(chain, 2))
    old = chain.transfer("Bob", "Alice", 10**18)
    chain.block()
    result = chain.ask("TaggedTransactionQueue_validate_transaction", b"\2" + old + bytes(32))
    assert result == b"\1\0\4"


def test_a_program_without_the_version_stops_at_the_height_and_says_what_to_do() -> None:
    chain = Chain()
    chain.block(schedule(chain, 3))
    chain.block()
    # The block that sets the code is still the old runtime's: it is made and checked as ever.
    chain.block()
    with pytest.raises(RuntimeNotKnown, match=rf"cess-node {NEXT}.* install the release"):
        chain.author()
    with pytest.raises(RuntimeNotKnown, match="the node stops here"):
        runtime_at(chain.state)


def test_programs_with_and_without_the_next_version_agree_up_to_its_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without = Chain()
    first = without.author(schedule(without, 2))
    without.import_block(*first)
    without.slot += 1
    second = without.author()
    without.import_block(*second)
    monkeypatch.setitem(RUNTIMES, NEXT, NextRuntime)
    having = Chain()
    for header, body in (first, second):
        having.import_block(header, body)
    assert having.head == without.head
    assert type(having.now()) is NextRuntime
