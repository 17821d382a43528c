"""The fragment protocol over real sockets, and the attacks on it.

The server is hypercorn on a loopback port, the volume is a real directory, commitments are made by
a real worker; only the chain's answers are scripted.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from primitives.crypto.keys import KeyPair
from primitives.extrinsic import MultiSignature
from primitives.scale import encode
from primitives.types import AccountId, Bytes48, FileHash, FragmentHash
from proofs.podr2.commit import check_transfer
from proofs.podr2.wire import Opening, ScalarBytes, cosign_message
from storage_miner import app as app_module
from storage_miner import startup, transfer
from storage_miner.app import FragmentApp
from storage_miner.deals import Committed, Cosigned, FragmentStored
from storage_miner.facts import Assignment, Place
from storage_miner.http_server import HttpServer
from storage_miner.prover_pool import open_pool
from storage_miner.startup import listen
from storage_miner.store import Volumes
from storage_miner.transfer import Transfers
from tests.storage_miner.kit import ACCOUNT, FACTS, FRAGMENT_BYTES, OTHER, file, place, volumes_at

OWNER = KeyPair.from_suri("//Alice")
THIEF = KeyPair.from_suri("//Eve")
NONCE = bytes(range(32))


@dataclass
class ScriptedChain:
    """Answers about assignments and deals as the test says."""

    places: dict[bytes, tuple[Assignment, ...]] = field(default_factory=dict)
    owners: dict[bytes, AccountId] = field(default_factory=dict)
    asked: int = 0

    async def assignments_of(self, fragment_hash: FragmentHash) -> tuple[Assignment, ...]:
        self.asked += 1
        return self.places.get(bytes(fragment_hash), ())

    async def deal_owner(self, file_hash: FileHash) -> AccountId | None:
        return self.owners.get(bytes(file_hash))

    def assign(self, fragment_hash: FragmentHash, *places: Place) -> None:
        self.places[bytes(fragment_hash)] = tuple(
            Assignment(fragment_hash, each, 60) for each in places
        )
        for each in places:
            self.owners[bytes(each.file_hash)] = OWNER.account_id


@dataclass
class Site:
    """A served volume and a client of it."""

    url: str
    port: int
    client: httpx.AsyncClient
    chain: ScriptedChain
    volumes: Volumes
    transfers: Transfers
    app: FragmentApp
    facts: list[Any]

    async def put(self, name: str, data: bytes, **headers: str) -> httpx.Response:
        return await self.client.put(f"/fragments/{name}", content=data, headers=headers)

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self.client.post(path, json=body)


@asynccontextmanager
async def open_site(root: Path) -> AsyncIterator[Site]:
    chain, facts = ScriptedChain(), []

    async def notify(fact: object) -> None:
        facts.append(fact)

    with (
        volumes_at(root / "data", capacity=64 << 20) as volumes,
        listen("127.0.0.1", 0) as listener,
    ):
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        async with open_pool(1) as pool, trio.open_nursery() as nursery:
            transfers = Transfers(
                volumes=volumes,
                chain=chain,  # type: ignore[arg-type]
                facts=FACTS,
                account=ACCOUNT,
                pool=pool,
                notify=notify,
            )
            fragment_app = FragmentApp(transfers, lambda: {"state": "working"})
            server = HttpServer(fragment_app, listener, 64)
            await nursery.start(server.serve)
            async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
                yield Site(url, port, client, chain, volumes, transfers, fragment_app, facts)
            nursery.cancel_scope.cancel()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sign(
    made: Any,
    where: Place,
    *,
    pair: KeyPair = OWNER,
    miner: AccountId = ACCOUNT,
    genesis: bytes = FACTS.genesis,
    commitments: Any = None,
) -> str:
    points = made.commitments if commitments is None else commitments
    message = cosign_message(
        genesis,
        where.file_hash,
        where.segment_index,
        where.fragment_index,
        miner,
        made.hash,
        points,
    )
    return "0x" + encode(MultiSignature, pair.multi_signature(message)).hex()


def cosign_body(where: Place, signature: str) -> dict[str, Any]:
    return {
        "file_hash": "0x" + where.file_hash.hex(),
        "segment_index": where.segment_index,
        "fragment_index": where.fragment_index,
        "signature": signature,
    }


async def placed(site: Site, made: Any, where: Place) -> str:
    """A fragment that is assigned, stored and committed."""
    site.chain.assign(made.hash, where)
    assert (await site.put(made.hash.hex(), made.data)).status_code == 201
    site.volumes.put_commitments(made.hash, made.commitments)
    return f"/fragments/{made.hash.hex()}"


# The road of one fragment.


@pytest.mark.trio
async def test_a_fragment_is_taken_opened_cosigned_and_given_back(
    site: Site, fragments: Any
) -> None:
    made, where = fragments[0], place(1, 2, 3)
    path = f"/fragments/{made.hash.hex()}"
    site.chain.assign(made.hash, where)

    stored = await site.put(made.hash.hex(), made.data)
    assert stored.status_code == 201
    assert stored.json() == {"hash": "0x" + made.hash.hex(), "bytes": FRAGMENT_BYTES}

    opened = await site.post(path + "/opening", {"nonce": NONCE.hex()})
    assert opened.status_code == 200
    body = opened.json()
    commitments = [Bytes48(bytes.fromhex(item[2:])) for item in body["commitments"]]
    opening = Opening(
        y=ScalarBytes(bytes.fromhex(body["y"][2:])), proof=Bytes48(bytes.fromhex(body["proof"][2:]))
    )
    check_transfer(made.data, made.hash, commitments, NONCE, opening)

    signed = await site.post(path + "/cosignature", cosign_body(where, sign(made, where)))
    assert signed.status_code == 202
    assert [type(fact) for fact in site.facts] == [FragmentStored, Committed, Cosigned]
    kept = site.volumes.cosignatures()
    assert [(item.segment_index, item.fragment_index) for item in kept] == [(2, 3)]

    got = await site.client.get(path)
    assert (got.status_code, got.content) == (200, made.data)


@pytest.mark.trio
async def test_the_acknowledged_fragment_is_on_the_disk_under_its_name(
    site: Site, fragments: Any
) -> None:
    made = fragments[0]
    await placed(site, made, place(1))
    assert site.volumes.volumes[0].layout.fragment(made.hash).read_bytes() == made.data
    assert list(site.volumes.volumes[0].layout.temporary.iterdir()) == []


@pytest.mark.trio
async def test_a_held_fragment_is_acknowledged_again_without_writing(
    site: Site, fragments: Any
) -> None:
    made = fragments[0]
    await placed(site, made, place(1))
    again = await site.put(made.hash.hex(), made.data)
    assert again.status_code == 200


@pytest.mark.trio
async def test_health_and_status(site: Site) -> None:
    assert (await site.client.get("/health")).json() == {"status": "ok"}
    assert (await site.client.get("/status")).json() == {"state": "working"}


@pytest.mark.trio
@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=10-", 206, 10, FRAGMENT_BYTES),
        ("bytes=-7", 206, FRAGMENT_BYTES - 7, FRAGMENT_BYTES),
        (f"bytes=5-{FRAGMENT_BYTES * 2}", 206, 5, FRAGMENT_BYTES),
        ("bytes=0-", 200, 0, FRAGMENT_BYTES),
        ("bytes=0-1,5-6", 200, 0, FRAGMENT_BYTES),
        ("lines=1-2", 200, 0, FRAGMENT_BYTES),
    ],
)
async def test_ranges(
    site: Site, fragments: Any, asked: str, status: int, start: int, end: int
) -> None:
    made = fragments[0]
    path = await placed(site, made, place(1))
    got = await site.client.get(path, headers={"range": asked})
    assert (got.status_code, got.content) == (status, made.data[start:end])
    if status == 206:
        assert got.headers["content-range"] == f"bytes {start}-{end - 1}/{FRAGMENT_BYTES}"
    head = await site.client.head(path, headers={"range": asked})
    assert (head.status_code, head.content) == (status, b"")
    assert head.headers["content-length"] == str(end - start)


@pytest.mark.trio
@pytest.mark.parametrize("asked", [f"bytes={FRAGMENT_BYTES}-", "bytes=9-3", "bytes=-0"])
async def test_a_range_outside_is_416(site: Site, fragments: Any, asked: str) -> None:
    path = await placed(site, fragments[0], place(1))
    got = await site.client.get(path, headers={"range": asked})
    assert (got.status_code, got.json()["error"]) == (416, "bad_range")


@pytest.mark.trio
async def test_what_is_not_held_is_404(site: Site) -> None:
    for method in ("GET", "HEAD"):
        got = await site.client.request(method, "/fragments/" + "00" * 32)
        assert got.status_code == 404


# Attacks on uploads.


@pytest.mark.trio
async def test_a_fragment_that_was_not_assigned_is_refused(site: Site, fragments: Any) -> None:
    made = fragments[0]
    got = await site.put(made.hash.hex(), made.data)
    assert (got.status_code, got.json()["error"]) == (404, "not_assigned")
    assert site.volumes.fragment_hashes() == ()


@pytest.mark.trio
async def test_a_flood_of_one_strange_name_asks_the_node_once_a_second(
    site: Site, fragments: Any
) -> None:
    for _ in range(5):
        await site.put(fragments[0].hash.hex(), fragments[0].data)
    assert site.chain.asked <= 2


@pytest.mark.trio
async def test_other_bytes_than_the_name_says_leave_no_trace(site: Site, fragments: Any) -> None:
    made = fragments[0]
    site.chain.assign(made.hash, place(1))
    got = await site.put(made.hash.hex(), fragments[1].data)
    assert (got.status_code, got.json()["error"]) == (400, "hash_mismatch")
    assert site.volumes.fragment_hashes() == ()
    assert list(site.volumes.volumes[0].layout.temporary.iterdir()) == []
    assert site.volumes.space().reserved == 0


@pytest.mark.trio
@pytest.mark.parametrize("delta", [-1, 1, -FRAGMENT_BYTES])
async def test_a_body_of_another_length_is_refused_before_it_is_written(
    site: Site, fragments: Any, delta: int
) -> None:
    made = fragments[0]
    site.chain.assign(made.hash, place(1))
    got = await site.put(made.hash.hex(), bytes(FRAGMENT_BYTES + delta))
    assert (got.status_code, got.json()["error"]) == (400, "wrong_length")


@pytest.mark.trio
async def test_a_body_without_a_length_is_refused(site: Site, fragments: Any) -> None:
    made = fragments[0]
    site.chain.assign(made.hash, place(1))

    async def pieces() -> AsyncIterator[bytes]:
        yield made.data

    got = await site.client.put(f"/fragments/{made.hash.hex()}", content=pieces())
    assert (got.status_code, got.json()["error"]) == (411, "length_required")


@pytest.mark.trio
@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e%2fMINER",
        "A" * 64,
        "g" * 64,
        "0" * 63,
        "0" * 65,
        "0x" + "0" * 62,
        "0" * 64 + "%00",
        "0" * 32 + "%2f" + "0" * 31,
    ],
)
async def test_a_name_is_never_a_path(site: Site, name: str) -> None:
    """Sent as raw bytes, because clients tidy such paths up."""
    for method in (b"GET", b"PUT"):
        stream = await trio.open_tcp_stream("127.0.0.1", site.port)
        async with stream:
            await stream.send_all(
                method + b" /fragments/" + name.encode() + b" HTTP/1.1\r\nhost: x\r\n"
                b"content-length: 0\r\nconnection: close\r\n\r\n"
            )
            reply = b""
            while piece := await stream.receive_some(4096):
                reply += piece
        assert reply.split(b" ")[1] in (b"400", b"404"), reply
        assert b"root:" not in reply
        assert b"cess-miner-data" not in reply


@pytest.mark.trio
async def test_a_sender_that_breaks_off_leaves_nothing(site: Site, fragments: Any) -> None:
    made = fragments[0]
    site.chain.assign(made.hash, place(1))
    stream = await trio.open_tcp_stream("127.0.0.1", site.port)
    head = f"PUT /fragments/{made.hash.hex()} HTTP/1.1\r\nhost: x\r\n"
    await stream.send_all(head.encode() + f"content-length: {FRAGMENT_BYTES}\r\n\r\n".encode())
    await stream.send_all(made.data[:50_000])
    with trio.fail_after(5):
        while not site.transfers.uploads:
            await trio.lowlevel.checkpoint()
    await stream.aclose()
    with trio.fail_after(5):
        while site.transfers.uploads:
            await trio.lowlevel.checkpoint()
    assert list(site.volumes.volumes[0].layout.temporary.iterdir()) == []
    assert site.volumes.space().reserved == 0
    assert (await site.put(made.hash.hex(), made.data)).status_code == 201


@pytest.mark.trio
async def test_a_sender_that_dawdles_is_cut_off(
    site: Site, fragments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "PIECE_TIMEOUT_S", 0.05)
    made = fragments[0]
    site.chain.assign(made.hash, place(1))
    stream = await trio.open_tcp_stream("127.0.0.1", site.port)
    async with stream:
        head = f"PUT /fragments/{made.hash.hex()} HTTP/1.1\r\nhost: x\r\n"
        await stream.send_all(head.encode() + f"content-length: {FRAGMENT_BYTES}\r\n\r\n".encode())
        with trio.fail_after(5):
            reply = await stream.receive_some(4096)
    assert reply.split(b" ")[1] == b"408"
    assert site.volumes.space().reserved == 0


@pytest.mark.trio
async def test_two_senders_of_one_fragment_do_not_mix(site: Site, fragments: Any) -> None:
    made = fragments[0]
    site.chain.assign(made.hash, place(1))
    upload = site.volumes.begin(made.hash, FRAGMENT_BYTES)
    try:
        got = await site.put(made.hash.hex(), made.data)
        assert (got.status_code, got.json()["error"]) == (409, "already_receiving")
    finally:
        upload.abort()


@pytest.mark.trio
async def test_uploads_at_once_are_bounded(
    site: Site, fragments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "UPLOADS_MAX", 0)
    site.chain.assign(fragments[0].hash, place(1))
    got = await site.put(fragments[0].hash.hex(), fragments[0].data)
    assert (got.status_code, got.json()["error"]) == (503, "busy")
    assert got.headers["retry-after"]


@pytest.mark.trio
async def test_openings_at_once_are_bounded_so_that_audits_get_their_turn(
    site: Site, fragments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await placed(site, fragments[0], place(1))
    monkeypatch.setattr(transfer, "OPENINGS_MAX", 0)
    got = await site.post(path + "/opening", {"nonce": NONCE.hex()})
    assert (got.status_code, got.json()["error"]) == (503, "busy")


@pytest.mark.trio
async def test_a_full_volume_is_507(site: Site, fragments: Any) -> None:
    made = fragments[0]
    site.chain.assign(made.hash, place(1))
    left = site.volumes.space().left
    site.volumes.volumes[0].reserve(left - FRAGMENT_BYTES)
    got = await site.put(made.hash.hex(), made.data)
    assert (got.status_code, got.json()["error"]) == (507, "quota_reached")


@pytest.mark.trio
async def test_a_stopping_miner_takes_nothing_new(site: Site, fragments: Any) -> None:
    site.transfers.is_stopping = True
    site.chain.assign(fragments[0].hash, place(1))
    got = await site.put(fragments[0].hash.hex(), fragments[0].data)
    assert (got.status_code, got.json()["error"]) == (503, "stopping")


# Attacks on openings and co-signatures.


@pytest.mark.trio
async def test_nobody_makes_the_miner_prove_what_it_was_not_assigned(
    site: Site, fragments: Any
) -> None:
    made = fragments[0]
    path = await placed(site, made, place(1))
    site.chain.places.clear()
    got = await site.post(path + "/opening", {"nonce": NONCE.hex()})
    assert (got.status_code, got.json()["error"]) == (404, "not_assigned")


@pytest.mark.trio
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        b'{"nonce": 5}',
        b'{"nonce": "00"}',
        b'{"nonce": "' + b"zz" * 32 + b'"}',
        b'{"nonce": "' + b"00" * 33 + b'"}',
        b"[" * 5000,
    ],
)
async def test_a_bad_nonce_is_refused(site: Site, fragments: Any, body: bytes) -> None:
    path = await placed(site, fragments[0], place(1))
    got = await site.client.post(path + "/opening", content=body)
    assert got.status_code == 400


@pytest.mark.trio
@pytest.mark.parametrize("extra", [0, 1])
async def test_json_bodies_are_bounded(site: Site, fragments: Any, extra: int) -> None:
    path = await placed(site, fragments[0], place(1))
    padding = app_module.JSON_BYTES_MAX - len(b'{"x":""}') + extra
    body = json.dumps({"x": "a" * padding}, separators=(",", ":")).encode()
    got = await site.client.post(path + "/opening", content=body)
    assert got.status_code == (413 if extra else 400)


FORGERIES = {
    "another signer": partial(sign, pair=THIEF),
    "another miner": partial(sign, miner=OTHER),
    "another chain": partial(sign, genesis=bytes(32)),
}


@pytest.mark.trio
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_cosignature_is_refused(site: Site, fragments: Any, forge: Any) -> None:
    made, where = fragments[0], place(1)
    path = await placed(site, made, where)
    got = await site.post(path + "/cosignature", cosign_body(where, forge(made, where)))
    assert (got.status_code, got.json()["error"]) == (400, "bad_signature")
    assert site.volumes.cosignatures() == ()


@pytest.mark.trio
async def test_a_cosignature_of_other_commitments_is_refused(site: Site, fragments: Any) -> None:
    made, where = fragments[0], place(1)
    path = await placed(site, made, where)
    signature = sign(made, where, commitments=fragments[1].commitments)
    got = await site.post(path + "/cosignature", cosign_body(where, signature))
    assert (got.status_code, got.json()["error"]) == (400, "bad_signature")


@pytest.mark.trio
async def test_a_cosignature_replayed_for_another_place_is_refused(
    site: Site, fragments: Any
) -> None:
    """Both places are this miner's and of this fragment; the signature is good for one of them."""
    made, one, two = fragments[0], place(1, 0, 0), place(1, 1, 0)
    path = await placed(site, made, one)
    site.chain.assign(made.hash, one, two)
    signature = sign(made, one)
    assert (await site.post(path + "/cosignature", cosign_body(one, signature))).status_code == 202
    got = await site.post(path + "/cosignature", cosign_body(two, signature))
    assert (got.status_code, got.json()["error"]) == (400, "bad_signature")
    assert len(site.volumes.cosignatures()) == 1


@pytest.mark.trio
async def test_a_cosignature_for_a_place_of_another_miner_is_refused(
    site: Site, fragments: Any
) -> None:
    made, where = fragments[0], place(1)
    path = await placed(site, made, where)
    strange = place(2)
    site.chain.owners[bytes(file(2))] = OWNER.account_id
    got = await site.post(path + "/cosignature", cosign_body(strange, sign(made, strange)))
    assert (got.status_code, got.json()["error"]) == (404, "not_assigned")


@pytest.mark.trio
@pytest.mark.parametrize("signature", ["0x", "0x00", "0x01" + "00" * 63, "0x09" + "00" * 64, 7])
async def test_what_is_no_signature_is_refused(site: Site, fragments: Any, signature: Any) -> None:
    made, where = fragments[0], place(1)
    path = await placed(site, made, where)
    got = await site.post(path + "/cosignature", cosign_body(where, signature))
    assert got.status_code == 400


@pytest.mark.trio
@pytest.mark.parametrize("index", [-1, 256, True, "1", None, 1.0])
async def test_a_bad_index_is_refused(site: Site, fragments: Any, index: Any) -> None:
    made, where = fragments[0], place(1)
    path = await placed(site, made, where)
    body = {**cosign_body(where, sign(made, where)), "fragment_index": index}
    assert (await site.post(path + "/cosignature", body)).status_code == 400


@pytest.mark.trio
async def test_a_cosignature_before_the_commitments_is_refused(site: Site, fragments: Any) -> None:
    made, where = fragments[0], place(1)
    site.chain.assign(made.hash, where)
    await site.put(made.hash.hex(), made.data)
    path = f"/fragments/{made.hash.hex()}"
    got = await site.post(path + "/cosignature", cosign_body(where, sign(made, where)))
    assert (got.status_code, got.json()["error"]) == (409, "not_committed")


@pytest.mark.trio
async def test_a_cosignature_for_a_closed_deal_is_refused(site: Site, fragments: Any) -> None:
    made, where = fragments[0], place(1)
    path = await placed(site, made, where)
    site.chain.owners.clear()
    got = await site.post(path + "/cosignature", cosign_body(where, sign(made, where)))
    assert (got.status_code, got.json()["error"]) == (404, "no_deal")


# Other requests.


@pytest.mark.trio
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/fragments/", 404),
        ("GET", "/fragments/" + "0" * 300, 404),
        ("POST", "/status", 405),
        ("DELETE", "/fragments/" + "00" * 32, 405),
        ("PUT", "/fragments/" + "00" * 32 + "/opening", 405),
        ("GET", "/fragments/" + "00" * 32 + "/cosignature", 405),
    ],
)
async def test_other_requests_are_refused_in_json(
    site: Site, method: str, path: str, status: int
) -> None:
    got = await site.client.request(method, path)
    assert got.status_code == status
    assert set(got.json()) == {"error", "message"}


@pytest.mark.trio
async def test_a_fragment_whose_file_vanished_is_not_served(site: Site, fragments: Any) -> None:
    made = fragments[0]
    path = await placed(site, made, place(1))
    site.volumes.volumes[0].layout.fragment(made.hash).unlink()
    got = await site.client.get(path)
    assert (got.status_code, got.json()["error"]) == (404, "not_held")


@pytest.mark.trio
async def test_a_reader_that_stalls_loses_its_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than fits into the sockets' buffers is asked for and never read."""
    monkeypatch.setattr(startup, "STALL_TIMEOUT_MS", 200)
    data = bytes(16 << 20)
    async with open_site(tmp_path) as site:
        fragment_hash = FragmentHash(hashlib.sha256(data).digest())
        await site.transfers.store(fragment_hash, data)
        stream = await trio.open_tcp_stream("127.0.0.1", site.port)
        async with stream:
            request = f"GET /fragments/{fragment_hash.hex()} HTTP/1.1\r\nhost: x\r\n\r\n"
            await stream.send_all(request.encode())
            with trio.fail_after(10):
                while not site.app.downloads:
                    await trio.sleep(0.01)
                while site.app.downloads:
                    await trio.sleep(0.01)


@pytest.mark.trio
async def test_downloads_at_once_are_bounded(
    site: Site, fragments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await placed(site, fragments[0], place(1))
    monkeypatch.setattr(app_module, "DOWNLOADS_MAX", 0)
    got = await site.client.get(path)
    assert (got.status_code, got.json()["error"]) == (503, "busy")
