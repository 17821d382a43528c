"""What peers get: blocks, states, proofs; and where their asking ends."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from node.database import Batch, ChainDatabase, MemoryKv, genesis_state_root
from node.database.layout import BODY
from node.genesis import genesis_header
from node.network.memory import MemoryHub, MemoryNetwork
from node.network.transport import RequestFailed, RequestKind, Roles, Status
from node.network.wire import (
    BlockFields,
    BlockRequest,
    BlockResponse,
    Direction,
    LightResponse,
    RemoteCall,
    RemoteRead,
    RemoteReadChild,
    StateRequest,
    StateResponse,
    WarpProof,
)
from node.runtime import apis, runtime_at
from node.runtime.shim import SHIM_METHODS, shim_reads
from node.sync import answers, serving
from node.sync.answers import HEAP_PAGES_KEY
from node.sync.limits import WARP_COUNTS, PeerBudget
from node.sync.serving import serve_requests
from pallets.system import CODE_KEY, System
from primitives.errors import StorageCorrupt
from primitives.hashing import blake2_256
from primitives.header import Header
from primitives.trie import ordered_root, verify_proof
from primitives.types import Hash
from tests.node.net import ALICE, dev_state, new_net
from tests.node.sync.chains import long_chain

LENGTH = 200
ALL = BlockFields.HEADER | BlockFields.BODY | BlockFields.JUSTIFICATION
Ask = Callable[[RequestKind, bytes], Awaitable[bytes]]


def kept() -> ChainDatabase:
    """The database of the chain that is served."""
    return long_chain(LENGTH).chain.database


def served(script: Callable[[Ask, MemoryNetwork], Awaitable[None]]) -> None:
    """Run a script that asks a node which serves the chain; its network comes along."""

    async def main() -> None:
        hub = MemoryHub()
        status = Status(Roles.FULL, 0, kept().genesis_hash)
        node = hub.node("node", status=lambda: status, genesis=kept().genesis_hash)
        asker = hub.node("asker", status=lambda: status, genesis=kept().genesis_hash)
        serve_requests(node, kept())
        hub.connect("node", "asker")

        async def ask(kind: RequestKind, data: bytes) -> bytes:
            return await asker.request("node", kind, data, timeout_s=10)

        await script(ask, node)

    trio.run(main)


def at(number: int) -> Hash:
    found = kept().canonical_hash(number)
    assert found is not None
    return found


def numbers(response: BlockResponse) -> list[int]:
    return [int(Header.decode(block.header or b"").number) for block in response.blocks]


# Blocks.


@pytest.mark.parametrize(
    ("start", "direction", "count", "expected"),
    [
        (5, Direction.ASCENDING, 3, [5, 6, 7]),
        (5, Direction.DESCENDING, 3, [5, 4, 3]),
        (1, Direction.DESCENDING, 9, [1, 0]),
        (199, Direction.ASCENDING, 9, [199, 200]),
        (201, Direction.ASCENDING, 9, []),
        (1, Direction.ASCENDING, 0, list(range(1, 129))),
        (1, Direction.ASCENDING, 1 << 31, list(range(1, 129))),
        (1 << 31, Direction.ASCENDING, 1, []),
    ],
)
def test_blocks_come_in_the_direction_and_number_asked_for_but_never_more_than_128(
    start: int, direction: Direction, count: int, expected: list[int]
) -> None:
    response = answers.blocks(kept(), BlockRequest(ALL, start, direction, count))
    assert numbers(response) == expected
    if start < LENGTH:
        by_hash = answers.blocks(kept(), BlockRequest(ALL, at(start), direction, count))
        assert by_hash == response


def test_blocks_have_the_parts_asked_for_and_bodies_that_fit_their_headers() -> None:
    request = BlockRequest(ALL, 1, Direction.ASCENDING, 20)
    for block in answers.blocks(kept(), request).blocks:
        header = Header.decode(block.header or b"")
        assert header.hash() == block.hash
        assert ordered_root(block.body or ()) == header.extrinsics_root
        assert [engine for engine, _ in block.justifications] == [b"FRNK"]
    only = BlockRequest(BlockFields.JUSTIFICATION, 1, Direction.ASCENDING, 1)
    (block,) = answers.blocks(kept(), only).blocks
    assert (block.header, block.body) == (None, None)
    assert block.justifications


def test_an_answer_ends_before_it_is_too_long_but_has_one_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "BODY_BYTES_MAX", 40)
    request = BlockRequest(ALL, 1, Direction.ASCENDING, 128)
    assert 1 <= len(answers.blocks(kept(), request).blocks) < 10
    monkeypatch.setattr(answers, "BODY_BYTES_MAX", 1)
    assert len(answers.blocks(kept(), request).blocks) == 1


def test_the_same_bodies_are_sent_twice_and_then_cost() -> None:
    async def script(ask: Ask, node: MemoryNetwork) -> None:
        bodies = BlockRequest(ALL, 1, Direction.ASCENDING, 9).encode()
        headers = BlockRequest(BlockFields.HEADER, 1, Direction.ASCENDING, 9).encode()
        for _ in range(2):
            await ask(RequestKind.SYNC, bodies)
            await ask(RequestKind.SYNC, headers)
        assert node.reputation("asker") == 0
        assert len(BlockResponse.decode(await ask(RequestKind.SYNC, headers)).blocks) == 9
        assert node.reputation("asker") == -(1 << 7)
        with pytest.raises(RequestFailed):
            await ask(RequestKind.SYNC, bodies)
        assert node.reputation("asker") < -(1 << 28)

    served(script)


@pytest.mark.parametrize("kind", list(RequestKind))
def test_junk_costs_its_sender_and_gets_no_answer(kind: RequestKind) -> None:
    async def script(ask: Ask, node: MemoryNetwork) -> None:
        with pytest.raises(RequestFailed):
            await ask(kind, b"\xff\xff\xff")
        assert node.reputation("asker") < -(1 << 28)

    served(script)


def test_who_asks_more_than_its_budget_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PeerBudget", lambda: PeerBudget(1, 3))

    async def script(ask: Ask, node: MemoryNetwork) -> None:
        key = RemoteRead(at(1), (b"k",)).encode()
        for _ in range(3):
            await ask(RequestKind.LIGHT, key)
        with pytest.raises(RequestFailed):
            await ask(RequestKind.LIGHT, key)
        assert node.reputation("asker") < 0

    served(script)


def test_proofs_of_finality_are_made_seldom_for_one_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PeerBudget", lambda: PeerBudget(1, 3 * WARP_COUNTS))

    async def script(ask: Ask, node: MemoryNetwork) -> None:
        for number in range(3):  # other questions each time, so that none is a repetition
            await ask(RequestKind.WARP, at(number))
        with pytest.raises(RequestFailed):
            await ask(RequestKind.WARP, at(3))

    served(script)


def test_questions_of_one_peer_do_not_fill_the_queue_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "WAITING_PER_PEER_MAX", 2)
    refused: list[int] = []

    async def script(ask: Ask, node: MemoryNetwork) -> None:
        async def one(number: int) -> None:
            try:
                await ask(RequestKind.LIGHT, RemoteRead(at(number), (b"k",)).encode())
            except RequestFailed:
                refused.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(1, 20):
                nursery.start_soon(one, number)

    served(script)
    assert refused


def test_a_damaged_record_is_refused_and_the_rest_is_served() -> None:
    kv = MemoryKv()
    database = ChainDatabase(kv)
    database.initialise(genesis_header(genesis_state_root(dev_state())), dev_state())
    genesis = database.genesis_hash
    batch = Batch()
    batch.put(BODY + genesis, b"rotten")
    kv.write(batch, sync=True)

    async def main() -> None:
        hub = MemoryHub()
        status = Status(Roles.FULL, 0, genesis)
        node = hub.node("node", status=lambda: status, genesis=genesis)
        asker = hub.node("asker", status=lambda: status, genesis=genesis)
        serve_requests(node, database)
        hub.connect("node", "asker")
        for fields, is_served in ((ALL, False), (BlockFields.HEADER, True)):
            request = BlockRequest(fields, genesis, Direction.ASCENDING, 1).encode()
            if is_served:
                assert await asker.request("node", RequestKind.SYNC, request, timeout_s=10)
            else:
                with pytest.raises(RequestFailed):
                    await asker.request("node", RequestKind.SYNC, request, timeout_s=10)
        assert node.reputation("asker") == 0

    trio.run(main)


def test_a_damaged_block_keeps_no_other_of_its_range_from_peers() -> None:
    kv = MemoryKv()
    net = new_net(kv=kv)
    for _ in range(5):
        net.author()
    damaged = net.chain.database.canonical_hash(3)
    assert damaged is not None
    batch = Batch()
    batch.put(BODY + damaged, b"rotten")
    kv.write(batch, sync=True)
    database = ChainDatabase(kv)

    def asked(start: int, direction: Direction) -> list[int]:
        return numbers(answers.blocks(database, BlockRequest(ALL, start, direction, 9)))

    assert asked(1, Direction.ASCENDING) == [1, 2]
    assert asked(5, Direction.DESCENDING) == [5, 4]
    assert asked(4, Direction.ASCENDING) == [4, 5]
    with pytest.raises(StorageCorrupt):
        asked(3, Direction.ASCENDING)


# State.


def test_a_piece_of_state_with_and_without_its_proof() -> None:
    head = kept().best().hash

    async def script(ask: Ask, node: MemoryNetwork) -> None:
        plain = StateRequest(head, (), no_proof=True)
        raw = await ask(RequestKind.STATE, plain.encode())
        (part,) = StateResponse.decode(raw).entries
        assert dict(part.entries) == dict(kept().state_at(head).items())
        assert part.complete
        unknown = StateRequest(Hash(b"?" * 32))
        with pytest.raises(RequestFailed):
            await ask(RequestKind.STATE, unknown.encode())
        child = StateRequest(head, (b":child_storage:default:x", b"k"))
        with pytest.raises(RequestFailed):
            await ask(RequestKind.STATE, child.encode())
        assert node.reputation("asker") == 0

    served(script)


# Light clients.


def proof_of(raw: bytes) -> tuple[bytes, ...]:
    found = LightResponse.decode(raw).proof
    assert found is not None
    return found


def test_a_read_proof_shows_values_and_absence() -> None:
    head = kept().best().hash
    root = kept().state_at(head).root
    account = System.account.key(ALICE.account_id)
    keys = (CODE_KEY, HEAP_PAGES_KEY, b":cod", account, b"nothing")

    async def script(ask: Ask, _: MemoryNetwork) -> None:
        raw = await ask(RequestKind.LIGHT, RemoteRead(head, keys).encode())
        found = verify_proof(root, proof_of(raw), keys)
        state = kept().state_at(head)
        assert found == {key: state.get(key) for key in keys}
        assert found[CODE_KEY]
        assert found[b":cod"] is None

    served(script)


def test_a_proof_for_a_child_trie_shows_that_there_is_none() -> None:
    head = kept().best().hash
    key = b":child_storage:default:x"

    async def script(ask: Ask, _: MemoryNetwork) -> None:
        raw = await ask(RequestKind.LIGHT, RemoteReadChild(head, key, (b"k",)).encode())
        root = kept().state_at(head).root
        assert verify_proof(root, proof_of(raw), (key,)) == {key: None}

    served(script)


@pytest.mark.parametrize(
    "method", [each for each in SHIM_METHODS if "Babe" in each or "Gr" in each]
)
def test_a_call_proof_holds_all_that_the_call_reads(method: str) -> None:
    head = kept().best().hash
    state = kept().state_at(head)

    async def script(ask: Ask, _: MemoryNetwork) -> None:
        raw = await ask(RequestKind.LIGHT, RemoteCall(head, method, b"").encode())
        reads = shim_reads(method, b"", state)
        assert reads
        keys = (HEAP_PAGES_KEY, *reads)
        found = verify_proof(state.root, proof_of(raw), keys)
        assert found == {key: state.get(key) for key in keys}
        assert apis(runtime_at(state)).call(method, b"")

    served(script)


def test_a_nonce_is_proven_and_unknown_calls_and_blocks_are_not() -> None:
    head = kept().best().hash
    state = kept().state_at(head)
    nonce = "AccountNonceApi_account_nonce"

    async def script(ask: Ask, node: MemoryNetwork) -> None:
        call = RemoteCall(head, nonce, bytes(ALICE.account_id))
        proof = proof_of(await ask(RequestKind.LIGHT, call.encode()))
        key = System.account.key(ALICE.account_id)
        keys = (HEAP_PAGES_KEY, key)
        assert verify_proof(state.root, proof, keys)[key] == state.get(key)
        for wrong in (
            RemoteCall(head, nonce, b"short"),
            RemoteCall(head, "Core_execute_block", b""),
            RemoteCall(Hash(b"?" * 32), nonce, b""),
        ):
            raw = await ask(RequestKind.LIGHT, wrong.encode())
            assert LightResponse.decode(raw) == LightResponse(None, is_call=True)
        raw = await ask(RequestKind.LIGHT, RemoteRead(Hash(b"?" * 32), (b"k",)).encode())
        assert LightResponse.decode(raw) == LightResponse(None)
        with pytest.raises(RequestFailed):
            await ask(RequestKind.LIGHT, RemoteRead(head, ()).encode())
        with pytest.raises(RequestFailed):
            await ask(RequestKind.LIGHT, RemoteRead(head, (b"k",) * 1025).encode())

    served(script)


# Finality.


def test_a_warp_proof_is_served_and_a_wrong_beginning_refused() -> None:
    async def script(ask: Ask, node: MemoryNetwork) -> None:
        raw = await ask(RequestKind.WARP, bytes(kept().genesis_hash))
        proof = WarpProof.decode(raw)
        assert proof.fragments[-1][0].hash() == kept().finalized().hash
        with pytest.raises(RequestFailed):
            await ask(RequestKind.WARP, bytes(blake2_256(b"?")))
        assert node.reputation("asker") == 0

    served(script)
