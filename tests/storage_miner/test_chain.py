"""The adapter, reading the state of the real runtime: what it tells is what the pallets ask."""

import re
from dataclasses import replace
from typing import Any, cast

import pytest

from chain_spec.presets import dev
from client.chain import CallFailed, ChainUnreachable, TransactionRefused, prepare
from node.runtime import CessRuntime, build_state, runtime_at
from pallets.audit.judging import asked_rows
from pallets.audit.types import Holding, KeptRows
from pallets.file_bank.types import (
    AssignedFragment,
    AssignedFragments,
    FragmentInfo,
    FragmentInfos,
    RestoralOrderInfo,
    SegmentInfo,
    order_id,
)
from pallets.frame import DictState
from pallets.sminer.types import RestoralTargetInfo
from primitives.crypto.keys import KeyPair
from primitives.scale import U8, U32, U128
from primitives.types import BlockNumber, Bytes48, Hash, SegmentHash
from proofs.podr2.challenge import sample_positions
from proofs.podr2.params import row_count
from proofs.podr2.points import RowPoints
from storage_miner.chain import ClientChain, Head
from storage_miner.facts import Outcome, Place
from tests.storage_miner.kit import OTHER, challenge, file, fragment, info, pending

KEY = KeyPair.from_suri("//Miner1")
ME = KEY.account_id
HEAD = Head(9, Hash(b"\x09" * 32))


class MemoryClient:
    """`ChainClient` over the state of one block in memory."""

    def __init__(self) -> None:
        self.genesis_hash = Hash(b"\x01" * 32)
        self.runtime: CessRuntime = runtime_at(DictState(build_state(dev().config())))
        self.requests = 0
        self.failure: Exception | None = None
        self.submitted: list[Any] = []

    def state(self, key: bytes) -> bytes | None:
        return self.runtime.overlay.get(key)

    async def storage_many(self, keys: Any, at: Hash | None = None) -> list[bytes | None]:
        self.requests += 1
        return [self.state(key) for key in keys]

    async def read(self, entry: Any, *keys: Any, at: Hash | None = None) -> Any:
        return entry.decode_value(self.state(entry.key(*keys)))

    async def items(self, entry: Any, *leading: Any, limit: int, at: Hash | None = None) -> Any:
        self.requests += 1
        raw = self.runtime.overlay.keys(entry.prefix_key(*leading), limit)
        return [(entry.decode_key(key), entry.decode_value(self.state(key))) for key in raw]

    async def best_head(self) -> Hash:
        return HEAD.hash

    async def constant(self, pallet: str, name: str) -> Any:
        slot = next(slot for slot in CessRuntime.slots if slot.kind.__name__ == pallet)
        field = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        return getattr(getattr(self.runtime, slot.attribute).config, field)

    def call(self, function: Any, **arguments: Any) -> Any:
        return prepare(function, **arguments)

    async def submit(self, call: Any, signer: Any, **options: Any) -> None:
        assert signer is KEY
        self.submitted.append(call)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def client() -> MemoryClient:
    return MemoryClient()


@pytest.fixture
def chain(client: MemoryClient) -> ClientChain:
    return ClientChain(cast("Any", client), KEY)


def assigned(number: int, segment: int = 0) -> AssignedFragment:
    return AssignedFragment(
        file_hash=file(number),
        segment_index=U32(segment),
        fragment_index=U8(3),
        deadline=BlockNumber(60),
    )


def holding(number: int, *, since: int = 1, removed: int | None = None) -> Holding:
    return Holding(
        file_hash=file(number),
        segment_index=U32(0),
        fragment_index=U8(0),
        fragment_hash=fragment(number),
        since=BlockNumber(since),
        removed=None if removed is None else BlockNumber(removed),
    )


@pytest.mark.trio
async def test_constants_are_those_of_the_preset(chain: ClientChain) -> None:
    facts = await chain.facts()
    given = dev().config().constants
    assert facts.fragment_bytes == given.fragment_bytes
    assert facts.collateral_per_unit == given.collateral_per_unit
    assert facts.restoral_order_life == given.restoral_order_blocks
    assert await chain.facts() is facts


@pytest.mark.trio
async def test_a_stranger_sees_nothing_in_one_request(
    chain: ClientChain, client: MemoryClient
) -> None:
    view = await chain.view(HEAD)
    assert (view.number, view.info, view.challenge, view.assignments) == (9, None, None, ())
    assert client.requests == 1


@pytest.mark.trio
async def test_a_miner_sees_all_its_affairs(chain: ClientChain, client: MemoryClient) -> None:
    runtime = client.runtime
    runtime.sminer.miner_items[ME] = info(rear=4, locked=2)
    runtime.sminer.pending_idle[ME] = pending(4, 8)
    runtime.sminer.pending_replacements[ME] = U128(77)
    runtime.sminer.miner_lock[ME] = BlockNumber(500)
    runtime.audit.challenge_snap_shot[ME] = challenge()
    runtime.audit.holding_count[ME] = U32(3)
    runtime.file_bank.assigned[ME, fragment(1)] = assigned(1)
    runtime.file_bank.assigned_more[ME, fragment(1)] = AssignedFragments((assigned(2, 5),))
    runtime.file_bank.assigned[OTHER, fragment(7)] = assigned(7)
    view = await chain.view(HEAD)
    assert view.info == info(rear=4, locked=2)
    assert view.pending_idle == pending(4, 8)
    assert (view.pending_replacements, view.exit_due, view.holding_count) == (77, 500, 3)
    assert view.challenge == challenge()
    places = {item.place for item in view.assignments}
    assert places == {Place(file(1), 0, 3), Place(file(2), 5, 3)}
    assert {item.place for item in await chain.assignments_of(fragment(1))} == places
    assert await chain.assignments_of(fragment(7)) == ()


@pytest.mark.trio
async def test_the_sampled_rows_are_those_that_the_chain_asks(
    chain: ClientChain, client: MemoryClient
) -> None:
    """Slots filled late, removed early and removed late: the pallet decides, and we agree."""
    audit = client.runtime.audit
    rows = row_count(int(dev().config().constants.fragment_bytes))
    asked = replace(challenge(start=10), slots=U32(4))
    holdings = [
        holding(0),
        holding(1, since=11),
        holding(2, removed=9),
        holding(3, removed=11),
    ]
    for slot, item in enumerate(holdings):
        audit.holdings[ME, U32(slot)] = item
        audit.commitments[ME, U32(slot)] = KeptRows(
            since=item.since,
            removed=item.removed,
            points=RowPoints(b"".join(bytes([slot, row]) * 48 for row in range(rows))),
        )
    found = await chain.sampled_rows(asked)
    positions = sample_positions(asked.seed, 4 * rows, 460)
    expected = asked_rows(audit, ME, asked, positions, rows)
    assert {row.index: row.commitment for row in found} == {
        index: RowPoints(point).commitment(0) for index, point in expected.items()
    }
    assert {row.fragment_hash for row in found} == {fragment(0), fragment(3)}
    assert [row.index for row in found] == sorted(row.index for row in found)


@pytest.mark.trio
async def test_holdings_are_listed_with_removed_ones(
    chain: ClientChain, client: MemoryClient
) -> None:
    client.runtime.audit.holdings[ME, U32(0)] = holding(0)
    client.runtime.audit.holdings[ME, U32(1)] = holding(1, removed=5)
    client.runtime.audit.holdings[OTHER, U32(0)] = holding(2)
    found = {item.fragment_hash: item.is_removed for item in await chain.holdings(HEAD.hash)}
    assert found == {fragment(0): False, fragment(1): True}


@pytest.mark.trio
async def test_work_for_restorers_is_orders_and_what_leavers_hold(
    chain: ClientChain, client: MemoryClient
) -> None:
    runtime = client.runtime
    runtime.file_bank.restoral_order[order_id(file(1), 0, 0)] = RestoralOrderInfo(
        count=U32(0),
        miner=OTHER,
        origin_miner=OTHER,
        fragment_hash=fragment(1),
        file_hash=file(1),
        segment_index=U32(0),
        fragment_index=U8(0),
        gen_block=BlockNumber(1),
        deadline=BlockNumber(0),
    )
    runtime.sminer.restoral_target[OTHER] = RestoralTargetInfo(
        service_space=U128(1), cooling_block=BlockNumber(9)
    )
    runtime.audit.holdings[OTHER, U32(0)] = holding(2)
    runtime.audit.holdings[OTHER, U32(1)] = holding(3, removed=4)
    for number in (1, 2, 3):
        runtime.file_bank.file_segments[file(number), U32(0)] = segment(piece(number))
    tasks = {task.fragment_hash: task for task in await chain.restoral_tasks()}
    assert set(tasks) == {fragment(1), fragment(2)}
    assert tasks[fragment(1)].has_order
    assert tasks[fragment(1)].claimed_by is None
    assert not tasks[fragment(2)].has_order
    assert tasks[fragment(2)].origin_miner == OTHER


def piece(number: int, *, avail: bool = True, miner: Any = OTHER) -> FragmentInfo:
    return FragmentInfo(hash=fragment(number), avail=avail, tag=None, miner=miner, slot=U32(0))


def segment(*pieces: FragmentInfo) -> SegmentInfo:
    return SegmentInfo(hash=SegmentHash(bytes(32)), fragment_list=FragmentInfos(pieces))


@pytest.mark.trio
async def test_a_segment_that_this_miner_holds_part_of_is_left_to_others(
    chain: ClientChain, client: MemoryClient
) -> None:
    bank = client.runtime.file_bank
    client.runtime.sminer.restoral_target[OTHER] = RestoralTargetInfo(
        service_space=U128(1), cooling_block=BlockNumber(9)
    )
    client.runtime.audit.holdings[OTHER, U32(0)] = holding(1)
    bank.file_segments[file(1), U32(0)] = segment(piece(1), piece(2, miner=ME))
    assert await chain.restoral_tasks() == ()
    bank.file_segments[file(1), U32(0)] = segment(piece(1), piece(2, miner=ME, avail=False))
    assert len(await chain.restoral_tasks()) == 1
    bank.file_segments[file(1), U32(0)] = segment(piece(1, miner=ME, avail=False), piece(2))
    assert len(await chain.restoral_tasks()) == 1


@pytest.mark.trio
async def test_survivors_are_the_held_others_with_their_endpoints(
    chain: ClientChain, client: MemoryClient
) -> None:
    runtime = client.runtime
    runtime.sminer.miner_items[OTHER] = info(endpoint=b"http://other:1")

    runtime.file_bank.file_segments[file(1), U32(0)] = segment(
        piece(0), piece(1), piece(2, avail=False), piece(3, miner=ME)
    )
    found = await chain.survivors(Place(file(1), 0, 0))
    assert [(item.fragment_index, item.endpoint) for item in found] == [(1, "http://other:1")]
    assert await chain.survivors(Place(file(9), 0, 0)) == ()


@pytest.mark.trio
@pytest.mark.parametrize(
    ("failure", "outcome", "error"),
    [
        (None, Outcome.done, ""),
        (CallFailed("FileBank", "NotAssigned", "docs"), Outcome.refused, "NotAssigned"),
        (TransactionRefused(1010, "cannot pay"), Outcome.lost, "cannot pay"),
        (ChainUnreachable("ws://x", "refused"), Outcome.lost, "no node answers"),
    ],
)
async def test_a_submission_ends_and_never_raises(
    chain: ClientChain,
    client: MemoryClient,
    failure: Exception | None,
    outcome: Outcome,
    error: str,
) -> None:
    client.failure = failure
    ended = await chain.retire_plots(2)
    assert ended.outcome is outcome
    assert error in ended.error
    assert client.submitted[0].arguments == {"count": 2}


@pytest.mark.trio
async def test_every_call_fits_its_declaration(chain: ClientChain, client: MemoryClient) -> None:
    from storage_miner.facts import RestoralTask
    from storage_miner.responder import IdleAnswers, ServiceAnswer
    from tests.storage_miner.kit import cosignature, place

    order = RestoralTask(fragment(1), place(1), OTHER, True, None, 0)
    points = (Bytes48(bytes(48)),)
    await chain.register("http://x", ME, 5, 1)
    await chain.update_endpoint("http://y")
    await chain.update_beneficiary(OTHER)
    await chain.add_collateral(7)
    await chain.increase_declaration(1)
    await chain.report_fragments(file(1), [(cosignature(1, place(1)), points)])
    await chain.submit_service(1, ServiceAnswer((1, 3), bytes(32), points[0]))
    await chain.submit_idle(1, IdleAnswers(((0, bytes(144)),)))
    await chain.request_certificate(4)
    await chain.prove_certificate(((0, bytes(144)),))
    await chain.report_loss(file(1), fragment(1))
    await chain.claim_order(order)
    await chain.claim_order(replace(order, has_order=False))
    await chain.complete_order(order)
    await chain.claim_reward()
    await chain.announce_exit()
    await chain.withdraw()
    for call in client.submitted:
        head = next(
            (slot.index, spec.index)
            for slot in CessRuntime.slots
            for spec in slot.kind.call_specs
            if (slot.kind.__name__, spec.name) == (call.pallet, call.name)
        )
        CessRuntime.calls().decode(bytes(head) + call.encoded)
    assert len({(call.pallet, call.name) for call in client.submitted}) == 17
