"""Real chains over a network in memory: full, fast and warp, over restarts and among liars."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from node.consensus.set_changes import set_change_blocks
from node.consensus.shell import now_ms
from node.database import KeyValue, LevelDb, MemoryKv, notes
from node.network.transport import RequestKind
from node.network.wire import BlockResponse, StateResponse, WarpProof
from node.sync.bootstrap import Bootstrap, SyncMode
from node.sync.events import Failure, IncomingBlock
from node.sync.state import decode_compact_proof, encode_compact_proof
from node.sync.warp import Fragment
from primitives.trie import root
from primitives.types import BlockNumber, Hash
from tests.node.cutting import cut_off
from tests.node.net import ALICE_GRANDPA, new_net
from tests.node.sync.chains import VOTERS, Peer, lie, long_chain, play, running

LENGTH = 200


@pytest.fixture(scope="module")
def source() -> Peer:
    return Peer("source", net=long_chain(LENGTH))


def test_the_chain_for_these_tests_changed_its_voters(source: Peer) -> None:
    assert len(set_change_blocks(long_chain(LENGTH).chain.database)) == 3


def test_a_fresh_node_syncs_every_block_and_what_is_final(source: Peer) -> None:
    fresh = Peer("fresh")

    async def script() -> None:
        async with running(source, fresh):
            await fresh.until_best(LENGTH)
            await fresh.until(lambda: fresh.database.finalized().number == LENGTH)
            assert fresh.sync.sync_state().current_block == LENGTH
            assert not fresh.sync.is_major_syncing()
        assert fresh.database.best() == source.database.best()
        assert fresh.sync.imported_count == LENGTH
        assert set_change_blocks(fresh.database) == set_change_blocks(source.database)
        assert source.network.reputation("fresh") >= 0

    play(script)


def test_a_fork_that_comes_after_finality_is_not_its_senders_fault() -> None:
    net = long_chain(20, 0)
    header = net.chain.header(net.chain.database.finalized().hash)
    late = replace(header, state_root=Hash(b"\x01" * 32))
    node = Peer("node", net=net)

    async def script() -> None:
        async with running(node):
            block = IncomingBlock(late.hash(), late, (), None, 0)
            found = await node.sync._import_one(block, is_built_upon=False)
            assert found is Failure.REFUSED
            above = replace(late, number=BlockNumber(late.number + 1), parent_hash=header.hash())
            block = IncomingBlock(above.hash(), above, (), None, 0)
            assert await node.sync._import_one(block, is_built_upon=False) is Failure.BAD

    play(script)


def test_what_this_machine_lacks_is_not_the_blocks_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Peer("node")

    async def script() -> None:
        async with running(node):

            async def fails(*_args: object, **_kinds: object) -> None:
                raise MemoryError

            monkeypatch.setattr(node.writer, "import_block", fails)
            header = node.chain.best_header()
            block = IncomingBlock(header.hash(), header, (), None, 0)
            found = await node.sync._import_one(block, is_built_upon=False)
            assert found is Failure.REFUSED

    play(script)


def test_a_block_that_is_authored_reaches_everybody_over_hops() -> None:
    net = long_chain(20, 0)
    author, middle, end = Peer("author", net=net), Peer("middle"), Peer("end")

    async def script() -> None:
        async with running(author, middle, end) as hub:
            hub.disconnect("author", "end")
            await end.until_best(20)
            for _ in range(3):
                _, imported = net.author()
                author.announcements.tell_imported(imported)
                await end.until_best(int(imported.header.number))
        assert end.database.best() == net.chain.database.best()

    play(script)


def test_a_node_that_peers_cut_off_by_coming_and_going_hears_again() -> None:
    net = long_chain(20, 0)
    author, node = Peer("author", net=net), Peer("node")

    async def script() -> None:
        async with running(author, node):
            await node.until_best(20)
            cut_off(node.network)
            await trio.testing.wait_all_tasks_blocked()
            _, imported = net.author()
            author.announcements.tell_imported(imported)
            await node.until_best(int(imported.header.number))

    play(script)


def test_a_proof_that_cannot_be_kept_ends_in_a_full_sync(
    source: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "NOTE_BYTES_MAX", 200)  # a real one may have a megabyte, seldom
    fresh = Peer("fresh", mode=SyncMode.WARP)

    async def script() -> None:
        async with running(source, fresh):
            await fresh.until_best(LENGTH)
        assert fresh.sync.imported_count == LENGTH

    play(script)


@pytest.mark.parametrize("mode", [SyncMode.WARP, SyncMode.FAST])
def test_a_fresh_node_begins_near_the_end(source: Peer, mode: SyncMode) -> None:
    fresh = Peer("fresh", mode=mode)

    async def script() -> None:
        async with running(source, fresh):
            await fresh.until_best(LENGTH)
            if mode is SyncMode.FAST:
                await fresh.until(lambda: fresh.database.gap() is None)
        database = fresh.database
        assert database.best() == database.finalized() == source.database.best()
        head = database.best().hash
        assert dict(database.state_at(head).items()) == dict(source.database.state_at(head).items())
        assert set_change_blocks(database) == set_change_blocks(source.database)
        if mode is SyncMode.WARP:
            assert database.canonical_hash(5) is None
            assert fresh.sync.imported_count == 0
        else:
            for number in range(LENGTH):
                hash_ = source.database.canonical_hash(number)
                assert hash_ is not None
                assert database.canonical_hash(number) == hash_
                assert database.body(hash_) == source.database.body(hash_)

    play(script)


def test_who_was_warped_follows_and_warps_others_in_turn(source: Peer) -> None:
    net = long_chain(90, 1)
    author = Peer("author", net=net)
    second, third = Peer("second", mode=SyncMode.WARP), Peer("third", mode=SyncMode.WARP)

    async def script() -> None:
        async with running(author, second):
            await second.until_best(90)
            for _ in range(3):
                _, imported = net.author()
                author.announcements.tell_imported(imported)
                await second.until_best(int(imported.header.number))
        second.net = None
        second.mode = SyncMode.FULL
        async with running(second, third):
            await third.until_best(93)

    play(script)
    assert third.database.state_at(third.database.best().hash).root == (
        net.chain.database.state_at(net.chain.database.best().hash).root
    )


class Breaking(MemoryKv):
    """A store that is cut off after so many writes, and can be opened again."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 1 << 30

    def write(self, batch, *, sync):  # type: ignore[no-untyped-def]
        if not self.left:
            raise ConnectionAbortedError
        self.left -= 1
        super().write(batch, sync=sync)


def test_a_warp_that_is_cut_off_anywhere_goes_on(
    source: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.sync.answers.STATE_BYTES_MAX", 6_000)
    for writes in (1, 3, 7, 9, 12, 15):
        kv = Breaking()
        fresh = Peer("fresh", mode=SyncMode.WARP, kv=kv)

        async def cut_off(fresh: Peer = fresh, kv: Breaking = kv, writes: int = writes) -> None:
            kv.left = writes
            with pytest.raises(BaseExceptionGroup):
                async with running(source, fresh):
                    await trio.sleep(20)

        async def again(fresh: Peer = fresh, kv: Breaking = kv) -> None:
            kv.left = 1 << 30
            async with running(source, fresh):
                await fresh.until_best(LENGTH)

        play(cut_off)
        play(again)
        head = fresh.database.best().hash
        entries = dict(fresh.database.state_at(head).items())
        assert root(entries) == fresh.database.header(head).state_root  # type: ignore[union-attr]
        assert list(fresh.database.notes(b"warp-")) == []


def test_a_full_sync_that_is_killed_goes_on_from_disk(source: Peer, tmp_path: Path) -> None:
    def opened() -> KeyValue:
        return LevelDb(tmp_path / "db")

    async def part() -> None:
        fresh = Peer("fresh", kv=opened())
        async with running(source, fresh):
            await fresh.until(lambda: fresh.database.settled_best().number >= 70)
        fresh.kv.close()  # and not the database, which would settle first

    async def rest() -> None:
        fresh = Peer("fresh", kv=opened())
        async with running(source, fresh):
            assert fresh.database.best().number >= 70
            await fresh.until_best(LENGTH)
            assert fresh.sync.imported_count <= LENGTH - 70
        fresh.kv.close()

    play(part)
    play(rest)


# Lies.


def cut_state(raw: bytes) -> bytes:
    """A piece of state whose last node is missing."""
    nodes = decode_compact_proof(StateResponse.decode(raw).proof)
    return StateResponse(proof=encode_compact_proof(nodes[:-1])).encode()


def changed_state(raw: bytes) -> bytes:
    nodes = list(decode_compact_proof(StateResponse.decode(raw).proof))
    nodes[-1] = nodes[-1][:-1] + bytes([nodes[-1][-1] ^ 1])
    return StateResponse(proof=encode_compact_proof(tuple(nodes))).encode()


def other_root(raw: bytes) -> bytes:
    database = long_chain(20, 0).chain.database
    from primitives.trie import prove_range

    trie = database.state_at(database.canonical_hash(7)).trie  # type: ignore[arg-type]
    return StateResponse(
        proof=encode_compact_proof(prove_range(trie, None, 1 << 20).nodes)
    ).encode()


def without_a_link(raw: bytes) -> bytes:
    proof = WarpProof.decode(raw)
    return WarpProof((proof.fragments[0], *proof.fragments[2:]), proof.is_finished).encode()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (RequestKind.STATE, cut_state),
        (RequestKind.STATE, changed_state),
        (RequestKind.STATE, other_root),
        (RequestKind.STATE, lambda raw: raw[:-3]),
        (RequestKind.WARP, without_a_link),
        (RequestKind.WARP, lambda raw: raw[:-3]),
        (RequestKind.WARP, lambda raw: WarpProof((), False).encode()),
    ],
)
def test_a_lie_about_state_or_finality_costs_the_liar_and_an_honest_peer_helps(
    source: Peer, kind: RequestKind, change: object
) -> None:
    fresh = Peer("fresh", mode=SyncMode.WARP)
    liar = Peer("liar", net=long_chain(LENGTH))

    async def script() -> None:
        async with running(fresh) as hub:
            liar.open(hub)
            lie(liar, kind, change)  # type: ignore[arg-type]
            hub.connect("fresh", "liar")
            await fresh.until(lambda: fresh.network.reputation("liar") < -(1 << 29))
            assert fresh.database.best().number == 0
            source.open(hub)
            hub.connect("fresh", "source")
            await fresh.until_best(LENGTH)
        assert fresh.network.reputation("source") >= 0

    play(script)


def test_blocks_with_other_bodies_are_refused_and_come_from_an_honest_peer(source: Peer) -> None:
    fresh, liar = Peer("fresh"), Peer("liar", net=long_chain(LENGTH))

    def change(raw: bytes) -> bytes:
        found = BlockResponse.decode(raw).blocks
        swapped = [
            type(block)(block.hash, block.header, (b"\x04\x00",), block.justifications)
            for block in found
        ]
        return BlockResponse(tuple(swapped)).encode()

    async def script() -> None:
        async with running(liar, source, fresh):
            lie(liar, RequestKind.SYNC, change)
            await fresh.until_best(LENGTH)
        assert fresh.network.reputation("liar") <= -(1 << 28)

    play(script)


def test_peers_at_their_genesis_do_not_end_the_search_for_a_proof() -> None:
    source = Peer("source", net=long_chain(LENGTH))
    fresh = [Peer(f"fresh{at}", mode=SyncMode.WARP) for at in range(4)]

    async def script() -> None:
        async with running(source, *fresh):
            for peer in fresh:
                await peer.until_best(LENGTH)
        assert [peer.sync.imported_count for peer in fresh] == [0] * 4

    play(script)


def test_one_peer_that_says_nothing_is_final_is_not_believed() -> None:
    source, fresh = Peer("source", net=long_chain(LENGTH)), Peer("fresh", mode=SyncMode.WARP)
    liar = Peer("liar", net=long_chain(LENGTH))

    async def script() -> None:
        async with running(fresh) as hub:
            liar.open(hub)
            source.open(hub)
            lie(liar, RequestKind.WARP, lambda _: WarpProof((), True).encode())
            hub.connect("fresh", "liar")
            hub.connect("fresh", "source")
            await fresh.until_best(LENGTH)
        assert fresh.sync.imported_count == 0

    play(script)


def test_a_state_that_was_begun_is_given_up_by_who_syncs_in_full(source: Peer) -> None:
    kv = MemoryKv()
    first = Peer("fresh", kv=kv)
    second = Peer("fresh", kv=kv)

    async def script() -> None:
        async with running(source):
            pass
        async with running(first):
            header = source.database.header(source.database.best().hash)
            assert header is not None
            first.database.begin_fetched_state(header)
        async with running(source, second):
            await second.until_best(LENGTH)
        assert second.sync.imported_count == LENGTH

    play(script)


def test_who_authors_while_it_waits_for_peers_goes_on_block_by_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = new_net(keys=(ALICE_GRANDPA, *VOTERS))
    lonely = Peer("lonely", net=net, mode=SyncMode.WARP)
    source = Peer("source", net=long_chain(LENGTH))
    real = Bootstrap._prove

    async def late(self: Bootstrap) -> list[Fragment]:
        found = await real(self)
        if not net.chain.database.best().number:
            other = long_chain(LENGTH).chain.database
            hash_ = other.canonical_hash(1)
            assert hash_ is not None
            header = other.header(hash_)
            assert header is not None
            net.chain.import_block(header, other.body(hash_) or (), now_ms=now_ms())
        return found

    monkeypatch.setattr(Bootstrap, "_prove", late)

    async def script() -> None:
        async with running(source, lonely):
            await lonely.until_best(LENGTH)
        assert lonely.database.gap() is None

    play(script)


# Silence.


def mute(peer: Peer, kind: RequestKind, asked: list[str], wait_s: float = float("inf")) -> None:
    """From now on the node answers such questions late, or never."""
    assert peer.server is not None
    honest = {
        RequestKind.SYNC: peer.server.blocks,
        RequestKind.STATE: peer.server.state,
        RequestKind.WARP: peer.server.warp,
    }[kind]

    async def answer(asker: str, data: bytes) -> bytes:
        asked.append(asker)
        await trio.sleep(wait_s)
        return await honest(asker, data)

    peer.network.serve(kind, answer)


@pytest.mark.parametrize("kind", [RequestKind.WARP, RequestKind.SYNC, RequestKind.STATE])
def test_a_silent_peer_is_replaced_and_not_waited_for_again_and_again(
    source: Peer, kind: RequestKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.sync.known_peers.PATIENCE_S", 0.3)
    monkeypatch.setattr("node.sync.answers.STATE_BYTES_MAX", 3_000)
    monkeypatch.setattr("node.sync.bootstrap.THIN_BYTES", 100)
    fresh, silent = Peer("fresh", mode=SyncMode.WARP), Peer("silent", net=long_chain(LENGTH))
    asked: list[str] = []
    pieces: list[str] = []

    async def script() -> None:
        async with running(fresh) as hub:
            silent.open(hub)
            source.open(hub)
            mute(silent, kind, asked)
            mute(source, RequestKind.STATE, pieces, 0.0)
            hub.connect("fresh", "silent")
            hub.connect("fresh", "source")
            await fresh.until_best(LENGTH)
        assert fresh.sync.imported_count == 0
        assert len(pieces) > 8, "because a peer that is asked in turn would be asked as often"
        assert len(asked) <= 2

    play(script)


def test_where_all_peers_are_slow_they_get_the_time_they_need(
    source: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.sync.known_peers.PATIENCE_S", 0.1)
    fresh = Peer("fresh", mode=SyncMode.WARP)
    asked: list[str] = []

    async def script() -> None:
        async with running(fresh) as hub:
            source.open(hub)
            mute(source, RequestKind.STATE, asked, 0.3)
            hub.connect("fresh", "source")
            await fresh.until_best(LENGTH)
        assert fresh.sync.imported_count == 0
        assert len(asked) >= 3

    play(script)
