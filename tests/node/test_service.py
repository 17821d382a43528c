"""The node as a whole, in this process: what it opens, what it refuses, how it stops."""

import gc
import os
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest
import structlog
import trio

from chain_spec.presets import dev
from node.config import NodeConfig, RpcConfig
from node.logging import configure
from node.maintenance import purge
from node.service import (
    COLLECT_AFTER,
    PortInUse,
    _keys,
    _Node,
    _signed_slots,
    _tune_collector,
    open_database,
    run,
)


@pytest.fixture(autouse=True)
def _log() -> None:
    structlog.reset_defaults()
    configure()


def config(**changes: object) -> NodeConfig:
    values = {"chain": "dev", "in_memory": True, "prometheus_port": None, **changes}
    return NodeConfig(**{"rpc": RpcConfig(port=0), **values})  # type: ignore[arg-type]


def started(capsys: pytest.CaptureFixture[str]) -> int | None:
    """The port, once the log names it."""
    _LOG.append(capsys.readouterr().err)
    found = re.search(r"addr=127\.0\.0\.1:(\d+)", "".join(_LOG))
    return None if found is None else int(found.group(1))


_LOG: list[str] = []


def test_a_full_node_answers_and_stops_on_a_signal(capsys: pytest.CaptureFixture[str]) -> None:
    _LOG.clear()
    answers = []

    async def main() -> None:
        place = config()
        with trio.fail_after(120), open_database(place, dev()) as database:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_Node(place, dev(), database).main)
                while (port := started(capsys)) is None:
                    await trio.sleep(0.01)
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                    body = {"jsonrpc": "2.0", "id": 1, "method": "system_nodeRoles", "params": []}
                    answers.append((await client.post("/", json=body)).json()["result"])
                    answers.append((await client.get("/health")).json()["isSyncing"])
                os.kill(os.getpid(), signal.SIGTERM)

    trio.run(main)
    assert answers == [["Full"], False]
    assert "stopping on SIGTERM" in capsys.readouterr().err


def test_a_port_in_use_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match="--rpc-port"):
            run(config(rpc=RpcConfig(port=port)))


def test_a_temporary_directory_is_removed(tmp_path: Path) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse):
            run(
                config(
                    base_path=place,
                    in_memory=False,
                    is_temporary=True,
                    rpc=RpcConfig(port=port),
                )
            )
    assert not place.exists()


def test_an_authority_without_a_key_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    _LOG.clear()

    async def main() -> None:
        place = config(is_authority=True, dev_key="bob")
        with trio.fail_after(120), open_database(place, dev()) as database:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_Node(place, dev(), database).main)
                while "no authoring key" not in "".join(_LOG):
                    started(capsys)
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_full_collections_are_rare_and_the_program_itself_is_never_looked_at() -> None:
    before = gc.get_threshold()
    try:
        _tune_collector()
        assert gc.get_threshold() == COLLECT_AFTER
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_what_was_signed_is_remembered_on_disk_only_where_the_chain_is(tmp_path: Path) -> None:
    _signed_slots(config(), dev()).claim(7)
    assert _signed_slots(config(), dev()).last == -1
    place = config(in_memory=False, base_path=tmp_path)
    place.chain_path(dev().id).mkdir(parents=True)
    _signed_slots(place, dev()).claim(7)
    assert _signed_slots(place, dev()).last == 7
    assert purge(place) is None
    assert _signed_slots(place, dev()).last == 7


def test_a_keystore_that_others_can_open_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for mode, is_open in ((0o700, False), (0o750, True), (0o755, True)):
        tmp_path.chmod(mode)
        _keys(config(keystore_path=tmp_path), dev())
        assert ("chmod 700" in capsys.readouterr().err) is is_open
    _keys(config(keystore_path=tmp_path / "missing"), dev())
    assert not capsys.readouterr().err
