"""The daemon at work: real volume, plots, workers and proofs; a chain that the test writes."""

import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import trio
import trio.testing

from primitives.crypto.keys import KeyPair
from primitives.extrinsic import MultiSignature
from primitives.scale import encode
from primitives.types import Bytes48, FragmentHash
from proofs.erasure.reed_solomon import ReedSolomon
from proofs.podr2 import challenge as podr2
from proofs.podr2.verify import verify
from proofs.podr2.wire import ScalarBytes, ServiceProof, cosign_message
from proofs.pois.verify import verify_answers
from storage_miner import service as service_module
from storage_miner.chain import SampledRow, Survivor
from storage_miner.facts import HeldFragment, RestoralTask
from storage_miner.lifecycle import Wish
from storage_miner.prover_pool import open_pool
from storage_miner.rebuild import Rebuilder
from storage_miner.service import Daemon
from storage_miner.store import Volume
from tests.storage_miner.kit import (
    ACCOUNT,
    FACTS,
    FRAGMENT_BYTES,
    LOST,
    OTHER,
    PLOT_K,
    assignment,
    challenge,
    file,
    info,
    pending,
    place,
    view,
    volumes_at,
)
from tests.storage_miner.scripted import ScriptedChain

OWNER = KeyPair.from_suri("//Alice")
CAPACITY = 256 << 20
URL = "http://127.0.0.1:15001"


@asynccontextmanager
async def working(
    root: Path, chain: ScriptedChain, *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Daemon]:
    """A daemon on the volume at `root`."""
    with volumes_at(root, capacity=CAPACITY) as volumes:
        async with open_pool(1) as pool, trio.open_nursery() as nursery:
            daemon = Daemon(
                account=ACCOUNT,
                chain=chain,
                facts=FACTS,
                volumes=volumes,
                pool=pool,
                wish=Wish(ACCOUNT, URL, None, 1),
                scrub_rate=1 << 30,
                plots_max=1,
                rebuilder=Rebuilder(FRAGMENT_BYTES, transport),
            )
            nursery.start_soon(daemon.run)
            yield daemon
            daemon.stop()


@pytest.fixture
def root(tmp_path: Path, plot_directory: Path) -> Path:
    """A data directory that already has plot 0."""
    with Volume(tmp_path / "data", CAPACITY) as volume:
        for path in plot_directory.iterdir():
            shutil.copy(path, volume.layout.plots)
    return tmp_path / "data"


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data[:50_000]
    yield data[50_000:]


async def receive(daemon: Daemon, made: Any) -> None:
    """As the HTTP side does it."""
    source = pieces(made.data)

    async def next_piece() -> bytes | None:
        return await anext(source, None)

    await daemon.transfers.receive(made.hash, next_piece)


async def wait_for(condition: Any) -> None:
    with trio.fail_after(20):
        while not condition():
            await trio.sleep(0.005)


@pytest.mark.trio
async def test_a_stranger_registers_certifies_and_works(root: Path) -> None:
    chain = ScriptedChain()
    async with working(root, chain) as daemon:
        chain.block()
        assert await chain.wait_sent("register") == ("register", URL, ACCOUNT, 4400, 1)
        chain.block(info=info())
        chain.block()
        assert await chain.wait_sent("request_certificate") == ("request_certificate", 1)
        asked = pending(0, 1, seed=7, deadline=60)
        chain.block(pending_idle=asked)
        chain.block()
        _, answers = await chain.wait_sent("prove_certificate")
        assert verify_answers(FACTS.genesis, ACCOUNT, PLOT_K, asked.seed, 0, 1, 64, answers) > 20
        chain.block(pending_idle=None, info=info(rear=1))
        await wait_for(lambda: daemon.status()["plots"]["certified"] == 1)
        status = daemon.status()
        assert (status["state"], status["reason"]) == ("working", "")
        assert status["disk"]["plot_bytes"] > 0


@pytest.mark.trio
async def test_a_fragment_goes_from_the_sender_to_the_report(root: Path, fragments: Any) -> None:
    made, where = fragments[0], place(1)
    chain = ScriptedChain(view(1, info=info(rear=1)))
    chain.owners[bytes(where.file_hash)] = OWNER.account_id
    async with working(root, chain) as daemon:
        work = (assignment(0, where),)
        work = tuple(type(each)(made.hash, each.place, each.deadline) for each in work)
        chain.block(assignments=work)
        await wait_for(lambda: daemon.deals.statistics().assigned == 1)
        await receive(daemon, made)
        answer = await daemon.transfers.opening(made.hash, bytes(32))
        assert answer.commitments == made.commitments
        await daemon.transfers.accept_cosignature(made.hash, where, cosign(made, where))
        _, file_hash, items = await chain.wait_sent("report_fragments")
        assert file_hash == where.file_hash
        assert [commitments for _, commitments in items] == [made.commitments]
        await wait_for(lambda: daemon.deals.statistics().reported == 1)


def cosign(made: Any, where: Any) -> bytes:
    message = cosign_message(
        FACTS.genesis,
        where.file_hash,
        where.segment_index,
        where.fragment_index,
        ACCOUNT,
        made.hash,
        made.commitments,
    )
    return encode(MultiSignature, OWNER.multi_signature(message))


@pytest.mark.trio
async def test_a_restarted_daemon_reports_what_was_cosigned_before(
    root: Path, fragments: Any
) -> None:
    made, where = fragments[0], place(1)
    work = tuple(
        type(each)(made.hash, each.place, each.deadline) for each in (assignment(0, where),)
    )
    chain = ScriptedChain(view(1, info=info(rear=1)))
    chain.owners[bytes(where.file_hash)] = OWNER.account_id
    chain.outcomes["report_fragments"] = LOST
    async with working(root, chain) as daemon:
        chain.block(assignments=work)
        await wait_for(lambda: daemon.deals.statistics().assigned == 1)
        await receive(daemon, made)
        await daemon.transfers.opening(made.hash, bytes(32))
        await daemon.transfers.accept_cosignature(made.hash, where, cosign(made, where))
        await chain.wait_sent("report_fragments")
    chain = ScriptedChain(chain.now)
    async with working(root, chain):
        chain.block()
        _, file_hash, _ = await chain.wait_sent("report_fragments")
        assert file_hash == where.file_hash


def held(made: Any, slot: int) -> HeldFragment:
    return HeldFragment(slot, made.hash, file(slot), False)


def rows_of(fragments: Any) -> tuple[SampledRow, ...]:
    return tuple(
        SampledRow(index, made.hash, 0, made.commitments[0]) for index, made in enumerate(fragments)
    )


def put(root: Path, made: Any) -> None:
    with Volume(root, CAPACITY) as volume:
        upload = volume.begin(made.hash, len(made.data))
        upload.write([made.data])
        upload.finish()


@pytest.mark.trio
async def test_both_parts_of_a_round_are_answered_as_the_chain_accepts(
    root: Path, fragments: Any
) -> None:
    for made in fragments:
        put(root, made)
    chain = ScriptedChain(view(10, info=info(rear=1)), rows=rows_of(fragments))
    chain.held = tuple(held(made, slot) for slot, made in enumerate(fragments))
    asked = challenge(rear=1)
    async with working(root, chain):
        chain.block(challenge=asked)
        _, number, service = await chain.wait_sent("submit_service")
        _, _, idle = await chain.wait_sent("submit_idle")
    assert number == 1
    weights = podr2.coefficients(asked.seed, 3)
    verify(
        [made.commitments[0] for made in fragments],
        weights,
        podr2.evaluation_point(asked.seed),
        ServiceProof(y=ScalarBytes(service.y), proof=service.proof),
    )
    assert service.faulty == ()
    seed = asked.seed
    assert verify_answers(FACTS.genesis, ACCOUNT, PLOT_K, seed, 0, 1, 64, idle.answers) > 20


@pytest.mark.trio
async def test_rot_is_declared_in_the_round_and_the_file_removed(
    root: Path, fragments: Any
) -> None:
    for made in fragments:
        put(root, made)
    chain = ScriptedChain(view(10, info=info(rear=1)), rows=rows_of(fragments))
    chain.held = tuple(held(made, slot) for slot, made in enumerate(fragments))
    chain.now = view(10, info=info(rear=1), challenge=challenge(idle_done=True, rear=1))
    async with working(root, chain) as daemon:
        path = root / "fragments" / fragments[1].hash.hex()[:2] / fragments[1].hash.hex()
        data = bytearray(path.read_bytes())
        data[5] ^= 1
        path.write_bytes(data)
        chain.block()
        _, _, service = await chain.wait_sent("submit_service")
        assert service.faulty == (1,)
        assert daemon.transfers.holds(fragments[1].hash) is None
        assert not [call for call in chain.sent if call[0] == "report_loss"]


@pytest.mark.trio
async def test_the_scrub_finds_rot_and_reports_it(root: Path, fragments: Any) -> None:
    for made in fragments:
        put(root, made)
    path = root / "fragments" / fragments[2].hash.hex()[:2] / fragments[2].hash.hex()
    path.write_bytes(bytes(FRAGMENT_BYTES))
    chain = ScriptedChain(view(10, info=info(rear=1)))
    chain.held = tuple(held(made, slot) for slot, made in enumerate(fragments))
    async with working(root, chain):
        chain.block()
        _, file_hash, fragment_hash = await chain.wait_sent("report_loss")
        assert (file_hash, fragment_hash) == (file(2), fragments[2].hash)
        assert not path.exists()


@pytest.mark.trio
async def test_a_lost_fragment_of_another_miner_is_rebuilt_and_completed(root: Path) -> None:
    generator = np.random.default_rng(3)
    parts = ReedSolomon(4, 8).encode_segment(generator.bytes(4 * FRAGMENT_BYTES))
    hashes = [FragmentHash(hashlib.sha256(part).digest()) for part in parts]

    def respond(request: httpx.Request) -> httpx.Response:
        index = int(request.url.host.removeprefix("miner"))
        return httpx.Response(200, stream=httpx.ByteStream(parts[index]))

    task = RestoralTask(hashes[2], place(1, 0, 2), OTHER, True, None, 0)
    chain = ScriptedChain(view(10, info=info(rear=1)), tasks=(task,))
    chain.others = tuple(
        Survivor(index, hashes[index], f"http://miner{index}") for index in range(5, 12)
    )
    async with working(root, chain, transport=httpx.MockTransport(respond)) as daemon:
        chain.block()
        await chain.wait_sent("claim_order")
        await wait_for(lambda: daemon.transfers.holds(hashes[2]) == FRAGMENT_BYTES)
        chain.block()
        assert await chain.wait_sent("complete_order") == ("complete_order", task)
        await wait_for(lambda: daemon.status()["restoral"]["restored"] == 1)


@pytest.mark.trio
async def test_a_displaced_plot_is_retired_and_then_deleted(root: Path) -> None:
    chain = ScriptedChain(view(10, info=info(rear=1), pending_replacements=4 << 20))
    async with working(root, chain):
        plots = list((root / "plots").iterdir())
        assert len(plots) == 1
        chain.block()
        await chain.wait_sent("retire_plots")
        chain.block(info=info(front=1, rear=1, declared=1), pending_replacements=0)
        for _ in range(service_module.FINALIZED_EVERY_HEADS):
            chain.block()
        await wait_for(lambda: not plots[0].exists())


@pytest.mark.trio
async def test_a_plot_retired_in_the_block_that_opens_a_round_is_kept_for_it(root: Path) -> None:
    """The round was drawn first and asks for it, although the chain's front has passed it."""
    chain = ScriptedChain(view(10, info=info(front=1, rear=1, declared=1)))
    chain.now = view(
        10,
        info=info(front=1, rear=1, declared=1),
        challenge=challenge(service_done=True, front=0, rear=1),
    )
    async with working(root, chain) as daemon:
        for _ in range(2 * service_module.FINALIZED_EVERY_HEADS):
            chain.block()
        _, _, answer = await chain.wait_sent("submit_idle")
        assert len(answer.answers) > 20
        assert daemon.status()["plots"]["on_disk"] == 1
        chain.block(challenge=None)
        for _ in range(service_module.FINALIZED_EVERY_HEADS):
            chain.block()
        await wait_for(lambda: list((root / "plots").iterdir()) == [])


@pytest.mark.trio
async def test_nothing_is_proved_when_nothing_counts(root: Path) -> None:
    chain = ScriptedChain(view(10, info=info(rear=1)))
    async with working(root, chain):
        chain.block(challenge=challenge(idle_done=True, rear=1))
        _, _, service = await chain.wait_sent("submit_service")
        assert (service.faulty, service.proof) == ((), Bytes48(bytes(48)))


@pytest.mark.trio
async def test_the_daemon_lives_on_when_the_node_is_away(root: Path) -> None:
    chain = ScriptedChain(view(10, info=info(rear=1)))

    async def away(head: object) -> object:
        from client.chain import ChainUnreachable

        raise ChainUnreachable(URL, "connection refused")

    async with working(root, chain) as daemon:
        answering, chain.view = chain.view, away  # type: ignore[method-assign, assignment]
        chain.block()
        chain.block()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert daemon.status()["state"] == "connecting"
        chain.view = answering  # type: ignore[method-assign]
        chain.block()
        await wait_for(lambda: daemon.status()["state"] == "working")
